#!/bin/bash
# A host of the LAN behind the gateway that forges: nothing that a client has
# not asked for reaches the client, and the gateway lends its address, and its
# way to other networks, to clients alone.

. "$(dirname "$0")/../lib/netns.sh"

OUT4=203.0.113.1
OUT6=2001:db8::1
SPY=5353 # the port that the packets for other networks are known by

own() {
	sed -n 's/^ready \([^ ]*\) \([^ ]*\).*/\'"$1"'/p' "$work/client.log" |
	    tail -n 1
}

# tunnel_address -4|-6: the gateway's own.
tunnel_address() {
	at gateway ip "$1" -o address show dev tun-firezone scope global |
	    sed 's/.*inet6* \([^/ ]*\).*/\1/'
}

# forge KIND SOURCE PORT DESTINATION PORT: from the LAN, through the gateway.
forge() {
	at lan "$PYTHON" "$NETNS_ROOT/tests/attacks/forge.py" "${DEVICE:-eth0}" \
	    "$(at gateway cat "/sys/class/net/${DOOR:-lan}/address")" "$@"
}

# What comes out of the client's TUN, and what other networks see of it all.
start_counting() {
	at client nft -f - <<-RULES
	table inet spy {
		chain prerouting {
			type filter hook prerouting priority raw;
			iifname != tun-client accept
			udp dport 9999 counter comment "udp"
			tcp flags & (syn | ack) == syn counter comment "syn"
			icmp type echo-request counter comment "ping"
			icmpv6 type echo-request counter comment "ping"
			icmp type echo-reply icmp id 77 counter comment "pong"
			icmpv6 type echo-reply icmpv6 id 77 counter \
			    comment "pong"
			icmp type destination-unreachable counter \
			    comment "error"
			icmpv6 type destination-unreachable counter \
			    comment "error"
		}
	}
	RULES
	at office nft -f - <<-RULES
	table inet spy {
		chain prerouting {
			type filter hook prerouting priority raw;
			iifname lan udp dport $SPY counter comment "udp"
		}
	}
	RULES
}

# seen SPACE KIND: the sum of both families.
seen() {
	at "$1" nft list table inet spy | sed -n \
	    "s/.*packets \([0-9]*\) .*comment \"$2\"/\1/p" | awk '{ n += $1 }
	    END { print n }'
}

# What was sent before has then gone the same way.
settle() {
	ping_lan 5 > "$work/settle" &&
	    at lan ping -c 1 -W 5 -q 10.20.0.1 > "$work/settle"
}

# stays_out NAME KIND SOURCE PORT DESTINATION PORT: of the client.
stays_out() {
	local before name=$1
	shift
	before=$(seen client "$1")
	forge "$@"
	check "$name: the client is served" settle
	is "$name" $(($(seen client "$1") - before)) 0
}

# not_lent NAME SOURCE DESTINATION: neither forwarded nor masqueraded.
not_lent() {
	local before
	before=$(seen office udp)
	forge udp "$2" 4444 "$3" $SPY
	check "$1: the client is served" settle
	is "$1" $(($(seen office udp) - before)) 0
}

# lent NAME SOURCE DESTINATION
lent() {
	local before
	before=$(seen office udp)
	forge udp "$2" 4444 "$3" $SPY
	settle
	is "$1" $(($(seen office udp) - before)) 1
}

# As the gateway itself.
test_own_address() {
	local how=$1 to4 to6 from4 from6
	to4=$(own 1) to6=$(own 2)
	from4=$(tunnel_address -4) from6=$(tunnel_address -6)
	stays_out "$how: UDP as from the DNS server" \
	    udp "$from4" 53535 "$to4" 9999
	stays_out "$how: UDP as from the DNS server, IPv6" \
	    udp "$from6" 53535 "$to6" 9999
	stays_out "$how: a connection as from the gateway" \
	    syn "$from4" 53535 "$to4" 22
	stays_out "$how: a connection as from the gateway, IPv6" \
	    syn "$from6" 53535 "$to6" 22
	stays_out "$how: a ping as from the gateway" ping "$from4" 1 "$to4" 0
	stays_out "$how: a ping as from the gateway, IPv6" \
	    ping "$from6" 1 "$to6" 0
	stays_out "$how: an error as from the gateway" \
	    error "$from4" 53535 "$to4" 9999
	stays_out "$how: an error as from the gateway, IPv6" \
	    error "$from6" 53535 "$to6" 9999
}

# As itself, which is a resource.
test_unasked() {
	local how=$1 to4 to6
	to4=$(own 1) to6=$(own 2)
	stays_out "$how: unasked UDP" udp $LAN4 7 "$to4" 9999
	stays_out "$how: unasked UDP, IPv6" udp $LAN6 7 "$to6" 9999
	stays_out "$how: unasked UDP of a neighbour" udp 10.20.0.99 7 "$to4" 9999
	stays_out "$how: a connection" syn $LAN4 80 "$to4" 22
	stays_out "$how: a connection, IPv6" syn $LAN6 80 "$to6" 22
	stays_out "$how: a reply to no ping" pong $LAN4 77 "$to4" 0
	stays_out "$how: a reply to no ping, IPv6" pong $LAN6 77 "$to6" 0
	stays_out "$how: an error about nothing" error $LAN4 7 "$to4" 9999
	stays_out "$how: an error about nothing, IPv6" \
	    error $LAN6 7 "$to6" 9999
}

test_sideways() {
	local filter
	for filter in 0 2; do
		sysctl_at gateway net.ipv4.conf.all.rp_filter=$filter
		sysctl_at gateway net.ipv4.conf.lan.rp_filter=$filter
		not_lent "as a client, rp_filter=$filter" "$(own 1)" $OUT4
	done
	not_lent "as a client, IPv6" "$(own 2)" $OUT6
	not_lent "as the gateway" "$(tunnel_address -4)" $OUT4
	not_lent "as the gateway, IPv6" "$(tunnel_address -6)" $OUT6
	not_lent "as a client that there is not" 100.95.1.2 $OUT4
}

# Networks that were apart before.
test_no_router() {
	not_lent "from the LAN to other networks" $LAN4 $OUT4
	not_lent "from the LAN to other networks, IPv6" $LAN6 $OUT6
	# Whoever makes an interface now, wants what he makes.
	link lan late gateway late
	addresses gateway late 10.21.0.1/24 fd21::1/64
	DEVICE=late DOOR=late lent "from an interface that came later" \
	    10.21.0.2 $OUT4
	ip -n "${prefix}gateway" link del late
}

# hears_hop ROUTER ADDRESS
hears_hop() {
	at client ping -c 1 -W 5 -t 1 "$2" | grep -q "^From $1 "
}

# Nothing of what a client does is lost.
test_served() {
	check "$1: HTTP" download $LAN4
	check "$1: HTTP over IPv6" download $LAN6
	check "$1: ping" at client ping -c 1 -W 5 -q $LAN4
	check "$1: ping over IPv6" at client ping -c 1 -W 5 -q $LAN6
	check "$1: an error of the gateway is heard" \
	    hears_hop "$(tunnel_address -4)" $LAN4
	check "$1: an error of the gateway is heard, IPv6" \
	    hears_hop "$(tunnel_address -6)" $LAN6
}

topology
start_relay
start_portal
start_lan 1
start_counting

start_gateway
start_client
check "ping" ping_lan 10
check "ping over IPv6" at client ping -c 1 -W 10 -q $LAN6
test_own_address masquerade
test_unasked masquerade
test_sideways
test_no_router
test_served masquerade
stop client
stop gateway

# A LAN that knows the way to the clients, and a host that forwarded before.
sysctl_at gateway net.ipv4.ip_forward=1
sysctl_at gateway net.ipv6.conf.all.forwarding=1
ip -n "${prefix}lan" route add 100.64.0.0/11 via 10.20.0.1
ip -n "${prefix}lan" route add fd00:2021:1111::/107 via fd20::1
start_gateway --no-masquerade
start_client
check "ping" ping_lan 10
check "ping over IPv6" at client ping -c 1 -W 10 -q $LAN6
test_own_address "no masquerade"
test_unasked "no masquerade"
not_lent "no masquerade: as a client, IPv6" "$(own 2)" $OUT6
not_lent "no masquerade: as a client" "$(own 1)" $OUT4
lent "a host that forwarded before goes on" $LAN4 $OUT4
test_served "no masquerade"
finish
