#!/bin/bash
# The Internet resource: everything but what is nobody's business, beside DNS
# resources; and the client's own datagrams, which must not go round in it.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/names_site.sh"

MEGABYTES=20
INTERNET4=203.0.113.1
INTERNET6=2001:db8::1
MIRROR4=203.0.113.77 # of the same host

internet_configuration() {
	portal_configuration
	resource corp dns '**.corp.test' $services
	cat <<-TOML

	[[resources]]
	type = "internet"

	[[policies]]
	resource = "Internet"
	users = ["jane"]
	TOML
}

start_internet() {
	spawn internet internet "$PYTHON" \
	    "$NETNS_ROOT/tests/lib/lan_server.py" "$work/file"
	ip -n "${prefix}internet" address add $MIRROR4/24 dev br0
	spawn mirror internet "$PYTHON" \
	    "$NETNS_ROOT/tests/lib/whereis.py" $MIRROR4
	wait_until 10 listens internet t 80 &&
		wait_until 10 listens internet t 17 ||
		die "the internet does not start" "$work/internet.log"
}

# Those who came from the gateway's router, and those from the client's.
count_sources() {
	at internet nft -f - <<-RULES
	table inet counting {
		chain input {
			type filter hook input priority filter;
			tcp dport 80 ip saddr 203.0.113.20 counter
			tcp dport 80 ip saddr 203.0.113.10 counter
		}
	}
	RULES
}

came_from() {
	at internet nft list table inet counting |
	    sed -n "s/.* $1 counter packets \([0-9]*\).*/\1/p"
}

test_reachable() {
	count_sources
	check "the Internet by HTTP" download $INTERNET4
	check "the Internet by HTTP over IPv6" download $INTERNET6
	is "the Internet by UDP" "$(probe echo udp $INTERNET4)" same
	is "the Internet by UDP over IPv6" "$(probe echo udp $INTERNET6)" same
	is "no port is refused" "$(probe refusal tcp $INTERNET4 9)" ECONNREFUSED
	check "the Internet by ping" at client ping -c 1 -W 2 -q $INTERNET4
	is "more of the Internet" "$(probe where $MIRROR4)" $MIRROR4
	check "through the gateway" [ "$(came_from 203.0.113.20)" -gt 0 ]
	is "not past it" "$(came_from 203.0.113.10)" 0
	is "the client's own path is not inside it" "$(client_path)" direct
}

# unreachable ADDRESS, prohibited ADDRESS: as the client's kernel hears it.
unreachable() {
	local mark wanted=$UNREACHABLE4 icmp="3 0"
	[[ $1 != *:* ]] || { wanted=$UNREACHABLE6 icmp="1 3"; }
	mark=$(lines_of "$work/client.log")
	is "$1 is unreachable" "$(probe refusal tcp "$1" 80)" "$wanted"
	check "$1: ICMP $icmp" icmp_since "$mark" "$icmp $1"
}

prohibited() {
	local mark wanted=$PROHIBITED4 icmp="3 13"
	[[ $1 != *:* ]] || { wanted=$PROHIBITED6 icmp="1 1"; }
	mark=$(lines_of "$work/client.log")
	is "$1 is prohibited" "$(probe refusal tcp "$1" 80)" "$wanted"
	check "$1: ICMP $icmp" icmp_since "$mark" "$icmp $1"
}

test_rejected_ranges() {
	local address
	# The first is there, and a resource of the client's own.
	for address in $LAN4 172.16.0.1 192.168.77.1 169.254.169.254 \
	    240.0.0.1 $LAN6 fd77::7; do
		unreachable "$address"
	done
	for address in 100.64.77.7 100.95.255.254 fd00:2021:1111::77 \
	    100.96.0.77 fd00:2021:1111:8000::77; do
		prohibited "$address"
	done
}

# opens ADDRESS, closes ADDRESS: seen by the client within two seconds.
opens() {
	check "$1 is on the Internet" wait_until 2 refusal_is "$1" ECONNREFUSED
}

closes() {
	local wanted=$UNREACHABLE4
	[[ $1 != *:* ]] || wanted=$UNREACHABLE6
	check "$1 is the site's" wait_until 2 refusal_is "$1" "$wanted"
}

refusal_is() {
	[ "$(probe refusal tcp "$1" 9)" = "$2" ]
}

# gateway_route add|del NETWORK [VIA]
gateway_route() {
	local how=$1 to=$2
	shift 2
	ip -n "${prefix}gateway" route "$how" "$to" ${1:+via $1}
}

# Public addresses of the site's own; the Internet has the same behind them, to
# say that a packet has come there.
test_site_networks() {
	local address lan4=198.51.100.2 lan6=2001:db8:51::2
	for address in $lan4 198.51.200.2; do
		ip -n "${prefix}internet" address add $address/32 dev br0
	done
	for address in $lan6 2001:db8:52::2; do
		ip -n "${prefix}internet" address add $address/128 dev br0 nodad
	done
	opens $lan4
	opens $lan6
	addresses lan eth0 $lan4/24 $lan6/64
	addresses gateway lan 198.51.100.1/24 2001:db8:51::1/64
	closes $lan4
	closes $lan6
	closes 198.51.100.1
	closes 2001:db8:51::1
	opens 198.51.200.2
	opens 2001:db8:52::2
	gateway_route add 198.51.200.0/24 $lan4
	gateway_route add 2001:db8:52::/48 $lan6
	closes 198.51.200.2
	closes 2001:db8:52::2
	opens $INTERNET4
	opens $INTERNET6
	check "a new net-worker knows" new_net_worker
	closes 198.51.200.2
	closes 2001:db8:52::2
	opens $INTERNET4
	gateway_route del 198.51.200.0/24
	gateway_route del 2001:db8:52::/48
	opens 198.51.200.2
	opens 2001:db8:52::2
	# Where the default route goes, too, or as a VPN sets one.
	gateway_route add 198.51.200.0/24 192.168.2.1
	gateway_route add 2001:db8:52::/48 fd02::1
	gateway_route add 128.0.0.0/1 192.168.2.1
	gateway_route add 2000::/3 fd02::1
	stays_open
	gateway_route del 128.0.0.0/1
	gateway_route del 2000::/3
	gateway_route del 198.51.200.0/24
	gateway_route del 2001:db8:52::/48
	# All that a link leads to goes with it.
	ip -n "${prefix}gateway" address del 198.51.100.1/24 dev lan
	ip -n "${prefix}gateway" address del 2001:db8:51::1/64 dev lan
	opens $lan4
	opens $lan6
	ip -n "${prefix}lan" address del $lan4/24 dev eth0
	ip -n "${prefix}lan" address del $lan6/64 dev eth0
}

# A route that closes something comes last, so that the others have been read.
stays_open() {
	gateway_route add 192.0.2.0/24 $LAN4
	closes 192.0.2.7
	opens 198.51.200.2
	opens 2001:db8:52::2
	opens $INTERNET4
	opens $INTERNET6
	gateway_route del 192.0.2.0/24
}

new_net_worker() {
	local before
	before=$(worker net-worker)
	kill -KILL "$before"
	wait_until 10 gone "$before" &&
		wait_until 30 refusal_is $INTERNET4 ECONNREFUSED
}

# Names keep their filters, and private addresses.
test_names_beside() {
	assigned corp both.corp.test 0
	is "a name beside it" "$(where "$(proxy4 0)")" $LAN4
	is "a name beside it, IPv6" "$(where "$(proxy6 0)")" $LAN6
	is "a name's filter" "$(probe refusal tcp "$(proxy4 0)" 81)" \
	    $PROHIBITED4
}

test_taken_away() {
	ctl '{"cmd":"revoke","resource":"Internet"}' > /dev/null
	check "taken away: the client keeps to its own way" wait_until 5 eval \
	    '! at client ip route get $INTERNET4 | grep -q tun-client'
	# Who goes on all the same.
	ip -n "${prefix}client" route add $MIRROR4 dev tun-client
	echo "inject $(probe packet good "$(own4)" $MIRROR4)" > "$work/commands"
	check "taken away: prohibited" wait_line 5 "$work/client.log" \
	    "^icmp 3 13 $MIRROR4"
	is "taken away: networks are there again" "$(probe where $LAN4)" $LAN4
}

own4() {
	sed -n 's/^ready \([^ ]*\) .*/\1/p' "$work/client.log" | tail -n 1
}

site_configuration() {
	internet_configuration | sed 's|"udp/7", |&"tcp/17", |'
}

start_site
start_lan $MEGABYTES
start_internet
start_named_client
is "not active unless the client is told so" \
    "$(at client ip route get $INTERNET4 | grep -c tun-client)" 0
stop client
start_named_client -o eth0
test_reachable
test_rejected_ranges
test_site_networks
test_names_beside
test_taken_away
refuse "nothing was against a filter" grep violation "$work/gateway.log"
finish
