#!/bin/bash
# A thousand clients behind one address, every other one without ICE, are
# authorized at once. How long it takes until each has had an answer through its
# tunnel is printed.
#
#	crowd.sh [CLIENTS [WITHOUT-ICE]]

. "$(dirname "$0")/../lib/netns.sh"

COUNT=${1:-1000}
WITHOUT_ICE=${2:-$((COUNT / 2))}
# 20 on a machine with nothing else to do; clients try again each 5 s.
LIMIT_S=30

start_crowd() {
	mkfifo "$work/begin"
	: > "$work/crowd.log"
	# For writing as well: it waits for a line.
	(exec ip netns exec "${prefix}portal" "$PYTHON" \
	    "$NETNS_ROOT/tests/integration/crowd.py" \
	    "$BUILD/tests/integration/crowd" 203.0.113.8 $LAN4 "$COUNT" \
	    "$WITHOUT_ICE" 203.0.113.9 $RELAY_SECRET) <> "$work/begin" \
	    > "$work/crowd.log" 2>&1 &
	pid[crowd]=$!
	wait_line 10 "$work/crowd.log" '^listening' ||
		die "the crowd does not start" "$work/crowd.log"
	PORTAL_URL=$(sed -n 's/^listening //p' "$work/crowd.log")
}

gateway_status() {
	posternctl status -w "$@"
}

ready() {
	gateway_status | grep -q ': ready$'
}

# What the gateway itself says of them. Those that have had their answer are idle
# after 20 s.
has_all() {
	gateway_status > "$work/status"
	[ "$(grep -cE ' (connected|idle) ' "$work/status")" -eq "$COUNT" ] &&
		[ "$(grep -c 'without ICE' "$work/status")" -eq "$WITHOUT_ICE" ]
}

topology
start_relay
start_lan 1
start_crowd
launch_gateway
check "the gateway is ready" wait_until 15 ready
echo > "$work/begin"
check "all are connected" wait_line 60 "$work/crowd.log" ' clients in '
figures=$(grep ' clients in ' "$work/crowd.log")
echo "# $figures"
seconds=${figures#* in }
seconds=${seconds%%.*}
check "within $LIMIT_S s" [ "${seconds:-99}" -lt $LIMIT_S ]
check "$WITHOUT_ICE of them without ICE" \
    [ "${figures#*, }" = "$WITHOUT_ICE of them without ICE" ]
check "the gateway has them" wait_until 10 has_all
stop gateway
is "the gateway's exit status" "$exit_status" 0
stop crowd
finish
