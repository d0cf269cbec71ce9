#!/bin/bash
# The yardstick: a tunnel with nothing in it but what no gateway can do without
# (ceiling.c), between a client and a resource behind its other end.
#
#	client  10.9.0.1 ---- 10.9.0.2  gateway  10.8.0.1 ---- 10.8.0.2  lan
#	tunnel  100.64.0.1 == UDP 5555 == 100.64.0.2
#
# usage: ceiling.sh SECONDS [IPERF3-OPTION ...]		e.g. ceiling.sh 5 -R
# Prints Gbit/s, and the CPU seconds per gigabyte of gateway and client. Needs
# root; the program is $CEILING, or where BUILD has it.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/measure.sh"

: "${CEILING:=$BUILD/tests/bench/ceiling}"
prefix=pstc$$-
spaces="client gateway lan"

make_spaces() {
	local space
	for space in $spaces; do
		ip netns add "$prefix$space"
		ip -n "$prefix$space" link set lo up
		sysctl_at "$space" net.ipv6.conf.default.disable_ipv6=1
	done
	link client eth0 gateway eth0
	link lan eth0 gateway lan
	ip -n "${prefix}client" address add 10.9.0.1/24 dev eth0
	ip -n "${prefix}gateway" address add 10.9.0.2/24 dev eth0
	ip -n "${prefix}gateway" address add 10.8.0.1/24 dev lan
	ip -n "${prefix}lan" address add 10.8.0.2/24 dev eth0
	ip -n "${prefix}lan" route add 100.64.0.1 via 10.8.0.1
	sysctl_at gateway net.ipv4.ip_forward=1
}

# tunnel_end SPACE PEER SIDE ADDRESS ROUTE
tunnel_end() {
	spawn "$1" "$1" "$CEILING" tun0 5555 "$2" 5555 "$3"
	wait_until 10 ip -n "$prefix$1" link show tun0 ||
		die "the tunnel does not start" "$work/$1.log"
	ip -n "$prefix$1" address add "$4" dev tun0
	ip -n "$prefix$1" link set tun0 mtu 1280 up
	ip -n "$prefix$1" route add "$5" dev tun0
}

[ "$(id -u)" -eq 0 ] || die "must be run as root"
[ $# -ge 1 ] || die "usage: ceiling.sh SECONDS [IPERF3-OPTION ...]"
seconds=$1
shift
trap cleanup EXIT
trap 'exit 130' INT TERM
make_spaces
tunnel_end client 10.9.0.2 0 100.64.0.1 10.8.0.0/24
tunnel_end gateway 10.9.0.1 1 100.64.0.2 100.64.0.1
start_iperf lan 5201
throughput "${pid[gateway]}" "${pid[client]}" client "$seconds" 10.8.0.2 5201 \
    "$@" || die "iperf3 failed" "$work/iperf.json"
