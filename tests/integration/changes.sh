#!/bin/bash
# What posternd does when somebody changes the host's network under it: it puts
# back what it needs soon and says so, or is not ready, with
# the reason.

. "$(dirname "$0")/../lib/netns.sh"

TABLE=539098368

gw_log() {
	tail -n +$((mark + 1)) "$work/gateway.log" | sed 's/\x1b\[[0-9;]*m//g'
}

# The page /readyz, or what it says with its status.
readyz() {
	at gateway curl -s -m 2 -o "$work/readyz" -w '%{http_code}' \
	    http://127.0.0.1:8080/readyz
}

is_ready() { [ "$(readyz)" = 200 ]; }

# unready EXPRESSION: with that reason.
unready() {
	[ "$(readyz)" = 503 ] && grep -Eq -- "$1" "$work/readyz"
}

# Two of a priority may come back in the opposite order.
rules() {
	at gateway ip rule | sort
	at gateway ip -6 rule | sort
}

routes() {
	at gateway ip route show table $TABLE
	at gateway ip -6 route show table $TABLE
}

device() {
	at gateway ip -o address show dev tun-firezone
	at gateway ip -o link show dev tun-firezone | sed 's/.*mtu/mtu/'
}

everything() {
	rules
	routes
	device
	at gateway sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding \
	    net.ipv4.conf.tun-firezone.forwarding \
	    net.ipv6.conf.tun-firezone.forwarding
}

is_as_before() {
	[ "$(everything)" = "$before" ]
}

# said_in_lines AT-MOST
said_in_lines() {
	local lines
	lines=$(gw_log | grep -c 'somebody has')
	[ "$lines" -ge 1 ] && [ "$lines" -le "$1" ]
}

# changed NAME COMMAND ...: somebody does this; a while later nothing of it
# is to be seen but one line in the log.
changed() {
	changed_in_steps 1 "$@"
}

# changed_in_steps N NAME COMMAND ...: in so many that it may be put back
# between any two of them, with a line for each time.
changed_in_steps() {
	local steps=$1 name=$2
	shift 2
	mark=$(lines_of "$work/gateway.log")
	at gateway "$@" > "$work/output" 2>&1
	check "$name: put back" wait_until 5 is_as_before
	is_as_before || diff <(echo "$before") <(everything) | sed 's/^/# /'
	check "$name: said, and no more than is done" wait_until 5 \
	    said_in_lines "$steps"
	check "$name: ping" ping_lan 5
	check "$name: ping by IPv6" at client ping -6 -c 1 -W 5 -q $LAN6
	check "$name: ready" wait_until 5 is_ready
	# Its lines are counted, and a quarrel begins, only by what follows soon.
	mark=$(lines_of "$work/gateway.log")
}

dns_answers() {
	local to
	for to in 100.64.0.1 fd00:2021:1111::1; do
		at client "$PYTHON" -c "
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in '$to' else socket.AF_INET,
    socket.SOCK_DGRAM)
s.settimeout(8)
s.sendto(bytes.fromhex('123401000001000000000000016100002100 01'), ('$to', 53535))
sys.exit(s.recv(512)[:2] != bytes.fromhex('1234'))" || return 1
	done
}

test_rules() {
	changed_in_steps 8 "rules deleted" sh -c 'for f in -4 -6; do
	    for p in 100 101 102 103; do ip $f rule del pref $p; done; done'
}

test_routes() {
	changed_in_steps 4 "routes flushed" sh -c "ip route flush table $TABLE
	    ip -6 route flush table $TABLE"
}

test_device() {
	changed "device down" ip link set tun-firezone down
	changed_in_steps 2 "device down and up" sh -c 'ip link set tun-firezone down
	    sleep 1; ip link set tun-firezone up'
	changed "MTU" ip link set tun-firezone mtu 1400
}

test_sysctls() {
	changed "IPv4 forwarding" sysctl -w net.ipv4.ip_forward=0
	changed "IPv6 forwarding" sysctl -w net.ipv6.conf.all.forwarding=0
}

test_addresses() {
	check "DNS at first" dns_answers
	changed "IPv4 address deleted" ip address del 100.64.0.1/32 \
	    dev tun-firezone
	changed "IPv6 address deleted" ip address del fd00:2021:1111::1/128 \
	    dev tun-firezone
	changed_in_steps 4 "addresses flushed" ip address flush dev tun-firezone
	check "the DNS listeners answer again" dns_answers
}

# What is there, but not as we made it.
test_replaced() {
	changed_in_steps 2 "routes by another device" sh -c "
	    ip route replace 100.64.0.0/11 dev lan table $TABLE
	    ip -6 route replace fd00:2021:1111::/107 dev lan table $TABLE"
	changed "a route among ours" ip route add 100.64.0.0/24 dev lan \
	    table $TABLE
	changed_in_steps 3 "another name" sh -c 'ip link set tun-firezone down
	    ip link set tun-firezone name tun-other; ip link set tun-other up'
	changed "IPv4 forwarding of the device" sysctl -w \
	    net.ipv4.conf.tun-firezone.forwarding=0
	changed "IPv6 forwarding of the device" sysctl -w \
	    net.ipv6.conf.tun-firezone.forwarding=0
}

# led_away NAME FAMILY SELECTOR ...: by a rule before ours: said, and not ready.
led_away() {
	local name=$1 family=$2
	shift 2
	mark=$(lines_of "$work/gateway.log")
	at gateway ip "$family" rule add pref 60 "$@"
	check "$name: not ready" wait_until 5 unready \
	    "IPv${family#-} routing rule with the preference 60"
	is "$name: said once" "$(gw_log | grep -c 'the preference 60')" 1
	at gateway ip "$family" rule del pref 60
	check "$name: ready again" wait_until 5 is_ready
}

# Rules of others before ours: some that leave clients alone, and others.
test_rules_ahead() {
	local pref
	at gateway ip rule add pref 51 fwmark 7 lookup main
	at gateway ip rule add pref 52 to 192.0.2.0/24 lookup main
	at gateway ip rule add pref 53 lookup main suppress_prefixlength 0
	at gateway ip rule add pref 54 iif tun-firezone lookup main
	at gateway ip rule add pref 55 lookup 7777
	at gateway ip rule add pref 56 not to 100.64.0.0/10 lookup main
	led_away "a rule for all" -4 lookup main
	led_away "a rule for all in IPv6" -6 lookup main
	led_away "a rule for sources" -4 from 10.20.0.0/24 lookup main
	led_away "a rule for all but marked" -4 not fwmark 7 lookup main
	led_away "a rule that refuses" -4 to 100.64.0.0/16 prohibit
	led_away "a rule that jumps" -4 goto 32766
	mark=$(lines_of "$work/gateway.log")
	at gateway ip route add default dev lan table 7777
	check "a rule that had no routes: not ready" wait_until 5 unready \
	    'the preference 55'
	at gateway ip route flush table 7777
	check "a rule that has none again: ready" wait_until 5 is_ready
	for pref in 51 52 53 54 55 56; do
		at gateway ip rule del pref $pref
	done
	check "rules before ours: ping" ping_lan 5
}

# IPv6 is taken from the device: not ready as long as that lasts.
test_no_ipv6() {
	sysctl_at gateway net.ipv6.conf.tun-firezone.disable_ipv6=1
	check "IPv6 switched off: not ready" \
	    wait_until 5 unready 'cannot be put back'
	check "IPv6 switched off: status says why" \
	    status_has '^trouble: .*cannot be put back'
	check "IPv6 switched off: IPv4 works" ping_lan 5
	sysctl_at gateway net.ipv6.conf.tun-firezone.disable_ipv6=0
	check "IPv6 switched on: put back" wait_until 5 is_as_before
	check "IPv6 switched on: ready" wait_until 5 is_ready
}

status_has() {
	posternctl status |
	    grep -Eq "$1"
}

# Somebody who does not give up.
test_quarrel() {
	local lines
	mark=$(lines_of "$work/gateway.log")
	spawn fighter gateway sh -c 'while :; do
	    ip rule del pref 102 2>/dev/null; sleep 0.05; done'
	check "a quarrel: not ready" wait_until 15 unready 'again and again'
	is "a quarrel: said once" "$(gw_log | grep -c 'again and again')" 1
	stop fighter
	lines=$(gw_log | grep -c 'somebody has changed')
	check "a quarrel: few lines ($lines)" [ "$lines" -le 10 ]
	check "a quarrel is over: put back" wait_until 10 is_as_before
	check "a quarrel is over: ready" wait_until 20 is_ready
	check "a quarrel is over: ping" ping_lan 5
}

# Nothing that the parent could do without its descriptors.
test_device_deleted() {
	at gateway ip link del tun-firezone
	check "device deleted: ends" await_exit gateway 5
	is "device deleted: exit status" "$exit_status" 1
	is "device deleted: said once" "$(grep -c \
	    'ERROR.*tun-firezone has been deleted' "$work/gateway.log")" 1
	is "device deleted: no process is left" "$(daemons)" ""
	is "device deleted: all is taken back" \
	    "$(diff <(echo "$clean") <(gateway_network))" ""
}

# Where /proc/sys cannot be written, the reason says what to set.
test_read_only() {
	FIREZONE_TOKEN=$GATEWAY_TOKEN FIREZONE_ID=$GATEWAY_ID \
	    spawn gateway gateway unshare -m sh -ec \
	    'mount -o bind,remount,ro /proc/sys 2>/dev/null ||
	    { mount --bind /proc/sys /proc/sys
	    mount -o remount,bind,ro /proc/sys; }; exec "$@"' sh \
	    "$POSTERND" --api-url "$PORTAL_URL"
	check "sysctls read-only: online" wait_until 15 gateway_online
	check "sysctls read-only: not ready" wait_until 5 unready \
	    'sysctl -w net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1'
	sysctl_at gateway net.ipv4.ip_forward=1
	sysctl_at gateway net.ipv6.conf.all.forwarding=1
	check "sysctls set by hand: ready" wait_until 5 is_ready
	sysctl_at gateway net.ipv4.ip_forward=0
	check "and taken away: not ready" wait_until 5 unready \
	    'sysctl -w net.ipv4.ip_forward=1$'
	sysctl_at gateway net.ipv4.ip_forward=1
	check "and set again: ready" wait_until 5 is_ready
	stop gateway
	is "what was set by hand stays" \
	    "$(at gateway sysctl -n net.ipv4.ip_forward)" 1
}

topology
start_relay
tunnel_resources > "$work/site.toml" # of which one is the DNS server
start_portal
start_lan 1
clean=$(gateway_network)
start_gateway
start_client
wait_until 10 is_ready
check "ping at first" ping_lan 10
before=$(everything)
test_rules
test_routes
test_device
test_addresses
test_sysctls
test_no_ipv6
test_quarrel
stop client
stop gateway
is "exit status" "$exit_status" 0
is "all is taken back" "$(diff <(echo "$clean") <(gateway_network))" ""
# The lines of a minute are bounded, so these have a gateway of their own.
start_gateway
start_client
wait_until 10 is_ready
check "ping again" ping_lan 10
before=$(everything)
test_replaced
test_rules_ahead
stop client
test_device_deleted
test_read_only
finish
