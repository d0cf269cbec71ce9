/*
 * Several port ranges of one resource: firezone-policy(7), Evaluation. In
 * whatever order and however they lie to each other, a port passes that one of
 * them contains.
 */
#include "tests/lib/policy.h"

static bool
passes(const struct policy *p, const char *protocol, unsigned port)
{
	uint8_t data[2048];
	struct packet packet;
	char what[16];

	snprintf(what, sizeof(what), "%s %u", protocol, port);
	packet = make(data, CLIENT_V4, "10.0.0.1", what);
	return policy_outbound(p, &packet).verdict == VERDICT_PASS;
}

/* Which of the ports at and beside the edges of ranges pass. */
static void
check_ports(const char *filters, const char *open)
{
	static const unsigned ports[] = { 0, 1, 9, 10, 11, 14, 15, 20, 25, 26,
		29, 30, 31, 40, 41, 65534, 65535 };
	struct grants *c = new_client();
	struct policy *p;
	char got[256] = "";

	grant_cidr(c, 1, "10.0.0.0/8", filters);
	p = compile(c, false);
	for (size_t i = 0; i < COUNT(ports); i++) {
		size_t len = strlen(got);

		if (passes(p, "tcp", ports[i]))
			snprintf(got + len, sizeof(got) - len, "%s%u",
			    len == 0 ? "" : " ", ports[i]);
		assert_false(passes(p, "udp", ports[i]));
	}
	assert_string_equal(got, open);
	policy_free(p);
	grants_free(c);
}

static void
ranges(void **state)
{
	static const struct {
		const char *filters, *open;
	} table[] = {
		{ "tcp 10-30", "10 11 14 15 20 25 26 29 30" },
		{ "tcp 30", "30" },
		{ "tcp 0", "0" },
		{ "tcp 65535", "65535" },
		{ "tcp 0-65535 tcp 10", "0 1 9 10 11 14 15 20 25 26 29 30 31 "
					"40 41 65534 65535" },
		/* One within the other, behind or before it. */
		{ "tcp 10-30 tcp 15-20", "10 11 14 15 20 25 26 29 30" },
		{ "tcp 15-20 tcp 10-30", "10 11 14 15 20 25 26 29 30" },
		{ "tcp 10-30 tcp 10-20", "10 11 14 15 20 25 26 29 30" },
		{ "tcp 10-30 tcp 20-30", "10 11 14 15 20 25 26 29 30" },
		{ "tcp 10-30 tcp 14-15 tcp 25-26",
		    "10 11 14 15 20 25 26 29 30" },
		/* They overlap, touch, or leave a gap of one. */
		{ "tcp 10-20 tcp 15-30", "10 11 14 15 20 25 26 29 30" },
		{ "tcp 15-30 tcp 10-20", "10 11 14 15 20 25 26 29 30" },
		{ "tcp 10-20 tcp 20-30", "10 11 14 15 20 25 26 29 30" },
		{ "tcp 10-14 tcp 15-20", "10 11 14 15 20" },
		{ "tcp 31-40 tcp 10-29", "10 11 14 15 20 25 26 29 31 40" },
		{ "tcp 10 tcp 30 tcp 20", "10 20 30" },
		/* The wrong way round. */
		{ "tcp 30-10", "" },
		{ "tcp 30-10 tcp 15", "15" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		check_ports(table[i].filters, table[i].open);
}

/* Each protocol has its own, and so has each resource. */
static void
ranges_are_apart(void **state)
{
	struct grants *c = new_client();
	struct policy *p;

	(void)state;
	grant_cidr(c, 1, "10.0.0.0/8", "tcp 10-20 udp 30-40");
	grant_cidr(c, 2, "10.0.0.0/8", "udp 50 tcp 15-25");
	p = compile(c, false);
	for (unsigned port = 0; port < 60; port++) {
		assert_int_equal(
		    passes(p, "tcp", port), port >= 10 && port <= 25);
		assert_int_equal(passes(p, "udp", port),
		    (port >= 30 && port <= 40) || port == 50);
	}
	policy_free(p);
	grants_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(ranges_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
