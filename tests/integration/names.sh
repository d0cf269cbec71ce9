#!/bin/bash
# Names of DNS resources with real programs: what they resolve to, what reaches
# them through their proxies and what does not, and what happens when a name
# moves, a proxy gets another name, or a resource is taken away.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/names_site.sh"

MEGABYTES=20

# uses NAME ADDRESS4 ADDRESS6: every service by both families.
uses() {
	local name=$1 address
	shift
	check "$name: HTTP" download "$1"
	check "$name: HTTP over IPv6" download "$2"
	for address in "$@"; do
		is "$name: TCP echo at $address" \
		    "$(probe echo tcp "$address")" same
		is "$name: UDP echo at $address" \
		    "$(probe echo udp "$address")" same
		check "$name: ping $address" \
		    at client ping -c 2 -i 0.2 -W 2 -q "$address"
	done
}

# The gateway itself is the first hop. Of a name it is seen as the name.
test_hops() {
	local gateway4 gateway6
	gateway4=$(at gateway ip -4 -o address show tun-firezone |
	    sed 's/.*inet \([0-9.]*\).*/\1/')
	gateway6=$(at gateway ip -6 -o address show tun-firezone |
	    sed -n 's/.*inet6 \(fd[0-9a-f:]*\).*/\1/p')
	is "first hop to a network" "$(probe hop $LAN4 1)" \
	    "EHOSTUNREACH 11 0 $gateway4"
	is "first hop to a network, IPv6" "$(probe hop $LAN6 1)" \
	    "EHOSTUNREACH 3 0 $gateway6"
	is "first hop to a name" "$(probe hop "$(proxy4 0)" 1)" \
	    "EHOSTUNREACH 11 0 $(proxy4 0)"
	is "first hop to a name, IPv6" "$(probe hop "$(proxy6 0)" 1)" \
	    "EHOSTUNREACH 3 0 $(proxy6 0)"
	is "second hop to a network" "$(probe hop $LAN4 2)" "reply $LAN4"
	is "second hop to a network, IPv6" "$(probe hop $LAN6 2)" \
	    "reply $LAN6"
	is "second hop to a name" "$(probe hop "$(proxy4 0)" 2)" \
	    "reply $(proxy4 0)"
	is "second hop to a name, IPv6" "$(probe hop "$(proxy6 0)" 2)" \
	    "reply $(proxy6 0)"
	assigned corp deep.corp.test 15
	is "a router in between is seen as the name" \
	    "$(probe hop "$(proxy4 15)" 2)" "EHOSTUNREACH 11 0 $(proxy4 15)"
	is "the third hop is the host" "$(probe hop "$(proxy4 15)" 3)" \
	    "reply $(proxy4 15)"
}

# unreachable NAME ADDRESS: not prohibited, and the client's kernel hears it.
unreachable() {
	local wanted=$UNREACHABLE4 icmp="3 0" mark
	[[ $2 != *:* ]] || { wanted=$UNREACHABLE6 icmp="1 3"; }
	mark=$(lines_of "$work/client.log")
	is "$1: TCP is unreachable" "$(probe refusal tcp "$2" 7)" "$wanted"
	is "$1: UDP is unreachable" "$(probe refusal udp "$2" 7)" "$wanted"
	check "$1: by ICMP $icmp" icmp_since "$mark" "$icmp $2"
}

test_one_family() {
	assigned corp four.corp.test 1
	is "A only: IPv4" "$(where "$(proxy4 1)")" $LAN4
	unreachable "A only: IPv6" "$(proxy6 1)"
	assigned corp six.corp.test 2
	is "AAAA only: IPv6" "$(where "$(proxy6 2)")" $LAN6
	unreachable "AAAA only: IPv4" "$(proxy4 2)"
}

# The i-th proxy stands for the i-th address, and again from the first.
test_several_addresses() {
	local i
	assigned corp many.corp.test 3
	for i in 1 2 3 4; do
		is "several addresses: proxy $i" \
		    "$(where "$(proxy4 3 $i)")" \
		    "$(set -- $MIRRORS4 10.20.0.11; echo "${!i}")"
		is "several addresses: IPv6 proxy $i" \
		    "$(where "$(proxy6 3 $i)")" "fd20::1$((1 + (i - 1) % 2))"
	done
}

test_ways_of_a_name() {
	assigned corp alias.corp.test 4
	is "a chain of CNAMEs" "$(where "$(proxy4 4)")" $LAN4
	is "a chain of CNAMEs, IPv6" "$(where "$(proxy6 4)")" $LAN6
	assigned corp FILED.corp.test 5
	is "the hosts file" "$(where "$(proxy4 5)")" 10.20.0.13
	assigned short intranet 6
	is "the search list" "$(where "$(proxy4 6)")" 10.20.0.13
}

# Neither is a failure; there just is no address.
test_no_address() {
	assigned corp nosuch.corp.test 7
	unreachable "no such name" "$(proxy4 7)"
	unreachable "no such name, IPv6" "$(proxy6 7)"
	assigned corp bad.corp.test 8
	unreachable "forbidden addresses only" "$(proxy4 8)"
	unreachable "forbidden addresses only, IPv6" "$(proxy6 8)"
	check "the log has it that addresses are left out" grep -q \
	    "7 addresses of a name .* left out" "$work/gateway.log"
	assigned corp mixed.corp.test 9
	is "a forbidden one among others" "$(where "$(proxy4 9)")" 10.20.0.12
	is "a forbidden one among others, second proxy" \
	    "$(where "$(proxy4 9 2)")" 10.20.0.12
}

test_refused_names() {
	local mark
	is "a name of another resource" "$(assign corp shared.test 10)" inactive
	is "a name of nobody" "$(assign corp www.example.org 10)" inactive
	is "a resource of a network" "$(assign lan4 both.corp.test 10)" inactive
	mark=$(lines_of "$work/client.log")
	is "a proxy that was never assigned" \
	    "$(probe refusal tcp "$(proxy4 10)" 7)" $PROHIBITED4
	is "a proxy that was never assigned, IPv6" \
	    "$(probe refusal tcp "$(proxy6 10)" 7)" $PROHIBITED6
	check "a proxy that was never assigned: by ICMP" icmp_since "$mark" \
	    "3 13 $(proxy4 10)"
}

# A client that wants to reach by a name what it may not.
test_foreign_proxy() {
	local mark
	mark=$(lines_of "$work/client.log")
	echo "assign corp web1.corp.test 203.0.113.8 10.20.0.1 $(proxy4 10)" \
	    > "$work/commands"
	check "foreign proxies: the gateway answers" wait_line 5 \
	    "$work/client.log" "^name web1.corp.test active" "$mark"
	is "foreign proxies: the good one is good" \
	    "$(where "$(proxy4 10)")" $LAN4
	check "foreign proxies: the others are left out" grep -q \
	    'wants to use 2 addresses for a name' "$work/gateway.log"
}

test_filters() {
	local proxy
	proxy=$(proxy4 11)
	is "filter: a refused port" "$(probe refusal tcp "$(proxy4 0)" 81)" \
	    $PROHIBITED4
	is "filter: a refused port, IPv6" \
	    "$(probe refusal udp "$(proxy6 0)" 53)" $PROHIBITED6
	assigned web shared.test 11
	check "two resources: the port of the first" download "$proxy"
	is "two resources: the port of the second, not yet" \
	    "$(probe refusal tcp "$proxy" 7)" $PROHIBITED4
	assigned echo shared.test 11
	is "two resources: the port of the second" \
	    "$(probe echo tcp "$proxy")" same
	check "two resources: still the port of the first" download "$proxy"
	is "two resources: no port of either" \
	    "$(probe refusal tcp "$proxy" 17)" $PROHIBITED4
}

# Three connections which differ in nothing but their names.
test_same_port() {
	local i
	for i in 1 2 3; do
		assigned corp web$i.corp.test $((20 + i))
	done
	is "downloads from one port by three names of one server" \
	    "$(probe same-port "$file_hash" /slow "$(proxy4 21)" \
	    "$(proxy4 22)" "$(proxy4 23)")" same
}

# --- Moving -----------------------------------------------------------------

# change_names SED-EXPRESSION
change_names() {
	sed -i "$1" "$work/names"
	kill -HUP "$(pgrep -P "${pid[dnsmasq]}" . || echo "${pid[dnsmasq]}")"
	wait_line 5 "$work/dnsmasq.log" 'read .*/names' \
	    "$(grep -n 'read .*/names' "$work/dnsmasq.log" | tail -n 1 |
	    cut -d : -f 1)"
}

test_moved_name() {
	assigned corp moving.corp.test 12
	start_staying "$(proxy4 12)"
	is "before the move" "$(still_at)" 10.20.0.11
	change_names 's/^10.20.0.11 moving/10.20.0.12 moving/'
	assigned corp moving.corp.test 12
	is "a connection stays where it was" "$(still_at)" 10.20.0.11
	is "a new one goes where the name is" \
	    "$(where "$(proxy4 12)")" 10.20.0.12
	is "a connection stays where it was, still" "$(still_at)" 10.20.0.11
	change_names '/ moving.corp/d'
	assigned corp moving.corp.test 12
	is "without an address a new one is unreachable" \
	    "$(probe refusal tcp "$(proxy4 12)" 17)" $UNREACHABLE4
	end_staying
}

test_renumbering() {
	start_staying "$(proxy4 3)"
	is "before renumbering" "$(still_at)" 10.20.0.11
	assigned corp other.corp.test 3
	is "renumbered: the proxy has its new name" \
	    "$(where "$(proxy4 3)")" 10.20.0.12
	is "renumbered: its other name is forgotten" \
	    "$(where "$(proxy4 3 4)")" 10.20.0.12
	is "renumbered: so is any other" \
	    "$(probe refusal tcp "$(proxy4 0)" 7)" $PROHIBITED4
	is "renumbered: the connection is gone" "$(still_at)" ECONNRESET
	end_staying
	check "renumbered: the log has it" grep -q 'has renumbered' \
	    "$work/gateway.log"
}

# --- Revocation -------------------------------------------------------------

more_packets() {
	[ "$(packets "$1")" -gt "$2" ]
}

# both_flow AFTER: the transfer goes on in both directions.
flows() {
	local here there
	here=$(packets client) there=$(packets lan)
	wait_until 3 more_packets client $((here + 100)) &&
		wait_until 3 more_packets lan $((there + 100))
}

test_revocation() {
	local mark here there
	assigned corp both.corp.test 0
	count_packets client input "iifname tun-client tcp sport 7"
	count_packets lan input "iifname eth0 tcp dport 7"
	spawn stream client "$PYTHON" "$PROBE" stream "$(proxy4 0)"
	check "a transfer both ways" flows
	mark=$(lines_of "$work/client.log")
	ctl '{"cmd":"revoke","resource":"corp"}' > /dev/null
	check "revoked: the client's kernel is told so" icmp_since "$mark" \
	    "3 13 $(proxy4 0)"
	here=$(packets client) there=$(packets lan)
	refuse "revoked: nothing comes any more" \
	    wait_until 1 more_packets client "$here"
	refuse "revoked: nothing goes any more" \
	    more_packets lan "$there"
	is "revoked: a new connection is prohibited" \
	    "$(probe refusal tcp "$(proxy4 0)" 7)" $PROHIBITED4
	is "revoked: IPv6, too" \
	    "$(probe refusal tcp "$(proxy6 0)" 7)" $PROHIBITED6
	is "revoked: other resources are not" \
	    "$(probe refusal tcp $LAN4 7)" accepted
	ctl '{"cmd":"grant","resource":"corp"}' > /dev/null
	check "granted again: the name has to be assigned" \
	    wait_until 10 eval '[ "$(assign corp both.corp.test 0)" = active ]'
	is "granted again: echo" "$(probe echo tcp "$(proxy4 0)")" same
	stop stream
}

start_site
start_lan $MEGABYTES
start_named_client
uses "a network" $LAN4 $LAN6
assigned corp both.corp.test 0
uses "a name" "$(proxy4 0)" "$(proxy6 0)"
test_hops
test_one_family
test_several_addresses
test_ways_of_a_name
test_no_address
test_refused_names
test_foreign_proxy
test_filters
test_same_port
test_moved_name
test_renumbering
test_revocation
finish
