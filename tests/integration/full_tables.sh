#!/bin/bash
# Full tables do not break what is in use: a client's busy connection goes on
# while the client assigns more names than a gateway keeps. What is idle makes
# room; where nothing is, the newest is refused, which is counted and said.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/names_site.sh"

NAMES=1024 # that a gateway keeps of a client
BEYOND=100 # names more than that
BATCH=32   # assignments on their way

# The names w0, w1, ... of one address, each with a proxy of its own.
many_names() {
	local i
	for ((i = 0; i < NAMES + BEYOND + 20; i++)); do
		echo "$LAN4 w$i.corp.test"
	done
}

proxy_of() {
	echo "100.97.$(($1 / 250)).$(($1 % 250 + 1))"
}

answers_are() {
	[ "$(grep -c '^name w' "$work/client.log")" -ge "$1" ]
}

# assign_many FIRST END: every one is answered.
assign_many() {
	local at i
	for ((at = $1; at < $2; at += BATCH)); do
		for ((i = at; i < at + BATCH && i < $2; i++)); do
			echo "assign corp w$i.corp.test $(proxy_of $i)"
		done > "$work/commands"
		wait_until 10 answers_are $i || return
		[ "$(still_at)" = $LAN4 ] || broken=$i
	done
}

# metric NAME: of a line of /metrics, with its labels.
metric() {
	at gateway curl -s -m 5 http://127.0.0.1:8080/metrics |
	    awk -v name="$1" 'substr($0, 1, length(name) + 1) == name " " {
		print substr($0, length(name) + 2)
	}'
}

names_refused() {
	metric 'postern_names_total{result="set-up failed"}'
}

test_idle_names_make_room() {
	broken=""
	check "$BEYOND names too many: each is answered" \
	    assign_many 0 $((NAMES + BEYOND))
	is "names too many: none is refused" \
	    "$(grep -c '^name w.* active$' "$work/client.log")" \
	    $((NAMES + BEYOND))
	is "names too many: the busy connection went on, until name" \
	    "$broken" ""
	is "names too many: the busy connection goes on" "$(still_at)" $LAN4
	is "names too many: its name takes new ones" \
	    "$(probe echo tcp "$(proxy4 0)")" same
	is "names too many: the newest" "$(where \
	    "$(proxy_of $((NAMES + BEYOND - 1)))")" $LAN4
	is "names too many: the oldest idle one gave way" \
	    "$(probe refusal tcp "$(proxy_of 0)" 7)" $PROHIBITED4
}

# The proxies of all names that are kept, but for the busy one.
kept_proxies() {
	local i
	for ((i = BEYOND + 1; i < NAMES + BEYOND; i++)); do
		proxy_of $i
	done
}

test_newest_name_is_refused() {
	local i first=$((NAMES + BEYOND)) end=$((NAMES + BEYOND + 20)) lines
	is "all names in use" "$(probe echoes $(kept_proxies))" \
	    $((NAMES - 1))
	check "all names in use: more are answered" assign_many $first $end
	is "all names in use: and refused" \
	    "$(grep -c '^name w.* inactive$' "$work/client.log")" 20
	is "all names in use: /metrics" "$(names_refused)" 20
	lines=$(grep -c 'name refused: too many names' "$work/gateway.log")
	check "all names in use: the log has it" [ "$lines" -ge 1 ]
	check "all names in use: not once for each" [ "$lines" -lt 20 ]
	is "all names in use: the busy connection goes on" \
	    "$broken$(still_at)" $LAN4
}

start_site
many_names >> "$work/names"
stop dnsmasq
start_dnsmasq
start_lan 1
start_named_client
assigned corp both.corp.test 0
start_staying "$(proxy4 0)"
is "the busy connection" "$(still_at)" $LAN4
test_idle_names_make_room
test_newest_name_is_refused
end_staying
finish
