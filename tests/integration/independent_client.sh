#!/bin/bash
# The gateway against a client made of other people's parts: 100 MB arrive
# whole, directly and relayed, over and from either family, and 10 MB on every
# other kind of path.

. "$(dirname "$0")/../lib/netns.sh"

: "${MEGABYTES:=100}"
: "${FEW_MEGABYTES:=10}"

# start_independent FAMILY [OPTION ...]
start_independent() {
	local family=$1
	shift
	FIREZONE_TOKEN=$USER_TOKEN spawn client client "$PYTHON" \
	    "$NETNS_ROOT/tests/independent/client.py" --family "$family" "$@" \
	    "$PORTAL_URL" independent
	wait_line 30 "$work/client.log" '^handshake'
}

# The path, whatever the client says of it: bytes that have left the relay, and
# bytes of IPv6 that have come to the client's router.
relay_bytes() {
	at relay cat /sys/class/net/eth0/statistics/tx_bytes
}

home_bytes6() {
	at home awk '$1 == "Ip6InOctets" { print $2 }' /proc/net/dev_snmp6/wan
}

# whole FAMILY PATH ADDRESS: the file arrives, by that path.
whole() {
	local relayed ipv6
	relayed=$(relay_bytes)
	ipv6=$(home_bytes6)
	download "$3" || return
	relayed=$(($(relay_bytes) - relayed))
	ipv6=$(($(home_bytes6) - ipv6))
	echo "$bytes bytes, $relayed by the relay, $ipv6 over IPv6"
	case $1 in
	4) [ $ipv6 -lt $((bytes / 100)) ] || return ;;
	6) [ $ipv6 -ge "$bytes" ] || return ;;
	esac
	case $2 in
	direct) [ $relayed -lt $((bytes / 100)) ] ;;
	relayed) [ $relayed -ge "$bytes" ] ;;
	esac
}

# paths FAMILY MEGABYTES MODE ...: a mode is one of the client's options.
paths() {
	local family=$1 megabytes=$2 mode
	shift 2
	start_lan "$megabytes"
	for mode; do
		paths_of "$family" "$mode" "$megabytes"
	done
	stop lan
}

# paths_of FAMILY MODE MEGABYTES
paths_of() {
	local name="$2 over IPv$1" path
	case $2 in
	any) path=any ;;
	direct-only) path=direct ;;
	*) path=relayed ;;
	esac
	if ! start_independent "$1" "--$2"; then
		not_ok "$name: a handshake" "$(tail -n 5 "$work/client.log")"
		stop client
		return
	fi
	[ $path = any ] || is "$name: the pair" "$(client_path)" $path
	check "$name: $3 MB from an IPv4 resource" whole "$1" $path $LAN4
	check "$name: $3 MB from an IPv6 resource" whole "$1" $path $LAN6
	stop client
	is "$name: exit status" "$exit_status" 0
	is "$name: nothing is left" "$(ip netns pids "${prefix}client")" ""
}

# The relay in use gives one address per allocation, of this family unless the
# other is asked for; the gateway asks for both, and takes what it gets.
# (coturn before 4.8 knows ADDITIONAL-ADDRESS-FAMILY by a draft's number only.)
family() {
	start_relay --allocation-default-address-family="ipv$1"
	start_gateway
	paths "$1" "$MEGABYTES" direct-only relay-only
	paths "$1" "$FEW_MEGABYTES" gateway-relay-only both-relays-only any
	stop gateway
	stop relay
}

topology
start_portal
family 4
family 6
finish
