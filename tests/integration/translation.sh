#!/bin/bash
# Packets that we translate between IPv4 and IPv6 against what tayga makes of
# them, in a namespace of its own. 77: there is no tayga.

root=$(cd "$(dirname "$0")/../.." && pwd)
: "${BUILD:=$root/build}"
if ! command -v tayga > /dev/null; then
	echo "tayga is missing"
	exit 77
fi
if [ "${1:-}" != inside ]; then
	exec unshare -n "$0" inside
fi

work=$(mktemp -d)
tayga=
finish() {
	[ -z "$tayga" ] || kill "$tayga" 2> /dev/null
	rm -rf "$work"
}
trap finish EXIT
cat > "$work/tayga.conf" << EOT
tun-device nat64
ipv4-addr 198.51.100.1
ipv6-addr 2001:db8:64::1
map 100.64.0.9 fd00:2021:1111::9
map 10.1.2.3 2001:db8::77
map 192.0.2.1 2001:db8::1
EOT

# setting NAME VALUE: of the kernel.
setting() {
	echo "$2" > "/proc/sys/net/$1"
}

# device NAME: up, and quiet.
device() {
	ip tuntap add "$1" mode tun && ip link set "$1" addrgenmode none mtu 1500 &&
		ip link set "$1" up && setting "ipv4/conf/$1/rp_filter" 0
}

# Whatever comes from the probe goes to tayga, and back.
route() {
	ip "$1" rule add iif probe lookup 100 &&
		ip "$1" route add default dev nat64 table 100 &&
		ip "$1" rule add iif nat64 lookup 101 &&
		ip "$1" route add default dev probe table 101
}

{
	ip link set lo up &&
		setting ipv4/ip_forward 1 && setting ipv6/conf/all/forwarding 1 &&
		setting ipv4/conf/all/rp_filter 0 &&
		device probe && device nat64 && route -4 && route -6
} || exit 1
tayga -c "$work/tayga.conf" -d > "$work/tayga.log" 2>&1 &
tayga=$!
# It is there when the device has somebody.
for ((i = 0; i < 100; i++)); do
	[ "$(cat /sys/class/net/nat64/carrier 2> /dev/null)" != 1 ] || break
	sleep 0.1
done
"$BUILD/tests/integration/translation" probe
status=$?
[ $status -eq 0 ] || cat "$work/tayga.log"
exit $status
