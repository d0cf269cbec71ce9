#!/bin/bash
# The three ways to be started of posternd(8): which locks hold, what
# works, and that a worker which dies is replaced, with the same locks.

. "$(dirname "$0")/../lib/netns.sh"

# What Docker leaves to root, and CAP_NET_ADMIN.
CONTAINER=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid
CONTAINER=$CONTAINER,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod
CONTAINER=$CONTAINER,+audit_write,+setfcap,+net_admin

# launch_in SCRIPT: posternd in a mount namespace that the script prepares.
launch_in() {
	FIREZONE_TOKEN=$GATEWAY_TOKEN FIREZONE_ID=$GATEWAY_ID \
	    spawn gateway gateway unshare -m sh -ec \
	    "$1"'; exec "$@"' sh "$POSTERND" --api-url "$PORTAL_URL" \
	    --state-dir "$work/state"
}

# spools NAME: control-worker can write where flow logs wait.
spools() {
	check "$1: the spool is written" \
	    wait_until 15 test -s "$work/state/flow_logs/upload.json"
	rm -f "$work/state/flow_logs/upload.json"
}

# locks PROCESS: what it said of itself last.
locks() {
	sed -n "s/.* $1: confined: //p" "$work/gateway.log" | tail -n 1
}

# confined NAME PARENT NET-WORKER CONTROL-WORKER
confined() {
	is "$1: locks of the parent" "$(locks parent)" "$2"
	is "$1: locks of net-worker" "$(locks net-worker)" "$3"
	is "$1: locks of control-worker" "$(locks control-worker)" "$4"
}

joined_since() {
	line_after "$work/portal.log" 'gateway.*: joined' "$1"
}

# survives NAME WORKER
survives() {
	local mark
	mark=$(lines_of "$work/portal.log")
	kill -KILL "$(worker "$2")"
	check "$1: $2 is replaced" wait_until 15 joined_since "$mark"
}

# works NAME PARENT NET-WORKER CONTROL-WORKER: online, confined, forwards, and
# does so after either worker has died.
works() {
	check "$1: online" wait_until 15 gateway_online
	confined "$@"
	spools "$1"
	survives "$1" net-worker
	spools "$1 again"
	survives "$1" control-worker
	confined "$1 again" "$2" "$3" "$4"
	spools "$1 once more"
	start_client
	check "$1: ping" ping_lan 10
	stop client
	stop gateway
	is "$1: exit status" "$exit_status" 0
	gateway_network > "$work/after"
	check "$1: the network is as before" diff "$work/before" "$work/after"
}

test_root() {
	launch_gateway
	works "root" \
	    "capabilities, not dumpable, no new privileges, seccomp" \
	    "user, root, network, $EVERY" "user, root, $EVERY"
}

# Settings of the kernel cannot be made there, so they are before.
test_container() {
	raise_settings
	launch_in "mount -o bind /proc/sys /proc/sys
	    mount -o remount,bind,ro /proc/sys
	    set -- setpriv --bounding-set $CONTAINER \"\$@\""
	works "container" \
	    "capabilities, not dumpable, no new privileges, seccomp" \
	    "user, chroot, $EVERY" "user, chroot, $EVERY"
	check "container: the log says which cannot be made, and why" grep -q \
	    'parent: .*sysctl .*src_valid_mark (Read-only file system)' \
	    "$work/gateway.log"
}

test_net_admin() {
	rm -rf "$work/state"
	install -d -o nobody -g nogroup "$work/state"
	launch_in "mount -t tmpfs none /dev/net
	    mknod -m 666 /dev/net/tun c 10 200
	    set -- setpriv --reuid nobody --regid nogroup --clear-groups \
	        --inh-caps +net_admin --ambient-caps +net_admin \"\$@\""
	works "CAP_NET_ADMIN alone" \
	    "capabilities, not dumpable, no new privileges, seccomp" \
	    "$EVERY" "$EVERY"
	check "CAP_NET_ADMIN alone: the log says whose the workers are" \
	    grep -q 'not started as root.*packet filter cannot' \
	    "$work/gateway.log"
}

raise_settings() {
	sysctl_at gateway net.ipv4.ip_forward=1
	sysctl_at gateway net.ipv6.conf.all.forwarding=1
	gateway_network > "$work/before"
}

EVERY="capabilities, not dumpable, no new privileges, landlock, seccomp"
topology
gateway_network > "$work/before"
start_relay
portal_configuration > "$work/site.toml"
cat >> "$work/site.toml" << TOML

[flow_logs]
api_url = "https://203.0.113.8/"
upload_interval_secs = 3600
TOML
start_portal
start_lan 1
test_root
test_container
test_net_admin
finish
