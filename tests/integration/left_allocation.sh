#!/bin/bash
# What a killed gateway has left at coturn, when another user comes from its
# address and port: the next one gets an allocation by the relay's other address,
# in seconds; the one after it, which finds both taken, says so, as it does of a
# relay whose secret is another.

. "$(dirname "$0")/../lib/netns.sh"

# The portal's names are random, and by them those of TURN.
another_user() {
	stop gateway KILL
	stop portal
	rm -f "$work/state.json"
	start_portal
	start_gateway
}

has_allocation() {
	posternctl relays --json | grep -q '"allocated_ipv4":"203\.0\.113\.9'
}

topology
start_relay
start_portal
start_lan 2
start_gateway
check "an allocation" wait_until 5 has_allocation
another_user
check "the next one has one as well" wait_until 5 has_allocation
block_direct
start_client
check "ping by it" ping_lan 10
check "download by it" download $LAN4
is "the path" "$(client_path)" relayed
stop client
another_user
check "both taken, it is told" wait_line 20 "$work/gateway.log" \
    "relay .* given up: it answers, but not signed with our key"
refuse "and there is none" has_allocation

stop gateway
stop relay
RELAY_SECRET=another start_relay
start_gateway
check "a relay with another secret: it is told" wait_line 20 \
    "$work/gateway.log" "given up: it answers.* secret may be another"
finish
