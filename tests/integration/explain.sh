#!/bin/bash
# posternctl explain says what becomes of packets that the client then sends: it
# agrees with what happens, and names who and what. Beside it the lists, what the
# network allows, and the report for a bug, which has no secret.

. "$(dirname "$0")/../lib/netns.sh"

NAME=files.corp.test
PROXY4=100.96.0.1
PROXY6=fd00:2021:1111:8000::1

ask() {
	posternctl "$@" 2>&1
}

# says CASE STATUS EXPRESSION COMMAND ...: that exit status, and such a line;
# tables keep to 80 columns.
says() {
	local name=$1 wanted=$2 expression=$3
	shift 3
	ask "$@" > "$work/output"
	is "$name: exit status" $? "$wanted"
	if grep -Eq -- "$expression" "$work/output"; then
		ok "$name"
	else
		not_ok "$name" "$(cat "$work/output")" "wanted: $expression"
	fi
}

# The same of the output of the last says().
also() {
	if grep -Eq -- "$2" "$work/output"; then
		ok "$1"
	else
		not_ok "$1" "$(cat "$work/output")" "wanted: $2"
	fi
}

narrow() {
	is "$1: columns" "$(awk 'length > 80' "$work/output")" ""
}

# agrees TO PORT: explain and the packet itself.
agrees() {
	local verdict=1 happens=1
	ask explain jane tcp "$1:$2" > "$work/output" && verdict=0
	at client curl -s -m 5 -o /dev/null "http://$1:$2/" && happens=0
	is "tcp to $1:$2: explain agrees" $verdict $happens
}

site() {
	portal_configuration | sed 's/^name = "jane"/&\nemail = "jane@acme.com"/'
	cat <<-TOML

	[[resources]]
	name = "intranet"
	type = "dns"
	address = "*.corp.test"
	filters = ["tcp/80", "icmp"]

	[[policies]]
	resource = "intranet"
	users = ["jane"]

	TOML
	second_relay_configuration
}

test_nobody() {
	says "nobody: clients" 0 '^no clients$' clients
	says "nobody: resources" 0 '^no resources$' resources
	says "nobody: explain" 2 'no client with access has that id' \
	    explain jane tcp $LAN4:80
	says "no flow logs: flows" 1 'no flow is followed: ' flows
	says "no flow logs: flows -f" 1 'no flow is followed: ' flows -f
	says "a wrong packet" 2 'tcp and udp need a port' explain jane tcp $LAN4
}

test_explain() {
	says "allowed" 0 "^allowed: tcp from jane@acme.com, .* to $LAN4:80, by lan4$" \
	    explain jane tcp $LAN4:80
	also "allowed: by which filter" \
	    '10.20.0.0/24, permits tcp/80, tcp/7, udp/7, icmp: yes, by tcp/80$'
	also "allowed: until when" 'granted until 2[-0-9]+ [0-9:]+ UTC, .* from now$'
	also "allowed: path" '^  path      direct, ours .* its .*$'
	says "filter" 1 "^denied: tcp from jane.* to $LAN4:81: no filter of lan4 permits it$" \
	    explain jane tcp $LAN4:81
	also "filter: which are there" 'icmp: not this$'
	also "filter: told" '^  answer    .* ICMP error$'
	says "ping" 0 '^allowed: icmp' explain jane icmp $LAN4
	says "no resource" 1 'no resource .* so far has that destination$' \
	    explain jane udp 192.0.2.1:53
	says "the gateway" 0 'this Gateway itself$' explain jane icmp "$own"
	says "a service of the gateway" 1 'DNS on port 53535' \
	    explain jane tcp "$own:22"
	agrees $LAN4 80
	agrees $LAN4 81
}

test_name() {
	says "a name of nothing granted" 1 'no resource .* so far has that name' \
	    explain jane tcp $NAME:80
	echo "assign intranet $NAME $PROXY4 $PROXY6" > "$work/commands"
	wait_line 15 "$work/client.log" "^name $NAME active" ||
		die "the gateway does not know $NAME" "$work"/{client,gateway}.log
	says "a name" 0 "^allowed: .* to $PROXY4:80 \($NAME\), by intranet$" \
	    explain jane tcp $NAME:80
	also "a name: what it becomes" "^  becomes   $LAN4, by translation$"
	agrees $PROXY4 80
	agrees $PROXY4 81
	says "not asked for" 0 '^allowed: .* to web.corp.test:80, granted by intranet; .* not asked for' \
	    explain jane tcp web.corp.test:80
	also "not asked for: what is granted" 'test, permits tcp/80, icmp: yes'
	says "not asked for, another port" 1 'no filter of intranet permits it' \
	    explain jane tcp web.corp.test:81
}

test_lists() {
	local id
	says "clients" 0 'jane@acme.com.* (direct|idle) ' clients
	narrow clients
	id=$(ask clients -j | "$PYTHON" -c 'import json, sys
print(json.load(sys.stdin)["clients"][0]["client"])')
	says "one client" 0 'lan4 +10.20.0.0/24 +tcp/80, tcp/\.\. ' clients "$id"
	narrow "one client"
	says "by its address" 0 jane clients "$(ask clients -j | "$PYTHON" -c '
import json, sys
print(json.load(sys.stdin)["clients"][0]["ipv4"])')"
	says "resources" 0 'intranet +\*\.corp\.test +tcp/80, icmp +1$' resources
	narrow resources
	says "relays" 0 'allocated .* ms 203.0.113.9:3478' relays
	narrow relays
	says "status" 0 'jane@acme.com' status
	narrow status
	is "JSON" "$(ask -j explain "$id" tcp $LAN4:81 | "$PYTHON" -c 'import json, sys
e = json.load(sys.stdin)
print(e["allowed"], e["reason"], e["routes"][0]["name"], e["client"]["email"])')" \
	    "False filter lan4 jane@acme.com"
	check "the log names both" grep -q \
	    "authorized: jane@acme.com.* -> lan4 (client $id" "$work/gateway.log"
}

restarted() {
	[ "$(worker control-worker)" != "$1" ] && ask status > /dev/null
}

# The portal does not tell names again, to which nothing is granted anew.
test_restart() {
	local control
	control=$(worker control-worker)
	kill -KILL "$control"
	check "a restart: there is another control-worker" \
	    wait_until 20 restarted "$control"
	says "a restart: a client" 0 'lan4 +10.20.0.0/24 ' clients jane
	says "a restart: explain" 0 "^allowed: tcp from jane@.*, by lan4$" \
	    explain jane tcp $LAN4:80
}

# Of what net-worker says; back again means no more of it.
test_log() {
	local mark
	says "log debug" 0 '^the log has level debug$' log debug
	check "log debug: the parent says so" wait_until 5 grep -q \
	    'INFO parent: an operator wants .* level debug$' "$work/gateway.log"
	stop client
	start_client -c "$work/commands"
	ping_lan 15 > /dev/null
	check "log debug: net-worker's lines" wait_until 5 grep -q \
	    'DEBUG net-worker: ' "$work/gateway.log"
	says "log error" 0 'level info, with which posternd was started$' \
	    log error
	check "log error: it is info" wait_until 5 grep -q \
	    'INFO parent: an operator wants .* level info$' "$work/gateway.log"
	says "log of no level" 2 'the level is none of' log loud
}

both_relays() {
	[ "$(ask relays | grep -c ' allocated ')" = 2 ]
}

# The portal is one without TLS, which is never well.
test_netcheck() {
	check "both relays" wait_until 15 both_relays
	says "netcheck: no TLS" 3 '^not ok  tls +ws://203.0.113.8:8080 is' \
	    -w netcheck
	also "netcheck: connection" '^ok      connection  TCP to 203.0.113.8:8080$'
	also "netcheck: login" '^ok      login       online for .*, generation 3$'
	also "netcheck: clock" "^ok      clock       as the portal's\$"
	also "netcheck: NAT" '^ok      nat IPv4    all 2 relays see 203\.0\.113\.'
	also "netcheck: relay, IPv4" \
	    '^ok      relay IPv4  203.0.113.11:3478 answers in .* ms, MTU 1500$'
	also "netcheck: relay, IPv6" \
	    '^ok      relay IPv6  \[2001:db8::9\]:3478 answers in .* ms, MTU 1500$'
	ask netcheck > "$work/output"
	narrow netcheck
}

refused() {
	ask -w netcheck | grep -Eq '^not ok  connection  203.0.113.8:8080: .*refused'
}

relay_answers() {
	ask netcheck | grep -Eq '^ok +relay IPv4 '
}

test_netcheck_without_portal() {
	check "no portal: relays before" wait_until 15 relay_answers
	stop portal
	check "no portal: netcheck says at what it fails" wait_until 15 refused
	check "no portal: the relays are still there" relay_answers
	says "no portal: netcheck" 3 '^not ok +connection ' netcheck
}

# has_no FILE WORD ...
has_no() {
	local file=$1 word
	shift
	for word in "$@"; do
		is "${file##*/}: no $word" "$(grep -cF -- "$word" "$file")" 0
	done
}

test_debug() {
	local id
	id=$(ask clients -j | "$PYTHON" -c 'import json, sys
print(json.load(sys.stdin)["clients"][0]["client"])')
	says "debug" 0 "^$work/report$" debug -o "$work/report"
	check "debug: options" grep -q "^api-url $PORTAL_URL$" "$work/report"
	check "debug: clients" grep -q 'jane@acme.com' "$work/report"
	check "debug: checks" grep -q '"check":"nat"' "$work/report"
	check "debug: metrics" grep -q '^postern_' "$work/report"
	has_no "$work/report" $GATEWAY_TOKEN $USER_TOKEN $RELAY_SECRET
	says "debug, masked" 0 "^$work/masked$" debug --mask -o "$work/masked"
	check "debug, masked: clients" grep -q '"client":"client-1"' "$work/masked"
	has_no "$work/masked" $GATEWAY_TOKEN $USER_TOKEN $RELAY_SECRET "$id" \
	    jane corp.test $GATEWAY_ID 203.0.113. 192.168. 2001:db8 "$own"
}

# What is stuck is said to be.
test_stuck() {
	local net
	net=$(worker net-worker)
	kill -STOP "$net"
	says "a stuck net-worker" 2 'net-worker does not answer$' \
	    explain jane tcp $LAN4:80
	kill -CONT "$net"
	stop client
}

test_no_names() {
	stop gateway
	start_gateway --no-names
	start_client
	ping_lan 15 > /dev/null
	says "without names: clients" 0 '^[0-9a-f]{8} - +100\.' clients
	is "without names: the log" \
	    "$(grep -c 'authorized: ' "$work/gateway.log")" 0
	stop client
}

topology
printf '%s\n' "$LAN4 $NAME" "$LAN6 $NAME" > "/etc/netns/${prefix}gateway/hosts"
site > "$work/site.toml"
mkfifo "$work/commands"
start_relay
start_second_relay
start_portal
start_lan 1
start_gateway
test_nobody
start_client -c "$work/commands"
check "the client reaches the LAN" ping_lan 15
own=$(ask status -j | "$PYTHON" -c 'import json, sys
print(json.load(sys.stdin)["tunnel"]["ipv4"])')
test_explain
test_name
test_lists
test_restart
test_log
test_netcheck
test_debug
test_stuck
test_no_names
test_netcheck_without_portal
stop gateway
finish
