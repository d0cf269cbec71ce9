/* control-worker/operator/search.c and tally.c: whom an operator means. */
#include "control-worker/operator/search.h"

#include "control-worker/operator/tally.h"
#include "tests/lib/unit.h"

static struct directory *names;

static const struct {
	uint8_t id;
	const char *v4, *actor, *email;
} people[] = {
	{ 0xc1, "100.64.0.2", "Jane Doe", "jane@acme.com" },
	{ 0xc2, "100.64.0.3", "Jane Roe", "jane.roe@acme.com" },
	{ 0xd1, "100.64.0.20", "John", "john@acme.com" },
	{ 0xd2, "100.64.0.21", "John", "john@acme.com" },
	{ 0xe1, "100.64.0.30", NULL, NULL },
	/* Who would like to be taken for somebody else. */
	{ 0xf1, "100.64.0.40", "victim@acme.com", "f1@acme.com" },
	{ 0xf2, "100.64.0.41", "F0", "victim@acme.com" },
	{ 0xf3, "100.64.0.42", "f2000000-0000-0000-0000-000000000000",
	    "f3@acme.com" },
	{ 0xf4, "100.64.0.43", "f2000000", "f4@acme.com" },
	{ 0xf5, "100.64.0.44", "100.64.0.2", "f5@acme.com" },
	{ 0xf6, "100.64.0.45", "jane.roe", "f6@acme.com" },
};

#define PEOPLE (sizeof(people) / sizeof(*people))

static struct told_text
told(const char *text)
{
	return (struct told_text){ text, text == NULL ? 0 : strlen(text) };
}

static int
set_up(void **state)
{
	(void)state;
	names = directory_new();
	assert_non_null(names);
	for (size_t i = 0; i < PEOPLE; i++) {
		const struct client_description c = {
			.client = { { people[i].id } },
			.actor = told(people[i].actor),
			.email = told(people[i].email),
		};

		directory_learn_client(names, &c);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	directory_free(names);
	return 0;
}

/* How many are meant, and the first byte of the first one's id. */
static size_t
meant(const char *wanted, uint8_t *first)
{
	struct search s = { .wanted = wanted };
	const struct matches *m;

	for (size_t i = 0; i < PEOPLE; i++) {
		struct ipc_query_client c = {
			.client = { { people[i].id } },
		};

		assert_true(ip_parse(people[i].v4, &c.v4));
		search_look(&s, names, &c);
	}
	m = search_result(&s);
	*first = m->count == 0 ? 0 : m->first.client.bytes[0];
	return m->count;
}

static void
whom(void **state)
{
	static const struct {
		const char *wanted;
		size_t count;
		uint8_t first;
	} table[] = {
		{ "c1000000-0000-0000-0000-000000000000", 1, 0xc1 },
		{ "C1", 1, 0xc1 },
		{ "e", 1, 0xe1 },
		{ "c", 2, 0xc1 },
		{ "c3", 0, 0 },
		/* A whole one before those that only begin so. */
		{ "jane@acme.com", 1, 0xc1 },
		{ "jane doe", 1, 0xc1 },
		{ "jane.", 2, 0xc2 },
		{ "jane", 3, 0xc1 },
		{ "john@acme.com", 2, 0xd1 },
		/* An address is a whole one, or none. */
		{ "100.64.0.2", 1, 0xc1 },
		{ "100.64.0.4", 0, 0 },
		{ "100.64.0.21", 1, 0xd2 },
		{ "nobody", 0, 0 },
		/* What somebody calls himself does not hide another. */
		{ "victim@acme.com", 1, 0xf2 },
		{ "f2000000-0000-0000-0000-000000000000", 1, 0xf2 },
		{ "f2000000", 2, 0xf2 },
		{ "jane.roe", 2, 0xc2 },
		{ "victim", 2, 0xf1 },
		{ "f0", 1, 0xf2 },
	};
	uint8_t first;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (meant(table[i].wanted, &first) != table[i].count ||
		    first != table[i].first)
			fail_msg("%s: %02x", table[i].wanted, first);
	}
}

static void
many(void **state)
{
	struct search s = { .wanted = "100.64.0.9" };
	struct ipc_query_client c = { 0 };

	(void)state;
	assert_true(ip_parse("100.64.0.9", &c.v4));
	for (int i = 0; i < 1000; i++)
		search_look(&s, names, &c);
	assert_int_equal(search_result(&s)->count, 1000);
	assert_int_equal(s.begin.count, 0);
}

static void
resources(void **state)
{
	struct ipc_query_grant g = { 0 };
	struct tally *t = tally_new();
	struct tallied one;

	(void)state;
	assert_non_null(t);
	assert_false(tally_take(t, &one));
	for (int i = 0; i < 3; i++)
		for (uint8_t r = 3; r > (uint8_t)i; r--) {
			g.resource.bytes[0] = r;
			assert_true(tally_add(t, &g));
		}
	for (uint8_t r = 1; r <= 3; r++) {
		assert_true(tally_take(t, &one));
		assert_int_equal(one.grant.resource.bytes[0], r);
		assert_int_equal(one.clients, r);
	}
	assert_false(tally_take(t, &one));
	for (uint32_t i = 0; i < TALLY_MAX; i++) {
		memcpy(g.resource.bytes, &i, sizeof(i));
		assert_true(tally_add(t, &g));
	}
	assert_true(tally_add(t, &g));
	g.resource.bytes[9] = 1;
	assert_false(tally_add(t, &g));
	assert_true(tally_take(t, &one));
	assert_true(tally_add(t, &g));
	tally_free(t);
	tally_free(NULL);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(whom),
		T(many),
		cmocka_unit_test(resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
