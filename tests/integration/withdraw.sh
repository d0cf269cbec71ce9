#!/bin/bash
# --withdraw: while a server of the site does not answer, its resource is
# withdrawn: clients are told at once that it is unreachable, until it answers.

. "$(dirname "$0")/../lib/netns.sh"

# says EXPRESSION COMMAND ...
says() {
	local wanted=$1
	shift
	posternctl "$@" | grep -Eq -- "$wanted"
}

page_has() {
	at gateway curl -s --max-time 5 http://127.0.0.1:8080/metrics |
		grep -Eqx -- "$1"
}

# hears ADDRESS EXPRESSION: what a ping is told.
hears() {
	at client ping -c 1 -W 5 "$1" | grep -Eq "$2"
}

# fails_at_once ADDRESS: a connection does, long before its time is over.
fails_at_once() {
	local begin
	begin=$(now_ms)
	! at client curl -s -m 60 -o /dev/null "$(url "$1")" &&
		[ $(($(now_ms) - begin)) -lt 30000 ]
}

topology
start_relay
start_portal
# Nobody answers at port 80 of the LAN before start_lan.
start_gateway --withdraw --probe "$LAN4:80,[$LAN6]:80" --probe-interval 10s
start_client
check "before it is known" ping_lan 15
check "it is withdrawn" wait_until 40 says "^$LAN4:80 +withdrawn" status
check "the log: control-worker" log_has \
    "WARN control-worker: the server $LAN4:80 does not answer"
check "the log: net-worker" wait_until 10 log_has \
    'INFO net-worker: [12] of 2 servers are silent: resources'
check "a ping" wait_until 10 hears $LAN4 'Destination Net Unreachable'
check "a ping by IPv6" wait_until 10 hears $LAN6 'Address unreachable'
check "a connection" fails_at_once $LAN4
check "explain" says '^denied: .*: the servers of lan4 do not answer$' \
    explain jane tcp $LAN4:80
check "explain: the client is told" says 'answer +the client is told by an ICMP' \
    explain jane tcp $LAN4:80
check "the resource" says '"withdrawn":true' -j resources
check "a metric" page_has "postern_probe_withdrawn\{server=\"$LAN4:80\"\} 1"
check "and of packets" page_has \
    'postern_refused_total.*"from client",reason="withdrawn"\} [1-9][0-9]*'
start_lan 1
check "it is there again" wait_until 40 says "^$LAN4:80 +answers" status
check "a ping passes" wait_until 15 ping_lan 5
check "a download" download $LAN4
check "explain says so" says '^allowed: ' explain jane tcp $LAN4:80
finish
