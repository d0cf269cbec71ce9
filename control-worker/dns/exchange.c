/* A DNS question over UDP, then TCP: see exchange.h. */
#include "control-worker/dns/exchange.h"

#include <stdlib.h>

#include <sodium.h>

#include "control-worker/dns/forward.h"

struct exchange {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct forward *forward; /* NULL: between two */
	struct endpoint server;
	enum ip_family family;
	exchange_done done;
	void *ctx;
	bool tcp;
	unsigned timeout_ms;
	uint8_t query[DNS_QUERY_MAX];
	size_t query_len;
};

static void
free_exchange(uv_handle_t *timer)
{
	free(timer->data);
}

void
exchange_cancel(struct exchange *x)
{
	if (x->forward != NULL)
		forward_cancel(x->forward);
	uv_close((uv_handle_t *)&x->timer, free_exchange);
}

static void
finish_exchange(struct exchange *x, enum exchange_outcome outcome,
    const struct dns_answer *answer)
{
	exchange_done done = x->done;
	void *ctx = x->ctx;

	exchange_cancel(x);
	done(ctx, outcome, answer);
}

/* Who has sent us to TCP is there. */
static void
give_exchange_up(struct exchange *x)
{
	finish_exchange(x, x->tcp ? EXCHANGE_FAILED : EXCHANGE_SILENT, NULL);
}

static bool on_exchange_heard(void *ctx, const uint8_t *bytes, size_t len);

static bool
ask_server(struct exchange *x)
{
	x->forward = forward_start(x->loop, &x->server, x->tcp, x->query,
	    x->query_len, x->timeout_ms, on_exchange_heard, x);
	return x->forward != NULL;
}

static bool
on_exchange_heard(void *ctx, const uint8_t *bytes, size_t len)
{
	enum dns_result result = DNS_FAILED;
	struct exchange *x = ctx;
	struct dns_answer answer;

	if (bytes != NULL)
		result = dns_answer_parse(
		    x->query, x->query_len, bytes, len, x->family, &answer);
	if (result == DNS_MISMATCH)
		return false;
	/* It ends by itself. */
	x->forward = NULL;
	if (result == DNS_TRUNCATED && !x->tcp) {
		x->tcp = true;
		if (ask_server(x))
			return true;
	}
	if (bytes == NULL)
		give_exchange_up(x);
	else if (result == DNS_ANSWERED)
		finish_exchange(x, EXCHANGE_ANSWERED, &answer);
	else
		finish_exchange(x, EXCHANGE_FAILED, NULL);
	return true;
}

/* Of both together. */
static void
on_exchange_timeout(uv_timer_t *timer)
{
	give_exchange_up(timer->data);
}

struct exchange *
exchange_start(uv_loop_t *loop, const struct endpoint *server,
    const struct dns_name *name, enum ip_family family, unsigned timeout_ms, exchange_done done, void *ctx)
{
	struct exchange *x = calloc(1, sizeof(*x));
	uint16_t id = (uint16_t)randombytes_uniform(UINT16_MAX + 1);

	if (x == NULL)
		return NULL;
	x->loop = loop;
	x->server = *server;
	x->family = family;
	x->done = done;
	x->ctx = ctx;
	x->timeout_ms = timeout_ms;
	uv_timer_init(loop, &x->timer);
	x->timer.data = x;
	x->query_len = dns_query_build(name, family, id, x->query);
	if (!ask_server(x)) {
		exchange_cancel(x);
		return NULL;
	}
	uv_timer_start(&x->timer, on_exchange_timeout, timeout_ms, 0);
	return x;
}
