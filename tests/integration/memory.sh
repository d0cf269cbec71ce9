#!/bin/bash
# Memory does not grow with what anybody may send: resident size after ten times
# as many malformed inputs is that of before, within a mebibyte.

. "$(dirname "$0")/netns.sh"

LIMIT_KB=1024
FEW_PACKETS=100000 MANY_PACKETS=900000
FEW_FRAMES=10000 MANY_FRAMES=90000

# resident PROCESS: kilobytes.
resident() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

packets() {
	at office "$PYTHON" "$NETNS_ROOT/tests/integration/hostile_packets.py" \
	    192.168.2.2 52625 "$1"
}

# frames COUNT: JSON that is well-formed or not, but never what it should be.
frames() {
	timeout 300 "$PYTHON" - "$work/portal.sock" "$1" <<-'END'
	import json, random, socket, sys
	TEXTS = [
	    '[]', '{"topic":"gateway"}', '{"topic":"gateway","event":"init"',
	    '{"topic":"gateway","event":"init","payload":{},"ref":null}',
	    '{"topic":"gateway","event":"create_authorization",'
	    '"payload":{"ref":1},"ref":null}',
	    '{"topic":"gateway","event":"unheard_of","payload":{},"ref":7}',
	    '{"topic":"gateway","event":"ice_candidates","payload":'
	    '{"client_id":"x","candidates":[1,"' + "y" * 900 + '"]},"ref":null}',
	]
	TEXTS[2] += "}}"  # too much, rather than too little
	random_ = random.Random(1)
	portal = socket.socket(socket.AF_UNIX)
	portal.connect(sys.argv[1])
	lines = portal.makefile("rw")
	for _ in range(int(sys.argv[2])):
	    json.dump({"cmd": "send_raw", "kind": "gateway",
	        "text": random_.choice(TEXTS)}, lines)
	    lines.write("\n")
	    lines.flush()
	    answer = json.loads(lines.readline())
	    if "error" in answer:
	        sys.exit(answer["error"])
	END
}

# bounded NAME PROCESS COMMAND FEW MANY
bounded() {
	local name=$1 process before after
	process=$(worker "$2")
	check "$name: the first $4" "$3" "$4"
	before=$(resident "$process")
	check "$name: $5 more" "$3" "$5"
	after=$(resident "$process")
	echo "# $2: $before KB after $4, $after KB after $5 more"
	[ "$after" -le $((before + LIMIT_KB)) ] && ok "$name: memory is bounded" ||
		not_ok "$name: from $before KB to $after KB"
	is "$name: the same process" "$(worker "$2")" "$process"
}

# Datagrams that the processes in the gateway's namespace have read.
received() {
	at gateway awk '$1 == "Udp:" && $2 ~ /^[0-9]/ { print $2 }' \
	    /proc/net/snmp
}

topology
start_relay
start_portal
start_lan 1
start_gateway
start_client
check "ping" ping_lan 10
arrived=$(received)
bounded "malformed packets" net-worker packets $FEW_PACKETS $MANY_PACKETS
arrived=$(($(received) - arrived))
[ $arrived -ge $(((FEW_PACKETS + MANY_PACKETS) / 10 * 9)) ] &&
	ok "malformed packets: $arrived were read" ||
	not_ok "malformed packets: only $arrived were read"
bounded "malformed frames" control-worker frames $FEW_FRAMES $MANY_FRAMES
check "the client is still served" ping_lan 10
finish
