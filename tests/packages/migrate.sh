#!/bin/bash
# contrib/postern-migrate with the files of a firezone-gateway. Needs no root.

set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=$PWD/build}"
export POSTERND=${POSTERND:-$BUILD/parent/posternd}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=""
count=0

begin() {
	root=$work/$1
	mkdir -p "$root/etc/firezone" "$root/etc/default" \
	    "$root/etc/systemd/system/firezone-gateway.service.d"
	config=$root/etc/postern/posternd.conf
	token=$root/etc/postern/token
}

migrate() {
	contrib/postern-migrate --root "$root" "$@" > "$work/out" 2>&1
}

# check NAME COMMAND ...
check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@" > "$work/checked" 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		cat "$work/out" "$work/checked"
	fi
}

not() {
	! "$@"
}

# What the Debian package of the reference has.
begin package
echo FIREZONE_ID=0123456789abcdef0123456789abcdef \
    > "$root/etc/firezone/gateway-preset-env"
cat > "$root/etc/firezone/gateway-env" <<'END'
# Set by hand
FIREZONE_NAME="Berlin $(touch /tmp/postern-migrate-ran)"
FIREZONE_API_URL='ws://portal.example:8080'
FIREZONE_NO_TELEMETRY=true
FIREZONE_FUTURE=1
RUST_LOG=debug
FIREZONE_FLOW_LOGS=true
END
printf ' secret-token \n' > "$root/etc/firezone/gateway-token"
check "shows what it would do" migrate
check "says so" grep -q "nothing is changed" "$work/out"
check "and does not" not test -e "$root/etc/postern"
check "applies" migrate --apply
cat > "$work/expected" <<'END'
api-url ws://portal.example:8080
flow-logs true
firezone-id 0123456789abcdef0123456789abcdef
firezone-name Berlin $(touch /tmp/postern-migrate-ran)
log-level debug
END
check "settings" diff -u "$work/expected" "$config"
check "posternd takes them" "$POSTERND" -f "$config" --print-config
check "nothing was executed" not test -e /tmp/postern-migrate-ran
check "token" test "$(cat "$token")" = secret-token
check "mode of the token" test "$(stat -c %a "$token")" = 400
check "mode of the settings" test "$(stat -c %a "$config")" = 644
check "token is not shown" not grep -q secret-token "$work/out"
check "left out is told" grep -q "left out: FIREZONE_NO_TELEMETRY" "$work/out"
check "unknown is told" grep -q "FIREZONE_FUTURE .* is not known" "$work/out"
check "the old service is left alone" grep -q "disable --now" "$work/out"

# Once more: what is there stays, unless told otherwise.
echo other-token > "$root/etc/firezone/gateway-token"
sed -i s/RUST_LOG=debug/RUST_LOG=trace/ "$root/etc/firezone/gateway-env"
check "a second time" migrate --apply
check "keeps the settings" diff -u "$work/expected" "$config"
check "keeps the token" test "$(cat "$token")" = secret-token
check "says so" grep -q "kept: log-level" "$work/out"
check "replaces" migrate --apply --replace
check "the settings" test "$(grep -c log-level "$config")" = 1
check "by the new ones" grep -q "^log-level trace$" "$config"
check "the token" test "$(cat "$token")" = other-token

# Of the directives that the reference takes, posternd takes a level.
begin directives
echo RUST_LOG=wire::dev=trace,Debug,info > "$root/etc/firezone/gateway-env"
check "directives" migrate --apply
check "the level of them" grep -q "^log-level debug$" "$config"
echo RUST_LOG=phoenix_channel=debug > "$root/etc/firezone/gateway-env"
rm "$config"
echo FIREZONE_NAME=Berlin >> "$root/etc/firezone/gateway-env"
check "directives without a level" migrate --apply
check "are left out" not grep -q log-level "$config"
check "and told" grep -q "left out: RUST_LOG of .* no level" "$work/out"
check "all else is kept" grep -q "^firezone-name Berlin$" "$config"

# The unit that the reference's script writes.
begin unit
printf unit-token > "$root/etc/firezone/gateway-token"
cat > "$root/etc/systemd/system/firezone-gateway.service" <<'END'
[Service]
Environment="FIREZONE_NAME=my gateway" FIREZONE_ID=abc
Environment=FIREZONE_API_URL=wss://api.firezone.dev
Environment=LOG_FORMAT=human
LoadCredential=FIREZONE_TOKEN:/etc/firezone/gateway-token
ExecStart=/opt/firezone/bin/firezone-gateway --no-inc-buf
END
echo 'Environment=FIREZONE_ID=of-the-drop-in' \
    > "$root/etc/systemd/system/firezone-gateway.service.d/id.conf"
check "a unit" migrate --apply
check "name of a unit" grep -q "^firezone-name my gateway$" "$config"
check "a drop-in counts" grep -q "^firezone-id of-the-drop-in$" "$config"
check "token of a credential" test "$(cat "$token")" = unit-token
check "arguments are told" grep -q "look at it yourself" "$work/out"

# An older unit with the token in it, and other places.
begin old
cat > "$root/etc/default/firezone-gateway" <<'END'
export FIREZONE_TOKEN=old-token
FIREZONE_MAX_PARTITION_TIME=1h
END
check "an old one" migrate --apply
check "token of a variable" test "$(cat "$token")" = old-token
check "time" grep -q "^max-partition-time 1h$" "$config"

# Arguments are everybody's to read.
begin drop-in
cat > "$root/etc/systemd/system/firezone-gateway.service" <<'END'
[Service]
Environment="FIREZONE_TOKEN=unit-token"  'FIREZONE_NAME=it is "mine"' A=
Environment=FIREZONE_ID="a\"b c"\ d
END
check "a token in a unit" strace -f -qq -e trace=execve -s 4096 \
    -o "$work/calls" contrib/postern-migrate --root "$root" --apply
check "is taken" test "$(cat "$token")" = unit-token
check "and given to no program" not grep -q unit-token "$work/calls"
check "which are seen" grep -q install "$work/calls"
check "quotes of another kind" grep -qx 'firezone-name it is "mine"' "$config"
check "quotes within" grep -qx 'firezone-id a"b c d' "$config"

begin bad
echo FIREZONE_MAX_PARTITION_TIME=soon > "$root/etc/default/firezone-gateway"
check "settings that posternd refuses" not migrate --apply
check "are told" grep -q "max-partition-time must be" "$work/out"
check "and not written" not test -e "$config"

begin none
check "nothing there" not migrate --apply
check "is told" grep -q "nothing of a firezone-gateway" "$work/out"
check "a wrong option" not migrate --bogus
