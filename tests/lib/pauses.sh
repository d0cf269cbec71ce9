# How long traffic pauses: of echoes, and of a download in the background that
# lasts. Sourced after netns.sh.

# start_download [ADDRESS]: at some 6 MB/s, with a line in download.log for each
# MB, and in its end the longest time in ms without a byte.
start_download() {
	spawn download client "$PYTHON" -u -c '
import hashlib, sys, time, urllib.request
last, worst, count, digest = time.monotonic(), 0.0, 0, hashlib.sha256()
with urllib.request.urlopen(sys.argv[1], timeout=150) as answer:
    while part := answer.read1(65536):
        now = time.monotonic()
        if count and now - last > worst:
            worst = now - last
        if count >> 20 != count + len(part) >> 20:
            print("MB", flush=True)
        last, count = now, count + len(part)
        digest.update(part)
assert digest.hexdigest() == sys.argv[2], count
print("pause", round(worst * 1000))
' "http://${1:-$LAN4}/slow" "$file_hash"
}

# under_way MEGABYTES: more than so many have arrived.
under_way() {
	[ "$(grep -c MB "$work/download.log")" -gt "$1" ]
}

# ends_within NAME MS: the download is whole, and has paused for no longer.
ends_within() {
	local pause
	check "$1: the download ends" await_exit download 150
	is "$1: it is whole" "$exit_status" 0
	pause=$(sed -n 's/^pause //p' "$work/download.log")
	echo "# $1: the longest pause was ${pause:-?} ms"
	[ -n "$pause" ] && [ "$pause" -le "$2" ]
	is "$1: no pause of more than $2 ms" $? 0
}

# The longest silence since the last time, in ms.
pause() {
	local answers
	answers=$(lines_of "$work/pauses.log")
	echo > "$work/ask"
	wait_line 5 "$work/pauses.log" . "$answers" || return
	tail -n 1 "$work/pauses.log"
}

# Echoes of 10 ms each, from now on.
start_pauses() {
	[ -e "$work/ask" ] || mkfifo "$work/ask"
	# For writing as well: it ends with its standard input.
	(exec ip netns exec "${prefix}client" "$PYTHON" \
	    "$NETNS_ROOT/tests/lib/pauses.py" $LAN4) \
	    <> "$work/ask" > "$work/pauses.log" 2>&1 &
	pid[pauses]=$!
	wait_line 10 "$work/pauses.log" '^up' ||
		die "no echo" "$work/pauses.log"
}
