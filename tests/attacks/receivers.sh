#!/bin/bash
# Nobody behind the gateway takes a packet for anything that we did not judge it
# as: packets of all forms go both to our parser and policy and, through a veth,
# to the kernel of a receiver. See receivers.py for what is compared.

. "$(dirname "$0")/../lib/netns.sh"

spaces="sender receiver"
VERDICTS=$BUILD/tests/attacks/verdicts

# The sender has no address, and the receiver answers to it whoever asked.
make_spaces() {
	local space mac
	for space in $spaces; do
		ip netns add "$prefix$space"
		ip -n "$prefix$space" link set lo up
	done
	sysctl_at sender net.ipv6.conf.default.disable_ipv6=1
	link sender eth0 receiver eth0
	addresses receiver eth0 $LAN4/24 $LAN6/64
	mac=$(at sender cat /sys/class/net/eth0/address)
	ip -n "${prefix}receiver" neigh add 10.20.0.1 lladdr "$mac" dev eth0
	ip -n "${prefix}receiver" neigh add fd20::1 lladdr "$mac" dev eth0
	ip -n "${prefix}receiver" route add 100.64.0.0/11 via 10.20.0.1
	ip -n "${prefix}receiver" route add fd00:2021:1111::/107 via fd20::1
}

# What a firewall of the receiver makes of each, by who has sent it.
start_counting() {
	at receiver nft -f - <<-RULES
	table inet seen {
		set protocols4 {
			type ipv4_addr . inet_proto
			flags dynamic
			size 65536
		}
		set protocols6 {
			type ipv6_addr . inet_proto
			flags dynamic
			size 65536
		}
		set ports4 {
			type ipv4_addr . inet_proto . inet_service
			flags dynamic
			size 65536
		}
		set ports6 {
			type ipv6_addr . inet_proto . inet_service
			flags dynamic
			size 65536
		}
		chain input {
			type filter hook input priority filter;
			meta nfproto ipv4 update @protocols4 \
			    { ip saddr . meta l4proto }
			meta nfproto ipv6 update @protocols6 \
			    { ip6 saddr . meta l4proto }
			meta nfproto ipv4 meta l4proto { tcp, udp } \
			    update @ports4 \
			    { ip saddr . meta l4proto . th dport }
			meta nfproto ipv6 meta l4proto { tcp, udp } \
			    update @ports6 \
			    { ip6 saddr . meta l4proto . th dport }
		}
	}
	RULES
}

[ "$(id -u)" -eq 0 ] || die "must be run as root"
trap cleanup EXIT
trap 'exit 130' INT TERM
make_spaces
start_counting
"$PYTHON" "$NETNS_ROOT/tests/attacks/receivers.py" "${prefix}sender" \
    "${prefix}receiver" "$(at receiver cat /sys/class/net/eth0/address)" \
    "$VERDICTS" $LAN4 $LAN6 | tee "$work/compared"
[ "${PIPESTATUS[0]}" -eq 0 ] || tests_failed=1
finish
