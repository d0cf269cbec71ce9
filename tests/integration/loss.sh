#!/bin/bash
# A fifth of what comes to either router from outside is lost, the portal's and
# the relay's as well: connections come about and last, and what is downloaded is
# right, directly and relayed, with and without ICE.

. "$(dirname "$0")/../lib/netns.sh"

MEGABYTES=2

# lossy SPACE PERCENT: of what comes from outside. Not by netem, which a kernel
# need not have.
lossy() {
	at "$1" nft -f - <<-RULES
	table netdev loss {
		chain ingress {
			type filter hook ingress device wan priority 0
			meta l4proto { tcp, udp } numgen random mod 100 < $2 drop
		}
	}
	RULES
}

# echoes ADDRESS COUNT: at least so many of 50 datagrams come back as they were.
echoes() {
	at client "$PYTHON" - "$1" "$2" <<-'PROGRAM'
	import os, socket, sys
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	sock.connect((sys.argv[1], 7))
	sock.settimeout(0.1)
	right = 0
	for n in range(50):
	    data = os.urandom(1000)
	    sock.send(data)
	    try:
	        while (answer := sock.recv(2048)) != data:
	            assert len(answer) == len(data)
	        right += 1
	    except TimeoutError:
	        pass
	print(right)
	sys.exit(right < int(sys.argv[2]))
	PROGRAM
}

# through NAME PATH [CLIENT OPTION ...]
through() {
	local name=$1 path=$2
	shift 2
	start_client "$@"
	check "$name: ping" wait_until 45 ping_lan
	check "$name: download" download $LAN4
	echo "# $name: $bytes bytes in $seconds s"
	check "$name: the path" wait_until 20 path_is "$path"
	# 32 are to be expected.
	check "$name: datagrams" echoes $LAN4 15
	refuse "$name: the connection is kept" grep -q ^lost \
	    "$work/client.log"
	stop client
}

topology
start_relay
portal_configuration | sed '/^\[site\]/a iceless = true' > "$work/site.toml"
start_portal
start_lan $MEGABYTES
start_gateway
lossy home 20
lossy office 20
# Each datagram for itself.
ip -n "${prefix}gateway" link set eth0 gso_max_segs 1
ip -n "${prefix}client" link set eth0 gso_max_segs 1
through "ICE" direct
through "without ICE" direct --iceless
block_direct
through "ICE, relayed" relayed
through "without ICE, relayed" relayed --iceless
stop gateway
finish
