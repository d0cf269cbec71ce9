#!/bin/bash
# Clients on every thread of the net-worker at once, both ways, with a kernel
# that steers datagrams and packets to them and with one that does not
# (refusing_kernel.c): then they are passed on between threads, and few are lost.
# And what becomes of them when the net-worker is killed, or the gateway ended,
# under load.

. "$(dirname "$0")/../lib/netns.sh"
. "$NETNS_ROOT/tests/lib/refusing_kernel.sh"

THREADS=4
CLIENTS=4
MEGABYTES=4
UPLOAD=1000000 # octets, to the echo and back
RATE=500k      # of downloads under which something happens
FEW=100        # in 10 000: strays with steering, and lost ones
FULL=500       # in 10 000: lost without, of bursts longer than a ring

# add_clients: each at the internet by itself.
add_clients() {
	local n
	for n in $(seq $CLIENTS); do
		plug "c$n" eth0 "203.0.113.$((30 + n))" "2001:db8::3$n"
	done
}

start_clients() {
	local n
	for n in $(seq $CLIENTS); do
		FIREZONE_TOKEN=$USER_TOKEN spawn "c$n" "c$n" "$TEST_CLIENT" -v \
		    -i "client-$n" -l "203.0.113.$((30 + n))" -4 "$PORTAL_URL"
	done
	for n in $(seq $CLIENTS); do
		wait_line 15 "$work/c$n.log" '^ready ' ||
			die "client $n does not start" "$work/c$n.log"
		check "$1: client $n" wait_until 20 reaches "$n"
	done
}

stop_clients() {
	local n
	for n in $(seq $CLIENTS); do
		stop "c$n"
	done
}

reaches() {
	at "c$1" ping -c 1 -W 1 -q $LAN4
}

# fetch CLIENT [CURL OPTION ...]
fetch() {
	local n=$1
	shift
	[ "$(at "c$n" curl -s --connect-timeout 15 --max-time 90 "$@" \
	    "$(url $LAN4)" | sha256sum | cut -d ' ' -f 1)" = "$file_hash" ]
}

echoes() {
	[[ $(at "c$1" "$PYTHON" "$NETNS_ROOT/tests/lib/probe.py" \
	    upload $LAN4 $UPLOAD) == same* ]]
}

# all_at_once CASE: every client loads down and up at the same time.
all_at_once() {
	local n
	local -A jobs
	for n in $(seq $CLIENTS); do
		fetch "$n" &
		jobs["client $n: a download"]=$!
		echoes "$n" &
		jobs["client $n: an echo"]=$!
	done
	for n in "${!jobs[@]}"; do
		check "$1: $n" wait "${jobs[$n]}"
	done
}

# metric SERIES: its value.
metric() {
	at gateway curl -s -m 5 http://127.0.0.1:8080/metrics | sed -n \
	    "s/^postern_$1 //p"
}

strays() {
	metric 'strays_total{what="udp"}'
}

received() {
	metric 'udp_datagrams_total{direction="received"}'
}

# test_steering on|off
test_steering() {
	local came of lost few=$FEW
	start_gateway --threads $THREADS
	if [ "$1" = off ]; then
		check "$1: the log" grep -q \
		    'takes no program for the sockets of a port' \
		    "$work/gateway.log"
		check "$1: the log, of the TUN" grep -q \
		    'takes no program for its queues' "$work/gateway.log"
	else
		refuse "$1: the log" grep -q 'takes no program' \
		    "$work/gateway.log"
	fi
	start_clients "steering $1"
	all_at_once "steering $1"
	came=$(strays) of=$(received)
	if [ "$1" = off ]; then
		few=$FULL
		check "steering off: $came strays of $of datagrams" \
		    [ $((came * 10)) -gt "$of" ]
	else
		check "steering on: $came strays of $of datagrams" \
		    [ $((came * 10000)) -le $((of * FEW)) ]
	fi
	lost=$(metric strays_lost_total)
	check "steering $1: $lost of them lost" \
	    [ $((lost * 10000)) -le $((of * few)) ]
}

# Downloads that go on while something happens.
start_load() {
	local n
	for n in $(seq $CLIENTS); do
		spawn "load$n" "c$n" curl -s --limit-rate $RATE -m 120 \
		    -o "$work/load$n.file" "$(url $LAN4)"
	done
	for n in $(seq $CLIENTS); do
		check "$1: client $n loads" wait_until 15 is_loading "$n"
	done
}

is_loading() {
	[ "$(stat -c %s "$work/load$1.file")" -gt 100000 ]
}

stop_load() {
	local n
	for n in $(seq $CLIENTS); do
		stop "load$n" KILL
		rm -f "$work/load$n.file"
	done
}

another_net_worker() {
	local p
	p=$(worker net-worker)
	[ -n "$p" ] && [ "$p" != "$1" ]
}

test_killed_under_load() {
	local net n
	net=$(worker net-worker)
	start_load "killed"
	kill -KILL "$net"
	check "killed: another net-worker" \
	    wait_until 10 another_net_worker "$net"
	for n in $(seq $CLIENTS); do
		check "killed: client $n is back" wait_until 40 reaches "$n"
	done
	stop_load
	all_at_once "after it"
}

test_ended_under_load() {
	local n
	start_load "ended"
	stop gateway
	is "ended: exit status" "$exit_status" 0
	for n in $(seq $CLIENTS); do
		check "ended: client $n gets a goodbye" \
		    wait_line 5 "$work/c$n.log" '^goodbye'
	done
	stop_load
	stop_clients
}

for n in $(seq $CLIENTS); do
	spaces="$spaces c$n"
done
topology
add_clients
copy_program
start_relay
start_portal
start_lan $MEGABYTES
test_steering on
test_killed_under_load
test_ended_under_load
refuse_at 5
test_steering off
test_ended_under_load
finish
