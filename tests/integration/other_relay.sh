#!/bin/bash
# A download over a relay that is neither coturn nor of this tree: the TURN
# server of ejabberd and eturnal (erlang-p1-stun), which forgets a nonce within
# minutes, grants one family, and signs no 400, 401 or 438. Both ends have it.

. "$(dirname "$0")/../lib/netns.sh"

[ -d /usr/lib/erlang/lib ] && compgen -G "/usr/lib/erlang/lib/p1_stun-*" \
    > /dev/null || { echo "no erlang-p1-stun"; exit 77; }

# Passwords as of coturn's --use-auth-secret, which the portal makes.
start_other_relay() {
	spawn relay relay erl -noinput -start_epmd false -eval '
		{ok, _} = application:ensure_all_started(stun),
		Auth = fun(User, _) -> base64:encode(
		    crypto:mac(hmac, sha, <<"'$RELAY_SECRET'">>, User)) end,
		Options = [{use_turn, true}, {auth_type, user},
		    {auth_realm, <<"firezone">>}, {auth_fun, Auth},
		    {turn_ipv4_address, {203,0,113,9}},
		    {turn_max_permissions, infinity}],
		ok = stun_listener:add_listener(
		    {203,0,113,9}, 3478, udp, Options).'
	wait_until 20 listens relay u 3478 ||
		die "the relay does not start" "$work/relay.log"
}

topology
start_other_relay
start_portal
start_lan 5
start_gateway
block_direct
start_client
check "download over IPv4" download $LAN4
is "the path" "$(client_path)" relayed
check "download over IPv6" download $LAN6
refuse "nothing that the relay did not understand" \
    grep -i "crash\|error report" "$work/relay.log"
stop client
is "the client's exit status" "$exit_status" 0
start_client --relay-only
check "from relay to relay" download $LAN4
stop client
stop gateway
is "the gateway's exit status" "$exit_status" 0
finish
