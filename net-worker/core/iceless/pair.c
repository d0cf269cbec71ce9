/* Pairs of the path agent: see pair.h. */
#include "net-worker/core/iceless/pair.h"

#include <sodium.h>
#include <string.h>

#define PROBE_INTERVAL_MS 1000
#define SMALL_GAIN_NS     INT64_C(10000000)
#define SMALL_GAIN_PART   5
#define UNPROVEN_PROBES   8 /* 5 s: it leads nowhere */

void
pair_number(struct iceless_pair *pair)
{
	uint32_t random = randombytes_random();

	pair->id = (uint16_t)(random >> 16);
	pair->next_sequence = (uint16_t)random;
}

void
pair_begin(struct iceless_pair *pair, struct mono now)
{
	pair->probe_at = now;
	pair->probes = 0;
	pair->rtt_ns = -1;
	pair->outstanding_count = 0;
}

static void
forget_outstanding(struct iceless_pair *pair, unsigned i)
{
	pair->outstanding_count--;
	memmove(&pair->outstanding[i], &pair->outstanding[i + 1],
	    (pair->outstanding_count - i) * sizeof(pair->outstanding[0]));
}

void
pair_ask(struct iceless_pair *pair, struct mono now, struct probe *probe)
{
	*probe = (struct probe){
		.id = pair->id,
		.sequence = pair->next_sequence++,
	};
	if (pair->outstanding_count == PAIR_OUTSTANDING_MAX)
		forget_outstanding(pair, 0);
	pair->outstanding[pair->outstanding_count].sequence = probe->sequence;
	pair->outstanding[pair->outstanding_count++].sent = now;
	pair->probes++;
}

struct mono
pair_next_probe(const struct iceless_pair *pair, struct mono now)
{
	static const int64_t first_ms[] = { 0, 200, 300, 500 };
	size_t n = sizeof(first_ms) / sizeof(first_ms[0]);

	return mono_add_ms(
	    now, pair->probes < n ? first_ms[pair->probes] : PROBE_INTERVAL_MS);
}

bool
pair_answer(
    struct iceless_pair *pair, struct mono now, const struct probe *probe)
{
	int64_t sample;
	unsigned i = 0;

	if (probe->id != pair->id)
		return false;
	while (i < pair->outstanding_count &&
	    pair->outstanding[i].sequence != probe->sequence)
		i++;
	if (i == pair->outstanding_count)
		return false;
	/* Another thread has read the clock for what came. */
	sample = now.ns - pair->outstanding[i].sent.ns;
	if (sample < 0)
		sample = 0;
	forget_outstanding(pair, i);
	pair->was_heard = true;
	pair->rtt_ns = pair->rtt_ns < 0 ? sample : (pair->rtt_ns + sample) / 2;
	return true;
}

bool
pair_is_ignored(const struct iceless_pair *pair)
{
	unsigned n = pair->outstanding_count;

	return pair->rtt_ns >= 0 && pair->probes >= PAIR_FIRST_PROBES &&
	    n > 0 &&
	    (uint16_t)(pair->outstanding[n - 1].sequence + 1) ==
	    pair->next_sequence;
}

/* From outside, all reflexive ones are alike. */
static unsigned
kind_rank(enum candidate_kind kind)
{
	switch (kind) {
	case CANDIDATE_HOST:
		return 0;
	case CANDIDATE_RELAYED:
		return 2;
	default:
		return 1;
	}
}

unsigned
pair_class(const struct iceless_pair *pair)
{
	unsigned local = kind_rank(pair->local_kind);
	unsigned remote = kind_rank(pair->remote_kind);
	unsigned worse = local > remote ? local : remote;
	unsigned better = local > remote ? remote : local;

	return (pair->to_gone_relay ? 1u << 7 : 0u) | worse << 5 | better << 3 |
	    (pair->path.relayed ? 0u : 1u << 2) |
	    (pair->crosses_families ? 1u << 1 : 0u) |
	    (pair->path.remote.ip.family == IP_V6 ? 0u : 1u);
}

bool
pair_is_better(const struct iceless_pair *a, const struct iceless_pair *b)
{
	unsigned class_a = pair_class(a), class_b = pair_class(b);

	return class_a < class_b ||
	    (class_a == class_b && a->rtt_ns < b->rtt_ns);
}

bool
pair_outdoes(
    const struct iceless_pair *pair, const struct iceless_pair *primary)
{
	unsigned mine = pair_class(pair), its = pair_class(primary);
	int64_t gain;

	if (primary->rtt_ns < 0 && primary->probes >= UNPROVEN_PROBES)
		return true;
	if (mine != its)
		return mine < its;
	if (primary->rtt_ns < 0)
		return false;
	gain = primary->rtt_ns / SMALL_GAIN_PART;
	if (gain < SMALL_GAIN_NS)
		gain = SMALL_GAIN_NS;
	return pair->rtt_ns + gain < primary->rtt_ns;
}
