#!/bin/bash
# Ten faults, planted one after the other. Each is named by the one command that
# postern-guide(7) has for it, which is asked here; and by none before.

. "$(dirname "$0")/../lib/netns.sh"

GUIDE=$NETNS_ROOT/man/postern-guide.7
NAME=files.corp.test
PROXY4=100.96.0.1
PROXY6=fd00:2021:1111:8000::1
told="" # faults, by lines

# As the guide calls them.
journalctl() {
	cat "$work/gateway.log"
}
ping_relay() {
	at gateway ping "$@"
}

# The faults of the guide, and the command of one.
guide_faults() {
	sed -n '/^\.Ss Ten faults/,/^\.S[sh] /s/^\.It //p' "$GUIDE"
}
guide_command() {
	awk -v title="$1" '
	    /^\.It / { found = substr($0, 5) == title }
	    found && /^\.Dl # posternctl/ { print $3, $4 }
	    found && /^\.Dl # journalctl/ { print $3 }
	    found && /^\.Dl # ping/ { sub(/^\.Dl # /, ""); print }' "$GUIDE"
}

# says EXPRESSION COMMAND ...
says() {
	local wanted=$1
	shift
	"$@" > "$work/said" 2>&1
	grep -Eq -- "$wanted" "$work/said"
}

# fault NAME EXPRESSION COMMAND ...: the guide names it, and it names the fault.
fault() {
	local name=$1 wanted=$2 command=$3
	shift 2
	told+=$name$'\n'
	[ "$command" != posternctl ] || command+=" $2"
	[ "$command" != ping_relay ] || command="ping ${*:2:6} RELAY"
	is "$name: what the guide names" "$(guide_command "$name")" "$command"
	if wait_until 30 says "$wanted" "$@"; then
		ok "$name"
	else
		not_ok "$name" "$(cat "$work/said")" "wanted: $wanted"
	fi
}

# well NAME EXPRESSION COMMAND ...: as it is without the fault.
well() {
	local name=$1 wanted=$2
	shift 2
	if wait_until 30 says "$wanted" "$@"; then
		ok "without it: $name"
	else
		not_ok "without it: $name" "$(cat "$work/said")" \
		    "wanted: $wanted"
	fi
}

ping_client() {
	at client ping -c 1 -W 1 -q "$1"
}

asked_for_lan4() {
	ping_client $LAN4
	grep -q 'authorized: .* -> lan4 ' "$work/gateway.log"
}

site() {
	portal_configuration
	cat <<-TOML

	[[resources]]
	name = "intranet"
	type = "dns"
	address = "*.corp.test"
	filters = ["tcp/80", "icmp"]

	[[policies]]
	resource = "intranet"
	users = ["jane"]
	TOML
}

# A resolver to whom all of corp.test is at the address.
start_resolver() {
	spawn resolver portal dnsmasq --no-daemon --conf-file=/dev/null \
	    --no-resolv --no-hosts --bind-interfaces --user=root --pid-file= \
	    --listen-address=203.0.113.8 --port=53 "--address=/corp.test/$1"
	wait_until 10 listens portal u 53 ||
		die "dnsmasq does not start" "$work/resolver.log"
}

test_clock_and_relay() {
	local true_program=$POSTERND
	mkdir "$work/bin"
	cp "$BUILD/tests/integration/posternd-shifted" "$work/bin/posternd"
	"$PYTHON" -c '
import struct, sys
open(sys.argv[1], "wb").write(struct.pack("<q", 3600 * 10**9))' \
	    "$work/bin/posternd.shift"
	at office nft -f - <<-RULES
	table inet block {
		chain forward {
			type filter hook forward priority filter - 1;
			udp dport 3478 drop
		}
	}
	RULES
	POSTERND=$work/bin/posternd
	start_gateway
	fault "A relay that is blocked" '^[0-9a-f]{8} silent ' \
	    posternctl relays
	check "A relay that is blocked: the log warns of it" wait_line 15 \
	    "$work/gateway.log" 'WARN net-worker: relay .* does not answer; '
	fault "A clock that is off" \
	    '^clock: 3(59|60|61)[0-9]\.[0-9] s ahead of the portal' \
	    posternctl status
	stop gateway
	at office nft delete table inet block
	POSTERND=$true_program
}

test_wrong_token() {
	TOKEN=wrong launch_gateway
	fault "A wrong token" 'ERROR .*the portal refused the token' journalctl
	await_exit gateway 30 ||
		not_ok "A wrong token: it ends" "$(tail -n 3 "$work/gateway.log")"
	is "A wrong token: exit status" "$exit_status" 1
}

# What a client does not use it is not granted.
test_filter() {
	wait_until 15 asked_for_lan4
	well "a filter" "^allowed: .* to $LAN4:80, by lan4$" \
	    posternctl explain jane tcp $LAN4:80
	fault "A filter without the port" \
	    "^denied: .* to $LAN4:81: no filter of lan4 permits it$" \
	    posternctl explain jane tcp $LAN4:81
}

# Nothing is masqueraded, and the LAN knows the way back by IPv6 only.
test_no_way_back() {
	wait_until 15 ping_client $LAN6 ||
		not_ok "the way back by IPv6" "$(tail "$work/client.log")"
	well "the way back" '^  traffic   .* [1-9][0-9]* back$' \
	    posternctl explain jane icmp $LAN6
	refuse "no answer by IPv4" ping_client $LAN4
	fault "A LAN with no route back" \
	    '^but nothing comes back: none of [0-9]+ packets to lan4' \
	    posternctl explain jane icmp $LAN4
}

assign_name() {
	echo "assign intranet $NAME $PROXY4 $PROXY6" > "$work/commands"
}

test_lying_resolver() {
	assign_name
	fault "A resolver that lies" \
	    "^denied: .* \($NAME\): the resolvers of this host have no address" \
	    posternctl explain jane tcp $NAME:80
}

test_expired() {
	ctl '{"cmd":"expire","resource":"lan4","in":1}' > /dev/null
	fault "A grant that has expired" \
	    "^denied: .* to $LAN4:80: its grant of lan4 expired [0-9]+s ago$" \
	    posternctl explain jane tcp $LAN4:80
}

# The portal forgets that an address is given away.
test_one_address() {
	stop client KILL
	stop portal
	"$PYTHON" -c '
import json, sys
state = json.load(open(sys.argv[1]))
state["next_offset"] -= 1
json.dump(state, open(sys.argv[1], "w"))' "$work/state.json"
	start_portal
	wait_until 30 gateway_online || die "it does not come back"
	start_client -i another
	wait_until 15 ping_client $LAN6
	fault "Two clients with one address" \
	    'WARN .*the portal gives 100\..*, the address of client .* to ' \
	    journalctl
	stop client
}

# What is longer than 1300 octets is lost in the office, without a word.
test_black_hole() {
	well "full packets" ' 0% packet loss' \
	    ping_relay -M do -c 1 -s 1316 203.0.113.9
	at office nft -f - <<-RULES
	table inet hole {
		chain forward {
			type filter hook forward priority filter - 1;
			meta length > 1300 drop
		}
	}
	RULES
	well "small packets" ' 0% packet loss' ping_relay -c 1 203.0.113.9
	fault "A path that takes no full packets" '100% packet loss' \
	    ping_relay -M do -c 3 -s 1316 203.0.113.9
	at office nft delete table inet hole
}

test_refusing_portal() {
	well "the portal" '^portal: online' posternctl status
	ctl '{"cmd":"refuse_upgrade","kind":"gateway","count":99,"status":403}' \
	    > /dev/null
	ctl '{"cmd":"drop","kind":"gateway","abort":true}' > /dev/null
	fault "A portal that refuses" 'WARN .*portal: .*status 403.*next attempt' \
	    journalctl
}

topology
site > "$work/site.toml"
mkfifo "$work/commands"
start_resolver 127.0.0.1
start_relay
start_portal
start_lan 1
test_clock_and_relay
test_wrong_token
ip -n "${prefix}lan" route add fd00:2021:1111::/107 via fd20::1
start_gateway --no-masquerade
well "the relay" '^[0-9a-f]{8} allocated ' posternctl relays
well "the clock" "^clock: as the portal's" posternctl status
start_client -c "$work/commands"
wait_until 15 ping_client $LAN6
test_filter
test_no_way_back
test_lying_resolver
test_expired
test_black_hole
test_one_address
test_refusing_portal
stop gateway
is "the guide has these faults" "$(guide_faults | sort)" \
    "$(sort <<< "${told%$'\n'}")"
finish
