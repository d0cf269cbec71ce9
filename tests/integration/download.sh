#!/bin/bash
# The main job: a client downloads from the network behind the gateway, over
# each family outside and inside, directly and through the relay; and goes on
# when the direct path breaks.

. "$(dirname "$0")/../lib/netns.sh"

: "${MEGABYTES:=100}"

# Bytes of IPv6 that have come to the client's router.
home_bytes6() {
	at home awk '$1 == "Ip6InOctets" { print $2 }' /proc/net/dev_snmp6/wan
}

# whole OUTER ADDRESS: the file arrives, in datagrams of that family.
whole() {
	local ipv6
	ipv6=$(home_bytes6)
	download "$2" || return
	ipv6=$(($(home_bytes6) - ipv6))
	echo "$bytes bytes, $ipv6 over IPv6"
	case $1 in
	4) [ $ipv6 -lt $((bytes / 100)) ] ;;
	6) [ $ipv6 -ge "$bytes" ] ;;
	any) ;;
	esac
}

# downloads NAME PATH OUTER CLIENT-OPTION ...
downloads() {
	local name=$1 path=$2 outer=$3
	shift 3
	start_client "$@"
	check "$name: download over IPv4" whole "$outer" $LAN4
	check "$name: the path" wait_until 5 path_is "$path"
	check "$name: download over IPv6" whole "$outer" $LAN6
	check "$name: UDP echo" udp_echo $LAN4
	check "$name: UDP echo over IPv6" udp_echo $LAN6
	stop client
	is "$name: the client's exit status" "$exit_status" 0
}

# A datagram of random text comes back.
udp_echo() {
	at client "$PYTHON" - "$1" <<-'PROGRAM'
	import os, socket, sys
	family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
	sock = socket.socket(family, socket.SOCK_DGRAM)
	sock.settimeout(10)
	for size in 0, 1, 999, 1200:
	    data = os.urandom(size)
	    sock.sendto(data, (sys.argv[1], 7))
	    assert sock.recv(2048) == data, size
	PROGRAM
}

# UDP between the routers stops in the middle of a connection.
test_direct_path_breaks() {
	start_client
	check "fail-over: ping" ping_lan
	is "fail-over: direct at first" "$(client_path)" direct
	block_direct
	# A client in the field gives a dead pair up after 16.5 s.
	check "fail-over: the client moves to the relay" \
	    wait_until 25 path_is relayed
	check "fail-over: traffic goes on" wait_until 45 ping_lan
	check "fail-over: download" download $LAN4
	refuse "fail-over: without a new connection" grep -q ^lost \
	    "$work/client.log"
	stop client
}

# Whose end is on a relay.
is_by_the_client() {
	posternctl status -w \
	    > "$work/status"
	grep -q 'relayed by the client' "$work/status"
}

test_posternctl() {
	start_client --relay-only
	check "client's relay only: ping" ping_lan 10
	check "client's relay only: posternctl says so" \
	    wait_until 10 is_by_the_client
	stop client
}

topology
start_relay
start_portal
start_lan $MEGABYTES
start_gateway
downloads "direct IPv6" direct 6 -6
downloads "direct IPv4" direct 4 -4
test_direct_path_breaks
downloads "relayed" relayed any
downloads "relayed IPv4" relayed 4 -4
downloads "relayed IPv6" relayed 6 -6
downloads "relayed, client's relay only" relayed any --relay-only
allow_direct
test_posternctl
downloads "direct only" direct any --direct-only
stop gateway
is "the gateway's exit status" "$exit_status" 0
finish
