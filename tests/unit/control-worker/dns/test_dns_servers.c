/* In which order resolvers are asked, with a clock of our own. */
#include "tests/lib/unit.h"

#include "control-worker/dns/servers.h"

static struct servers s;

static struct endpoint
server(uint8_t n)
{
	return (struct endpoint){ ip_v4(192, 0, 2, n), 53 };
}

static void
set(size_t count, bool rotate)
{
	struct resolv_conf conf = { .server_count = count, .rotate = rotate };

	for (size_t i = 0; i < count; i++)
		conf.servers[i] = server((uint8_t)(i + 1));
	servers_set(&s, &conf);
}

/* "213" */
static const char *
order(void)
{
	static char text[RESOLV_SERVERS + 1];
	struct endpoint to[RESOLV_SERVERS];
	size_t n = servers_order(&s, to);

	for (size_t i = 0; i < n; i++)
		text[i] = (char)('0' + to[i].ip.bytes[3]);
	text[n] = '\0';
	return text;
}

static void
silence(uint8_t n, uint64_t now)
{
	struct endpoint e = server(n);

	servers_silent(&s, &e, now);
}

static void
silent_ones_are_last(void **state)
{
	struct endpoint first = server(1);

	(void)state;
	set(3, false);
	assert_string_equal(order(), "123");
	silence(1, 100);
	assert_string_equal(order(), "231");
	silence(2, 100);
	assert_string_equal(order(), "312");
	silence(3, 100);
	assert_string_equal(order(), "123");
	servers_heard(&s, &first);
	assert_string_equal(order(), "123");
	silence(9, 100); /* is not one of them */
	servers_set(&s, &(struct resolv_conf){ .server_count = 0 });
	assert_string_equal(order(), "");
}

static void
rotates(void **state)
{
	(void)state;
	set(3, true);
	assert_string_equal(order(), "123");
	assert_string_equal(order(), "231");
	silence(3, 0);
	assert_string_equal(order(), "123");
	assert_string_equal(order(), "123");
	assert_string_equal(order(), "213");
}

static void
rechecks_become_rare(void **state)
{
	uint64_t now = 1000, wait = SERVERS_RECHECK_MS;
	struct endpoint e;

	(void)state;
	set(2, false);
	assert_false(servers_recheck(&s, now, &e));
	silence(1, now);
	silence(1, now + 5); /* the same silence */
	for (int i = 0; i < 12; i++) {
		assert_false(servers_recheck(&s, now + wait - 1, &e));
		now += wait;
		assert_true(servers_recheck(&s, now, &e));
		assert_int_equal(e.ip.bytes[3], 1);
		silence(1, now + 2000); /* it still is */
		wait = wait * 2 < SERVERS_RECHECK_MAX_MS
		    ? wait * 2
		    : SERVERS_RECHECK_MAX_MS;
	}
	servers_heard(&s, &e);
	assert_false(servers_recheck(&s, now + 10 * wait, &e));
	silence(1, now);
	assert_true(servers_recheck(&s, now + SERVERS_RECHECK_MS, &e));
}

static void
all_are_asked_in_time(void **state)
{
	(void)state;
	for (size_t n = 1; n <= RESOLV_SERVERS; n++) {
		assert_in_range(servers_pause_ms(n), 1, SERVERS_PAUSE_MS);
		assert_true(servers_pause_ms(n) * (n - 1) <= SERVERS_ALL_MS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent_ones_are_last),
		cmocka_unit_test(rotates),
		cmocka_unit_test(rechecks_become_rare),
		cmocka_unit_test(all_are_asked_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
