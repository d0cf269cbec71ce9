/*
 * The choice of a resolver: firezone-policy(7), Choice of resolver; with a
 * clock of our own.
 */
#include "tests/lib/unit.h"

#include "control-worker/dns/nameservers.h"

#define UDP false
#define TCP true

static struct nameservers n;

static struct mono
at_s(int64_t s)
{
	return (struct mono){ s * 1000000000 };
}

static int
chosen(bool tcp)
{
	const struct endpoint *e = nameservers_choose(&n, tcp);

	return e == NULL ? -1 : e->ip.bytes[3];
}

/* Servers 1, 2, 3. */
static int
set_up(void **state)
{
	struct resolv_conf conf = { .server_count = 3 };

	(void)state;
	for (uint8_t i = 0; i < 3; i++)
		conf.servers[i] =
		    (struct endpoint){ ip_v4(192, 0, 2, (uint8_t)(i + 1)), 53 };
	nameservers_init(&n);
	assert_false(nameservers_begin(&n, at_s(1000000)));
	assert_int_equal(chosen(UDP), -1);
	nameservers_set(&n, &conf, at_s(100));
	return 0;
}

static void
first_answer_is_chosen(void **state)
{
	(void)state;
	assert_int_equal(chosen(UDP), -1);
	assert_true(nameservers_begin(&n, at_s(100)));
	assert_false(nameservers_begin(&n, at_s(100)));
	assert_true(nameservers_answered(&n, 1, UDP));
	assert_int_equal(chosen(UDP), 2);
	assert_int_equal(chosen(TCP), -1);
	assert_false(nameservers_answered(&n, 0, UDP));
	assert_int_equal(chosen(UDP), 2);
	assert_true(nameservers_answered(&n, 0, TCP));
	assert_int_equal(chosen(TCP), 1);
	assert_false(nameservers_end(&n, at_s(102)));
	assert_false(nameservers_answered(&n, 3, UDP)); /* there is none */
}

/* Not the fastest that there ever was, but that of the latest round. */
static void
latest_round_counts(void **state)
{
	(void)state;
	assert_true(nameservers_begin(&n, at_s(100)));
	assert_true(nameservers_answered(&n, 0, UDP));
	assert_false(nameservers_begin(&n, at_s(159)));
	assert_true(nameservers_begin(&n, at_s(160)));
	assert_int_equal(chosen(UDP), 1); /* until somebody has answered */
	assert_true(nameservers_answered(&n, 2, UDP));
	assert_int_equal(chosen(UDP), 3);
	/* No change, no word about it. */
	assert_true(nameservers_begin(&n, at_s(220)));
	assert_false(nameservers_answered(&n, 2, UDP));
	assert_true(nameservers_end(&n, at_s(222))); /* but for TCP: nobody */
	assert_true(nameservers_begin(&n, at_s(280)));
	assert_false(nameservers_answered(&n, 2, UDP));
	assert_false(nameservers_end(&n, at_s(282)));
}

static void
nobody_answers(void **state)
{
	(void)state;
	assert_true(nameservers_begin(&n, at_s(100)));
	assert_true(nameservers_end(&n, at_s(102))); /* which has to be told */
	assert_int_equal(chosen(UDP), -1);
	assert_true(nameservers_begin(&n, at_s(103)));
	assert_true(nameservers_answered(&n, 0, UDP));
	assert_true(nameservers_answered(&n, 0, TCP));
	assert_false(nameservers_end(&n, at_s(105)));
	assert_int_equal(chosen(TCP), 1);
	assert_false(nameservers_begin(&n, at_s(162)));
	assert_true(nameservers_begin(&n, at_s(163)));
	/* A dead one is chosen no longer than its last round. */
	assert_true(nameservers_end(&n, at_s(165)));
	assert_int_equal(chosen(TCP), -1);
	assert_true(nameservers_begin(&n, at_s(166)));
}

/* Rounds without an answer, over one transport at least: soon, then rarer. */
static void
rounds_without_answer(void **state)
{
	static const int pauses[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	struct resolv_conf conf = { .server_count = 1 };
	int64_t now = 100;

	(void)state;
	for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		assert_true(nameservers_begin(&n, at_s(now)));
		if (i % 3 > 0)
			(void)nameservers_answered(&n, 1, i % 3 == 1);
		now += 2;
		(void)nameservers_end(&n, at_s(now));
		assert_false(nameservers_begin(&n, at_s(now + pauses[i] - 1)));
		now += pauses[i];
	}
	/* Other servers are not to blame for those before them. */
	conf.servers[0] = (struct endpoint){ ip_v4(192, 0, 2, 9), 53 };
	nameservers_set(&n, &conf, at_s(now));
	assert_true(nameservers_begin(&n, at_s(now)));
	(void)nameservers_end(&n, at_s(now + 2));
	assert_true(nameservers_begin(&n, at_s(now + 3)));
}

/* All are asked all the same, as they are in resolv.conf. */
static void
order_without_choice(void **state)
{
	struct endpoint to[RESOLV_SERVERS];

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(nameservers_order(&n, UDP, to), 3);
		for (uint8_t i = 0; i < 3; i++)
			assert_int_equal(to[i].ip.bytes[3], i + 1);
		(void)nameservers_begin(&n, at_s(100));
		(void)nameservers_end(&n, at_s(102));
	}
	nameservers_init(&n);
	assert_int_equal(nameservers_order(&n, UDP, to), 0);
}

/* One that has answered a query is chosen up to the next round. */
static void
overtaken(void **state)
{
	struct endpoint to[RESOLV_SERVERS], third = { ip_v4(192, 0, 2, 3), 53 };
	struct endpoint nobody = { ip_v4(192, 0, 2, 9), 53 };

	(void)state;
	assert_true(nameservers_begin(&n, at_s(100)));
	assert_true(nameservers_answered(&n, 1, UDP));
	assert_int_equal(nameservers_order(&n, UDP, to), 3);
	assert_int_equal(to[0].ip.bytes[3], 2);
	assert_int_equal(to[1].ip.bytes[3], 1);
	assert_int_equal(to[2].ip.bytes[3], 3);
	assert_true(nameservers_overtaken(&n, UDP, &third));
	assert_false(nameservers_overtaken(&n, UDP, &third));
	assert_false(nameservers_overtaken(&n, UDP, &nobody));
	assert_int_equal(chosen(UDP), 3);
	assert_int_equal(chosen(TCP), -1);
	assert_true(nameservers_begin(&n, at_s(160)));
	assert_true(nameservers_answered(&n, 0, UDP));
	assert_int_equal(chosen(UDP), 1);
}

static void
other_servers(void **state)
{
	struct resolv_conf conf = { .server_count = 1 };

	(void)state;
	conf.servers[0] = (struct endpoint){ ip_v4(192, 0, 2, 9), 53 };
	assert_true(nameservers_begin(&n, at_s(100)));
	assert_true(nameservers_answered(&n, 2, UDP));
	nameservers_set(&n, &conf, at_s(101));
	assert_int_equal(chosen(UDP), -1);
	assert_true(nameservers_begin(&n, at_s(101)));
	assert_false(nameservers_answered(&n, 2, UDP));
	assert_true(nameservers_answered(&n, 0, UDP));
	assert_int_equal(chosen(UDP), 9);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_answer_is_chosen),
		TEST(latest_round_counts),
		TEST(nobody_answers),
		TEST(rounds_without_answer),
		TEST(order_without_choice),
		TEST(overtaken),
		TEST(other_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
