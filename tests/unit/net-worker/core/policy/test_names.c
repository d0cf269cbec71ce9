/* Assignments of proxy addresses to names: firezone-policy(7), Translations. */
#include <malloc.h>
#include <stdio.h>

#include "tests/lib/packets.h"

#include "net-worker/core/policy/grants.h"
#include "net-worker/core/policy/names.h"

#define LIST_MAX 128

static struct uuid
id(uint8_t last)
{
	return (struct uuid){ { [15] = last } };
}

/* A client with the DNS resources 1 (*.a.example) and 2 (**.example). */
static struct grants *
new_client(void)
{
	struct ip_address v4 = ip("100.64.0.1"), v6 = ip("fd00:2021:1111::1");
	struct grant one = { .resource = id(1),
		.type = RESOURCE_DNS,
		.pattern = "*.a.example",
		.expires = MONO_NEVER };
	struct grant two = { .resource = id(2),
		.type = RESOURCE_DNS,
		.pattern = "**.example",
		.expires = MONO_NEVER };
	struct grant network = { .resource = id(3),
		.type = RESOURCE_CIDR,
		.network = { ip("10.0.0.0"), 8 },
		.expires = MONO_NEVER };
	struct uuid client = id(200);
	struct grants *c = grants_new(&client, &v4, &v6);

	assert_non_null(c);
	assert_int_equal(grants_add(c, &one), GRANT_NEW);
	assert_int_equal(grants_add(c, &two), GRANT_NEW);
	assert_int_equal(grants_add(c, &network), GRANT_NEW);
	return c;
}

static size_t
parse_list(const char *text, struct ip_address *to)
{
	char word[64];
	size_t n = 0;
	int taken;

	while (sscanf(text, " %63s%n", word, &taken) == 1) {
		to[n++] = ip(word);
		text += taken;
	}
	return n;
}

static enum assign_result
assign(struct grants *c, uint8_t resource, const char *domain,
    const char *proxies, const char *addresses, struct assign_effect *effect)
{
	struct ip_address p[LIST_MAX], a[LIST_MAX];
	struct assignment assignment = {
		.resource = id(resource),
		.domain = domain,
		.proxies = p,
		.proxy_count = parse_list(proxies, p),
		.addresses = a,
		.address_count = parse_list(addresses, a),
	};

	return grants_assign(c, &assignment, effect);
}

/* What a UDP packet to the proxy becomes: "10.0.0.1", "none", "refused". */
static const char *
real_of(const struct grants *c, const char *proxy)
{
	struct ip_address v4 = ip("100.64.0.2"), v6 = ip("fd00:2021:1111::2"),
			  to = ip(proxy);
	struct ip_address from = grants_address(c, to.family);
	struct policy *policy =
	    grants_compile(c, &v4, &v6, &site_networks_none, false);
	struct policy_decision d;
	static char text[ENDPOINT_TEXT_MAX];
	uint8_t data[2048];
	struct packet p =
	    parsed(data, build_ports(data, &from, &to, IPPROTO_UDP, 1, 2));

	assert_non_null(policy);
	d = policy_outbound(policy, &p);
	policy_free(policy);
	if (d.verdict == VERDICT_UNREACHABLE)
		return "none";
	if (d.verdict != VERDICT_PASS)
		return "refused";
	assert_true(d.translate);
	return ip_format(&d.real, text);
}

#define IS(c, proxy, real) assert_string_equal(real_of(c, proxy), real)

/* Both lists are sorted, each family goes round by itself. */
static void
goes_round(void **state)
{
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	assert_int_equal(assign(c, 1, "x.a.example",
			     "100.96.0.3 100.96.0.1 fd00:2021:1111:8000::1 "
			     "100.96.0.2 fd00:2021:1111:8000:: 100.96.0.1",
			     "192.0.2.2 2001:db8::1 192.0.2.1 192.0.2.2", &e),
	    ASSIGN_DONE);
	assert_true(e.changed);
	assert_false(e.renumbered);
	IS(c, "100.96.0.1", "192.0.2.1");
	IS(c, "100.96.0.2", "192.0.2.2");
	IS(c, "100.96.0.3", "192.0.2.1");
	IS(c, "fd00:2021:1111:8000::", "2001:db8::1");
	IS(c, "fd00:2021:1111:8000::1", "2001:db8::1");
	IS(c, "100.96.0.4", "refused");
	grants_free(c);
}

static void
one_family_leaves_the_other_without(void **state)
{
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	assert_int_equal(
	    assign(c, 1, "x.a.example", "100.96.0.1 fd00:2021:1111:8000::1",
		"192.0.2.1", &e),
	    ASSIGN_DONE);
	IS(c, "100.96.0.1", "192.0.2.1");
	IS(c, "fd00:2021:1111:8000::1", "none");
	/* And a name without any address is a name all the same. */
	assert_int_equal(assign(c, 1, "x.a.example",
			     "100.96.0.1 fd00:2021:1111:8000::1", "", &e),
	    ASSIGN_DONE);
	IS(c, "100.96.0.1", "none");
	grants_free(c);
}

/* For clients that count on it: each proxy has an address if there is any. */
static void
one_family_serves_the_other_too(void **state)
{
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	grants_allow_translation(c, true);
	assert_int_equal(assign(c, 1, "x.a.example",
			     "100.96.0.1 100.96.0.2 100.96.0.3 "
			     "fd00:2021:1111:8000:: fd00:2021:1111:8000::1 "
			     "fd00:2021:1111:8000::2",
			     "192.0.2.2 192.0.2.1", &e),
	    ASSIGN_DONE);
	assert_true(e.changed);
	IS(c, "100.96.0.1", "192.0.2.1");
	IS(c, "100.96.0.2", "192.0.2.2");
	IS(c, "100.96.0.3", "192.0.2.1");
	IS(c, "fd00:2021:1111:8000::", "192.0.2.1");
	IS(c, "fd00:2021:1111:8000::1", "192.0.2.2");
	IS(c, "fd00:2021:1111:8000::2", "192.0.2.1");
	assert_int_equal(
	    assign(c, 1, "x.a.example",
		"100.96.0.1 fd00:2021:1111:8000::", "2001:db8::7", &e),
	    ASSIGN_DONE);
	assert_true(e.changed);
	IS(c, "100.96.0.1", "2001:db8::7");
	IS(c, "fd00:2021:1111:8000::", "2001:db8::7");
	/* With both, each has its own; and the same again changes nothing. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(assign(c, 1, "x.a.example",
				     "100.96.0.1 fd00:2021:1111:8000::",
				     "2001:db8::7 192.0.2.1", &e),
		    ASSIGN_DONE);
		assert_int_equal(e.changed, i == 0);
		IS(c, "100.96.0.1", "192.0.2.1");
		IS(c, "fd00:2021:1111:8000::", "2001:db8::7");
	}
	assert_int_equal(assign(c, 1, "x.a.example",
			     "100.96.0.1 fd00:2021:1111:8000::", "", &e),
	    ASSIGN_DONE);
	IS(c, "100.96.0.1", "none");
	IS(c, "fd00:2021:1111:8000::", "none");
	grants_free(c);
}

/* And at once no longer. */
static void
crosses_from_the_next_assignment_on(void **state)
{
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	assert_int_equal(
	    assign(c, 1, "x.a.example", "100.96.0.1", "2001:db8::7", &e),
	    ASSIGN_DONE);
	IS(c, "100.96.0.1", "none");
	grants_allow_translation(c, true);
	IS(c, "100.96.0.1", "none");
	assert_int_equal(
	    assign(c, 1, "x.a.example", "100.96.0.1", "2001:db8::7", &e),
	    ASSIGN_DONE);
	assert_true(e.changed);
	IS(c, "100.96.0.1", "2001:db8::7");
	assert_int_equal(
	    assign(c, 1, "y.a.example", "100.96.0.2", "192.0.2.7", &e),
	    ASSIGN_DONE);
	grants_allow_translation(c, false);
	IS(c, "100.96.0.1", "none");
	IS(c, "100.96.0.2", "192.0.2.7");
	assert_int_equal(
	    assign(c, 1, "x.a.example", "100.96.0.1", "2001:db8::7", &e),
	    ASSIGN_DONE);
	assert_false(e.changed);
	IS(c, "100.96.0.1", "none");
	grants_free(c);
}

/* There would be no source for its packets. */
static void
crosses_only_with_addresses_of_both_families(void **state)
{
	static const struct ip_address none;
	struct ip_address v4 = ip("100.64.0.1"), v6 = ip("fd00:2021:1111::1");
	struct uuid client = id(200);
	struct grant dns = { .resource = id(1),
		.type = RESOURCE_DNS,
		.pattern = "**.example",
		.expires = MONO_NEVER };
	struct assign_effect e;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct grants *c = grants_new(
		    &client, i == 0 ? &v4 : &none, i == 0 ? &none : &v6);

		assert_non_null(c);
		assert_int_equal(grants_add(c, &dns), GRANT_NEW);
		grants_allow_translation(c, true);
		assert_int_equal(
		    assign(c, 1, "x.example",
			i == 0 ? "100.96.0.1" : "fd00:2021:1111:8000::",
			i == 0 ? "2001:db8::7" : "192.0.2.1", &e),
		    ASSIGN_DONE);
		if (i == 0)
			IS(c, "100.96.0.1", "none");
		else
			IS(c, "fd00:2021:1111:8000::", "none");
		grants_free(c);
	}
}

static void
the_same_again_changes_nothing(void **state)
{
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	assign(c, 1, "x.a.example", "100.96.0.1", "192.0.2.1", &e);
	assign(c, 1, "X.A.example", "100.96.0.1", "192.0.2.1", &e);
	assert_false(e.changed);
	assign(c, 1, "x.a.example", "100.96.0.1", "192.0.2.9", &e);
	assert_true(e.changed);
	IS(c, "100.96.0.1", "192.0.2.9");
	/* A second resource of the name is a change. */
	assign(c, 2, "x.a.example", "100.96.0.1", "192.0.2.9", &e);
	assert_true(e.changed);
	grants_free(c);
}

static void
refuses(void **state)
{
	static const struct {
		uint8_t resource;
		const char *domain, *proxies;
		enum assign_result result;
	} table[] = {
		{ 9, "x.a.example", "100.96.0.1", ASSIGN_NOT_GRANTED },
		{ 3, "x.a.example", "100.96.0.1", ASSIGN_NOT_DNS },
		{ 1, "x.b.example", "100.96.0.1", ASSIGN_NO_MATCH },
		{ 1, "x.a.example", "10.0.0.1", ASSIGN_NO_PROXY },
		{ 1, "x.a.example", "", ASSIGN_DONE },
	};
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(assign(c, table[i].resource, table[i].domain,
				     table[i].proxies, "192.0.2.1", &e),
		    table[i].result);
		assert_false(e.changed);
		assert_false(grants_have_names(c));
	}
	grants_free(c);
}

/* Both HARDENs of 6.4. */
static void
leaves_out_what_must_not_be(void **state)
{
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	assert_int_equal(
	    assign(c, 1, "x.a.example",
		"10.0.0.1 100.95.255.255 100.96.0.0 100.127.255.255 "
		"100.128.0.0 fd00:2021:1111:8000:100:100:111:1 "
		"fd00:2021:1111:8000::1f:ffff",
		"127.0.0.1 ::1 169.254.169.254 fe80::1 224.0.0.1 ff02::1 "
		"255.255.255.255 0.0.0.0 :: 100.64.0.9 fd00:2021:1111::9 "
		"100.96.0.1 fd00:2021:1111:8000::1 ::ffff:10.0.0.1 192.0.2.1 "
		"2001:db8::1",
		&e),
	    ASSIGN_DONE);
	assert_int_equal(e.foreign_proxies, 4);
	assert_int_equal(e.unusable_addresses, 14);
	IS(c, "100.96.0.0", "192.0.2.1");
	IS(c, "100.127.255.255", "192.0.2.1");
	IS(c, "fd00:2021:1111:8000::1f:ffff", "2001:db8::1");
	grants_free(c);
}

/* Before anything is checked: firezone-policy(7), Translations (step 1). */
static void
renumbering_forgets_all(void **state)
{
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	assign(c, 1, "x.a.example", "100.96.0.1 100.96.0.2", "192.0.2.1", &e);
	assign(c, 1, "y.a.example", "100.96.0.3", "192.0.2.2", &e);
	assert_false(e.renumbered);
	assert_int_equal(
	    assign(c, 9, "z.a.example", "100.96.0.3", "192.0.2.3", &e),
	    ASSIGN_NOT_GRANTED);
	assert_true(e.renumbered);
	assert_true(e.changed);
	assert_false(grants_have_names(c));
	IS(c, "100.96.0.1", "refused");
	grants_free(c);
}

/*
 * firezone-policy(7), What remains; but a grant of another pattern does not
 * take names over.
 */
static void
outlives_its_resource(void **state)
{
	struct uuid one = id(1);
	struct grant again = { .resource = one,
		.type = RESOURCE_DNS,
		.pattern = "*.a.example",
		.expires = MONO_NEVER };
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	assign(c, 1, "x.a.example", "100.96.0.1", "192.0.2.1", &e);
	assert_true(grants_revoke(c, &one));
	IS(c, "100.96.0.1", "refused");
	assert_int_equal(grants_add(c, &again), GRANT_NEW);
	IS(c, "100.96.0.1", "192.0.2.1");
	grants_revoke(c, &one);
	strcpy(again.pattern, "other.example");
	assert_int_equal(grants_add(c, &again), GRANT_NEW);
	IS(c, "100.96.0.1", "refused");
	grants_revoke(c, &one);
	strcpy(again.pattern, "*.a.example");
	assert_int_equal(grants_add(c, &again), GRANT_NEW);
	IS(c, "100.96.0.1", "refused"); /* it is to be assigned anew */
	assign(c, 1, "x.a.example", "100.96.0.1", "192.0.2.1", &e);
	IS(c, "100.96.0.1", "192.0.2.1");
	grants_revoke(c, &one);
	again.type = RESOURCE_CIDR;
	again.network = (struct ip_prefix){ ip("192.0.2.0"), 24 };
	assert_int_equal(grants_add(c, &again), GRANT_NEW);
	IS(c, "100.96.0.1", "refused");
	grants_free(c);
}

static void
assign_numbered(struct grants *c, unsigned n)
{
	struct assign_effect e;
	char domain[32], proxy[32];

	snprintf(domain, sizeof(domain), "n%u.a.example", n);
	snprintf(proxy, sizeof(proxy), "100.97.%u.%u", n / 250, n % 250);
	assert_int_equal(
	    assign(c, 1, domain, proxy, "192.0.2.1", &e), ASSIGN_DONE);
	assert_true(e.changed || n == 1);
}

static void
the_oldest_name_gives_way(void **state)
{
	struct grants *c = new_client();

	(void)state;
	for (unsigned n = 0; n < NAMES_MAX; n++)
		assign_numbered(c, n);
	IS(c, "100.97.0.0", "192.0.2.1");
	assign_numbered(c, 1); /* is not the oldest but one any more */
	assign_numbered(c, NAMES_MAX);
	IS(c, "100.97.0.0", "refused");
	assign_numbered(c, NAMES_MAX + 1);
	IS(c, "100.97.0.1", "192.0.2.1");
	IS(c, "100.97.0.2", "refused");
	IS(c, "100.97.0.3", "192.0.2.1");
	grants_free(c);
}

/* What has sessions stays, and what has had one lately goes late. */
static void
names_in_use_stay(void **state)
{
	struct grants *c = new_client();
	struct name_use *use;

	(void)state;
	for (unsigned n = 0; n < NAMES_MAX; n++)
		assign_numbered(c, n);
	use = grants_name_use(c);
	name_use_count(use, 0, 1);
	name_use_note(use, 1, (struct mono){ 5 });
	for (unsigned n = 0; n < NAMES_MAX - 2; n++)
		assign_numbered(c, NAMES_MAX + n);
	IS(c, "100.97.0.0", "192.0.2.1");
	IS(c, "100.97.0.1", "192.0.2.1");
	IS(c, "100.97.0.2", "refused");
	for (unsigned n = 0; n < NAMES_MAX; n++)
		assign_numbered(c, 2 * NAMES_MAX + n);
	IS(c, "100.97.0.0", "192.0.2.1");
	IS(c, "100.97.0.1", "192.0.2.1");
	grants_free(c);
}

/* All in use: the newest is refused, and nothing else changes. */
static void
newest_name_is_refused(void **state)
{
	struct grants *c = new_client();
	struct assign_effect e;

	(void)state;
	for (unsigned n = 0; n < NAMES_MAX; n++)
		assign_numbered(c, n);
	for (uint16_t n = 0; n < NAMES_MAX; n++)
		name_use_count(grants_name_use(c), n, 1);
	assert_int_equal(assign(c, 1, "late.a.example", "100.98.0.1",
			     "192.0.2.1", &e),
	    ASSIGN_NO_ROOM);
	assert_false(e.changed);
	IS(c, "100.98.0.1", "refused");
	name_use_count(grants_name_use(c), 7, -1);
	assert_int_equal(assign(c, 1, "late.a.example", "100.98.0.1",
			     "192.0.2.1", &e),
	    ASSIGN_DONE);
	IS(c, "100.97.0.7", "refused");
	IS(c, "100.97.0.8", "192.0.2.1");
	grants_free(c);
}

/* As many proxies of its own for the name of that number; what changed. */
static bool
assign_many(struct names *n, unsigned name, size_t count)
{
	struct ip_address list[96], address = ip("192.0.2.1");
	struct names_entry e = { .resource = id(1),
		.proxies = list,
		.proxy_count = count,
		.addresses = &address,
		.address_count = 1 };
	char domain[32];
	bool changed;

	for (size_t i = 0; i < count; i++) {
		unsigned at = name * 96 + (unsigned)i;

		list[i] = ip_v4(100, 100, (uint8_t)(at >> 8), (uint8_t)at);
	}
	snprintf(domain, sizeof(domain), "%u.example", name);
	e.domain = domain;
	assert_true(names_assign(n, &e, &changed));
	return changed;
}

static void
proxies_are_bounded(void **state)
{
	struct names *n = names_new();

	(void)state;
	assert_non_null(n);
	for (unsigned name = 0; name < 300; name++) {
		assert_true(assign_many(n, name, 96));
		assert_true(names_count(n) <= NAMES_PROXIES_MAX);
		assert_true(names_get(n, names_count(n)) == NULL);
	}
	assert_int_equal(names_count(n), NAMES_PROXIES_MAX / 96 * 96);
	names_free(n);
}

/* Where there is no room for more, what is there needs none. */
static void
assigned_again_nothing_gives_way(void **state)
{
	struct names *n = names_new();
	unsigned name = 0;

	(void)state;
	assert_non_null(n);
	for (; name < NAMES_PROXIES_MAX / 96; name++)
		assign_many(n, name, 96);
	assign_many(n, name, NAMES_PROXIES_MAX % 96);
	assert_int_equal(names_count(n), NAMES_PROXIES_MAX);
	assert_false(assign_many(n, 7, 96));
	assert_int_equal(names_count(n), NAMES_PROXIES_MAX);
	/* One more, and the oldest gives way: not the one that has asked. */
	assert_true(assign_many(n, name, NAMES_PROXIES_MAX % 96 + 1));
	assert_int_equal(names_count(n), NAMES_PROXIES_MAX + 1 - 96);
	names_free(n);
}

static void
resources_of_a_proxy_are_bounded(void **state)
{
	struct names *n = names_new();
	struct ip_address proxy = ip("100.96.0.1");
	struct names_entry e = {
		.domain = "x.example", .proxies = &proxy, .proxy_count = 1
	};
	bool changed;

	(void)state;
	assert_non_null(n);
	for (uint8_t i = 0; i < PROXY_RESOURCES_MAX; i++) {
		e.resource = id(i);
		assert_true(names_assign(n, &e, &changed));
		assert_true(changed);
	}
	e.resource = id(PROXY_RESOURCES_MAX);
	assert_false(names_assign(n, &e, &changed));
	e.resource = id(0);
	assert_true(names_assign(n, &e, &changed));
	assert_false(changed);
	names_free(n);
}

/* However many proxies it has: a policy is compiled at each change. */
static void
policies_hold_a_name_once(void **state)
{
	struct ip_address v4 = ip("100.64.0.2"), v6 = ip("fd00:2021:1111::2");
	struct ip_address proxies[LIST_MAX], address = ip("192.0.2.1");
	char domain[] =
	    "*************************************************"
	    "*************************************************"
	    "***********************************************.example";
	struct assignment assignment = { .resource = id(2),
		.domain = domain,
		.proxies = proxies,
		.proxy_count = LIST_MAX,
		.addresses = &address,
		.address_count = 1 };
	struct grants *c = new_client();
	struct assign_effect e;
	struct policy *p;

	(void)state;
	memset(domain, 'x', strcspn(domain, "."));
	for (uint8_t i = 0; i < LIST_MAX; i++)
		proxies[i] = ip_v4(100, 96, 0, i);
	assert_int_equal(grants_assign(c, &assignment, &e), ASSIGN_DONE);
	p = grants_compile(c, &v4, &v6, &site_networks_none, false);
	assert_in_range(
	    malloc_usable_size(p), 1, LIST_MAX * (sizeof(domain) - 1));
	policy_free(p);
	grants_free(c);
}

/* Most clients have none: tables of names are for those that have. */
static void
without_names_a_client_is_small(void **state)
{
	struct assign_effect effect;
	struct unanswered_name u;
	size_t before = mallinfo2().uordblks;
	struct grants *c = new_client();

	(void)state;
	assert_true(mallinfo2().uordblks - before < 4096);
	grants_watch_names(c, true);
	assert_false(grants_unanswered_name(c, (struct mono){ 1 }, &u));
	assert_int_equal(
	    assign(c, 1, "x.a.example", "100.96.0.1", "10.0.0.1", &effect),
	    ASSIGN_DONE);
	assert_string_equal(real_of(c, "100.96.0.1"), "10.0.0.1");
	grants_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_round),
		cmocka_unit_test(one_family_leaves_the_other_without),
		cmocka_unit_test(one_family_serves_the_other_too),
		cmocka_unit_test(crosses_from_the_next_assignment_on),
		cmocka_unit_test(crosses_only_with_addresses_of_both_families),
		cmocka_unit_test(the_same_again_changes_nothing),
		cmocka_unit_test(refuses),
		cmocka_unit_test(leaves_out_what_must_not_be),
		cmocka_unit_test(renumbering_forgets_all),
		cmocka_unit_test(outlives_its_resource),
		cmocka_unit_test(the_oldest_name_gives_way),
		cmocka_unit_test(names_in_use_stay),
		cmocka_unit_test(newest_name_is_refused),
		cmocka_unit_test(proxies_are_bounded),
		cmocka_unit_test(assigned_again_nothing_gives_way),
		cmocka_unit_test(resources_of_a_proxy_are_bounded),
		cmocka_unit_test(policies_hold_a_name_once),
		cmocka_unit_test(without_names_a_client_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
