#!/bin/bash
# What posternd does where something is missing: it goes on without it, or ends
# with status 1 and one line that says why.

. "$(dirname "$0")/../lib/netns.sh"

# fails NAME SECONDS EXPRESSION: the gateway that was launched ends so.
fails() {
	local started
	started=$(now_ms)
	if ! await_exit gateway "$2"; then
		not_ok "$1: ends" "$(tail -n 5 "$work/gateway.log")"
		stop gateway KILL
		return
	fi
	ok "$1: ends after $((($(now_ms) - started) / 1000)) s"
	is "$1: exit status" "$exit_status" 1
	is "$1: one line says why" \
	    "$(grep -Ec -- "$3" "$work/gateway.log")" 1
	is "$1: no process is left" "$(daemons)" ""
}

# works NAME: comes online and forwards.
works() {
	check "$1: online" wait_until 10 gateway_online
	start_client
	check "$1: ping" ping_lan 10
	stop client
	stop gateway
	is "$1: exit status" "$exit_status" 0
}

# launch_in SCRIPT: posternd in a mount namespace that the script prepares.
launch_in() {
	FIREZONE_TOKEN=$GATEWAY_TOKEN FIREZONE_ID=$GATEWAY_ID \
	    spawn gateway gateway unshare -m sh -ec \
	    "$1"'; exec "$@"' sh "$POSTERND" --api-url "$PORTAL_URL"
}

# With a TUN device that everybody may open, as udev makes it.
launch_as_nobody() {
	launch_in "mount -t tmpfs none /dev/net
	    mknod -m 666 /dev/net/tun c 10 200
	    set -- setpriv --reuid nobody --regid nogroup --clear-groups $* \"\$@\""
}

test_no_portal() {
	launch_gateway
	fails "no portal" 25 'ERROR.*portal'
}

test_wrong_token() {
	TOKEN=wrong launch_gateway
	fails "wrong token" 10 'token'
	TOKEN="" launch_gateway
	fails "empty token" 10 'FIREZONE_TOKEN'
}

test_no_capability() {
	launch_as_nobody
	fails "no capability" 10 'root or with CAP_NET_ADMIN'
}

test_only_net_admin() {
	launch_as_nobody --inh-caps +net_admin --ambient-caps +net_admin
	works "CAP_NET_ADMIN alone"
}

test_tun_device() {
	launch_in 'mount -t tmpfs none /dev/net'
	works "no /dev/net/tun: it is made"
	launch_in 'mount -t tmpfs -o nodev none /dev/net'
	fails "no /dev/net/tun possible" 10 'ERROR.*/dev/net/tun'
}

test_resolver() {
	# Opening a socket by its name fails, for root as well.
	launch_in "mount --bind '$work/portal.sock' /etc/resolv.conf"
	fails "unreadable resolv.conf" 10 'ERROR.*/etc/resolv.conf'
}

test_port_taken() {
	spawn taker gateway "$PYTHON" -c '
import signal, socket
for family, host in (socket.AF_INET, ""), (socket.AF_INET6, "::"):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((host, 52625))
    globals()[family.name] = sock
signal.pause()'
	wait_until 5 listens gateway u 52625
	launch_gateway
	works "port 52625 taken"
	check "port 52625 taken: the log says so" \
	    grep -q '52625 is not free' "$work/gateway.log"
	stop taker
}

test_second_gateway() {
	start_gateway
	FIREZONE_TOKEN=$GATEWAY_TOKEN FIREZONE_ID=another \
	    spawn second gateway "$POSTERND" --api-url "$PORTAL_URL"
	await_exit second 10
	is "a second posternd: exit status" "$exit_status" 1
	check "a second posternd: one line says why" \
	    grep -q 'ERROR.*tun-firezone' "$work/second.log"
	works "the first posternd"
}

test_no_ipv6() {
	sysctl_at gateway net.ipv6.conf.all.disable_ipv6=1
	launch_gateway
	works "IPv6 disabled"
	check "IPv6 disabled: the log says so" \
	    grep -q 'the tunnel has IPv4 only' "$work/gateway.log"
	sysctl_at gateway net.ipv6.conf.all.disable_ipv6=0
}

topology
test_no_portal
start_relay
start_portal
start_lan 1
test_wrong_token
test_no_capability
test_only_net_admin
test_tun_device
test_resolver
test_port_taken
test_second_gateway
test_no_ipv6
finish
