/*
 * What a packet costs in a full table: ports and addresses are chosen by others,
 * who must not be able to make it a walk over all sessions.
 *
 * Time is the thread's own, and of several rounds the quickest counts, so that
 * a busy machine changes nothing.
 */
#include <sodium.h>
#include <time.h>

#include "tests/lib/nat.h"

#define PACKETS 256
#define ROUNDS  20
/* A walk makes it thousands; caches that have grown cold, below five. */
#define RATIO_MAX 50.0

/* All from one port to one port, each to an address of its own. */
static struct packet
packet_of(struct rig *r, unsigned number, enum nat_result *result)
{
	struct flow f = flows[UDP_V4];

	store_be32(f.to.bytes, 0x64600000 + number);
	store_be32(r->real[0].bytes, 0x0a000000 + number);
	return outbound_any(r, &f, 0, result);
}

static double
thread_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* For packets of sessions that are there, the oldest ones. */
static double
cost_us(struct rig *r)
{
	double least = 1e12;

	for (unsigned round = 0; round < ROUNDS; round++) {
		double start = thread_us(), took;
		enum nat_result result;

		for (unsigned i = 0; i < PACKETS; i++) {
			packet_of(r, i, &result);
			assert_int_equal(result, NAT_TRANSLATED);
		}
		took = thread_us() - start;
		least = took < least ? took : least;
	}
	return least;
}

static void
full_table_costs_no_more(void **state)
{
	struct rig r = rig_new(state);
	enum nat_result result;
	double few;

	for (unsigned i = 0; i < PACKETS; i++)
		packet_of(&r, i, &result);
	few = cost_us(&r);
	for (unsigned i = PACKETS; i < NAT_SESSIONS_MAX; i++) {
		packet_of(&r, i, &result);
		assert_int_equal(result, NAT_TRANSLATED);
	}
	assert_true(cost_us(&r) < few * RATIO_MAX);
	rig_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_table_costs_no_more),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
