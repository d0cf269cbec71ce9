#!/bin/bash
# Bytes from anybody on the UDP port, and nonsense from the portal, change
# nothing: the same processes serve the same client.

. "$(dirname "$0")/../lib/netns.sh"

PACKETS=10000
LOG_LINES=40  # rate-limited, whatever comes
GROWTH_KB=4096

# resident PROCESS: kilobytes.
resident() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

# unchanged NAME: since before.
unchanged() {
	local grown
	is "$1: the same processes" "$(processes)" "$before"
	check "$1: the client is served" ping_lan 5
	grown=$(($(resident "$net") - net_size))
	[ "$grown" -le $GROWTH_KB ] && ok "$1: net-worker does not grow" ||
		not_ok "$1: net-worker grew by $grown KB"
	grown=$(($(resident "$control") - control_size))
	[ "$grown" -le $GROWTH_KB ] && ok "$1: control-worker does not grow" ||
		not_ok "$1: control-worker grew by $grown KB"
	grown=$(($(lines_of "$work/gateway.log") - log_size))
	[ "$grown" -le $LOG_LINES ] && ok "$1: the log stays short" ||
		not_ok "$1: $grown lines in the log"
	refuse "$1: the client notices nothing" \
	    grep -Eq '^(lost|goodbye)' "$work/client.log"
}

remember() {
	before=$(processes)
	net=$(worker net-worker)
	control=$(worker control-worker)
	net_size=$(resident "$net")
	control_size=$(resident "$control")
	log_size=$(lines_of "$work/gateway.log")
}

# Datagrams that have reached a socket in the gateway's namespace: InDatagrams
# and, found full or damaged, InErrors.
received() {
	at gateway awk '$1 == "Udp:" && $2 ~ /^[0-9]/ { print $2 + $4 }' \
	    /proc/net/snmp
}

have_arrived() {
	[ $(($(received) - $1)) -ge $PACKETS ]
}

# storm NAME [SOURCE]
storm() {
	local before_it
	remember
	before_it=$(received)
	check "$1: sent" at office "$PYTHON" \
	    "$NETNS_ROOT/tests/lib/hostile_packets.py" \
	    192.168.2.2 52625 $PACKETS ${2:-}
	wait_until 5 have_arrived "$before_it" && ok "$1: arrived" ||
		not_ok "$1: only $(($(received) - before_it)) arrived"
	unchanged "$1"
}

test_packets() {
	storm packets
	# The relay's address, without the router's memory of real packets.
	at office nft -f - <<-'RULES'
	table inet storm {
		chain output {
			type filter hook output priority raw;
			ip saddr 203.0.113.9 notrack
		}
	}
	RULES
	storm "packets as from the relay" 203.0.113.9:3478
}

# raw TEXT: one frame to the gateway as it is.
raw() {
	ctl "$("$PYTHON" -c '
import json, sys
print(json.dumps({"cmd": "send_raw", "kind": "gateway", "text": sys.argv[1]}))' "$1")" \
	    > /dev/null
}

test_portal_nonsense() {
	local text
	remember
	while read -r text; do
		wait_until 15 gateway_online
		raw "$text"
	done <<-'FRAMES'
	{
	[]
	null
	"text"
	{"topic":"gateway"}
	{"topic":"gateway","event":"init","payload":null,"ref":null}
	{"topic":"gateway","event":"init","payload":{},"ref":null}
	{"topic":"gateway","event":"init","payload":{"interface":{"ipv4":"1.2.3.4","ipv6":"::1"}},"ref":null}
	{"topic":"gateway","event":"unheard_of","payload":{},"ref":null}
	{"topic":"gateway","event":"create_authorization","payload":{"ref":1},"ref":null}
	{"topic":"gateway","event":"create_authorization","payload":[],"ref":null}
	{"topic":"gateway","event":"ice_candidates","payload":{"client_id":"x","candidates":[1,2,{}]},"ref":null}
	{"topic":"gateway","event":"ice_candidates","payload":{"client_id":5,"candidates":"x"},"ref":null}
	{"topic":"gateway","event":"reject_access","payload":{},"ref":null}
	{"topic":"gateway","event":"reject_access","payload":{"client_id":"00000000-0000-0000-0000-000000000000","resource_id":"00000000-0000-0000-0000-000000000000"},"ref":null}
	{"topic":"gateway","event":"relays_presence","payload":{"disconnected_ids":[7],"connected":[{}]},"ref":null}
	{"topic":"gateway","event":"resource_updated","payload":{"id":"x"},"ref":null}
	{"topic":"gateway","event":"phx_reply","payload":{"status":"error","response":{}},"ref":99999999}
	{"topic":"","event":"","payload":"","ref":""}
	{"topic":"gateway","event":"init","event":"init","payload":{},"ref":null}
	{"topic":"gateway","event":"\u0000","payload":{},"ref":18446744073709551616}
	FRAMES
	# Deeper and longer than anything that is meant seriously.
	wait_until 15 gateway_online
	raw "$("$PYTHON" -c 'print("[" * 5000)')"
	wait_until 15 gateway_online
	raw "$("$PYTHON" -c 'print("{\"a\":" * 2000 + "1" + "}" * 2000)')"
	wait_until 15 gateway_online
	ctl '{"cmd":"send_raw","kind":"gateway","hex":"00ff00ff"}' > /dev/null
	check "nonsense of the portal: online" wait_until 15 gateway_online
	unchanged "nonsense of the portal"
	check "nonsense of the portal: a new resource" \
	    at client ping -c 1 -W 15 -q $LAN6
}

topology
start_relay
start_portal
start_lan 1
start_gateway
start_client
check "ping" ping_lan 10
test_packets
test_portal_nonsense
finish
