#!/bin/bash
# The locks of each role: what escape.c tries, and the golden lists of system
# calls, of which every change needs a reason. As root.
#
#	locks.sh			tests; $BUILD is the build directory
#	locks.sh --accept		writes the golden lists anew

here=$(cd "$(dirname "$0")" && pwd)
escape=${BUILD:-$here/../../build}/tests/sandbox/sandbox_escape
status=0

for role in parent net-worker control-worker; do
	golden=$here/golden/$role.txt
	if [ "${1:-}" = --accept ]; then
		"$escape" --list "$role" | sort > "$golden"
	elif "$escape" --list "$role" | sort | diff -u "$golden" -; then
		echo "ok - $role: its list is the golden one"
	else
		echo "not ok - $role: its list has changed; if there is a" \
		    "reason: BUILD=... tests/sandbox/locks.sh --accept"
		status=1
	fi
done
[ "${1:-}" != --accept ] || exit 0

"$escape" || status=1
exit $status
