/*
 * Flows: see flow.h.
 *
 * Everything is in arrays of one zeroed allocation and linked by numbers that
 * begin with 1, so that 0 ends every chain and nothing needs to be set up.
 * Places are handed out from the low end and again as soon as they are free.
 *
 *	buckets	-> live flows by key, chained
 *	idle	-> live flows, the one without a packet for longest first
 *	finished -> live TCP flows with a FIN of both sides, not in idle
 *	reports	-> openings and closings that were not taken yet
 */
#include "net-worker/core/flow.h"

#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/bucket.h"
#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"

#define BUCKETS     (2 * FLOWS_MAX)
#define REPORTS_MAX (2 * FLOWS_MAX) /* an opening and a closing each */
#define DOMAIN_SIZE 256

#define IDLE_S  120  /* firezone-policy(7), Timers */
#define TICK_MS 1000 /* from one round of closing to the next */
/* Flows looked at for one that gives way, far from each other: a prime. */
#define PROBES     32
#define PROBE_STEP 509

typedef uint16_t number; /* of a flow or a step; 0: none */

_Static_assert(FLOWS_MAX <= UINT16_MAX / 2, "a report is a number and a bit");
_Static_assert(FLOW_STEPS_MAX <= UINT16_MAX, "steps have numbers");

/* Compared and hashed as bytes. */
struct key {
	struct uuid resource;
	uint8_t source[16], destination[16];
	uint32_t peer;
	uint16_t source_port, destination_port;
	uint8_t family, protocol;
	uint8_t zero[2];
};

_Static_assert(sizeof(struct key) == 60, "no padding");

struct traffic {
	uint64_t packets, bytes;
	bool fin;
};

struct flow {
	struct key key;
	number chained; /* the next one of the bucket, or of the free ones */
	number before, after; /* in idle or finished */
	number step, last_step;
	uint8_t path_count;
	bool finished;
	bool has_domain;
	bool live;
	bool reported; /* its opening was */
	bool non_syn; /* the client has sent a segment without SYN */
	struct traffic tx, rx;
	struct mono last_packet, started;
	struct mono ended; /* of a live one in finished: when it came there */
	struct flow_outer first;
	struct uuid client, authorization;
};

/* A path after the first one of a flow. */
struct step {
	struct flow_outer path;
	number next; /* of the flow, or of the free ones */
};

/* Places of an array: those given back, and those never used. */
struct pool {
	number free;
	number used;
};

struct list {
	number first, last;
};

/* What the clients of one share have taken. */
struct share {
	uint32_t flows, steps;
	struct bucket openings, data;
	/* Flows that have ended without a report. */
	uint64_t suppressed, tx_bytes, rx_bytes;
	struct uuid client; /* of the last one */
};

struct flow_table {
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	struct list idle, finished;
	struct mono ticked;
	uint32_t open; /* live flows */
	number recent; /* the flow that was found last */
	number probed; /* likewise, as one that might give way */
	uint64_t untracked;
	struct pool free_flows, free_steps;
	struct share shares[FLOW_SHARES];
	uint32_t report_first, report_count;
	/* Shares with something suppressed, and how many are to be told. */
	uint16_t quiet[FLOW_SHARES];
	uint32_t quiet_first, quiet_count, quiet_due;
	struct mono quiet_since;
	number buckets[BUCKETS];
	uint16_t reports[REPORTS_MAX]; /* twice the flow, and 1: closed */
	struct flow flows[FLOWS_MAX + 1];
	struct step steps[FLOW_STEPS_MAX + 1];
	char domains[FLOWS_MAX + 1][DOMAIN_SIZE]; /* of the flow */
};

/* What a packet is to its flow. */
struct segment {
	size_t payload; /* bytes */
	uint8_t flags;  /* of TCP; of UDP 0 */
};

struct flow_table *
flow_table_new(void)
{
	struct flow_table *t = calloc(1, sizeof(*t));

	if (t != NULL)
		crypto_shorthash_keygen(t->hash_key);
	return t;
}

void
flow_table_free(struct flow_table *t)
{
	free(t);
}

/* Lists and chains. */

static void
flow_list_append(struct flow_table *t, struct list *list, number n)
{
	t->flows[n].before = list->last;
	t->flows[n].after = 0;
	if (list->last == 0)
		list->first = n;
	else
		t->flows[list->last].after = n;
	list->last = n;
}

static void
flow_list_remove(struct flow_table *t, struct list *list, number n)
{
	const struct flow *f = &t->flows[n];

	if (f->before == 0)
		list->first = f->after;
	else
		t->flows[f->before].after = f->after;
	if (f->after == 0)
		list->last = f->before;
	else
		t->flows[f->after].before = f->before;
}

static struct list *
flow_list_of(struct flow_table *t, const struct flow *f)
{
	return f->finished ? &t->finished : &t->idle;
}

static number *
flow_bucket_of(struct flow_table *t, const struct key *key)
{
	uint64_t hash;

	crypto_shorthash(
	    (uint8_t *)&hash, (const uint8_t *)key, sizeof(*key), t->hash_key);
	return &t->buckets[hash % BUCKETS];
}

static bool
flow_has_key(const struct flow *f, const struct key *key)
{
	return memcmp(&f->key, key, sizeof(*key)) == 0;
}

/* Packets come in bursts, so most of them need no hash. */
static number
flow_lookup(struct flow_table *t, const struct key *key)
{
	number n = t->recent;

	if (n != 0 && flow_has_key(&t->flows[n], key))
		return n;
	n = *flow_bucket_of(t, key);
	while (n != 0 && !flow_has_key(&t->flows[n], key))
		n = t->flows[n].chained;
	t->recent = n;
	return n;
}

static void
unchain_flow(struct flow_table *t, number n)
{
	number *at = flow_bucket_of(t, &t->flows[n].key);

	while (*at != n)
		at = &t->flows[*at].chained;
	*at = t->flows[n].chained;
	t->recent = 0;
}

static struct share *
share_of(struct flow_table *t, const struct key *key)
{
	return &t->shares[key->peer % FLOW_SHARES];
}

static number
take_flow(struct flow_table *t, struct share *share)
{
	number n = t->free_flows.free;

	if (share->flows == FLOWS_SHARE)
		return 0;
	if (n != 0)
		t->free_flows.free = t->flows[n].chained;
	else if (t->free_flows.used < FLOWS_MAX)
		n = ++t->free_flows.used;
	share->flows += n != 0;
	return n;
}

static number
take_step(struct flow_table *t, struct share *share)
{
	number n = t->free_steps.free;

	if (share->steps == FLOW_STEPS_SHARE)
		return 0;
	if (n != 0)
		t->free_steps.free = t->steps[n].next;
	else if (t->free_steps.used < FLOW_STEPS_MAX)
		n = ++t->free_steps.used;
	share->steps += n != 0;
	return n;
}

static void
give_flow_back(struct flow_table *t, number n)
{
	struct flow *f = &t->flows[n];
	struct share *share = share_of(t, &f->key);

	share->flows--;
	share->steps -= f->path_count - 1u;
	if (f->step != 0) {
		t->steps[f->last_step].next = t->free_steps.free;
		t->free_steps.free = f->step;
	}
	f->chained = t->free_flows.free;
	t->free_flows.free = n;
}

/* Outer paths. */

static bool
same_path(const struct flow_outer *a, const struct flow_outer *b)
{
	return endpoint_equal(&a->from, &b->from) &&
	    endpoint_equal(&a->local, &b->local);
}

/* False when the flow cannot remember one more. */
static bool
add_path(struct flow_table *t, struct flow *f, const struct flow_outer *path)
{
	number n;

	if (f->path_count == FLOW_PATHS_MAX ||
	    (n = take_step(t, share_of(t, &f->key))) == 0)
		return false;
	t->steps[n] = (struct step){ .path = *path };
	if (f->step == 0)
		f->step = n;
	else
		t->steps[f->last_step].next = n;
	f->last_step = n;
	f->path_count++;
	return true;
}

/* Likewise; a path that differs from the last one is added. */
static bool
follow_path(struct flow_table *t, struct flow *f, const struct flow_outer *path)
{
	const struct flow_outer *last =
	    f->step == 0 ? &f->first : &t->steps[f->last_step].path;

	return same_path(last, path) || add_path(t, f, path);
}

/* Opening, counting and closing. */

static void
queue_report(struct flow_table *t, number n, bool closed)
{
	uint32_t at = (t->report_first + t->report_count++) % REPORTS_MAX;

	t->reports[at] = (uint16_t)(n << 1 | closed);
}

static void
suppress_report(struct flow_table *t, struct mono now, const struct flow *f)
{
	struct share *share = share_of(t, &f->key);

	if (t->quiet_count == 0)
		t->quiet_since = now;
	if (share->suppressed++ == 0)
		t->quiet[(t->quiet_first + t->quiet_count++) % FLOW_SHARES] =
		    (uint16_t)(f->key.peer % FLOW_SHARES);
	share->tx_bytes += f->tx.bytes;
	share->rx_bytes += f->rx.bytes;
	share->client = f->client;
}

static bool
flow_is_reported(struct flow_table *t, struct mono now, const struct flow *f)
{
	struct share *share = share_of(t, &f->key);

	return f->reported ||
	    (f->rx.bytes > 0 &&
		bucket_take(&share->data, now, FLOW_DATA_BURST,
		    FLOW_DATA_INTERVAL_MS));
}

static void
close_flow(struct flow_table *t, struct mono now, number n, struct mono ended)
{
	struct flow *f = &t->flows[n];

	f->ended = ended;
	f->live = false;
	t->open--;
	flow_list_remove(t, flow_list_of(t, f), n);
	unchain_flow(t, n);
	if (flow_is_reported(t, now, f)) {
		queue_report(t, n, true);
		return;
	}
	suppress_report(t, now, f);
	give_flow_back(t, n);
}

static void
finish_flow(struct flow_table *t, struct mono now, number n)
{
	flow_list_remove(t, &t->idle, n);
	flow_list_append(t, &t->finished, n);
	t->flows[n].finished = true;
	t->flows[n].ended = now;
}

static void
count_segment(struct flow_table *t, struct mono now, number n,
    struct traffic *direction, const struct segment *s)
{
	struct flow *f = &t->flows[n];

	direction->packets++;
	direction->bytes += s->payload;
	f->last_packet = now;
	if (s->flags & TCP_FIN)
		direction->fin = true;
	if (s->flags & TCP_RST) {
		close_flow(t, now, n, now);
	} else if (!f->finished && f->tx.fin && f->rx.fin) {
		finish_flow(t, now, n);
	} else if (!f->finished && t->idle.last != n) {
		flow_list_remove(t, &t->idle, n);
		flow_list_append(t, &t->idle, n);
	}
}

static void
count_tx(
    struct flow_table *t, struct mono now, number n, const struct segment *s)
{
	struct flow *f = &t->flows[n];

	if (!(s->flags & TCP_SYN))
		f->non_syn = true;
	count_segment(t, now, n, &f->tx, s);
}

static void
copy_domain(struct flow_table *t, number n, const char *domain)
{
	if (domain == NULL || *domain == '\0')
		return;
	t->flows[n].has_domain = true;
	strlcpy(t->domains[n], domain, DOMAIN_SIZE);
}

/* A place that the share may have, if need be that of a flow of no account. */
static number
place_for_flow(struct flow_table *t, struct mono now, struct share *share)
{
	number n = take_flow(t, share);

	for (unsigned i = 0; n == 0 && i < PROBES; i++) {
		const struct flow *f;

		t->probed = (number)((t->probed + PROBE_STEP - 1u) %
			t->free_flows.used +
		    1);
		f = &t->flows[t->probed];
		if (!f->live || f->reported || f->rx.bytes > 0 ||
		    (share->flows == FLOWS_SHARE &&
			share_of(t, &f->key) != share))
			continue;
		close_flow(t, now, t->probed, now);
		n = take_flow(t, share);
	}
	return n;
}

static void
open_flow(struct flow_table *t, const struct key *key,
    const struct flow_context *context, const struct flow_outer *path,
    const struct segment *s)
{
	struct share *share = share_of(t, key);
	number n = place_for_flow(t, path->at, share), *bucket;

	if (n == 0) {
		t->untracked++;
		return;
	}
	bucket = flow_bucket_of(t, key);
	t->flows[n] = (struct flow){
		.key = *key,
		.chained = *bucket,
		.path_count = 1,
		.live = true,
		.started = path->at,
		.first = *path,
		.client = context->client,
		.authorization = context->authorization,
	};
	*bucket = n;
	t->open++;
	copy_domain(t, n, context->domain);
	flow_list_append(t, &t->idle, n);
	if (bucket_take(&share->openings, path->at, FLOW_OPENINGS_BURST,
		FLOW_OPENINGS_INTERVAL_MS)) {
		t->flows[n].reported = true;
		queue_report(t, n, false);
	}
	count_tx(t, path->at, n, s);
}

/*
 * What opens no flow is the tail of one that has ended: firezone-policy(7),
 * Flow life.
 */
static bool
segment_opens_flow(uint8_t protocol, const struct segment *s)
{
	if (protocol == IPPROTO_UDP)
		return true;
	if (s->flags & (TCP_FIN | TCP_RST))
		return false;
	return !(s->flags & TCP_ACK) || s->flags & TCP_SYN || s->payload > 0;
}

/* False for a protocol without flows. */
static bool
read_segment(const struct packet *p, struct segment *s)
{
	const uint8_t *header = p->data + p->transport;
	size_t len = p->length - p->transport + p->cut_off;

	switch (p->kind) {
	case PACKET_TCP:
		s->flags = header[TCP_FLAGS];
		s->payload = len - (header[TCP_OFFSET] >> 4) * 4u;
		return true;
	case PACKET_UDP:
		s->flags = 0;
		s->payload = len - UDP_HEADER_LEN;
		return true;
	default:
		return false;
	}
}

void
flow_outbound(struct flow_table *t, struct mono now,
    const struct flow_context *context, const struct packet *p,
    const struct endpoint *from, const struct endpoint *local)
{
	struct flow_outer path = { *from, *local, now };
	struct key key = {
		.resource = context->resource,
		.peer = context->peer,
		.source_port = p->source_port,
		.destination_port = p->destination_port,
		.family = p->source.family,
		.protocol = p->protocol,
	};
	struct segment s;
	number n;

	if (!read_segment(p, &s))
		return;
	memcpy(key.source, p->source.bytes, sizeof(key.source));
	memcpy(key.destination, p->destination.bytes, sizeof(key.destination));
	n = flow_lookup(t, &key);
	if (n == 0) {
		if (segment_opens_flow(p->protocol, &s))
			open_flow(t, &key, context, &path, &s);
	} else if (!follow_path(t, &t->flows[n], &path) ||
	    (s.flags & TCP_SYN && t->flows[n].non_syn)) {
		close_flow(t, now, n, now);
		open_flow(t, &key, context, &path, &s);
	} else {
		count_tx(t, now, n, &s);
	}
}

void
flow_inbound(struct flow_table *t, struct mono now, uint32_t peer,
    const struct uuid *resource, const struct flow_tuple *tuple,
    const struct packet *p)
{
	struct key key = {
		.resource = *resource,
		.peer = peer,
		.source_port = tuple->client.port,
		.destination_port = tuple->remote.port,
		.family = tuple->client.ip.family,
		.protocol = p->protocol,
	};
	struct segment s;
	number n;

	if (!read_segment(p, &s))
		return;
	memcpy(key.source, tuple->client.ip.bytes, sizeof(key.source));
	memcpy(
	    key.destination, tuple->remote.ip.bytes, sizeof(key.destination));
	if ((n = flow_lookup(t, &key)) != 0)
		count_segment(t, now, n, &t->flows[n].rx, &s);
}

/* Timers. */

static bool
flow_is_idle(const struct flow *f, struct mono now)
{
	return mono_before(mono_add_s(f->last_packet, IDLE_S), now);
}

struct mono
flow_deadline(const struct flow_table *t)
{
	const struct flow *idle = &t->flows[t->idle.first];
	const struct flow *finished = &t->flows[t->finished.first];
	struct mono due = MONO_NEVER, tick = mono_add_ms(t->ticked, TICK_MS);

	if (t->idle.first != 0)
		due = mono_add_ns(mono_add_s(idle->last_packet, IDLE_S), 1);
	if (t->finished.first != 0)
		due = mono_min(due, mono_add_ms(finished->ended, TICK_MS));
	if (t->quiet_count > t->quiet_due)
		due = mono_min(
		    due, mono_add_s(t->quiet_since, FLOW_SUPPRESSED_S));
	return mono_max(due, tick);
}

void
flow_timeout(struct flow_table *t, struct mono now)
{
	number n;

	if (!mono_due(flow_deadline(t), now))
		return;
	t->ticked = now;
	while ((n = t->idle.first) != 0 && flow_is_idle(&t->flows[n], now))
		close_flow(t, now, n, now);
	/* Idle ones among these count as idle: that rule comes first. */
	while ((n = t->finished.first) != 0) {
		const struct flow *f = &t->flows[n];

		close_flow(
		    t, now, n, flow_is_idle(f, now) ? now : f->last_packet);
	}
	if (t->quiet_count > t->quiet_due &&
	    mono_due(mono_add_s(t->quiet_since, FLOW_SUPPRESSED_S), now)) {
		t->quiet_due = t->quiet_count;
		t->quiet_since = now;
	}
}

static void
close_flows_of(struct flow_table *t, struct mono now, const struct list *list,
    uint32_t peer)
{
	number n, next;

	for (n = list->first; n != 0; n = next) {
		const struct flow *f = &t->flows[n];

		next = f->after;
		if (f->key.peer == peer)
			close_flow(
			    t, now, n, f->finished ? f->last_packet : now);
	}
}

void
flow_close_client(struct flow_table *t, struct mono now, uint32_t peer)
{
	close_flows_of(t, now, &t->idle, peer);
	close_flows_of(t, now, &t->finished, peer);
}

void
flow_close_all(struct flow_table *t, struct mono now)
{
	while (t->idle.first != 0)
		close_flow(t, now, t->idle.first, now);
	while (t->finished.first != 0)
		close_flow(t, now, t->finished.first, now);
	t->quiet_due = t->quiet_count;
}

/* Reports. */

static void
describe_opening(const struct flow_table *t, number n, struct flow_report *r)
{
	const struct flow *f = &t->flows[n];
	struct endpoint *source = &r->source, *destination = &r->destination;

	r->client = f->client;
	r->resource = f->key.resource;
	r->authorization = f->authorization;
	r->protocol = f->key.protocol;
	source->ip = ip_from_bytes(f->key.family, f->key.source);
	source->port = f->key.source_port;
	destination->ip = ip_from_bytes(f->key.family, f->key.destination);
	destination->port = f->key.destination_port;
	if (f->has_domain)
		memcpy(r->domain, t->domains[n], DOMAIN_SIZE);
	r->started = f->started;
	r->path_count = 1;
	r->paths[0] = f->first;
}

static void
describe_closing(
    const struct flow_table *t, const struct flow *f, struct flow_report *r)
{
	r->closed = true;
	r->ended = f->ended;
	r->last_packet = f->last_packet;
	r->tx_packets = f->tx.packets;
	r->tx_bytes = f->tx.bytes;
	r->rx_packets = f->rx.packets;
	r->rx_bytes = f->rx.bytes;
	for (number n = f->step; n != 0; n = t->steps[n].next)
		r->paths[r->path_count++] = t->steps[n].path;
}

static bool
report_suppressed(struct flow_table *t, struct flow_report *r)
{
	struct share *share;

	if (t->quiet_due == 0)
		return false;
	share = &t->shares[t->quiet[t->quiet_first]];
	t->quiet_first = (t->quiet_first + 1) % FLOW_SHARES;
	t->quiet_count--;
	t->quiet_due--;
	*r = (struct flow_report){
		.suppressed = share->suppressed,
		.client = share->client,
		.tx_bytes = share->tx_bytes,
		.rx_bytes = share->rx_bytes,
	};
	share->suppressed = share->tx_bytes = share->rx_bytes = 0;
	return true;
}

bool
flow_report(struct flow_table *t, struct flow_report *r)
{
	uint16_t report;
	number n;

	if (t->report_count == 0)
		return report_suppressed(t, r);
	report = t->reports[t->report_first];
	n = report >> 1;
	t->report_first = (t->report_first + 1) % REPORTS_MAX;
	t->report_count--;
	memset(r, 0, sizeof(*r));
	describe_opening(t, n, r);
	if (report & 1) {
		describe_closing(t, &t->flows[n], r);
		give_flow_back(t, n);
	}
	return true;
}

uint64_t
flow_untracked(const struct flow_table *t)
{
	return t->untracked;
}

/* What an operator sees. */

uint32_t
flow_count(const struct flow_table *t)
{
	return t->open;
}

static void
describe_open_flow(const struct flow_table *t, number n, struct flow_view *v)
{
	const struct flow *f = &t->flows[n];

	*v = (struct flow_view){
		.client = f->client,
		.resource = f->key.resource,
		.protocol = f->key.protocol,
		.source = { ip_from_bytes(f->key.family, f->key.source),
		    f->key.source_port },
		.destination = { ip_from_bytes(
				     f->key.family, f->key.destination),
		    f->key.destination_port },
		.started = f->started,
		.last_packet = f->last_packet,
		.tx_packets = f->tx.packets,
		.tx_bytes = f->tx.bytes,
		.rx_packets = f->rx.packets,
		.rx_bytes = f->rx.bytes,
	};
	if (f->has_domain)
		memcpy(v->domain, t->domains[n], DOMAIN_SIZE);
}

size_t
flow_list(const struct flow_table *t, uint32_t *from, const uint32_t *peer,
    struct flow_view *to, size_t max)
{
	uint32_t n = *from == 0 ? 1 : *from;
	size_t count = 0;

	for (unsigned looks = 0;
	     looks < FLOW_LOOKS && count < max && n <= t->free_flows.used;
	     looks++, n++) {
		const struct flow *f = &t->flows[n];

		if (f->live && (peer == NULL || f->key.peer == *peer))
			describe_open_flow(t, (number)n, &to[count++]);
	}
	*from = n <= t->free_flows.used ? n : 0;
	return count;
}
