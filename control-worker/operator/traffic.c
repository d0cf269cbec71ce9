/*
 * Who uses what: see traffic.h. A series counts from the moment on when its
 * client or resource got it, and "other" is what was forwarded and not counted
 * in any: so neither ever jumps when a series begins or ends.
 */
#include "control-worker/operator/traffic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/uuid.h"

enum amount_word { FROM_PACKETS, FROM_BYTES, TO_PACKETS, TO_BYTES, WORDS };

/* What was moved from clients and to them. */
struct amounts {
	uint64_t word[WORDS];
};

struct series {
	bool used;
	bool seen; /* in this round */
	struct uuid id;
	struct amounts before; /* of a resource: its meter had counted it */
	struct amounts last;   /* as told last, without before */
	struct amounts shown;
	struct mono moved; /* when there was something new */
};

/* Which clients, or which resources, have a series. */
struct board {
	unsigned max;
	struct amounts named; /* shown in any series, ever */
	struct amounts other; /* as it was shown: it never falls */
	/* Of those without a series the one that has moved most. */
	bool has_next;
	struct uuid next;
	struct amounts next_amounts, next_before;
	struct series series[TRAFFIC_SERIES_MAX];
};

struct traffic {
	struct traffic_config config;
	struct amounts base; /* what had been forwarded at the start */
	struct amounts all;  /* and since, until the last round began */
	struct board board[2];
	bool known;      /* there has been a round */
	uint64_t serial; /* of the query that is out; 0: none is */
	uint64_t serials;
	enum query_kind kind;
	struct mono begun; /* the last round */
};

static struct amounts
all_forwarded(const struct counter_page *page, const struct amounts *base)
{
	struct amounts t = { {
	    [FROM_PACKETS] = COUNTER_SHARD(page, outbound_packets),
	    [FROM_BYTES] = COUNTER_SHARD(page, outbound_bytes),
	    [TO_PACKETS] = COUNTER_SHARD(page, inbound_packets),
	    [TO_BYTES] = COUNTER_SHARD(page, inbound_bytes),
	} };

	for (size_t i = 0; i < WORDS; i++)
		t.word[i] -= base->word[i];
	return t;
}

/* Without what others had on it before. */
static struct amounts
metered(const struct counter_page *page, unsigned meter,
    const struct amounts *before)
{
	struct amounts t = { {
	    [FROM_PACKETS] = COUNTER_METER(page, meter, outbound_packets),
	    [FROM_BYTES] = COUNTER_METER(page, meter, outbound_bytes),
	    [TO_PACKETS] = COUNTER_METER(page, meter, inbound_packets),
	    [TO_BYTES] = COUNTER_METER(page, meter, inbound_bytes),
	} };

	for (size_t i = 0; i < WORDS; i++)
		t.word[i] -=
		    t.word[i] < before->word[i] ? t.word[i] : before->word[i];
	return t;
}

static uint64_t
bytes_of(const struct amounts *t)
{
	return t->word[FROM_BYTES] + t->word[TO_BYTES];
}

/* Boards: who has a series, and what it counts. */

static void
board_begin(struct board *b)
{
	b->has_next = false;
	for (unsigned i = 0; i < b->max; i++)
		b->series[i].seen = false;
}

/*
 * What net-worker counts begins again from nothing with another net-worker, so
 * that there is less, and with another meter, when a resource was granted anew.
 */
static void
series_count(struct board *b, struct series *s, struct mono now,
    const struct amounts *t, const struct amounts *before)
{
	bool began_again = memcmp(&s->before, before, sizeof(*before)) != 0;
	bool moved = false;

	for (size_t i = 0; i < WORDS; i++)
		began_again |= t->word[i] < s->last.word[i];
	for (size_t i = 0; i < WORDS; i++) {
		uint64_t more =
		    t->word[i] - (began_again ? 0 : s->last.word[i]);

		s->shown.word[i] += more;
		b->named.word[i] += more;
		moved |= more != 0;
	}
	if (moved)
		s->moved = now;
	s->before = *before;
	s->last = *t;
	s->seen = true;
}

static void
series_begin(struct series *s, struct mono now, const struct uuid *id,
    const struct amounts *t, const struct amounts *before)
{
	*s = (struct series){
		.used = true,
		.seen = true,
		.id = *id,
		.before = *before,
		.last = *t,
		.moved = now,
	};
}

static void
board_see(struct board *b, struct mono now, const struct uuid *id,
    const struct amounts *t, const struct amounts *before)
{
	struct series *unused = NULL;

	for (unsigned i = 0; i < b->max; i++) {
		struct series *s = &b->series[i];

		if (!s->used)
			unused = s;
		else if (uuid_equal(&s->id, id)) {
			series_count(b, s, now, t, before);
			return;
		}
	}
	if (unused != NULL)
		series_begin(unused, now, id, t, before);
	else if (!b->has_next || bytes_of(t) > bytes_of(&b->next_amounts)) {
		b->has_next = true;
		b->next = *id;
		b->next_amounts = *t;
		b->next_before = *before;
	}
}

/*
 * all is of the moment when the round began. Were it of a later one, what a
 * client with a series has moved meanwhile would be taken for others'.
 */
static void
board_end(struct board *b, struct mono now, const struct amounts *all)
{
	struct series *idle = NULL;

	for (size_t i = 0; i < WORDS; i++)
		if (all->word[i] > b->named.word[i] + b->other.word[i])
			b->other.word[i] = all->word[i] - b->named.word[i];
	for (unsigned i = 0; i < b->max; i++) {
		struct series *s = &b->series[i];

		s->used &= s->seen;
		if (!s->used ||
		    mono_due(mono_add_s(s->moved, TRAFFIC_IDLE_S), now))
			idle = s;
	}
	if (b->has_next && idle != NULL)
		series_begin(
		    idle, now, &b->next, &b->next_amounts, &b->next_before);
}

/* A round: all pages of clients, then those of resources. */

static bool
ask_for_traffic(struct traffic *t, uint32_t from)
{
	const struct ipc_query q = {
		.serial = TRAFFIC_SERIAL | ++t->serials,
		.kind = (uint8_t)t->kind,
		.from = from,
	};

	t->serial = t->config.ask(t->config.ctx, &q) ? q.serial : 0;
	return t->serial != 0;
}

bool
traffic_refresh(struct traffic *t, struct mono now)
{
	const bool asking = t->serial != 0;

	/* Later it is not awaited: it was left out, or that net-worker died. */
	if (asking && !mono_due(mono_add_ms(t->begun, TRAFFIC_ANSWER_MS), now))
		return false;
	if (!asking && t->known &&
	    !mono_due(mono_add_ms(t->begun, TRAFFIC_FRESH_MS), now))
		return true;
	t->begun = now;
	t->known = true;
	t->all = all_forwarded(t->config.counters, &t->base);
	t->kind = QUERY_KIND_CLIENTS;
	board_begin(&t->board[TRAFFIC_CLIENTS]);
	board_begin(&t->board[TRAFFIC_RESOURCES]);
	return !ask_for_traffic(t, 0);
}

void
traffic_client(
    struct traffic *t, struct mono now, const struct ipc_query_client *m)
{
	const struct amounts none = { 0 };
	const struct amounts amounts = { {
	    [FROM_PACKETS] = m->received_packets,
	    [FROM_BYTES] = m->received_bytes,
	    [TO_PACKETS] = m->sent_packets,
	    [TO_BYTES] = m->sent_bytes,
	} };

	if (t != NULL && t->serial != 0 && m->serial == t->serial)
		board_see(&t->board[TRAFFIC_CLIENTS], now, &m->client, &amounts,
		    &none);
}

void
traffic_resource(
    struct traffic *t, struct mono now, const struct ipc_query_resource *m)
{
	const struct amounts before = { {
	    [FROM_PACKETS] = m->outbound_packets,
	    [FROM_BYTES] = m->outbound_bytes,
	    [TO_PACKETS] = m->inbound_packets,
	    [TO_BYTES] = m->inbound_bytes,
	} };
	struct amounts amounts;

	if (t == NULL || t->serial == 0 || m->serial != t->serial)
		return;
	amounts = metered(t->config.counters, m->meter, &before);
	board_see(
	    &t->board[TRAFFIC_RESOURCES], now, &m->resource, &amounts, &before);
}

void
traffic_query_end(
    struct traffic *t, struct mono now, const struct ipc_query_end *m)
{
	if (t == NULL || t->serial == 0 || m->serial != t->serial)
		return;
	if (m->more && ask_for_traffic(t, m->next))
		return;
	if (!m->more && t->kind == QUERY_KIND_CLIENTS) {
		board_end(&t->board[TRAFFIC_CLIENTS], now, &t->all);
		t->kind = QUERY_KIND_RESOURCES;
		if (ask_for_traffic(t, 0))
			return;
	} else if (!m->more) {
		board_end(&t->board[TRAFFIC_RESOURCES], now, &t->all);
	}
	t->serial = 0;
	t->config.done(t->config.ctx);
}

/* Showing. */

static void
write_traffic_series(struct text *to, const char *metric,
    enum traffic_kind kind, const char *id, const struct amounts *t,
    enum traffic_unit unit)
{
	static const char *const labels[] = {
		[TRAFFIC_CLIENTS] = "client",
		[TRAFFIC_RESOURCES] = "resource",
	};
	static const char *const ways[] = { "from client", "to client" };

	for (unsigned way = 0; way < 2; way++)
		text_add(to,
		    "postern_%s{%s=\"%s\",direction=\"%s\"} %" PRIu64 "\n",
		    metric, labels[kind], id, ways[way],
		    t->word[2 * way + (unit == TRAFFIC_BYTES)]);
}

void
traffic_write(struct traffic *t, struct text *to, const char *metric,
    enum traffic_kind kind, enum traffic_unit unit)
{
	struct board *b = &t->board[kind];
	char id[UUID_TEXT_LEN + 1];

	for (unsigned i = 0; i < b->max; i++)
		if (b->series[i].used)
			write_traffic_series(to, metric, kind,
			    uuid_format(&b->series[i].id, id),
			    &b->series[i].shown, unit);
	write_traffic_series(to, metric, kind, "other", &b->other, unit);
}

bool
traffic_has_names(const struct traffic *t)
{
	return t->config.names != NULL;
}

/* The text format, version 0.0.4; a name has no line feed. */
static void
write_label(struct text *to, const char *label, const char *value)
{
	text_add(to, "%s=\"", label);
	for (; *value != '\0'; value++)
		text_add(to, "%s%c",
		    *value == '"' || *value == '\\' ? "\\" : "", *value);
	text_add(to, "\"");
}

static void
write_client_name(const struct directory *names, struct text *to,
    const char *metric, const struct uuid *client)
{
	char id[UUID_TEXT_LEN + 1], system[SYSTEM_MAX + 1];
	struct client_entry e;

	if (!directory_client(names, client, &e))
		return;
	text_add(
	    to, "postern_%s{client=\"%s\",", metric, uuid_format(client, id));
	write_label(to, "user", client_user(&e));
	text_add(to, ",");
	write_label(to, "system", client_system(&e, system));
	text_add(to, "} 1\n");
}

static void
write_resource_name(const struct directory *names, struct text *to,
    const char *metric, const struct uuid *resource)
{
	const char *name = directory_resource(names, resource);
	char id[UUID_TEXT_LEN + 1];

	if (name == NULL)
		return;
	text_add(to, "postern_%s{resource=\"%s\",", metric,
	    uuid_format(resource, id));
	write_label(to, "name", name);
	text_add(to, "} 1\n");
}

void
traffic_write_names(const struct traffic *t, struct text *to,
    const char *metric, enum traffic_kind kind)
{
	const struct board *b = &t->board[kind];

	for (unsigned i = 0; i < b->max; i++) {
		if (!b->series[i].used)
			continue;
		if (kind == TRAFFIC_CLIENTS)
			write_client_name(
			    t->config.names, to, metric, &b->series[i].id);
		else
			write_resource_name(
			    t->config.names, to, metric, &b->series[i].id);
	}
}

struct traffic *
traffic_new(const struct traffic_config *c)
{
	struct traffic *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->config = *c;
	t->base = all_forwarded(c->counters, &t->base); /* which is zero */
	t->board[0].max = t->board[1].max =
	    c->series < TRAFFIC_SERIES_MAX ? c->series : TRAFFIC_SERIES_MAX;
	return t;
}
