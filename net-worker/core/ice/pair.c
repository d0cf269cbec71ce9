/* Candidate pairs and the schedule of their checks: see pair.h. */
#include "net-worker/core/ice/pair.h"

#include <stdlib.h>
#include <string.h>

#include "net-worker/core/ice/transaction.h"

/*
 * firezone-tunnel(7), Check schedule; stale_ms: firezone-tunnel(7), Dead paths.
 */
const struct check_profile check_profile_active = { 45, 250, 15000, 40000 };
const struct check_profile check_profile_idle = { 40, 25000, 25000, 130000 };

int64_t
check_delay_ms(const struct check_profile *profile, unsigned n)
{
	int64_t delay = profile->initial_rto_ms;

	if (n == 0)
		return 0;
	for (; n > 1 && delay < profile->max_rto_ms; n--)
		delay *= 2;
	return delay < profile->max_rto_ms ? delay : profile->max_rto_ms;
}

uint64_t
pair_priority(uint32_t controlling, uint32_t controlled)
{
	uint64_t min = controlling, max = controlled;

	if (controlling > controlled) {
		min = controlled;
		max = controlling;
	}
	return (min << 32) + 2 * max + (controlling > controlled ? 1 : 0);
}

void
pair_set_candidates(struct pair *pair, struct listed_candidate *local,
    struct listed_candidate *remote)
{
	pair->local = local;
	pair->remote = remote;
	pair->priority = pair_priority(
	    remote->candidate.priority, local->candidate.priority);
}

struct pair *
pair_new(struct listed_candidate *local, struct listed_candidate *remote,
    struct mono now)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	if (pair == NULL)
		return NULL;
	pair_set_candidates(pair, local, remote);
	pair->next_check = now;
	return pair;
}

bool
pair_joins(const struct pair *pair, const struct endpoint *base,
    const struct endpoint *remote)
{
	return endpoint_equal(&pair->local->candidate.base, base) &&
	    endpoint_equal(&pair->remote->candidate.address, remote);
}

/* The number of attempts since the last answered one, as far as remembered. */
static unsigned
unanswered_run(const struct pair *pair)
{
	uint32_t run = pair->attempts_made - pair->last_answered;

	return run < pair->remembered ? run : pair->remembered;
}

void
pair_reschedule(
    struct pair *pair, const struct check_profile *profile, struct mono now)
{
	unsigned run = unanswered_run(pair), n = pair->remembered;

	/*
	 * The back-off starts over once a run of lost checks is evident, so
	 * that an established pair is asked again soon.
	 */
	if (run > 0 &&
	    mono_before(
		mono_add_ms(pair->run_since, profile->max_rto_ms / 2), now))
		n = run;
	pair->next_check =
	    mono_add_ms(pair->last_attempt, check_delay_ms(profile, n));
}

void
pair_attempt(
    struct pair *pair, const struct check_profile *profile, struct mono now)
{
	struct attempt *attempt;

	if (pair->attempts_made == pair->last_answered)
		pair->run_since = now;
	pair->attempts_made++;
	if (pair->remembered < profile->max_retransmissions)
		pair->remembered++;
	else
		pair->remembered = profile->max_retransmissions;
	attempt = &pair->attempts[pair->attempts_made % PAIR_ATTEMPTS];
	transaction_draw(attempt->transaction);
	attempt->sent = now;
	attempt->outstanding = true;
	pair->last_attempt = now;
	pair->unsent = true;
	pair_reschedule(pair, profile, now);
}

const struct attempt *
pair_last_attempt(const struct pair *pair)
{
	return &pair->attempts[pair->attempts_made % PAIR_ATTEMPTS];
}

struct attempt *
pair_find_attempt(
    struct pair *pair, const uint8_t transaction[STUN_TRANSACTION_LEN])
{
	for (size_t i = 0; i < PAIR_ATTEMPTS; i++) {
		struct attempt *attempt = &pair->attempts[i];

		if (attempt->outstanding &&
		    memcmp(attempt->transaction, transaction,
			STUN_TRANSACTION_LEN) == 0)
			return attempt;
	}
	return NULL;
}

/* The slots hold the last PAIR_ATTEMPTS numbers, which tells which it is. */
static uint32_t
attempt_number(const struct pair *pair, const struct attempt *attempt)
{
	uint32_t slot = (uint32_t)(attempt - pair->attempts);

	return pair->attempts_made -
	    (pair->attempts_made - slot) % PAIR_ATTEMPTS;
}

void
pair_answered(struct pair *pair, const struct check_profile *profile,
    struct attempt *attempt, struct mono now)
{
	uint32_t number = attempt_number(pair, attempt);

	attempt->outstanding = false;
	pair->heard = now;
	if (number > pair->last_answered) {
		pair->last_answered = number;
		if (number < pair->attempts_made)
			pair->run_since =
			    pair->attempts[(number + 1) % PAIR_ATTEMPTS].sent;
	}
	pair_reschedule(pair, profile, now);
}

void
pair_requested(struct pair *pair, struct mono now)
{
	pair->heard = now;
	pair->kept_until = mono_add_s(now, REQUEST_LIFETIME_S);
}

void
pair_renew(struct pair *pair, struct mono now)
{
	pair->remembered = 0;
	pair->last_answered = pair->attempts_made;
	pair->next_check = now;
}

bool
pair_failed(const struct pair *pair, const struct check_profile *profile,
    struct mono now)
{
	unsigned max = profile->max_retransmissions;

	return mono_due(pair->kept_until, now) && pair->remembered >= max &&
	    unanswered_run(pair) >= max &&
	    mono_due(
		mono_add_ms(pair->last_attempt, check_delay_ms(profile, max)),
		now);
}
