# The network of the bench, for run, which sources tests/lib/netns.sh before
# this. Two ways through a gateway on the same kernel path, one after the other
# in use, so that what else the machine does hits both:
#
#	near ----------------\
#	third --------------- gateway 10.20.0.1 ---- 10.20.0.2 lan
#	mouse1 ... mouse20 ---/
#	far -- relay by bridge /
#
#	All of them, the gateway, the portal and the relay are on the bridge.
#
#	y-client 10.9.0.1 ---- 10.9.0.2 y-gateway 10.8.0.1 ---- 10.8.0.2 y-lan
#	tunnel 100.64.0.1 == UDP 5555 == 100.64.0.2: the yardstick (ceiling.c)
#
#	z-client, z-gateway, z-lan: the same again, and the packet filter, NAT and
#	routing rules of posternd's gateway with it

prefix=pstb$$-
spaces="near third far internet portal relay gateway lan
	y-client y-gateway y-lan z-client z-gateway z-lan"
MICE=20
mice="" # when they are wanted
STREAM_PORTS="80 7" # that the resources' filters let through
LOAD_PORT=7
MICE_PORT=8 # of a server of their own: it sends a flood or answers

# want_mice: before their spaces are made.
want_mice() {
	mice=$(seq -s ' ' -f 'mouse%g' $MICE)
	spaces="$spaces $mice"
}

make_spaces() {
	local space
	for space in $spaces; do
		ip netns add "$prefix$space"
		ip -n "$prefix$space" link set lo up
	done
}

# near_link SPACE ADDRESS: direct data takes one link, not the bridge.
near_link() {
	link "$1" eth0 gateway "$1"
	ip -n "$prefix$1" route add 203.0.113.20 dev eth0 src "$2"
	ip -n "${prefix}gateway" route add "$2" dev "$1" src 203.0.113.20
}

mouse_address() {
	echo "203.0.113.$((100 + ${1#mouse}))"
}

make_postern_network() {
	local files=/etc/netns/${prefix}gateway mouse
	ip -n "${prefix}internet" link add br0 type bridge
	ip -n "${prefix}internet" link set br0 up
	addresses internet br0 203.0.113.1/24 2001:db8::1/64
	plug portal eth0 203.0.113.8 2001:db8::8
	plug relay eth0 203.0.113.9 2001:db8::9
	plug near wan 203.0.113.10 2001:db8::10
	plug third wan 203.0.113.11 2001:db8::11
	plug far wan 203.0.113.12 2001:db8::12
	plug gateway wan 203.0.113.20 2001:db8::20
	near_link near 203.0.113.10
	near_link third 203.0.113.11
	for mouse in $mice; do
		plug $mouse wan "$(mouse_address $mouse)" \
		    "2001:db8::${mouse#mouse}:1"
		near_link $mouse "$(mouse_address $mouse)"
	done
	link lan eth0 gateway lan
	addresses lan eth0 $LAN4/24 $LAN6/64
	addresses gateway lan 10.20.0.1/24 fd20::1/64
	until mkdir -p "$files"; do rest; done
	echo "nameserver 203.0.113.8" > "$files/resolv.conf"
	printf '127.0.0.1 localhost\n%s bench.test\n' $LAN4 > "$files/hosts"
}

# make_ceiling_network y|z
make_ceiling_network() {
	link $1-client eth0 $1-gateway eth0
	link $1-lan eth0 $1-gateway lan
	ip -n "$prefix$1-client" address add 10.9.0.1/24 dev eth0
	ip -n "$prefix$1-gateway" address add 10.9.0.2/24 dev eth0
	ip -n "$prefix$1-gateway" address add 10.8.0.1/24 dev lan
	ip -n "$prefix$1-lan" address add 10.8.0.2/24 dev eth0
	ip -n "$prefix$1-lan" route add 100.64.0.1 via 10.8.0.1
	sysctl_at $1-gateway net.ipv4.ip_forward=1
}

# ceiling_end SPACE PEER SIDE ADDRESS ROUTE
ceiling_end() {
	spawn "$1" "$1" "$BUILD/tests/bench/ceiling" tun0 5555 "$2" 5555 "$3"
	wait_until 10 ip -n "$prefix$1" link show tun0 ||
		die "the ceiling does not start" "$work/$1.log"
	ip -n "$prefix$1" address add "$4" dev tun0
	ip -n "$prefix$1" link set tun0 mtu 1280 up
	ip -n "$prefix$1" route add "$5" dev tun0
}

# start_ceiling y|z
start_ceiling() {
	ceiling_end $1-client 10.9.0.2 0 100.64.0.1 10.8.0.0/24
	ceiling_end $1-gateway 10.9.0.1 1 100.64.0.2 100.64.0.1
}

# What posternd has set up, for z-gateway, where the TUN has another name. A
# table has an owner only while that lives; a rule 0 is in each space.
copy_rules() {
	local route
	at z-gateway nft flush ruleset
	at gateway nft list ruleset |
		sed 's/tun-firezone/tun0/g; /flags owner/d; s/# progname.*//' |
		at z-gateway nft -f - || die "the packet filter is not copied"
	at z-gateway ip rule flush
	at gateway ip rule save | at z-gateway ip rule restore &&
		ip -n "${prefix}z-gateway" rule del pref 0 ||
		die "the routing rules are not copied"
	route=$(at gateway ip -4 route show table all proto static |
		sed -n 's/ dev tun-firezone / dev tun0 /p')
	ip -n "${prefix}z-gateway" route replace $route ||
		die "the route into the tunnel is not copied"
}

# start_servers SPACE: what is measured with, behind a gateway.
start_servers() {
	local port
	for port in $STREAM_PORTS; do
		spawn "iperf-$1-$port" "$1" iperf3 -s -p $port
		wait_until 10 listens "$1" t $port ||
			die "iperf3 does not start" "$work/iperf-$1-$port.log"
	done
	for port in $LOAD_PORT $MICE_PORT; do
		spawn "load-$1-$port" "$1" \
		    "$BUILD/tests/bench/bench_load" serve $port
		wait_until 10 listens "$1" u $port ||
			die "the load server does not start" \
			    "$work/load-$1-$port.log"
	done
}

bench_site() {
	portal_configuration | sed "s|\"udp/7\"|&, \"udp/$MICE_PORT\"|"
	cat <<-TOML
	[[resources]]
	name = "named"
	type = "dns"
	address = "bench.test"
	filters = ["tcp/80", "tcp/7", "udp/7", "icmp"]

	[[policies]]
	resource = "named"
	users = ["jane"]
	TOML
}

# path_is SPACE PATH: of the client there, as it last said. A direct one could
# still be by the gateway's relay.
path_is() {
	local path remote
	read -r _ path _ remote <<< "$(grep '^connected ' "$work/$1.log" |
		tail -n 1)"
	[ "$path" = "$2" ] && [ "${remote%:*}" = 203.0.113.20 ]
}

# connect SPACE ADDRESS PATH [CLIENT-OPTION ...]: has the name at $NAME4.
NAME4=100.96.0.5
connect() {
	local space=$1 address=$2 path=$3
	shift 3
	[ -e "$work/$space.fifo" ] || mkfifo "$work/$space.fifo"
	FIREZONE_TOKEN=$USER_TOKEN spawn "$space" "$space" "$TEST_CLIENT" \
	    --fast -i "$space" -c "$work/$space.fifo" -l "$address" "$@" "$PORTAL_URL"
	wait_line 15 "$work/$space.log" '^ready ' ||
		die "the client does not start" "$work/$space.log"
	wait_until 15 at "$space" ping -c 1 -W 1 -q $LAN4 ||
		die "no answer from the resource" "$work/$space.log"
	wait_until 20 path_is "$space" "$path" ||
		die "the path is not $path" "$work/$space.log"
	echo "assign named bench.test $NAME4 100.96.0.6 100.96.0.7 100.96.0.8" \
	    > "$work/$space.fifo"
	wait_line 15 "$work/$space.log" '^name bench.test active' ||
		die "the name is not active" "$work/$space.log"
}

connect_all() {
	connect near 203.0.113.10 direct --direct-only -4
	connect third 203.0.113.11 direct --direct-only -4
	connect far 203.0.113.12 relayed --relay-only -4
	connect_mice
}

# All at once, and for the CIDR resource alone.
connect_mice() {
	local mouse
	for mouse in $mice; do
		FIREZONE_TOKEN=$USER_TOKEN spawn $mouse $mouse "$TEST_CLIENT" \
		    --fast -i $mouse -l "$(mouse_address $mouse)" --direct-only -4 \
		    "$PORTAL_URL"
	done
	for mouse in $mice; do
		wait_until 30 at $mouse ping -c 1 -W 1 -q $LAN4 ||
			die "$mouse gets no answer" "$work/$mouse.log"
		wait_until 20 path_is $mouse direct ||
			die "$mouse is not direct" "$work/$mouse.log"
	done
}

# A client may have moved in the meantime.
paths_held() {
	local mouse
	for mouse in $mice; do
		path_is $mouse direct || return 1
	done
	path_is near direct && path_is third direct && path_is far relayed
}

stop_postern() {
	local name
	for name in near third far $mice gateway; do
		stop $name
	done
}

# way NAME SPACE ADDRESS LAN METRICS CLIENT GATEWAY ...: for measure.py, the name
# of the way, the client's space, the address to go to, the space it is in, the
# one where posternd tells its counters, and processes: the client's, and those
# of the gateway.
way() {
	local name=$1 space=$2 address=$3 lan=$4 metrics=$5
	shift 5
	echo "$name $prefix$space $address $prefix$lan $metrics $*"
}

ways() {
	local gateway=${prefix}gateway mouse
	for mouse in $mice; do
		way $mouse $mouse $LAN4 lan $gateway ${pid[$mouse]}
	done
	way ceiling y-client 10.8.0.2 y-lan - ${pid[y-client]} ${pid[y-gateway]}
	way ceiling-ruled z-client 10.8.0.2 z-lan - ${pid[z-client]} \
	    ${pid[z-gateway]}
	way direct near $LAN4 lan $gateway ${pid[near]} $(processes)
	way direct-name near $NAME4 lan $gateway ${pid[near]} $(processes)
	way relayed far $LAN4 lan $gateway ${pid[far]} $(processes)
	way relayed-name far $NAME4 lan $gateway ${pid[far]} $(processes)
	way second third $LAN4 lan $gateway ${pid[third]} $(processes)
}
