#!/bin/bash
# What net-worker asks of relays, asked of coturn on a loopback of its own.

root=$(cd "$(dirname "$0")/../.." && pwd)
exec unshare -n sh -c 'ip link set lo up && exec "$0"' \
    "${BUILD:-$root/build}/tests/integration/turn_probe"
