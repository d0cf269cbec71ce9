/* Grants, their expiry and their way into the compiled policy. */
#include "tests/lib/no_memory.h"
#include "tests/lib/packets.h"

#include "net-worker/core/policy/grants.h"

#define SECOND 1000000000

static struct uuid
id(uint8_t last)
{
	return (struct uuid){ { [15] = last } };
}

static struct mono
at_s(int64_t seconds)
{
	return (struct mono){ seconds * SECOND };
}

static struct grants *
new_client(void)
{
	struct ip_address v4 = ip("100.64.0.1"), v6 = ip("fd00:2021:1111::1");
	struct uuid client = id(200);
	struct grants *c = grants_new(&client, &v4, &v6);

	assert_non_null(c);
	return c;
}

static struct grant
cidr(uint8_t resource, const char *network, struct mono expires)
{
	struct grant g = { .resource = id(resource), .type = RESOURCE_CIDR };

	assert_true(prefix_parse(network, &g.network));
	g.expires = expires;
	return g;
}

static enum grant_result
grant_ports(struct grants *c, uint8_t resource, const char *network,
    enum filter_protocol protocol, uint16_t first, uint16_t last,
    struct mono expires)
{
	struct filter f = { (uint8_t)protocol, first, last };
	struct grant g = cidr(resource, network, expires);

	g.filters = &f;
	g.filter_count = 1;
	return grants_add(c, &g);
}

/* Whether a packet of the client's to 10.0.0.1 passes what is compiled now. */
static bool
reaches(const struct grants *c, uint8_t protocol, uint16_t port)
{
	struct ip_address v4 = ip("100.64.0.2"), v6 = ip("fd00:2021:1111::2");
	struct ip_address from = ip("100.64.0.1"), to = ip("10.0.0.1");
	struct policy *policy =
	    grants_compile(c, &v4, &v6, &site_networks_none, false);
	uint8_t data[64];
	struct packet p =
	    parsed(data, build_ports(data, &from, &to, protocol, 1, port));
	bool pass;

	assert_non_null(policy);
	pass = policy_outbound(policy, &p).verdict == VERDICT_PASS;
	policy_free(policy);
	return pass;
}

static size_t
expire_all(struct grants *c, struct mono now)
{
	struct uuid gone;
	size_t n = 0;

	while (grants_expire(c, now, &gone))
		n++;
	return n;
}

static void
knows_itself(void **state)
{
	struct ip_address v4 = ip("100.64.0.1"), v6 = ip("fd00:2021:1111::1"),
			  other = ip("100.64.0.2"), none = { 0 };
	struct uuid client = id(200);
	struct grants *c = new_client();
	struct ip_address got;

	(void)state;
	assert_true(uuid_equal(grants_client(c), &client));
	assert_true(grants_have_addresses(c, &v4, &v6));
	assert_false(grants_have_addresses(c, &other, &v6));
	assert_false(grants_have_addresses(c, &v4, &none));
	got = grants_address(c, IP_V4);
	assert_true(ip_equal(&got, &v4));
	got = grants_address(c, IP_V6);
	assert_true(ip_equal(&got, &v6));
	got = grants_address(c, IP_NONE);
	assert_true(ip_equal(&got, &none));
	assert_int_equal(grants_count(c), 0);
	assert_null(grants_get(c, 0));
	assert_true(mono_is_never(grants_deadline(c)));
	grants_free(c);
	grants_free(NULL);
}

/* firezone-policy(7), Policy scenarios (1). */
static void
grants_expire_one_by_one(void **state)
{
	struct grants *c = new_client();

	(void)state;
	assert_int_equal(
	    grant_ports(c, 1, "10.0.0.0/24", FILTER_TCP, 20, 100, at_s(10)),
	    GRANT_NEW);
	assert_int_equal(
	    grant_ports(c, 2, "10.0.0.0/24", FILTER_UDP, 20, 100, at_s(20)),
	    GRANT_NEW);
	assert_true(reaches(c, IPPROTO_TCP, 60) && reaches(c, IPPROTO_UDP, 60));
	assert_int_equal(grants_deadline(c).ns, at_s(10).ns);
	assert_int_equal(expire_all(c, (struct mono){ at_s(10).ns - 1 }), 0);
	assert_int_equal(expire_all(c, at_s(10)), 1);
	assert_false(reaches(c, IPPROTO_TCP, 60));
	assert_true(reaches(c, IPPROTO_UDP, 60));
	assert_int_equal(grants_deadline(c).ns, at_s(20).ns);
	assert_int_equal(expire_all(c, at_s(20)), 1);
	assert_false(reaches(c, IPPROTO_UDP, 60));
	assert_int_equal(grants_count(c), 0);
	assert_true(mono_is_never(grants_deadline(c)));
	grants_free(c);
}

/* Test 2, and 31: earlier, later, equal, never. */
static void
expiry_moves(void **state)
{
	struct grants *c = new_client();
	struct uuid one = id(1), two = id(2), gone;
	struct grant g = cidr(1, "10.0.0.0/24", at_s(10));

	(void)state;
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
	g.expires = at_s(30);
	assert_int_equal(grants_add(c, &g), GRANT_UPDATED);
	assert_int_equal(expire_all(c, at_s(29)), 0);
	g.expires = at_s(5);
	assert_int_equal(grants_add(c, &g), GRANT_UPDATED);
	assert_int_equal(grants_deadline(c).ns, at_s(5).ns);
	assert_true(reaches(c, IPPROTO_TCP, 1)); /* until the next tick */
	assert_true(grants_set_expiry(c, &one, 0, MONO_NEVER));
	assert_int_equal(expire_all(c, at_s(INT64_MAX / SECOND)), 0);
	assert_int_equal(expire_all(c, MONO_NEVER), 0);
	assert_false(grants_set_expiry(c, &two, 0, at_s(1)));
	assert_true(grants_set_expiry(c, &one, 0, at_s(7)));
	g = cidr(2, "10.0.0.0/24", at_s(7));
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
	assert_true(grants_expire(c, at_s(7), &gone));
	assert_true(uuid_equal(&gone, &one));
	assert_true(grants_expire(c, at_s(7), &gone));
	assert_true(uuid_equal(&gone, &two));
	assert_false(grants_expire(c, at_s(7), &gone));
	grants_free(c);
}

/*
 * firezone-policy(7), Grant messages: what granting again changes, and what it
 * does not.
 */
static void
granting_again(void **state)
{
	struct grants *c = new_client();
	const struct grant *kept;
	struct grant dns = { .resource = id(1),
		.type = RESOURCE_DNS,
		.pattern = "*.example.com" };

	(void)state;
	grant_ports(c, 1, "10.0.0.0/24", FILTER_TCP, 80, 80, at_s(10));
	assert_int_equal(
	    grant_ports(c, 1, "192.0.2.0/24", FILTER_TCP, 443, 443, at_s(20)),
	    GRANT_UPDATED);
	assert_false(reaches(c, IPPROTO_TCP, 80));
	assert_true(reaches(c, IPPROTO_TCP, 443));
	assert_int_equal(grants_deadline(c).ns, at_s(20).ns);

	dns.expires = at_s(30);
	assert_int_equal(grants_add(c, &dns), GRANT_TYPE_CONFLICT);
	assert_int_equal(grants_count(c), 1);
	kept = grants_get(c, 0);
	assert_int_equal(kept->type, RESOURCE_CIDR);
	assert_int_equal(kept->expires.ns, at_s(30).ns);
	assert_true(reaches(c, IPPROTO_TCP, 443));
	assert_false(reaches(c, IPPROTO_TCP, 80));
	grants_free(c);
}

static void
revoking(void **state)
{
	struct grants *c = new_client();
	struct uuid one = id(1), two = id(2);

	(void)state;
	/* firezone-policy(7), Policy scenarios (17). */
	grant_ports(c, 1, "10.0.0.0/8", FILTER_TCP, 1, 10, at_s(10));
	grant_ports(c, 2, "10.0.0.0/24", FILTER_TCP, 20, 30, at_s(10));
	assert_true(reaches(c, IPPROTO_TCP, 5) && reaches(c, IPPROTO_TCP, 25));
	assert_true(grants_revoke(c, &two));
	assert_true(reaches(c, IPPROTO_TCP, 5));
	assert_false(reaches(c, IPPROTO_TCP, 25));
	assert_false(grants_revoke(c, &two));
	assert_true(grants_revoke(c, &one));
	assert_false(reaches(c, IPPROTO_TCP, 5));
	assert_int_equal(grants_count(c), 0);
	grants_free(c);
}

static void
updating_filters(void **state)
{
	struct grants *c = new_client();
	struct filter f[] = { { FILTER_TCP, 80, 80 }, { FILTER_TCP, 90, 90 } };
	struct filter *many = calloc(FILTERS_MAX + 1, sizeof(*many));
	struct uuid one = id(1), two = id(2);

	(void)state;
	grant_ports(c, 1, "10.0.0.0/24", FILTER_TCP, 1, 10, at_s(10));
	assert_true(grants_update_filters(c, &one, RESOURCE_CIDR, f, 2));
	assert_false(reaches(c, IPPROTO_TCP, 5));
	assert_true(reaches(c, IPPROTO_TCP, 90));
	assert_int_equal(grants_deadline(c).ns, at_s(10).ns);
	/* What was handed in was copied. */
	f[1].first = f[1].last = 91;
	assert_true(reaches(c, IPPROTO_TCP, 90));
	assert_false(grants_update_filters(c, &one, RESOURCE_DNS, NULL, 0));
	assert_false(grants_update_filters(c, &two, RESOURCE_CIDR, NULL, 0));
	assert_false(reaches(c, IPPROTO_TCP, 5));
	assert_true(grants_update_filters(c, &one, RESOURCE_CIDR, NULL, 0));
	assert_true(reaches(c, IPPROTO_TCP, 5));
	/* Too many to keep: the grant goes, it does not stay wide open. */
	assert_true(grants_update_filters(
	    c, &one, RESOURCE_CIDR, many, FILTERS_MAX + 1));
	assert_int_equal(grants_count(c), 0);
	grants_free(c);
	free(many);
}

static void
refuses_what_makes_no_sense(void **state)
{
	struct grants *c = new_client();
	struct filter *many = calloc(FILTERS_MAX + 1, sizeof(*many));
	struct grant g;

	(void)state;
	g = cidr(1, "10.0.0.0/24", at_s(10));
	g.network.length = 33;
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g.network.length = 255;
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g = cidr(1, "2001:db8::", at_s(10));
	g.network.length = 129;
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g = cidr(1, "10.0.0.1", at_s(10));
	g.network.length = 31;
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g.network.length = 32;
	g.network.ip.bytes[4] = 1; /* beyond an IPv4 address */
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g.network.ip = (struct ip_address){ 0 };
	g.network.length = 0;
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g = cidr(1, "10.0.0.1", at_s(10));
	g.type = 0;
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g.type = 4;
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g.type = RESOURCE_DNS;
	memset(g.pattern, 'a', sizeof(g.pattern));
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	g = cidr(1, "10.0.0.1", at_s(10));
	g.filters = many;
	g.filter_count = FILTERS_MAX + 1;
	assert_int_equal(grants_add(c, &g), GRANT_INVALID);
	assert_int_equal(grants_count(c), 0);
	g.filter_count = FILTERS_MAX;
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
	grants_free(c);
	free(many);
}

static void
keeps_grants_in_order(void **state)
{
	struct grants *c = new_client();
	struct dice d = dice_new();
	bool there[256] = { false };

	(void)state;
	for (int i = 0; i < 5000; i++) {
		uint8_t n = (uint8_t)roll(&d, 256);
		struct uuid resource = id(n), last = { { 0 } };
		struct grant g = cidr(n, "10.0.0.1", at_s(10));
		size_t count = 0;

		if (roll(&d, 2) == 0) {
			assert_int_equal(grants_add(c, &g),
			    there[n] ? GRANT_UPDATED : GRANT_NEW);
			there[n] = true;
		} else {
			assert_int_equal(grants_revoke(c, &resource), there[n]);
			there[n] = false;
		}
		for (size_t k = 0; k < grants_count(c); k++) {
			const struct grant *at_k = grants_get(c, k);

			assert_true(there[at_k->resource.bytes[15]]);
			assert_true(
			    k == 0 || uuid_compare(&last, &at_k->resource) < 0);
			last = at_k->resource;
		}
		for (size_t k = 0; k < 256; k++)
			count += there[k];
		assert_int_equal(grants_count(c), count);
		assert_null(grants_get(c, count));
	}
	grants_free(c);
}

/* An Internet resource never has filters: they must not even be kept. */
static void
internet_has_no_filters(void **state)
{
	struct grants *c = new_client();
	struct filter f = { FILTER_TCP, 80, 80 };
	struct grant g = { .resource = id(1),
		.type = RESOURCE_INTERNET,
		.filters = &f,
		.filter_count = 1 };

	(void)state;
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
	assert_int_equal(grants_get(c, 0)->filter_count, 0);
	grants_free(c);
}

/* The clocks, so far from now, when the wall clock shows that unix time. */
static struct clock_reading
reading(int64_t mono_s, int64_t unix_ns)
{
	return (struct clock_reading){ at_s(mono_s), { unix_ns } };
}

/* firezone-policy(7), Expiry and State scenarios (33). */
static void
converts_unix_time(void **state)
{
	const uint64_t unix_now = 1700000000;
	const struct mono now = at_s(1000);
	const int64_t half = SECOND / 2;
	const uint64_t farthest = INT64_MAX / SECOND;
	static const int64_t day = 86400;
	struct clock_reading r = reading(1000, (int64_t)unix_now * SECOND);

	(void)state;
#define EXPIRY(t) grants_expiry_from_unix(t, &r).ns
	assert_int_equal(EXPIRY(unix_now + 1), at_s(1001).ns);
	assert_int_equal(EXPIRY(unix_now + 3600), at_s(4600).ns);
	assert_int_equal(EXPIRY(unix_now), now.ns);
	assert_int_equal(EXPIRY(unix_now - 1), now.ns);
	assert_int_equal(EXPIRY(1), now.ns);
	assert_int_equal(EXPIRY(0), MONO_NEVER.ns);
	assert_int_equal(
	    EXPIRY(farthest), now.ns + (int64_t)(farthest - unix_now) * SECOND);
	assert_int_equal(EXPIRY(farthest + 1), at_s(1000 + day).ns);
	assert_int_equal(EXPIRY(INT64_MAX), at_s(1000 + day).ns);
	assert_int_equal(EXPIRY((uint64_t)INT64_MAX + 1), at_s(1000 + day).ns);
	assert_int_equal(EXPIRY(UINT64_MAX), at_s(1000 + day).ns);
	/* Between two seconds of the wall clock. */
	r.wall.ns += half;
	assert_int_equal(EXPIRY(unix_now + 1), at_s(1000).ns + half);
	assert_int_equal(EXPIRY(unix_now), now.ns);
	/* A clock before the epoch makes nothing last for ever. */
	r.wall.ns = -SECOND;
	assert_int_equal(EXPIRY(1), at_s(1002).ns);
	assert_int_equal(EXPIRY(farthest), at_s(1000 + day).ns);
#undef EXPIRY
}

/* Only ever earlier, whatever is done to the clock. */
static void
a_step_of_the_clock_prolongs_nothing(void **state)
{
	const int64_t unix_now = 1700000000;
	const struct uuid one = id(1), two = id(2);
	struct grants *c = new_client();
	struct grant g = cidr(1, "10.0.0.0/24", at_s(1060));
	struct clock_reading r;

	(void)state;
	g.expires_at = (uint64_t)unix_now + 60;
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
	g = cidr(2, "10.0.1.0/24", MONO_NEVER);
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
#define EXPIRES(i) grants_get(c, i)->expires.ns
	r = reading(1010, (unix_now + 10 - 7200) * SECOND);
	grants_clock_was_set(c, &r);
	assert_int_equal(EXPIRES(0), at_s(1060).ns);
	r = reading(1020, (unix_now + 20 + 30) * SECOND);
	grants_clock_was_set(c, &r);
	assert_int_equal(EXPIRES(0), at_s(1030).ns);
	r = reading(1021, (unix_now + 21) * SECOND);
	grants_clock_was_set(c, &r);
	assert_int_equal(EXPIRES(0), at_s(1030).ns);
	assert_int_equal(EXPIRES(1), MONO_NEVER.ns);
	/* Told again, it is no news; told anew, it is. */
	assert_true(
	    grants_set_expiry(c, &one, (uint64_t)unix_now + 60, at_s(1060)));
	assert_int_equal(EXPIRES(0), at_s(1030).ns);
	assert_true(
	    grants_set_expiry(c, &one, (uint64_t)unix_now + 70, at_s(1070)));
	assert_int_equal(EXPIRES(0), at_s(1070).ns);
	assert_true(grants_set_expiry(c, &two, 0, MONO_NEVER));
	r = reading(1030, (unix_now + 30 + 7200) * SECOND);
	grants_clock_was_set(c, &r);
	assert_int_equal(EXPIRES(0), at_s(1030).ns);
	assert_int_equal(EXPIRES(1), MONO_NEVER.ns);
#undef EXPIRES
	grants_free(c);
}

/* Until when it was told is kept too: it says what a step of the clock does. */
static void
prolonging_never_shortens(void **state)
{
	static const uint64_t table[][3] = {
		{ 60, 30, 60 }, { 60, 60, 60 }, { 60, 90, 90 }, { 0, 30, 0 },
		{ 60, 0, 0 }, { 0, 0, 0 }, /* 0: never */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct grants *c = new_client();
		const struct grant *there;

		for (size_t k = 0; k < 2; k++) {
			uint64_t end = table[i][k];
			struct grant g = cidr(1, "10.0.0.0/24",
			    end == 0 ? MONO_NEVER : at_s((int64_t)end));

			g.expires_at = end;
			assert_int_equal(grants_prolong(c, &g),
			    k == 0 ? GRANT_NEW : GRANT_UPDATED);
		}
		there = grants_get(c, 0);
		assert_int_equal(there->expires_at, table[i][2]);
		assert_int_equal(there->expires.ns,
		    table[i][2] == 0 ? MONO_NEVER.ns
				     : at_s((int64_t)table[i][2]).ns);
		grants_free(c);
	}
}

/* What may be left of a grant whose filters could not be replaced: nothing. */
static bool kept_old_filters;

static bool
has_no_grant(const struct grants *c, uint8_t resource)
{
	const struct grant *g;
	struct uuid wanted = id(resource);

	for (size_t i = 0; (g = grants_get(c, i)) != NULL; i++)
		if (uuid_equal(&g->resource, &wanted))
			return false;
	return true;
}

/* All that allocates: two grants, their filters anew, a name, the policy. */
static bool
fills(struct grants *c)
{
	static struct filter list[2] = { { FILTER_TCP, 1, 1 } };
	static const struct ip_address proxies[2] = {
		{ IP_V4, { 100, 96, 0, 1 } }, { IP_V4, { 100, 96, 0, 2 } }
	};
	static const struct ip_address real = { IP_V4, { 10, 0, 0, 1 } };
	struct grant network = { .resource = id(1),
		.type = RESOURCE_CIDR,
		.network = { { IP_V4, { 10, 0, 0, 0 } }, 8 },
		.filters = list,
		.filter_count = 1 };
	struct grant name = { .resource = id(2),
		.type = RESOURCE_DNS,
		.pattern = "*.example.com" };
	struct assignment a = { .resource = id(2),
		.domain = "www.example.com",
		.proxies = proxies,
		.proxy_count = 2,
		.addresses = &real,
		.address_count = 1 };
	struct assign_effect effect;
	enum grant_result again;
	struct policy *policy;

	if (grants_add(c, &network) != GRANT_NEW ||
	    grants_add(c, &name) != GRANT_NEW)
		return false;
	again = grants_add(c, &network);
	kept_old_filters |= again != GRANT_UPDATED && !has_no_grant(c, 1);
	if (again != GRANT_UPDATED ||
	    !grants_update_filters(
		c, &network.resource, RESOURCE_CIDR, list, 2))
		return false;
	if (has_no_grant(c, 1) || grants_assign(c, &a, &effect) != ASSIGN_DONE)
		return false;
	policy = grants_compile(c, &network.network.ip, &network.network.ip,
	    &site_networks_none, false);
	policy_free(policy);
	return policy != NULL;
}

static bool
one_client(void)
{
	static const struct uuid client = { { 200 } };
	static const struct ip_address v4 = { IP_V4, { 100, 64, 0, 1 } }, v6;
	struct holders index;
	struct grants *c;
	bool ok;

	if (!holders_init(&index, 1))
		return false;
	if ((c = grants_new(&client, &v4, &v6)) != NULL)
		grants_index(c, &index, c);
	ok = c != NULL && fills(c);
	grants_free(c);
	holders_free(&index);
	return ok;
}

static void
without_memory(void **state)
{
	(void)state;
	if (!HEAP_IS_OURS)
		skip();
	/* One less would be one that nobody looked at. */
	assert_int_equal(fail_each_allocation(one_client), 28);
	assert_false(kept_old_filters);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_itself),
		cmocka_unit_test(grants_expire_one_by_one),
		cmocka_unit_test(expiry_moves),
		cmocka_unit_test(granting_again),
		cmocka_unit_test(revoking),
		cmocka_unit_test(updating_filters),
		cmocka_unit_test(refuses_what_makes_no_sense),
		cmocka_unit_test(keeps_grants_in_order),
		cmocka_unit_test(internet_has_no_filters),
		cmocka_unit_test(converts_unix_time),
		cmocka_unit_test(a_step_of_the_clock_prolongs_nothing),
		cmocka_unit_test(prolonging_never_shortens),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
