#!/bin/bash
# The locks of each role: what escape.c tries, and the golden lists of system
# calls, of which every change needs a reason. As root.
#
#	locks.sh			tests; $BUILD is the build directory
#	locks.sh --accept		writes the golden lists anew

set -o pipefail
export LC_ALL=C # the order of the lists

# Only for the users of the workers.
. "$(dirname "$0")/../lib/netns.sh"
trap 'remove_users; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

escape=$BUILD/tests/sandbox/sandbox_escape
golden=$NETNS_ROOT/tests/sandbox/golden
status=0

for role in parent net-worker control-worker; do
	"$escape" --list $role | sort > "$work/$role" ||
	    die "$escape cannot list the system calls of $role"
	if [ "${1:-}" = --accept ]; then
		cp "$work/$role" "$golden/$role.txt"
	elif diff -u "$golden/$role.txt" "$work/$role"; then
		echo "ok - $role: its list is the golden one"
	else
		echo "not ok - $role: its list has changed; if there is a" \
		    "reason: BUILD=$BUILD tests/sandbox/locks.sh --accept"
		status=1
	fi
done
[ "${1:-}" != --accept ] || exit 0

make_users
"$escape" || status=1
exit $status
