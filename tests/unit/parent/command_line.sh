#!/bin/bash
# What posternd prints and returns without starting: its first argument is it.

posternd=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
unset FIREZONE_TOKEN CREDENTIALS_DIRECTORY

# expect WHAT STATUS TEXT COMMAND ...: TEXT is a pattern for a line.
expect() {
	local what=$1 status=$2 text=$3 got=0
	shift 3
	"$@" > "$work/out" 2>&1 || got=$?
	[ "$got" -eq "$status" ] && grep -Eq -- "$text" "$work/out" && return
	echo "$what: exit status $got"
	cat "$work/out"
	failed=1
}

version='^posternd [0-9.]+ \(gateway protocol [0-9.]+\)$'
expect "-V" 0 "$version" "$posternd" -V
[ "$(wc -l < "$work/out")" -eq 1 ] || { echo "-V: not one line"; failed=1; }
expect "--version" 0 "$version" "$posternd" --version
for what in libsodium libuv libseccomp libnftables OpenSSL libcurl; do
	expect "--version: $what" 0 "\b$what [0-9]" "$posternd" --version
done
expect "--version: cipher" 0 "^ChaCha20-Poly1305 by (libsodium|intel)" \
    "$posternd" --version
expect "--version: kernel" 0 "^Linux $(uname -r | sed 's/[.+]/\\&/g') " \
    "$posternd" --version

printf 'threads 1\nbogus 2\n' > "$work/conf"
expect "a wrong file" 2 "^posternd: $work/conf:2: bogus: there is no such" \
    "$posternd" -f "$work/conf"
expect "it, checked" 2 "^posternd: $work/conf:2: bogus: there is no such" \
    "$posternd" -f "$work/conf" --check
expect "and the rest" 2 "^posternd: no token: " \
    "$posternd" -f "$work/conf" --check
expect "no token" 1 "^posternd: no token: " "$posternd" -f "" --check
for where in file:x file: "file:/$(printf %2000s | tr ' ' x)" tape; do
	expect "--flow-log ${where:0:8}, checked" 2 "^posternd: --flow-log must be " \
	    "$posternd" -f "" --flow-log "$where" --check
done
seq -f 'bogus-%.0f' 19 > "$work/conf"
expect "many problems" 2 "^posternd: and 3 more$" "$posternd" -f "$work/conf"
echo threads 1 > "$work/conf"
expect "--print-config" 0 "^threads 1$" \
    "$posternd" -f "$work/conf" --print-config
expect "--print-config: where" 0 "^# in $work/conf$" \
    "$posternd" -f "$work/conf" --print-config

# The file that packages bring, and what it has as comments.
sample=$(dirname "$0")/../../../contrib/posternd.conf
cp "$sample" "$work/conf"
expect "posternd.conf" 0 "^# by default$" \
    "$posternd" -f "$work/conf" --print-config
sed 's/^#\([a-z]\)/\1/' "$sample" > "$work/conf"
expect "its comments" 0 "^firezone-name Berlin$" \
    "$posternd" -f "$work/conf" --print-config
exit $failed
