/* A client's query on its way: see pending.h. */
#include "control-worker/dns/pending.h"

#include <stdlib.h>
#include <string.h>

#include "control-worker/dns/forward.h"
#include "control-worker/dns/servers.h"

#define ID_LEN 2

#define RCODE_MASK     0x0f
#define RCODE_AT       3
#define RCODE_SERVFAIL 2
#define RCODE_NXDOMAIN 3
#define RCODE_REFUSED  5

struct leg {
	struct race *race;
	struct forward *forward; /* NULL: not under way */
	struct endpoint server;
};

/* Of its own memory, for the handle of its timer. */
struct race {
	uv_timer_t timer;
	uv_loop_t *loop;
	struct prober *prober;
	struct pending *pending;
	bool tcp;
	uint64_t begun_ms;
	struct leg legs[RESOLV_SERVERS]; /* in the order to be asked in */
	size_t count, next;
	uint8_t *refusal; /* what somebody said who could not say; or NULL */
	size_t refusal_len;
	size_t query_len;
	uint8_t query[];
};

static void
free_race(uv_handle_t *timer)
{
	struct race *r = timer->data;

	free(r->refusal);
	free(r);
}

void
pending_cancel(struct pending *p)
{
	struct race *r = p->race;

	if (r == NULL)
		return;
	p->race = NULL;
	for (size_t i = 0; i < r->next; i++) {
		if (r->legs[i].forward != NULL)
			forward_cancel(r->legs[i].forward);
		r->legs[i].forward = NULL;
	}
	uv_close((uv_handle_t *)&r->timer, free_race);
}

void
pending_give_up(struct pending *p)
{
	pending_cancel(p);
	dns_make_servfail(p->head);
	p->done(p, p->head, p->head_len);
}

/* The bytes outlive the race: it is freed by the loop. */
static void
finish_race(struct race *r, const uint8_t *answer, size_t len)
{
	struct pending *p = r->pending;

	pending_cancel(p);
	p->done(p, answer, len);
}

static unsigned
open_legs(struct race *r, struct leg **first)
{
	unsigned n = 0;

	*first = NULL;
	for (size_t i = 0; i < r->next; i++)
		if (r->legs[i].forward != NULL && n++ == 0)
			*first = &r->legs[i];
	return n;
}

static void on_race_timer(uv_timer_t *);
static bool on_leg_heard(void *ctx, const uint8_t *bytes, size_t len);

/* False: there is nobody left to ask. */
static bool
ask_next_upstream(struct race *r)
{
	uint64_t passed = uv_now(r->loop) - r->begun_ms;
	struct leg *first;

	while (r->next < r->count && passed < PENDING_TIMEOUT_MS) {
		struct leg *leg = &r->legs[r->next];

		if (open_legs(r, &first) == PENDING_LEGS_MAX) {
			forward_cancel(first->forward);
			first->forward = NULL;
		}
		r->next++;
		leg->forward = forward_start(r->loop, &leg->server, r->tcp,
		    r->query, r->query_len,
		    (unsigned)(PENDING_TIMEOUT_MS - passed), on_leg_heard, leg);
		if (leg->forward == NULL)
			continue;
		if (r->next < r->count)
			uv_timer_start(&r->timer, on_race_timer,
			    servers_pause_ms(r->count), 0);
		return true;
	}
	return false;
}

static void
on_race_timer(uv_timer_t *timer)
{
	(void)ask_next_upstream(timer->data);
}

/* A leg has ended without an answer. */
static void
continue_race(struct race *r)
{
	struct leg *first;

	if (ask_next_upstream(r) || open_legs(r, &first) > 0)
		return;
	if (r->refusal != NULL)
		finish_race(r, r->refusal, r->refusal_len);
	else
		pending_give_up(r->pending);
}

/* Another server may be able to say what this one is not. */
static bool
is_refusal(const uint8_t *answer)
{
	unsigned rcode = answer[RCODE_AT] & RCODE_MASK;

	return rcode == RCODE_SERVFAIL || rcode == RCODE_REFUSED;
}

enum dns_outcome
pending_outcome(const struct pending *p, const uint8_t *answer)
{
	if (answer == p->head)
		return DNS_OUTCOME_UNANSWERED;
	if (is_refusal(answer))
		return DNS_OUTCOME_REFUSED;
	return (answer[RCODE_AT] & RCODE_MASK) == RCODE_NXDOMAIN
	    ? DNS_OUTCOME_NO_NAME
	    : DNS_OUTCOME_ANSWERED;
}

static void
keep_refusal(struct race *r, const uint8_t *bytes, size_t len)
{
	if (r->refusal != NULL || (r->refusal = malloc(len)) == NULL)
		return;
	memcpy(r->refusal, bytes, len);
	r->refusal_len = len;
}

static bool
on_leg_heard(void *ctx, const uint8_t *bytes, size_t len)
{
	struct leg *leg = ctx;
	struct race *r = leg->race;

	/* Somebody guesses; the server's answer is still to come. */
	if (bytes != NULL &&
	    (len < ID_LEN || memcmp(bytes, r->query, ID_LEN) != 0))
		return false;
	/* It ends by itself. */
	leg->forward = NULL;
	if (bytes == NULL || dns_answer_head(bytes, len) == 0) {
		continue_race(r);
	} else if (is_refusal(bytes)) {
		keep_refusal(r, bytes, len);
		continue_race(r);
	} else {
		if (leg != &r->legs[0])
			prober_overtaken(r->prober, r->tcp, &leg->server);
		finish_race(r, bytes, len);
	}
	return true;
}

static struct race *
race_new(struct pending *p, uv_loop_t *loop, struct prober *prober, bool tcp,
    const uint8_t *query, size_t len)
{
	struct endpoint order[RESOLV_SERVERS];
	size_t count = prober_order(prober, tcp, order);
	struct race *r;

	if (count == 0 || (r = calloc(1, sizeof(*r) + len)) == NULL)
		return NULL;
	r->loop = loop;
	r->prober = prober;
	r->pending = p;
	r->tcp = tcp;
	r->begun_ms = uv_now(loop);
	r->count = count;
	for (size_t i = 0; i < count; i++)
		r->legs[i] = (struct leg){ .race = r, .server = order[i] };
	r->query_len = len;
	memcpy(r->query, query, len);
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	return r;
}

void
pending_start(struct pending *p, uv_loop_t *loop, struct prober *prober,
    bool tcp, const uint8_t *query, size_t len, size_t head_len,
    pending_done done)
{
	memcpy(p->head, query, head_len);
	p->head_len = head_len;
	p->done = done;
	p->race = race_new(p, loop, prober, tcp, query, len);
	if (p->race == NULL || !ask_next_upstream(p->race))
		pending_give_up(p);
}
