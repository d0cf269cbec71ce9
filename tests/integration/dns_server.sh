#!/bin/bash
# The DNS server on the tunnel (firezone-policy(7), DNS SERVER): a client asks
# it for SRV and TXT, it asks the resolvers of resolv.conf, and goes with them
# when they come, go, and are replaced by others while it runs.

. "$(dirname "$0")/../lib/netns.sh"

FIRST=203.0.113.9   # resolvers: in the space of the relay,
SECOND=203.0.113.7  # beside it,
LOCAL=127.0.0.53    # and on the gateway's own loopback

etc=$work/etc

# text NUMBER: strings of 255 letters, which make an answer long.
text() {
	local i s
	s=$(printf '%0255d' 0)
	for ((i = 0; i < $1; i++)); do
		printf ',%s' "$s"
	done
}

# start_resolver NAME SPACE ADDRESS: what it says names it.
start_resolver() {
	spawn "$1" "$2" dnsmasq --no-daemon --conf-file=/dev/null \
	    --no-resolv --no-hosts --bind-interfaces --listen-address="$3" \
	    --port=53 --user=root --pid-file= --log-queries \
	    --edns-packet-max=4096 --txt-record="who.test,$1" \
	    --txt-record="long.test$(text 5)" \
	    --txt-record="longer.test$(text 12)" \
	    --srv-host=_sip._tcp.test,sip.test,5060,1,2 \
	    --address=/firezone.dev/192.0.2.1 --local=/test/
	wait_until 10 listens "$2" u 53 || die "$1 does not start" "$work/$1.log"
}

# An /etc of the gateway's own, in which files can be replaced like anywhere.
launch() {
	FIREZONE_TOKEN=$GATEWAY_TOKEN FIREZONE_ID=$GATEWAY_ID \
	    spawn gateway gateway bash -c '
		mount --bind "$1" /etc && shift && exec -a posternd "$@"' \
	    bash "$etc" "$POSTERND" --api-url "$PORTAL_URL" \
	    --ctl-socket "$work/ctl.sock" "$@"
	wait_until 15 gateway_online ||
		die "the gateway does not come online" "$work/gateway.log"
}

# resolvers ADDRESS ...: by rename, as most do it.
resolvers() {
	printf 'nameserver %s\n' "$@" > "$etc/resolv.conf.new"
	mv "$etc/resolv.conf.new" "$etc/resolv.conf"
}

# ask FAMILY NAME TYPE [DIG OPTION ...]: through the tunnel.
ask() {
	local at=$own4 name=$2 type=$3
	[ "$1" = 4 ] || at=$own6
	shift 3
	at client dig -p 53535 "@$at" +tries=1 +time=8 "$@" "$name" "$type"
}

answers() {
	[ "$(ask "$1" who.test TXT +short $3)" = "\"$2\"" ]
}

rcode() {
	ask 4 who.test TXT "$@" | sed -n 's/.*status: \([A-Z]*\).*/\1/p'
}

# The rules of control-worker.
rules() {
	at gateway nft list chain inet postern control_worker
}

opens() {
	rules | grep -q " $1 .*th dport 53 accept"
}

# As control-worker's user, but without its other locks: the packet filter
# alone. What comes of a datagram or of a connection.
as_control() {
	at gateway setpriv --reuid _posternctl --regid _posternctl \
	    --clear-groups "$PYTHON" - "$@" <<-'PROGRAM'
	import errno, socket, sys
	kind, address, port = sys.argv[1:]
	family = socket.AF_INET6 if ":" in address else socket.AF_INET
	types = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
	sock = socket.socket(family, types[kind])
	sock.settimeout(0.5)
	try:
	    sock.connect((address, int(port)))
	    if kind == "udp":
	        sock.send(b"x")
	    print("passes")
	except socket.timeout:
	    print("stopped")
	except OSError as error:
	    print({errno.EPERM: "stopped", errno.ECONNREFUSED: "passes"}.get(
	        error.errno, errno.errorcode[error.errno]))
	PROGRAM
}

test_answers() {
	local f
	for f in 4 6; do
		check "IPv$f: TXT by UDP" answers $f first +notcp
		check "IPv$f: TXT by TCP" answers $f first +tcp
		is "IPv$f: SRV by UDP" "$(ask $f _sip._tcp.test SRV +short)" \
		    "1 2 5060 sip.test."
		is "IPv$f: SRV by TCP" "$(ask $f _sip._tcp.test SRV +short +tcp)" \
		    "1 2 5060 sip.test."
	done
	is "three in a row" \
	    "$(for f in 1 2 3; do answers 4 first && echo ok; done | wc -l)" 3
	is "no such name" "$(ask 4 none.test TXT |
	    sed -n 's/.*status: \([A-Z]*\).*/\1/p')" NXDOMAIN
}

# Queries behind one another on one connection, in one piece.
test_pipeline() {
	is "a pipeline" "$(at client "$PYTHON" \
	    "$NETNS_ROOT/tests/integration/dns_pipeline.py" "$own4" 5 2>&1)" \
	    "5 answers in order"
}

test_truncation() {
	local flags
	flags=$(ask 4 long.test TXT +bufsize=4096 +ignore | grep '^;; flags')
	check "long by UDP: is cut" grep -q 'flags:[^;]* tc' <<< "$flags"
	check "long by UDP: has no records" \
	    grep -q 'QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0' <<< "$flags"
	is "long: then by TCP" \
	    "$(ask 4 long.test TXT +bufsize=4096 +short | wc -c)" \
	    $((5 * 258))
	is "longer by TCP" "$(ask 4 longer.test TXT +tcp +short | wc -c)" \
	    $((12 * 258))
}

# No query: no answer, and no more connection.
test_nonsense() {
	is "nonsense" "$(at client "$PYTHON" - "$own4" <<-'PROGRAM'
	import socket, sys
	udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	udp.settimeout(0.3)
	udp.connect((sys.argv[1], 53535))
	heard = 0
	for bad in (b"", b"x", bytes(11), bytes(12), bytes(2) + b"\x80" + bytes(300)):
	    udp.send(bad)
	    try:
	        udp.recv(1)
	        heard += 1
	    except socket.timeout:
	        pass
	tcp = socket.create_connection((sys.argv[1], 53535), 5)
	tcp.settimeout(5)
	tcp.sendall(bytes([0, 12]) + bytes(12))
	print(heard, len(tcp.recv(1)))
	PROGRAM
	)" "0 0"
	check "nonsense: and goes on" answers 4 first
}

test_rules() {
	check "rules: the resolver" opens $FIRST
	refuse "rules: not another" opens $SECOND
	is "rules: the portal's port" "$(as_control tcp 203.0.113.8 8080)" passes
	is "rules: another port" "$(as_control tcp 203.0.113.8 8081)" stopped
	is "rules: HTTPS" "$(as_control tcp 203.0.113.8 443)" passes
	is "rules: DNS by UDP" "$(as_control udp $FIRST 53)" passes
	is "rules: DNS by TCP" "$(as_control tcp $FIRST 53)" passes
	is "rules: another host's DNS by UDP" "$(as_control udp $SECOND 53)" \
	    stopped
	is "rules: another host's DNS by TCP" "$(as_control tcp $SECOND 53)" \
	    stopped
	is "rules: another port of the resolver" "$(as_control udp $FIRST 54)" \
	    stopped
	is "rules: in IPv6, too" "$(as_control udp 2001:db8::9 53)" stopped
}

test_gone() {
	stop first
	is "resolver gone: UDP" "$(rcode)" SERVFAIL
	is "resolver gone: TCP" "$(rcode +tcp)" SERVFAIL
	start_resolver first relay $FIRST
	check "resolver back: UDP" wait_until 10 answers 4 first
	check "resolver back: TCP" wait_until 10 answers 4 first +tcp
}

test_replaced() {
	local old
	old=$(processes)
	resolvers $SECOND
	check "resolv.conf replaced: by one that is silent" wait_line 15 \
	    "$work/gateway.log" 'no server of resolv.conf answers'
	is "resolv.conf replaced: nobody answers" "$(rcode)" SERVFAIL
	start_resolver second relay $SECOND
	check "resolv.conf replaced: the new one is asked" \
	    wait_until 15 answers 4 second
	check "resolv.conf replaced: by TCP as well" answers 4 second +tcp
	check "resolv.conf replaced: the rules follow" opens $SECOND
	refuse "resolv.conf replaced: the old one is shut" opens $FIRST
	is "resolv.conf replaced: stopped" "$(as_control udp $FIRST 53)" stopped
	# As systemd-resolved and resolvconf do.
	mkdir -p "$etc/run"
	echo "nameserver $LOCAL" > "$etc/run/stub.conf"
	ln -s run/stub.conf "$etc/resolv.conf.new"
	mv -T "$etc/resolv.conf.new" "$etc/resolv.conf"
	check "a link to one on loopback" wait_until 15 answers 4 local
	check "a link to one on loopback: by TCP" answers 4 local +tcp
	echo "nameserver $FIRST" > "$etc/run/stub.conf"
	check "rewritten behind the link" wait_until 15 answers 4 first
	is "the same processes all the time" "$(processes)" "$old"
	check "clients are masqueraded as before" ping_lan 5
}

test_control_worker_dies() {
	kill -KILL "$(worker control-worker)"
	check "control-worker killed: answers again" wait_until 15 answers 4 first
	check "control-worker killed: IPv6" answers 6 first +tcp
	check "control-worker killed: the rules hold" opens $FIRST
}

# Nobody outside of the tunnel is served.
test_outside() {
	refuse "from the LAN" at lan dig -p 53535 "@$own4" +tries=1 +time=1 \
	    who.test TXT
	refuse "by the LAN address" at lan dig -p 53535 @10.20.0.1 +tries=1 \
	    +time=1 who.test TXT
}

topology
cp -a /etc "$etc"
resolvers $FIRST
ip -n "${prefix}relay" address add $SECOND/24 dev eth0
tunnel_resources > "$work/site.toml"
start_relay
start_portal
start_resolver first relay $FIRST
start_resolver local gateway $LOCAL
launch
start_client
wait_until 15 ping_lan || die "no tunnel" "$work/gateway.log" "$work/client.log"
own4=$(ip -n "${prefix}gateway" -4 -o address show dev tun-firezone |
	sed -n 's/.* inet \([^/ ]*\).*/\1/p')
own6=$(ip -n "${prefix}gateway" -6 -o address show dev tun-firezone |
	sed -n 's/.* inet6 \([^/ ]*\).*/\1/p')
# What follows is not about how the test client's first packets fare.
wait_until 15 at client ping -c 1 -W 1 "$own4" || die "no way to $own4"
wait_until 15 at client ping -c 1 -W 1 "$own6" || die "no way to $own6"
check "a server is chosen" wait_line 10 "$work/gateway.log" \
    "queries of clients go to $FIRST"
test_answers
test_pipeline
test_truncation
test_nonsense
test_rules
test_gone
test_replaced
test_control_worker_dies
test_outside
stop gateway
is "exit status" "$exit_status" 0
finish
