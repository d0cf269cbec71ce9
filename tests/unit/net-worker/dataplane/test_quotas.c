/*
 * net-worker/dataplane/shard/quotas.c against a model of a source: a queue of
 * the kernel, a thread that takes a bounded number of packets in each turn, and
 * time that passes with what it does for each.
 */
#include "net-worker/dataplane/shard/quotas.h"

#include <string.h>

#include "tests/lib/unit.h"

#define QUEUE    65536u /* packets that it holds, a power of two */
#define TURN     1000u  /* that are taken at most */
#define PASS_NS  3000   /* what each costs */
#define DROP_NS  300
#define IDLE_NS  50000 /* until the thread is woken */
#define FORGED_NS 1000
#define CLIENTS  22u
#define FORGER    CLIENTS /* brings packets in the name of a client */
#define SOURCES   (CLIENTS + 1)
#define MOUSE_PS 50u /* packets a second */
#define MAX_PS   (UINT64_C(1000000000) / PASS_NS)

struct waiting {
	uint32_t client;
	int64_t since;
};

static struct {
	struct quotas quotas;
	struct quota quota[CLIENTS];
	uint32_t in_name_of;
	int64_t now, arrived;   /* that it was, when they were last let in */
	uint32_t rate[SOURCES]; /* packets a second */
	double credit[SOURCES];
	struct waiting queue[QUEUE];
	uint32_t head, tail;
	/* Of each, since forget_past(). */
	uint64_t passed[SOURCES], dropped[SOURCES], lost[SOURCES];
	int64_t longest[SOURCES];
	int64_t since;
} m;

static void
arrive(uint32_t client, int64_t at)
{
	if (m.tail - m.head == QUEUE) {
		m.lost[client]++;
		return;
	}
	m.queue[m.tail++ % QUEUE] = (struct waiting){ client, at };
}

/* In small steps, or they would not mix. */
static void
let_in(void)
{
	const int64_t step = 100000;

	for (; m.arrived + step <= m.now; m.arrived += step)
		for (uint32_t i = 0; i < SOURCES; i++) {
			m.credit[i] += m.rate[i] * (double)step / 1e9;
			for (; m.credit[i] >= 1; m.credit[i]--)
				arrive(i, m.arrived);
		}
}

static void
take_packet(void)
{
	const struct waiting *w = &m.queue[m.head++ % QUEUE];
	uint32_t client = w->client;

	if (m.now - w->since > m.longest[client])
		m.longest[client] = m.now - w->since;
	if (client == FORGER) {
		/* Of that client, as it says. */
		client = m.in_name_of;
		if (quotas_allow(&m.quotas, &m.quota[client]))
			m.now += FORGED_NS;
		else
			m.now += DROP_NS;
	} else if (quotas_allow(&m.quotas, &m.quota[client])) {
		quotas_charge(&m.quotas, &m.quota[client], client);
		m.passed[client]++;
		m.now += PASS_NS;
	} else {
		m.dropped[client]++;
		m.now += DROP_NS;
	}
}

static void
play_ms(int64_t ms)
{
	int64_t end = m.now + ms * 1000000;

	while (m.now < end) {
		struct mono began = { m.now };
		bool more;

		let_in();
		for (unsigned i = 0; i < TURN && m.head != m.tail; i++)
			take_packet();
		more = m.head != m.tail;
		quotas_end_turn(&m.quotas, began, more);
		if (!more)
			m.now += IDLE_NS;
	}
}

static void
forget_past(void)
{
	memset(m.passed, 0, sizeof(m.passed));
	memset(m.dropped, 0, sizeof(m.dropped));
	memset(m.lost, 0, sizeof(m.lost));
	memset(m.longest, 0, sizeof(m.longest));
	m.since = m.now;
}

static uint64_t
rate_of(uint64_t packets)
{
	return packets * 1000 / (uint64_t)((m.now - m.since) / 1000000);
}

static int
set_up_model(void **state)
{
	(void)state;
	memset(&m, 0, sizeof(m));
	m.now = m.arrived = 1000000000;
	quotas_init(&m.quotas);
	return 0;
}

/* Clients 2 and above. */
static void
with_mice(void)
{
	for (uint32_t i = 2; i < CLIENTS; i++)
		m.rate[i] = MOUSE_PS;
}

static void
mice_are_as_they_were(int64_t wait_ms)
{
	for (uint32_t i = 2; i < CLIENTS; i++) {
		assert_true(m.passed[i] > 0);
		assert_int_equal(m.dropped[i] + m.lost[i], 0);
		assert_in_range(m.longest[i], 0, wait_ms * 1000000);
	}
}

/* A tenth more than the thread could do, and three times as much. */
static void
elephant_loses_and_mice_do_not(void **state)
{
	static const uint32_t tenths[] = { 11, 30 };

	for (size_t i = 0; i < sizeof(tenths) / sizeof(tenths[0]); i++) {
		set_up_model(state);
		with_mice();
		m.rate[0] = (uint32_t)(MAX_PS * tenths[i] / 10);
		play_ms(300);
		forget_past();
		play_ms(3000);
		mice_are_as_they_were(20);
		assert_true(m.dropped[0] > 0);
		/* Of what it would have alone, most. */
		assert_true(rate_of(m.passed[0]) > MAX_PS / 2);
		assert_int_equal(m.lost[0], 0);
	}
}

/* Who brings the same gets the same. */
static void
elephants_share(void **state)
{
	(void)state;
	with_mice();
	m.rate[0] = m.rate[1] = (uint32_t)MAX_PS;
	play_ms(300);
	forget_past();
	play_ms(3000);
	mice_are_as_they_were(20);
	assert_in_range(m.passed[0] * 100 / m.passed[1], 90, 110);
}

/* There is nobody to be protected from it. */
static void
one_alone_has_no_limit(void **state)
{
	(void)state;
	m.rate[0] = (uint32_t)MAX_PS * 3;
	play_ms(2000);
	assert_int_equal(m.dropped[0], 0);
	assert_true(m.lost[0] > 0);
}

static void
bursts_are_no_overload(void **state)
{
	(void)state;
	with_mice();
	for (int i = 0; i < 50; i++) {
		m.rate[0] = (uint32_t)MAX_PS * 5 / 2;
		play_ms(8);
		m.rate[0] = 0;
		play_ms(30);
	}
	for (uint32_t i = 0; i < CLIENTS; i++)
		assert_int_equal(m.dropped[i], 0);
}

static void
limit_ends_with_the_overload(void **state)
{
	(void)state;
	with_mice();
	m.rate[0] = (uint32_t)MAX_PS * 3;
	play_ms(500);
	assert_int_not_equal(m.quotas.allowance, QUOTAS_UNLIMITED);
	m.rate[0] = (uint32_t)MAX_PS * 9 / 10;
	play_ms(300);
	assert_int_equal(m.quotas.allowance, QUOTAS_UNLIMITED);
	forget_past();
	play_ms(1000);
	assert_int_equal(m.dropped[0], 0);
}

/*
 * More than can even be dropped: of what others bring the kernel loses as much
 * as of the flood, but what comes through is theirs. 80000 packets a second are
 * more than the four of a turn that everybody may have.
 */
static void
flood_faster_than_drops(void **state)
{
	(void)state;
	with_mice();
	m.rate[1] = 80000;
	m.rate[0] = 1000000000 / DROP_NS * 2;
	play_ms(300);
	forget_past();
	play_ms(1000);
	for (uint32_t i = 1; i < CLIENTS; i++) {
		assert_int_equal(m.dropped[i], 0);
		assert_true(m.passed[i] > 0);
	}
	assert_true(m.dropped[0] > 0);
	/* Of half of them, most: with none dropped it would be a twentieth. */
	assert_true(m.passed[1] > m.lost[1] / 4);
}

/* In the name of one that brings little, or as much as there is room for. */
static void
forged_packets_are_nobodys(void **state)
{
	static const uint32_t honest[] = { 1, 2 };

	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++) {
		set_up_model(state);
		with_mice();
		m.rate[1] = 20000;
		m.in_name_of = honest[i];
		m.rate[FORGER] = 1000000000 / FORGED_NS * 2;
		play_ms(300);
		forget_past();
		play_ms(1000);
		for (uint32_t k = 0; k < CLIENTS; k++)
			assert_int_equal(m.dropped[k], 0);
		assert_true(m.passed[1] > m.lost[1] / 2);
	}
}

/* One client alone is not limited by who says to be another. */
static void
forged_packets_make_no_company(void **state)
{
	(void)state;
	m.in_name_of = 5;
	m.rate[FORGER] = 1000;
	m.rate[0] = (uint32_t)MAX_PS * 2;
	play_ms(1000);
	assert_int_equal(m.dropped[0], 0);
	assert_true(m.lost[0] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, set_up_model)
		T(elephant_loses_and_mice_do_not),
		T(elephants_share),
		T(one_alone_has_no_limit),
		T(bursts_are_no_overload),
		T(limit_ends_with_the_overload),
		T(flood_faster_than_drops),
		T(forged_packets_are_nobodys),
		T(forged_packets_make_no_company),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
