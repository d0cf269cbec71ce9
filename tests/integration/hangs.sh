#!/bin/bash
# A worker that hangs: after seconds the gateway is not ready and says why, after
# half a minute the worker is killed, another one takes its place, and a download
# goes on. And a parent that was stopped itself, which nobody dies of.
#
#	hangs.sh [net-worker|shard|control-worker|parent]
#
# Without argument all are played at once, since they mostly wait.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pauses.sh"

MEGABYTES=15

readyz() {
	at gateway curl -s -m 2 -o "$work/readyz" -w '%{http_code}' \
	    http://127.0.0.1:8080/readyz
}

is_ready() { [ "$(readyz)" = 200 ]; }

is_not_ready() {
	[ "$(readyz)" = 503 ] &&
		grep -q '^net-worker does not answer' "$work/readyz"
}

status_line() {
	posternctl status 2> /dev/null | head -n 1
}

# is_born WORKER: there is one, which is not $old.
is_born() {
	local now
	now=$(worker "$1") && [ "$now" != "$old" ]
}

# is_killed WORKER: in time, and not before.
is_killed() {
	local took
	check "$name: it is killed" wait_line 45 "$work/gateway.log" \
	    "ERROR parent: $1 has not answered for 30 s: killed, to be started"
	took=$(($(now_ms) - start))
	echo "# $name: killed after $took ms"
	[ "$took" -ge 29000 ]
	is "$name: not before its time" $? 0
}

is_replaced() {
	check "$name: there is another one" wait_until 10 is_born "$1"
	check "$name: the gateway is ready" wait_until 20 is_ready
}

not_ready() {
	check "$name: not ready" wait_until 4 is_not_ready
	echo "# $name: not ready after $(($(now_ms) - start)) ms"
	is "$name: status" "$(status_line | sed 's/.*: not/not/')" \
	    "not ready: net-worker does not answer"
}

play_net_worker() {
	start_download
	check "$name: a download begins" wait_until 20 under_way 2
	other=$(worker control-worker)
	old=$(worker net-worker)
	kill -STOP "$old"
	start=$(now_ms)
	not_ready
	is_killed net-worker
	is_replaced net-worker
	check "$name: echoes come again" wait_until 30 ping_lan
	# TCP tries again after twice the time at the latest.
	ends_within "$name" 150000
	is "$name: the same control-worker" "$(worker control-worker)" "$other"
}

# One thread of the data plane, which has nothing to do, in a tracer's hands.
play_shard() {
	local thread
	other=$(worker control-worker)
	old=$(worker net-worker)
	thread=$(grep -lx "shard 1" "/proc/$old/task/"*/comm | cut -d / -f 5)
	spawn tracer gateway strace -p "$thread" \
	    -e inject=epoll_wait,epoll_pwait:delay_enter=120000000
	start=$(now_ms)
	not_ready
	is_killed net-worker
	# Only then its threads are all gone.
	stop tracer KILL
	is_replaced net-worker
	is "$name: the same control-worker" "$(worker control-worker)" "$other"
}

play_control_worker() {
	other=$(worker net-worker)
	old=$(worker control-worker)
	kill -STOP "$old"
	start=$(now_ms)
	start_download
	ends_within "$name" 10000
	check "$name: the log says so" \
	    wait_line 10 "$work/gateway.log" 'control-worker does not answer'
	is_killed control-worker
	is_replaced control-worker
	is "$name: the same net-worker" "$(worker net-worker)" "$other"
	check "$name: ping" ping_lan 10
	refuse "$name: the client saw nothing of it" \
	    grep -Eq '^(lost|goodbye)' "$work/client.log"
}

play_parent() {
	local before after
	before=$(processes)
	kill -STOP "${pid[gateway]}"
	sleep 40
	kill -CONT "${pid[gateway]}"
	sleep 8
	after=$(processes)
	is "$name: the same processes" "$after" "$before"
	refuse "$name: nobody was silent" log_has 'not answer'
	check "$name: ready" is_ready
	check "$name: ping" ping_lan 10
}

[ $# -eq 1 ] || play_at_once net-worker shard control-worker parent
name="$1 hangs"
[ "$1" != parent ] || name="stopped parent"
topology
start_relay
start_portal
start_lan $MEGABYTES
start_gateway --threads 2
start_client
check "$name: ping" ping_lan 10
check "$name: ready before" wait_until 10 is_ready
"play_${1//-/_}"
stop client
stop gateway
is "$name: the gateway's exit status" "$exit_status" 0
finish
