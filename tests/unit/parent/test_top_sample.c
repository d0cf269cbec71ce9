/* parent/top_sample.c: what is a sample, and rates of two. */
#include "parent/top_sample.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

#define A "aaaaaaaa-0000-0000-0000-000000000000"
#define B "bbbbbbbb-0000-0000-0000-000000000000"
#define C "cccccccc-0000-0000-0000-000000000000"

static bool
parse(struct top_sample *s, const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return top_sample_parse(s, copy, len);
}

static void
assert_entry(const struct top_entry *e, bool is_resource, const char *id,
    const char *name)
{
	assert_int_equal(e->is_resource, is_resource);
	assert_string_equal(e->id, id);
	assert_int_equal(e->name_len, strlen(name));
	assert_memory_equal(e->name, name, e->name_len);
}

static void
a_sample(void **state)
{
	struct top_sample s;

	(void)state;
	assert_true(parse(&s,
	    "time 18446744073709551615\n"
	    "total 1 2 3 4\n"
	    "client " B " 5 6 7 8 Jane Doe  \n"
	    "client " A " 9 10 11 12 -\n"
	    "resource " A " 0 0 0 18446744073709551615 Office\n"
	    "end\n"));
	assert_true(s.ms == UINT64_MAX && s.problem == NULL);
	assert_int_equal(s.total.from_bytes, 1);
	assert_int_equal(s.total.from_packets, 2);
	assert_int_equal(s.total.to_bytes, 3);
	assert_int_equal(s.total.to_packets, 4);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.clients, 2);
	assert_entry(&s.entries[0], false, A, "-");
	assert_entry(&s.entries[1], false, B, "Jane Doe  ");
	assert_entry(&s.entries[2], true, A, "Office");
	assert_int_equal(s.entries[1].counters.to_packets, 8);
	assert_true(s.entries[2].counters.to_packets == UINT64_MAX);
	top_sample_free(&s);
	assert_true(parse(&s, "time 1\nproblem nobody is there\n"));
	assert_string_equal(s.problem, "nobody is there");
	top_sample_free(&s);
	assert_true(parse(&s, "end\n"));
	assert_int_equal(s.count, 0);
	top_sample_free(&s);
}

static void
no_samples(void **state)
{
	static const char *const texts[] = { "", "end", "\n", "end\nend\n",
		"end\nx", "time 1\n", "time\nend\n", "time x\nend\n",
		"time 1 \nend\n", "time -1\nend\n",
		"time 18446744073709551616\nend\n",
		"time 99999999999999999999999\nend\n", " end\n", "END\n",
		"total 1 2 3\nend\n", "total 1 2 3 4 5\nend\n",
		"total 1  2 3\nend\n", "client " A " 1 2 3 4\nend\n",
		"client " A " 1 2 x 4 n\nend\n", "client " A "\nend\n",
		"client " A "0 1 2 3 4 n\nend\n",
		"client aaaaaaaa-0000-0000-0000-00000000000G 1 2 3 4 n\nend\n",
		"client \x1b[2Jaaaa-0000-0000-0000-000000000000 1 2 3 4 "
		"n\nend\n",
		"clients " A " 1 2 3 4 n\nend\n", "unknown request\n" };
	struct top_sample s;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (parse(&s, texts[i]))
			fail_msg("%s", texts[i]);
}

static void
many_entries(void **state)
{
	char *text = malloc(5000 * 64 + 5), *at = text;
	struct top_sample s;

	(void)state;
	assert_non_null(text);
	for (int i = 4999; i >= 0; i--)
		at += sprintf(at,
		    "client %08x-0000-0000-0000-000000000000 %d 0 0 0 x\n", i,
		    i);
	at += sprintf(at, "end\n");
	assert_true(top_sample_parse(&s, text, (size_t)(at - text)));
	assert_int_equal(s.count, 5000);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(s.entries[i].counters.from_bytes, i);
	top_sample_free(&s);
}

static void
rates(void **state)
{
	struct top_sample old, new;
	struct top_rate all, r[4];

	(void)state;
	assert_true(parse(&old,
	    "time 1000\n"
	    "total 1000 10 2000 20\n"
	    "client " A " 1000 10 0 0 Jane\n"
	    "client " B " 500 5 500 5 John\n"
	    "resource " A " 7 7 7 7 Office\n"
	    "end\n"));
	assert_true(parse(&new,
	    "time 3000\n"
	    "total 3000 12 2000 24\n"
	    "client " C " 999999 999999 0 0 new\n"
	    "client " A " 1500 20 0 0 Jane\n"
	    "client " B " 400 5 2500 9 John\n"
	    "resource " A " 7 7 7 7 Office\n"
	    "end\n"));
	all = top_rate_of_all(&old, &new);
	assert_true(all.from_bits == 8000 && all.to_bits == 0);
	assert_true(all.packets == 3);
	assert_int_equal(top_rates(&old, &new, false, r), 3);
	/* The greatest first; what has fallen has begun anew. */
	assert_string_equal(r[0].entry->id, B);
	assert_true(r[0].from_bits == 0 && r[0].to_bits == 8000);
	assert_true(r[0].packets == 2);
	assert_string_equal(r[1].entry->id, A);
	assert_true(r[1].from_bits == 2000 && r[1].packets == 5);
	/* And of one that was not there nobody knows since when. */
	assert_string_equal(r[2].entry->id, C);
	assert_true(r[2].from_bits == 0 && r[2].packets == 0);
	assert_int_equal(top_rates(&old, &new, true, r), 1);
	assert_true(r[0].entry->is_resource && r[0].packets == 0);
	/* At one time, and backwards. */
	assert_true(top_rate_of_all(&new, &new).from_bits == 0);
	assert_true(top_rate_of_all(&new, &old).to_bits == 0);
	top_sample_free(&old);
	assert_int_equal(top_rates(&old, &new, false, r), 3);
	assert_true(r[0].from_bits == 0);
	top_sample_free(&new);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample),
		cmocka_unit_test(no_samples),
		cmocka_unit_test(many_entries),
		cmocka_unit_test(rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
