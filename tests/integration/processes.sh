#!/bin/bash
# Three processes under three users, each confined as posternd(8) says,
# as the kernel shows it in /proc, and the net-worker with every thread that it
# has, also when it is not the first one.

. "$(dirname "$0")/../lib/netns.sh"

# CAP_KILL, SETGID, SETUID, SETPCAP, NET_ADMIN, SYS_CHROOT and SYS_ADMIN.
PARENT_CAPABILITIES=00000000002411e0
NONE=0000000000000000
THREADS=3 # that carry data

# field PROCESS NAME: a value of /proc/PID/status.
field() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' ' |
	    sed 's/ *$//'
}

# limit PROCESS NAME: the hard one.
limit() {
	sed -n "s/^$2 *[^ ]* *\([^ ]*\).*/\1/p" "/proc/$1/limits"
}

title() {
	tr '\0' ' ' < "/proc/$1/cmdline" | sed 's/ *$//'
}

# What the descriptors are, each kind once.
descriptors() {
	local fd
	for fd in "/proc/$1/fd"/*; do
		readlink "$fd"
	done | sed 's/:\[[0-9]*\]//' | sort -u | tr '\n' ' '
}

# capabilities PROCESS: inheritable, permitted, effective, bounding, ambient.
capabilities() {
	local set
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		field "$1" $set
	done | tr '\n' ' '
}

# space PROCESS KIND: of another namespace than the parent's.
separate() {
	[ "$(readlink "/proc/$1/ns/$2")" != \
	    "$(readlink "/proc/${pid[gateway]}/ns/$2")" ]
}

locked() {
	local name=$1 p=$2
	is "$name: no new privileges" "$(field "$p" NoNewPrivs)" 1
	is "$name: seccomp filter" "$(field "$p" Seccomp)" 2
	is "$name: no other groups" "$(field "$p" Groups)" ""
	# A process that may not be dumped has files in /proc that are root's.
	is "$name: not dumpable" "$(stat -c %U "/proc/$p/environ")" root
}

worker_locked() {
	local name=$1 p=$2 user=$3 id
	id=$(id -u "$user")
	is "$name: user" "$(field "$p" Uid)" "$id $id $id $id"
	id=$(id -g "$user")
	is "$name: group" "$(field "$p" Gid)" "$id $id $id $id"
	is "$name: capabilities" "$(capabilities "$p")" \
	    "$NONE $NONE $NONE $NONE $NONE "
	locked "$name" "$p"
	is "$name: no core" "$(limit "$p" 'Max core file size')" 0
	is "$name: no processes" "$(limit "$p" 'Max processes')" 0
	is "$name: root directory is empty" "$(ls -A "/proc/$p/root/")" ""
	check "$name: root is another mount" mount_differs "$p"
	check "$name: own mount namespace" separate "$p" mnt
	check "$name: own IPC namespace" separate "$p" ipc
	is "$name: environment is empty" "$(tr -d '\0' < "/proc/$p/environ")" ""
}

mount_differs() {
	[ "$(stat -L -c %d:%i "/proc/$1/root")" != "$(stat -L -c %d:%i /)" ]
}

test_titles() {
	check "title: parent" wait_until 5 eval \
	    '[ "$(title $parent)" = "posternd: parent [2 workers, tun-firezone up]" ]'
	check "title: net-worker" wait_until 5 eval '[[ $(title $net) =~ \
	    ^posternd:\ net-worker\ \[1\ clients?,\ 1\ relays?,\ .*bit/s\]$ ]]'
	check "title: control-worker" wait_until 5 eval \
	    '[[ $(title $control) = "posternd: control-worker [online 203.0.113.8"* ]]'
}

test_parent() {
	is "parent: user" "$(field "$parent" Uid)" "0 0 0 0"
	is "parent: capabilities" "$(capabilities "$parent")" \
	    "$NONE $PARENT_CAPABILITIES $PARENT_CAPABILITIES $PARENT_CAPABILITIES $NONE "
	locked parent "$parent"
	refuse "parent: the token is not in argv" \
	    grep -q "$GATEWAY_TOKEN" "/proc/$parent/cmdline"
}

test_net_worker() {
	worker_locked net-worker "$net" _posternnet
	is "net-worker: no files" "$(limit "$net" 'Max file size')" 0
	is "net-worker: opens nothing" "$(limit "$net" 'Max open files')" 0
	check "net-worker: own network namespace" separate "$net" net
	is "net-worker: descriptors" "$(descriptors "$net")" \
	    "/dev/net/tun /dev/null anon_inode:[eventfd] anon_inode:[eventpoll] pipe socket "
}

# What each of them is called, in order.
thread_names() {
	cat "/proc/$1/task"/*/comm | sort | tr '\n' ' '
}

# The locks are each thread's own, and could be forgotten for one of them.
test_threads() {
	local when=$1 p=$2 task name id group
	id=$(id -u _posternnet)
	group=$(id -g _posternnet)
	is "$when: threads of net-worker" "$(thread_names "$p")" \
	    "net-worker shard 0 shard 1 shard 2 "
	for task in "/proc/$p/task"/*; do
		name="$when: thread $(cat "$task/comm")"
		task=${task#/proc/}
		is "$name: user" "$(field "$task" Uid)" "$id $id $id $id"
		is "$name: group" "$(field "$task" Gid)" \
		    "$group $group $group $group"
		is "$name: no other groups" "$(field "$task" Groups)" ""
		is "$name: capabilities" "$(capabilities "$task")" \
		    "$NONE $NONE $NONE $NONE $NONE "
		is "$name: no new privileges" "$(field "$task" NoNewPrivs)" 1
		is "$name: seccomp filter" "$(field "$task" Seccomp)" 2
		is "$name: as many filters as the first" \
		    "$(field "$task" Seccomp_filters)" \
		    "$(field "$p" Seccomp_filters)"
		is "$name: its root" "$(stat -L -c %d:%i "/proc/$task/root")" \
		    "$(stat -L -c %d:%i "/proc/$p/root")"
	done
}

another_net_worker() {
	local p
	p=$(worker net-worker)
	[ -n "$p" ] && [ "$p" != "$net" ]
}

test_restarted() {
	local mark
	mark=$(lines_of "$work/gateway.log")
	kill -KILL "$net"
	check "restarted: another net-worker" wait_until 10 another_net_worker
	check "restarted: confined" wait_line 10 "$work/gateway.log" \
	    'net-worker.*confined' "$mark"
	net=$(worker net-worker)
	test_threads "restarted" "$net"
}

test_control_worker() {
	worker_locked control-worker "$control" _posternctl
	refuse "control-worker: the parent's network" \
	    separate "$control" net
	is "control-worker: descriptors" "$(descriptors "$control")" \
	    "/ /dev/null anon_inode:[eventfd] anon_inode:[eventpoll] pipe socket "
	refuse "control-worker: no TUN" \
	    grep -q tun <(descriptors "$control")
}

topology
start_relay
start_portal
start_lan 1
start_gateway --threads $THREADS
start_client
check "ping" ping_lan 10
parent=${pid[gateway]}
net=$(worker net-worker)
control=$(worker control-worker)
test_titles
test_parent
test_net_worker
test_control_worker
test_threads "started" "$net"
test_restarted
finish
