#!/bin/bash
# A window to look in: /readyz, /metrics and posternctl tell the truth, whatever
# is missing, and under load; and in each of these states while control-worker,
# who answers them, is replaced.

. "$(dirname "$0")/../lib/netns.sh"

: "${POSTERNCTL:=$BUILD/parent/posternctl}"
socket=$work/ctl.sock

launch() {
	launch_gateway --ctl-socket "$socket" "$@"
}

# page PATH: sets code and body.
page() {
	rm -f "$work/body"
	code=$(at gateway curl -s -m 5 -o "$work/body" -w '%{http_code}' \
	    "http://127.0.0.1:8080$1")
	body=$(cat "$work/body" 2>/dev/null)
}

readyz() {
	page /readyz
	echo "$code $body"
}

# ready_says EXPRESSION
ready_says() {
	[[ $(readyz) =~ $1 ]]
}

status() {
	"$POSTERNCTL" -s "$socket" status "$@"
}

# value EXPRESSION: of the members of the JSON object, in Python's words.
value() {
	status --json | "$PYTHON" -c '
import json, sys
print(eval(sys.argv[1], json.load(sys.stdin)))' "$1"
}

# value_is EXPRESSION WANTED
value_is() {
	[ "$(value "$1")" = "$2" ]
}

# metric NAME: of a line of /metrics, with its labels.
metric() {
	page /metrics
	printf '%s\n' "$body" | awk -v name="$1" '
		substr($0, 1, length(name) + 1) == name " " {
			print substr($0, length(name) + 2)
		}'
}

# metric_is NAME WANTED
metric_is() {
	[ "$(metric "$1")" = "$2" ]
}

# tells CASE SECONDS READYZ STATUS: both come to say so, and /healthz is well.
tells() {
	if wait_until "$2" ready_says "$3"; then
		ok "$1: /readyz"
	else
		not_ok "$1: /readyz" "got:    $(readyz)" "wanted: $3"
	fi
	status > "$work/status" 2>&1
	if grep -Eq -- "$4" "$work/status"; then
		ok "$1: posternctl"
	else
		not_ok "$1: posternctl" "$(cat "$work/status")" "wanted: $4"
	fi
	page /healthz
	is "$1: /healthz" "$code" 200
}

# The portal has heard of the gateway beyond line $1 of its log.
joined_after() {
	[ -e "$work/portal.log" ] &&
		line_after "$work/portal.log" 'gateway.*: joined' "$1"
}

# honest ANSWER MARK: ready is only who has joined the portal beyond that line
# of its log; who is not says why, and does not say it of net-worker.
honest() {
	case $1 in
	*"net-worker"*) false ;;
	"200 ready" | *": ready") joined_after "$2" ;;
	"503 "?* | *": not ready: "?*) ;;
	*) false ;;
	esac
}

# replaced CASE READYZ STATUS: control-worker dies in this state. Who asks
# before the next one listens waits for it; none of the answers is wrong; in the
# end they are the same as before.
replaced() {
	local name="$1, control-worker killed" mark=0 before answer wrong=() end
	[ ! -e "$work/portal.log" ] || mark=$(lines_of "$work/portal.log")
	before=$(value "processes[2]['restarts']")
	end=$(($(now_ms) + 30000))
	kill -KILL "$(worker control-worker)"
	answer=$(status 2>&1 | head -n 1)
	honest "$answer" "$mark" || wrong+=("$answer")
	until [[ $answer =~ $2 ]] || [ "$(now_ms)" -gt $end ]; do
		answer=$(readyz)
		honest "$answer" "$mark" || wrong+=("$answer")
	done
	is "$name: answers that are wrong" \
	    "$(printf '%s\n' "${wrong[@]}" | sort -u)" ""
	tells "$name" 10 "$2" "$3"
	is "$name: counted" "$(value "processes[2]['restarts']")" \
	    $((before + 1))
}

# refuses CASE EXPRESSION COMMAND ...: exit status 1, and why.
refuses() {
	local name=$1 expression=$2
	shift 2
	"$@" > "$work/output" 2>&1
	is "$name: exit status" $? 1
	if grep -Eq -- "$expression" "$work/output"; then
		ok "$name: says why"
	else
		not_ok "$name: says why" "$(cat "$work/output")"
	fi
}

online() {
	wait_until 15 gateway_online ||
		die "the gateway does not come online" "$work/gateway.log"
}

end_gateway() {
	stop gateway
	is "$1: exit status" "$exit_status" 0
	check "$1: the socket is gone" test ! -e "$socket"
}

test_no_daemon() {
	refuses "no daemon" 'is posternd running' status
}

test_no_portal() {
	launch
	tells "no portal" 10 '^503 not connected to the portal' \
	    '^portal: not connected for .*, ws://203.0.113.8:8080$'
	replaced "no portal" '^503 not connected to the portal' \
	    '^portal: not connected for .*, ws://203.0.113.8:8080$'
	stop gateway
}

test_wrong_token() {
	TOKEN=wrong launch
	await_exit gateway 10
	is "wrong token: exit status" "$exit_status" 1
	refuses "wrong token" 'is posternd running' status
	check "wrong token: the socket is gone" test ! -e "$socket"
	# Before the portal could say so, it is not known to be wrong.
	stop portal
	rm "$work/portal.log"
	TOKEN=wrong launch
	tells "token not yet known" 10 '^503 not connected to the portal' \
	    ': not ready: not connected to the portal$'
	replaced "token not yet known" '^503 not connected to the portal' \
	    ': not ready: not connected to the portal$'
	start_portal
	await_exit gateway 30
	is "wrong token after a restart: exit status" "$exit_status" 1
	refuses "wrong token after a restart" 'is posternd running' status
}

test_no_relay() {
	launch
	online
	tells "no relay" 10 '^503 no relay has given an allocation' \
	    ': not ready: no relay|^no relays|silent'
	is "no relay: metrics" "$(metric postern_relays)" 0
	is "no relay: online in metrics" "$(metric postern_portal_connected)" 1
	replaced "no relay" '^503 no relay has given an allocation' \
	    ': not ready: no relay'
	start_relay
	tells "a relay at last" 60 '^200 ready$' '^posternd .*: ready$'
	is "a relay at last: metrics" "$(metric postern_ready)" 1
	end_gateway "a relay at last"
}

test_no_ipv6() {
	sysctl_at gateway net.ipv6.conf.all.disable_ipv6=1
	launch
	online
	tells "no IPv6" 15 '^200 ready$' \
	    '^tunnel: tun-firezone, IPv4 100\.[0-9.]+, IPv6 none$'
	is "no IPv6: JSON" "$(value 'tunnel["ipv6"]')" None
	is "no IPv6: metrics" \
	    "$(metric 'postern_tunnel_configured{family="ipv6"}')" 0
	replaced "no IPv6" '^200 ready$' \
	    '^tunnel: tun-firezone, IPv4 100\.[0-9.]+, IPv6 none$'
	stop gateway
	sysctl_at gateway net.ipv6.conf.all.disable_ipv6=0
}

# What ps and /proc say, too.
test_processes() {
	local i=0 p
	for p in $(processes); do
		is "process $i: pid" "$(value "processes[$i]['pid']")" "$p"
		is "process $i: uid" "$(value "processes[$i]['uid']")" \
		    "$(awk '$1 == "Uid:" { print $2 }' "/proc/$p/status")"
		check "process $i: its filter" \
		    value_is "'seccomp' in processes[$i]['locks']" True
		i=$((i + 1))
	done
	for i in 1 2; do
		check "process $i: its user and root" value_is \
		    "processes[$i]['locks'][:2]" "['user', 'root']"
	done
}

# Of the two relayed ways only the one by the gateway's own relay remains; which
# one a client takes is its choice.
block_clients_relay() {
	at office nft -f - <<-RULES
	table inet ours {
		chain forward {
			type filter hook forward priority filter - 1;
			ip saddr 203.0.113.9 udp sport != 3478 drop
			ip daddr 203.0.113.9 udp dport != 3478 drop
			ip6 saddr 2001:db8::9 udp sport != 3478 drop
			ip6 daddr 2001:db8::9 udp dport != 3478 drop
		}
	}
	RULES
}

# client_is WHAT EXPRESSION
client_is() {
	wait_until 5 value_is "clients[0]$1" "$2" || {
		status
		return 1
	}
}

# Of each process each figure.
usage_is_there() {
	page /metrics
	[ "$(grep -cE '^postern_process_(cpu_seconds_total|open_fds|resident_memory_bytes)\{process="(parent|net-worker|control-worker)"\} [0-9.]*[1-9]' \
	    <<< "$body")" -eq 9 ]
}

# series_sum NAME DIRECTION
series_sum() {
	awk -v "name=$1{" -v "way=direction=\"$2\"" '
		index($0, name) == 1 && index($0, way) { sum += $NF }
		END { print sum + 0 }' <<< "$body"
}

# has_series KIND [VALUE]: whether one of them has one, for what is sent to it.
has_series() {
	grep -Eq "^postern_per_$1_bytes_total\{$1=\"[0-9a-f-]{36}\",direction=\"to client\"\} ${2-}" \
	    <<< "$body"
}

# Series count from the first page on that shows them.
series_are_there() {
	page /metrics
	has_series client && has_series resource
}

# All that was forwarded, whoever has a series, and some of the client's own.
series_add_up() {
	local kind total
	page /metrics
	total=$(series_sum postern_client_bytes_total "to client")
	for kind in client resource; do
		has_series $kind '[1-9]' &&
		    [ "$(series_sum postern_per_${kind}_bytes_total \
			"to client")" -eq "$total" ] || return 1
	done
}

test_client() {
	local sent
	check "processes: what they take" wait_until 10 usage_is_there
	check "relay: round trips" wait_until 5 eval \
	    '[ "$(metric postern_relay_round_trip_seconds_count)" -gt 0 ]'
	is "no client yet" "$(value clients)" "[]"
	start_client
	check "client: download" download $LAN4
	is "client: one" "$(value "len(clients)")" 1
	check "client: connected" client_is "['state']" connected
	is "client: path" "$(value "clients[0]['path']['kind']")" direct
	is "client: resources" "$(value "clients[0]['resources']")" 1
	sent=$(value "clients[0]['sent_bytes']")
	check "client: transfer (sent $sent)" \
	    test "$sent" -gt 1000000 -a "$sent" -lt 1500000
	is "client: transfer in metrics" \
	    "$(metric 'postern_client_bytes_total{direction="to client"}')" \
	    "$sent"
	check "client, resource: series" wait_until 5 series_are_there
	check "client: ping" ping_lan 5
	check "client, resource: their series add up" wait_until 5 series_add_up
	check "client: handshake" test \
	    "$(value "clients[0]['handshake_age']")" -lt 60
	check "client: in metrics" wait_until 5 metric_is postern_clients 1
	stop client
	block_direct
	block_clients_relay
	start_client
	check "relayed client: ping" ping_lan 20
	check "relayed client: path" client_is "['path']['kind']" relayed
	check "relayed client: our end is on the relay" \
	    value_is "clients[0]['path']['local'].split(':')[0]" \
	    203.0.113.9
	check "relayed client: in metrics" wait_until 5 metric_is \
	    'postern_connections{path="relayed"}' 1
	allow_direct
	at office nft delete table inet ours
	stop client
	check "client that has left: none" wait_until 60 value_is clients "[]"
}

# Health checks are answered in time while the tunnel is full.
test_load() {
	local i slow=0 wrong=0 before after
	start_client
	ping_lan 10 > /dev/null
	before=$(metric 'postern_client_bytes_total{direction="to client"}')
	spawn load client bash -c "while curl -s -o /dev/null \
	    '$(url $LAN4)'; do :; done"
	for ((i = 0; i < 40; i++)); do
		local start end
		start=$(now_ms)
		ready_says '^200 ready$' || wrong=$((wrong + 1))
		status > /dev/null || wrong=$((wrong + 1))
		end=$(now_ms)
		[ $((end - start)) -lt 1000 ] || slow=$((slow + 1))
	done
	replaced "load" '^200 ready$' '^posternd .*: ready$'
	refuse "load: the client notices nothing" \
	    grep -Eq '^(lost|goodbye)' "$work/client.log"
	stop load
	after=$(metric 'postern_client_bytes_total{direction="to client"}')
	is "load: answers that are wrong" "$wrong" 0
	is "load: answers that take a second" "$slow" 0
	check "load: there was one ($((after - before)) bytes)" \
	    test $((after - before)) -gt 5000000
	stop client
}

# again WORKER INDEX RESTARTS OF-THE-OTHER: killed, it comes back, and is
# counted.
again() {
	local bytes before
	before=$(metric 'postern_client_bytes_total{direction="to client"}')
	kill -KILL "$(worker "$1")"
	check "$1 killed: counted" wait_until 15 value_is \
	    "processes[$2]['restarts']" "$3"
	tells "$1 killed" 30 '^200 ready$' "^$1 .* $3  user, root"
	is "$1 killed: the other was not" \
	    "$(value "processes[$((3 - $2))]['restarts']")" "$4"
	bytes=$(metric 'postern_client_bytes_total{direction="to client"}')
	check "$1 killed: nothing counted is lost" \
	    test "$bytes" -ge "$before" -a "$before" -gt 0
}

test_restarts() {
	# The second death in a row: nobody is there for a second.
	again control-worker 2 2 0
	again net-worker 1 1 2
}

test_portal_gone() {
	stop portal
	tells "portal gone" 20 '^503 not connected to the portal' \
	    ': not ready: not connected to the portal$'
	start_portal
	tells "portal back" 60 '^200 ready$' '^portal: online for '
}

test_http() {
	local path
	for path in / /healthz/ /metricsx /..%2f; do
		page $path
		is "http: $path" "$code" 404
	done
	page '/healthz?x'
	is "http: a query" "$code" 200
	is "http: POST" "$(at gateway curl -s -m 5 -o /dev/null -X POST \
	    -w '%{http_code}' http://127.0.0.1:8080/healthz)" 405
	is "http: HEAD" "$(at gateway curl -s -m 5 -I -o /dev/null \
	    -w '%{http_code}' http://127.0.0.1:8080/healthz)" 200
	# From the network as well, but not through the tunnel.
	is "http: from the LAN" "$(at lan curl -s -m 5 -o /dev/null \
	    -w '%{http_code}' http://10.20.0.1:8080/healthz)" 200
	# Who only sits there keeps nobody out.
	spawn sitters gateway "$PYTHON" -c '
import signal, socket
all = [socket.create_connection(("127.0.0.1", 8080)) for i in range(100)]
print("sitting", flush=True)
signal.pause()'
	wait_line 10 "$work/sitters.log" sitting
	page /healthz
	is "http: beside a hundred that say nothing" "$code" 200
	stop sitters
}

test_socket() {
	is "socket: mode" "$(stat -c %a "$socket")" 660
	chmod 755 "$work"
	setpriv --reuid nobody --regid nogroup --clear-groups \
	    "$POSTERNCTL" -s "$socket" status > "$work/said" 2>&1
	is "socket: for others: exit status" $? 2
	check "socket: for others: says why" \
	    grep -q 'permission denied' "$work/said"
	# Even where the mode lets them.
	chmod 666 "$socket"
	check "socket: refused by the worker" eval \
	    'setpriv --reuid nobody --regid nogroup --clear-groups \
	    "$POSTERNCTL" -s "$socket" status 2>&1 |
	    grep -q "permission denied"'
	chmod 660 "$socket"
	check "socket: a socket of another daemon is left alone" \
	    wait_until 1 status
}

# A gateway that was killed leaves its socket behind.
test_stale_socket() {
	kill -KILL "${pid[gateway]}"
	await_exit gateway 10
	check "stale socket: there is one" test -S "$socket"
	refuses "stale socket" 'is posternd running' status
	launch
	online
	tells "stale socket replaced" 15 '^200 ready$' '^posternd .*: ready$'
	stop gateway
}

# Without its windows it works all the same.
test_taken() {
	spawn taker gateway "$PYTHON" -c '
import signal, socket, sys
http = socket.create_server(("0.0.0.0", 8080))
unix = socket.socket(socket.AF_UNIX)
unix.bind(sys.argv[1])
unix.listen()
signal.pause()' "$socket"
	wait_until 5 test -S "$socket"
	launch
	online
	check "taken: the log says so of the port" \
	    grep -q 'WARN.*cannot listen on 0.0.0.0:8080' "$work/gateway.log"
	check "taken: the log says so of the socket" \
	    grep -q "WARN.*cannot listen on $socket" "$work/gateway.log"
	stop gateway
	is "taken: exit status" "$exit_status" 0
	check "taken: what is not ours stays" test -S "$socket"
	stop taker
	rm -f "$socket"
	launch --health-check-addr 127.0.0.1:9999
	online
	check "another port" at gateway curl -sf http://127.0.0.1:9999/healthz
	end_gateway "another port"
}

topology
start_lan 1
test_no_daemon
test_no_portal
start_portal
test_wrong_token
test_no_relay
test_no_ipv6
launch
online
tells "ready" 15 '^200 ready$' '^posternd .*: ready$'
test_processes
test_client
test_load
test_restarts
test_http
test_socket
test_portal_gone
test_stale_socket
test_taken
finish
