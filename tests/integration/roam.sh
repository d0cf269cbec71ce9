#!/bin/bash
# A client moves to another address while it is in use: with ICE it begins anew
# with another key, without ICE it goes on (iceless.sh). So it does while the
# portal is away, where the gateway is in reach of it or of its relay; else when
# the portal is back.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pauses.sh"

MEGABYTES=20

# Another address in the same home, by router and relay another client.
move() {
	ip -n "${prefix}client" address add "$1/24" dev eth0
	echo "roam $1" > "$work/commands"
}

# path_from NAME ADDRESS MARK
path_from() {
	check "$1: a path from there" wait_line 15 "$work/client.log" \
	    "^connected [a-z]+ ${2//./\\.}:" "$3"
}

test_classic() {
	local mark
	start_client -4 -c "$work/commands"
	check "classic: ping" ping_lan
	start_download
	# Who only receives has nothing to ask the portal for a new path for.
	spawn pings client ping -q -i 0.2 $LAN4
	check "classic: a download begins" wait_until 20 under_way 2
	mark=$(lines_of "$work/client.log")
	move 192.168.1.3
	check "classic: the connection is given up" \
	    wait_line 5 "$work/client.log" '^lost roam' "$mark"
	check "classic: the portal knows the client again" \
	    wait_line 15 "$work/client.log" '^portal up' "$mark"
	path_from classic 192.168.1.3 "$mark"
	ends_within classic 9000
	stop pings
	check "classic: ping from the new address" wait_until 20 ping_lan
	stop client
	is "classic: the client's exit status" "$exit_status" 0
}

# The portal is away for all, or for the client alone. Without ICE what a client
# says of its new addresses is lost if it is back before the gateway is, and until
# its handshakes have failed for 90 s it does not say it again.
portal_goes() {
	if [ "$1" = all ]; then
		stop portal KILL
	else
		at home nft -f - <<-RULES
		table inet away {
			chain forward {
				type filter hook forward priority filter - 1;
				tcp dport 8080 reject with tcp reset
				tcp sport 8080 drop
			}
		}
		RULES
	fi
}

portal_returns() {
	if [ "$1" = all ]; then
		start_portal
	else
		at home nft delete table inet away
	fi
}

# Without patience: that it does not is what is wanted.
pings_within() {
	local SLOWNESS=1
	wait_until "$1" ping_lan
}

# Nothing passes while the portal is away, and soon after it does.
# unreached NAME ADDRESS all|client [CLIENT OPTION ...]
unreached() {
	local name=$1 address=$2 whom=$3 mark since took
	shift 3
	start_client -4 -c "$work/commands" "$@"
	check "$name: ping" ping_lan 10
	mark=$(lines_of "$work/client.log")
	portal_goes "$whom"
	move "$address"
	check "$name: it has moved" \
	    wait_line 5 "$work/client.log" '^roamed' "$mark"
	refuse "$name: no packet passes" pings_within 2
	portal_returns "$whom"
	since=$(now_ms)
	check "$name: one passes when the portal is back" \
	    wait_until 30 ping_lan
	took=$(($(now_ms) - since))
	echo "# $name: $took ms after the portal"
	check "$name: within 15 s" [ $took -le 15000 ]
	path_from "$name" "$address" "$mark"
	stop client
}

# The gateway's router lets anybody in.
open_office() {
	at office nft -f - <<-RULES
	table inet router {
		chain prerouting {
			type nat hook prerouting priority dstnat;
			iifname wan meta nfproto ipv4 udp dport 52625 \
			    dnat ip to 192.168.2.2
		}
	}
	insert rule inet router forward iifname wan udp dport 52625 accept
	RULES
}

# With the portal away for all: the gateway answers where it is asked from.
# reached NAME ADDRESS direct|relayed [CLIENT OPTION ...]
reached() {
	local name=$1 address=$2 path=$3 mark silence
	shift 3
	start_client -4 -c "$work/commands" --iceless "$@"
	check "$name: ping" ping_lan 10
	check "$name: the path is $path" wait_until 10 path_is "$path"
	start_pauses
	mark=$(lines_of "$work/client.log")
	stop portal KILL
	pause > /dev/null
	move "$address"
	# From a relay it comes by a new allocation there.
	[ "$path" = direct ] || address=203.0.113.9
	path_from "$name" "$address" "$mark"
	check "$name: ping" ping_lan
	silence=$(pause)
	echo "# $name: a pause of $silence ms"
	check "$name: at most a second" [ "$silence" -le 1000 ]
	refuse "$name: no other session" line_after "$work/client.log" \
	    '^(lost|handshake|rekey|portal up)' "$mark"
	start_portal
	check "$name: the portal has both again" wait_line 15 \
	    "$work/client.log" '^portal up' "$mark"
	check "$name: ping" ping_lan
	stop pauses
	stop client
}

topology
start_relay
portal_configuration | sed '/^\[site\]/a iceless = true' > "$work/site.toml"
start_portal
start_lan $MEGABYTES
start_gateway
mkfifo "$work/commands"
test_classic
unreached "classic, no portal" 192.168.1.4 all
unreached "without ICE, no portal" 192.168.1.5 client --iceless
open_office
reached "without ICE, in reach" 192.168.1.6 direct
reached "without ICE, its relay in reach" 192.168.1.7 relayed --relay-only
stop gateway
is "the gateway's exit status" "$exit_status" 0
finish
