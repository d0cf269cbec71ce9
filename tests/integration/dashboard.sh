#!/bin/bash
# contrib/grafana/postern.json: every query of it has an answer, by Prometheus'
# own tool and what a gateway with a client shows at /metrics.

. "$(dirname "$0")/../lib/netns.sh"

[ -n "$(command -v promtool)" ] || { echo "there is no promtool"; exit 77; }
pages=()

page() {
	at gateway curl -s --max-time 5 http://127.0.0.1:8080/metrics
}

page_has() {
	page | grep -Eq "$1"
}

keep_page() {
	pages+=("$work/page.${#pages[@]}")
	page > "${pages[-1]}"
}

use_it() {
	ping_lan 5
	at client curl -s -m 5 -o /dev/null "http://$LAN4:81/" # refused
	at client dig +time=2 +tries=1 -p 53535 "@$own" srv.test SRV
} > /dev/null 2>&1

# answers DASHBOARD: whether all of it have one.
answers() {
	"$PYTHON" "$NETNS_ROOT/tests/lib/dashboard_queries.py" "$1" \
	    "${pages[@]}" > "$work/queries.yml" &&
	    promtool test rules "$work/queries.yml"
}

topology
start_relay
start_portal
start_lan 1
launch_gateway --flow-log "file:$work/flows" --metrics-names \
    --probe $LAN4:80 --withdraw
wait_until 15 page_has '^postern_build_info'
keep_page # before a relay has answered
wait_until 20 page_has '^postern_ready 1'
start_client
check "a client" wait_until 15 ping_lan
own=$(at gateway ip -4 -o address show dev tun-firezone |
    sed -nE 's/.* inet ([0-9.]+).*/\1/p')
wait_until 10 page_has '^postern_per_client_bytes_total'
keep_page
for _ in 1 2 3; do
	use_it
	keep_page
done
dashboard=$NETNS_ROOT/contrib/grafana/postern.json
check "all queries have an answer" answers "$dashboard"
sed 's/postern_clients{/postern_customers{/' "$dashboard" > "$work/other.json"
refuse "not one of a metric that there is not" answers "$work/other.json"
sed 's/, postern_client_info{/, 0 * postern_client_info{client="x",/' \
    "$dashboard" > "$work/other.json"
refuse "not without the names that a query joins" answers "$work/other.json"
finish
