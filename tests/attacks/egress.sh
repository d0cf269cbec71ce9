#!/bin/bash
# Somebody has broken into a worker of the gateway. Into net-worker: its sockets
# reach no service of the host, of its neighbours or of the LAN, and serve
# clients and relays all the same. Into control-worker: it reaches no web server
# of the LAN, unless the portal is there, and does what it can to have that
# opened.

. "$(dirname "$0")/../lib/netns.sh"

OUT4=203.0.113.1
OUT6=2001:db8::1
RELAY4=203.0.113.9

tunnel_address() {
	at gateway ip "$1" -o address show dev tun-firezone scope global |
	    sed 's/.*inet6* \([^/ ]*\).*/\1/'
}

# fate ADDRESS PORT: of what net-worker's socket sends there.
fate() {
	at gateway "$PYTHON" "$NETNS_ROOT/tests/attacks/egress.py" \
	    "$(worker net-worker)" "$1" "$2" 2>&1
}

stopped() {
	is "net-worker does not reach $1" "$(fate "$2" "$3")" EPERM
}

free() {
	is "net-worker reaches $1" "$(fate "$2" "$3")" sent
}

count_at_lan() {
	at lan nft -f - <<-RULES
	table inet spy {
		chain input {
			type filter hook input priority filter;
			udp dport 40000 counter
			udp dport { 22, 53, 161 } counter
		}
	}
	RULES
}

# packets_of PORTS: as count_at_lan has them.
packets_of() {
	at lan nft list table inet spy |
	    sed -n "s/.*dport $1 counter packets \([0-9]*\).*/\1/p"
}

# dropped COMMENT: by the gateway.
dropped() {
	at gateway nft list table inet postern | sed -n \
	    "s/.*counter packets \([0-9]*\) .* comment \"$1\"/\1/p"
}

test_services() {
	local port
	stopped "loopback" 127.0.0.1 40000
	stopped "loopback, IPv6" ::1 40000
	stopped "another address of loopback" 127.8.8.8 3478
	stopped "the address that means loopback" 0.0.0.0 40000
	stopped "link-local" 169.254.169.254 40000
	stopped "link-local, IPv6" "fe80::1%lan" 40000
	stopped "multicast" 224.0.0.251 40000
	stopped "multicast, IPv6" "ff02::fb%lan" 40000
	stopped "the gateway's own tunnel address" "$(tunnel_address -4)" 53535
	stopped "the same, IPv6" "$(tunnel_address -6)" 53535
	stopped "a service of the host" 10.20.0.1 1194
	stopped "a service of the host, IPv6" fd20::1 1194
	for port in 22 53 161 623 1023 4789 5353; do
		stopped "port $port of a LAN host" $LAN4 $port
		stopped "port $port of a LAN host, IPv6" $LAN6 $port
	done
	stopped "port 53 of anybody" $OUT4 53
	stopped "port 53 of anybody, IPv6" $OUT6 53
}

# A route of the administrator's is what marked packets go by.
test_tunnel() {
	ip -n "${prefix}gateway" route add 100.64.77.0/24 dev tun-firezone
	stopped "what the TUN leads to" 100.64.77.7 40000
	ip -n "${prefix}gateway" route del 100.64.77.0/24 dev tun-firezone
}

test_legitimate() {
	free "a client in the LAN" $LAN4 40000
	free "a client in the LAN, IPv6" $LAN6 40000
	free "a relay" $RELAY4 3478
	free "a relay at 443" $RELAY4 443
	free "a relay at 80" $RELAY4 80
	free "a relay on this host" 10.20.0.1 3478
	free "what that has allocated" 10.20.0.1 50000
	free "a client at home" $OUT4 1024
	is "and it arrives" "$(packets_of 40000)" 2
	is "what is stopped does not" "$(packets_of '{ 22, 53, 161 }')" 0
}

# Behind a translator that gave it such a port, a client speaks first.
test_answers() {
	local answer='import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 500))
s.sendto(b"x", ("10.20.0.1", 52625))'
	stopped "port 500 unasked" $LAN4 500
	at lan "$PYTHON" -c "$answer"
	free "whoever spoke first from port 500" $LAN4 500
}

# Another socket than those it was given: of its user, without the mark.
test_user() {
	is "net-worker's user sends nothing by other sockets" \
	    "$(at gateway setpriv --reuid _posternnet --clear-groups \
	    --regid _posternnet "$PYTHON" -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: s.sendto(b"x", ("'$LAN4'", 40000)); print("sent")
except OSError as e: print(e.errno)')" 1
}

# connects ADDRESS PORT: of control-worker's user.
connects() {
	at gateway setpriv --reuid _posternctl --clear-groups \
	    --regid _posternctl "$PYTHON" -c 'import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
s.settimeout(0.5)
try: s.connect((host, port)); print("connected")
except TimeoutError: print("dropped")
except OSError as error: print(error.strerror)' "$1" "$2" 2>&1
}

test_control_worker() {
	local port
	# Of the portal, and of who takes the flow logs.
	for port in 8080 443; do
		is "control-worker does not reach loopback, port $port" \
		    "$(connects 127.0.0.1 $port)" dropped
		is "nor in IPv6" "$(connects ::1 $port)" dropped
		is "nor the LAN" "$(connects $LAN4 $port)" dropped
		is "nor in IPv6" "$(connects $LAN6 $port)" dropped
		is "nor this host's own address" \
		    "$(connects 10.20.0.1 $port)" dropped
		is "but the Internet" "$(connects $OUT4 $port)" \
		    "Connection refused"
		is "and in IPv6" "$(connects $OUT6 $port)" "Connection refused"
	done
	check "it is counted" [ "$(dropped control-worker)" -gt 9 ]
}

# start_site_portal ADDRESS: on the LAN, by a name.
start_site_portal() {
	echo "$1 portal.site.test" > "/etc/netns/${prefix}gateway/hosts"
	sed -i 's/^listen = .*/listen = ["0.0.0.0:8080"]/' "$work/site.toml"
	spawn portal lan "$PYTHON" \
	    "$NETNS_ROOT/contrib/portal/postern-portal" -c "$work/site.toml"
	wait_until 10 listens lan t 8080 ||
		die "the portal does not start" "$work/portal.log"
}

# A portal of the site's own, which moves.
test_portal_on_the_lan() {
	stop client
	stop gateway
	stop portal
	start_site_portal $LAN4
	PORTAL_URL=ws://portal.site.test:8080 start_gateway
	check "a portal on the LAN is told" \
	    grep -q "may reach $LAN4" "$work/gateway.log"
	is "nobody beside it" "$(connects 10.20.0.1 8080)" dropped
	is "nor itself elsewhere" "$(connects $LAN6 8080)" dropped
	stop portal
	ip -n "${prefix}lan" address add 10.20.0.8/24 dev eth0
	at lan nft "add table inet gone; add chain inet gone input {
	    type filter hook input priority filter; };
	    add rule inet gone input ip daddr $LAN4 drop"
	start_site_portal 10.20.0.8
	check "it moves, and is followed" wait_until 30 gateway_online
}

topology
count_at_lan
start_relay
start_portal
start_gateway
start_client
check "ping" ping_lan 10
test_services
test_tunnel
test_legitimate
test_answers
test_user
check "it is counted" [ "$(dropped net-worker)" -gt 20 ]
check "the client is served" ping_lan 10
is "directly" "$(client_path)" direct
test_control_worker
test_portal_on_the_lan
finish
