#!/bin/bash
# What a client may not do is refused at once and with a reason, and what it may
# no longer do ends at once.

. "$(dirname "$0")/../lib/netns.sh"

MEGABYTES=100
PATIENCE_MS=900 # what "at once" means here

# refusal KIND ADDRESS PORT: the error a program in the client's namespace
# sees, or "late".
refusal() {
	at client "$PYTHON" - "$PATIENCE_MS" "$@" <<-'PROGRAM'
	import errno, socket, sys
	patience, kind, address, port = sys.argv[1:]
	family = socket.AF_INET6 if ":" in address else socket.AF_INET
	types = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
	sock = socket.socket(family, types[kind])
	sock.settimeout(int(patience) / 1000)
	try:
	    sock.connect((address, int(port)))
	    if kind == "udp":
	        sock.send(b"x")
	        sock.recv(1)
	    print("accepted")
	except socket.timeout:
	    print("late")
	except OSError as error:
	    print(errno.errorcode[error.errno])
	PROGRAM
}

# Linux makes EHOSTUNREACH of ICMP type 3 code 13, EACCES of ICMPv6 type 1
# code 1 (administratively prohibited, both).
test_filters() {
	is "filter: TCP port" "$(refusal tcp $LAN4 81)" EHOSTUNREACH
	is "filter: UDP port" "$(refusal udp $LAN4 53)" EHOSTUNREACH
	is "filter: TCP port, IPv6" "$(refusal tcp $LAN6 81)" EACCES
	is "filter: UDP port, IPv6" "$(refusal udp $LAN6 53)" EACCES
	is "filter: an allowed port" "$(refusal tcp $LAN4 7)" accepted
}

# denied EXPRESSION: the log has such a packet.
denied() {
	wait_line 5 "$work/gateway.log" \
	    "INFO net-worker: denied: from client [0-9a-f-]*: $1"
}

test_log_denied() {
	local id='[0-9a-f-]{36}'
	check "denied, by whose filter" denied \
	    "tcp 100\.64\.[0-9.]+:[0-9]+ to $LAN4:81: filter of resource $id"
	check "denied, IPv6" denied \
	    "udp \[[0-9a-f:]+\]:[0-9]+ to \[$LAN6\]:53: filter of resource $id"
	check "denied, a foreign source" denied \
	    "icmp 192\.168\.77\.7 to $LAN4: foreign source address"
}

# foreign_source SOURCE/LENGTH DESTINATION WORDS-OF-PING
foreign_source() {
	ip -n "${prefix}client" address add "$1" dev tun-client
	wait_until 5 address_usable "$1"
	at client ping -c 1 -W 2 -I "${1%/*}" "$2" > "$work/ping.log" 2>&1
	if grep -q "$3" "$work/ping.log"; then
		ok "source $1 is refused"
	else
		not_ok "source $1 is refused" "$(cat "$work/ping.log")"
	fi
	ip -n "${prefix}client" address del "$1" dev tun-client
}

# Not while duplicates of it are looked for.
address_usable() {
	! ip -n "${prefix}client" address show tentative to "$1" | grep -q .
}

test_foreign_sources() {
	foreign_source 100.64.77.7/32 $LAN4 'Packet filtered'
	foreign_source 192.168.77.7/32 $LAN4 'Packet filtered'
	foreign_source fd00:2021:1111::77/128 $LAN6 'Administratively prohibited'
	foreign_source fd77::7/128 $LAN6 'Administratively prohibited'
}

size() {
	stat -c %s "$work/slow" 2>/dev/null || echo 0
}

grows() {
	[ "$(size)" -gt "$1" ]
}

slow_download() {
	rm -f "$work/slow"
	spawn curl client curl -sS --max-time 60 -o "$work/slow" \
	    "http://$LAN4/slow"
	wait_until 10 grows 1000000 || die "the download does not start"
}

# stops_after MILLISECONDS NAME: nothing comes in later than that from now.
stops_after() {
	local end=$(($(now_ms) + $1)) before
	while [ "$(now_ms)" -lt "$end" ]; do
		rest
	done
	before=$(size)
	if wait_until 1 grows "$before"; then
		not_ok "$2" "$before bytes, then $(size)"
	else
		ok "$2"
	fi
	stop curl
}

test_revocation() {
	slow_download
	ctl '{"cmd":"revoke","resource":"lan4"}' > /dev/null
	stops_after 1000 "a revoked resource stops within a second"
	ctl '{"cmd":"grant","resource":"lan4"}' > /dev/null
	check "granted again: ping" wait_until 10 ping_lan
}

# With a silent portal, which would let the client in again at once.
test_expiry() {
	slow_download
	ctl '{"cmd":"expire","resource":"lan4","in":2}' > /dev/null
	kill -STOP "${pid[portal]}"
	check "until its expiry the download goes on" \
	    wait_until 1 grows "$(($(size) + 1000000))"
	stops_after 3000 "an expired authorization stops within a second"
	kill -CONT "${pid[portal]}"
	check "expired: the client is let in again" wait_until 15 ping_lan
}

# The last one gone, there is no reason for a connection.
test_last_resource() {
	local mark
	mark=$(lines_of "$work/client.log")
	ctl '{"cmd":"revoke","resource":"lan6"}' > /dev/null
	ctl '{"cmd":"revoke","resource":"lan4"}' > /dev/null
	check "without a resource left the gateway says goodbye" \
	    wait_line 5 "$work/client.log" '^goodbye' "$mark"
}

test_new_filters() {
	ctl '{"cmd":"grant","resource":"lan4"}' > /dev/null
	check "new filters: ping" wait_until 10 ping_lan
	is "new filters: port 81 before" "$(refusal tcp $LAN4 81)" EHOSTUNREACH
	ctl '{"cmd":"update_filters","resource":"lan4","filters":["tcp/81"]}' \
	    > /dev/null
	# Nobody listens there: the LAN host itself says so.
	check "new filters: port 81 after" \
	    wait_until 5 eval '[ "$(refusal tcp $LAN4 81)" = ECONNREFUSED ]'
	is "new filters: port 80 after" "$(refusal tcp $LAN4 80)" EHOSTUNREACH
}

topology
start_relay
start_portal
start_lan $MEGABYTES
start_gateway --log-denied
start_client
check "ping" ping_lan 10
check "ping over IPv6" at client ping -c 1 -W 10 -q $LAN6
test_filters
test_foreign_sources
test_log_denied
test_revocation
test_expiry
test_last_resource
test_new_filters
finish
