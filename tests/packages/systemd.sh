#!/bin/bash
# contrib/systemd/posternd.service as systemd starts it: one of its own, the
# first process of a PID namespace in the gateway's network, with nothing to
# start but this. What the unit forbids is forbidden, and the gateway works, its
# workers when they are started again as well.

. "$(dirname "$0")/../lib/netns.sh"

: "${POSTERNCTL:=$BUILD/parent/posternctl}"
group_made=""
cgroups=$work/cgroups

end_systemd() {
	stop systemd KILL
	wait_until 10 remove_groups
	umount "$cgroups" 2> /dev/null
	[ -z "$group_made" ] || groupdel postern
	cleanup
}

# Empty ones, from the innermost.
remove_groups() {
	[ -d "$cgroups/postern.$$" ] || return 0
	find "$cgroups/postern.$$" -depth -type d -exec rmdir {} + 2> /dev/null
	[ ! -d "$cgroups/postern.$$" ]
}

# What of the unit cannot be as it is where nothing is installed.
write_units() {
	mkdir -p "$work/units/posternd.service.d"
	cp "$NETNS_ROOT/contrib/systemd/posternd.service" "$work/units"
	cat > "$work/units/posternd.service.d/test.conf" <<-UNIT
	[Unit]
	DefaultDependencies=no
	ConditionPathExists=
	[Service]
	ExecStart=
	ExecStart=/opt/posternd -f /run/posternd.conf
	ExecPaths=
	$(sed -n 's|^ExecPaths=/usr/sbin|ExecPaths=/opt|p' \
	    "$NETNS_ROOT/contrib/systemd/posternd.service")
	LoadCredential=
	LoadCredential=FIREZONE_TOKEN:/run/posternd.token
	StandardOutput=append:$work/gateway.log
	StandardError=inherit
	Restart=no
	UNIT
	cat > "$work/posternd.conf" <<-CONF
	api-url $PORTAL_URL
	firezone-id $GATEWAY_ID
	flow-log file:/var/log/postern/flows
	CONF
	echo $GATEWAY_TOKEN > "$work/token"
	: > "$work/gateway.log"
}

# Of this machine it sees all, and changes what is in $work and in memory.
start_systemd() {
	mkdir "$cgroups"
	mount -t cgroup2 cgroup2 "$cgroups" 2> /dev/null &&
	    mkdir "$cgroups/postern.$$" || return 1
	spawn systemd gateway bash -c '
		echo $BASHPID > "$1"/cgroup.procs
		exec unshare --cgroup --mount --pid --fork --kill-child \
		    --mount-proc bash -ec '\''
			mount --make-rprivate /
			for folder in /run /var/lib /var/log /opt; do
				mount -t tmpfs -o mode=755 tmpfs $folder
			done
			mount -t cgroup2 cgroup2 /sys/fs/cgroup
			systemd-tmpfiles --create "$3"
			cp "$4" /opt/posternd
			cp "$5" /opt/posternctl
			cp "$2/posternd.conf" /run
			install -m 400 "$2/token" /run/posternd.token
			mkdir /run/work
			mount --bind "$2" /run/work
			for folder in /tmp /var/tmp; do
				mount -t tmpfs -o mode=1777 tmpfs $folder
			done
			mkdir -p "$2"
			mount --move /run/work "$2"
			mount -o remount,bind,ro /
			# As outside of containers: credentials go that way.
			mount --make-rshared /
			exec env -i container=postern PATH="$PATH" \
			    SYSTEMD_UNIT_PATH="$2/units" "$6" --system \
			    --unit=posternd.service --log-target=null \
			    --log-level=info --show-status=no
		    '\'' bash "$@"' bash "$cgroups/postern.$$" "$work" \
	    "$NETNS_ROOT/contrib/debian/posternd.tmpfiles" "$POSTERND" "$POSTERNCTL" \
	    "$(command -v systemd || echo /lib/systemd/systemd)"
	wait_until 20 inside systemctl show --property=Version
}

# In the namespaces of that systemd.
inside() {
	local first
	first=$(pgrep -P "${pid[systemd]}") || return 1
	nsenter --target "$first" --mount --pid --net "$@"
}

# Of that title: parent, net-worker, control-worker.
process() {
	local p
	for p in $(cat "$cgroups/postern.$$/system.slice/posternd.service/cgroup.procs"); do
		[[ $(tr '\0' ' ' < "/proc/$p/cmdline") != "posternd: $1"* ]] ||
		    echo "$p"
	done
}

property() {
	inside systemctl show --value --property="$1" posternd.service
}

property_is() {
	[ "$(property "$1")" = "$2" ]
}

ctl_says() {
	inside /opt/posternctl status | grep -Eq "$1"
}

confinements() {
	grep -c "confined: user, root, .*landlock, seccomp" "$work/gateway.log"
}

# More workers than so many have told of all locks.
confined_again() {
	[ "$(confinements)" -gt "$1" ]
}

# Of memory and descriptors, of three processes.
has_figures() {
	[ "$(at gateway curl -s http://127.0.0.1:8080/metrics | grep -Ec \
	    '^postern_process_(resident_memory_bytes|open_fds)\{.*\} [1-9]')" \
	    -eq 6 ]
}

test_start() {
	wait_until 30 property_is ActiveState active || {
		inside systemctl status --no-pager posternd.service
		die "the unit does not start" "$work/gateway.log"
	}
	ok "it is active"
	check "and says so" wait_until 10 property_is StatusText \
	    "2 workers, tun-firezone up"
	check "online" wait_until 20 gateway_online
	check "ready" wait_until 20 ctl_says '^posternd .*: ready$'
	is "workers with all locks" "$(confinements)" 2
	check "net-worker has no network" grep -q \
	    'net-worker: confined: .*network' "$work/gateway.log"
	is "the socket's group" "$(inside stat -c %G /run/postern/postern.sock)" \
	    postern
}

test_traffic() {
	start_client
	check "the client reaches the LAN" wait_until 15 ping_lan
	check "and loads a file" download $LAN4
	check "flows are logged" wait_until 10 \
	    inside grep -q '"event":"' /var/log/postern/flows
	check "each process has figures" wait_until 10 has_figures
}

# Whether the directives are there at all.
test_locks() {
	local root
	root=/proc/$(process parent)/root
	for path in /var/lib/firezone /run/postern /var/log/postern \
	    /proc/sys/net/ipv4/ip_forward; do
		check "it may write to $path" test -w "$root$path"
	done
	check "what nobody has forbidden" inside test -w /opt
	for path in /opt /var/lib /proc/sys/kernel/panic; do
		refuse "it may not write to $path" test -w "$root$path"
	done
	check "the tunnel's device" test -c "$root/dev/net/tun"
	refuse "no kernel log" test -e "$root/dev/kmsg"
	refuse "no other program is run" nsenter --mount \
	    --target "$(process parent)" /bin/true
	is "capabilities" "$(sed -n 's/^CapBnd:\t*//p' \
	    "/proc/$(process parent)/status")" 0000000000$(printf %x $((
		1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 21)))
	check "filters of its own and of the unit" test "$(sed -n \
	    's/^Seccomp_filters:\t*//p' "/proc/$(process parent)/status")" -gt 3
}

# Under the unit's filters, and its own by now.
test_new_workers() {
	local before
	for worker in control-worker net-worker; do
		before=$(confinements)
		kill -KILL "$(process $worker)"
		check "another $worker with all locks" wait_until 30 \
		    confined_again "$before"
	done
	check "online again" wait_until 30 ctl_says '^posternd .*: ready$'
}

# The parent is spared when memory is short, its workers are not.
test_scores() {
	[ "$(cat "/proc/$(process parent)/oom_score_adj")" -le -900 ] || {
		echo "# scores cannot be lowered here"
		return
	}
	is "the score of a worker" \
	    "$(cat "/proc/$(process net-worker)/oom_score_adj")" 0
}

test_end() {
	check "it is stopped" inside systemctl stop posternd.service
	is "result" "$(property Result)" success
	is "exit status" "$(property ExecMainStatus)" 0
	is "nothing to warn of" "$(grep -E ' (WARN|ERROR) ' \
	    "$work/gateway.log" | grep -Ev 'resolv.conf|was killed|dies')" ""
}

topology
trap end_systemd EXIT
getent group postern > /dev/null || { groupadd --system postern; group_made=1; }
write_units
start_relay
start_portal
start_lan 5
if ! start_systemd; then
	show_logs "$work/systemd.log"
	echo "systemd cannot be the first process here"
	exit 77
fi
test_start
test_traffic
test_locks
test_new_workers
test_scores
test_end
stop client
finish
