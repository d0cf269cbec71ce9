#!/bin/bash
# What happens when a process of posternd dies.
#
#	restart.sh [SEED]
#
# KILLS is the number of deaths at random moments (30); a seed, which is
# printed, chooses the same ones again.

. "$(dirname "$0")/../lib/netns.sh"

: "${KILLS:=30}"
RANDOM=${1:-$((10#$(date +%N) % 32768))}
seed=${1:-$RANDOM}
RANDOM=$seed

title() {
	tr '\0' ' ' < "/proc/${pid[gateway]}/cmdline" | sed 's/ *$//'
}

has_title() {
	[ "$(title)" = "posternd: parent [$1, tun-firezone up]" ]
}

# Everything is there and the portal has the gateway, beyond line $1 of its log.
is_whole() {
	has_title "2 workers" && gateway_online &&
		line_after "$work/portal.log" "gateway.*: joined" "$1"
}

since() {
	echo $(($(now_ms) - $1))
}

# within NAME MILLISECONDS START: says how long it took.
within() {
	local took
	took=$(since "$3")
	if [ "$took" -le "$2" ]; then
		ok "$1 ($took ms)"
	else
		not_ok "$1" "took $took ms, at most $2 are allowed"
	fi
}

test_unchanged() {
	check "$1: the network is as before" is_clean
}

# The portal's side dies during a download; nobody notices.
test_control_worker_dies() {
	local start mark lines old
	start_gateway
	check "the parent keeps the token out of swap" \
	    grep -Eq '^VmLck:[[:space:]]*[1-9]' "/proc/${pid[gateway]}/status"
	start_client
	check "control-worker: ping before" ping_lan 10
	lines=$(lines_of "$work/client.log")
	mark=$(lines_of "$work/portal.log")
	old=$(worker net-worker)
	download $LAN4 --limit-rate 8M > "$work/download.log" 2>&1 &
	pid[download]=$!
	wait_until 5 test -s "$work/download"
	start=$(now_ms)
	kill -KILL "$(worker control-worker)"
	check "control-worker killed: online again" \
	    wait_until 10 is_whole "$mark"
	within "control-worker killed: within 5 s" 5000 "$start"
	check "control-worker killed: the log says so" grep -q \
	    'control-worker was killed by signal 9' "$work/gateway.log"
	refuse "control-worker killed: the download went on" \
	    gone "${pid[download]}"
	await_exit download 60
	is "control-worker killed: the download is right" "$exit_status" 0
	is "control-worker killed: the same net-worker" \
	    "$(worker net-worker)" "$old"
	refuse "control-worker killed: the client saw nothing of it" \
	    line_after "$work/client.log" '^(lost|goodbye|handshake)' "$lines"
	# What the new one is told by the portal and tells it.
	check "control-worker killed: another resource" \
	    at client ping -6 -c 1 -W 10 -q $LAN6
	# The second death in a row: the next one starts after a second.
	mark=$(lines_of "$work/portal.log")
	kill -KILL "$(worker control-worker)"
	check "control-worker killed again: the title says so" \
	    wait_until 1 has_title "1 worker"
	check "control-worker killed again: online again" \
	    wait_until 10 is_whole "$mark"
	stop client
	start_client
	check "control-worker killed again: a new connection" ping_lan 10
}

# The data plane dies: a new key, a new connection.
test_net_worker_dies() {
	local start mark lines old
	old=$(worker control-worker)
	lines=$(lines_of "$work/client.log")
	mark=$(lines_of "$work/portal.log")
	spawn pings client ping -q -i 0.2 $LAN4
	start=$(now_ms)
	kill -KILL "$(worker net-worker)"
	check "net-worker killed: online again" wait_until 10 is_whole "$mark"
	within "net-worker killed: within 5 s" 5000 "$start"
	is "net-worker killed: the same control-worker" \
	    "$(worker control-worker)" "$old"
	check "net-worker killed: the client connects again" \
	    wait_line 40 "$work/client.log" '^handshake' "$lines"
	check "net-worker killed: ping" ping_lan 10
	within "net-worker killed: within 25 s" 25000 "$start"
	stop pings
	check "net-worker killed: download" download $LAN4
}

test_both_die() {
	local mark
	mark=$(lines_of "$work/portal.log")
	kill -KILL "$(worker net-worker)" "$(worker control-worker)"
	check "both killed: online again" wait_until 20 is_whole "$mark"
	stop client
	start_client
	check "both killed: a new connection" ping_lan 10
	stop client
	stop gateway
	is "both killed: exit status at the end" "$exit_status" 0
	test_unchanged "both killed"
}

# A system call that is not on the list, put into it by a tracer: the kernel
# ends it, its log has the number, and another one is made.
test_sandbox_violation() {
	local mark name
	start_gateway
	for name in net-worker control-worker; do
		mark=$(lines_of "$work/portal.log")
		spawn tracer gateway strace -p "$(worker $name)" \
		    -e inject=epoll_wait,epoll_pwait:retval=0:syscall=getuid
		check "sandbox violation in $name: it is replaced" \
		    wait_until 20 is_whole "$mark"
		stop tracer
		# By audit, or not at all where that does not tell us.
		check "sandbox violation in $name: the log says so" grep -Eq \
		    "ERROR parent: sandbox violation in $name \((syscall 102|an)" \
		    "$work/gateway.log"
	done
	stop gateway
	is "sandbox violations: exit status at the end" "$exit_status" 0
}

# One that does not live is not started for ever.
test_repeated_deaths() {
	local victim n start
	start_gateway
	start=$(now_ms)
	for n in 1 2 3 4 5; do
		wait_until 15 worker "$1" || break
		victim=$(worker "$1")
		kill -KILL "$victim"
		wait_until 2 gone "$victim"
	done
	check "$1 killed 5 times: posternd ends" await_exit gateway 5
	is "$1 killed 5 times: exit status" "$exit_status" 1
	check "$1 killed 5 times: the log says why" grep -q \
	    "ERROR parent: $1 has died 5 times in a row" "$work/gateway.log"
	within "$1 killed 5 times: with delays" 20000 "$start"
	is "$1 killed 5 times: no process is left" "$(daemons)" ""
	test_unchanged "$1 killed 5 times"
}

# --- Random moments ---------------------------------------------------------

no_process_left() {
	[ -z "$(daemons)" ]
}

# The parent was killed: rules are left, which the next start removes, and
# kernel settings, which nobody does.
after_parent() {
	wait "${pid[gateway]}" 2>/dev/null
	unset "pid[gateway]"
	wait_until 5 no_process_left || {
		echo "processes are left"
		return 1
	}
	[ -z "$(at gateway nft list tables)" ] || {
		echo "nftables tables are left"
		return 1
	}
	grep ' = ' "$work/before" | at gateway sysctl -q -p -
}

# A worker was killed: posternd is whole again or has ended with a reason.
ended_or_whole() {
	gone "${pid[gateway]}" || is_whole "$1"
}

after_worker() {
	wait_until 30 ended_or_whole "$1" || {
		echo "neither ended nor whole: $(title)"
		tail -n 5 "$work/gateway.log"
		return 1
	}
	gone "${pid[gateway]}" || return 0
	await_exit gateway 1
	[ "$exit_status" -eq 1 ] && grep -q ERROR "$work/gateway.log" &&
		no_process_left || {
		echo "ended with status $exit_status"
		tail -n 5 "$work/gateway.log"
		return 1
	}
	is_clean
}

is_clean() {
	gateway_network | diff "$work/before" -
}

children() {
	pgrep -P "${pid[gateway]}"
}

kill_at_random() {
	local mark victims victim
	[ -n "${pid[gateway]:-}" ] || launch_gateway
	sleep "$((RANDOM % 2)).$((RANDOM % 1000))"
	mark=$(lines_of "$work/portal.log")
	# The parent once in a while, else one of the others or both.
	read -r -a victims <<< "$(children | tr '\n' ' ')"
	if [ $((RANDOM % 5)) -eq 0 ] || [ ${#victims[@]} -eq 0 ]; then
		what=parent
		kill -KILL "${pid[gateway]}"
		after_parent
		return
	fi
	victim=$((RANDOM % (${#victims[@]} + 1)))
	if [ "$victim" -eq ${#victims[@]} ]; then
		what="all workers"
		kill -KILL "${victims[@]}"
	else
		what=$(tr '\0' ' ' < "/proc/${victims[$victim]}/cmdline" |
		    grep -Eo '(net|control)-worker' | head -n 1)
		what=${what:-an unborn worker}
		kill -KILL "${victims[$victim]}"
	fi 2>/dev/null
	after_worker "$mark"
}

test_random_deaths() {
	local n what status
	echo "# seed $seed"
	spawn pings client ping -q -i 0.05 $LAN4
	start_client
	for ((n = 1; n <= KILLS; n++)); do
		kill_at_random > "$work/why" 2>&1
		status=$?
		if [ "$status" -eq 0 ]; then
			ok "death $n, of $what"
		else
			not_ok "death $n, of $what, seed $seed" "$(cat "$work/why")"
			stop gateway KILL
		fi
	done
	stop gateway
	start_gateway
	check "after $KILLS deaths: ping" wait_until 45 ping_lan
	stop pings
	stop client
	stop gateway
	is "after $KILLS deaths: exit status" "$exit_status" 0
	is "after $KILLS deaths: no process is left" "$(daemons)" ""
	check "after $KILLS deaths: the network is as before" is_clean
}

topology
gateway_network > "$work/before"
start_relay
start_portal
start_lan 30
test_control_worker_dies
test_net_worker_dies
test_both_die
test_sandbox_violation
test_repeated_deaths control-worker
test_repeated_deaths net-worker
test_random_deaths
finish
