#!/bin/bash
# kill -9 of posternd, which somebody starts again, and of net-worker, during a
# download: when the next byte comes, with ICE and without. It is the client that
# notices, by its own rules: 16.5 s, and 7 s and 90 s.
#
#	killed.sh [posternd|net-worker ICE|ICE-less]
#
# Without arguments all four are played at once, since they mostly wait.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pauses.sh"

MEGABYTES=15
# ms; what the reference needs is 18000 and 97000.
declare -A limit=([ICE]=25000 [ICE-less]=105000)

kill_victim() {
	if [ "$1" = posternd ]; then
		stop gateway KILL
		launch_gateway
	else
		kill -KILL "$(worker net-worker)"
	fi
}

play() {
	local name="$1, $2" silence
	topology
	start_relay
	portal_configuration | sed '/^\[site\]/a iceless = true' \
	    > "$work/site.toml"
	start_portal
	start_lan $MEGABYTES
	start_gateway
	if [ "$2" = ICE ]; then
		start_client
	else
		start_client --iceless
	fi
	check "$name: ping" ping_lan 10
	start_pauses
	start_download
	check "$name: a download begins" wait_until 20 under_way 2
	pause > /dev/null
	kill_victim "$1"
	check "$name: the client connects anew" \
	    wait_line $((${limit[$2]} / 1000)) "$work/client.log" '^lost'
	check "$name: echoes come again" wait_until 30 ping_lan
	silence=$(pause)
	echo "# $name: the next byte came after $silence ms"
	check "$name: within ${limit[$2]} ms" [ "$silence" -le "${limit[$2]}" ]
	stop pauses
	if [ "$name" = "net-worker, ICE" ]; then
		# TCP tries again after twice the time at the latest.
		ends_within "$name" $((${limit[$2]} * 2))
	else
		# Without posternd and its masquerade the kernel answers for who
		# is behind it: streams are reset. Without ICE TCP waits long.
		stop download
		check "$name: another download" download $LAN4
	fi
	stop client
	stop gateway
	is "$name: the gateway's exit status" "$exit_status" 0
}

[ $# -eq 2 ] || play_at_once "posternd ICE" "posternd ICE-less" \
    "net-worker ICE" "net-worker ICE-less"
play "$1" "$2"
finish
