# What the tests of names share, beside netns.sh: a network with names behind
# the gateway, its DNS server, services that say where they are, and ways to use
# them from the client. Sourced after netns.sh, which it changes nothing of.
#
#	lan 10.20.0.2, .11, .12, .13		fd20::2, ::11, ::12, ::13
#	    dnsmasq on 10.20.0.2, the others are servers of the same host
#	deep 10.30.0.2				behind lan, over a narrow link
#
# corp.test is the domain of the site; see site_names for what is in it.

PROBE=$NETNS_ROOT/tests/lib/probe.py
MIRRORS4="10.20.0.11 10.20.0.12 10.20.0.13"
MIRRORS6="fd20::11 fd20::12 fd20::13"
DEEP=10.30.0.2
NARROW=800 # octets, the link from lan to deep
spaces="$spaces deep"

# Linux makes of ICMP errors, where it is to connect:
PROHIBITED4=EHOSTUNREACH  # type 3 code 13
PROHIBITED6=EACCES        # type 1 code 1
UNREACHABLE4=ENETUNREACH  # type 3 code 0
UNREACHABLE6=EHOSTUNREACH # type 1 code 3

# --- The site ---------------------------------------------------------------

# resource NAME TYPE ADDRESS FILTER ...: and a policy that allows it.
resource() {
	local name=$1 type=$2 address=$3 filters
	shift 3
	filters=$(printf '"%s", ' "$@")
	[ $# -gt 0 ] || filters=""
	cat <<-TOML

	[[resources]]
	name = "$name"
	type = "$type"
	address = "$address"
	filters = [${filters%, }]

	[[policies]]
	resource = "$name"
	users = ["jane"]
	TOML
}

services="tcp/80 tcp/7 udp/7 tcp/17 udp/17 udp/9 icmp"

# lan4 and lan6 have what the others have.
site_configuration() {
	portal_configuration | sed 's|"udp/7", |&"tcp/17", "udp/17", "udp/9", |'
	resource corp dns '**.corp.test' $services
	resource short dns intranet $services
	resource web dns shared.test tcp/80
	resource echo dns shared.test tcp/7
	resource deep cidr 10.30.0.0/24 $services
}

# What dnsmasq has of corp.test; rewritten by tests.
site_names() {
	cat <<-HOSTS
	10.20.0.2 both.corp.test
	fd20::2 both.corp.test
	10.20.0.2 four.corp.test
	fd20::2 six.corp.test
	10.20.0.11 many.corp.test
	10.20.0.12 many.corp.test
	10.20.0.13 many.corp.test
	fd20::11 many.corp.test
	fd20::12 many.corp.test
	127.0.0.1 bad.corp.test
	169.254.169.254 bad.corp.test
	100.64.0.9 bad.corp.test
	100.96.0.9 bad.corp.test
	::1 bad.corp.test
	fe80::1 bad.corp.test
	fd00:2021:1111::9 bad.corp.test
	127.0.0.1 mixed.corp.test
	10.20.0.12 mixed.corp.test
	10.20.0.2 web1.corp.test
	10.20.0.2 web2.corp.test
	10.20.0.2 web3.corp.test
	10.20.0.11 moving.corp.test
	fd20::11 moving.corp.test
	10.20.0.12 other.corp.test
	10.20.0.13 intranet.corp.test
	10.20.0.2 shared.test
	10.30.0.2 deep.corp.test
	HOSTS
}

start_dnsmasq() {
	spawn dnsmasq lan dnsmasq --no-daemon --conf-file=/dev/null \
	    --no-resolv --no-hosts --bind-interfaces --user=root --pid-file= \
	    --listen-address=$LAN4 --port=53 --log-queries \
	    --addn-hosts="$work/names" --local=/test/ --local=/firezone.dev/ \
	    --cname=alias.corp.test,alias2.corp.test \
	    --cname=alias2.corp.test,both.corp.test
	wait_until 10 listens lan u 53 ||
		die "dnsmasq does not start" "$work/dnsmasq.log"
}

# name_server ADDRESS ...: of the gateway, in place, as "ip netns" mounts it.
name_server() {
	{
		printf 'nameserver %s\n' "$@"
		echo "search corp.test"
	} > "/etc/netns/${prefix}gateway/resolv.conf"
}

# narrow_link: deep behind lan. Only the way to it is narrow, so that its own
# segments do not say so; and by the route, as a veth device drops what is
# longer than its peer's MTU.
narrow_link() {
	link deep eth0 lan deep
	addresses deep eth0 $DEEP/24 fd30::2/64
	addresses lan deep 10.30.0.1/24 fd30::1/64
	default_via deep 10.30.0.1 fd30::1
	ip -n "${prefix}lan" route add $DEEP dev deep mtu lock $NARROW
	ip -n "${prefix}lan" route add default via 10.20.0.1
	ip -n "${prefix}gateway" route add 10.30.0.0/24 via $LAN4
	sysctl_at lan net.ipv4.ip_forward=1
}

# Every ICMP error is one that a test waits for.
no_icmp_limits() {
	local space
	for space in client gateway lan deep; do
		sysctl_at $space net.ipv4.icmp_ratelimit=0
		sysctl_at $space net.ipv6.icmp.ratelimit=0
	done
	# Echo sockets for everyone, which hear of errors.
	sysctl_at client net.ipv4.ping_group_range="0 2147483647"
}

# start_services: the network, with all that is behind the gateway.
start_services() {
	local address
	topology
	narrow_link
	no_icmp_limits
	for address in $MIRRORS4 $MIRRORS6; do
		case $address in
		# Never the source of what others of the host answer.
		*:*) at lan ip address add "$address/64" dev eth0 nodad \
			preferred_lft 0 ;;
		*) at lan ip address add "$address/24" dev eth0 ;;
		esac
	done
	site_names > "$work/names"
	start_dnsmasq
	spawn whereis lan "$PYTHON" "$NETNS_ROOT/tests/lib/whereis.py" \
	    $LAN4 $LAN6 $MIRRORS4 $MIRRORS6
	wait_until 10 listens lan t 17 ||
		die "the services do not start" "$work/whereis.log"
	mkdir -p "/etc/netns/${prefix}gateway"
	name_server $LAN4
	printf '127.0.0.1 localhost\n%s filed.corp.test\n' 10.20.0.13 \
	    > "/etc/netns/${prefix}gateway/hosts"
}

# start_site: all but the client.
start_site() {
	start_services
	site_configuration > "$work/site.toml"
	start_relay
	start_portal
	start_gateway
}

# --- The client -------------------------------------------------------------

# start_named_client [OPTION ...]: one that takes commands.
start_named_client() {
	[ -e "$work/commands" ] || mkfifo "$work/commands"
	start_client -c "$work/commands" "$@"
}

# The proxies of block N, as clients number them: four of each family.
proxies() {
	local i all=""
	for i in 1 2 3 4; do
		all="$all $(proxy4 "$1" $i)"
	done
	for i in 1 2 3 4; do
		all="$all $(proxy6 "$1" $i)"
	done
	echo $all
}

# proxy4 BLOCK [NUMBER], proxy6 BLOCK [NUMBER]: the first is number 1.
proxy4() {
	echo "100.96.0.$(($1 * 4 + ${2:-1}))"
}

proxy6() {
	printf 'fd00:2021:1111:8000::1:%x\n' $(($1 * 4 + ${2:-1}))
}

# assign RESOURCE DOMAIN BLOCK [SECONDS]: prints what the gateway says.
assign() {
	local mark
	mark=$(lines_of "$work/client.log")
	echo "assign $1 $2 $(proxies "$3")" > "$work/commands"
	wait_line "${4:-15}" "$work/client.log" "^name $2 " "$mark" || {
		echo silent
		return
	}
	tail -n +$((mark + 1)) "$work/client.log" |
	    sed -n "s/^name $2 //p" | head -n 1
}

# assigned RESOURCE DOMAIN BLOCK: it is one of what follows.
assigned() {
	is "$2: the gateway's answer" "$(assign "$@")" active
}

probe() {
	at client "$PYTHON" "$PROBE" "$@"
}

# where ADDRESS: which of the servers answers there by TCP.
where() {
	probe where "$1"
}

# count_packets SPACE CHAIN RULE
count_packets() {
	at "$1" nft -f - <<-RULES
	table inet counting {
		chain $2 {
			type filter hook $2 priority filter;
			$3 counter
		}
	}
	RULES
}

packets() {
	at "$1" nft list table inet counting |
	    sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

# icmp_since MARK EXPRESSION: an ICMP error came out of the tunnel.
icmp_since() {
	wait_line 3 "$work/client.log" "^icmp $2\$" "$1"
}

# start_staying ADDRESS: a connection that asks, for each line on descriptor 3,
# where it is.
start_staying() {
	rm -f "$work/staying" "$work/answers"
	mkfifo "$work/staying"
	spawn staying client "$PYTHON" "$PROBE" stay "$1" "$work/staying" \
	    "$work/answers"
	exec 3<> "$work/staying"
	wait_line 5 "$work/answers" connected
}

# still_at: where the connection is.
still_at() {
	local mark
	mark=$(lines_of "$work/answers")
	echo >&3
	wait_line 8 "$work/answers" . "$mark" || echo silent
	tail -n +$((mark + 1)) "$work/answers"
}

end_staying() {
	exec 3>&-
	stop staying
}
