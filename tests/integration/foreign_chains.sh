#!/bin/bash
# Other people's packet filters, which appear and change while the gateway runs:
# what stops its clients is overruled within two seconds, or named.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/filters.sh"

# lines EXPRESSION: so many in the gateway's log.
lines() {
	grep -Ec -- "$1" "$work/gateway.log"
}

# The page /readyz, or what it says with its status.
readyz() {
	at gateway curl -s -m 2 -o "$work/readyz" -w '%{http_code}' \
	    http://127.0.0.1:8080/readyz
}

ready() {
	[ "$(readyz)" = 200 ]
}

# unready EXPRESSION: with that reason.
unready() {
	[ "$(readyz)" = 503 ] && grep -Eq -- "$1" "$work/readyz"
}

# overruled NAME FAMILY TABLE CHAIN: within the limit, and said once.
overruled() {
	local name=$1 before
	shift
	before=$(lines "chain $* drops")
	rules || die "$name: wrong rules"
	check "$name: overruled" mended "$@"
	check "$name: packets pass" wait_until $LIMIT passes
	is "$name: said once" $(($(lines "chain $* drops") - before)) 1
}

# left_alone NAME FAMILY TABLE CHAIN
left_alone() {
	local name=$1
	shift
	rules || die "$name: wrong rules"
	# Another chain that is overruled, so that this one was looked at.
	rules <<-'RULES'
	table inet witness {
		chain forward {
			type filter hook forward priority 50; policy drop;
		}
	}
	RULES
	check "$name: looked at" mended inet witness forward
	is "$name: left alone" "$(marks "$@")" 0
	flush
}

test_appears() {
	at gateway nft 'table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop; }; }'
	check "policy drop: overruled" mended ip filter FORWARD
	check "policy drop: packets pass" passes
	is "policy drop: said once" "$(lines 'chain ip filter FORWARD drops')" 1
	at gateway nft flush chain ip filter FORWARD
	check "flushed: put back" mended ip filter FORWARD
	is "flushed: said once more" \
	    "$(lines 'chain ip filter FORWARD drops')" 2
	at gateway nft insert rule ip filter FORWARD counter drop
	check "a drop before ours: overruled" wait_until $LIMIT passes
	is "a drop before ours: no doubles" "$(marks ip filter FORWARD)" 2
	at gateway nft delete rule ip filter FORWARD handle \
	    "$(at gateway nft -a list chain ip filter FORWARD |
		sed -n 's/.*oifname "tun.*handle //p')"
	check "one of ours removed: put back" mended ip filter FORWARD
	flush
	overruled "IPv6" ip6 filter FORWARD <<-'RULES'
	table ip6 filter {
		chain FORWARD {
			type filter hook forward priority filter; policy drop;
		}
	}
	RULES
	check "IPv6: packets pass" wait_until $LIMIT passes $LAN6
	flush
}

test_jumps() {
	overruled "policy accept, a jump to a chain that drops" \
	    inet fw forward <<-'RULES'
	table inet fw {
		chain refuse {
			counter log drop
		}
		chain forward {
			type filter hook forward priority filter; policy accept;
			ct state established,related accept
			jump refuse
		}
	}
	RULES
	flush
	overruled "through gotos, with exceptions" inet fw forward <<-'RULES'
	table inet fw {
		chain public {
			ip daddr 192.0.2.1 accept
			goto refuse
		}
		chain zones {
			iifname "eth9" goto public
			goto public
		}
		chain refuse {
			reject with icmpx admin-prohibited
		}
		chain forward {
			type filter hook forward priority filter; policy accept;
			ct state vmap { established : accept, invalid : drop }
			jump zones
		}
	}
	RULES
	flush
	overruled "by the device alone" inet fw forward <<-'RULES'
	table inet fw {
		chain refuse {
			drop
		}
		chain forward {
			type filter hook forward priority filter; policy accept;
			iifname != { "eth0", "lan" } drop
			iifname != "eth0" jump refuse
		}
	}
	RULES
	flush
	overruled "one protocol" inet fw forward <<-'RULES'
	table inet fw {
		chain pings {
			ip daddr 192.0.2.1 accept
			drop
		}
		chain forward {
			type filter hook forward priority filter; policy accept;
			meta l4proto icmp jump pings
		}
	}
	RULES
	flush
}

# forward NAME [SET...] < RULES: such a chain is overruled. A table each: one
# that is reloaded all the time is a quarrel.
forward() {
	local name=$1 table=fw$((++forwards))
	shift
	{
		echo "table inet $table {"
		printf '%s\n' "$@"
		echo "	chain bad {"
		echo "		counter drop"
		echo "	}"
		echo "	chain good {"
		echo "		counter accept"
		echo "	}"
		echo "	chain forward {"
		echo "		type filter hook forward priority 0"
		cat
		echo "	}"
		echo "}"
	} > "$work/forward"
	overruled "$name" inet $table forward < "$work/forward"
	flush
}

# Conditions that are sets, and maps of verdicts.
test_sets() {
	forward "a map of devices" <<-'RULES'
		iifname vmap { "eth0" : jump good, "tun-firezone" : goto bad, "lan" : accept }
	RULES
	forward "a map with a wildcard" <<-'RULES'
		iifname vmap { "eth0" : jump good, "tun*" : jump bad }
	RULES
	forward "not of some devices" <<-'RULES'
		iifname != { "eth0", "lan" } drop
	RULES
	forward "a named set of devices" \
	    'set ifs {' 'type ifname' \
	    'elements = { "eth0", "tun-firezone" }' '}' <<-'RULES'
		oifname @ifs drop
	RULES
	forward "not of some pairs of devices" <<-'RULES'
		iifname . oifname != { "lan" . "eth0", "eth0" . "lan" } drop
	RULES
	forward "a map of states" <<-'RULES'
		ct state vmap { new : drop, established : accept }
	RULES
	forward "a map of protocols" <<-'RULES'
		meta l4proto vmap { icmp : drop, tcp : drop }
	RULES
	rules <<-'RULES'
	table inet ports {
		chain input {
			type filter hook input priority filter
			udp dport vmap { 1-1000 : accept, 53000-54000 : drop }
		}
	}
	RULES
	check "a map of ports: overruled" mended inet ports input
	check "a map of ports: DNS" wait_until $LIMIT dns
	flush
}

# What every client meets is no condition.
test_addresses() {
	forward "the addresses of all clients" <<-'RULES'
		ip saddr 100.64.0.0/10 drop
	RULES
	forward "the same in a set" <<-'RULES'
		ip saddr { 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8 } drop
	RULES
	forward "the same in IPv6" <<-'RULES'
		ip6 saddr fc00::/7 drop
	RULES
	forward "all but the addresses of a LAN" \
	    'set lan {' 'type ipv4_addr' 'flags interval' \
	    'elements = { 10.0.0.0/8, 192.168.0.0/16 }' '}' <<-'RULES'
		ct state established accept
		ip saddr != @lan drop
	RULES
}

# What a set holds changes without a rule.
test_elements() {
	left_alone "a set of other devices" inet others forward <<-'RULES'
	table inet others {
		set ifs {
			type ifname
			elements = { "eth9" }
		}
		chain forward {
			type filter hook forward priority filter
			iifname @ifs drop
			ip saddr { 100.64.0.1, 100.65.0.0/16 } counter
			ip daddr { 192.0.2.0/24 } drop
		}
	}
	RULES
	rules <<-'RULES'
	table inet growing {
		set ifs {
			type ifname
			elements = { "eth9" }
		}
		chain forward {
			type filter hook forward priority filter
			iifname @ifs drop
		}
	}
	table inet witness {
		chain forward {
			type filter hook forward priority 50; policy drop;
		}
	}
	RULES
	check "a new element: looked at before" mended inet witness forward
	at gateway nft 'add element inet growing ifs { "tun-firezone" }'
	check "a new element: overruled" mended inet growing forward
	check "a new element: packets pass" wait_until $LIMIT passes
	flush
}

test_left_alone() {
	left_alone "refusals to others" inet fw forward <<-'RULES'
	table inet fw {
		chain logdrop {
			log drop
		}
		chain docker {
			oifname "docker0" drop
			return
		}
		chain forward {
			type filter hook forward priority filter; policy accept;
			ip daddr 192.0.2.1 drop
			ip daddr 192.0.2.2 jump logdrop
			iifname "docker0" jump docker
			ct state invalid drop
		}
	}
	RULES
	left_alone "what lets us pass" inet fw forward <<-'RULES'
	table inet fw {
		chain forward {
			type filter hook forward priority filter; policy drop;
			iifname "tun-firezone" accept
			ct state established,related accept
		}
	}
	RULES
	left_alone "what lets our DNS pass" inet fw input <<-'RULES'
	table inet fw {
		chain input {
			type filter hook input priority filter; policy drop;
			ct state established,related accept
			iifname "lo" accept
			iifname "eth0" accept
			iifname "tun-firezone" accept
		}
	}
	RULES
}

# The firewall of a server, as most have it.
server_firewall() {
	cat <<-'RULES'
	table inet server {
		chain input {
			type filter hook input priority filter; policy drop;
			ct state established,related accept
			iifname "lo" accept
			meta l4proto { icmp, ipv6-icmp } accept
			tcp dport 22 accept
		}
	}
	RULES
}

test_input() {
	server_firewall | rules
	check "a server's firewall: overruled" mended inet server input
	check "a server's firewall: DNS by UDP" wait_until $LIMIT dns
	check "a server's firewall: DNS by TCP" dns +tcp
	is "a server's firewall: no more than that" \
	    "$(at gateway nft list chain inet server input |
		grep "$MARK" | sed 's/.*firezone" \(.*\) counter.*/\1/' | xargs)" \
	    "udp dport 53535 tcp dport 53535"
	is "a server's firewall: said once" \
	    "$(lines 'chain inet server input drops DNS')" 1
	flush
}

# named HOOK MATCH < RULES: a chain there is told, with what is missing.
named() {
	{
		echo "table inet $1 {"
		echo "	chain c {"
		echo "		type filter hook $1 priority filter - 1"
		cat
		echo "	}"
		echo "}"
	} | rules || die "$1: wrong rules"
	check "$1: named" wait_until $LIMIT grep -q "chain inet $1 c drops" \
	    "$work/gateway.log"
	check "$1: not ready" wait_until $LIMIT unready "chain inet $1 c"
	check "$1: the command is named" grep -q \
	    "missing: nft 'insert rule inet $1 c $2 \"tun-firezone\" accept'" \
	    "$work/gateway.log"
	flush
	check "$1: it is over" wait_until $LIMIT grep -q \
	    "chain inet $1 c no longer stands in our way" "$work/gateway.log"
	check "$1: ready again" wait_until $LIMIT ready
}

# What we cannot overrule is told, and that it is over.
test_named() {
	check "ready" wait_until 10 ready
	named prerouting iifname <<-'RULES'
		iifname "lan" accept
		iifname "eth0" accept
		iifname "lo" accept
		drop
	RULES
	named postrouting oifname <<-'RULES'
		oifname "lan" accept
		oifname "eth0" accept
		oifname "lo" accept
		drop
	RULES
	named output oifname <<-'RULES'
		oifname "lan" accept
		oifname "eth0" accept
		oifname "lo" accept
		drop
	RULES
	rules <<-'RULES'
	table netdev dev {
		chain ingress {
			type filter hook ingress device "tun-firezone" priority 0
			drop
		}
	}
	RULES
	check "ingress: named" wait_until $LIMIT \
	    grep -q "chain netdev dev ingress drops" "$work/gateway.log"
	flush
}

# A table that takes rules from its owner alone.
test_owned() {
	mkfifo "$work/owner"
	(exec ip netns exec "${prefix}gateway" nft -i) < "$work/owner" \
	    > "$work/owner.log" 2>&1 &
	pid[owner]=$!
	exec {owner}> "$work/owner"
	echo 'table ip filter { flags owner; chain FORWARD { type filter hook forward priority 0; policy drop; }; }' >&$owner
	check "an owned table: named" wait_until 5 grep -q \
	    "missing: iptables -I FORWARD -i tun-firezone -j ACCEPT" \
	    "$work/gateway.log"
	check "an owned table: not ready" wait_until $LIMIT unready \
	    'chain ip filter FORWARD'
	exec {owner}>&-
	await_exit owner 5
	check "an owned table: over with its owner" wait_until $LIMIT \
	    grep -q "chain ip filter FORWARD no longer" "$work/gateway.log"
	check "an owned table: ready again" wait_until 5 ready
}

# thousands RULES: a whole ruleset in one transaction, as tools reload it.
thousands() {
	echo "flush ruleset"
	echo "table ip big {"
	echo "	chain other {"
	seq -f '		ip daddr 192.0.2.1 tcp dport %.0f accept' 1 "$1"
	echo "		drop"
	echo "	}"
	echo "	chain forward {"
	echo "		type filter hook forward priority 0; policy accept"
	echo "		ct state established accept"
	echo "		jump other"
	echo "	}"
	echo "}"
}

test_reload() {
	local start n before
	thousands 5000 > "$work/big"
	before=$(lines 'chain ip big forward drops')
	for n in 1 2 3; do
		at gateway nft -f "$work/big"
		check "reload $n of 5000 rules: overruled" mended ip big forward
	done
	check "after reloads: packets pass" passes
	is "after reloads: said once each" \
	    $(($(lines 'chain ip big forward drops') - before)) 3
	# Our own changes are no reason to look again.
	start=$(cpu)
	sleep_while_quiet
	[ $(($(cpu) - start)) -le 2 ] && ok "then it rests" ||
		not_ok "then it rests" "$(($(cpu) - start)) ticks"
	flush
}

# The parent's clock ticks so far.
cpu() {
	local -a field
	read -r -a field < "/proc/${pid[gateway]}/stat"
	echo $((field[13] + field[14]))
}

# A second of clock, in which nothing happens.
sleep_while_quiet() {
	wait_until 1 false
	true
}

# Somebody who removes our rules again and again.
test_quarrel() {
	local again='again and again; they are put back'
	rules <<-'RULES'
	table ip fight {
		chain forward {
			type filter hook forward priority 0; policy drop
		}
	}
	RULES
	spawn fighter gateway sh -c 'while :; do
		nft flush chain ip fight forward; sleep 0.05; done'
	check "a quarrel: given up" wait_until 20 grep -q "$again" \
	    "$work/gateway.log"
	is "a quarrel: said once" "$(lines "$again")" 1
	check "a quarrel: not ready" wait_until $LIMIT unready 'chain ip fight'
	is "a quarrel: so many tries" \
	    $(($(lines 'chain ip fight forward drops') <= 8)) 1
	stop fighter
	check "a quarrel: settled" wait_until 30 grep -q \
	    'our rules have stayed in the chain ip fight' "$work/gateway.log"
	check "a quarrel: packets pass" passes
	check "a quarrel: ready again" wait_until 5 ready
	flush
}

own_table() {
	at gateway nft list table inet postern | grep -q 'flags owner'
}

test_end() {
	local before
	check "a flush leaves our table" own_table
	rules <<-'RULES'
	table ip filter {
		chain FORWARD {
			type filter hook forward priority filter; policy drop;
			iifname "docker0" accept comment "postern docker"
		}
	}
	RULES
	server_firewall | rules
	before=$(at gateway nft -s list ruleset | grep -v "$MARK")
	check "at the end: overruled" mended ip filter FORWARD
	check "at the end: both" mended inet server input
	stop client
	stop gateway
	is "at the end: exit status" "$exit_status" 0
	is "at the end: our rules are gone" \
	    "$(at gateway nft -s list ruleset)" \
	    "$(at gateway nft -s list ruleset | grep -v "$MARK")"
	is "at the end: nothing else" "$(at gateway nft -s list ruleset |
	    md5sum)" "$(echo "$before" | sed '/^table inet postern/,/^}/d' |
	    md5sum)"
	flush
}

start_all
test_appears
test_jumps
test_sets
test_addresses
test_elements
test_left_alone
test_input
test_named
test_owned
test_reload
test_quarrel
test_end
finish
