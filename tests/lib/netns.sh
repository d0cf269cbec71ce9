# A small internet in network namespaces, for the integration tests and the
# demo. Sourced by bash, as root; everything it makes is gone when the shell
# ends.
#
#	+--------------------+                        +------------------------+
#	| client             |                        | lan                    |
#	|  eth0 192.168.1.2  |                        |  eth0 10.20.0.2        |
#	|       fd01::2      |                        |       fd20::2          |
#	|  tun-client        |                        | http 80, echo 7        |
#	+--------||----------+                        +---------||-------------+
#	         ||                                             ||
#	+--------||----------+                        +---------||-------------+
#	| home (NAT)         |                        | gateway                |
#	|  lan 192.168.1.1   |                        |  lan  10.20.0.1        |
#	|      fd01::1       |                        |       fd20::1          |
#	|  wan 203.0.113.10  |                        |  eth0 192.168.2.2      |
#	|      2001:db8::10  |                        |       fd02::2          |
#	+--------||----------+                        |  tun-firezone          |
#	         ||                                   +---------||-------------+
#	         ||                                   +---------||-------------+
#	         ||                                   | office (NAT)           |
#	         ||                                   |  lan 192.168.2.1       |
#	         ||                                   |      fd02::1           |
#	         ||                                   |  wan 203.0.113.20      |
#	         ||                                   |      2001:db8::20      |
#	         ||                                   +---------||-------------+
#	+--------||---------------------------------------------||-------------+
#	| internet: bridge 203.0.113.1/24, 2001:db8::1/64                    |
#	+------------||---------------------------------------||---------------+
#	+------------||----------------+      +---------------||---------------+
#	| portal 203.0.113.8           |      | relay 203.0.113.9              |
#	|        2001:db8::8, ws 8080  |      |       2001:db8::9, TURN 3478   |
#	+------------------------------+      +--------------------------------+
#
# A test calls topology, then what it needs of start_relay, start_portal,
# start_gateway and start_client, and waits with wait_until or wait_line.

NETNS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${BUILD:=$NETNS_ROOT/build}"
: "${POSTERND:=$BUILD/parent/posternd}"
: "${POSTERNCTL:=$BUILD/parent/posternctl}"
: "${TEST_CLIENT:=$BUILD/tests/client/postern-test-client}"
PYTHON=/usr/bin/python3

prefix=pstn$$-
spaces="client home internet portal relay office gateway lan"
export TMPDIR="${TMPDIR:-/tmp}"
work=$(mktemp -d "$TMPDIR/postern.XXXXXX")
chmod 755 "$work"

GATEWAY_TOKEN=gateway-token
USER_TOKEN=jane-token
RELAY_SECRET=relay-secret
PORTAL_URL=ws://203.0.113.8:8080
LAN4=10.20.0.2
LAN6=fd20::2
GATEWAY_ID=postern-gateway

declare -A pid # of what we started, by name
users_made=""
tests_run=0
tests_failed=0

# --- Reports ----------------------------------------------------------------

ok() {
	tests_run=$((tests_run + 1))
	echo "ok $tests_run - $*"
}

# refuse NAME COMMAND ...: ok when the command fails.
refuse() {
	local name=$1
	shift
	if "$@" > "$work/output" 2>&1; then
		not_ok "$name" "$(cat "$work/output")"
	else
		ok "$name"
	fi
}

# not_ok NAME [LINE ...]
not_ok() {
	tests_run=$((tests_run + 1))
	tests_failed=$((tests_failed + 1))
	echo "not ok $tests_run - $1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/#   /'
}

# check NAME COMMAND ...: ok when the command succeeds.
check() {
	local name=$1
	shift
	if "$@" > "$work/output" 2>&1; then
		ok "$name"
	else
		not_ok "$name" "$(cat "$work/output")"
	fi
}

# is NAME GOT WANTED
is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got:    $2" "wanted: $3"
	fi
}

# The last lines of the named logs, or of all.
show_logs() {
	local log
	for log in "${@:-$work/*.log}"; do
		for log in $log; do
			[ -s "$log" ] || continue
			echo "# --- ${log##*/}"
			tail -n 25 "$log" | sed 's/^/# /'
		done
	done
}

die() {
	echo "$0: $1" >&2
	shift
	show_logs "$@" >&2
	exit 1
}

# sanitizer_reports [LOG ...]: not ok where a program built with one has
# something to say.
sanitizer_reports() {
	local log
	for log; do
		[ ! -e "$log" ] || ! grep -q 'Sanitizer: ' "$log" ||
			not_ok "no report of a sanitizer in ${log##*/}" \
			    "$(grep -A 40 -m 1 'Sanitizer: ' "$log")"
	done
}

finish() {
	sanitizer_reports "$work"/*.log
	[ "$tests_failed" -eq 0 ] || show_logs
	exit $((tests_failed > 0))
}

# --- Waiting ----------------------------------------------------------------

now_ms() {
	local t=${EPOCHREALTIME/[.,]/}
	echo $((t / 1000))
}

# A pipe in which nothing ever comes. Not that of a process substitution: bash
# remembers the process of each, and waits for ever for the next one that has
# the same id.
mkfifo "$work/never_ready"
exec {never_ready}<> "$work/never_ready"
rm "$work/never_ready"

# A short rest between two looks at a condition.
rest() {
	read -r -t 0.02 -u $never_ready || true
}

# wait_until SECONDS COMMAND ...: runs it until it succeeds; on a machine with
# other things to do for SLOWNESS times as long.
SLOWNESS=3
wait_until() {
	local end=$(($(now_ms) + $1 * SLOWNESS * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$end" ] || return 1
		rest
	done
}

# wait_line SECONDS FILE EXPRESSION [AFTER]: a line beyond the first AFTER.
wait_line() {
	wait_until "$1" line_after "$2" "$3" "${4:-0}"
}

line_after() {
	tail -n +$(($3 + 1)) "$1" | grep -Eq -- "$2"
}

lines_of() {
	wc -l < "$1"
}

# Ended; it may be waiting for its parent to ask.
gone() {
	local state
	read -r _ _ state _ 2>/dev/null < "/proc/$1/stat" || return 0
	[ "$state" = Z ]
}

# --- Namespaces -------------------------------------------------------------

# at SPACE COMMAND ...
at() {
	local space=$1
	shift
	ip netns exec "$prefix$space" "$@"
}

# spawn NAME SPACE COMMAND ...: in the background, output to NAME.log.
spawn() {
	local name=$1 space=$2
	shift 2
	sanitizer_reports "$work/$name.log"
	# Before anyone waits for a line of it.
	: > "$work/$name.log"
	# exec, so that the pid is the program's and not a shell's.
	(exec ip netns exec "$prefix$space" "$@" {never_ready}>&-) \
	    > "$work/$name.log" 2>&1 < /dev/null &
	pid[$name]=$!
}

# stop NAME [SIGNAL]: sets exit_status.
stop() {
	local p=${pid[$1]:-}
	exit_status=0
	[ -n "$p" ] || return 0
	kill "-${2:-TERM}" "$p" 2>/dev/null
	wait_until 10 gone "$p" || kill -KILL "$p" 2>/dev/null
	wait "$p" 2>/dev/null
	exit_status=$?
	unset "pid[$1]"
}

# All output of a program is in once it has ended by itself: sets exit_status.
await_exit() {
	wait_until "$2" gone "${pid[$1]}" || return 1
	wait "${pid[$1]}" 2>/dev/null
	exit_status=$?
	unset "pid[$1]"
}

cleanup() {
	local name space
	trap - EXIT INT TERM
	for name in client gateway "${!pid[@]}"; do
		stop "$name"
	done
	for space in $spaces; do
		[ -e "/run/netns/$prefix$space" ] || continue
		ip netns pids "$prefix$space" | xargs -r kill -KILL 2>/dev/null
		ip netns del "$prefix$space"
		rm -rf "/etc/netns/$prefix$space"
	done
	rmdir /etc/netns 2>/dev/null
	remove_users
	rm -rf "$work"
}

# link SPACE DEVICE SPACE DEVICE
link() {
	ip link add "$2" netns "$prefix$1" type veth \
	    peer name "$4" netns "$prefix$3"
	ip -n "$prefix$1" link set "$2" up
	ip -n "$prefix$3" link set "$4" up
}

# plug SPACE DEVICE ADDRESS4 ADDRESS6: onto the bridge.
plug() {
	link "$1" "$2" internet "$1"
	ip -n "${prefix}internet" link set "$1" master br0
	addresses "$1" "$2" "$3/24" "$4/64"
	default_via "$1" 203.0.113.1 2001:db8::1
}

# addresses SPACE DEVICE NETWORK4 NETWORK6
addresses() {
	ip -n "$prefix$1" address add "$3" dev "$2"
	ip -n "$prefix$1" address add "$4" dev "$2" nodad
}

default_via() {
	ip -n "$prefix$1" route add default via "$2"
	ip -n "$prefix$1" route add default via "$3"
}

sysctl_at() {
	at "$1" sysctl -q -w "$2"
}

# A home router: masquerade, and nothing unasked from outside. Dropping it in
# the input chain also keeps conntrack from remembering it, which would make
# the router choose another port for the answer to it.
nat_router() {
	sysctl_at "$1" net.ipv4.ip_forward=1
	sysctl_at "$1" net.ipv6.conf.all.forwarding=1
	at "$1" nft -f - <<-RULES
	table inet router {
		chain postrouting {
			type nat hook postrouting priority srcnat;
			oifname wan masquerade
		}
		chain input {
			type filter hook input priority filter;
			iifname wan ct state new meta l4proto { tcp, udp } drop
		}
		chain forward {
			type filter hook forward priority filter;
			iifname wan ct state new drop
		}
	}
	RULES
}

topology() {
	local space
	[ "$(id -u)" -eq 0 ] || die "must be run as root"
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	make_users
	for space in $spaces; do
		ip netns add "$prefix$space"
		ip -n "$prefix$space" link set lo up
	done
	ip -n "${prefix}internet" link add br0 type bridge
	ip -n "${prefix}internet" link set br0 up
	# The rest of the internet: it swallows what nobody here is.
	addresses internet br0 203.0.113.1/24 2001:db8::1/64

	plug home wan 203.0.113.10 2001:db8::10
	plug office wan 203.0.113.20 2001:db8::20
	plug portal eth0 203.0.113.8 2001:db8::8
	plug relay eth0 203.0.113.9 2001:db8::9

	link client eth0 home lan
	addresses client eth0 192.168.1.2/24 fd01::2/64
	addresses home lan 192.168.1.1/24 fd01::1/64
	default_via client 192.168.1.1 fd01::1
	nat_router home

	link gateway eth0 office lan
	addresses gateway eth0 192.168.2.2/24 fd02::2/64
	addresses office lan 192.168.2.1/24 fd02::1/64
	default_via gateway 192.168.2.1 fd02::1
	nat_router office

	# No route back: the gateway has to masquerade.
	link lan eth0 gateway lan
	addresses lan eth0 $LAN4/24 $LAN6/64
	addresses gateway lan 10.20.0.1/24 fd20::1/64

	# Whoever ends just now takes the folder away.
	until mkdir -p "/etc/netns/${prefix}gateway"; do rest; done
	echo "nameserver 203.0.113.8" > "/etc/netns/${prefix}gateway/resolv.conf"
}

# From now on only relays connect client and gateway; allow_direct ends it.
block_direct() {
	at home nft -f - <<-RULES
	table inet block {
		chain forward {
			type filter hook forward priority filter - 1;
			ip daddr 203.0.113.20 udp dport 0-65535 drop
			ip saddr 203.0.113.20 udp dport 0-65535 drop
			ip6 daddr 2001:db8::20 udp dport 0-65535 drop
			ip6 saddr 2001:db8::20 udp dport 0-65535 drop
		}
	}
	RULES
}

allow_direct() {
	at home nft delete table inet block
}

# --- Programs ---------------------------------------------------------------

# The users of the workers, where the package has not made them.
make_users() {
	users_made=$("$NETNS_ROOT/contrib/make-users")
}

remove_users() {
	local user
	for user in $users_made; do
		userdel $user
	done
	users_made=""
}

# play_at_once ARGUMENTS ...: this script once with each of them (words in one),
# all at the same time, as they mostly wait; ends it.
play_at_once() {
	local arguments player players=() status=0
	# Who is ready first must not take them from the others.
	make_users
	trap 'remove_users; rm -rf "$work"' EXIT
	for arguments; do
		"$0" $arguments > "$work/${arguments// /.}" 2>&1 &
		players+=("$!:$work/${arguments// /.}")
	done
	for player in "${players[@]}"; do
		wait "${player%%:*}" || status=1
		cat "${player#*:}"
	done
	exit $status
}

# Everything about the gateway's network that posternd could have changed; the
# kernel's link-local addresses come in their own time.
gateway_network() {
	at gateway sh -c '
		ip -o link
		ip -o address
		ip rule
		ip -6 rule
		ip route show table all
		ip -6 route show table all
		nft list ruleset
		sysctl -a 2>/dev/null | grep -E "forward|accept_ra |src_valid"
	' | grep -v fe80:
}

listens() {
	[ -n "$(at "$1" ss -Hln"$2" "sport = :$3")" ]
}

# relay_at SPACE ADDRESS4 ADDRESS6 [OPTION ...]: named as its namespace.
relay_at() {
	local space=$1 ipv4=$2 ipv6=$3
	shift 3
	spawn "$space" "$space" turnserver -n --no-cli --no-tls --no-dtls \
	    --listening-ip="$ipv4" --listening-ip="$ipv6" \
	    --relay-ip="$ipv4" --relay-ip="$ipv6" \
	    --listening-port=3478 --realm=firezone --fingerprint \
	    --use-auth-secret --static-auth-secret=$RELAY_SECRET \
	    --log-file=stdout --simple-log --verbose \
	    --userdb="$work/$space.db" --pidfile="$work/$space.pid" "$@"
	wait_until 10 listens "$space" u 3478 ||
		die "the relay does not start" "$work/$space.log"
}

# start_relay [OPTION ...]
start_relay() {
	relay_at relay 203.0.113.9 2001:db8::9 "$@"
}

# Another one, in a namespace of its own, at 203.0.113.11 and 2001:db8::11.
start_second_relay() {
	if [[ " $spaces " != *" relay2 "* ]]; then
		spaces+=" relay2"
		ip netns add "${prefix}relay2"
		ip -n "${prefix}relay2" link set lo up
		plug relay2 eth0 203.0.113.11 2001:db8::11
	fi
	relay_at relay2 203.0.113.11 2001:db8::11
}

second_relay_configuration() {
	cat <<-TOML
	[[relays]]
	name = "relay2"
	ipv4 = "203.0.113.11"
	ipv6 = "2001:db8::11"
	secret = "$RELAY_SECRET"
	TOML
}

token_hash() {
	printf %s "$1" | sha256sum | cut -d ' ' -f 1
}

# What the portal hands out; a test may append before start_portal.
portal_configuration() {
	cat <<-TOML
	[portal]
	listen = ["203.0.113.8:8080", "[2001:db8::8]:8080"]
	state_file = "state.json"
	control_socket = "portal.sock"

	[site]
	name = "HQ"

	[[gateway_tokens]]
	token_sha256 = "$(token_hash $GATEWAY_TOKEN)"

	[[users]]
	name = "jane"
	token_sha256 = "$(token_hash $USER_TOKEN)"

	[[resources]]
	name = "lan4"
	type = "cidr"
	address = "10.20.0.0/24"
	filters = ["tcp/80", "tcp/7", "udp/7", "icmp"]

	[[resources]]
	name = "lan6"
	type = "cidr"
	address = "fd20::/64"
	filters = ["tcp/80", "tcp/7", "udp/7", "icmp"]

	[[policies]]
	resource = "lan4"
	users = ["jane"]

	[[policies]]
	resource = "lan6"
	users = ["jane"]

	[[relays]]
	name = "relay"
	ipv4 = "203.0.113.9"
	ipv6 = "2001:db8::9"
	secret = "$RELAY_SECRET"
	TOML
}

# What clients of the reference reach by itself is a resource to the test client.
tunnel_resources() {
	portal_configuration
	cat <<-TOML
	[[resources]]
	name = "tunnel4"
	type = "cidr"
	address = "100.64.0.0/11"

	[[resources]]
	name = "tunnel6"
	type = "cidr"
	address = "fd00:2021:1111::/107"

	[[policies]]
	resource = "tunnel4"
	users = ["jane"]

	[[policies]]
	resource = "tunnel6"
	users = ["jane"]
	TOML
}

start_portal() {
	[ -e "$work/site.toml" ] || portal_configuration > "$work/site.toml"
	spawn portal portal "$PYTHON" \
	    "$NETNS_ROOT/contrib/portal/postern-portal" -c "$work/site.toml"
	wait_until 10 listens portal t 8080 ||
		die "the portal does not start" "$work/portal.log"
}

# posternctl [OPTION ...] COMMAND ...: asks the gateway.
posternctl() {
	at gateway "$POSTERNCTL" -s "$work/ctl.sock" "$@"
}

# log_has EXPRESSION: the gateway's log.
log_has() {
	grep -Eq -- "$1" "$work/gateway.log"
}

# ctl JSON: to the portal's control socket.
ctl() {
	"$PYTHON" "$NETNS_ROOT/contrib/portal/postern-portal" ctl \
	    "$work/portal.sock" "$1"
}

# By its identity, or the hash of it that generation 1 sends.
gateway_online() {
	ctl '{"cmd":"status"}' |
	    grep -Eq "$GATEWAY_ID|$(token_hash $GATEWAY_ID)"
}

# launch_gateway [OPTION ...]: without waiting for anything. By its name alone,
# as from a PATH: setproctitle(3) leaves a dot behind a title that is shorter
# than the name.
launch_gateway() {
	FIREZONE_TOKEN=${TOKEN-$GATEWAY_TOKEN} FIREZONE_ID=$GATEWAY_ID \
	    spawn gateway gateway bash -c 'exec -a posternd "$0" "$@"' \
	    "$POSTERND" --api-url "$PORTAL_URL" \
	    --ctl-socket "$work/ctl.sock" --state-dir "$work/state" "$@"
}

start_gateway() {
	launch_gateway "$@"
	wait_until 15 gateway_online ||
		die "the gateway does not come online" "$work/gateway.log"
}

# The ids of the running gateway's processes.
worker() {
	pgrep -P "${pid[gateway]}" -f "^posternd: $1"
}

# All processes of posternd that this test has started, whoever their parent is
# now: none of them leaves its process group.
daemons() {
	local p
	for p in $(pgrep -g 0); do
		[ "$(readlink "/proc/$p/exe")" != "$(realpath "$POSTERND")" ] ||
			echo "$p"
	done
}

processes() {
	echo "${pid[gateway]} $(worker net-worker) $(worker control-worker)"
}

# start_client [OPTION ...]: has its addresses and routes.
start_client() {
	FIREZONE_TOKEN=$USER_TOKEN spawn client client "$TEST_CLIENT" -v \
	    -l 192.168.1.2 -l fd01::2 "$@" "$PORTAL_URL"
	wait_line 15 "$work/client.log" '^ready ' ||
		die "the client does not start" "$work/client.log"
}

# The server on the LAN; start_lan MEGABYTES makes the file as well.
start_lan() {
	head -c $(($1 * 1000000)) /dev/urandom > "$work/file"
	file_hash=$(sha256sum < "$work/file" | cut -d ' ' -f 1)
	spawn lan lan "$PYTHON" \
	    "$NETNS_ROOT/tests/lib/lan_server.py" "$work/file"
	wait_until 10 listens lan t 80 ||
		die "the server on the LAN does not start" "$work/lan.log"
}

# --- Traffic ----------------------------------------------------------------

# url ADDRESS
url() {
	case $1 in
	*:*) echo "http://[$1]/file" ;;
	*) echo "http://$1/file" ;;
	esac
}

# download ADDRESS [CURL OPTION ...]: sets bytes, seconds, hash. Says what curl
# saw when it fails.
download() {
	local address=$1 figures
	shift
	if ! figures=$(at client curl -v --connect-timeout 15 --max-time 120 \
	    "$@" -o "$work/download" -w '%{size_download} %{time_total}' \
	    "$(url "$address")" 2> "$work/curl"); then
		grep '^\*\|^curl' "$work/curl"
		return 1
	fi
	read -r bytes seconds <<< "$figures"
	hash=$(sha256sum < "$work/download" | cut -d ' ' -f 1)
	rm -f "$work/download"
	[ "$hash" = "$file_hash" ]
}

ping_lan() {
	local seconds=${1:-1}
	# Where there is time for it, others follow one that is lost.
	if [ "$seconds" -ge 5 ]; then
		at client ping -c 1 -w $((seconds * SLOWNESS)) -q $LAN4
	else
		at client ping -c 1 -W "$seconds" -q $LAN4
	fi
}

# The path in use, as the client last said: direct or relayed. By its addresses:
# a check by way of a relay may come before the candidate that it comes from,
# and is then from a peer-reflexive one.
client_path() {
	awk '$1 == "connected" { path = $0 }
	    END {
		if (path ~ /(203\.0\.113\.|2001:db8::)(9|11)\]?:/)
			print "relayed"
		else if (path != "")
			print "direct"
	    }' "$work/client.log"
}

path_is() {
	[ "$(client_path)" = "$1" ]
}
