#!/bin/bash
# Servers of the site that posternd looks after (--probe): what status, the
# metrics, the log and /readyz say of one that answers, and of one that does not
# and then does.

. "$(dirname "$0")/../lib/netns.sh"

# says EXPRESSION [OPTION ...]: what status has.
says() {
	local wanted=$1
	shift
	posternctl "$@" status |
	    grep -Eq "$wanted"
}

page() {
	at gateway curl -s --max-time 5 "http://127.0.0.1:8080/$1"
}

page_has() {
	page "$1" | grep -Fqx "$2"
}

ready_is() {
	[ "$(at gateway curl -s -o "$work/page" -w '%{http_code}' \
	    --max-time 5 http://127.0.0.1:8080/readyz)" = "$1" ]
}

topology
start_lan 1
start_relay
start_portal
start_gateway --probe "$LAN4:80,[$LAN6]:80,$LAN4:81" --probe-interval 10s \
    --probe-needed
check "one answers" wait_until 10 says "^$LAN4:80 +answers"
check "one by IPv6" wait_until 10 says "^\\[$LAN6\\]:80 +answers"
check "one attempt that fails is no news" says "^$LAN4:81 +- "
check "and does not keep us from being ready" wait_until 10 ready_is 200
check "a second one is" wait_until 30 says \
    "^$LAN4:81 +silent.*Connection refused"
check "the log says so" wait_until 5 log_has \
    "WARN control-worker: the server $LAN4:81 does not answer"
check "not ready" wait_until 5 ready_is 503
check "/readyz says why" grep -q "a server of --probe does not answer" \
    "$work/page"
check "JSON" says "\"server\":\"$LAN4:81\",\"answers\":false" --json
check "metrics: it answers" page_has metrics \
    "postern_probe_answers{server=\"$LAN4:80\"} 1"
check "metrics: it does not" page_has metrics \
    "postern_probe_answers{server=\"$LAN4:81\"} 0"
spawn server lan "$PYTHON" -m http.server 81
check "it comes" wait_until 30 says "^$LAN4:81 +answers"
check "the log says that" wait_until 5 log_has \
    "INFO control-worker: the server $LAN4:81 answers again"
check "ready again" wait_until 5 ready_is 200
finish
