#!/bin/bash
# The test client without ICE against a gateway that was not made of its parts.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pauses.sh"

# The gateway handles a packet in some 100 us of Python.
MEGABYTES=3

start_iceless_gateway() {
	FIREZONE_TOKEN=$GATEWAY_TOKEN spawn gateway gateway "$PYTHON" \
	    "$NETNS_ROOT/tests/integration/iceless_gateway.py" \
	    "$PORTAL_URL" $GATEWAY_ID
	wait_until 15 gateway_online ||
		die "the gateway does not come online" "$work/gateway.log"
}

# run_client WANTED OPTION ...
run_client() {
	local wanted=$1
	shift
	start_client -4 --iceless "$@"
	check "$wanted: ping" at client ping -c 1 -W 10 -q $LAN4
	check "$wanted: the path" wait_until 5 path_is "$wanted"
	check "$wanted: download over IPv4" download $LAN4
	check "$wanted: download over IPv6" download $LAN6
	check "$wanted: the path is kept" path_is "$wanted"
}

# Another address, another port in the router: key and session stay.
test_roaming() {
	local mark silence
	start_pauses
	mark=$(lines_of "$work/client.log")
	ip -n "${prefix}client" address add 192.168.1.3/24 dev eth0
	pause > /dev/null
	echo "roam 192.168.1.3" > "$work/commands"
	check "roaming: a path from the new address" wait_line 10 \
	    "$work/client.log" '^connected direct 192\.168\.1\.3:' "$mark"
	check "roaming: download" download $LAN4
	silence=$(pause)
	echo "# a pause of $silence ms"
	check "roaming: at most a second without traffic" \
	    [ "$silence" -le 1000 ]
	refuse "roaming: no new session" line_after "$work/client.log" \
	    '^(lost|handshake|rekey)' "$mark"
	stop pauses
}

topology
start_relay
portal_configuration | sed '/^\[site\]/a iceless = true' > "$work/site.toml"
start_portal
start_lan $MEGABYTES
start_iceless_gateway
mkfifo "$work/commands"
run_client direct -c "$work/commands"
test_roaming
stop client
run_client relayed --relay-only
stop client
refuse "the gateway took all lines" grep -q ^refused "$work/gateway.log"
finish
