/* A round of questions: see check.h. */
#include "control-worker/dns/check.h"

#include <stdlib.h>

#include "common/time.h"
#include "control-worker/dns/exchange.h"

_Static_assert(RESOLVERS_MAX == RESOLV_SERVERS,
    "a result has room for the servers of a resolv.conf");

struct dns_check_leg {
	struct dns_check *check;
	struct dns_checked *result;
	struct exchange *exchange; /* NULL: it has ended */
};

struct dns_check {
	uv_timer_t timer; /* its end: never before the start has returned */
	struct dns_check_leg leg[RESOLVERS_MAX];
	size_t waiting;
	struct mono begun;
	struct dns_check_result result;
	dns_check_done done;
	void *ctx;
};

static void
free_dns_check(uv_handle_t *timer)
{
	free(timer->data);
}

void
dns_check_cancel(struct dns_check *c)
{
	for (size_t i = 0; i < c->result.count; i++)
		if (c->leg[i].exchange != NULL)
			exchange_cancel(c->leg[i].exchange);
	uv_close((uv_handle_t *)&c->timer, free_dns_check);
}

static void
on_dns_check_end(uv_timer_t *timer)
{
	struct dns_check *c = timer->data;
	const struct dns_check_result result = c->result;
	dns_check_done done = c->done;
	void *ctx = c->ctx;

	dns_check_cancel(c);
	done(ctx, &result);
}

static void
end_dns_check_soon(struct dns_check *c)
{
	uv_timer_start(&c->timer, on_dns_check_end, 0, 0);
}

static void
on_leg_end(
    void *ctx, enum exchange_outcome outcome, const struct dns_answer *answer)
{
	struct dns_check_leg *leg = ctx;
	struct dns_check *c = leg->check;

	(void)answer;
	leg->exchange = NULL;
	leg->result->took_us = (uint64_t)(mono_now().ns - c->begun.ns) / 1000;
	leg->result->outcome = outcome == EXCHANGE_ANSWERED ? DNS_CHECK_ANSWERED
	    : outcome == EXCHANGE_FAILED                    ? DNS_CHECK_FAILED
							    : DNS_CHECK_SILENT;
	if (--c->waiting == 0)
		end_dns_check_soon(c);
}

struct dns_check *
dns_check_start(
    struct resolver *r, const char *text, dns_check_done done, void *ctx)
{
	const struct resolv_conf *conf = resolver_conf(r);
	uv_loop_t *loop = resolver_loop(r);
	struct dns_check *c = calloc(1, sizeof(*c));
	struct dns_name name;
	bool is_name = dns_name_parse(text, &name);

	if (c == NULL)
		return NULL;
	c->done = done;
	c->ctx = ctx;
	c->begun = mono_now();
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	c->result.count = conf->server_count;
	for (size_t i = 0; i < conf->server_count; i++) {
		struct dns_check_leg *leg = &c->leg[i];

		leg->check = c;
		leg->result = &c->result.of[i];
		leg->result->server = conf->servers[i];
		if (is_name)
			leg->exchange =
			    exchange_start(loop, &conf->servers[i], &name,
				IP_V4, DNS_CHECK_TIMEOUT_MS, on_leg_end, leg);
		c->waiting += leg->exchange != NULL;
	}
	if (c->waiting == 0)
		end_dns_check_soon(c);
	return c;
}
