/* Attempts to connect, by timers: see probes.h. */
#include "control-worker/probes/probes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/time.h"
#include "control-worker/net/dial.h"

_Static_assert(DIAL_TIMEOUT_MS < PROBE_INTERVAL_MIN_MS,
    "an attempt has ended when the next one begins");

struct server_probe {
	struct probes *probes;
	struct probe_result *result;
	struct dial *dial; /* NULL: no attempt is under way */
	uv_timer_t timer;
	struct mono begun;
};

struct probes {
	uv_loop_t *loop;
	struct server_probe server[PROBES_MAX];
	size_t count; /* whose timers are not closed */
	void (*news)(void *ctx);
	void *ctx;
};

static void
tell_news(const struct probe_result *r, bool first, uint64_t lasted_s)
{
	char server[ENDPOINT_TEXT_MAX];

	(void)endpoint_format(&r->server, server);
	if (!r->answers)
		log_warnx("the server %s does not answer: %s; see to it, or to "
			  "the route to it",
		    server, r->error);
	else if (first)
		log_info("the server %s answers", server);
	else
		log_info("the server %s answers again, after %llu s", server,
		    (unsigned long long)lasted_s);
}

static void
on_attempt_end(
    void *ctx, int fd, const struct endpoint *peer, const char *error)
{
	struct server_probe *p = ctx;
	struct probe_result *r = p->result;
	const int64_t ns = mono_now().ns - p->begun.ns;
	const uint64_t now = (uint64_t)time(NULL), before = r->since;
	const bool first = !r->known;

	(void)peer;
	p->dial = NULL;
	if (fd != -1)
		close(fd);
	else if (strstr(error, ": ") != NULL) /* after the address */
		error = strstr(error, ": ") + 2;
	if (probe_result_note(
		r, fd == -1 ? error : NULL, (uint64_t)ns / 1000, now)) {
		tell_news(r, first, now > before ? now - before : 0);
		p->probes->news(p->probes->ctx);
	}
}

/* The parent has told the packet filter of these servers already. */
static void
announce_no_host(void *ctx, const struct ip_address *a, size_t count)
{
	(void)ctx;
	(void)a;
	(void)count;
}

static void
begin_attempt(uv_timer_t *timer)
{
	static const struct dialler dialler = { NULL, announce_no_host };
	struct server_probe *p = timer->data;
	const struct endpoint *server = &p->result->server;

	p->begun = mono_now();
	p->dial = dial_start(p->probes->loop, &dialler, &server->ip, 1,
	    server->port, on_attempt_end, p);
	if (p->dial == NULL)
		log_warnx("no memory to see whether a server answers");
}

struct probes *
probes_start(uv_loop_t *loop, struct probe_results *results,
    uint64_t interval_ms, void (*news)(void *ctx), void *ctx)
{
	struct probes *probes = calloc(1, sizeof(*probes));

	if (probes == NULL)
		return NULL;
	probes->loop = loop;
	probes->news = news;
	probes->ctx = ctx;
	for (; probes->count < results->count; probes->count++) {
		struct server_probe *p = &probes->server[probes->count];

		p->probes = probes;
		p->result = &results->of[probes->count];
		p->timer.data = p;
		uv_timer_init(loop, &p->timer);
		uv_timer_start(&p->timer, begin_attempt, 0, interval_ms);
	}
	return probes;
}

static void
on_probe_timer_closed(uv_handle_t *timer)
{
	struct server_probe *p = timer->data;

	if (--p->probes->count == 0)
		free(p->probes);
}

void
probes_stop(struct probes *probes)
{
	for (size_t i = 0; i < probes->count; i++) {
		struct server_probe *p = &probes->server[i];

		if (p->dial != NULL)
			dial_cancel(p->dial);
		uv_close((uv_handle_t *)&p->timer, on_probe_timer_closed);
	}
}
