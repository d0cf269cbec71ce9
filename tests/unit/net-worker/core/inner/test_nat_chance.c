/*
 * NAT: what holds for any session at any time, which the dice choose.
 */
#include "tests/lib/nat.h"

/*
 * firezone-policy(7), NAT scenarios (21): after d seconds, if d is less than
 * its time.
 */
static void
answers_while_it_lives(void **state)
{
	struct dice d = dice_new();

	for (size_t i = 0; i < 2000; i++) {
		struct rig r = rig_new(state);
		struct flow f = random_flow(&d);
		unsigned idle = f.protocol == IPPROTO_TCP ? 7440 : 120;
		unsigned seconds = idle - 60 + roll(&d, 120);
		struct packet p = outbound(&r, &f, 0, NAT_TRANSLATED);

		inbound(&r, &p, 0, NAT_TRANSLATED);
		wait_s(&r, seconds);
		if (roll(&d, 2) == 0)
			tick(&r);
		if (seconds >= idle) {
			inbound(&r, &p, 0, NAT_EXPIRED);
		} else {
			p = inbound(&r, &p, 0, NAT_TRANSLATED);
			assert_true(ip_equal(&p.source, &f.to));
			assert_int_equal(port_here(&p), f.port);
		}
		rig_free(&r);
	}
}

/* 22: replies find their way whatever the real addresses are. */
static void
keeps_two_apart(void **state)
{
	struct dice d = dice_new();

	for (size_t i = 0; i < 2000; i++) {
		struct rig r = rig_new(state);
		struct flow f = random_flow(&d), g = f;
		struct packet p, q;

		g.port = (uint16_t)(f.port + 1 + roll(&d, 65535));
		if (roll(&d, 2) == 0)
			g.to.bytes[3] ^= 1;
		p = outbound(&r, &f, 0, NAT_TRANSLATED);
		q = send_copy(&r, &g, roll(&d, 2) == 0);
		p = inbound(&r, &p, 0, NAT_TRANSLATED);
		assert_true(ip_equal(&p.source, &f.to));
		assert_int_equal(port_here(&p), f.port);
		q = inbound(&r, &q, 0, NAT_TRANSLATED);
		assert_true(ip_equal(&q.source, &g.to));
		assert_int_equal(port_here(&q), g.port);
		rig_free(&r);
	}
}

/*
 * Three tables with the same traffic: one that is told the time only by the
 * packets, one that is told at every step, and one when it wants to be.
 */
struct triplet {
	struct rig r[3];
	struct dice d;
};

static void
let_time_pass(struct triplet *t)
{
	static const int64_t steps_ms[] = { 0, 1, 999, 1000, 4000, 60000 };
	struct mono now = mono_add_ms(t->r[0].now, steps_ms[roll(&t->d, 6)]);
	struct mono deadline;

	t->r[1].now = now;
	tick(&t->r[1]);
	for (;;) {
		deadline = nat_deadline(t->r[2].nat);
		if (!mono_due(deadline, now))
			break;
		assert_true(mono_before(t->r[2].last_tick, deadline));
		t->r[2].now = deadline;
		tick(&t->r[2]);
	}
	t->r[0].now = t->r[2].now = now;
}

static void
does_not_depend_on_ticks(void **state)
{
	struct triplet t = { .d = dice_new() };
	static const uint8_t flags[] = { 0, 0, 0, 0, FIN, FIN, RST, 0 };
	enum nat_result seen = 0;

	for (size_t i = 0; i < 3; i++)
		t.r[i] = rig_new(state);
	for (size_t n = 0; n < 60000; n++) {
		struct flow f = flows[roll(&t.d, FLOWS)];
		uint8_t flag = flags[roll(&t.d, sizeof(flags))];
		bool out = roll(&t.d, 2) == 0;
		enum nat_result result[3];
		struct packet p[3];

		f.port = (uint16_t)(65534 + roll(&t.d, 4));
		f.to.bytes[3] ^= (uint8_t)roll(&t.d, 4);
		for (size_t i = 0; i < 3; i++) {
			if (out)
				p[i] =
				    outbound_any(&t.r[i], &f, flag, &result[i]);
			else
				p[i] = unasked(&t.r[i], &f, flag, &result[i]);
			assert_int_equal(result[i], result[0]);
			assert_int_equal(p[i].length, p[0].length);
			assert_memory_equal(p[i].data, p[0].data, p[0].length);
		}
		seen |= 1u << result[0];
		if (roll(&t.d, 4) == 0)
			let_time_pass(&t);
	}
	assert_int_equal(seen,
	    1 << NAT_NONE | 1 << NAT_TRANSLATED | 1 << NAT_EXPIRED |
		1 << NAT_CLOSED);
	/* In the end there is nothing left to do. */
	for (size_t i = 0; i < 3; i++) {
		wait_s(&t.r[i], 7440 + NAT_EXPIRED_S);
		tick(&t.r[i]);
		assert_true(mono_is_never(nat_deadline(t.r[i].nat)));
		rig_free(&t.r[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_while_it_lives),
		cmocka_unit_test(keeps_two_apart),
		cmocka_unit_test(does_not_depend_on_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
