#!/bin/bash
# Client and gateway reach each other by relays only, and the one in use dies
# during a download, while both know another: after the portal has taken it away,
# and before it does. How long the download paused is printed.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/pauses.sh"

MEGABYTES=20

gateway_status() {
	posternctl status -w
}

# Which relays the two ends send by, as each says; the client's first.
used_relays() {
	{
		grep '^connected' "$work/client.log" | tail -n 1
		gateway_status | grep -E ' connected .*(relayed|direct)'
	} | grep -Eo '(203\.0\.113\.|2001:db8::)(9|11)\]?:[0-9]' |
	    sed -E 's/.*[.:](9|11)\]?:.*/\1/; s/^9$/relay/; s/^11$/relay2/' |
	    uniq
}

# presence NAME ...: of relays, which the portal tells 1 s later.
presence() {
	local names
	names=$(printf '"%s",' "$@")
	ctl "{\"cmd\":\"relays_presence\",\"online\":[${names%,}]}" > /dev/null
}

only_uses() {
	[ "$(used_relays)" = "$1" ]
}

# The gateway has so many allocations.
allocated() {
	[ "$(gateway_status | grep -c '^[^ ]* allocated ')" -eq "$1" ]
}

# restore NAME: as at the beginning.
restore() {
	if [ "$1" = relay ]; then
		start_relay
	else
		start_second_relay
	fi
	presence relay relay2
	wait_until 10 allocated 2 || die "no second relay"
}

# dies NAME taken-away|killed LIMIT-MS: what happens first.
dies() {
	local name=$1 victim other
	start_download
	check "$name: begins" wait_until 20 under_way 1
	victim=$(used_relays | head -n 1)
	echo "# $name: it is $victim of" $(used_relays)
	[ "$victim" = relay ] && other=relay2 || other=relay
	presence "$other"
	[ "$2" = killed ] || wait_until 10 only_uses "$other"
	stop "$victim" KILL
	ends_within "$name" "$3"
	check "$name: by the other one" wait_until 5 only_uses "$other"
	refuse "$name: no new connection" grep -q ^lost "$work/client.log"
	restore "$victim"
}

# both_ways MODE LIMIT-MS LIMIT-MS [CLIENT OPTION ...]
both_ways() {
	local mode=$1 taken_away=$2 killed=$3
	shift 3
	start_client "$@"
	check "$mode: ping" ping_lan 15
	dies "$mode, taken away" taken-away "$taken_away"
	dies "$mode, killed" killed "$killed"
	stop client
	is "$mode: the client's exit status" "$exit_status" 0
}

topology
block_direct
start_relay
start_second_relay
{
	portal_configuration | sed '/^\[site\]/a iceless = true'
	second_relay_configuration
} > "$work/site.toml"
start_portal
start_lan $MEGABYTES
start_gateway
both_ways "ICE" 5000 10000
# An end does not say that its relay was taken away: the other one knows it from
# the portal, too. Were it left to find out by what is sent in vain, that took 1 s
# and 1.5 s, and TCP would be silent for 3 s.
both_ways "without ICE" 10000 15000 --iceless
stop gateway
is "the gateway's exit status" "$exit_status" 0
finish
