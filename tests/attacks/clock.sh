#!/bin/bash
# The host's clock is wrong, and is set while the gateway runs: no grant lasts
# longer for it, and grants that are made when it is right hold. The clock is
# that of posternd alone (tests/integration/shifted_clock.c).

. "$(dirname "$0")/../lib/netns.sh"

LATE_MS=100 # at most, after expires_at

# shift_clock SECONDS: off from the true time by so much.
shift_clock() {
	"$PYTHON" -c '
import struct, sys
with open(sys.argv[1], "r+b") as f:
    f.write(struct.pack("<q", int(sys.argv[2]) * 10**9))
' "$POSTERND.shift" "$1"
}

copy_program() {
	mkdir "$work/bin"
	chmod 755 "$work/bin"
	cp "$BUILD/tests/integration/posternd-shifted" "$work/bin/posternd"
	head -c 8 /dev/zero > "$work/bin/posternd.shift"
	POSTERND=$work/bin/posternd
}

# grant_until SECONDS: a whole second, at which the grant ends. Sets end_ms.
grant_until() {
	local mark
	mark=$(lines_of "$work/portal.log")
	end_ms=$(ctl "{\"cmd\":\"expire\",\"resource\":\"lan4\",\"in\":$1}" |
	    sed -nE 's/.*"expires_at": *([0-9]+).*/\1/p')000
	wait_line 5 "$work/portal.log" 'authorized|create_authorization' "$mark"
	wait_until_answered
	# It would let the client in again.
	kill -STOP "${pid[portal]}"
}

# The gateway has answered what the portal sent.
wait_until_answered() {
	ping_lan > /dev/null
	ping_lan > /dev/null
}

# Echoes until nothing comes back any more, each with the time of its answer.
last_answer_ms() {
	sed -nE 's/^\[([0-9]+)\.([0-9]{3}).*bytes from.*/\1\2/p' \
	    "$work/pings.log" | tail -n 1
}

past() {
	[ "$(now_ms)" -gt "$1" ]
}

# ends_in_time NAME
ends_in_time() {
	local last
	wait_until 30 past $((end_ms + 1500))
	stop pings
	last=$(last_answer_ms)
	if [ "$last" -gt $((end_ms - 200)) ] &&
	    [ "$last" -le $((end_ms + LATE_MS)) ]; then
		ok "$1 ($((last - end_ms)) ms after)"
	else
		not_ok "$1" "the last answer is $((last - end_ms)) ms after"
	fi
	kill -CONT "${pid[portal]}"
	shift_clock 0
	wait_until 15 ping_lan || die "the client is not let in again"
}

start_pings() {
	spawn pings client ping -D -i 0.01 $LAN4
	wait_line 5 "$work/pings.log" 'bytes from'
}

test_right() {
	grant_until 5
	start_pings
	ends_in_time "a right clock: it ends in time"
}

# Two hours behind when the grant is made, and then set.
test_slow() {
	shift_clock -7200
	grant_until 8
	start_pings
	shift_clock 0
	check "a slow clock that is set: the log says so" wait_line 2 \
	    "$work/gateway.log" 'clock was set forward by 7200\.0'
	ends_in_time "a slow clock that is set: it ends in time"
}

# Set back while the grant runs.
test_set_back() {
	grant_until 6
	start_pings
	shift_clock -7200
	check "set back: the log says so" wait_line 2 \
	    "$work/gateway.log" 'clock was set back by 7200\.0'
	ends_in_time "set back: it ends in time all the same"
}

status_has() {
	posternctl status | grep -E "$1"
}

metrics_have() {
	at gateway curl -s http://127.0.0.1:8081/metrics | grep -E "^$1"
}

# Two hours ahead at boot, and then set: what is granted later holds.
test_fast_at_start() {
	shift_clock 7200
	start_gateway --health-check-addr 127.0.0.1:8081
	check "fast at start: the log compares it with the portal's" \
	    wait_line 2 "$work/gateway.log" \
	    'WARN control-worker: the host.s clock is 7(200|199)\.[0-9] s ahead'
	check "fast at start: the status does" status_has \
	    'clock: 7(200|199)\.[0-9] s ahead of the portal'
	check "fast at start: the metrics do" metrics_have \
	    'postern_clock_ahead_seconds 7(200|199)\.'
	shift_clock 0
	check "fast at start and then set: the log says so" wait_line 3 \
	    "$work/gateway.log" "clock agrees with the portal's again"
	check "fast at start and then set: the status does" status_has \
	    "clock: as the portal's"
	wait_line 2 "$work/gateway.log" 'clock was set back by 7200\.0'
	start_client
	check "fast at start and then set: ping" wait_until 10 ping_lan
	grant_until 1800
	start_pings
	wait_until 5 past $(($(now_ms) + 3000))
	stop pings
	check "fast at start and then set: a grant holds" \
	    test "$(last_answer_ms)" -gt $(($(now_ms) - 500))
	kill -CONT "${pid[portal]}"
}

topology
copy_program
start_relay
start_portal
test_fast_at_start
test_right
test_slow
test_set_back
finish
