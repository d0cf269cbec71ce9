/* Packets on their way from one thread to another: see strays.h. */
#include "net-worker/dataplane/strays.h"

#include <string.h>

#include "net-worker/dataplane/ring.h"
#include "net-worker/dataplane/shard_commands.h"

#define THREADS_MAX (SHARDS_MAX + 1)
/* 330 KiB for each pair of threads, of which is used what is needed. */
#define STRAYS 256
#define BATCH  64

struct strays {
	unsigned threads;
	struct {
		struct ring from[THREADS_MAX];
		/* Entries at its head that have been handed out. */
		_Alignas(64) uint32_t out[THREADS_MAX];
	} at[THREADS_MAX];
};

struct strays *
strays_new(unsigned threads)
{
	struct strays *s = aligned_alloc(_Alignof(struct strays), sizeof(*s));
	bool failed = false;

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->threads = threads;
	for (unsigned at = 0; at < threads; at++)
		for (unsigned from = 0; from < threads; from++)
			failed = failed ||
			    (at != from &&
				!ring_init(&s->at[at].from[from],
				    sizeof(struct stray), STRAYS));
	if (failed) {
		strays_free(s);
		return NULL;
	}
	return s;
}

void
strays_free(struct strays *s)
{
	if (s == NULL)
		return;
	for (unsigned at = 0; at < THREADS_MAX; at++)
		for (unsigned from = 0; from < THREADS_MAX; from++)
			ring_free(&s->at[at].from[from]);
	free(s);
}

bool
strays_pass(struct strays *s, unsigned from, unsigned to,
    const struct arrival *arrival, const uint8_t *data, size_t len)
{
	struct ring *ring = &s->at[to].from[from];
	struct stray *stray;

	if (len > sizeof(stray->bytes) || (stray = ring_room(ring)) == NULL)
		return false;
	stray->is_packet = arrival == NULL;
	if (arrival != NULL)
		stray->arrival = *arrival;
	stray->length = (uint16_t)len;
	memcpy(stray->bytes, data, len);
	ring_filled(ring);
	return true;
}

bool
strays_take(struct strays *s, unsigned at, stray_handler handler, void *ctx)
{
	bool any = false;

	for (unsigned from = 0; from < s->threads; from++) {
		struct ring *ring = &s->at[at].from[from];
		uint32_t *out = &s->at[at].out[from];
		struct stray *stray;

		if (from == at)
			continue;
		if (*out > 0)
			ring_done(ring, *out);
		for (*out = 0;
		     *out < BATCH && (stray = ring_at(ring, *out)) != NULL;
		     (*out)++)
			handler(ctx, stray);
		any = any || *out > 0;
	}
	return any;
}

bool
strays_none(struct strays *s, unsigned at)
{
	for (unsigned from = 0; from < s->threads; from++)
		if (from != at &&
		    ring_at(&s->at[at].from[from], s->at[at].out[from]) != NULL)
			return false;
	return true;
}
