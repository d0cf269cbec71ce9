#!/bin/bash
# A flood of handshakes from sources that do not exist: what each costs the
# gateway, and how fast a client's download is beside it, compared with the same
# flood to a port where nobody listens.
#
#	spoofed_handshakes.sh [ROUNDS]

. "$(dirname "$0")/../lib/netns.sh"

ROUNDS=${1:-3}
MEGABYTES=40
RATE=20000
SOURCES=10000
COST_SECONDS=4
# As fast, in percent; a machine with other work is not that exact.
LEAST=70
# User time in ns, of which the MAC is some 400; a machine with other work makes
# it more. What would make it much more is to be woken for each few of them.
MOST=3000
SLEEPS=2000 # a second

flooder=$BUILD/tests/attacks/spoofed_handshakes

# User and system time of net-worker, in ms.
times() {
	local stat
	stat=$(< "/proc/$(worker net-worker)/stat")
	# The title may have blanks.
	set -- ${stat##*) }
	echo "$((${12} * 10)) $((${13} * 10))"
}

# How often its engine has gone to sleep.
sleeps() {
	at gateway awk '/^voluntary/ { print $2 }' \
	    "/proc/$(worker net-worker)/status"
}

# Datagrams that came to a socket of the gateway's, or to none.
datagrams() {
	at gateway awk -v column="$1" '$1 == "Udp:" { n = $column }
	    END { print n }' /proc/net/snmp
}

test_cost() {
	local user system user_before system_before before sent count slept
	before=$(datagrams 2)
	slept=$(sleeps)
	read -r user_before system_before <<< "$(times)"
	sent=$(at office "$flooder" 192.168.2.2 52625 $RATE $SOURCES \
	    $COST_SECONDS)
	read -r user system <<< "$(times)"
	count=$(($(datagrams 2) - before))
	slept=$((($(sleeps) - slept) / COST_SECONDS))
	user=$(((user - user_before) * 1000000 / count))
	system=$(((system - system_before) * 1000000 / count))
	echo "# $sent, $count received: user $user ns each, system $system ns"
	check "the flood arrives" [ $count -ge $((RATE * COST_SECONDS / 4)) ]
	echo "# the engine is woken $slept times a second"
	check "at most $MOST ns of user time each" [ $user -le $MOST ]
	check "at most $SLEEPS wake-ups a second" [ $slept -le $SLEEPS ]
}

median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# speed PORT: of a download in KB/s, beside the flood to that port.
speed() {
	spawn flood office "$flooder" 192.168.2.2 "$1" $RATE $SOURCES 60
	if download $LAN4; then
		awk -v b="$bytes" -v s="$seconds" 'BEGIN { print int(b/s/1000) }'
	fi
	stop flood
}

test_download() {
	local n open=() closed=() good=0
	for ((n = 0; n < ROUNDS; n++)); do
		open+=("$(speed 52625)")
		closed+=("$(speed 52627)")
	done
	echo "# KB/s, flood to the gateway: ${open[*]}"
	echo "# KB/s, to a closed port: ${closed[*]}"
	for n in "${open[@]}" "${closed[@]}"; do
		[ -n "$n" ] && good=$((good + 1))
	done
	is "all downloads are right" $good $((2 * ROUNDS))
	n=$(($(median "${open[@]}") * 100 / $(median "${closed[@]}")))
	echo "# $n % of the speed beside a flood to a closed port"
	check "at least $LEAST %" [ $n -ge $LEAST ]
}

topology
start_relay
start_portal
start_lan $MEGABYTES
start_gateway
start_client
check "ping" ping_lan 10
check "a direct path" wait_until 10 path_is direct
test_cost
test_download
refuse "the connection is kept" grep -q ^lost "$work/client.log"
stop client
stop gateway
is "the gateway's exit status" "$exit_status" 0
finish
