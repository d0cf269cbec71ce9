#!/bin/bash
# posternctl drain: no new clients, those that are there go on, and the daemon
# ends when there is none, at a deadline, or not at all after --cancel.

. "$(dirname "$0")/../lib/netns.sh"

# says EXPRESSION COMMAND ...
says() {
	local wanted=$1
	shift
	posternctl "$@" | grep -Eq -- "$wanted"
}

not() {
	! "$@"
}

# ready_is STATUS TEXT
ready_is() {
	[ "$(at gateway curl -s --max-time 5 -w '%{http_code}' \
	    http://127.0.0.1:8080/readyz | tr '\n' ' ')" = "$2 $1" ]
}

# ends NAME: with status 0, and all that was set up is taken back.
ends() {
	check "$1: it ends" await_exit gateway 30
	is "$1: exit status" "$exit_status" 0
	check "$1: the network is as before" \
	    not at gateway ip link show tun-firezone
}

topology
start_relay
start_portal
start_lan 1
start_gateway
start_client
check "a client" ping_lan 15
check "ready" wait_until 15 ready_is 200 ready

check "drain" says '^draining: 1 client is connected; .* 10m ' \
    drain --within 10m
check "the portal does not know us any more" wait_until 10 not gateway_online
check "not ready" ready_is 503 draining
check "status" says '^drain: 1 client is connected' status
check "status: the portal" says '^portal: left for ' status
check "the log" log_has 'INFO parent: an operator wants posternd to end'
check "the client goes on" ping_lan 5
mark=$(lines_of "$work/portal.log")
kill -KILL "$(worker control-worker)"
check "a new control-worker knows it" wait_until 20 says \
    '^drain: 1 client is connected' status
check "it looks in" wait_line 15 "$work/portal.log" 'gateway.*: joined' \
    "$mark"
check "and leaves" wait_until 10 not gateway_online
check "the client goes on" ping_lan 5

check "cancel" says '^not draining' drain --cancel
check "the portal knows us again" wait_until 15 gateway_online
check "ready again" wait_until 15 ready_is 200 ready
check "the client goes on" ping_lan 5

check "drain again" says '^draining: 1 client' drain
check "in an hour" says 'in (1h 0m|59m [0-9]+s) at the latest' status
stop client
ends "the last client has left"
check "the log says why" log_has 'ending: no client is connected any more'

start_gateway
start_client
check "another client" ping_lan 15
check "drain for a second" says '^draining: 1 client' drain --within 1s
ends "the time is over"
check "the client was told" wait_line 10 "$work/client.log" goodbye
stop client

start_gateway
check "drain, and SIGTERM" says '^draining: ' drain
stop gateway
is "SIGTERM: exit status" "$exit_status" 0
check "SIGTERM: the log" log_has 'ending on signal 15'
finish
