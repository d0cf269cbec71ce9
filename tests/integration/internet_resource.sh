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
test_names_beside
test_taken_away
refuse "nothing was against a filter" grep violation "$work/gateway.log"
finish
