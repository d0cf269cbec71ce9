#!/bin/bash
# A worker cannot take the machine's memory, and when memory is short anyway it
# is not the parent that is ended.

. "$(dirname "$0")/../lib/netns.sh"

score() {
	cat "/proc/$1/oom_score_adj"
}

# address_space PROCESS: its limit in bytes; nothing where there is none.
address_space() {
	sed -nE 's/^Max address space +([0-9]+) .*/\1/p' "/proc/$1/limits"
}

# bounded NAME PROCESS MOST
bounded() {
	local limit
	limit=$(address_space "$2")
	limit=$((${limit:-0} / 1048576))
	if [ "$limit" -ge 1024 ] && [ "$limit" -le "$3" ]; then
		ok "$1: its memory is bounded ($limit MiB)"
	else
		not_ok "$1: its memory is bounded" "$limit"
	fi
}

replaced() {
	local now
	now=$(worker "$1") && [ -n "$now" ] && [ "$now" != "$2" ]
}


test_scores() {
	is "$1: the parent is spared" "$(score "${pid[gateway]}")" "$spared"
	is "$1: net-worker is not" "$(score "$(worker net-worker)")" "$before"
	is "$1: control-worker is not" \
	    "$(score "$(worker control-worker)")" "$before"
	bounded "$1: net-worker" "$(worker net-worker)" 32768
	bounded "$1: control-worker" "$(worker control-worker)" 1024
}

topology
start_relay
start_portal
before=$(score self)
# Not everybody who is root may spare a process: containers often may not.
spared=$(sh -c 'echo -900 > /proc/self/oom_score_adj
    cat /proc/self/oom_score_adj' 2> /dev/null)
start_gateway
test_scores "at start"
old=$(worker net-worker)
kill -KILL "$old" "$(worker control-worker)"
check "both killed: replaced" wait_until 10 replaced net-worker "$old"
check "both killed: online again" wait_until 20 gateway_online
check "both killed: both there" wait_until 20 worker control-worker
test_scores "both killed"
finish
