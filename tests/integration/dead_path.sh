#!/bin/bash
# The direct path dies without a word: a firewall between the routers begins to
# drop it, and both ends keep their addresses and relays. How long a client with
# steady traffic waits for the next byte is printed, with and without ICE and
# the portal; and that the direct path is used again, without a gap, once it
# lives.

. "$(dirname "$0")/../lib/netns.sh"

# Datagrams to the LAN, 20 a second; when each came back is its output.
write_steady() {
	cat > "$work/steady.py" <<-'PROGRAM'
	import select, socket, sys, time
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	sock.connect((sys.argv[1], 7))
	due = time.time()
	while True:
	    left = due - time.time()
	    if left <= 0:
	        sock.send(b"steady")
	        due += 0.05
	    elif select.select([sock], [], [], left)[0]:
	        sock.recv(2048)
	        print(int(time.time() * 1000), flush=True)
	PROGRAM
}

# When the first datagram came that was not on its way at the time.
first_after() {
	awk -v t=$(($1 + 200)) '$1 > t { print $1; exit }' "$work/steady.log"
}

has_after() {
	[ -n "$(first_after "$1")" ]
}

# pause_after TIME LIMIT-MS: prints how long nothing came.
pause_after() {
	wait_until 60 has_after "$1" || return
	pause=$(($(first_after "$1") - $1))
	echo "next byte after $pause ms"
	[ $pause -le "$2" ]
}

# gap_since TIME LIMIT-MS: the longest time without a datagram since then.
gap_since() {
	gap=$(awk -v t="$1" '$1 < t { last = $1; next }
	    last && $1 - last > gap { gap = $1 - last } { last = $1 }
	    END { print gap + 0 }' "$work/steady.log")
	echo "the longest gap: $gap ms"
	[ "$gap" -gt 0 ] && [ "$gap" -le "$2" ]
}

# dies NAME LIMIT-MS
dies() {
	local since
	check "$1: direct at first" wait_until 10 path_is direct
	since=$(now_ms)
	wait_until 5 has_after "$since"
	block_direct
	since=$(now_ms)
	check "$1: traffic goes on" pause_after "$since" "$2"
	echo "# $1: the next byte came after $pause ms"
	check "$1: by the relay" wait_until 5 path_is relayed
}

# lives NAME
lives() {
	local since
	since=$(now_ms)
	allow_direct
	check "$1: direct again" wait_until 60 path_is direct
	wait_until 5 has_after "$(now_ms)"
	check "$1: without a gap" gap_since "$since" 500
	echo "# $1: the longest gap was $gap ms"
	refuse "$1: without a new connection" grep -q ^lost "$work/client.log"
}

# both MODE [CLIENT OPTION ...]
both() {
	local mode=$1
	shift
	start_client "$@"
	check "$mode: a packet passes" wait_until 10 ping_lan
	spawn steady client "$PYTHON" "$work/steady.py" $LAN4
	dies "$mode, with the portal" 5000
	lives "$mode, with the portal"
	# It is there, and deaf.
	kill -STOP "${pid[portal]}"
	# By the client's own rules 16 to 18 s; a busy machine may need more.
	dies "$mode, without the portal" 21000
	kill -CONT "${pid[portal]}"
	lives "$mode, without the portal"
	stop steady
	stop client
}

topology
start_relay
portal_configuration | sed '/^\[site\]/a iceless = true' > "$work/site.toml"
start_portal
start_lan 1
start_gateway
write_steady
both ICE
both "without ICE" --iceless
finish
