#!/bin/bash
# Memory does not grow with what anybody may send: resident size after ten times
# as many malformed inputs is that of before, within a mebibyte.

. "$(dirname "$0")/../lib/netns.sh"

LIMIT_KB=1024
FEW_PACKETS=100000 MANY_PACKETS=900000
FEW_FRAMES=100000 MANY_FRAMES=900000
FEW_MESSAGES=100000 MANY_MESSAGES=900000 FILL=1500000

# memory PROCESS: kilobytes, now and at the worst.
memory() {
	awk '$1 == "VmRSS:" { now = $2 } $1 == "VmHWM:" { worst = $2 }
	    END { print now, worst }' "/proc/$1/status"
}

packets() {
	at office "$PYTHON" "$NETNS_ROOT/tests/lib/hostile_packets.py" \
	    192.168.2.2 52625 "$1"
}

# frames COUNT: JSON that is well-formed or not, but never what it should be.
frames() {
	timeout 120 "$PYTHON" - "$work/noise.sock" "$1" <<-'END'
	import socket, sys
	noise = socket.socket(socket.AF_UNIX)
	noise.connect(sys.argv[1])
	noise.sendall(sys.argv[2].encode() + b"\n")
	if noise.recv(64) != b"done\n":
	    sys.exit("the gateway is not there")
	END
}

# messages VOICE VICTIM EPOCH COUNT
messages() {
	timeout 300 "$BUILD/tests/integration/ipc_flood" "$1" "$2" \
	    "$(worker "$1")" "$3" "$4" "$4"
}

# Each start of a worker is an epoch of the channel between the two, which they
# alone know: one of them is asked by the other while it does not listen.
epoch() {
	local net asker
	net=$(worker net-worker)
	kill -STOP "$net"
	posternctl status \
	    > /dev/null 2>&1 &
	asker=$!
	"$BUILD/tests/integration/ipc_flood" epoch "$net"
	kill -CONT "$net"
	wait "$asker"
}

to_net() {
	messages control-worker net-worker "$epoch" "$1"
}

to_control() {
	messages net-worker control-worker "$epoch" "$1"
}

to_parent() {
	messages control-worker parent 0 "$1"
}

# process_id NAME
process_id() {
	case $1 in
	parent) echo "${pid[gateway]}" ;;
	*) worker "$1" ;;
	esac
}

# bounded NAME PROCESS COMMAND FEW MANY
bounded() {
	local name=$1 process before after worst worst_after
	process=$(process_id "$2")
	check "$name: the first $4" "$3" "$4"
	read -r before worst <<< "$(memory "$process")"
	check "$name: $5 more" "$3" "$5"
	read -r after worst_after <<< "$(memory "$process")"
	echo "# $2: $before KB after $4, $after KB after $5 more"
	# An arena of malloc more is none the next time; a leak goes on.
	if [ "$after" -gt $((before + LIMIT_KB)) ]; then
		before=$after worst=$worst_after
		check "$name: as many again" "$3" "$5"
		read -r after worst_after <<< "$(memory "$process")"
		echo "# $2: $after KB after as many again"
	fi
	[ "$after" -le $((before + LIMIT_KB)) ] && ok "$name: memory is bounded" ||
		not_ok "$name: from $before KB to $after KB"
	[ "$worst_after" -le $((worst + LIMIT_KB)) ] &&
		ok "$name: and was at no time more" ||
		not_ok "$name: from $worst KB to $worst_after KB at times"
	is "$name: the same process" "$(process_id "$2")" "$process"
}

# Datagrams that the processes in the gateway's namespace have read.
received() {
	at gateway awk '$1 == "Udp:" && $2 ~ /^[0-9]/ { print $2 }' \
	    /proc/net/snmp
}

tunnel_address() {
	at gateway ip -4 -o address show dev tun-firezone | awk '{ print $4 }'
}

# What a hostile worker may say without being killed for it.
test_hostile_workers() {
	local address mark
	address=$(tunnel_address)
	epoch=$(epoch)
	# Names and grants of the few clients are kept, up to their bounds.
	check "a hostile control-worker: what is kept is full" to_net $FILL
	bounded "a hostile control-worker" net-worker to_net \
	    $FEW_MESSAGES $MANY_MESSAGES
	mark=$(lines_of "$work/portal.log")
	# The candidates of 8192 clients are kept until they are known, and are
	# but one kind of what there is to say.
	check "a hostile net-worker: what is kept is full" to_control \
	    $((2 * FILL))
	bounded "a hostile net-worker" control-worker to_control \
	    $FEW_MESSAGES $MANY_MESSAGES
	bounded "a hostile control-worker, to the parent" parent to_parent \
	    $FEW_MESSAGES $MANY_MESSAGES
	check "a hostile control-worker was heard" grep -q \
	    "net-worker: an authorization of the portal is refused" \
	    "$work/gateway.log"
	check "a hostile net-worker was heard" \
	    line_after "$work/portal.log" 'has no relays' "$mark"
	check "a hostile control-worker was heard by the parent" \
	    test "$(tunnel_address)" != "$address"
	stop client
	kill -KILL "$(worker control-worker)"
	wait_until 15 ready
	start_client
	check "hostile workers: a new control-worker puts all right" ping_lan 20
}

ready() {
	at gateway curl -sf -m 2 http://127.0.0.1:8080/readyz
}

topology
start_relay
start_portal
start_lan 1
spawn noise portal "$PYTHON" "$NETNS_ROOT/tests/integration/noisy_portal.py" \
    203.0.113.8:8081 203.0.113.8:8080 "$work/noise.sock"
wait_until 10 test -S "$work/noise.sock"
PORTAL_URL=ws://203.0.113.8:8081 start_gateway
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
test_hostile_workers
finish
