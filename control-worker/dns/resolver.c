/* Names to addresses: see resolver.h. */
#include "control-worker/dns/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control-worker/dns/cache.h"
#include "control-worker/dns/exchange.h"
#include "control-worker/dns/hosts.h"
#include "control-worker/dns/question.h"
#include "control-worker/dns/resolv_conf.h"
#include "control-worker/dns/servers.h"

/* How long the second family is waited for once the first has an address. */
#define GRACE_MS 2000

/* Whether a silent server is back. */
#define RECHECK_TIMEOUT_MS 2000

struct resolver {
	uv_loop_t *loop;
	struct resolv_conf conf;
	struct servers servers;
	struct exchange *recheck; /* NULL: none under way */
	struct endpoint rechecked;
	struct hosts *hosts;
	struct cache *cache;
};

/* For one family. */
struct half {
	struct lookup *lookup;
	struct question *question; /* NULL: not under way */
};

struct lookup {
	uv_timer_t deadline, next; /* next: a step from the loop */
	unsigned open_handles;
	struct resolver *resolver;
	struct resolv_conf conf; /* of the time it was started */
	char name[DNS_NAME_TEXT_MAX + 1];
	struct dns_name tried; /* the name, maybe with a suffix */
	size_t position;       /* in the order of names to try */
	struct half halves[2];
	unsigned answered; /* families that a server has answered for */
	uint32_t ttl_s;    /* the shortest of what it said */
	bool keep;         /* in the cache, for the next one */
	lookup_done done;
	void *ctx;
	struct lookup_result result;
};

struct resolver *
resolver_new(uv_loop_t *loop)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->cache = cache_new()) == NULL) {
		free(r);
		return NULL;
	}
	r->loop = loop;
	resolv_conf_parse(&r->conf, "", 0);
	servers_set(&r->servers, &r->conf);
	return r;
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	if (r->recheck != NULL)
		exchange_cancel(r->recheck);
	hosts_free(r->hosts);
	cache_free(r->cache);
	free(r);
}

void
resolver_set_resolv_conf(struct resolver *r, const char *text, size_t len)
{
	resolv_conf_parse(&r->conf, text, len);
	servers_set(&r->servers, &r->conf);
	cache_clear(r->cache);
}

void
resolver_set_hosts(struct resolver *r, const char *text, size_t len)
{
	struct hosts *h = hosts_new(text, len);

	if (h == NULL)
		return;
	hosts_free(r->hosts);
	r->hosts = h;
	cache_clear(r->cache);
}

const struct resolv_conf *
resolver_conf(const struct resolver *r)
{
	return &r->conf;
}

uv_loop_t *
resolver_loop(const struct resolver *r)
{
	return r->loop;
}

static void
on_lookup_closed(uv_handle_t *h)
{
	struct lookup *l = h->data;

	if (--l->open_handles == 0)
		free(l);
}

static bool
lookup_is_asking(const struct lookup *l)
{
	return l->halves[0].question != NULL || l->halves[1].question != NULL;
}

void
lookup_cancel(struct lookup *l)
{
	for (size_t i = 0; i < 2; i++)
		if (l->halves[i].question != NULL)
			question_cancel(l->halves[i].question);
	uv_close((uv_handle_t *)&l->deadline, on_lookup_closed);
	uv_close((uv_handle_t *)&l->next, on_lookup_closed);
}

/* Half an answer is not worth keeping. */
static void
cache_result(const struct lookup *l)
{
	if (l->keep && l->answered == 2)
		cache_put(l->resolver->cache, uv_now(l->resolver->loop),
		    l->name, l->result.addresses, l->result.count, l->ttl_s);
}

static void
finish_lookup(struct lookup *l, bool complete)
{
	struct lookup_result result = l->result;
	lookup_done done = l->done;
	void *ctx = l->ctx;

	result.complete = complete;
	cache_result(l);
	lookup_cancel(l);
	done(ctx, &result);
}

static void
add_result_address(struct lookup *l, const struct ip_address *ip)
{
	struct lookup_result *r = &l->result;

	for (size_t i = 0; i < r->count; i++)
		if (ip_equal(&r->addresses[i], ip))
			return;
	if (r->count < LOOKUP_ADDRESSES_MAX)
		r->addresses[r->count++] = *ip;
}

static bool
has_enough_dots(const struct lookup *l)
{
	unsigned dots = 0;

	for (const char *c = l->name; *c != '\0'; c++)
		dots += *c == '.';
	return dots >= l->conf.ndots;
}

/*
 * The next name to try: as it is, before or after it with each suffix. False
 * when there is none left.
 */
static bool
next_name(struct lookup *l)
{
	size_t suffixes = l->conf.suffix_count;
	size_t plain_at = has_enough_dots(l) ? 0 : suffixes;

	for (; l->position <= suffixes; l->position++) {
		char text[DNS_NAME_TEXT_MAX + DNS_NAME_MAX + 2];
		size_t at = l->position;

		if (at == plain_at) {
			snprintf(text, sizeof(text), "%s", l->name);
		} else {
			at -= at > plain_at;
			snprintf(text, sizeof(text), "%s.%s", l->name,
			    l->conf.suffixes[at]);
		}
		if (dns_name_parse(text, &l->tried) &&
		    !dns_name_is_onion(&l->tried)) {
			l->position++;
			return true;
		}
	}
	return false;
}

static void
on_rechecked(
    void *ctx, enum exchange_outcome outcome, const struct dns_answer *answer)
{
	struct resolver *r = ctx;

	(void)answer;
	r->recheck = NULL;
	if (outcome == EXCHANGE_SILENT)
		servers_silent(&r->servers, &r->rechecked, uv_now(r->loop));
	else
		servers_heard(&r->servers, &r->rechecked);
}

/* Nobody waits for it. */
static void
recheck_name(struct resolver *r, const struct dns_name *name)
{
	if (r->recheck == NULL &&
	    servers_recheck(&r->servers, uv_now(r->loop), &r->rechecked))
		r->recheck = exchange_start(r->loop, &r->rechecked, name, IP_V4,
		    RECHECK_TIMEOUT_MS, on_rechecked, r);
}

static void on_question_answer(void *ctx, const struct dns_answer *);

static void
ask_both_families(struct lookup *l)
{
	static const enum ip_family families[2] = { IP_V4, IP_V6 };
	struct resolver *r = l->resolver;

	l->answered = 0;
	l->ttl_s = UINT32_MAX;
	for (size_t i = 0; i < 2; i++)
		l->halves[i].question =
		    question_start(r->loop, &r->servers, &l->conf, &l->tried,
			families[i], on_question_answer, &l->halves[i]);
	recheck_name(r, &l->tried);
}

static void
on_next_question(uv_timer_t *timer)
{
	struct lookup *l = timer->data;

	if (l->result.count > 0) {
		finish_lookup(l, true);
		return;
	}
	while (next_name(l)) {
		ask_both_families(l);
		if (lookup_is_asking(l))
			return;
	}
	finish_lookup(l, true);
}

static void
on_lookup_deadline(uv_timer_t *timer)
{
	struct lookup *l = timer->data;

	finish_lookup(l, l->result.count > 0);
}

static void
on_question_answer(void *ctx, const struct dns_answer *answer)
{
	struct half *h = ctx;
	struct lookup *l = h->lookup;

	h->question = NULL;
	if (answer != NULL) {
		l->answered++;
		if (answer->ttl_s < l->ttl_s)
			l->ttl_s = answer->ttl_s;
		for (size_t i = 0; i < answer->count; i++)
			add_result_address(l, &answer->addresses[i]);
	}
	if (!lookup_is_asking(l))
		uv_timer_start(&l->next, on_next_question, 0, 0);
	else if (l->result.count > 0)
		uv_timer_start(&l->deadline, on_lookup_deadline, GRACE_MS, 0);
}

/* What needs no server: the hosts file, and with keep the cache. */
static void
add_known_addresses(struct lookup *l)
{
	struct ip_address found[LOOKUP_ADDRESSES_MAX];
	struct resolver *r = l->resolver;
	char name[sizeof(l->name)];
	size_t n = strlcpy(name, l->name, sizeof(name));

	/* The file has names without the last dot. */
	if (n > 1 && name[n - 1] == '.')
		name[n - 1] = '\0';
	n = hosts_lookup(r->hosts, name, found, LOOKUP_ADDRESSES_MAX);
	if (n == 0 && l->keep)
		n = cache_get(r->cache, uv_now(r->loop), l->name, found);
	for (size_t i = 0; i < n; i++)
		add_result_address(l, &found[i]);
}

static struct lookup *
lookup_new(struct resolver *r, const char *name, bool keep, lookup_done done,
    void *ctx)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->resolver = r;
	l->conf = r->conf;
	l->keep = keep;
	l->done = done;
	l->ctx = ctx;
	l->open_handles = 2;
	uv_timer_init(r->loop, &l->deadline);
	uv_timer_init(r->loop, &l->next);
	l->deadline.data = l->next.data = l;
	l->halves[0].lookup = l->halves[1].lookup = l;
	/* A final dot says that the name is complete. */
	if (name[0] != '\0' && name[strlen(name) - 1] == '.')
		l->conf.suffix_count = 0;
	if (strlcpy(l->name, name, sizeof(l->name)) < sizeof(l->name))
		add_known_addresses(l);
	else
		l->position = RESOLV_SUFFIXES + 1; /* nothing to try */
	uv_timer_start(&l->deadline, on_lookup_deadline, LOOKUP_TIMEOUT_MS, 0);
	uv_timer_start(&l->next, on_next_question, 0, 0);
	return l;
}

struct lookup *
resolver_lookup(
    struct resolver *r, const char *name, lookup_done done, void *ctx)
{
	return lookup_new(r, name, false, done, ctx);
}

struct lookup *
resolver_lookup_cached(
    struct resolver *r, const char *name, lookup_done done, void *ctx)
{
	return lookup_new(r, name, true, done, ctx);
}
