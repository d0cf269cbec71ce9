#!/bin/bash
# Clients of all releases, by the rows of tests/client/habits.c: each against the
# portal and the gateway of its generation, directly and relayed, and when its
# relays go and come, with which some withdraw more than others.
#
#	releases.sh [RELEASE ...]
#
# At its end it prints what works with which release.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/scenarios.sh"

MEGABYTES=2
# The first of each way to be idle: when, and how often it looks.
IDLERS="1.4.0 1.4.10 1.5.4"

# rows GENERATION: the releases with which something changed.
rows() {
	sed -n 's/.*\.release = "\([^"]*\)", \.generation = '"$1"',.*/\1/p' \
	    "$NETNS_ROOT/tests/client/habits.c"
}

# begin GENERATION: portals of 2 make another preshared key for each
# authorization, so that both ends make the connection anew, and no end; the
# newest of its clients tell the token in a header.
begin() {
	start_over
	portal_configuration > "$work/site.toml"
	if [ "$1" -eq 2 ]; then
		era "$1" "header_token = true" \
		    "random_preshared_key = true" "never_expires = true"
	else
		era "$1"
	fi >> "$work/site.toml"
	start_portal
	start_gateway --portal-generation "$1"
}

start_release() {
	start_client --client-version "$column"
}

test_path() {
	checked "ping" wait_until 10 ping_lan
	checked "download" download $LAN4
	checked "download over IPv6" download $LAN6
	checked "the path" wait_until 5 path_is "$1"
}

# relays NAME ...: that the portal has, and that its peers know by now.
relays() {
	local names
	names=$(printf '"%s",' "$@")
	[ $# -gt 0 ] || names=""
	ctl "{\"cmd\":\"relays_presence\",\"online\":[${names%,}]}" > /dev/null
	wait_until 5 peers_know $#
}

peers_know() {
	ctl '{"cmd":"status"}' | "$PYTHON" -c '
import json, sys
status = json.load(sys.stdin)
known = [len(p["relays"]) for p in status["gateways"] + status["clients"]]
sys.exit(known != [int(sys.argv[1])] * 2)' "$1"
}

# What goes with them may be the address of the direct path.
test_relays() {
	checked "the relay goes" relays
	checked "the relay is back" relays relay
	checked "ping" wait_until 20 ping_lan
	checked "download" download $LAN4
}

test_relayed() {
	stop client
	same "the client's exit status" "$exit_status" 0
	block_direct
	start_release
	test_path relayed
	allow_direct
}

# A ping may have the client ask the portal again, and waits for the answer.
test_idle() {
	local mark
	mark=$(lines_of "$work/client.log")
	checked "it becomes idle" wait_line 30 "$work/client.log" "^idle\$" "$mark"
	checked "a ping is answered, or the next one" wait_until 2 ping_lan
	refused "it did not end meanwhile" line_after "$work/client.log" \
	    '^(lost|goodbye)' "$mark"
}

test_release() {
	column=$1
	start_release
	scenario "direct" test_path direct
	[[ " $IDLERS " != *" $column "* ]] || scenario "idle" test_idle
	scenario "relays go and come" test_relays
	scenario "relayed" test_relayed
	stop client
}

wanted=$(echo ${*:-$(rows 1) $(rows 2) $(rows 3)})
played=""
topology
start_lan $MEGABYTES
start_relay
for generation in 1 2 3; do
	begun=""
	for release in $(rows $generation); do
		[[ " $wanted " = *" $release "* ]] || continue
		[ -n "$begun" ] || begin $generation
		begun=true
		test_release "$release"
		played+=" $release"
	done
done
is "all have been played" "${played# }" "$wanted"
print_table $wanted
finish
