#!/bin/bash
# Somebody has broken into a worker of the gateway. Into net-worker: its sockets
# reach no service of the host, of its neighbours or of the LAN, and serve
# clients and relays all the same.

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
finish
