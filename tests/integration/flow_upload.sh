#!/bin/bash
# Flow logs of a whole daemon: what a client downloads comes to a server by TLS,
# once, also when control-worker or the daemon dies in between.

. "$(dirname "$0")/../lib/netns.sh"

INGEST=203.0.113.8

# A server's certificate by a CA that the gateway trusts.
certificate() {
	local ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	(cd "$work" &&
	    openssl req -x509 $ec -keyout ca.key -out ca.pem \
	        -subj "/CN=test CA" -days 2 &&
	    openssl req $ec -keyout ingest.key -out ingest.csr \
	        -subj "/CN=ingest" &&
	    echo "subjectAltName=IP:$INGEST" > ext &&
	    openssl x509 -req -in ingest.csr -CA ca.pem -CAkey ca.key \
	        -CAcreateserial -out ingest.pem -days 2 -extfile ext) \
	    > "$work/openssl" 2>&1 || die "openssl" "$work/openssl"
}

start_ingest() {
	spawn ingest portal "$PYTHON" \
	    "$NETNS_ROOT/tests/lib/ingest_server.py" $INGEST \
	    "$work/ingest.pem" "$work/ingest.key"
	wait_until 10 listens portal t 443 ||
		die "the server for flow logs does not start" "$work/ingest.log"
	cat "$work/ingest.log" >> "$work/stored"
}

# ended COUNT: so many flows of downloads have ended at the server.
ended() {
	[ "$(cat "$work/stored" "$work/ingest.log" | grep '"flow_end"' |
	    grep -c '"inner_dst_port": 80')" -ge "$1" ]
}

# Reports that were taken more than once.
twice() {
	sort "$work/stored" "$work/ingest.log" | uniq -d
}

waiting() {
	[ "$(ls "$work"/state/flow_logs/responder/*/*.reports | wc -l)" -ge "$1" ]
}

none_waits() {
	! ls "$work"/state/flow_logs/responder/*/*.reports > /dev/null 2>&1
}

# count_echoes: what the resource's interface sees of UDP port 7 from now on.
count_echoes() {
	at lan nft -f - <<-RULES
	table inet count {
		counter in { }
		counter out { }
		chain input {
			type filter hook input priority filter;
			udp dport 7 counter name in
		}
		chain output {
			type filter hook output priority filter;
			udp sport 7 counter name out
		}
	}
	RULES
}

# counted in|out: packets and bytes of payload, IPv4 and UDP headers taken off.
counted() {
	at lan nft list counter inet count "$1" |
	    awk '/packets/ { print $2, $4 - $2 * 28 }'
}

# send_echoes: 300 datagrams of every length, and their echoes, from one port.
send_echoes() {
	at client "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((sys.argv[1], 7))
for n in range(300):
    s.send(bytes(n * 4))
    assert len(s.recv(2000)) == n * 4
' $LAN4
}

# said FIELD: of the report about the flow to port 7.
said() {
	cat "$work/stored" "$work/ingest.log" | grep '"flow_end"' |
	    grep '"inner_dst_port": 7,' |
	    sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"
}

gateway() {
	start_gateway --ca-file "$work/ca.pem" --flow-logs
}

topology
certificate
: > "$work/stored"
: > "$work/ingest.log"
portal_configuration > "$work/site.toml"
cat >> "$work/site.toml" << TOML

[flow_logs]
api_url = "https://$INGEST/"
upload_interval_secs = 1
TOML
start_relay
start_portal
start_lan 1
start_ingest
gateway
start_client

check "a download" download $LAN4
check "its flow is at the server" wait_until 20 ended 1
report=$(grep '"flow_end"' "$work/ingest.log" | tail -n 1)
check "with the resource's address" \
    grep -q "\"inner_dst_ip\": \"$LAN4\"" <<< "$report"
check "with all bytes" test \
    "$(sed -n 's/.*"rx_bytes": \([0-9]*\).*/\1/p' <<< "$report")" -ge 1000000
check "its directory is empty again" wait_until 10 none_waits
check "the log has its start" \
    grep -q 'INFO .*TCP flow started: .*resource_name=' "$work/gateway.log"
check "the log has its end" \
    grep -q 'INFO .*TCP flow completed: .*rx_bytes=' "$work/gateway.log"
refuse "the log has no token" grep -q eyJ "$work/gateway.log"

# The server is away, and control-worker dies with what it has.
stop ingest
cat "$work/ingest.log" >> "$work/stored"
: > "$work/ingest.log"
check "a download without the server" download $LAN4
check "its flow waits" wait_until 20 waiting 1
mark=$(lines_of "$work/portal.log")
kill -KILL "$(worker control-worker)"
check "control-worker is replaced" wait_until 15 \
    line_after "$work/portal.log" 'gateway.*: joined' "$mark"
check "it waits still" waiting 1
stop client
stop gateway
is "exit status" "$exit_status" 0
check "it waits when the daemon has ended" waiting 1
start_ingest
gateway
check "the next daemon uploads it" wait_until 20 ended 2
check "nothing is left" wait_until 10 none_waits
is "nothing was stored twice" "$(twice)" ""

# What is still open when the daemon ends is told at its end, to the byte.
start_client
count_echoes
check "echoes" send_echoes
mark=$(lines_of "$work/gateway.log")
spawn slow client curl -s --limit-rate 100k -o /dev/null "$(url $LAN4)"
check "a long download has begun" \
    wait_line 15 "$work/gateway.log" 'TCP flow started' "$mark"
stop gateway
is "exit status with an open flow" "$exit_status" 0
check "the end of the flow is at the server" ended 3
is "as many packets and bytes as the interface saw, from the client" \
    "$(said tx_packets) $(said tx_bytes)" "$(counted in)"
is "as many packets and bytes as the interface saw, to the client" \
    "$(said rx_packets) $(said rx_bytes)" "$(counted out)"
is "none is missing" "$(counted in)" "300 $((4 * 299 * 300 / 2))"
check "nothing is left at the end" none_waits

stop slow

# Without a place for them there are no flow logs, but a gateway.
stop client
start_gateway --ca-file "$work/ca.pem" --state-dir /proc/nothing
check "a warning without a state directory" grep -q \
    'WARN .*cannot make /proc/nothing/flow_logs' "$work/gateway.log"
start_client
check "a download without flow logs" download $LAN4
stop gateway
is "exit status without flow logs" "$exit_status" 0
finish
