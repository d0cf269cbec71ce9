#!/bin/bash
# Names whose DNS server is slow, wrong, lies, dies and comes back.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/names_site.sh"

ODD=10.20.0.13      # where the odd one is,
BESIDE=10.20.0.12   # and from where it lies
GOOD=10.20.0.2
BAD=10.20.0.11

start_odd() {
	spawn odd lan "$PYTHON" "$NETNS_ROOT/tests/integration/odd_dns.py" \
	    $ODD $BESIDE $GOOD $BAD
	wait_until 10 listens lan u 53 || die "no odd server" "$work/odd.log"
}

# goes NAME BLOCK ADDRESS: the first proxy leads there.
goes() {
	is "$1: where it leads" "$(where "$(proxy4 "$2")")" "$3"
}

# Resolution goes with the file as it changes.
use_servers() {
	local mark
	mark=$(lines_of "$work/gateway.log")
	name_server "$@"
	wait_line 10 "$work/gateway.log" "queries of clients go to .*$1" "$mark"
}

test_lies() {
	local lie block=1
	for lie in garbage wrongid wrongport wrongaddress wrongname question; do
		assigned corp $lie.corp.test $block
		goes "$lie" $block $GOOD
		block=$((block + 1))
	done
}

# Whatever a server says instead of an address, there is none.
test_refusals() {
	local way block=10
	for way in failing refusing; do
		assigned corp $way.corp.test $block
		is "$way: unreachable" \
		    "$(probe refusal tcp "$(proxy4 $block)" 17)" $UNREACHABLE4
		is "$way: unreachable, IPv6" \
		    "$(probe refusal tcp "$(proxy6 $block)" 17)" $UNREACHABLE6
		block=$((block + 1))
	done
	assigned corp long.corp.test $block
	goes "cut off, then by TCP" $block $GOOD
}

# assign_later RESOURCE DOMAIN BLOCK: does not wait.
assign_later() {
	echo "assign $1 $2 $(proxies "$3")" > "$work/commands"
}

said() {
	sed -n "s/^name $1 //p" "$work/client.log" | head -n 1
}

test_slow_server() {
	local begin mark
	begin=$(now_ms)
	assign_later corp slow3.corp.test 20
	assign_later corp slow15.corp.test 21
	assign_later corp silent.corp.test 22
	assigned corp quick.corp.test 23
	if [ $(($(now_ms) - begin)) -lt 3000 ]; then
		ok "a slow name holds up no other"
	else
		not_ok "a slow name holds up no other"
	fi
	is "while it is looked for: not there yet" \
	    "$(probe refusal tcp "$(proxy4 20)" 17)" $PROHIBITED4
	check "after 3 s: an answer" wait_line 6 "$work/client.log" \
	    '^name slow3'
	is "after 3 s: the answer" "$(said slow3.corp.test)" active
	goes "after 3 s" 20 $GOOD
	check "after 15 s: not waited for" wait_line 12 "$work/client.log" \
	    '^name slow15'
	is "after 15 s: the answer" "$(said slow15.corp.test)" inactive
	check "no answer: not waited for" wait_line 5 "$work/client.log" \
	    '^name silent'
	is "no answer: the answer" "$(said silent.corp.test)" inactive
	is "no answer: refused" \
	    "$(probe refusal tcp "$(proxy4 22)" 17)" $PROHIBITED4
	check "what comes too late comes" wait_line 10 "$work/odd.log" \
	    'late slow15'
	is "what comes too late is not heard" \
	    "$(probe refusal tcp "$(proxy4 21)" 17)" $PROHIBITED4
	is "asked for again in time" \
	    "$(assign corp slow0.corp.test 21)" active
	goes "asked for again" 21 $GOOD
}

test_death() {
	assigned corp both.corp.test 30
	goes "before it dies" 30 $LAN4
	stop dnsmasq
	assigned corp both.corp.test 30
	is "dead: the name has no address" \
	    "$(probe refusal tcp "$(proxy4 30)" 17)" $UNREACHABLE4
	is "dead: by neither family" \
	    "$(probe refusal tcp "$(proxy6 30)" 17)" $UNREACHABLE6
	start_dnsmasq
	assigned corp both.corp.test 30
	goes "back" 30 $LAN4
	is "back: IPv6" "$(where "$(proxy6 30)")" $LAN6
}

may_ask() {
	at gateway nft list chain inet postern control_worker | grep -q "$1"
}

# One that nobody is at; the next is asked when it is silent.
test_second_server() {
	name_server 10.20.0.99 $LAN4
	check "two servers" wait_until 5 may_ask 10.20.0.99
	assigned corp four.corp.test 31
	goes "the first server is away" 31 $LAN4
	check "the first server was looked for" eval \
	    'at gateway ip neigh | grep -q "^10.20.0.99 "'
}

start_site
start_odd
start_named_client
check "the odd server is used" use_servers $ODD
test_lies
test_refusals
test_slow_server
check "the good server is used" use_servers $LAN4
test_death
test_second_server
refuse "nothing was against a filter" grep violation "$work/gateway.log"
finish
