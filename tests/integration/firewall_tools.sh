#!/bin/bash
# The firewalls of Debian and Docker's rules, which come and go while the
# gateway runs: clients are served all the same.

. "$(dirname "$0")/../lib/netns.sh"
. "$(dirname "$0")/../lib/filters.sh"

# Seconds. firewalld drops everything while it reloads; a round of probes that
# falls into that finds no resolver, and the next one comes in a minute.
PROBES=65

# inside COMMAND ...: in the gateway's network, with files of its own where the
# tools write.
inside() {
	at gateway bash -c '
		for file in etc/ufw lib/ufw etc/default/ufw; do
			[ ! -e "/$file" ] || mount --bind "$1/${file//\//_}" "/$file" || exit 1
		done
		export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$1/bus"
		shift
		exec "$@"' bash "$work" "$@"
}

copy_files() {
	local file
	for file in etc/ufw lib/ufw etc/default/ufw etc/firewalld; do
		[ -e "/$file" ] || continue
		cp -r "/$file" "$work/${file//\//_}"
	done
	# Newer ones may have a table that takes no rule of others.
	[ ! -e "$work/etc_firewalld" ] ||
		sed -i 's/^NftablesTableOwner=.*/NftablesTableOwner=no/' \
		    "$work/etc_firewalld/firewalld.conf"
}

# served NAME: with what is forwarded and with DNS.
served() {
	check "$1: packets pass" wait_until $LIMIT passes
	check "$1: IPv6, too" wait_until $LIMIT passes $LAN6
	check "$1: DNS by UDP" wait_until $PROBES dns
	check "$1: DNS by TCP" wait_until $PROBES dns +tcp
}

# What Docker 28 leaves, with a network of its own and one port published.
docker_rules() {
	cat <<-'RULES'
	*filter
	:INPUT ACCEPT [0:0]
	:FORWARD DROP [0:0]
	:OUTPUT ACCEPT [0:0]
	:DOCKER - [0:0]
	:DOCKER-BRIDGE - [0:0]
	:DOCKER-CT - [0:0]
	:DOCKER-FORWARD - [0:0]
	:DOCKER-ISOLATION-STAGE-1 - [0:0]
	:DOCKER-ISOLATION-STAGE-2 - [0:0]
	:DOCKER-USER - [0:0]
	-A FORWARD -j DOCKER-USER
	-A FORWARD -j DOCKER-FORWARD
	-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
	-A DOCKER ! -i docker0 -o docker0 -j DROP
	-A DOCKER-BRIDGE -o docker0 -j DOCKER
	-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	-A DOCKER-FORWARD -j DOCKER-CT
	-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
	-A DOCKER-FORWARD -j DOCKER-BRIDGE
	-A DOCKER-FORWARD -i docker0 -j ACCEPT
	-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
	-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
	COMMIT
	RULES
}

test_docker() {
	docker_rules | at gateway iptables-nft-restore
	docker_rules | grep -v 172.17 | at gateway ip6tables-nft-restore
	check "docker: overruled" mended ip filter FORWARD
	served "docker"
	check "docker: its tool lists our rules" \
	    at gateway iptables-nft -C FORWARD -i tun-firezone \
	    -m comment --comment postern -j ACCEPT
	# A daemon that starts again puts its chains before all others.
	at gateway iptables-nft -D FORWARD -j DOCKER-USER
	at gateway iptables-nft -I FORWARD -j DOCKER-USER
	# An administrator refuses all but one network, as Docker's guide says.
	at gateway iptables-nft -A DOCKER-USER -i eth0 ! -s 192.0.2.0/24 -j DROP
	at gateway iptables-nft -A DOCKER-USER -j RETURN
	served "docker, DOCKER-USER"
	at gateway iptables-nft -P FORWARD ACCEPT
	at gateway iptables-nft -F FORWARD
	at gateway iptables-nft -A FORWARD -j DOCKER-USER
	at gateway iptables-nft -F DOCKER-USER
	at gateway iptables-nft -A DOCKER-USER -m conntrack \
	    --ctstate RELATED,ESTABLISHED -j ACCEPT
	at gateway iptables-nft -A DOCKER-USER -j DROP
	check "docker, policy accept: overruled" mended ip filter FORWARD
	served "docker, policy accept"
	at gateway iptables-nft -P INPUT DROP
	at gateway iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT
	at gateway iptables-nft -A INPUT -m conntrack \
	    --ctstate RELATED,ESTABLISHED -j ACCEPT
	check "iptables, INPUT: overruled" mended ip filter INPUT
	served "iptables, INPUT"
	check "iptables, INPUT: its tool lists our rules" \
	    at gateway iptables-nft -C INPUT -i tun-firezone -p udp \
	    --dport 53535 -m comment --comment postern -j ACCEPT
	flush
}

test_ufw() {
	check "ufw: enabled" inside ufw --force enable
	check "ufw: overruled" mended ip filter FORWARD
	check "ufw: DNS, too" mended ip filter INPUT
	served "ufw"
	check "ufw: reloaded" inside ufw reload
	served "ufw, reloaded"
	check "ufw: reset to reject" inside ufw default reject incoming
	served "ufw, reject"
	check "ufw: its status" inside ufw status verbose
	check "ufw: disabled" inside ufw disable
	served "ufw, disabled"
	flush
}

# A bus of the test's own, on which nobody is refused.
start_bus() {
	cat > "$work/bus.conf" <<-XML
	<!DOCTYPE busconfig PUBLIC
	    "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
	    "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
	<busconfig>
	  <listen>unix:path=$work/bus</listen>
	  <auth>EXTERNAL</auth>
	  <policy context="default">
	    <allow send_destination="*" eavesdrop="true"/>
	    <allow eavesdrop="true"/>
	    <allow own="*"/>
	  </policy>
	</busconfig>
	XML
	spawn bus gateway dbus-daemon --config-file="$work/bus.conf" --nofork
	wait_until 10 test -S "$work/bus" || die "no bus" "$work/bus.log"
}

start_firewalld() {
	DBUS_SYSTEM_BUS_ADDRESS="unix:path=$work/bus" spawn firewalld gateway \
	    firewalld --nofork --nopid --system-config="$work/etc_firewalld" \
	    --log-file="$work/firewalld.own"
	wait_until 30 inside firewall-cmd --state
}

test_firewalld() {
	start_bus
	check "firewalld: started" start_firewalld
	check "firewalld: overruled" mended inet firewalld filter_FORWARD
	check "firewalld: DNS, too" mended inet firewalld filter_INPUT
	served "firewalld"
	check "firewalld: reload" inside firewall-cmd --reload
	check "firewalld, reloaded: overruled" mended inet firewalld filter_FORWARD
	served "firewalld, reloaded"
	check "firewalld: panics" inside firewall-cmd --panic-on
	check "firewalld: is calm" inside firewall-cmd --panic-off
	served "firewalld, after a panic"
	# With what the log says where a table takes rules from its owner alone.
	at gateway nft flush chain inet firewalld filter_IN_public
	check "firewalld: as advised" inside firewall-cmd \
	    --zone=trusted --add-interface=tun-firezone
	served "firewalld, as advised"
	stop firewalld
	served "firewalld, stopped"
	stop bus
}

# Debian's nftables.service loads this file, and flushes at its stop.
test_nftables_service() {
	cat > "$work/nftables.conf" <<-'RULES'
	#!/usr/sbin/nft -f
	flush ruleset
	table inet filter {
		chain input {
			type filter hook input priority filter; policy drop;
			ct state vmap { established : accept, related : accept }
			iif lo accept
			meta l4proto { icmp, ipv6-icmp } accept
			tcp dport 22 accept
		}
		chain forward {
			type filter hook forward priority filter; policy drop;
		}
		chain output {
			type filter hook output priority filter;
		}
	}
	RULES
	check "nftables.service: started" at gateway nft -f "$work/nftables.conf"
	served "nftables.service"
	check "nftables.service: reload" at gateway nft -f "$work/nftables.conf"
	served "nftables.service, reload"
	check "nftables.service: stop" at gateway nft flush ruleset
	served "nftables.service, stop"
}

# try NAME PROGRAM
try() {
	if command -v "$2" > /dev/null; then
		"test_$1"
	else
		ok "$1 # SKIP no $2; see contrib/install-packages firewalls"
	fi
}

start_all
copy_files
try docker iptables-nft
try ufw ufw
try firewalld firewalld
test_nftables_service
stop client
stop gateway
is "exit status at the end" "$exit_status" 0
is "our rules are gone" "$(at gateway nft list ruleset | grep -c "$MARK")" 0
finish
