#!/bin/bash
# How posternd ends: it leaves nothing behind, and tells those it served. And a
# portal that ends and comes back interrupts nothing.

. "$(dirname "$0")/../lib/netns.sh"

workers_gone() {
	gone "$1" && gone "$2"
}

# Lists how NAME differs from what was there before the first start.
test_unchanged() {
	gateway_network > "$work/after"
	check "$1: the network is as before" diff "$work/before" "$work/after"
}

test_term() {
	local net control mark
	start_gateway
	start_client
	check "SIGTERM: ping before" ping_lan 10
	net=$(worker net-worker)
	control=$(worker control-worker)
	mark=$(lines_of "$work/portal.log")
	stop gateway "$1"
	is "$1: exit status" "$exit_status" 0
	check "$1: the client gets a goodbye" \
	    wait_line 3 "$work/client.log" '^goodbye'
	check "$1: the portal sees a regular close" wait_line 3 \
	    "$work/portal.log" 'gateway.*disconnected, code 1000' "$mark"
	check "$1: no worker is left" workers_gone "$net" "$control"
	test_unchanged "$1"
	stop client
}

test_kill() {
	local net control
	start_gateway
	net=$(worker net-worker)
	control=$(worker control-worker)
	stop gateway KILL
	check "kill -9: the workers end" \
	    wait_until 5 workers_gone "$net" "$control"
	is "kill -9: the nftables table is gone" \
	    "$(at gateway nft list tables)" ""
	start_gateway
	start_client
	check "after kill -9: ping" ping_lan 10
	stop client
	stop gateway
	is "after kill -9: exit status" "$exit_status" 0
	# What the killed one had raised stays so: nobody knows what was before.
	grep ' = ' "$work/before" | grep -v mc_forwarding | at gateway sysctl -q -p -
	test_unchanged "after kill -9"
}

# A portal that goes away and comes back interrupts nothing.
test_portal_restarts() {
	local mark
	start_gateway
	start_client
	check "portal up: ping" ping_lan 10
	mark=$(lines_of "$work/client.log")
	stop portal
	check "portal down: ping" ping_lan
	start_portal
	check "portal back: the gateway joins" wait_until 20 gateway_online
	check "portal back: ping" ping_lan
	refuse "portal back: the connection is the same" \
	    line_after "$work/client.log" '^(lost|goodbye|handshake)' "$mark"
}

topology
gateway_network > "$work/before"
start_relay
start_portal
start_lan 1
test_term TERM
test_term INT
test_kill
test_portal_restarts
finish
