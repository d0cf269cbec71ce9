#!/bin/bash
# The host's own networks lie within the tunnel's range: the way to its router
# is one of them. They go before the tunnel; clients with such an address are
# told of.

. "$(dirname "$0")/../lib/netns.sh"

# In carrier-grade NAT: the network between gateway and router.
carrier_network() {
	ip -n "${prefix}gateway" address flush dev eth0 scope global
	ip -n "${prefix}office" address flush dev lan scope global
	addresses gateway eth0 100.70.1.2/24 fd00:2021:1111::7:2/112
	addresses office lan 100.70.1.1/24 fd00:2021:1111::7:1/112
	default_via gateway 100.70.1.1 fd00:2021:1111::7:1
}

status() {
	posternctl status -w "$@"
}

status_has() {
	status | grep -Eq "$1"
}

reaches() {
	at gateway ping -c 1 -W 1 -q "$1"
}

# A network of the client's address appears on another device and goes again.
test_at_run_time() {
	link gateway more gateway end
	ip -n "${prefix}gateway" address add 100.64.0.77/24 dev more
	check "at run time: the log says so" wait_until 2 log_has \
	    "WARN parent: the host's network 100.64.0.0/24 lies within"
	check "at run time: status, too" wait_until 2 status_has \
	    '^overlap: .*100.64.0.0/24'
	check "at run time: the client's line says so" status_has \
	    "connected.*its address is the host's 100.64.0.0/24"
	check "at run time: JSON" sh -c "'$BUILD/parent/posternctl' \
	    -s '$work/ctl.sock' --json status |
	    grep -q '\"overlap\":\"100.64.0.0/24\"'"
	stop client
	start_client
	at client ping -c 1 -W 1 -q $LAN4 > /dev/null
	check "a client's grant: the log says so" wait_until 10 log_has \
	    'WARN control-worker: .*client .* cannot be reached at its address 100.64.0'
	ip -n "${prefix}gateway" link del more
	check "gone again: not in status" wait_until 2 refused status_has \
	    '100.64.0.0/24'
	check "gone again: ping" ping_lan 10
}

refused() {
	! "$@"
}

topology
carrier_network
start_relay
start_portal
start_lan 5
clean=$(gateway_network)
check "the router at first" reaches 100.70.1.1
start_gateway
check "the router" reaches 100.70.1.1
check "the router in IPv6" reaches fd00:2021:1111::7:1
check "the log names the network" log_has \
    "WARN parent: the host's network 100.70.1.0/24 lies within"
check "and the one of IPv6" log_has \
    "WARN parent: the host's network fd00:2021:1111::7:0/112 lies within"
start_client
check "ping" ping_lan 10
check "download" download $LAN4
check "download by IPv6" download $LAN6
refuse "a client elsewhere is not warned of" log_has 'cannot be reached at'
test_at_run_time
stop client
stop gateway
is "exit status" "$exit_status" 0
is "all is taken back" "$(diff <(echo "$clean") <(gateway_network))" ""
finish
