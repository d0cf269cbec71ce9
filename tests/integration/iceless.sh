#!/bin/bash
# Connections without ICE, by the client and the gateway of today: downloads
# directly and by relays, a client that moves while it downloads, and a direct
# path that breaks in the middle of a download.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pauses.sh"

MEGABYTES=60

# Whether the gateway says how the path of the one client was found.
gateway_says() {
	posternctl status -w |
	    grep -q "$1"
}

# run_client WANTED OPTION ...
run_client() {
	local wanted=$1
	shift
	start_client --iceless "$@"
	check "$wanted: ping" at client ping -c 1 -W 10 -q $LAN4
	check "$wanted: the path" wait_until 5 path_is "$wanted"
	check "$wanted: posternctl" wait_until 5 gateway_says \
	    "$wanted.* without ICE"
	check "$wanted: download over IPv4" download $LAN4
	check "$wanted: download over IPv6" download $LAN6
	check "$wanted: the path is kept" path_is "$wanted"
}

# Another address and port in the router, in the middle: key and session stay.
test_roaming() {
	local mark
	mark=$(lines_of "$work/client.log")
	start_download
	check "roaming: begins" wait_until 20 under_way 5
	ip -n "${prefix}client" address add 192.168.1.3/24 dev eth0
	echo "roam 192.168.1.3" > "$work/commands"
	check "roaming: a path from the new address" wait_line 10 \
	    "$work/client.log" '^connected [a-z]+ 192\.168\.1\.3:' "$mark"
	ends_within "roaming" 1000
	refuse "roaming: no other session" line_after "$work/client.log" \
	    '^(lost|handshake|rekey)' "$mark"
}

test_direct_path_breaks() {
	local mark
	mark=$(lines_of "$work/client.log")
	start_download
	check "broken path: begins" wait_until 20 under_way 5
	is "broken path: direct at first" "$(client_path)" direct
	block_direct
	check "broken path: the client moves to the relay" \
	    wait_until 20 path_is relayed
	# Its own end need not be on a relay for that.
	check "broken path: the gateway does so" wait_until 20 gateway_says \
	    'without ICE.*203\.0\.113\.9'
	# Until the gateway is sure of it, 3.5 s, and TCP tries again.
	ends_within "broken path" 9000
	refuse "broken path: without a new connection" line_after \
	    "$work/client.log" '^lost' "$mark"
}

topology
start_relay
portal_configuration | sed '/^\[site\]/a iceless = true' > "$work/site.toml"
start_portal
start_lan $MEGABYTES
start_gateway
mkfifo "$work/commands"
run_client direct -4 -c "$work/commands"
test_roaming
test_direct_path_breaks
stop client
run_client relayed -4 --relay-only
stop client
is "the client's exit status" "$exit_status" 0
# Both modes side by side are the portal's choice for each client.
allow_direct
start_client -4
check "with ICE: download" download $LAN4
refuse "with ICE: posternctl" gateway_says 'without ICE'
stop client
stop gateway
is "the gateway's exit status" "$exit_status" 0
finish
