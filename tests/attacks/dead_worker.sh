#!/bin/bash
# What a worker has said before it died is not heard as its successor's: neither
# is a key taken from it, nor is anybody accused for it.

. "$(dirname "$0")/../lib/netns.sh"

# A portal that has the gateway, beyond line $1 of its log, and two workers.
is_whole() {
	gateway_online &&
		line_after "$work/portal.log" "gateway.*: joined" "$1" &&
		worker net-worker > /dev/null &&
		worker control-worker > /dev/null
}

# is_born NAME DEAD: there is one, which is not the dead one.
is_born() {
	local now
	now=$(worker "$1") && [ "$now" != "$2" ]
}

# attack VOICE TYPE: VOICE leaves messages for each epoch that may come next.
attack() {
	local other=control-worker mark victim dead
	[ "$1" = control-worker ] && other=net-worker
	mark=$(lines_of "$work/portal.log")
	victim=$(worker "$other")
	dead=$(worker "$1")
	# So that it hears the dead, the parent and the successor at once.
	kill -STOP "$victim"
	check "$1: leaves messages behind and dies" \
	    "$PYTHON" "$NETNS_ROOT/tests/attacks/dead_worker.py" \
	    "$dead" "$2"
	check "$1: there is another one" wait_until 10 is_born "$1" "$dead"
	kill -CONT "$victim"
	check "$1: its successor works" wait_until 20 is_whole "$mark"
	start_client
	check "$1: and serves a client" ping_lan 20
	stop client
	is "$1: nobody else has been ended" "$(worker "$other")" "$victim"
	refuse "$1: nobody was accused" \
	    grep -q 'breaks the rules' "$work/gateway.log"
	is "$1: it died once" \
	    "$(grep -c "$1 was killed by signal 9" "$work/gateway.log")" 1
}

topology
start_relay
start_portal
start_lan 1
start_gateway
start_client
check "ping" ping_lan 10
stop client
attack net-worker PUBLIC_KEY
attack control-worker GRANTS_COMMIT
stop gateway
is "exit status" "$exit_status" 0
finish
