#!/bin/bash
# A broken-into control-worker that gives orders in an operator's name and writes
# lines about flows as fast as they are taken: the parent has time for everybody
# else, and neither its log nor the file grows by more than it is given.

. "$(dirname "$0")/../lib/netns.sh"

asked=8

# An operator is answered before a watchdog would end the daemon.
status() {
	timeout 10 "$BUILD/parent/posternctl" -s "$work/ctl.sock" status > "$work/status" 2>&1
}

topology
start_relay
start_portal
start_gateway --flow-log "file:$work/flows"
before=$(stat -c %s "$work/gateway.log")
"$PYTHON" "$(dirname "$0")/order_flood.py" "$(worker control-worker)" "$asked" \
    > "$work/given" 2>&1 &
pid[flood]=$!
while kill -0 "${pid[flood]}" 2> /dev/null; do
	if status; then echo answered; else echo failed; fi >> "$work/statuses"
done
wait "${pid[flood]}"
unset "pid[flood]"
read -r orders lines < "$work/given"
check "more than 10000 orders were taken" test "$orders" -gt 10000
check "more than 20 MB of lines, too" test "$lines" -gt 20000000
check "an operator was answered meanwhile" \
    grep -q answered "$work/statuses"
refuse "always" grep -q failed "$work/statuses"
check "the log has not grown by more than 8 KB" test \
    "$(($(stat -c %s "$work/gateway.log") - before))" -lt 8192
# 16 MiB at once, 4 MiB a second and what waits, as posternd(8) has them.
check "nor the file by more than it may" test \
    "$(stat -c %s "$work/flows")" -lt $(((16 + 4 * (asked + 2) + 8) << 20))
refuse "nothing of that breaks the rules" \
    grep -q 'breaks the rules' "$work/gateway.log"
kill -TERM "${pid[gateway]}"
check "SIGTERM ends the daemon" await_exit gateway 8
is "exit status" "$exit_status" 0
finish
