#!/bin/bash
# Segmentation that the kernel refuses while data flow: nothing is lost, they go
# one by one, and what is refused no more is used again. At the UDP socket with
# EINVAL it is the kernel itself that refuses; at the TUN, and with EIO, what
# stands in for it (refusing_kernel.c).

. "$(dirname "$0")/../lib/netns.sh"
. "$NETNS_ROOT/tests/lib/refusing_kernel.sh"

MEGABYTES=20
RATE=4M         # of the download during which it is refused
UPLOAD=4000000  # octets, to the echo and back
DATAGRAMS=242   # of the bursts that probe.py sends
PAUSE_S=10      # until it is tried again, and as much more if too soon
NARROW=1300     # octets that the WAN carries: too few for
LONG=1252       # what an echo request with so many becomes in the tunnel

no_checksum() {
	"$PYTHON" "$NETNS_ROOT/tests/integration/no_checksum.py" \
	    "$(worker net-worker)" "$1"
}

says() {
	local line
	line=$(posternctl status |
	    sed -n 's/^segmentation: //p')
	[[ $line =~ ^$1$ ]] || {
		echo "$line"
		return 1
	}
}

# refused WHAT: how often.
refused() {
	at gateway curl -s -m 5 http://127.0.0.1:8080/metrics | sed -n \
	    "s/^postern_segmentation_refused_total{what=\"$1\"} //p"
}

is_refused_at() {
	[ "$(refused udp)" -gt "$1" ] && [ "$(refused tun)" -gt "$2" ]
}

echoes() {
	local came
	came=$(at client "$PYTHON" "$NETNS_ROOT/tests/lib/probe.py" \
	    upload $LAN4 $UPLOAD)
	echo "$came"
	[[ $came == same* ]]
}

# packets_at_tun: of them and of super-packets that the gateway has written.
packets_at_tun() {
	at gateway cat /sys/class/net/tun-firezone/statistics/rx_packets
}

# datagrams_pass CASE glued|apart: all of them, with their bounds and in order.
datagrams_pass() {
	local address before came written
	for address in $LAN4 $LAN6; do
		# Who waits for a neighbour is not kept in any number.
		check "$1: $address is there" wait_until 10 \
		    at client ping -nc 1 -W 1 $address
		before=$(packets_at_tun)
		came=$(at client "$PYTHON" "$NETNS_ROOT/tests/lib/probe.py" \
		    bursts $address)
		is "$1: bursts to $address" "$came" "same $DATAGRAMS"
		written=$(($(packets_at_tun) - before))
		check "$1: $DATAGRAMS datagrams in $written packets" \
		    "packets_$2" "$written"
	done
}

packets_glued() {
	[ "$1" -lt $((DATAGRAMS / 4)) ]
}

packets_apart() {
	[ "$1" -ge $DATAGRAMS ]
}

# The download has got somewhere.
is_flowing() {
	[ "$(stat -c %s "$work/download")" -gt 1000000 ]
}

# start_download: in the background, as long as it takes.
start_download() {
	rm -f "$work/download"
	download $LAN4 --limit-rate $RATE > "$work/download.out" &
	pid[download]=$!
	check "$1: a download" wait_until 10 is_flowing
}

ends_well() {
	wait "${pid[download]}"
	exit_status=$?
	unset "pid[download]"
	is "$1: the download is whole" "$exit_status" 0
}

# refused_and_used_again CASE BEGIN END STATUS
refused_and_used_again() {
	local name=$1 begin=$2 end=$3 wanted=$4 udp tun
	udp=$(refused udp) tun=$(refused tun)
	start_download "$name"
	check "$name: begins" eval "$begin"
	check "$name: an echo during it" echoes
	check "$name: /metrics" wait_until 5 is_refused_at "$udp" "$tun"
	check "$name: posternctl" wait_until 5 says "$wanted" ||
		says "$wanted" | sed 's/^/#   /'
	ends_well "$name"
	check "$name: ends" eval "$end"
	check "$name: in use again" wait_until $((2 * PAUSE_S + 5)) says "$USED"
	udp=$(refused udp) tun=$(refused tun)
	check "$name: a download after it" download $LAN4
	check "$name: an echo after it" echoes
	is "$name: refused no more" "$(refused udp) $(refused tun)" "$udp $tun"
	check "$name: still in use" says "$USED"
}

# Then nothing can be sent, cut or not: that is none of the offload.
test_narrow_wan() {
	local udp
	udp=$(refused udp)
	start_download "a narrow WAN"
	ip -n "${prefix}gateway" link set eth0 mtu $NARROW
	refuse "a narrow WAN: what is long does not go" \
	    at client ping -c 1 -W 2 -q -s $LONG $LAN4
	ip -n "${prefix}gateway" link set eth0 mtu 1500
	ends_well "a narrow WAN"
	is "a narrow WAN: not counted" "$(refused udp)" "$udp"
	check "a narrow WAN: in use" says "$USED"
}

# Segments of TCP are glued as before.
test_refused_datagrams() {
	local tun
	tun=$(refused tun)
	refuse_at 3
	datagrams_pass "no UDP at the TUN" apart
	check "no UDP at the TUN: posternctl" wait_until 5 says \
	    "UDP IPv4 in use, IPv6 in use, TUN refused"
	check "no UDP at the TUN: counted" [ "$(refused tun)" -gt "$tun" ]
	tun=$(refused tun)
	check "no UDP at the TUN: an echo" echoes
	is "no UDP at the TUN: of TCP nothing" "$(refused tun)" "$tun"
	refuse_at 0
	check "no UDP at the TUN: in use again" \
	    wait_until $((2 * PAUSE_S + 5)) datagrams_again
	check "no UDP at the TUN: posternctl after it" wait_until 5 says "$USED"
}

# It is tried with the next burst only.
datagrams_again() {
	local before
	before=$(packets_at_tun)
	at client "$PYTHON" "$NETNS_ROOT/tests/lib/probe.py" bursts $LAN4
	packets_glued $(($(packets_at_tun) - before))
}

# It says so when the TUN is set up: it is not even tried.
test_old_kernel() {
	stop client
	stop gateway
	refuse_at 4
	start_gateway
	start_client -4
	check "before Linux 6.2: the log" \
	    grep -q "offload for TCP only" "$work/gateway.log"
	datagrams_pass "before Linux 6.2" apart
	check "before Linux 6.2: a download" download $LAN4
	check "before Linux 6.2: an echo" echoes
	is "before Linux 6.2: refused" "$(refused tun)" 0
	check "before Linux 6.2: in use" wait_until 5 says "$USED"
}

USED="UDP IPv4 in use, IPv6 in use, TUN in use"

topology
copy_program
start_relay
start_portal
start_lan $MEGABYTES
start_gateway
start_client -4
check "before: a download" download $LAN4
check "before: an echo" echoes
check "before: in use" wait_until 5 says "$USED"
is "before: nothing is refused" "$(refused udp) $(refused tun)" "0 0"
refused_and_used_again EINVAL "refuse_at 1 && no_checksum 1" \
    "refuse_at 0 && no_checksum 0" \
    "UDP IPv4 in use, IPv6 in use, TUN refused; refused for [1-9] destinations"
refused_and_used_again EIO "refuse_at 2" "refuse_at 0" \
    "UDP IPv4 refused, IPv6 (in use|refused), TUN refused" # as relays are asked
lines=$(grep -c 'the kernel refuses joined packets' "$work/gateway.log")
check "lines about it: $lines" [ "$lines" -ge 2 -a "$lines" -le 4 ]
test_narrow_wan
if grep -q "offload for TCP only" "$work/gateway.log"; then
	datagrams_pass "this kernel" apart
else
	datagrams_pass "this kernel" glued
	test_refused_datagrams
fi
test_old_kernel
finish
