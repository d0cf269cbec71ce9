/*
 * Who is a client and what may it reach: authorizations, the portal's lists and
 * updates, expiry, and the relays of several clients (firezone-policy(7),
 * GRANTS; firezone-tunnel(7), RELAYS).
 */
#include <sodium.h>

#include "tests/lib/dataplane.h"
#include "tests/lib/no_memory.h"

#define FROM "100.64.0.2:1234"

/* Whether the client's packet gets there; else why not. */
static bool
reaches(struct rig *r, const char *to)
{
	size_t before = r->tun_count;

	client_sends(r, FROM, to);
	return r->tun_count > before;
}

static bool
refused_as(struct rig *r, enum policy_reason reason, const char *to)
{
	const uint64_t *count =
	    &r->page.shard[0].counters.refused_outbound[reason];
	uint64_t before = *count;

	assert_false(reaches(r, to));
	return *count == before + 1;
}

static bool
accepted(struct rig *r, struct ipc_authorization *a)
{
	static uint64_t serial = 100;
	uint64_t acknowledged;

	a->serial = ++serial;
	tell(r, authorization, a);
	acknowledged = r->acknowledged;
	settle(r);
	assert_int_equal(acknowledged == serial, r->refused != serial);
	return acknowledged == serial;
}

static void
refuses_authorizations(void **state)
{
	static const struct {
		const char *v4, *v6;
		bool iceless;
		uint8_t type;
		const char *why; /* NULL: it does not */
	} table[] = {
		{ "100.64.0.2:0", "[fd00:2021:1111::2]:0", false, RESOURCE_CIDR,
		    NULL },
		{ "100.64.0.2:0", "100.64.0.2:0", false, RESOURCE_CIDR,
		    "outside the tunnel range" },
		{ "[fd00:2021:1111::2]:0", "[fd00:2021:1111::2]:0", false,
		    RESOURCE_CIDR, "outside the tunnel range" },
		{ "100.63.0.2:0", "[fd00:2021:1111::2]:0", false, RESOURCE_CIDR,
		    "outside the tunnel range" },
		{ "100.64.0.2:0", "[fd00:2021:1112::2]:0", false, RESOURCE_CIDR,
		    "outside the tunnel range" },
		{ "100.64.0.2:0", "[fd00:2021:1111::2]:0", true, RESOURCE_CIDR,
		    NULL },
		{ "100.64.0.2:0", "[fd00:2021:1111::2]:0", false, 9,
		    "it is none, or too much of it" },
	};
	struct rig *r = *state;

	with_relay(r);
	overhear(r);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ipc_authorization a = authorization(r);
		const struct ipc_revocation gone = { .client = a.client,
			.resource = a.resource };

		a.client_v4 = at(table[i].v4).ip;
		a.client_v6 = at(table[i].v6).ip;
		a.use_iceless = table[i].iceless;
		a.type = table[i].type;
		logged(r, "");
		/* The log is limited. No timer runs: the relay is mute. */
		r->now = mono_add_ms(r->now, 10000);
		assert_int_equal(accepted(r, &a), table[i].why == NULL);
		if (table[i].why == NULL) {
			assert_int_equal(logged(r, "access granted"), 1);
			tell(r, revocation, &gone);
		} else
			assert_int_equal(logged(r, table[i].why), 1);
		assert_int_equal(r->page.engine.clients, 0);
	}
}

static int
set_up_without_init(void **state)
{
	return set_up_unconfigured(state, false, false);
}

/* Before the portal's init nobody is let in; one address will do. */
static void
waits_for_own_addresses(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	with_relay(r);
	overhear(r);
	assert_false(accepted(r, &a));
	assert_int_equal(logged(r, "has not told our own addresses"), 1);
	r->added[0] = '\0';
	tell(r, interface,
	    (&(struct ipc_interface){ .v6 = at("[fd00:2021:1111::1]:0").ip }));
	assert_true(accepted(r, &a));
	tell(r, interface,
	    (&(struct ipc_interface){ .v4 = at("100.64.0.1:0").ip }));
	assert_true(accepted(r, &a));
}

/* What says who the client is makes a new connection, all else does not. */
static void
connects_anew(void **state)
{
	static const struct {
		size_t offset;
		bool anew;
	} table[] = {
#define OFFSET(field) offsetof(struct ipc_authorization, field)
		{ OFFSET(public_key), true },
		{ OFFSET(preshared_key), true },
		{ OFFSET(local_username), true },
		{ OFFSET(local_password), true },
		{ OFFSET(remote_username), true },
		{ OFFSET(remote_password), true },
		{ OFFSET(resource), false },
		{ OFFSET(filters), false },
		{ OFFSET(flow_authorization), false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rig *r = *state;
		struct ipc_authorization a = authorization(r);

		connected(r);
		((uint8_t *)&a)[table[i].offset] ^= 1;
		assert_true(accepted(r, &a));
		assert_int_equal(r->closed, table[i].anew);
		assert_int_equal(r->page.engine.clients, 1);
		assert_int_equal(
		    r->page.engine.connections_direct, !table[i].anew);
		assert_int_equal(reaches(r, "10.20.0.9:80"),
		    table[i].offset != OFFSET(filters) && !table[i].anew);
		tear_down(state);
		set_up(state);
	}
}

static void
grants_expire_one_by_one(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	connected(r);
	overhear(r);
	for (uint8_t i = 0; i < 3; i++) {
		a.resource.bytes[0] = 0x50 + i;
		a.network.ip.bytes[2] = 50 + i;
		a.network.ip.bytes[1] = 20;
		a.expires_at = UNIX_NOW + (i == 2 ? 70 : 60);
		assert_true(accepted(r, &a));
	}
	assert_int_equal(logged(r, "access granted"), 3);
	pass(r, 59000);
	assert_true(reaches(r, "10.20.50.9:80"));
	assert_true(reaches(r, "10.20.0.9:80"));
	pass(r, 1000);
	assert_int_equal(logged(r, "access expired"), 3);
	assert_int_equal(r->page.engine.grants_expired, 3);
	assert_true(refused_as(r, REASON_NO_ROUTE, "10.20.50.9:80"));
	assert_true(refused_as(r, REASON_NO_ROUTE, "10.20.0.9:80"));
	assert_true(reaches(r, "10.20.52.9:80"));
	pass(r, 10000);
	assert_int_equal(r->page.engine.grants_expired, 4);
	assert_int_equal(r->page.engine.clients, 0);
}

static void
list_entry(struct rig *r, unsigned resource, uint64_t seconds)
{
	struct ipc_grants_entry e = { .client = { { 0xc1 } },
		.expires_at = UNIX_NOW + seconds };

	store_be16(e.resource.bytes, (uint16_t)resource);
	tell(r, grants_entry, &e);
}

/* A list in any order; what is not on it goes, and nothing else. */
static void
list_of_many(void **state)
{
	enum { MANY = 300, WITHOUT = 123 };
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	const struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };

	with_relay(r);
	a.expires_at = 0;
	for (unsigned i = 0; i < MANY; i++) {
		store_be16(a.resource.bytes, (uint16_t)i);
		assert_true(accepted(r, &a));
	}
	overhear(r);
	/* One that was begun and has no end, and what belongs to none. */
	tell(r, grants_begin, NULL);
	list_entry(r, WITHOUT, 50);
	tell(r, grants_begin, NULL);
	for (unsigned i = MANY; i-- > 0;)
		if (i * 7 % MANY != WITHOUT)
			list_entry(r, i * 7 % MANY, i == 1 ? 30 : 50);
	tell(r, grants_commit, NULL);
	settle(r);
	assert_int_equal(logged(r, "revoked by the portal's list"), 1);
	ask_query(r, &q);
	assert_int_equal(r->clients[0].resources, MANY - 1);
	/* The end of no list. */
	store_be16(a.resource.bytes, WITHOUT);
	a.expires_at = UNIX_NOW + 50;
	assert_true(accepted(r, &a));
	list_entry(r, 0, 50);
	tell(r, grants_commit, NULL);
	settle(r);
	ask_query(r, &q);
	assert_int_equal(r->clients[0].resources, MANY);
	pass(r, 31000);
	ask_query(r, &q);
	assert_int_equal(r->clients[0].resources, MANY - 1);
	pass(r, 20000);
	assert_int_equal(r->page.engine.clients, 0);
}

static void
filters_are_updated(void **state)
{
	struct rig *r = *state;
	struct ipc_resource_update u = {
		.resource = { { 0x42 } },
		.type = RESOURCE_CIDR,
		.filters = { { FILTER_TCP, 81, 81 } },
		.filters_count = 1,
	};

	connected(r);
	tell(r, resource_update, &u);
	settle(r);
	assert_true(refused_as(r, REASON_FILTER, "10.20.0.9:80"));
	assert_true(reaches(r, "10.20.0.9:81"));
	u.filters[0].first = u.filters[0].last = 80;
	u.type = RESOURCE_DNS;
	tell(r, resource_update, &u);
	u.type = RESOURCE_CIDR;
	u.resource.bytes[0] = 0x43;
	tell(r, resource_update, &u);
	settle(r);
	assert_true(reaches(r, "10.20.0.9:81"));
}

/* A resource keeps its type; only the expiry is believed. */
static void
type_stays(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	connected(r);
	overhear(r);
	a.type = RESOURCE_INTERNET;
	a.expires_at = UNIX_NOW + 100;
	assert_true(accepted(r, &a));
	assert_int_equal(logged(r, "changed the type of a resource"), 1);
	assert_true(refused_as(r, REASON_NO_ROUTE, "198.51.100.9:80"));
	pass(r, 98000);
	assert_int_equal(r->page.engine.clients, 1);
	pass(r, 2000);
	assert_int_equal(r->page.engine.clients, 0);
}

static void
own_addresses_change(void **state)
{
	struct rig *r = *state;

	connected(r);
	assert_true(refused_as(r, REASON_GATEWAY, "100.64.0.1:22"));
	assert_true(refused_as(r, REASON_TUNNEL_RANGE, "100.64.0.9:22"));
	tell_own_addresses(r, "100.64.0.9:0", "[fd00:2021:1111::1]:0");
	assert_true(refused_as(r, REASON_TUNNEL_RANGE, "100.64.0.1:22"));
	assert_true(refused_as(r, REASON_GATEWAY, "100.64.0.9:22"));
	assert_true(reaches(r, "10.20.0.9:80"));
}

static int
set_up_exposed(void **state)
{
	set_up_unconfigured(state, false, true);
	tell_own_addresses(*state, "100.64.0.1:0", "[fd00:2021:1111::1]:0");
	return 0;
}

static void
host_is_exposed(void **state)
{
	struct rig *r = *state;

	connected(r);
	assert_true(reaches(r, "100.64.0.1:22"));
	assert_true(refused_as(r, REASON_TUNNEL_RANGE, "100.64.0.9:22"));
}

/* What the Internet is changes with the networks that are the site's. */
static void
site_changes(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	struct site_networks site = site_networks_none;
	struct ip_prefix p;

	connected(r);
	a.resource.bytes[0] = 0x43;
	a.type = RESOURCE_INTERNET;
	assert_true(prefix_parse("192.0.43.0/24", &p));
	site_networks_add(&site, &p);
	/* Before it has the Internet, and after. */
	dataplane_site_networks(r->dp, &site);
	settle(r);
	assert_true(accepted(r, &a));
	assert_true(refused_as(r, REASON_REJECTED_RANGE, "192.0.43.9:80"));
	assert_true(reaches(r, "192.0.44.9:80"));
	dataplane_site_networks(r->dp, &site_networks_none);
	settle(r);
	assert_true(reaches(r, "192.0.43.9:80"));
}

/* Of several relays each client has one, and another if that one goes. */
static void
relays_of_many_clients(void **state)
{
	enum { CLIENTS = 24 };
	static const char *const addresses[] = { "203.0.113.5:3478",
		"203.0.113.6:3478", "203.0.113.7:3478" };
	struct rig *r = *state;
	const struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };
	struct ipc_authorization a = authorization(r);
	struct ipc_relay_removed gone = { .relay = { { 1 } } };
	uint8_t before[CLIENTS];

	for (uint8_t i = 0; i < 3; i++)
		with_relay_at(r, i + 1, addresses[i], 0);
	for (uint8_t i = 0; i < CLIENTS; i++) {
		a.client.bytes[1] = a.public_key[0] = i;
		a.local_username[0] = (char)('a' + i);
		a.client_v4.bytes[3] = a.client_v6.bytes[15] = 3 + i;
		assert_true(accepted(r, &a));
	}
	ask_query(r, &q);
	assert_int_equal(r->client_count, CLIENTS);
	for (uint8_t i = 0; i < CLIENTS; i++) {
		before[i] = r->clients[i].relay.bytes[0];
		assert_in_range(before[i], 1, 3);
	}
	for (; gone.relay.bytes[0] <= 3; gone.relay.bytes[0]++) {
		tell(r, relays_begin, NULL);
		tell(r, relay_removed, &gone);
		tell(r, relays_commit, NULL);
		settle(r);
		ask_query(r, &q);
		for (uint8_t i = 0; i < CLIENTS; i++) {
			uint8_t now = r->clients[i].relay.bytes[0];

			if (gone.relay.bytes[0] == 3) {
				assert_false(r->clients[i].has_relay);
				continue;
			}
			assert_in_range(now, gone.relay.bytes[0] + 1, 3);
			if (before[i] > gone.relay.bytes[0])
				assert_int_equal(now, before[i]);
			before[i] = now;
		}
	}
	with_relay_at(r, 9, "203.0.113.9:3478", 0);
	ask_query(r, &q);
	for (uint8_t i = 0; i < CLIENTS; i++)
		assert_int_equal(r->clients[i].relay.bytes[0], 9);
	assert_int_equal(r->closed, 0);
}

static struct rig *poor;

static bool
name_in_force(void)
{
	const struct ipc_revocation gone = { .client = { { 0xc1 } },
		.resource = { { 0x42 } } };
	struct ipc_authorization a = authorization(poor);
	struct ipc_name_resolved m = { .client = a.client,
		.resource = a.resource,
		.domain = "app.example.com",
		.proxies = { at("100.96.0.1:0").ip },
		.proxies_count = 1,
		.addresses = { at("192.0.2.80:0").ip },
		.addresses_count = 1,
		.installed = "in force" };
	uint64_t before = poor->page.engine.names_installed;

	a.type = RESOURCE_DNS;
	strlcpy(a.pattern, "*.example.com", sizeof(a.pattern));
	tell(poor, authorization, &a);
	settle(poor);
	tell(poor, name_resolved, &m);
	settle(poor);
	if (poor->page.engine.clients == 1 &&
	    poor->page.engine.names_installed > before)
		return true;
	tell(poor, revocation, &gone);
	settle(poor);
	return false;
}

/* Whether the request of that user is answered. */
static bool
is_answered(struct rig *r, const char *username)
{
	static uint8_t transaction[12];
	uint8_t check[128];
	struct stun_message m;
	struct writer w;

	transaction[0]++;
	writer_init(&w, check, sizeof(check));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, username);
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
	stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
	stun_add_integrity(&w, "gatepassword", 12);
	r->udp_count = 0;
	receive(r, "192.0.2.7:50000", "10.0.0.4:52625", check, w.len);
	for (size_t i = 0; i < r->udp_count; i++)
		if (stun_parse(r->udp[i].data, r->udp[i].len, &m) &&
		    m.type == STUN_BINDING_SUCCESS &&
		    memcmp(m.transaction, transaction, sizeof(transaction)) ==
			0)
			return true;
	return false;
}

/*
 * Four letters of 32 are what a portal gives out for our end: two clients of a
 * thousand may well have the same.
 */
static void
user_names_need_not_be_unique(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	authorized(r);
	a.client.bytes[1] = 9;
	a.client_v4.bytes[3] = 9;
	a.client_v6.bytes[15] = 9;
	a.public_key[0] ^= 1;
	strlcpy(a.remote_username, "clix", sizeof(a.remote_username));
	assert_true(accepted(r, &a));
	assert_true(is_answered(r, "gate:clie"));
	assert_true(is_answered(r, "gate:clix"));
	assert_false(is_answered(r, "gate:cliy"));
	assert_false(is_answered(r, "gate:"));
}

/* A client is let in, or it is not; nothing is left of one that was not. */
static void
without_memory(void **state)
{
	if (!HEAP_IS_OURS)
		skip();
	poor = *state;
	with_relay(poor);
	overhear(poor);
	assert_in_range(fail_each_allocation(name_in_force), 10, 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(refuses_authorizations),
		cmocka_unit_test_setup_teardown(
		    waits_for_own_addresses, set_up_without_init, tear_down),
		T(connects_anew),
		T(grants_expire_one_by_one),
		T(list_of_many),
		T(filters_are_updated),
		T(type_stays),
		T(own_addresses_change),
		cmocka_unit_test_setup_teardown(
		    host_is_exposed, set_up_exposed, tear_down),
		T(site_changes),
		T(relays_of_many_clients),
		T(user_names_need_not_be_unique),
		T(without_memory),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
