/* ice/pair.c: priorities, the schedule of checks, when a pair is given up. */
#include "net-worker/core/ice/pair.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

static const struct mono start = { 1000000000000 };

static struct listed_candidate local = { .candidate = { .kind = CANDIDATE_HOST,
					     .priority = 2130706175 } };
static struct listed_candidate remote = { .candidate = { .kind = CANDIDATE_HOST,
					      .priority = 2130706431 } };

static struct mono
after_ms(int64_t ms)
{
	return mono_add_ms(start, ms);
}

static struct pair *
make_pair(void)
{
	struct pair *pair = pair_new(&local, &remote, start);

	assert_non_null(pair);
	return pair;
}

static void
answer_last(
    struct pair *pair, const struct check_profile *profile, struct mono now)
{
	struct attempt *attempt =
	    pair_find_attempt(pair, pair_last_attempt(pair)->transaction);

	assert_non_null(attempt);
	pair_answered(pair, profile, attempt, now);
}

/* Checks, all answered at once, until the pair has nothing more to learn. */
static struct mono
establish(struct pair *pair, const struct check_profile *profile)
{
	struct mono now = start;

	for (int i = 0; i < 60; i++) {
		now = pair->next_check;
		pair_attempt(pair, profile, now);
		answer_last(pair, profile, now);
	}
	return pair->next_check;
}

static void
priorities(void **state)
{
	(void)state;
	assert_true(pair_priority(1, 2) == (1ull << 32) + 4);
	assert_true(pair_priority(2, 1) == (1ull << 32) + 5);
	assert_true(pair_priority(UINT32_MAX, UINT32_MAX) ==
	    ((uint64_t)UINT32_MAX << 32) + 2 * (uint64_t)UINT32_MAX);
	assert_true(pair_priority(2130706431, 37748479) ==
	    ((uint64_t)37748479 << 32) + 2ull * 2130706431 + 1);
}

static void
delays(void **state)
{
	static const int64_t active[] = { 0, 250, 500, 1000, 2000, 4000, 8000,
		15000, 15000 };

	(void)state;
	for (unsigned n = 0; n < sizeof(active) / sizeof(active[0]); n++)
		assert_int_equal(
		    check_delay_ms(&check_profile_active, n), active[n]);
	assert_int_equal(
	    check_delay_ms(&check_profile_active, UINT32_MAX), 15000);
	assert_int_equal(check_delay_ms(&check_profile_idle, 0), 0);
	assert_int_equal(check_delay_ms(&check_profile_idle, 1), 25000);
	assert_int_equal(check_delay_ms(&check_profile_idle, 40), 25000);
}

/* firezone-tunnel(7), Schedule vectors */
static void
unanswered_schedule(void **state)
{
	static const int64_t want[] = { 0, 250, 750, 1750, 3750, 7750, 15750,
		30750, 45750, 60750 };
	struct pair *pair = make_pair();

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(
		    mono_ms_between(start, pair->next_check), want[i]);
		pair_attempt(pair, &check_profile_active, pair->next_check);
	}
	free(pair);
}

static void
one_lost_check_waits_its_time(void **state)
{
	struct pair *pair = make_pair();
	struct mono lost = establish(pair, &check_profile_active);

	(void)state;
	pair_attempt(pair, &check_profile_active, lost);
	/* Decided once, right after the attempt, and kept. */
	assert_int_equal(mono_ms_between(lost, pair->next_check), 15000);
	pair_attempt(pair, &check_profile_active, pair->next_check);
	/* Two in a row are a run: asked again soon. */
	assert_int_equal(mono_ms_between(lost, pair->next_check), 15500);
	answer_last(pair, &check_profile_active, mono_add_ms(lost, 15100));
	assert_int_equal(mono_ms_between(lost, pair->next_check), 30000);
	free(pair);
}

/* firezone-tunnel(7), Connection cases (1) */
static void
established_pair_fails_in_time(void **state)
{
	static const struct check_profile client_default = { 12, 250, 1500, 0 };
	static const struct check_profile client_idle = { 4, 25000, 25000, 0 };
	const struct {
		const struct check_profile *profile;
		int64_t want;
	} rows[] = {
		{ &check_profile_active, 615500 },
		{ &check_profile_idle, 1000000 },
		{ &client_default, 16500 },
		{ &client_idle, 100000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair *pair = make_pair();
		struct mono first = establish(pair, rows[i].profile), now;

		for (now = first; !pair_failed(pair, rows[i].profile, now);
		     now = pair->next_check)
			pair_attempt(pair, rows[i].profile, now);
		assert_int_equal(mono_ms_between(first, now), rows[i].want);
		assert_false(
		    pair_failed(pair, rows[i].profile, mono_add_ns(now, -1)));
		free(pair);
	}
}

static void
new_pair_fails_in_time(void **state)
{
	struct pair *pair = make_pair();
	struct mono now;

	(void)state;
	for (now = start; !pair_failed(pair, &check_profile_active, now);
	     now = pair->next_check)
		pair_attempt(pair, &check_profile_active, now);
	/* 7 checks to 15.75 s, 38 more every 15 s, and one more gap. */
	assert_int_equal(mono_ms_between(start, now), 15750 + 39 * 15000);
	free(pair);
}

static void
requests_keep_it(void **state)
{
	struct pair *pair = make_pair();
	struct mono now;

	(void)state;
	for (now = start; !pair_failed(pair, &check_profile_active, now);
	     now = pair->next_check)
		pair_attempt(pair, &check_profile_active, now);
	pair_requested(pair, now);
	assert_false(pair_failed(pair, &check_profile_active, now));
	assert_false(
	    pair_failed(pair, &check_profile_active, mono_add_ms(now, 14999)));
	assert_true(
	    pair_failed(pair, &check_profile_active, mono_add_ms(now, 15000)));
	free(pair);
}

static void
one_answer_starts_the_count_anew(void **state)
{
	struct pair *pair = make_pair();
	struct mono now = start;

	(void)state;
	for (int i = 0; i < 45; i++) {
		now = pair->next_check;
		pair_attempt(pair, &check_profile_active, now);
	}
	answer_last(pair, &check_profile_active, now);
	assert_false(
	    pair_failed(pair, &check_profile_active, mono_add_s(now, 3600)));
	free(pair);
}

static void
late_answer_shortens_the_run(void **state)
{
	struct pair *pair = make_pair();
	uint8_t second[STUN_TRANSACTION_LEN];
	struct attempt *attempt;

	(void)state;
	for (int i = 0; i < 5; i++) {
		pair_attempt(pair, &check_profile_active, pair->next_check);
		if (i == 1)
			memcpy(second, pair_last_attempt(pair)->transaction,
			    sizeof(second));
	}
	attempt = pair_find_attempt(pair, second);
	assert_non_null(attempt);
	pair_answered(pair, &check_profile_active, attempt, after_ms(4000));
	assert_int_equal(pair->last_answered, 2);
	/* The third attempt, the first that is still open. */
	assert_int_equal(mono_ms_between(start, pair->run_since), 750);
	/* Used once. */
	assert_null(pair_find_attempt(pair, second));
	/* An answer to an even older one changes no count. */
	attempt = &pair->attempts[1];
	assert_true(attempt->outstanding);
	pair_answered(pair, &check_profile_active, attempt, after_ms(4100));
	assert_int_equal(pair->last_answered, 2);
	free(pair);
}

static void
run_is_evident_after_half_the_rto(void **state)
{
	struct pair *pair = make_pair();
	struct mono lost = establish(pair, &check_profile_active);

	(void)state;
	pair_attempt(pair, &check_profile_active, lost);
	pair_reschedule(pair, &check_profile_active, mono_add_ms(lost, 7500));
	assert_int_equal(mono_ms_between(lost, pair->next_check), 15000);
	pair_reschedule(pair, &check_profile_active, mono_add_ms(lost, 7501));
	assert_int_equal(mono_ms_between(lost, pair->next_check), 250);
	free(pair);
}

static void
profile_change_reschedules(void **state)
{
	struct pair *pair = make_pair();
	struct mono next = establish(pair, &check_profile_active);

	(void)state;
	pair_attempt(pair, &check_profile_active, next);
	answer_last(pair, &check_profile_active, next);
	pair_reschedule(pair, &check_profile_idle, next);
	assert_int_equal(mono_ms_between(next, pair->next_check), 25000);
	pair_reschedule(pair, &check_profile_active, mono_add_ms(next, 20000));
	assert_int_equal(mono_ms_between(next, pair->next_check), 15000);
	/* The shorter memory of the idle profile counts from its next check. */
	assert_int_equal(pair->remembered, 45);
	pair_attempt(pair, &check_profile_idle, pair->next_check);
	assert_int_equal(pair->remembered, 40);
	free(pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priorities),
		cmocka_unit_test(delays),
		cmocka_unit_test(unanswered_schedule),
		cmocka_unit_test(one_lost_check_waits_its_time),
		cmocka_unit_test(established_pair_fails_in_time),
		cmocka_unit_test(new_pair_fails_in_time),
		cmocka_unit_test(requests_keep_it),
		cmocka_unit_test(one_answer_starts_the_count_anew),
		cmocka_unit_test(late_answer_shortens_the_run),
		cmocka_unit_test(run_is_evident_after_half_the_rto),
		cmocka_unit_test(profile_change_reschedules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
