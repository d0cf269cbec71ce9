/* Names, control packets and flows through engine and shard. */
#include <sodium.h>

#include "common/log.h"
#include "net-worker/core/policy/names.h"
#include "net-worker/dataplane/lane_state.h"
#include "tests/lib/dataplane.h"

#define DOMAIN "app.example.com"

/* Beside the CIDR resource 0x42, one of names with the id 0x77. */
static void
grant_names(struct rig *r)
{
	struct ipc_authorization a = authorization(r);

	a.serial = 9;
	a.resource.bytes[0] = 0x77;
	a.type = RESOURCE_DNS;
	memset(&a.network, 0, sizeof(a.network));
	strlcpy(a.pattern, "*.example.com", sizeof(a.pattern));
	a.flow_authorization.bytes[0] = 0xaa;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 9);
}

static struct ipc_name_resolved
resolved(const char *domain, const char *proxy, const char *address)
{
	struct ipc_name_resolved m = {
		.client = { { 0xc1 } },
		.resource = { { 0x77 } },
		.proxies_count = 1,
		.addresses_count = 1,
		.event = 1,
		.installed = "in force",
		.refused = "refused",
	};

	strlcpy(m.domain, domain, sizeof(m.domain));
	m.proxies[0] = at(proxy).ip;
	m.addresses[0] = at(address).ip;
	return m;
}

static void
install(
    struct rig *r, const char *domain, const char *proxy, const char *address)
{
	struct ipc_name_resolved m = resolved(domain, proxy, address);
	unsigned before = r->tellings;

	tell(r, name_resolved, &m);
	settle(r);
	assert_int_equal(r->tellings, before + 1);
	assert_string_equal(r->told, m.installed);
}

static size_t
control_packet(uint8_t *to, uint8_t event, const char *payload)
{
	size_t len = strlen(payload);

	memset(to, 0, 48);
	to[0] = 0x60;
	store_be16(to + 4, (uint16_t)(8 + len));
	to[6] = 0xff;
	to[40] = event;
	memcpy(to + 48, payload, len);
	return 48 + len;
}

static void
passes_control_packets_on(void **state)
{
	struct rig *r = *state;
	uint8_t packet[128];

	connected(r);
	client_sends_packet(r, packet, control_packet(packet, 0, "{\"a\":1}"));
	assert_int_equal(r->peer_events, 1);
	assert_int_equal(r->peer_event.client.bytes[0], 0xc1);
	assert_int_equal(r->peer_event.event, 0);
	assert_int_equal(r->peer_event.payload_len, 7);
	assert_memory_equal(r->peer_event.payload, "{\"a\":1}", 7);
	/* Other events are consumed. */
	client_sends_packet(r, packet, control_packet(packet, 1, "x"));
	client_sends_packet(r, packet, control_packet(packet, 9, "x"));
	assert_int_equal(r->page.shard[0].counters.control_unknown, 2);
	assert_int_equal(r->peer_events, 1);
	assert_int_equal(r->tun_count, 0);
}

/* A bucket of 256, one back every 10 ms. */
static void
limits_control_packets(void **state)
{
	struct rig *r = *state;
	uint8_t packet[128];
	size_t len = control_packet(packet, 0, "{}");

	connected(r);
	for (int i = 0; i < 300; i++)
		client_sends_packet(r, packet, len);
	assert_int_equal(r->peer_events, 256);
	assert_int_equal(r->page.shard[0].counters.control_lost, 44);
	pass(r, 100);
	for (int i = 0; i < 300; i++)
		client_sends_packet(r, packet, len);
	assert_int_equal(r->peer_events, 266);
}

/* However slowly they come, if nobody takes them. */
static void
waiting_control_packets_are_bounded(void **state)
{
	struct rig *r = *state;
	const struct arrival a = { .from = at("192.0.2.7:50000"),
		.local = at("10.0.0.4:52625") };
	uint8_t packet[128], data[128 + WIREGUARD_OVERHEAD];
	size_t len = control_packet(packet, 0, "{}");

	connected(r);
	for (int i = 0; i < 300; i++) {
		r->now = mono_add_ms(r->now, 10);
		by_hand_set_time(r->dp, r->now);
		session_seal(&r->session, r->aead, packet, len, data);
		lane_datagram(dataplane_lane(r->dp, 0), &a, data,
		    len + WIREGUARD_OVERHEAD);
	}
	settle(r);
	assert_int_equal(r->peer_events, 256);
	assert_int_equal(r->page.shard[0].counters.control_lost, 44);
}

static void
says_what_it_is_told_to(void **state)
{
	struct rig *r = *state;
	struct ipc_peer_message m = {
		.client = { { 0xc1 } },
		.event = 1,
		.payload = "{\"status\":\"Active\"}",
	};
	uint8_t expected[128], *inner;
	size_t len = control_packet(expected, 1, m.payload);

	connected(r);
	tell(r, peer_message, &m);
	settle(r);
	assert_int_equal(client_hears(r, &inner), len);
	assert_memory_equal(inner, expected, len);
	m.client.bytes[0] = 0xc9; /* nobody */
	len = r->udp_count;
	tell(r, peer_message, &m);
	settle(r);
	assert_int_equal(r->udp_count, len);
}

static void
decides_who_may_assign(void **state)
{
	static const struct {
		uint8_t client, resource;
		const char *domain;
		const char *why; /* NULL: it may */
	} table[] = {
		{ 0xc1, 0x77, DOMAIN, NULL },
		{ 0xc1, 0x77, "EXAMPLE.com", NULL },
		{ 0xc1, 0x77, "example.org", "the resource has other names" },
		{ 0xc1, 0x42, DOMAIN, "the resource is not one of names" },
		{ 0xc1, 0x78, DOMAIN, "the resource is not granted" },
		{ 0xc2, 0x77, DOMAIN, "the resource is not granted" },
	};
	struct rig *r = *state;
	uint64_t refused = 0;

	connected(r);
	grant_names(r);
	overhear(r);
	r->now = mono_add_s(r->now, 60);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ipc_assignment a = {
			.serial = 100 + i,
			.client = { { table[i].client } },
			.resource = { { table[i].resource } },
		};
		struct ipc_name_resolved m =
		    resolved(table[i].domain, "100.96.0.1:0", "192.0.2.80:0");

		strlcpy(a.domain, table[i].domain, sizeof(a.domain));
		tell(r, assignment, &a);
		assert_int_equal(r->assignment, 100 + i);
		assert_int_equal(r->answer,
		    table[i].why == NULL ? ASSIGNMENT_RESOLVE
					 : ASSIGNMENT_REFUSED);
		/* It is decided again when the answer is there. */
		if (table[i].why == NULL) {
			assert_int_equal(logged(r, ""), 0);
			continue;
		}
		r->now = mono_add_s(r->now, 10); /* for the log's limit */
		m.client = a.client;
		m.resource = a.resource;
		r->told[0] = '\0';
		tell(r, name_resolved, &m);
		settle(r);
		assert_string_equal(
		    r->told, table[i].client == 0xc1 ? m.refused : "");
		assert_int_equal(logged(r, table[i].why), 2);
		refused += 2;
		assert_int_equal(r->page.engine.names_refused, refused);
	}
	assert_int_equal(r->page.engine.names_installed, 0);
}

/* What is left out of an assignment, and that the client has begun anew. */
static void
says_what_it_leaves_out(void **state)
{
	static const struct {
		const char *domain, *proxies[2], *addresses[2];
		const char *lines[3]; /* NULL: no more */
	} table[] = {
		{ DOMAIN, { "100.96.0.1:0", "100.96.0.2:0" },
		    { "192.0.2.80:0", "192.0.2.81:0" }, { NULL } },
		{ DOMAIN, { "100.96.0.1:0", "10.0.0.1:0" },
		    { "192.0.2.80:0", "192.0.2.81:0" },
		    { "to use 1 addresses for a name that are none" } },
		{ DOMAIN, { "100.96.0.1:0", "100.96.0.2:0" },
		    { "127.0.0.1:0", "192.0.2.81:0" },
		    { "1 addresses of a name that client" } },
		{ DOMAIN, { "10.0.0.1:0", "10.0.0.2:0" },
		    { "192.0.2.80:0", "192.0.2.81:0" },
		    { "to use 2 addresses for a name that are none",
			"none of its addresses is one for names" } },
		{ "b.example.com", { "100.96.0.1:0", "100.96.0.9:0" },
		    { "192.0.2.80:0", "127.0.0.1:0" },
		    { "has renumbered its addresses",
			"1 addresses of a name that client" } },
	};
	struct rig *r = *state;

	connected(r);
	grant_names(r);
	overhear(r);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ipc_name_resolved m = resolved(table[i].domain,
		    table[i].proxies[0], table[i].addresses[0]);

		m.proxies[m.proxies_count++] = at(table[i].proxies[1]).ip;
		m.addresses[m.addresses_count++] = at(table[i].addresses[1]).ip;
		for (size_t k = 0; k < 3; k++) {
			/* For the log's limit, and a session for the answer. */
			r->now = mono_add_s(r->now, 60);
			handshake(r);
			install(r, DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
			logged(r, "");
			tell(r, name_resolved, &m);
			settle(r);
			if (table[i].lines[k] == NULL) {
				assert_int_equal(logged(r, ""), k);
				break;
			}
			assert_int_equal(logged(r, table[i].lines[k]), 1);
		}
	}
	/* Not as often as the client likes: a handful at once. */
	r->now = mono_add_s(r->now, 60);
	handshake(r);
	for (unsigned i = 0; i < 20; i++) {
		struct ipc_assignment a = { .client = { { 0xc1 } } };

		tell(r, assignment, &a);
	}
	assert_in_range(logged(r, "refused"), 5, 6);
	r->now = mono_add_s(r->now, 60);
	handshake(r);
	for (unsigned i = 0; i < 20; i++)
		install(r, DOMAIN, i % 2 ? "100.96.0.1:0" : "100.96.0.2:0",
		    "127.0.0.1:0");
	assert_in_range(logged(r, "that no name may have"), 5, 6);
}

/*
 * Compiling may take a twentieth of the time, with 100 ms of it in advance;
 * then names wait, 64 of a client at most, and the rest is told nothing.
 */
static void
names_wait_their_turn(void **state)
{
	struct rig *r = *state;
	struct ipc_name_resolved m =
	    resolved(DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	unsigned at_once = 0, waited = 0;

	for (; m.proxies_count < 60; m.proxies_count++)
		m.proxies[m.proxies_count] =
		    ip_v4(100, 96, 0, (uint8_t)(1 + m.proxies_count));
	connected(r);
	grant_names(r);
	r->now = mono_add_s(r->now, 10);
	r->tellings = 0;
	for (unsigned i = 0; i < 1000 && r->tellings == i; i++) {
		at_once = i;
		m.addresses[0].bytes[3] = (uint8_t)i;
		tell(r, name_resolved, &m);
		settle(r);
	}
	/* 20 us with two grants, 60 proxies and their resource. */
	assert_in_range(at_once, 249, 252);
	for (unsigned i = 0; i < 100; i++) {
		m.addresses[0].bytes[3] = (uint8_t)(100 + i % 2);
		tell(r, name_resolved, &m);
	}
	/* The last ones are not in force, nor said to be. */
	settle(r);
	assert_int_equal(r->tellings, at_once);
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:80");
	assert_true(r->tun[0].data[19] < 100 || at_once % 256 >= 100);
	r->tellings = 0;
	while (r->tellings == 0 && waited++ < 200) {
		r->now = mono_add_ms(r->now, 1);
		assert_true(
		    mono_ms_between(r->now, by_hand_deadline(r->dp)) < 50);
		by_hand_set_time(r->dp, r->now);
		by_hand_timeout(r->dp);
		settle(r);
	}
	assert_int_equal(r->tellings, 64);
	assert_in_range(waited, 1, 11);
	client_sends(r, "100.64.0.2:1235", "100.96.0.1:80");
	assert_int_equal(r->tun[1].data[19], 101);
	/* Those are not told again, nor with what comes next. */
	pass(r, 5000);
	assert_int_equal(r->tellings, 64);
	install(r, DOMAIN, "100.96.0.1:0", "192.0.2.99:0");
}

/* In the same packet as any other message, and only if there is a text. */
static void
tells_what_became_of_a_name(void **state)
{
	struct rig *r = *state;
	struct ipc_name_resolved m =
	    resolved(DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	uint8_t expected[128], *inner;
	size_t len = control_packet(expected, 1, m.installed), sent;

	connected(r);
	grant_names(r);
	tell(r, name_resolved, &m);
	settle(r);
	assert_int_equal(client_hears(r, &inner), len);
	assert_memory_equal(inner, expected, len);
	m.resource.bytes[0] = 0x78;
	len = control_packet(expected, 1, m.refused);
	tell(r, name_resolved, &m);
	settle(r);
	assert_int_equal(client_hears(r, &inner), len);
	assert_memory_equal(inner, expected, len);
	m.refused[0] = '\0';
	sent = r->udp_count;
	tell(r, name_resolved, &m);
	settle(r);
	assert_int_equal(r->udp_count, sent);
}

static void
translates_both_ways(void **state)
{
	struct rig *r = *state;
	uint8_t reply[40], expected[40], *inner;

	connected(r);
	grant_names(r);
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:80");
	assert_int_equal(r->tun_count, 0); /* not assigned yet */
	install(r, DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:80");
	assert_int_equal(r->tun_count, 1);
	tcp_packet(expected, "100.64.0.2:1234", "192.0.2.80:80");
	assert_memory_equal(r->tun[0].data, expected, 36); /* no checksum */

	tcp_packet(reply, "192.0.2.80:80", "100.64.0.2:1234");
	from_tun(r, reply, 40);
	assert_int_equal(client_hears(r, &inner), 40);
	tcp_packet(expected, "100.96.0.1:80", "100.64.0.2:1234");
	assert_memory_equal(inner, expected, 36);

	/* The filter is that of the resource. */
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:81");
	assert_int_equal(r->tun_count, 1);
}

static size_t
ping_packet(uint8_t *to)
{
	struct endpoint source = at("100.64.0.2:0"),
			destination = at("100.96.0.1:0");

	unhex("4500001c000040004001 0000", to, 12);
	memcpy(to + 12, source.ip.bytes, 4);
	memcpy(to + 16, destination.ip.bytes, 4);
	unhex("0800f7f500070003", to + 20, 8);
	store_be16(to + 10, checksum_finish(checksum_add(0, to, 20)));
	return 28;
}

/* Sessions end with time, and their replies go nowhere. */
static void
tidies_up_sessions(void **state)
{
	struct rig *r = *state;
	uint8_t reply[40];
	size_t sent;

	connected(r);
	grant_names(r);
	install(r, DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:80");
	pass(r, 59000);
	tcp_packet(reply, "192.0.2.80:80", "100.64.0.2:1234");
	sent = r->udp_count;
	from_tun(r, reply, 40);
	assert_int_equal(r->udp_count, sent + 1);
	assert_int_equal(
	    r->page.shard[0].counters.refused_inbound[REASON_NAT_EXPIRED], 0);
}

static void
renumbering_forgets_sessions(void **state)
{
	struct rig *r = *state;
	uint8_t reply[40];

	connected(r);
	grant_names(r);
	install(r, DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:80");
	assert_int_equal(r->tun_count, 1);
	install(r, "b.example.com", "100.96.0.1:0", "192.0.2.81:0");
	tcp_packet(reply, "192.0.2.80:80", "100.64.0.2:1234");
	from_tun(r, reply, 40);
	assert_int_equal(
	    r->page.shard[0].counters.refused_inbound[REASON_NO_ROUTE], 1);
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:80");
	assert_int_equal(r->tun[1].data[19], 81);
}

static void
install_for(struct rig *r, uint8_t resource, const char *domain,
    const struct ip_address *proxy, const char *address)
{
	struct ipc_name_resolved m = resolved(domain, "100.96.0.1:0", address);

	m.resource.bytes[0] = resource;
	m.proxies[0] = *proxy;
	r->tellings = 0;
	/* Many names are in force in a while; no timer runs meanwhile. */
	for (int ms = 0; ms < 1000 && r->tellings == 0; ms += 10) {
		tell(r, name_resolved, &m);
		settle(r);
		r->now = mono_add_ms(r->now, 10);
	}
	assert_string_equal(r->told, m.installed);
}

/* Beside the other resources, one of names with the id 0x78. */
static void
grant_other_names(struct rig *r)
{
	struct ipc_authorization open = authorization(r);

	open.resource.bytes[0] = 0x78;
	open.type = RESOURCE_DNS;
	open.filters_count = 0;
	memset(&open.network, 0, sizeof(open.network));
	strlcpy(open.pattern, "*.example.org", sizeof(open.pattern));
	tell(r, authorization, &open);
	settle(r);
}

static struct ip_address
other_proxy(unsigned i)
{
	return ip_v4(100, 97, (uint8_t)(i >> 8), (uint8_t)i);
}

static void
install_others(struct rig *r, unsigned count)
{
	char domain[32];

	for (unsigned i = 0; i < count; i++) {
		struct ip_address proxy = other_proxy(i);

		snprintf(domain, sizeof(domain), "n%u.example.org", i);
		install_for(r, 0x78, domain, &proxy, "192.0.2.90:0");
	}
}

/* More names than there may be do not end what is in use, idle or not. */
static void
names_in_use_stay(void **state)
{
	struct rig *r = *state;
	uint8_t reply[40], *inner;

	connected(r);
	grant_names(r);
	grant_other_names(r);
	install(r, DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:80");
	tcp_packet(reply, "192.0.2.80:80", "100.64.0.2:1234");
	from_tun(r, reply, 40);
	r->now = mono_add_s(r->now, 100);
	install_others(r, NAMES_MAX + 10);
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:80");
	assert_int_equal(r->tun_count, 2);
	assert_int_equal(r->tun[1].data[19], 80);
	tcp_packet(reply, "192.0.2.80:80", "100.64.0.2:1234");
	from_tun(r, reply, 40);
	assert_int_equal(client_hears(r, &inner), 40);
	assert_int_equal(inner[15], 1); /* from the proxy address */
	assert_int_equal(
	    r->page.shard[0].counters.refused_inbound[REASON_NAT_EXPIRED], 0);
}

/* The shard takes the packet before it reads what the engine has to tell. */
static void
client_overtakes(struct rig *r, const char *from, const char *to)
{
	struct lane *l = dataplane_lane(r->dp, 0);
	struct arrival a = { .from = at("192.0.2.7:50000"),
		.local = at("10.0.0.4:52625") };
	uint8_t packet[40], data[sizeof(packet) + WIREGUARD_OVERHEAD];
	size_t len = tcp_packet(packet, from, to);

	session_seal(&r->session, r->aead, packet, len, data);
	assert_true(shard_datagram(
	    l->shard, r->now, &a, data, len + WIREGUARD_OVERHEAD, &l->sink));
}

/*
 * A name is forgotten in the very moment in which the client begins to use it.
 * Its proxy address can then be given to another name, and the client must not
 * get at the former's address by the latter's grant.
 */
static void
sessions_end_with_their_name(void **state)
{
	struct rig *r = *state;
	struct ipc_revocation gone = { .client = { { 0xc1 } },
		.resource = { { 0x77 } } };
	struct ip_address proxy = at("100.96.0.1:0").ip;
	struct ipc_name_resolved last;
	uint8_t reply[40];

	connected(r);
	grant_names(r);
	grant_other_names(r);
	install(r, DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	install_others(r, NAMES_MAX - 1);
	last = resolved("last.example.org", "100.97.99.1:0", "192.0.2.90:0");
	last.resource.bytes[0] = 0x78;
	tell(r, name_resolved, &last);
	client_overtakes(r, "100.64.0.2:1234", "100.96.0.1:80");
	assert_int_equal(r->tun[0].data[19], 80);
	install_for(r, 0x78, "late.example.org", &proxy, "192.0.2.91:0");
	tell(r, revocation, &gone);
	settle(r);

	tcp_packet(reply, "192.0.2.80:80", "100.64.0.2:1234");
	from_tun(r, reply, 40);
	assert_int_equal(
	    r->page.shard[0].counters.refused_inbound[REASON_NAT_EXPIRED], 1);
	client_sends(r, "100.64.0.2:1234", "100.96.0.1:22");
	assert_int_equal(r->tun_count, 2);
	assert_int_equal(r->tun[1].data[19], 91);
}

static void
refused_kinds_are_counted(void **state)
{
	struct rig *r = *state;
	uint8_t packet[40];

	connected(r);
	grant_names(r);
	install(r, DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	client_sends_packet(r, packet, ping_packet(packet));
	assert_int_equal(r->tun_count, 0);
	assert_int_equal(
	    r->page.shard[0].counters.refused_outbound[REASON_FILTER], 1);
}

/* A flow to a name is told by its real address, with the name. */
static void
reports_flows(void **state)
{
	struct rig *r = *state;
	struct ipc_flow_settings on = { .enabled = true };

	connected(r);
	grant_names(r);
	install(r, DOMAIN, "100.96.0.1:0", "192.0.2.80:0");
	tell(r, flow_settings, &on);
	settle(r);
	client_opens(r, "100.64.0.2:1234", "100.96.0.1:80", false);
	assert_int_equal(r->flows, 1);
	assert_string_equal(r->flow.domain, DOMAIN);
	assert_true(endpoint_equal(&r->flow.source,
	    &(struct endpoint){ at("100.64.0.2:0").ip, 1234 }));
	assert_true(endpoint_equal(&r->flow.destination,
	    &(struct endpoint){ at("192.0.2.80:0").ip, 80 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(passes_control_packets_on),
		T(limits_control_packets),
		T(waiting_control_packets_are_bounded),
		T(says_what_it_is_told_to),
		T(decides_who_may_assign),
		T(says_what_it_leaves_out),
		T(names_wait_their_turn),
		T(tells_what_became_of_a_name),
		T(translates_both_ways),
		T(tidies_up_sessions),
		T(renumbering_forgets_sessions),
		T(names_in_use_stay),
		T(sessions_end_with_their_name),
		T(refused_kinds_are_counted),
		T(reports_flows),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
