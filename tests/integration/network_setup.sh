#!/bin/bash
# The parent's network set-up against a real kernel, in network namespaces of
# its own: device, addresses, rules, packet filter, sockets and sysctls are made,
# compared with what ip(8) and nft(8) show, and must be gone afterwards, also
# after a kill.
#
#	  client side                gw                        lan
#	 (packets written   tun-firezone  up0 10.99.0.1 --- 10.99.0.2 up0
#	  into the TUN)                       fd99::1          fd99::2

set -u
if [ "$(id -u)" -ne 0 ] || ! ip netns list >/dev/null 2>&1; then
	echo "1..0 # SKIP needs root"
	exit 77
fi
PYTHON=/usr/bin/python3
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$(realpath "${BUILD:-$root/build}/tests/integration/network_setup")
if [ ! -x "$program" ]; then
	echo "no program: $program" >&2
	exit 2
fi
GW=postern-gw-$$
LAN=postern-lan-$$
OWN4=100.64.0.1
OWN6=fd00:2021:1111::1
CLIENT4=100.64.0.5
CLIENT6=fd00:2021:1111::5
UID_CONTROL=4242
MARK=0xfd002021

work=$(mktemp -d)
failed=0
count=0
declare -A pid to from

cleanup() {
	local p
	for p in "${pid[@]}"; do
		kill -9 "$p" 2>/dev/null
	done
	wait 2>/dev/null
	ip netns del "$GW" 2>/dev/null
	ip netns del "$LAN" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
trap '' PIPE # a helper that has died is a failure to be told

ok() {
	count=$((count + 1))
	echo "ok $count - $1"
}

not_ok() {
	count=$((count + 1))
	failed=$((failed + 1))
	echo "not ok $count - $1"
	shift
	[ $# -gt 0 ] && printf '%s\n' "$@" | sed 's/^/#   /'
}

# is NAME GOT WANTED
is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got:" "$2" "wanted:" "$3"
	fi
}

# like NAME GOT REGEX
like() {
	if [[ $2 =~ $3 ]]; then
		ok "$1"
	else
		not_ok "$1" "got:" "$2" "wanted, as an expression:" "$3"
	fi
}

unlike() {
	if [[ $2 =~ $3 ]]; then
		not_ok "$1" "got:" "$2" "not wanted:" "$3"
	else
		ok "$1"
	fi
}

# until_true COMMAND...: waits for a condition, at most 10 s.
until_true() {
	local i
	for ((i = 0; i < 200; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

gw() { ip netns exec "$GW" "$@"; }
lan() { ip netns exec "$LAN" "$@"; }

# begin NAME NAMESPACE COMMAND...: a helper that talks by lines.
begin() {
	local name=$1 ns=$2 in out
	shift 2
	mkfifo "$work/$name.in" "$work/$name.out"
	ip netns exec "$ns" "$@" <"$work/$name.in" >"$work/$name.out" \
	    2>>"$work/$name.err" &
	pid[$name]=$!
	exec {in}>"$work/$name.in" {out}<"$work/$name.out"
	to[$name]=$in
	from[$name]=$out
	rm "$work/$name.in" "$work/$name.out"
	: >"$work/$name.log"
}

# say NAME COMMAND: the answer goes to $answer, log lines to the helper's log.
say() {
	local line
	answer="no answer"
	echo "$2" >&"${to[$1]}"
	while read -rt 20 line <&"${from[$1]}"; do
		if [ "${line:0:2}" = "= " ]; then
			answer=${line:2}
			return
		fi
		echo "$line" >>"$work/$1.log"
	done
}

log() { cat "$work/$1.log"; }

# finish NAME: the helper ends by itself and must end well.
finish() {
	local in=${to[$1]} out=${from[$1]}
	exec {in}>&-
	cat <&"$out" >>"$work/$1.log"
	exec {out}<&-
	wait "${pid[$1]}"
	is "$1 ends well" "$?$(cat "$work/$1.err")" 0
	unset "pid[$1]"
}

# shoot NAME: as kill -9 does.
shoot() {
	local in=${to[$1]} out=${from[$1]}
	kill -9 "${pid[$1]}"
	wait "${pid[$1]}" 2>/dev/null
	exec {in}>&- {out}<&-
	unset "pid[$1]"
}

# Everything that must be the same before and after.
state() {
	gw ip -o link show | grep -v ' up0@\| lo:'
	gw ip rule show
	gw ip -6 rule show
	gw ip route show table all | grep -v ' dev up0\| dev lo'
	gw ip -6 route show table all | grep -v ' dev up0\| dev lo'
	gw nft -s list ruleset
	gw sysctl net.ipv4.ip_forward net.ipv4.conf.all.src_valid_mark \
	    net.ipv6.conf.all.forwarding net.ipv6.conf.default.forwarding \
	    net.ipv6.conf.up0.accept_ra net.ipv6.conf.all.disable_ipv6
}

drops() { gw nft list table inet postern | grep "comment \"$1\"" |
    sed 's/.*packets \([0-9]*\) .*/\1/'; }

topology() {
	ip netns add "$GW" && ip netns add "$LAN" || exit 1
	gw ip link set lo up
	lan ip link set lo up
	gw ip link add up0 type veth peer name up0 netns "$LAN"
	gw ip addr add 10.99.0.1/24 dev up0
	gw ip addr add fd99::1/64 dev up0 nodad
	gw ip link set up0 up
	lan ip addr add 10.99.0.2/24 dev up0
	lan ip addr add fd99::2/64 dev up0 nodad
	lan ip link set up0 up
	gw sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
	    net.ipv6.conf.default.forwarding=0
	until_true gw ping -c1 -W1 10.99.0.2
	until_true gw ping -c1 -W1 fd99::2
	until_true advertise
}

# The LAN's router makes itself the gateway's default route.
advertise() {
	lan "$PYTHON" -c '
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(bytes([134, 0, 0, 0, 64, 0, 7, 8] + [0] * 8),
    ("ff02::1", 0, 0, socket.if_nametoindex("up0")))' &&
	    gw ip -6 route show default | grep -q 'proto ra'
}

# echo_server NAME NAMESPACE IPV4 IPV6 PORT: answers UDP, and tells who asked.
echo_server() {
	cat >"$work/echo.py" <<'PY'
import select, socket, sys
s = [socket.socket(f, socket.SOCK_DGRAM) for f in (socket.AF_INET, socket.AF_INET6)]
s[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
for x, a in zip(s, sys.argv[1:]):
    x.bind((a, int(sys.argv[3])))
seen = []
while True:
    for x in select.select(s + [sys.stdin], [], [])[0]:
        if x is sys.stdin:
            if not sys.stdin.readline():
                sys.exit(0)
            print("=", " ".join(seen) or "-", flush=True)
            seen = []
        else:
            data, peer = x.recvfrom(2048)
            seen.append(peer[0])
            x.sendto(data, peer)
PY
	begin "$1" "$2" "$PYTHON" "$work/echo.py" "$3" "$4" "$5"
	say "$1" ready
}

test_everything_in_its_place() {
	echo "# everything in its place"
	begin a "$GW" "$program" -q 2 -u $UID_CONTROL
	say a open
	is "opens" "$answer" "ok v4=52625 v6=52625 queues=2"
	like "the link" "$(gw ip -o link show tun-firezone)" \
	    '<[A-Z,]*,UP[,>].* mtu 1280 .* qlen 10000'
	say a "configure $OWN4 $OWN6"
	is "configures" "$answer" "ok v4=1 v6=1"
	is "addresses, and none of the link" \
	    "$(gw ip -o addr show dev tun-firezone | awk '{print $4}' | xargs)" \
	    "$OWN4/32 $OWN6/128"
	is "IPv4 route" "$(gw ip route show table 0x2021fd00 | xargs)" \
	    "100.64.0.0/11 dev tun-firezone proto static"
	is "IPv6 route" "$(gw ip -6 route show table 0x2021fd00 | xargs)" \
	    "fd00:2021:1111::/107 dev tun-firezone proto static metric 1024 pref medium"
	rules="from OWN lookup 539098368 proto 253
from all uidrange 4242-4242 goto 103 proto 253
from all to RANGE lookup main suppress_prefixlength LENGTH proto 253
not from all fwmark 0xfd002021 lookup 539098368 proto 253
from all nop proto 253"
	is "IPv4 rules" "$(gw ip rule show | sed -n 's/^10[0-9]:\t//p')" \
	    "$(sed "s/OWN/$OWN4/; s,RANGE,100.64.0.0/11,; s/LENGTH/11/" \
		<<<"$rules")"
	is "IPv6 rules" "$(gw ip -6 rule show | sed -n 's/^10[0-9]:\t//p')" \
	    "$(sed "s/OWN/$OWN6/; s,RANGE,fd00:2021:1111::/107,
		s/LENGTH/107/" <<<"$rules")"
	like "the table" "$(gw nft list table inet postern)" 'flags owner'
	is "sysctls" "$(gw sysctl -n net.ipv4.ip_forward \
	    net.ipv4.conf.all.src_valid_mark net.ipv6.conf.all.forwarding \
	    net.ipv6.conf.default.forwarding net.ipv6.conf.up0.accept_ra |
	    xargs)" "1 1 1 1 2"
	is "a default route by advertisement stays" \
	    "$(gw ip -6 route show default | grep -c 'proto ra')" 1
}

test_where_packets_go() {
	local lookup
	echo "# where packets go"
	lookup() { gw ip route get "$@" 2>&1 | head -n1; }
	like "unmarked into the tunnel" "$(lookup $CLIENT4)" \
	    "dev tun-firezone .*src $OWN4"
	like "forwarded into the tunnel" \
	    "$(lookup $CLIENT4 from 10.99.0.2 iif up0)" "dev tun-firezone"
	like "forwarded IPv6 into the tunnel" \
	    "$(lookup $CLIENT6 from fd99::2 iif up0)" "dev tun-firezone"
	unlike "marked not" "$(lookup $CLIENT4 mark $MARK)" "tun-firezone"
	unlike "control-worker's not" "$(lookup $CLIENT4 uid $UID_CONTROL)" \
	    "tun-firezone"
	like "but its DNS answers" \
	    "$(lookup $CLIENT4 from $OWN4 uid $UID_CONTROL)" "dev tun-firezone"
	like "and those in IPv6" \
	    "$(lookup $CLIENT6 from $OWN6 uid $UID_CONTROL)" "dev tun-firezone"
	gw ip addr add 100.70.1.2/24 dev up0
	gw ip addr add fd00:2021:1111::7:2/112 dev up0 nodad
	like "the host's network goes before the tunnel" \
	    "$(lookup 100.70.1.1)" "dev up0"
	like "in IPv6" "$(lookup fd00:2021:1111::7:1)" "dev up0"
	like "also for what is forwarded" \
	    "$(lookup fd00:2021:1111::7:1 from fd99::2 iif up0)" "dev up0"
	like "but not for DNS answers" \
	    "$(lookup 100.70.1.1 from $OWN4 uid $UID_CONTROL)" \
	    "dev tun-firezone"
	like "and only that network" "$(lookup 100.70.2.1)" "dev tun-firezone"
	gw ip addr del 100.70.1.2/24 dev up0
	gw ip addr del fd00:2021:1111::7:2/112 dev up0
	like "all else by main" "$(lookup 10.99.0.2)" "dev up0"
}

test_only_changes() {
	echo "# only changes"
	ip netns exec "$GW" ip monitor all >"$work/monitor" &
	pid[monitor]=$!
	until_true sh -c "ip netns exec $GW ip link set lo mtu 60000;
	    ip netns exec $GW ip link set lo mtu 65536; grep -q 60000 $work/monitor"
	say a "configure $OWN4 $OWN6"
	is "the same again" "$answer" "ok v4=1 v6=1"
	say a "configure 10.0.0.1 $OWN6"
	is "not outside the range" "$answer" "fail EINVAL"
	say a "configure $OWN4 fd00:2021:1111:8000::1"
	is "not inside the proxy range" "$answer" "fail EINVAL"
	say a "configure $OWN6 $OWN4"
	is "not the other family" "$answer" "fail EINVAL"
	gw ip link set lo mtu 50000
	until_true grep -q 50000 "$work/monitor"
	is "the kernel saw no change" \
	    "$(grep -c 'tun-firezone\|lookup' "$work/monitor")" 0
	gw ip link set lo mtu 65536
	kill "${pid[monitor]}"
	wait "${pid[monitor]}" 2>/dev/null
	unset 'pid[monitor]'
	say a "configure 100.64.0.2 $OWN6"
	is "a new address" "$answer" "ok v4=1 v6=1"
	is "replaces the old one" \
	    "$(gw ip -o -4 addr show dev tun-firezone | awk '{print $4}')" \
	    "100.64.0.2/32"
	is "in the rules too" \
	    "$(gw ip rule show | grep -c "from 100.64.0.[12] ")" 1
	is "with a route" "$(gw ip route show table 0x2021fd00 | wc -l)" 1
	say a "configure $OWN4 none"
	is "without IPv6" "$answer" "ok v4=1 v6=0"
	is "no rule of IPv6" "$(gw ip -6 rule show | grep -c 'proto 253')" 0
	say a "configure $OWN4 $OWN6"
	is "and back" "$answer" "ok v4=1 v6=1"
}

# blocked NAME COUNTER COMMAND: a packet from the tunnel is dropped and counted.
blocked() {
	local before after
	before=$(drops "$2")
	say a "$3"
	after=$(drops "$2")
	is "$1" $((after - before)) 1
}

# answered NAME COMMAND ANSWER: a packet from the tunnel is answered.
answered() {
	say a "$2"
	say a "receive 3000"
	is "$1" "$answer" "$3"
}

test_packets() {
	local own="the gateway's own address"
	echo "# packets"
	say echo flush
	answered "IPv4 to the LAN and back" "udp $CLIENT4:1234 10.99.0.2:7" \
	    "17 10.99.0.2:7 $CLIENT4:1234"
	say echo flush
	is "with the gateway's address" "$answer" "10.99.0.1"
	answered "IPv6 to the LAN and back" "udp [$CLIENT6]:1234 [fd99::2]:7" \
	    "17 [fd99::2]:7 [$CLIENT6]:1234"
	say echo flush
	is "with the gateway's address" "$answer" "fd99::1"
	answered "ping through" "ping $CLIENT4:0 10.99.0.2:0" \
	    "1 10.99.0.2:0 $CLIENT4:0"
	blocked "a forged source" "source not in the tunnel ranges" \
	    "udp 10.99.0.77:1 10.99.0.2:7"
	blocked "a forged IPv6 source" "source not in the tunnel ranges" \
	    "udp [fd99::77]:1 [fd99::2]:7"
	blocked "a source in the proxy range" "source not in the tunnel ranges" \
	    "udp 100.96.0.1:1 10.99.0.2:7"
	blocked "client to client" "client to client" \
	    "udp $CLIENT4:1 100.64.0.6:7"
	blocked "ssh of the gateway" "$own" "tcp $CLIENT4:1 $OWN4:22"
	blocked "ssh in IPv6" "$own" "tcp [$CLIENT6]:1 [$OWN6]:22"
	blocked "udp of the gateway" "$own" "udp $CLIENT4:1 $OWN4:53"
	answered "ping of the gateway" "ping $CLIENT4:0 $OWN4:0" \
	    "1 $OWN4:0 $CLIENT4:0"
	answered "DNS by TCP reaches the host" "tcp $CLIENT4:5 $OWN4:53535" \
	    "6 $OWN4:53535 $CLIENT4:5"
	echo_server dns "$GW" $OWN4 $OWN6 53535
	answered "DNS by UDP" "udp $CLIENT4:5 $OWN4:53535" \
	    "17 $OWN4:53535 $CLIENT4:5"
	answered "DNS in IPv6" "udp [$CLIENT6]:5 [$OWN6]:53535" \
	    "17 [$OWN6]:53535 [$CLIENT6]:5"
	finish dns
	answered "a resource on the host itself" "tcp $CLIENT4:6 10.99.0.1:22" \
	    "6 10.99.0.1:22 $CLIENT4:6"
	say echo flush
	is "nothing blocked has reached the LAN" "$answer" -
}

# as_control STATEMENT: python as control-worker's user.
as_control() {
	gw setpriv --reuid $UID_CONTROL --clear-groups "$PYTHON" -c "
import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
t = socket.socket(); t.settimeout(3)
$1" 2>&1 | tail -n1
}

# tcp_of_control PORT: the error of its connection to the LAN.
tcp_of_control() {
	as_control "
t.settimeout(0.5)
try:
    t.connect(('10.99.0.2', $1))
except OSError as error:
    print(type(error).__name__)"
}

test_control_worker() {
	echo "# control-worker"
	like "at first no DNS" \
	    "$(as_control 'u.sendto(b"x", ("10.99.0.2", 53))')" PermissionError
	is "nor TCP" "$(tcp_of_control 9)" TimeoutError
	say a "egress 9 10.99.0.2 fd99::2 127.0.0.53"
	is "is opened" "$answer" ok
	is "the table is the owner's still" \
	    "$(gw nft list table inet postern | grep -c 'flags owner')" 1
	like "no UDP but DNS" "$(as_control 'u.sendto(b"x", ("10.99.0.2", 7))')" \
	    'PermissionError'
	is "dropped and counted" "$(drops control-worker)" 1
	like "nor in IPv6" \
	    "$(as_control 'u6.sendto(b"x", ("fd99::2", 7))')" PermissionError
	is "counted as well" "$(drops control-worker)" 2
	# The kernel lets the group; EACCES would be its no, EPERM is the table's.
	gw sysctl -qw net.ipv4.ping_group_range="0 0"
	like "no ICMP" "$(as_control 'p = socket.socket(socket.AF_INET,
    socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
p.sendto(bytes([8]) + bytes(7), ("10.99.0.2", 0))')" 'Errno 1\]'
	is "ICMP is counted" "$(drops control-worker)" 3
	gw sysctl -qw net.ipv4.ping_group_range="1 0"
	is "DNS" "$(as_control 'u.sendto(b"x", ("10.99.0.2", 53)); print("sent")')" \
	    sent
	is "DNS in IPv6" \
	    "$(as_control 'u6.sendto(b"x", ("fd99::2", 53)); print("sent")')" sent
	is "DNS on loopback" \
	    "$(as_control 'u.sendto(b"x", ("127.0.0.53", 53)); print("sent")')" \
	    sent
	is "DNS by TCP" "$(tcp_of_control 53)" ConnectionRefusedError
	is "others are free" "$(gw "$PYTHON" -c 'import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.sendto(b"x", ("10.99.0.2", 7)); print("sent")')" sent
	say echo flush
	is "one of them has arrived" "$answer" "10.99.0.1"
	is "the kernel's own packets are not its" "$(drops control-worker)" 3
	is "no other port" "$(tcp_of_control 10)" TimeoutError
	like "no DNS of others" \
	    "$(as_control 'u.sendto(b"x", ("10.99.0.3", 53))')" PermissionError
	like "nor in IPv6" \
	    "$(as_control 'u6.sendto(b"x", ("fd99::3", 53))')" PermissionError
	is "no host of the LAN at the portal's port" "$(tcp_of_control 9)" \
	    TimeoutError
	is "nor by HTTPS" "$(tcp_of_control 443)" TimeoutError
	say a "egress 9 10.99.0.2 fd99::2 127.0.0.53 hosts 10.99.0.2"
	is "but the portal" "$(tcp_of_control 9)" ConnectionRefusedError
	is "and who takes the flow logs" "$(tcp_of_control 443)" \
	    ConnectionRefusedError
	is "no port but those" "$(tcp_of_control 10)" TimeoutError
	say a "egress 443 10.99.0.3"
	is "other resolvers" "$answer" ok
	is "are open" \
	    "$(as_control 'u.sendto(b"x", ("10.99.0.3", 53)); print("sent")')" sent
	like "and those of before are not" \
	    "$(as_control 'u.sendto(b"x", ("10.99.0.2", 53))')" PermissionError
}

# The owner's table is made anew while others change theirs all the time.
test_disturbed() {
	local i failures=0
	echo "# disturbed"
	begin churn "$GW" sh -c 'while :; do
		nft add table ip churn
		nft add chain ip churn c
		nft delete table ip churn
	done'
	for ((i = 1; i <= 40; i++)); do
		say a "egress $i 10.99.0.2"
		[ "$answer" = ok ] || failures=$((failures + 1))
	done
	shoot churn
	gw nft delete table ip churn 2>/dev/null
	is "every change was made" "$failures" 0
	like "the last one holds" \
	    "$(gw nft list chain inet postern control_worker)" "tcp dport != . 40, 443 ."
	like "by its owner" "$(gw nft list table inet postern)" "flags owner"
	say a lose
	unlike "its socket is taken away: so is the table" \
	    "$answer$(gw nft list tables)" postern
	gw nft add table ip churn
	say a "watch 500"
	is "it is put back" "$answer" "trouble="
	gw nft delete table ip churn
	like "as it was" \
	    "$(gw nft list chain inet postern control_worker)" "tcp dport != . 40, 443 ."
	like "and said" "$(log a)" "the nftables table was gone and is put back"
	answered "the LAN is masqueraded" "udp $CLIENT4:4321 10.99.0.2:7" \
	    "17 10.99.0.2:7 $CLIENT4:4321"
	say echo flush
}

# The DNS server's sockets, which control-worker is given.
test_dns_listeners() {
	echo "# DNS listeners"
	echo_server dns "$GW" 127.0.0.9 $OWN6 53535
	say a "listen $OWN4 $OWN6"
	is "a port that is taken" "$answer" "fail EADDRINUSE"
	finish dns
	say a "listen $OWN4 $OWN6"
	is "are bound" "$answer" ok
	is "to the addresses and the device" "$(gw ss -Hlntu "sport = :53535" |
	    awk '{ print $1, $5 }' | sort | xargs)" \
	    "tcp $OWN4%tun-firezone:53535 tcp [$OWN6]%tun-firezone:53535 udp $OWN4%tun-firezone:53535 udp [$OWN6]%tun-firezone:53535"
	is "without a mark" "$(gw ss -Hlntuem "sport = :53535" |
	    grep -c fwmark)" 0
	say a "listen $OWN4 $OWN6"
	is "and bound already" "$answer" ok
	answered "a connection" "tcp $CLIENT4:5 $OWN4:53535" \
	    "6 $OWN4:53535 $CLIENT4:5"
	say a "sendto $CLIENT4:9"
	is "say nothing that is no answer" "$answer" "fail EPERM"
	say a "udp $CLIENT4:9 $OWN4:53535"
	say a "sendto $CLIENT4:9"
	say a "receive 1000"
	is "answers go into the tunnel" "$answer" \
	    "17 $OWN4:53535 $CLIENT4:9"
	say echo flush
	say a "sendto 10.99.0.2:7"
	is "and nothing elsewhere" "$answer" "fail EPERM"
	say a "sendto [fd99::2]:7"
	is "nor in IPv6, where the kernel sees no way" "$answer" "fail ENETUNREACH"
	say a free
	is "the device can be undone" "$(gw ss -Hlnu "sport = :53535" |
	    grep -cF "$OWN4:53535 ")" 1
	say a "sendto 10.99.0.2:7"
	is "and then there is still no way out" "$answer" "fail EPERM"
	say echo flush
	is "the LAN has heard nothing" "$answer" -
	say a "listen $OWN4 none"
	is "one family is closed" "$(gw ss -Hlntu "sport = :53535" | wc -l)" 2
}

test_second_instance() {
	echo "# a second instance"
	begin b "$GW" "$program"
	say b open
	like "is refused" "$answer" "^fail tun-firezone is in use: .*ip link del"
	say b sockets
	like "does not join the ports" "$answer" "^ok v4=[1-9][0-9]* v6=[1-9]"
	unlike "neither of them" "$answer" "52625"
	like "says so" "$(log b)" "IPv4: UDP port 52625 is not free"
	like "for both" "$(log b)" "IPv6: UDP port 52625 is not free"
	finish b
	is "and harms nobody" "$(gw ip rule show | grep -c 'proto 253')" 5
}

test_sockets() {
	echo "# sockets"
	say a options
	is "options" "$answer" "pktinfo=1 tos=1 mtu=3 gro=1 err=0 pktinfo6=1 tclass=1 mtu6=3 dontfrag=1 only=1 gro6=1 err6=0 public=1"
	gw ss -Hlunem "sport = :52625" >"$work/ss" 2>/dev/null
	is "three a family, all marked" \
	    "$(grep -c "fwmark:$MARK" "$work/ss")" 6
	is "receive buffers" "$(grep -o 'rb[0-9]*' "$work/ss" | sort -u)" \
	    rb33554432
	is "send buffers" "$(grep -o 'tb[0-9]*' "$work/ss" | sort -u)" tb4194304
}

test_descriptors() {
	local fd inherited=
	echo "# descriptors"
	for fd in /proc/"${pid[a]}"/fdinfo/*; do
		case $(readlink "${fd/fdinfo/fd}") in
		socket:* | /dev/net/tun | /proc/sys/*) ;;
		*) continue ;;
		esac
		# O_CLOEXEC, or libnftables' own socket
		grep -q '^flags:.*02[0-9]\{6\}$' "$fd" ||
		    inherited+=" $(readlink "${fd/fdinfo/fd}" | tr -d '0-9[]')"
	done
	is "none is inherited but that of libnftables" "$inherited" " socket:"
}

test_offload() {
	echo "# offload"
	say a "offload on"
	like "is granted" "$answer" "^ok offload=1 uso=[01]$"
	say a "offload off"
	is "and taken back" "$answer" "ok offload=0 uso=0"
}

test_flush() {
	echo "# a foreign flush"
	gw nft flush ruleset
	like "leaves the table" "$(gw nft list tables)" "inet postern"
}

test_close() {
	echo "# close"
	say a close
	is "closes" "$answer" ok
	is "nothing is left" "$(state)" "$clean"
	say a open
	is "opens again" "$answer" "ok v4=52625 v6=52625 queues=2"
	finish a
	is "nothing is left at the end either" "$(state)" "$clean"
}

test_expose_host() {
	echo "# --expose-host, --no-masquerade, no uid"
	begin a "$GW" "$program" -e -m -u 0
	say a open
	say a "configure $OWN4 $OWN6"
	answered "ssh of the gateway" "tcp $CLIENT4:1 $OWN4:22" \
	    "6 $OWN4:22 $CLIENT4:1"
	unlike "no masquerade" "$(gw nft list table inet postern)" masquerade
	unlike "no rule for uid 0" "$(gw ip rule show)" uidrange
	unlike "no chain for uid 0" "$(gw nft list table inet postern)" skuid
	finish a
}

test_kill() {
	echo "# kill -9"
	begin a "$GW" "$program" -u $UID_CONTROL
	say a open
	say a "configure 100.64.0.9 fd00:2021:1111::9"
	shoot a
	unlike "the table goes with its owner" "$(gw nft list tables)" postern
	like "rules stay behind" "$(gw ip rule show)" "from 100.64.0.9"
	# The reference's, too.
	gw ip rule add not fwmark $MARK lookup 0x2021fd02 pref 300
	gw ip route add blackhole 192.0.2.0/24 table 0x2021fd02
	gw ip rule add from 192.0.2.7 lookup main pref 77
	begin a "$GW" "$program"
	say a open
	is "the next start" "$answer" "ok v4=52625 v6=52625 queues=1"
	is "cleans up" "$(gw ip rule show | grep -v '^[03]' | xargs)" \
	    "77: from 192.0.2.7 lookup main"
	is "in IPv6" "$(gw ip -6 rule show | grep -vc '^[03]')" 0
	is "the tables too" \
	    "$(gw ip route show table 0x2021fd02 2>/dev/null | wc -l)" 0
	gw ip rule del pref 77
	finish a
	gw sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
	    net.ipv6.conf.default.forwarding=0 net.ipv6.conf.up0.accept_ra=1 \
	    net.ipv4.conf.all.src_valid_mark=0
	is "and nothing is left" "$(state)" "$clean"
}

test_port_taken() {
	echo "# a taken port"
	begin hold "$GW" "$PYTHON" -c "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 52625))
print('=', flush=True)
sys.stdin.read()"
	say hold wait
	begin a "$GW" "$program"
	say a sockets
	like "another for that family" "$answer" "^ok v4=[0-9]+ v6=52625$"
	unlike "really another" "$answer" "v4=52625"
	like "says so" "$(log a)" "IPv4: UDP port 52625 is not free \(Address alr"
	finish a
	finish hold
}

test_buffers() {
	local limit
	echo "# buffers"
	begin a "$GW" "$program" -b 1000000
	say a sockets
	is "of the size that is asked for" "$(gw ss -Hlunm 'sport = :52625' |
	    grep -o 'rb[0-9]*' | sort -u)" rb2000000
	finish a
	limit=$(sysctl -n net.core.rmem_max)
	if ! unshare --user --map-root-user --net true 2>/dev/null ||
	    [ "$limit" -ge 16777216 ]; then
		ok "# SKIP small buffers: no way to be refused large ones"
		return
	fi
	begin a "$GW" unshare --user --map-root-user --net "$program"
	say a sockets
	like "too large: smaller ones" "$answer" "^ok v4=52625"
	like "and a hint" "$(log a)" \
	    "buffer of $limit bytes instead of 16777216; raise net.core.rmem_max"
	finish a
}

test_no_ipv6() {
	echo "# no IPv6"
	gw sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
	    net.ipv6.conf.default.disable_ipv6=1
	begin a "$GW" "$program"
	say a open
	like "switched off: opens" "$answer" "^ok v4=52625"
	say a "configure $OWN4 $OWN6"
	is "IPv4 alone" "$answer" "ok v4=1 v6=0"
	say a "configure $OWN4 $OWN6"
	is "tried again" "$answer" "ok v4=1 v6=0"
	is "says so once" "$(log a | grep -c 'IPv6 is switched off')" 1
	is "no IPv6 rule" "$(gw ip -6 rule show | grep -c 253)" 0
	say a "configure none $OWN6"
	is "no family at all" "$answer" "fail EACCES"
	gw sysctl -qw net.ipv6.conf.all.disable_ipv6=0 \
	    net.ipv6.conf.default.disable_ipv6=0
	say a "configure $OWN4 $OWN6"
	is "switched on again" "$answer" "ok v4=1 v6=1"
	finish a
	begin a "$GW" "$program" -6
	say a sockets
	is "not in the kernel" "$answer" "ok v4=52625 v6=0"
	like "says so" "$(log a)" "IPv6 is left out: no socket: Address family"
	finish a
	gw ip addr add fd99::1/64 dev up0 nodad
}

# A chain of somebody else and how it looks afterwards.
foreign_ruleset() {
	cat <<'NFT'
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
	}

	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		iifname "docker0" accept comment "postern docker"
	}
}
table inet office {
	chain forward {
		type filter hook forward priority filter + 10; policy accept;
		ct state established accept
		counter reject
	}

	chain harmless {
		type filter hook forward priority filter + 20; policy accept;
		ip daddr 192.0.2.1 drop
	}
}
NFT
}

test_foreign_chains() {
	local before
	echo "# foreign chains"
	foreign_ruleset | gw nft -f -
	before=$(gw nft -s list ruleset)
	begin a "$GW" "$program"
	say a open
	say a "configure $OWN4 $OWN6"
	is "policy drop: two rules at the top" \
	    "$(gw nft -s list chain ip filter FORWARD | sed -n '4,6p' | xargs)" \
	    'iifname tun-firezone counter accept comment postern oifname tun-firezone counter accept comment postern iifname docker0 accept comment postern docker'
	is "a final reject too" "$(gw nft list chain inet office forward |
	    grep -c 'comment "postern"')" 2
	is "but no other" "$(gw nft list chain inet office harmless |
	    grep -c postern)" 0
	answered "packets pass" "udp $CLIENT4:99 10.99.0.2:7" \
	    "17 10.99.0.2:7 $CLIENT4:99"
	shoot a
	is "they survive a kill" "$(gw nft list chain ip filter FORWARD |
	    grep -c 'comment "postern"$')" 2
	begin a "$GW" "$program"
	say a open
	is "and are not doubled" "$(gw nft list chain ip filter FORWARD |
	    grep -c 'comment "postern"$')" 2
	finish a
	is "all as before" "$(gw nft -s list ruleset)" "$before"
	gw nft flush ruleset
	begin nft "$GW" nft -i
	echo 'table ip filter { flags owner; chain FORWARD { type filter hook forward priority 0; policy drop; }; }' >&"${to[nft]}"
	until_true sh -c "ip netns exec $GW nft list tables | grep -q filter"
	begin a "$GW" "$program"
	say a open
	like "an owned table: opens" "$answer" "^ok"
	like "and names what is missing" "$(log a)" \
	    "missing: iptables -I FORWARD -i tun-firezone -j ACCEPT"
	finish a
	shoot nft
	gw sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
	    net.ipv6.conf.default.forwarding=0 net.ipv6.conf.up0.accept_ra=1 \
	    net.ipv4.conf.all.src_valid_mark=0
}

test_refusals() {
	echo "# refusals"
	begin nft "$GW" nft -i
	echo 'table inet postern { flags owner; }' >&"${to[nft]}"
	until_true sh -c "ip netns exec $GW nft list tables | grep -q postern"
	begin a "$GW" "$program"
	say a open
	like "a table that is taken" "$answer" \
	    "^fail the nftables table cannot be installed .*own a table"
	is "leaves nothing" "$(gw ip link show tun-firezone 2>&1 | xargs)" \
	    "Device tun-firezone does not exist."
	finish a
	shoot nft
	gw nft add table inet postern
	begin a "$GW" "$program"
	say a open
	like "a table of nobody is replaced" "$answer" "^ok"
	finish a
	gw ip link add tun-firezone type veth peer name tun-peer
	begin a "$GW" "$program"
	say a open
	like "a device of that name" "$answer" "is in use"
	gw ip link del tun-firezone
	finish a
	begin a "$GW" setpriv --bounding-set=-net_admin,-net_raw \
	    --inh-caps=-net_admin,-net_raw \
	    "$program"
	say a open
	like "no CAP_NET_ADMIN" "$answer" "without CAP_NET_ADMIN"
	say a sockets
	like "no mark either" "$answer" "^fail the firewall mark cannot be set"
	finish a
}

test_dying_predecessor() {
	echo "# a dying predecessor"
	begin a "$GW" "$program"
	say a open
	begin b "$GW" "$program"
	echo open >&"${to[b]}"
	(sleep 0.5 && kill -9 "${pid[a]}") &
	say b nothing
	is "is waited for" "$answer" "ok v4=52625 v6=52625 queues=1"
	wait "${pid[a]}" 2>/dev/null
	unset 'pid[a]'
	finish b
}

test_device_node() {
	echo "# no /dev/net/tun"
	begin a "$GW" unshare -m sh -c 'mount -t tmpfs -o mode=755 none /dev/net &&
	    rmdir /dev/net 2>/dev/null; exec "$@"' sh "$program"
	say a open
	like "is made" "$answer" "^ok"
	is "a device" "$(stat -c '%F %t:%T %a' \
	    "/proc/${pid[a]}/root/dev/net/tun")" \
	    "character special file a:c8 600"
	finish a
	begin a "$GW" unshare -m sh -c 'mount -t tmpfs none /dev/net &&
	    exec setpriv --bounding-set=-mknod --inh-caps=-mknod "$@"' sh \
	    "$program"
	say a open
	like "cannot be made" "$answer" "--device /dev/net/tun"
	finish a
}

topology
echo_server echo "$LAN" 0.0.0.0 :: 7
clean=$(state)

test_everything_in_its_place
test_where_packets_go
test_only_changes
test_packets
test_control_worker
test_disturbed
test_dns_listeners
test_second_instance
test_sockets
test_descriptors
test_offload
test_flush
test_close
test_kill
test_expose_host
test_port_taken
test_buffers
test_no_ipv6
test_foreign_chains
test_refusals
test_dying_predecessor
test_device_node

echo "1..$count"
[ "$failed" -eq 0 ] || echo "# $failed of $count failed"
[ "$failed" -eq 0 ]
