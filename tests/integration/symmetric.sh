#!/bin/bash
# Both ends behind routers that take another port for each address they talk to:
# what one end is seen as by a relay leads nowhere for the other, and all goes by
# relays. Downloads with and without ICE, and a client that moves during one.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pauses.sh"

MEGABYTES=20

# symmetric_router SPACE
symmetric_router() {
	at "$1" nft -f - <<-RULES
	flush chain inet router postrouting
	table inet router {
		chain postrouting {
			oifname wan masquerade fully-random
		}
	}
	RULES
}

# test_roam MODE ADDRESS LIMIT-MS: another address in the middle of a download.
test_roam() {
	local mark
	mark=$(lines_of "$work/client.log")
	start_download
	# Who only receives has nothing to ask the portal for a new path for.
	spawn pings client ping -q -i 0.2 $LAN4
	check "$1, roaming: begins" wait_until 20 under_way 2
	ip -n "${prefix}client" address add "$2/24" dev eth0
	echo "roam $2" > "$work/commands"
	check "$1, roaming: a path from the new address" wait_line 20 \
	    "$work/client.log" "^connected relayed" "$mark"
	ends_within "$1, roaming" "$3"
	stop pings
	is "$1: relayed in the end" "$(client_path)" relayed
}

# both_nats MODE ADDRESS LIMIT-MS [CLIENT OPTION ...]
both_nats() {
	local mode=$1 address=$2 limit=$3
	shift 3
	start_client -c "$work/commands" "$@"
	check "$mode: ping" ping_lan 15
	check "$mode: download over IPv4" download $LAN4
	check "$mode: download over IPv6" download $LAN6
	refuse "$mode: never direct" grep -q '^connected direct' \
	    "$work/client.log"
	test_roam "$mode" "$address" "$limit"
	stop client
	is "$mode: the client's exit status" "$exit_status" 0
}

topology
symmetric_router home
symmetric_router office
start_relay
portal_configuration | sed '/^\[site\]/a iceless = true' > "$work/site.toml"
start_portal
start_lan $MEGABYTES
start_gateway
mkfifo "$work/commands"
both_nats "ICE" 192.168.1.3 9000
both_nats "without ICE" 192.168.1.4 1000 --iceless
stop gateway
is "the gateway's exit status" "$exit_status" 0
finish
