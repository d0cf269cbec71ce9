# One measurement, for run and ceiling.sh, which source tests/lib/netns.sh
# before this.

# The CPU time of a process so far, user and system, in clock ticks.
ticks() {
	local stat
	read -r stat < "/proc/$1/stat" || return
	set -- ${stat##*) } # the name may hold spaces
	echo $((${12} + ${13}))
}

# start_iperf SPACE PORT
start_iperf() {
	spawn iperf "$1" iperf3 -s -p "$2"
	wait_until 10 listens "$1" t "$2" ||
		die "iperf3 does not start" "$work/iperf.log"
}

# throughput GATEWAY-PID CLIENT-PID SPACE SECONDS ADDRESS PORT [OPTION ...]: a
# TCP stream of iperf3; prints Gbit/s, and the CPU seconds per gigabyte of the
# gateway's and the client's process.
throughput() {
	local gateway=$1 client=$2 space=$3 seconds=$4 address=$5 port=$6
	local before after
	shift 6
	before="$(ticks "$gateway") $(ticks "$client")" || return
	at "$space" timeout $((seconds + 20)) iperf3 -c "$address" -p "$port" \
	    -t "$seconds" -J "$@" > "$work/iperf.json" || return
	after="$(ticks "$gateway") $(ticks "$client")" || return
	"$PYTHON" - "$work/iperf.json" "$(getconf CLK_TCK)" $before $after <<-'END'
	import json, sys
	end = json.load(open(sys.argv[1]))["end"]["sum_received"]
	ticks = [int(t) for t in sys.argv[3:]]
	cost = int(sys.argv[2]) * end["bytes"] / 1e9
	print("%.2f %.3f %.3f" % (end["bits_per_second"] / 1e9,
	    (ticks[2] - ticks[0]) / cost, (ticks[3] - ticks[1]) / cost))
	END
}
