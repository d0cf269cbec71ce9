/*
 * A packet that nobody sent, judged by the policy in force, and what clients
 * are granted, as an operator asks for both.
 */
#include <netinet/in.h>

#include "tests/lib/dataplane.h"

static const struct explanation *
explain(struct rig *r, uint8_t protocol, const char *to, const char *domain)
{
	struct ipc_explain m = {
		.serial = 9,
		.client = { { 0xc1 } },
		.protocol = protocol,
	};

	if (to != NULL)
		m.destination = at(to);
	strlcpy(m.domain, domain, sizeof(m.domain));
	memset(&r->explanation, 0xff, sizeof(r->explanation));
	tell(r, explain, &m);
	settle(r);
	assert_int_equal(r->explanation.end.serial, 9);
	assert_false(r->explanation.end.more);
	return &r->explanation;
}

static void
nobody(void **state)
{
	const struct explanation *e =
	    explain(*state, IPPROTO_TCP, "10.20.0.9:80", "");

	assert_false(e->has_client);
	assert_int_equal(e->count, 0);
}

static void
passed_and_refused(void **state)
{
	struct rig *r = *state;
	const struct explanation *e;
	struct ip_address v4 = at("100.64.0.2:0").ip;

	authorized(r);
	e = explain(r, IPPROTO_TCP, "10.20.0.9:80", "");
	assert_true(e->has_client);
	assert_int_equal(e->client.serial, 9);
	assert_int_equal(e->client.state, QUERY_STATE_CONNECTING);
	assert_int_equal(e->packet.serial, 9);
	assert_int_equal(e->packet.verdict, EXPLAINED_PASSED);
	assert_int_equal(e->packet.resource.bytes[0], 0x42);
	assert_true(ip_equal(&e->packet.source, &v4));
	assert_int_equal(e->packet.real.family, IP_NONE);
	assert_int_equal(e->packet.routes, 1);
	assert_int_equal(e->count, 1);
	assert_int_equal(e->routes[0].serial, 9);
	assert_true(e->routes[0].permits);
	assert_true(e->has_grant[0]);
	assert_int_equal(e->grants[0].serial, 9);
	assert_int_equal(e->grants[0].resource.bytes[0], 0x42);
	assert_int_equal(e->grants[0].filters_count, 1);
	assert_int_equal(e->grants[0].filters[0].first, 80);

	e = explain(r, IPPROTO_TCP, "10.20.0.9:81", "");
	assert_int_equal(e->packet.verdict, EXPLAINED_ANSWERED);
	assert_int_equal(e->packet.reason, REASON_FILTER);
	assert_int_equal(e->packet.resource.bytes[0], 0x42);
	assert_false(e->routes[0].permits);
	e = explain(r, IPPROTO_ICMP, "10.20.0.9:0", "");
	assert_int_equal(e->packet.reason, REASON_FILTER);
	e = explain(r, IPPROTO_TCP, "192.0.2.80:80", "");
	assert_int_equal(e->packet.reason, REASON_NO_ROUTE);
	assert_int_equal(e->packet.routes, 0);
	e = explain(r, IPPROTO_TCP, "100.64.0.1:22", "");
	assert_int_equal(e->packet.reason, REASON_GATEWAY);
	e = explain(r, IPPROTO_UDP, "224.0.0.1:22", "");
	assert_int_equal(e->packet.verdict, EXPLAINED_DROPPED);
	assert_int_equal(e->packet.reason, REASON_MULTICAST);
	e = explain(r, IPPROTO_ICMP, "[fd20::9]:0", "");
	assert_int_equal(e->packet.source.family, IP_V6);
}

/* Nothing is counted, sent, answered or followed. */
static void
without_a_trace(void **state)
{
	struct rig *r = *state;
	struct counter_page before;
	size_t sent;

	authorized(r);
	before = r->page;
	sent = r->udp_count;
	for (int i = 0; i < 1000; i++)
		explain(r, IPPROTO_TCP, "10.20.0.9:81", "");
	assert_memory_equal(&before, &r->page, sizeof(before));
	assert_int_equal(r->udp_count, sent);
	assert_int_equal(r->tun_count, 0);
}

static void
by_name(void **state)
{
	struct rig *r = *state;
	const struct explanation *e;
	struct ipc_authorization a = authorization(r);
	struct ipc_name_resolved m = {
		.client = { { 0xc1 } },
		.resource = { { 0x43 } },
		.domain = "files.corp.test",
		.proxies = { at("100.96.0.1:0").ip },
		.addresses = { at("10.20.0.9:0").ip },
		.proxies_count = 1,
		.addresses_count = 1,
	};
	struct ip_address real = at("10.20.0.9:0").ip;

	authorized(r);
	a.resource.bytes[0] = 0x43;
	a.type = RESOURCE_DNS;
	strcpy(a.pattern, "*.corp.test");
	a.serial = 8;
	tell(r, authorization, &a);
	tell(r, name_resolved, &m);
	settle(r);
	e = explain(r, IPPROTO_TCP, "0.0.0.0:80", "FILES.corp.test");
	assert_int_equal(e->packet.verdict, EXPLAINED_PASSED);
	assert_true(ip_equal(&e->packet.destination.ip, &m.proxies[0]));
	assert_int_equal(e->packet.destination.port, 80);
	assert_true(ip_equal(&e->packet.real, &real));
	assert_int_equal(e->packet.resource.bytes[0], 0x43);
	assert_string_equal(e->grants[0].pattern, "*.corp.test");
	/* Granted, but the client has not asked for it; by the filters. */
	e = explain(r, IPPROTO_TCP, "0.0.0.0:80", "none.corp.test");
	assert_true(e->has_client);
	assert_int_equal(e->packet.destination.ip.family, IP_NONE);
	assert_int_equal(e->packet.destination.port, 80);
	assert_int_equal(e->packet.verdict, EXPLAINED_PASSED);
	assert_int_equal(e->packet.reason, REASON_NONE);
	assert_int_equal(e->packet.resource.bytes[0], 0x43);
	assert_int_equal(e->packet.routes, 1);
	assert_int_equal(e->count, 1);
	assert_true(e->routes[0].permits && e->has_grant[0]);
	assert_string_equal(e->grants[0].pattern, "*.corp.test");
	assert_int_equal(e->grants[0].serial, 9);
	e = explain(r, IPPROTO_TCP, "0.0.0.0:81", "none.corp.test");
	assert_int_equal(e->packet.verdict, EXPLAINED_DROPPED);
	assert_int_equal(e->packet.reason, REASON_FILTER);
	assert_int_equal(e->packet.resource.bytes[0], 0x43);
	assert_false(e->routes[0].permits);
	e = explain(r, IPPROTO_UDP, "0.0.0.0:80", "none.corp.test");
	assert_int_equal(e->packet.reason, REASON_FILTER);
	e = explain(r, 47, "0.0.0.0:0", "none.corp.test");
	assert_int_equal(e->packet.reason, REASON_FILTER);
	e = explain(r, IPPROTO_TCP, "0.0.0.0:80", "corp.example");
	assert_int_equal(e->packet.verdict, EXPLAINED_DROPPED);
	assert_int_equal(e->packet.reason, REASON_NO_ROUTE);
	assert_int_equal(e->count, 0);
	/* Of a kind that NAT cannot carry. */
	e = explain(r, 47, "100.96.0.1:0", "");
	assert_int_equal(e->packet.reason, REASON_FILTER);
}

/* Of what was granted until a while ago it is known how it ended. */
static void
ended(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	struct ipc_revocation gone = {
		.client = { { 0xc1 } },
		.resource = { { 0x50 } },
	};
	const struct explanation *e;

	authorized(r);
	e = explain(r, IPPROTO_TCP, "10.20.50.9:80", "");
	assert_int_equal(e->packet.ended_by, GRANT_END_NONE);
	for (uint8_t i = 0; i < 3; i++) {
		a.resource.bytes[0] = 0x50 + i;
		a.network.ip.bytes[2] = 50 + i;
		a.expires_at = i == 1 ? UNIX_NOW + 10 : 0;
		a.type = i == 2 ? RESOURCE_DNS : RESOURCE_CIDR;
		strcpy(a.pattern, "*.corp.test");
		tell(r, authorization, &a);
	}
	e = explain(r, IPPROTO_TCP, "10.20.50.9:80", "");
	assert_int_equal(e->packet.verdict, EXPLAINED_PASSED);
	assert_int_equal(e->packet.ended_by, GRANT_END_NONE);
	assert_int_not_equal(e->grants[0].meter, 0);
	tell(r, revocation, &gone);
	gone.resource.bytes[0] = 0x52;
	tell(r, revocation, &gone);
	e = explain(r, IPPROTO_TCP, "10.20.50.9:80", "");
	assert_int_equal(e->packet.reason, REASON_NO_ROUTE);
	assert_int_equal(e->packet.ended_by, GRANT_END_REVOKED);
	assert_int_equal(e->packet.ended.bytes[0], 0x50);
	e = explain(r, IPPROTO_TCP, "0.0.0.0:80", "files.corp.test");
	assert_int_equal(e->packet.ended_by, GRANT_END_REVOKED);
	assert_int_equal(e->packet.ended.bytes[0], 0x52);
	e = explain(r, IPPROTO_TCP, "0.0.0.0:80", "other.test");
	assert_int_equal(e->packet.ended_by, GRANT_END_NONE);
	pass(r, 11000);
	e = explain(r, IPPROTO_TCP, "10.20.51.9:80", "");
	assert_int_equal(e->packet.ended_by, GRANT_END_EXPIRED);
	assert_int_equal(e->packet.ended.bytes[0], 0x51);
	assert_in_range(e->packet.ended_at, UNIX_NOW, UNIX_NOW + 11);
}

/* Of others nothing is said, and of the oldest no more. */
static void
ended_long_ago(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	struct ipc_revocation gone = { .client = { { 0xc1 } } };
	const struct explanation *e;

	authorized(r);
	for (uint8_t i = 0; i < 65; i++) {
		a.resource.bytes[0] = gone.resource.bytes[0] = 0x50 + i;
		a.network.ip.bytes[2] = 50 + i;
		tell(r, authorization, &a);
		tell(r, revocation, &gone);
	}
	e = explain(r, IPPROTO_TCP, "10.20.50.9:80", "");
	assert_int_equal(e->packet.ended_by, GRANT_END_NONE);
	e = explain(r, IPPROTO_TCP, "10.20.51.9:80", "");
	assert_int_equal(e->packet.ended.bytes[0], 0x51);
	e = explain(r, IPPROTO_TCP, "10.20.114.9:80", "");
	assert_int_equal(e->packet.ended.bytes[0], 0x50 + 64);
}

static void
ask_grants(struct rig *r, bool of_one)
{
	struct ipc_query q = {
		.serial = 5,
		.kind = QUERY_KIND_GRANTS,
		.from = r->end.next,
		.from_grant = r->end.next_grant,
		.of_one = of_one,
		.client = { { 0xc1 } },
	};

	r->grant_count = 0;
	memset(&r->end, 0, sizeof(r->end));
	ask_query(r, &q);
	assert_int_equal(r->end.serial, 5);
}

/* Two clients, of whom one has more than a page. */
static void
two_clients(struct rig *r)
{
	struct ipc_authorization a = authorization(r);

	authorized(r);
	for (unsigned i = 1; i <= 100; i++) {
		a.resource.bytes[1] = (uint8_t)i;
		tell(r, authorization, &a);
	}
	a.client.bytes[0] = 0xc2;
	a.public_key[0] ^= 1;
	a.client_v4.bytes[3]++;
	a.client_v6.bytes[15]++;
	tell(r, authorization, &a);
	settle(r);
	memset(&r->end, 0, sizeof(r->end));
}

static void
pages_of_grants(void **state)
{
	struct rig *r = *state;
	size_t all = 0, pages = 0;
	bool seen[2][101] = { 0 };

	two_clients(r);
	do {
		ask_grants(r, false);
		for (size_t i = 0; i < r->grant_count; i++) {
			bool *s = &seen[r->grants[i].client.bytes[0] == 0xc2]
				       [r->grants[i].resource.bytes[1]];

			assert_false(*s);
			*s = true;
		}
		all += r->grant_count;
		pages++;
	} while (r->end.more);
	assert_int_equal(all, 102);
	assert_int_equal(pages, 2);
	assert_true(seen[1][100]);
	all = 0;
	memset(&r->end, 0, sizeof(r->end));
	do {
		ask_grants(r, true);
		all += r->grant_count;
	} while (r->end.more);
	assert_int_equal(all, 101);
}

/* Who comes after a client that has gone meanwhile has all its grants. */
static void
gone_between_pages(void **state)
{
	struct rig *r = *state;
	struct ipc_revocation gone = {
		.client = { { 0xc1 } },
		.resource = { { 0x42 } },
	};

	two_clients(r);
	ask_grants(r, false);
	assert_true(r->end.more && r->end.next_grant > 0);
	for (unsigned i = 0; i <= 100; i++) {
		gone.resource.bytes[1] = (uint8_t)i;
		tell(r, revocation, &gone);
	}
	settle(r);
	ask_grants(r, false);
	assert_int_equal(r->grant_count, 1);
	assert_int_equal(r->grants[0].client.bytes[0], 0xc2);
	assert_false(r->end.more);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(nobody),
		T(passed_and_refused),
		T(without_a_trace),
		T(by_name),
		T(ended),
		T(ended_long_ago),
		T(pages_of_grants),
		T(gone_between_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
