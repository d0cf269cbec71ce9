#!/bin/bash
# The profile of AppArmor: whether it is one, and names the files that it is
# about; and where the kernel has AppArmor, whether it takes it.

cd "$(dirname "$0")/../.." || exit 1
[ -n "$(command -v apparmor_parser)" ] || { echo "no apparmor_parser"; exit 77; }
profile=contrib/apparmor/usr.sbin.posternd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
failed=0

# check NAME COMMAND ...
check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@" > "$work/out" 2>&1; then
		echo "ok $count - $name"
	else
		failed=1
		echo "not ok $count - $name"
		cat "$work/out"
	fi
}

compiles() {
	apparmor_parser --skip-kernel-load --skip-cache --Werror \
	    --kernel-features /etc/apparmor.d/abi/3.0 "$1"
}

not() {
	! "$@"
}

has_capabilities() {
	local name
	for name in $(sed -n 's/^CapabilityBoundingSet=//p' \
	    contrib/systemd/posternd.service); do
		grep -q "^  capability $(tr 'A-Z' 'a-z' <<< "${name#CAP_}"),$" \
		    "$profile" || { echo "$name is missing"; return 1; }
	done
}

check "it compiles" compiles "$profile"
sed 's/^  capability kill,$/  capability murder,/' "$profile" > "$work/wrong"
check "and a wrong one does not" not compiles "$work/wrong"
check "it has the capabilities of the unit" has_capabilities
check "it complains only" grep -q 'flags=(complain' "$profile"
if [ "$(cat /sys/module/apparmor/parameters/enabled 2> /dev/null)" = Y ] &&
    [ -w /sys/kernel/security/apparmor/.replace ]; then
	# Under another name: what is installed here stays what it is.
	sed 's|^profile posternd /usr/sbin/posternd|profile postern-test|' \
	    "$profile" > "$work/test"
	check "the kernel takes it" apparmor_parser --skip-cache --replace \
	    "$work/test"
	check "and lets it go" apparmor_parser --remove "$work/test"
else
	echo "# there is no AppArmor in this kernel"
fi
exit $failed
