#!/bin/bash
# The test client against a gateway made of other people's parts: what it says
# is the protocol, and what it reports is true.

. "$(dirname "$0")/../lib/netns.sh"

# The independent gateway handles a packet in some 100 us of Python.
MEGABYTES=3

start_independent_gateway() {
	FIREZONE_TOKEN=$GATEWAY_TOKEN spawn gateway gateway "$PYTHON" \
	    "$NETNS_ROOT/tests/integration/independent_gateway.py" \
	    "$PORTAL_URL" $GATEWAY_ID
	wait_until 15 gateway_online ||
		die "the gateway does not come online" "$work/gateway.log"
}

run_client() {
	local wanted=$1
	shift
	start_client "$@"
	check "$wanted: ping" at client ping -c 1 -W 10 -q $LAN4
	check "$wanted: the path" wait_until 5 path_is "$wanted"
	check "$wanted: download over IPv4" download $LAN4
	check "$wanted: download over IPv6" download $LAN6
	stop client
	is "$wanted: exit status" "$exit_status" 0
}

topology
start_relay
start_portal
start_lan $MEGABYTES
start_independent_gateway
run_client direct
run_client relayed --relay-only
finish
