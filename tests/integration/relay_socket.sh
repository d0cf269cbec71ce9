#!/bin/bash
# A relay that registers itself at the portal, with a secret that nobody else
# knew before: client and gateway reach each other through it, and again after
# it was restarted with another secret. It comes after the gateway, which so
# hears of it by relays_presence.

. "$(dirname "$0")/../lib/netns.sh"

RELAY_TOKEN=relay-token

start_stand_in() {
	FIREZONE_TOKEN=$RELAY_TOKEN spawn relay relay "$PYTHON" \
	    "$NETNS_ROOT/tests/portal/relay_stand_in.py" "$PORTAL_URL" \
	    203.0.113.9 2001:db8::9
	wait_line 15 "$work/relay.log" '^registered' ||
		die "the relay does not register" "$work/relay.log"
}

# The id by which the portal offers the relay; nothing while there is none.
relay_id() {
	ctl '{"cmd":"status"}' | "$PYTHON" -c '
import json, sys
for relay in json.load(sys.stdin)["relays"]:
    print(relay["id"] if relay["registered"] else "configured")'
}

# Whether each of the two was told of this relay.
both_told() {
	ctl '{"cmd":"status"}' | "$PYTHON" -c '
import json, sys
status = json.load(sys.stdin)
peers = status["gateways"] + status["clients"]
told = [sys.argv[1] in peer["relays"] for peer in peers]
sys.exit(told != [True, True])' "$1"
}

whole() {
	download "$1" && [ "$(client_path)" = relayed ]
}

topology
block_direct
portal_configuration | sed '/^\[\[relays\]\]/,$d' > "$work/site.toml"
cat >> "$work/site.toml" <<-TOML
	[[relay_tokens]]
	token_sha256 = "$(token_hash $RELAY_TOKEN)"
TOML
start_portal
start_lan 5
start_gateway
is "no relay at first" "$(relay_id)" ""

start_stand_in
first=$(relay_id)
start_client
check "both peers are told of the relay" wait_until 5 both_told "$first"
check "download through it over IPv4" whole $LAN4
check "download through it over IPv6" whole $LAN6

stop relay
check "it goes with its socket" wait_until 5 [ -z "$(relay_id)" ]
start_stand_in
second=$(relay_id)
check "restarted, it is another one" [ "$first" != "$second" ]
check "both peers are told of the other one" wait_until 5 both_told "$second"
check "ping through it" ping_lan 30
check "download through it" whole $LAN4
finish
