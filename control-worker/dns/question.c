/* One name, one family, several servers: see question.h. */
#include "control-worker/dns/question.h"

#include <stdlib.h>

#include "control-worker/dns/exchange.h"

struct try {
	struct question *question;
	struct exchange *exchange; /* NULL: not under way */
	struct endpoint server;
	uint64_t begun_ms;
};

struct question {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct servers *servers;
	unsigned timeout_ms, rounds; /* of one try; how many there may be */
	struct dns_name name;        /* that is being asked for */
	enum ip_family family;
	unsigned aliases; /* that led to it */
	uint32_t ttl_s;   /* the shortest of theirs */

	/* In the order in which they are asked; again in each round. */
	struct try tries[RESOLV_SERVERS];
	size_t count, next;
	unsigned round;
	uint64_t begun_ms;
	bool denied; /* somebody has said that there are no addresses */
	struct dns_answer denial;

	question_done done;
	void *ctx;
};

static void
free_question(uv_handle_t *timer)
{
	free(timer->data);
}

static void
cancel_tries(struct question *q)
{
	for (size_t i = 0; i < q->count; i++) {
		if (q->tries[i].exchange != NULL)
			exchange_cancel(q->tries[i].exchange);
		q->tries[i].exchange = NULL;
	}
}

void
question_cancel(struct question *q)
{
	cancel_tries(q);
	uv_close((uv_handle_t *)&q->timer, free_question);
}

/* Those who were asked well before the one that has answered, in vain. */
static void
note_silence(struct question *q)
{
	uint64_t now = uv_now(q->loop);

	for (size_t i = 0; i < q->count; i++) {
		const struct try *t = &q->tries[i];

		if (t->exchange != NULL &&
		    now - t->begun_ms >= servers_pause_ms(q->count))
			servers_silent(q->servers, &t->server, now);
	}
}

static void
finish_question(struct question *q, const struct dns_answer *answer)
{
	question_done done = q->done;
	void *ctx = q->ctx;
	struct dns_answer last;

	if (answer != NULL) {
		note_silence(q);
		last = *answer;
		if (q->ttl_s < last.ttl_s)
			last.ttl_s = q->ttl_s;
	}
	question_cancel(q);
	done(ctx, answer == NULL ? NULL : &last);
}

/* Whether somebody may still answer who is asked before this one. */
static bool
try_is_preceded(const struct question *q, size_t end)
{
	for (size_t i = 0; i < end; i++)
		if (q->tries[i].exchange != NULL)
			return true;
	return false;
}

static void on_question_timer(uv_timer_t *);
static void on_try_answer(
    void *ctx, enum exchange_outcome, const struct dns_answer *);

/* Whoever has been asked for longest is waited for no more. */
static void
make_room_for_try(struct question *q)
{
	struct try *first = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < q->next; i++) {
		if (q->tries[i].exchange == NULL)
			continue;
		if (n++ == 0)
			first = &q->tries[i];
	}
	if (n < QUESTION_TRIES_MAX)
		return;
	exchange_cancel(first->exchange);
	first->exchange = NULL;
	servers_silent(q->servers, &first->server, uv_now(q->loop));
}

/* Asks the next server that can be reached at all. False: there is none. */
static bool
ask_next_server(struct question *q)
{
	while (q->next < q->count) {
		struct try *t = &q->tries[q->next];

		make_room_for_try(q);
		q->next++;
		t->begun_ms = uv_now(q->loop);
		t->exchange = exchange_start(q->loop, &t->server, &q->name,
		    q->family, q->timeout_ms, on_try_answer, t);
		if (t->exchange == NULL)
			continue;
		uv_timer_start(&q->timer, on_question_timer,
		    servers_pause_ms(q->count), 0);
		return true;
	}
	return false;
}

static bool
begin_round(struct question *q)
{
	struct endpoint order[RESOLV_SERVERS];

	q->count = servers_order(q->servers, order);
	q->next = 0;
	for (size_t i = 0; i < q->count; i++)
		q->tries[i] = (struct try){ .question = q, .server = order[i] };
	return ask_next_server(q);
}

/* False: there is nobody to ask. */
static bool
begin_question(struct question *q)
{
	q->round = 0;
	q->denied = false;
	q->begun_ms = uv_now(q->loop);
	return begin_round(q);
}

static void
wait_to_believe(struct question *q)
{
	uint64_t passed = uv_now(q->loop) - q->begun_ms;

	uv_timer_start(&q->timer, on_question_timer,
	    passed < QUESTION_BELIEVE_MS ? QUESTION_BELIEVE_MS - passed : 0, 0);
}

static void
on_question_timer(uv_timer_t *timer)
{
	struct question *q = timer->data;

	if (q->denied && uv_now(q->loop) - q->begun_ms >= QUESTION_BELIEVE_MS)
		finish_question(q, &q->denial);
	else if (!ask_next_server(q) && q->denied)
		wait_to_believe(q);
}

/* Somebody could not say. */
static void
continue_question(struct question *q)
{
	if (ask_next_server(q) || try_is_preceded(q, q->count))
		return;
	if (q->denied)
		finish_question(q, &q->denial);
	else if (++q->round >= q->rounds || !begin_round(q))
		finish_question(q, NULL);
}

/* The answer ends at another name, and nothing says what that one has. */
static void
follow_alias(struct question *q, const struct dns_answer *answer)
{
	note_silence(q);
	cancel_tries(q);
	q->name = answer->end;
	q->aliases += answer->aliases;
	if (answer->ttl_s < q->ttl_s)
		q->ttl_s = answer->ttl_s;
	if (q->aliases >= DNS_ALIASES_MAX)
		finish_question(q, answer);
	else if (!begin_question(q))
		finish_question(q, NULL);
}

static void
take_try_answer(
    struct question *q, const struct try *t, const struct dns_answer *answer)
{
	if (answer->count == 0 && answer->aliases > 0) {
		follow_alias(q, answer);
	} else if (answer->count > 0 ||
	    !try_is_preceded(q, (size_t)(t - q->tries))) {
		finish_question(q, answer);
	} else {
		q->denied = true;
		q->denial = *answer;
		if (!ask_next_server(q))
			wait_to_believe(q);
	}
}

static void
on_try_answer(
    void *ctx, enum exchange_outcome outcome, const struct dns_answer *answer)
{
	struct try *t = ctx;
	struct question *q = t->question;

	t->exchange = NULL;
	if (outcome == EXCHANGE_SILENT)
		servers_silent(q->servers, &t->server, uv_now(q->loop));
	else
		servers_heard(q->servers, &t->server);
	if (outcome == EXCHANGE_ANSWERED)
		take_try_answer(q, t, answer);
	else
		continue_question(q);
}

struct question *
question_start(uv_loop_t *loop, struct servers *servers,
    const struct resolv_conf *conf, const struct dns_name *name,
    enum ip_family family, question_done done, void *ctx)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->loop = loop;
	q->servers = servers;
	q->timeout_ms = conf->timeout_s * 1000;
	q->rounds = conf->attempts;
	q->name = *name;
	q->family = family;
	q->ttl_s = UINT32_MAX;
	q->done = done;
	q->ctx = ctx;
	uv_timer_init(loop, &q->timer);
	q->timer.data = q;
	if (!begin_question(q)) {
		question_cancel(q);
		return NULL;
	}
	return q;
}
