#!/bin/bash
# ICMP errors on their way to the client through NAT: a program there sees what
# it would see without a tunnel, whether it has used a name or an address. And
# what a client may not send itself.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/names_site.sh"

CLOSED=9 # nobody listens there

# closed NAME ADDRESS: an ICMP error of the host about a port.
closed() {
	local icmp="3 3" mark
	[[ $2 != *:* ]] || icmp="1 4"
	mark=$(lines_of "$work/client.log")
	is "$1: a closed UDP port" "$(probe refusal udp "$2" $CLOSED)" \
	    ECONNREFUSED
	check "$1: by ICMP $icmp" icmp_since "$mark" "$icmp $2"
}

test_closed_ports() {
	assigned corp both.corp.test 0
	closed "a network" $LAN4
	closed "a network, IPv6" $LAN6
	closed "a name" "$(proxy4 0)"
	closed "a name, IPv6" "$(proxy6 0)"
}

# The same source port by two proxies to one server: each hears its own.
test_whose_error() {
	assigned corp web1.corp.test 1
	assigned corp web2.corp.test 2
	is "two sockets with one source port, one to a closed port" \
	    "$(probe both-ports "$(proxy4 1)" "$(proxy4 2)")" \
	    "10.20.0.2 ECONNREFUSED"
}

# mtu_to ADDRESS: what the client's kernel has learnt.
mtu_to() {
	at client ip route get "$1" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'
}

# narrow NAME ADDRESS
narrow() {
	local mark
	mark=$(lines_of "$work/client.log")
	is "$1: not known yet" "$(mtu_to "$2")" ""
	is "$1: an upload gets through" "$(probe upload "$2" 200000)" \
	    "same $NARROW"
	is "$1: the kernel has learnt it" "$(mtu_to "$2")" $NARROW
	check "$1: by ICMP" icmp_since "$mark" "3 4 .*"
	is "$1: UDP that may not be cut up" \
	    "$(probe datagram "$2" 1000)" EMSGSIZE
	is "$1: UDP that fits" "$(probe datagram "$2" 700)" same
}

test_narrow_link() {
	assigned corp deep.corp.test 3
	narrow "a narrow link, a network" $DEEP
	narrow "a narrow link, a name" "$(proxy4 3)"
}

# What the kernel of the gateway itself has to say.
test_no_way_on() {
	ip -n "${prefix}gateway" route del 10.30.0.0/24 via $LAN4
	ip -n "${prefix}gateway" route add unreachable 10.30.0.0/24
	is "no way on: a name" \
	    "$(probe refusal tcp "$(proxy4 3)" 17)" EHOSTUNREACH
	is "no way on: a network" "$(probe refusal tcp $DEEP 17)" EHOSTUNREACH
	ip -n "${prefix}gateway" route del unreachable 10.30.0.0/24
	ip -n "${prefix}gateway" route add 10.30.0.0/24 via $LAN4
	is "a way again" "$(probe echo tcp "$(proxy4 3)")" same
}

# --- What a client makes itself ---------------------------------------------

own4() {
	sed -n 's/^ready \([^ ]*\) .*/\1/p' "$work/client.log" | tail -n 1
}

# seen: packets of the client, beside those of other tests, that the gateway's
# kernel has got from the tunnel.
seen() {
	at gateway nft list chain netdev hostile ingress |
	    sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

seen_more() {
	[ "$(seen)" -gt "$1" ]
}

# hostile KIND ANSWER: is made by probe.py and goes no further. A good packet
# behind it, which comes, shows that it has had its turn.
hostile() {
	local mark before kind
	mark=$(lines_of "$work/client.log")
	before=$(seen)
	for kind in "$1" good; do
		echo "inject $(probe packet $kind "$(own4)" "$(proxy4 0)")" \
		    > "$work/commands"
	done
	wait_until 3 seen_more "$before"
	is "$1: only the good packet goes through" "$(seen)" $((before + 1))
	is "$1: what is said about it" "$(tail -n +$((mark + 1)) \
	    "$work/client.log" | grep '^icmp ')" "${2:-}"
}

test_hostile() {
	at gateway nft -f - <<-RULES
	table netdev hostile {
		chain ingress {
			type filter hook ingress device tun-firezone priority 0;
			ip protocol != { tcp, udp } counter
		}
	}
	RULES
	hostile fragment
	hostile first-fragment
	hostile truncated
	hostile bad-length
	hostile icmp-error
	hostile multicast
	hostile timestamp
	hostile protocol "icmp 3 13 $(proxy4 0)"
	hostile foreign-source "icmp 3 13 $(proxy4 0)"
}

start_site
start_lan 1
spawn echo deep "$PYTHON" "$NETNS_ROOT/tests/lib/lan_server.py" \
    "$work/file"
wait_until 10 listens deep t 7 || die "no echo behind the narrow link"
start_named_client
test_closed_ports
test_whose_error
test_narrow_link
test_no_way_on
test_hostile
refuse "nothing was against a filter" grep violation "$work/gateway.log"
finish
