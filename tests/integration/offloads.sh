#!/bin/bash
# Segmentation that the kernel refuses while data flow: nothing is lost, they go
# one by one, and what is refused no more is used again. At the UDP socket with
# EINVAL it is the kernel itself that refuses; at the TUN, and with EIO, what
# stands in for it (refusing_kernel.c).

. "$(dirname "$0")/../lib/netns.sh"

: "${POSTERNCTL:=$BUILD/parent/posternctl}"
MEGABYTES=20
RATE=4M         # of the download during which it is refused
UPLOAD=4000000  # octets, to the echo and back
PAUSE_S=10      # until it is tried again, and as much more if too soon
NARROW=1300     # octets that the WAN carries: too few for
LONG=1252       # what an echo request with so many becomes in the tunnel

copy_program() {
	mkdir "$work/bin"
	chmod 755 "$work/bin"
	cp "$BUILD/tests/integration/posternd-refusing" "$work/bin/posternd"
	refuse_at 0
	POSTERND=$work/bin/posternd
}

# refuse_at WHAT: see refusing_kernel.c. In place, as the file is mapped.
refuse_at() {
	printf %s "$1" 1<> "$work/bin/posternd.refuse"
}

no_checksum() {
	"$PYTHON" "$NETNS_ROOT/tests/integration/no_checksum.py" \
	    "$(worker net-worker)" "$1"
}

says() {
	local line
	line=$("$POSTERNCTL" -s "$work/ctl.sock" status |
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
    "UDP IPv4 refused, IPv6 in use, TUN refused"
lines=$(grep -c 'the kernel refuses joined packets' "$work/gateway.log")
check "lines about it: $lines" [ "$lines" -ge 2 -a "$lines" -le 4 ]
test_narrow_wan
finish
