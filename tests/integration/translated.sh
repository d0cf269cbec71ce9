#!/bin/bash
# A host that translates what its own processes ask for: a resolver that is
# really at another port, as Docker's, and a portal that is really elsewhere, as
# a service of Kubernetes. control-worker reaches both, and nothing else.

. "$(dirname "$0")/../lib/netns.sh"

RESOLVER=127.0.0.11
SERVICE4=10.96.0.1
SERVICE6=fd96::1

translate() {
	at gateway nft -f - <<-RULES
	table ip nat {
		chain OUTPUT {
			type nat hook output priority -100;
			ip daddr $RESOLVER udp dport 53 dnat to $RESOLVER:41234
			ip daddr $RESOLVER tcp dport 53 dnat to $RESOLVER:41234
			ip daddr $SERVICE4 tcp dport 8000 dnat to 203.0.113.8:8080
		}
	}
	table ip6 nat {
		chain OUTPUT {
			type nat hook output priority -100;
			ip6 daddr ::1 udp dport 53 dnat to [::1]:41234
			ip6 daddr ::1 tcp dport 53 dnat to [::1]:41234
			ip6 daddr $SERVICE6 tcp dport 8000 \
			    dnat to [2001:db8::8]:8080
		}
	}
	RULES
}

start_resolver() {
	spawn dnsmasq gateway dnsmasq --no-daemon --conf-file=/dev/null \
	    --no-resolv --no-hosts --bind-interfaces --user=root --pid-file= \
	    --listen-address=$RESOLVER --listen-address=::1 --port=41234 \
	    --host-record=portal4.test,$SERVICE4 \
	    --host-record=portal6.test,$SERVICE6
	wait_until 10 listens gateway u 41234 ||
		die "dnsmasq does not start" "$work/dnsmasq.log"
}

# asks ADDRESS PORT tcp|udp: control-worker's user; what becomes of it.
asks() {
	at gateway setpriv --reuid _posternctl --regid _posternctl \
	    --clear-groups "$PYTHON" -c '
import socket, struct, sys
host, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
query = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + \
    b"\x07portal4\x04test\0" + struct.pack("!2H", 1, 1)
try:
    s = socket.socket(family,
	socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((host, port))
    s.sendall((struct.pack("!H", len(query)) if kind == "tcp" else b"") + query)
    s.recv(512)
    print("answered")
except OSError as error:
    print(type(error).__name__)' "$@"
}

# comes_online NAME RESOLVER URL
comes_online() {
	echo "nameserver $2" > "/etc/netns/${prefix}gateway/resolv.conf"
	PORTAL_URL=$3 launch_gateway
	check "$1: online" wait_until 10 gateway_online
}

topology
translate
start_resolver
start_portal

comes_online "IPv4" $RESOLVER ws://portal4.test:8000
is "its resolver by UDP" "$(asks $RESOLVER 53 udp)" answered
is "its resolver by TCP" "$(asks $RESOLVER 53 tcp)" answered
is "where that is really, nobody named" "$(asks $RESOLVER 41234 udp)" \
    PermissionError
is "nor by TCP" "$(asks $RESOLVER 41234 tcp)" TimeoutError
is "another resolver" "$(asks ::1 53 udp)" PermissionError
is "the portal is really at a port that nobody named" \
    "$(asks 203.0.113.8 8080 tcp)" TimeoutError
stop gateway
is "ends well" "$exit_status" 0

comes_online "IPv6" ::1 ws://portal6.test:8000
is "its resolver by UDP over IPv6" "$(asks ::1 53 udp)" answered
is "its resolver by TCP over IPv6" "$(asks ::1 53 tcp)" answered
is "where that is really, nobody named, over IPv6" \
    "$(asks ::1 41234 udp)" PermissionError
stop gateway
is "ends well, with IPv6" "$exit_status" 0
finish
