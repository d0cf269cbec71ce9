# Other people's packet filters beside the gateway's, for the tests of them.
# Sourced after netns.sh.

LIMIT=2 # seconds, for the gateway to notice and to mend
MARK='comment "postern"'

# A gateway and a client, who is served.
start_all() {
	topology
	tunnel_resources > "$work/site.toml"
	spawn names portal dnsmasq --no-daemon --conf-file=/dev/null \
	    --no-resolv --no-hosts --bind-interfaces \
	    --listen-address=203.0.113.8 --user=root --pid-file= \
	    --txt-record=who.test,good --local=/test/ \
	    --address=/firezone.dev/192.0.2.1
	start_relay
	start_portal
	start_lan 1
	start_gateway
	start_client
	own4=$(at gateway ip -o -4 address show tun-firezone |
	    sed 's/.*inet \([0-9.]*\).*/\1/')
	check "before: IPv4" wait_until 10 passes
	check "before: IPv6" wait_until 10 passes $LAN6
	check "before: DNS" wait_until 10 dns
}

# rules < RULES
rules() {
	at gateway nft -f -
}

# What others have made.
flush() {
	at gateway nft flush ruleset
}

# marks FAMILY TABLE CHAIN: rules of ours in it.
marks() {
	at gateway nft list chain "$@" 2> /dev/null | grep -c "$MARK\$"
}

has_marks() {
	[ "$(marks "${@:2}")" = "$1" ]
}

mended() {
	wait_until $LIMIT has_marks 2 "$@"
}

passes() {
	at client ping -c 1 -W 1 -q "${1:-$LAN4}"
}

dns() {
	at client dig -p 53535 "@$own4" +tries=1 +time=1 "$@" who.test TXT \
	    +short | grep -q good
}
