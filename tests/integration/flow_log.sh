#!/bin/bash
# The flow log for people of a whole daemon: what a client downloads and what it
# is denied, in a file that is renamed by us or by others, and on stdout. And what
# posternctl shows of flows meanwhile.

. "$(dirname "$0")/../lib/netns.sh"



# holds FILE: whether control-worker has a descriptor of it.
holds() {
	stat -Lc %d:%i /proc/"$(worker control-worker)"/fd/* 2> /dev/null |
	    grep -qxF "$(stat -Lc %d:%i "$1")"
}

# lines FILE EXPRESSION: so many for which it is true, in Python's words.
lines() {
	"$PYTHON" -c '
import json, sys
print(sum(bool(eval(sys.argv[1], {}, json.loads(line))) for line in sys.stdin))' \
	    "($2)" < "$1"
}

# there FILE EXPRESSION
there() {
	[ -e "$1" ] && [ "$(lines "$1" "$2")" -gt 0 ]
}

downloaded='event == "closed" and destination_port == 80'

knock() {
	at client curl -s -o /dev/null --connect-timeout 1 \
	    "http://$LAN4:81/"
	there "$flows" 'event == "denied"'
}

# listed EXPRESSION: of a flow of jane's that is open, in Python's words.
listed() {
	posternctl -j flows jane | "$PYTHON" -c '
import json, sys
flows = json.load(sys.stdin)["flows"]
print(flows)
sys.exit(not any(eval(sys.argv[1], {}, flow) for flow in flows))' "($1)"
}

not_listed() {
	! listed "$1"
}

# An echo that is held open, as posternctl shows it: while it is there, and when
# it begins and ends.
test_flows() {
	local echo=$LAN4:7
	spawn follower gateway "$POSTERNCTL" -s "$work/ctl.sock" flows -f
	check "flows -f: there is somebody" wait_line 10 "$work/follower.log" \
	    '^     client'
	mkfifo "$work/hold"
	exec 8<> "$work/hold"
	at client "$PYTHON" -c '
import socket, sys
with socket.create_connection((sys.argv[1], 7)) as s:
    s.sendall(b"hello")
    s.recv(5)
    sys.stdin.readline()' $LAN4 < "$work/hold" 8>&- &
	check "flows: one that is open" wait_until 10 listed "
	    destination == '$echo' and received_bytes == sent_bytes == 5 and
	    actor == 'jane' and name == 'lan4' and protocol == 'tcp' and
	    source.startswith('100.') and age >= idle >= 0"
	posternctl flows > "$work/flows.txt"
	check "flows: as a table" grep -Eq \
	    "^jane +tcp +[0-9]+ $echo +lan4 +5 +5 +[0-9]+[sm]" "$work/flows.txt"
	is "flows: columns" "$(awk 'length > 80' "$work/flows.txt")" ""
	check "flows -f: it has begun" wait_line 10 "$work/follower.log" \
	    "^open jane +tcp +[0-9]+ $echo +lan4 +- +- +-$"
	echo >&8
	check "flows -f: it has ended" wait_line 20 "$work/follower.log" \
	    "^end  jane +tcp +[0-9]+ $echo +lan4 +5 +5 "
	check "flows: it is not open any more" not_listed \
	    "destination == '$echo'"
	exec 8>&-
	stop follower
	posternctl -n 1 top > "$work/top.txt"
	is "top: exit status" $? 0
	check "top: clients and resources" awk '
	    / 1 client: / { seen++ } / jane/ { seen++ } / lan4 / { seen++ }
	    length > 80 { seen = 9 }
	    END { exit seen != 3 }' "$work/top.txt"
}

topology
start_relay
start_portal
start_lan 1
mkdir -m 700 "$work/logs"
flows=$work/logs/flows
start_gateway --flow-log "file:$flows" --flow-log-size 0
start_client
check "a download" download $LAN4
check "it has begun" wait_until 10 there "$flows" \
    'event == "opened" and destination_port == 80'
check "it has ended" wait_until 20 there "$flows" "$downloaded"
check "with all bytes, ends and path" there "$flows" "$downloaded and
    to_client_bytes >= 1000000 and from_client_packets > 0 and
    destination_ip == '$LAN4' and source_ip.startswith('100.') and
    len(client) == len(resource) == 36 and path_to and start <= time"
check "and what both are called" there "$flows" "$downloaded and
    user == 'jane' and resource_name == 'lan4'"
check "what is denied" wait_until 15 knock
check "and why" there "$flows" "event == 'denied' and protocol == 'tcp' and
    direction == 'from client' and destination_ip == '$LAN4' and
    destination_port == 81 and reason == 'filter' and len(resource) == 36"
is "its mode" "$(stat -c %a "$flows")" 600
check "what control-worker has is seen" holds /dev/null
refuse "and that is none of it" holds "$flows"
test_flows

mark=$(lines_of "$work/portal.log")
kill -KILL "$(worker control-worker)"
check "control-worker is replaced" wait_until 15 \
    line_after "$work/portal.log" 'gateway.*: joined' "$mark"
before=$(lines "$flows" "$downloaded")
more() {
	[ "$(lines "$1" "$downloaded")" -gt "$2" ]
}
check "another download" download $LAN4
check "it is there, too" wait_until 20 more "$flows" "$before"
is "lines without names" \
    "$(lines "$flows" "'user' not in locals() or
	'resource_name' not in locals()")" 0

mv "$flows" "$flows.moved"
old=$(wc -l < "$flows.moved")
kill -USR1 "${pid[gateway]}"
check "SIGUSR1: a new file" wait_until 5 test -e "$flows"
check "and one more download" download $LAN4
check "which is there" wait_until 20 there "$flows" "$downloaded"
is "and not in the old one" "$(wc -l < "$flows.moved")" "$old"
workers=$(pgrep -P "${pid[gateway]}")
kill -USR1 $workers
check "workers and the signal: ping" ping_lan 10
is "workers leave the signal alone" "$(pgrep -P "${pid[gateway]}")" "$workers"
lost=$(at gateway curl -s http://127.0.0.1:8080/metrics |
    sed -n 's/^postern_flow_lines_total{result="lost"} //p')
is "no line is lost" "$lost" 0
stop client
stop gateway

start_gateway --flow-log "file:$flows" --flow-log-time 1s --flow-log-keep 1
start_client
check "a file that gets old: a download" download $LAN4
check "it is renamed" wait_until 10 test -s "$flows.1"
check "and there is another" test -e "$flows"
stop client
stop gateway

start_gateway --flow-log stdout
start_client
check "stdout: a download" download $LAN4
on_stdout() {
	grep '^{' "$work/gateway.log" > "$work/stdout"
	there "$work/stdout" "$downloaded"
}
check "stdout: its line" wait_until 20 on_stdout
refuse "stdout: control-worker does not have it" holds "$work/gateway.log"
stop client
stop gateway

launch_gateway --flow-log "file:$work/none/flows"
await_exit gateway 10
is "no such folder: exit status" "$exit_status" 1
check "no such folder: the log says so" grep -q \
    "cannot open the flow log $work/none/flows: No such file" \
    "$work/gateway.log"
finish
