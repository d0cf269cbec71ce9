#!/bin/bash
# The scenarios of every day in each generation of the protocol: a portal and a
# client of that time, and the gateway as one of that time.
#
#	generations.sh [GENERATION ...]
#
# At its end it prints what works in which generation. What clients of a
# generation did otherwise from release to release is in releases.sh.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/names_site.sh"
. "$(dirname "$0")/../lib/scenarios.sh"

MEGABYTES=5
SPARE=10.40.0.12 # a resource that nobody asks for
BRIEF=10.40.0.11 # and one that lasts for some seconds
BRIEF_S=4
INTERNET4=203.0.113.1
INTERNET6=2001:db8::1

# --- The three ends -----------------------------------------------------------

site_configuration() {
	portal_configuration | sed 's|"udp/7", |&"tcp/17", |'
	resource corp dns '**.corp.test' $services
	resource spare cidr $SPARE/32
	resource brief cidr $BRIEF/32 | sed '/^users/a lasts = '$BRIEF_S
	cat <<-TOML

	[[resources]]
	type = "internet"

	[[policies]]
	resource = "Internet"
	users = ["jane"]
	TOML
}

# begin [LINE-OF-ERA ...]: a portal that knows nobody, and a gateway.
begin() {
	start_over
	{
		site_configuration
		era "$generation" "$@"
	} > "$work/site.toml"
	start_portal
	start_gateway_of_time
}

start_gateway_of_time() {
	start_gateway --portal-generation "$generation"
}

# start_client_of_time [OPTION ...]
start_client_of_time() {
	start_named_client --generation "$generation" "$@"
}

# own4: the client's address in the tunnel.
own4() {
	sed -n 's/^ready \([^ ]*\) .*/\1/p' "$work/client.log" | tail -n 1
}

# --- Scenarios ----------------------------------------------------------------

test_download() {
	checked "ping" wait_until 10 ping_lan
	checked "download over IPv4" download $LAN4
	checked "download over IPv6" download $LAN6
	same "UDP echo" "$(probe echo udp $LAN4)" same
	same "UDP echo over IPv6" "$(probe echo udp $LAN6)" same
	checked "the path" wait_until 5 path_is "$1"
}

test_filters() {
	same "an allowed port" "$(probe refusal tcp $LAN4 7)" accepted
	same "a forbidden port" "$(probe refusal tcp $LAN4 81)" $PROHIBITED4
	same "a forbidden port, IPv6" "$(probe refusal udp $LAN6 53)" \
	    $PROHIBITED6
}

# Nobody listens at the port: the LAN host itself says so.
refusal_is() {
	[ "$(probe refusal tcp $LAN4 81)" = "$1" ]
}

test_updates() {
	ctl '{"cmd":"update_filters","resource":"lan4","filters":["tcp/81"]}' \
	    > /dev/null
	checked "updated: a port that was forbidden" \
	    wait_until 5 refusal_is ECONNREFUSED
	same "updated: one that was allowed" "$(probe refusal tcp $LAN4 7)" \
	    $PROHIBITED4
	ctl '{"cmd":"update_filters","resource":"lan4",
	    "filters":["tcp/80","tcp/7","udp/7","tcp/17","icmp"]}' > /dev/null
	checked "updated again: the first port" \
	    wait_until 5 refusal_is $PROHIBITED4
}

test_revocation() {
	checked "before revocation" start_staying $LAN4
	ctl '{"cmd":"revoke","resource":"lan4"}' > /dev/null
	same "revoked: a connection is cut" "$(is_cut)" yes
	end_staying
	refused "revoked: no ping" ping_lan
	checked "revoked: others are not" at client ping -c 1 -W 2 -q $LAN6
	ctl '{"cmd":"grant","resource":"lan4"}' > /dev/null
	checked "granted again" wait_until 10 ping_lan
}

# is_cut: whether the connection of start_staying gets no further answer.
is_cut() {
	case $(still_at) in
	10.*) echo no ;;
	*) echo yes ;;
	esac
}

# With a silent portal, which would let the client in again at once.
test_expiry() {
	local begin
	checked "before its end" eval '[ "$(where $BRIEF)" = $BRIEF ]'
	begin=$(now_ms)
	checked "before its end: a connection" start_staying $BRIEF
	same "before its end: it works" "$(still_at)" $BRIEF
	kill -STOP "${pid[portal]}"
	wait_until $((BRIEF_S + 1)) past $((begin + BRIEF_S * 1000 + 500))
	same "after its end a connection is cut" "$(is_cut)" yes
	checked "others go on" ping_lan 2
	kill -CONT "${pid[portal]}"
	end_staying
	checked "after its end it is granted again" wait_until 10 eval \
	    '[ "$(where $BRIEF)" = $BRIEF ]'
}

past() {
	[ "$(now_ms)" -ge "$1" ]
}

# What comes of a name; clients until 1.3 are not told.
answer_wanted() {
	if [ "$generation" -gt 1 ]; then echo active; else echo told; fi
}

# named DOMAIN BLOCK
named() {
	same "$1 is assigned" "$(assign corp "$@")" "$(answer_wanted)"
}

# leads_to ADDRESS WHERE: at last; a name may still be on its way.
leads_to() {
	wait_until 8 eval "[ \"\$(where $1)\" = $2 ]"
}

test_names() {
	named both.corp.test 0
	checked "a name" leads_to "$(proxy4 0)" $LAN4
	checked "a name, IPv6" leads_to "$(proxy6 0)" $LAN6
	checked "a name: download" download "$(proxy4 0)"
	same "a name: a forbidden port" \
	    "$(probe refusal tcp "$(proxy4 0)" 81)" $PROHIBITED4
	named many.corp.test 1
	checked "another name" leads_to "$(proxy4 1)" 10.20.0.11
}

# A name of one family: until 1.3 the other one leads there, too.
test_one_family() {
	named four.corp.test 2
	named six.corp.test 3
	checked "A only" leads_to "$(proxy4 2)" $LAN4
	checked "AAAA only" leads_to "$(proxy6 3)" $LAN6
	if [ "$generation" -eq 1 ]; then
		checked "A only: over IPv6" leads_to "$(proxy6 2)" $LAN4
		checked "AAAA only: over IPv4" leads_to "$(proxy4 3)" $LAN6
		checked "A only: download over IPv6" download "$(proxy6 2)"
		checked "AAAA only: download over IPv4" download "$(proxy4 3)"
		checked "A only: ping over IPv6" \
		    at client ping -c 1 -W 2 -q "$(proxy6 2)"
	else
		same "A only: over IPv6" \
		    "$(probe refusal tcp "$(proxy6 2)" 7)" $UNREACHABLE6
		same "AAAA only: over IPv4" \
		    "$(probe refusal tcp "$(proxy4 3)" 7)" $UNREACHABLE4
	fi
}

test_portal_restarts() {
	local mark
	checked "portal: a transfer" start_staying $LAN4
	mark=$(lines_of "$work/client.log")
	stop portal
	same "without the portal" "$(still_at)" $LAN4
	start_portal
	checked "portal: the gateway is back" wait_until 15 gateway_online
	checked "portal: the client is back" \
	    wait_line 15 "$work/client.log" '^ready' "$mark"
	same "with the portal again" "$(still_at)" $LAN4
	end_staying
	refused "portal: without a new connection" \
	    line_after "$work/client.log" '^(lost|goodbye|handshake)' "$mark"
	# And it can be asked for more.
	checked "portal: another resource" eval '[ "$(where $BRIEF)" = $BRIEF ]'
}

# It ends in order; who does not know goodbye finds out by ICE. Nobody tells the
# new one which generation it is; the login of 2 is good for the first portals.
test_gateway_restarts() {
	local mark
	mark=$(lines_of "$work/client.log")
	stop gateway
	same "the gateway's exit status" "$exit_status" 0
	start_gateway
	checked "gateway: it finds out the generation" wait_line 5 \
	    "$work/gateway.log" "portal: online at .*, generation $((generation > 1 ? generation : 2))\$"
	checked "gateway: the client connects again" \
	    at_the_latest 40 line_after "$work/client.log" '^handshake' "$mark"
	checked "gateway: ping" wait_until 10 ping_lan
	checked "gateway: names are told again" named_again
	[ "$generation" -gt 1 ] || as_first_gateways_do
}

# What follows is about the first generation.
as_first_gateways_do() {
	local mark
	mark=$(lines_of "$work/client.log")
	stop gateway
	start_gateway_of_time
	checked "gateway: as told, generation 1" wait_line 5 \
	    "$work/gateway.log" "portal: online at .*, generation 1\$"
	checked "gateway: and the client connects" \
	    at_the_latest 40 line_after "$work/client.log" '^handshake' "$mark"
	checked "gateway: names are told to it" named_again
}

# at_the_latest SECONDS COMMAND ...: while there is traffic.
at_the_latest() {
	local seconds=$1
	shift
	spawn pings client ping -q -i 0.5 $LAN4
	wait_until "$seconds" "$@"
	set -- $?
	stop pings
	return "$1"
}

named_again() {
	[ "$(assign corp both.corp.test 0)" = "$(answer_wanted)" ] &&
		leads_to "$(proxy4 0)" $LAN4
}

# Another network: another address outside, no goodbye, a new key.
test_roam() {
	local from=203.0.113.1$roamed
	roamed=$((1 - roamed))
	stop client KILL
	ip -n "${prefix}home" address del "$from/24" dev wan
	ip -n "${prefix}home" address add "203.0.113.1$roamed/24" dev wan
	ip -n "${prefix}home" route replace default via 203.0.113.1
	start_client_of_time
	checked "roamed: ping" wait_until 10 ping_lan
	checked "roamed: download" download $LAN4
}

# What is private cannot be reached beside it.
test_internet() {
	stop client
	start_client_of_time -o eth0
	checked "the Internet" download $INTERNET4
	checked "the Internet over IPv6" download $INTERNET6
	same "the Internet: through the gateway" "$(count_foreign)" 0
	same "the Internet: what is private" \
	    "$(probe refusal tcp 172.16.0.1 80)" $UNREACHABLE4
	# A gateway keeps it for a client that does not say goodbye.
	ctl '{"cmd":"revoke","resource":"Internet"}' > /dev/null
}

# Who came to the server past the gateway.
count_foreign() {
	at internet nft list table inet counting |
	    sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

watch_internet() {
	spawn internet internet "$PYTHON" \
	    "$NETNS_ROOT/tests/lib/lan_server.py" "$work/file"
	wait_until 10 listens internet t 80 ||
		die "the internet does not start" "$work/internet.log"
	at internet nft -f - <<-RULES
	table inet counting {
		chain input {
			type filter hook input priority filter;
			tcp dport 80 ip saddr != 203.0.113.20 counter
		}
	}
	RULES
}

test_relayed() {
	stop client
	same "the client's exit status" "$exit_status" 0
	block_direct
	start_client_of_time
	test_download relayed
	allow_direct
}

# nothing_comes_of EVENT: an authorization under the name of another path.
nothing_comes_of() {
	ctl "{\"cmd\":\"authorize\",\"resource\":\"spare\",\"event\":\"$1\"}" \
	    > "$work/authorize" || cat "$work/authorize"
	echo "inject $(probe packet good "$(own4)" $SPARE)" > "$work/commands"
	# The one after it came through.
	checked "$1: the rest works" ping_lan 2
	same "$1: nothing is opened" "$(packets lan)" 0
	checked "$1: the log has it" grep -q \
	    "portal: message $1 is not one of generation $generation:" \
	    "$work/gateway.log"
}

test_wrong_messages() {
	local wrong=create_authorization
	[ "$generation" -lt 3 ] || wrong=authorize_flow
	count_packets lan input "ip daddr $SPARE"
	nothing_comes_of $wrong
	at lan nft delete table inet counting
}

# Portals before 2026 say why in plain text.
test_wrong_token() {
	local reason="our login (HTTP status 401): Invalid token"
	[ "$generation" -lt 3 ] ||
		reason="the token (invalid_token): check the variable FIREZONE_TOKEN"
	TOKEN=wrong launch_gateway --portal-generation "$generation"
	checked "a wrong token: the gateway ends" await_exit gateway 10
	same "a wrong token: its exit status" "$exit_status" 1
	checked "a wrong token: the reason" \
	    grep -qF "the portal refused $reason" "$work/gateway.log"
}

test_errors() {
	local mark
	named nosuch.corp.test 4
	checked "no such name" wait_until 8 eval \
	    '[ "$(probe refusal tcp "$(proxy4 4)" 7)" = $UNREACHABLE4 ]'
	stop gateway
	test_wrong_token
	stop client
	start_client_of_time
	mark=$(lines_of "$work/client.log")
	ping_lan > /dev/null
	checked "without a gateway the client is told so" wait_line 5 \
	    "$work/client.log" '^refused .* offline' "$mark"
	start_gateway_of_time
	checked "with one it goes on" wait_until 10 ping_lan
}

# Until 1.3 a connection without traffic is closed, without a word.
test_idle() {
	stop client
	start_client_of_time --close-after 2
	checked "idle: ping" wait_until 10 ping_lan
	checked "idle: the client closes" \
	    wait_line 5 "$work/client.log" '^lost idle'
	checked "idle: and opens again" wait_until 15 ping_lan
	checked "idle: download" download $LAN4
}

# What clients of 1.3 ask for means nothing to a gateway of today.
test_strangers() {
	begin "check_versions = false"
	start_named_client --generation 1
	refused "a client of generation 1" ping_lan 2
	checked "a client of generation 1: it was asked for" grep -q \
	    request_connection "$work/portal.log"
	stop client
	start_client_of_time
	checked "a client of generation 3 beside it" wait_until 10 ping_lan
}

test_generation() {
	generation=$1
	column=$generation
	begin
	start_client_of_time
	scenario "direct" test_download direct
	scenario "filters" test_filters
	scenario "updates" test_updates
	scenario "revocation" test_revocation
	scenario "expiry" test_expiry
	scenario "names" test_names
	scenario "names of one family" test_one_family
	scenario "portal restarts" test_portal_restarts
	scenario "gateway restarts" test_gateway_restarts
	scenario "client roams" test_roam
	scenario "Internet resource" test_internet
	scenario "relayed" test_relayed
	scenario "wrong messages" test_wrong_messages
	scenario "errors" test_errors
	case $generation in
	1) scenario "idle connections" test_idle ;;
	3) scenario "strangers" test_strangers ;;
	esac
}

# Services of the site that no other resource leads to.
more_services() {
	ip -n "${prefix}lan" address add $BRIEF/32 dev eth0
	ip -n "${prefix}lan" address add $SPARE/32 dev eth0
	ip -n "${prefix}gateway" route add 10.40.0.0/24 via $LAN4
	spawn brief lan "$PYTHON" "$NETNS_ROOT/tests/lib/whereis.py" $BRIEF
}

roamed=0
generations=${*:-1 2 3}
start_services
more_services
start_lan $MEGABYTES
watch_internet
start_relay
for one in $generations; do
	test_generation "$one"
done
print_table $generations
finish
