#!/bin/bash
# A reader of standard output that does not read: the log loses lines, and
# nothing else waits. And a confined worker that writes as fast as it can.

. "$(dirname "$0")/../lib/netns.sh"

# launch_into FILE: the gateway, with standard output there; at the level that
# says most, so that a pipe is full soon.
launch_into() {
	(FIREZONE_TOKEN=$GATEWAY_TOKEN FIREZONE_ID=$GATEWAY_ID \
	    RUST_LOG=trace \
	    exec ip netns exec "${prefix}gateway" \
	    bash -c 'exec -a posternd "$0" "$@"' "$POSTERND" \
	    --api-url "$PORTAL_URL" --ctl-socket "$work/ctl.sock" \
	    --state-dir "$work/state") \
	    > "$1" 2> "$work/gateway.log" < /dev/null &
	pid[gateway]=$!
	wait_until 15 gateway_online ||
		die "the gateway does not come online" "$work/gateway.log"
}

# Nothing more goes into the pipe.
is_full() {
	! "$PYTHON" -c '
import os, sys
os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK), b"x" * 4096)
' "$work/fifo" 2> /dev/null
}

fill() {
	until is_full; do :; done
}

replaced() {
	local now
	now=$(worker "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}

# The fifo has a reader, this shell, that does not read.
test_fifo() {
	local old mark
	mkfifo "$work/fifo"
	exec 8<> "$work/fifo"
	launch_into "$work/fifo"
	fill
	mark=$(lines_of "$work/portal.log")
	old=$(worker control-worker)
	kill -KILL "$old"
	check "a full pipe: a killed control-worker is replaced" \
	    wait_until 10 replaced control-worker "$old"
	check "a full pipe: and online again" wait_line 10 \
	    "$work/portal.log" 'gateway.*: joined' "$mark"
	cat <&8 > "$work/read" &
	pid[reader]=$!
	check "a pipe that is read again: the lost lines are counted" \
	    wait_line 10 "$work/read" 'WARN parent: [0-9]+ lines dropped'
	stop reader
	fill
	kill -TERM "${pid[gateway]}"
	check "a full pipe: SIGTERM ends the daemon" await_exit gateway 8
	is "a full pipe: exit status" "$exit_status" 0
	exec 8<&-
}

# test_flood WORKER: what it writes is bounded, and hides no error.
test_flood() {
	local before sent
	before=$(stat -c %s "$work/gateway.log")
	sent=$("$PYTHON" "$(dirname "$0")/log_flood.py" "$(worker "$1")" 5)
	check "a flood from $1: it is more than 10 MB" \
	    test "$sent" -gt 10000000
	check "a flood from $1: what is dropped is counted" wait_line 5 \
	    "$work/gateway.log" "WARN parent: [0-9]+ lines of $1 dropped"
	check "a flood from $1: an error is seen all the same" wait_line 5 \
	    "$work/gateway.log" "ERROR $1: an error after the flood"
	check "a flood from $1: less than 1 MB is written" test \
	    "$(($(stat -c %s "$work/gateway.log") - before))" -lt 1000000
}

topology
start_relay
start_portal
test_fifo
start_gateway
test_flood net-worker
test_flood control-worker
finish
