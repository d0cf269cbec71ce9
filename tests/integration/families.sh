#!/bin/bash
# Ends with one address family each: the same one, and a client and a gateway
# that only a relay with both brings together; and LANs of IPv6 whose router is a
# NAT64, by which portal and relay are reached at addresses that it makes of their
# IPv4 ones. Each with and without ICE.

. "$(dirname "$0")/../lib/netns.sh"

MEGABYTES=3
NAT64=2001:db8:64::

# only SPACE FAMILY: the other one is gone there; routers keep both.
only() {
	local space=$1 ipv4 ipv6
	case $space in
	client) ipv4=192.168.1 ipv6=fd01: ;;
	gateway) ipv4=192.168.2 ipv6=fd02: ;;
	esac
	ip -n "$prefix$space" address flush dev eth0 scope global
	ip -n "$prefix$space" -6 route flush default
	if [ "$2" = 4 ]; then
		ip -n "$prefix$space" address add $ipv4.2/24 dev eth0
		ip -n "$prefix$space" route add default via $ipv4.1
	else
		ip -n "$prefix$space" address add $ipv6:2/64 dev eth0 nodad
		ip -n "$prefix$space" route add default via $ipv6:1
	fi
}

# The portal's address for somebody with that family.
portal_url() {
	case $1 in
	4) echo ws://203.0.113.8:8080 ;;
	6) echo "ws://[2001:db8::8]:8080" ;;
	nat64) echo "ws://[${NAT64}203.0.113.8]:8080" ;;
	esac
}

# connects NAME PATH CLIENT-FAMILY [CLIENT OPTION ...]
connects() {
	local name=$1 path=$2 family=$3
	shift 3
	PORTAL_URL=$(portal_url "$family") \
	    start_client "-${family/nat64/6}" "$@"
	check "$name: ping" wait_until 15 ping_lan
	check "$name: the path" wait_until 5 path_is "$path"
	check "$name: download over IPv4" download $LAN4
	check "$name: download over IPv6" download $LAN6
	stop client
	is "$name: the client's exit status" "$exit_status" 0
}

# families NAME PATH CLIENT-FAMILY GATEWAY-FAMILY
families() {
	only client "${3/nat64/6}"
	only gateway "${4/nat64/6}"
	PORTAL_URL=$(portal_url "$4") start_gateway
	connects "$1" "$2" "$3"
	connects "$1, without ICE" "$2" "$3" --iceless
	stop gateway
	is "$1: the gateway's exit status" "$exit_status" 0
}

# nat64 ROUTER: IPv4 for those behind it, with its own masquerade.
nat64() {
	cat > "$work/$1.tayga" <<-CONF
	tun-device nat64
	ipv4-addr 192.168.255.1
	ipv6-addr fd64::1
	prefix $NAT64/96
	dynamic-pool 192.168.255.0/24
	CONF
	at "$1" ip tuntap add nat64 mode tun
	at "$1" ip link set nat64 up
	at "$1" ip route add 192.168.255.0/24 dev nat64
	at "$1" ip route add $NAT64/96 dev nat64
	spawn "nat64-$1" "$1" tayga -d -c "$work/$1.tayga"
}

topology
start_relay
portal_configuration | sed '/^\[site\]/a iceless = true' > "$work/site.toml"
start_portal
start_lan $MEGABYTES
families "IPv4 only" direct 4 4
families "IPv6 only" direct 6 6
families "client IPv4, gateway IPv6" relayed 4 6
families "client IPv6, gateway IPv4" relayed 6 4

# The relay by IPv4, and for those who have no IPv4 by their NAT64.
stop portal
rm -f "$work/state.json"
sed -i "s/^ipv6 = \"2001:db8::9\"/ipv6 = \"${NAT64}203.0.113.9\"/" \
    "$work/site.toml"
start_portal
nat64 home
nat64 office
families "client behind NAT64" relayed nat64 4
families "gateway behind NAT64" relayed 4 nat64
families "both behind NAT64" relayed nat64 nat64
finish
