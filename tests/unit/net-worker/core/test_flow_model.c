/*
 * net-worker/core/flow.c under random traffic against a model of it: the
 * sentences (firezone-policy(7), Flows and Flow life) over one array of all
 * flows that were ever opened, searched from end to end.
 */
#include "net-worker/core/flow.h"

#include "tests/lib/packets.h"

#define PACKETS 1000000
#define LIVE    512 /* more than there are keys */
#define PENDING 4096

#define FIN 1
#define SYN 2
#define RST 4
#define ACK 16

/* What is reported, and what it takes to know it. */
struct model_flow {
	struct flow_report report;
	uint32_t peer;
	bool non_syn, tx_fin, rx_fin;
	struct mono finished;
};

struct model {
	struct model_flow live[LIVE];
	size_t live_count;
	/* Of one batch: in any order. */
	struct flow_report pending[PENDING];
	uint64_t batches[PENDING];
	size_t first, count;
	uint64_t batch;
	struct mono ticked;
	struct {
		unsigned opened, tails, path_splits, syn_splits, tx_resets,
		    rx_resets, idle, finished, reported, strangers;
	} seen;
};

/* One packet, of either direction. */
struct event {
	struct flow_context context;
	struct flow_tuple tuple;
	struct endpoint from, local;
	uint8_t header[20];
	struct packet packet;
	size_t payload;
	uint8_t flags;
};

static struct model model;

static void
model_report(const struct flow_report *r)
{
	size_t at = (model.first + model.count++) % PENDING;

	assert_true(model.count <= PENDING);
	model.pending[at] = *r;
	model.batches[at] = model.batch;
}

static struct model_flow *
model_find(const struct event *e)
{
	for (size_t i = 0; i < model.live_count; i++) {
		struct model_flow *f = &model.live[i];

		if (f->peer == e->context.peer &&
		    uuid_equal(&f->report.resource, &e->context.resource) &&
		    f->report.protocol == e->packet.protocol &&
		    endpoint_equal(&f->report.source, &e->tuple.client) &&
		    endpoint_equal(&f->report.destination, &e->tuple.remote))
			return f;
	}
	return NULL;
}

static void
model_close(struct model_flow *f, struct mono ended)
{
	f->report.closed = true;
	f->report.ended = ended;
	model_report(&f->report);
	*f = model.live[--model.live_count];
}

static void
model_count(
    struct mono now, const struct event *e, struct model_flow *f, bool tx)
{
	bool was_finished = f->tx_fin && f->rx_fin;

	if (tx) {
		f->report.tx_packets++;
		f->report.tx_bytes += e->payload;
		f->tx_fin |= (e->flags & FIN) != 0;
		f->non_syn |= (e->flags & SYN) == 0;
	} else {
		f->report.rx_packets++;
		f->report.rx_bytes += e->payload;
		f->rx_fin |= (e->flags & FIN) != 0;
	}
	f->report.last_packet = now;
	if (f->tx_fin && f->rx_fin && !was_finished)
		f->finished = now;
	if (e->flags & RST) {
		model.seen.tx_resets += tx;
		model.seen.rx_resets += !tx;
		model_close(f, now);
	}
}

static void
model_open(struct mono now, const struct event *e)
{
	struct model_flow *f = &model.live[model.live_count++];
	struct flow_report opening;

	assert_true(model.live_count < LIVE);
	memset(f, 0, sizeof(*f));
	f->peer = e->context.peer;
	f->report.client = e->context.client;
	f->report.resource = e->context.resource;
	f->report.authorization = e->context.authorization;
	f->report.protocol = e->packet.protocol;
	f->report.source = e->tuple.client;
	f->report.destination = e->tuple.remote;
	if (e->context.domain != NULL)
		strlcpy(f->report.domain, e->context.domain,
		    sizeof(f->report.domain));
	f->report.started = now;
	f->report.path_count = 1;
	f->report.paths[0] = (struct flow_outer){ e->from, e->local, now };
	opening = f->report;
	model.batch++;
	model_report(&opening);
	model.batch++;
	model_count(now, e, f, true);
	model.seen.opened++;
}

static bool
model_new_path(const struct event *e, const struct model_flow *f)
{
	const struct flow_outer *last =
	    &f->report.paths[f->report.path_count - 1];

	return !endpoint_equal(&last->from, &e->from) ||
	    !endpoint_equal(&last->local, &e->local);
}

static void
model_outbound(struct mono now, const struct event *e)
{
	struct model_flow *f = model_find(e);
	bool tcp = e->packet.protocol == IPPROTO_TCP;

	model.batch++;
	if (f == NULL && tcp &&
	    (e->flags & (FIN | RST) ||
		((e->flags & (ACK | SYN)) == ACK && e->payload == 0))) {
		model.seen.tails++;
	} else if (f == NULL) {
		model_open(now, e);
	} else if (model_new_path(e, f) && f->report.path_count == 16) {
		model.seen.path_splits++;
		model_close(f, now);
		model_open(now, e);
	} else {
		if (model_new_path(e, f))
			f->report.paths[f->report.path_count++] =
			    (struct flow_outer){ e->from, e->local, now };
		if (e->flags & SYN && f->non_syn) {
			model.seen.syn_splits++;
			model_close(f, now);
			model_open(now, e);
		} else {
			model_count(now, e, f, true);
		}
	}
}

static void
model_inbound(struct mono now, const struct event *e)
{
	struct model_flow *f = model_find(e);

	model.batch++;
	if (f != NULL)
		model_count(now, e, f, false);
	else
		model.seen.strangers++;
}

static bool
model_idle(const struct model_flow *f, struct mono now)
{
	return now.ns - f->report.last_packet.ns > 120000000000;
}

/* A tick is due when a flow may close by it, and a second after the last. */
static struct mono
model_deadline(void)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < model.live_count; i++) {
		const struct model_flow *f = &model.live[i];
		int64_t at = f->report.last_packet.ns + 120000000001;

		if (f->tx_fin && f->rx_fin)
			at = f->finished.ns + 1000000000;
		if (at < due)
			due = at;
	}
	if (due < model.ticked.ns + 1000000000)
		due = model.ticked.ns + 1000000000;
	return (struct mono){ due };
}

static void
model_timeout(struct mono now)
{
	if (model_deadline().ns > now.ns)
		return;
	model.ticked = now;
	model.batch++;
	for (size_t i = model.live_count; i-- > 0;) {
		if (!model_idle(&model.live[i], now))
			continue;
		model.seen.idle++;
		model_close(&model.live[i], now);
	}
	for (size_t i = model.live_count; i-- > 0;) {
		struct model_flow *f = &model.live[i];

		if (!f->tx_fin || !f->rx_fin)
			continue;
		model.seen.finished++;
		model_close(f, f->report.last_packet);
	}
}

static void
model_close_all(struct mono now)
{
	model.batch++;
	while (model.live_count > 0)
		model_close(&model.live[0], now);
}

static bool
same_paths(const struct flow_report *a, const struct flow_report *b)
{
	if (a->path_count != b->path_count)
		return false;
	for (size_t i = 0; i < a->path_count; i++)
		if (!endpoint_equal(&a->paths[i].from, &b->paths[i].from) ||
		    !endpoint_equal(&a->paths[i].local, &b->paths[i].local) ||
		    a->paths[i].at.ns != b->paths[i].at.ns)
			return false;
	return true;
}

static bool
same_report(const struct flow_report *a, const struct flow_report *b)
{
	return a->closed == b->closed && uuid_equal(&a->client, &b->client) &&
	    uuid_equal(&a->resource, &b->resource) &&
	    uuid_equal(&a->authorization, &b->authorization) &&
	    a->protocol == b->protocol &&
	    endpoint_equal(&a->source, &b->source) &&
	    endpoint_equal(&a->destination, &b->destination) &&
	    strcmp(a->domain, b->domain) == 0 &&
	    a->started.ns == b->started.ns && a->ended.ns == b->ended.ns &&
	    a->last_packet.ns == b->last_packet.ns &&
	    a->tx_packets == b->tx_packets && a->tx_bytes == b->tx_bytes &&
	    a->rx_packets == b->rx_packets && a->rx_bytes == b->rx_bytes &&
	    same_paths(a, b);
}

/* Takes the model's report that is equal, out of the oldest batch. */
static void
match(const struct flow_report *r)
{
	size_t end = model.first + model.count;

	for (size_t i = model.first; i < end; i++) {
		size_t at = i % PENDING;

		if (model.batches[at] != model.batches[model.first])
			break;
		if (!same_report(r, &model.pending[at]))
			continue;
		model.pending[at] = model.pending[model.first];
		model.first = (model.first + 1) % PENDING;
		model.count--;
		model.seen.reported++;
		return;
	}
	fail_msg("no such report: closed %d, source port %u", r->closed,
	    r->source.port);
}

/* At most so many; false when there were not as many. */
static bool
take(struct flow_table *t, size_t count)
{
	struct flow_report r;

	for (; count > 0; count--) {
		if (!flow_report(t, &r))
			return false;
		match(&r);
	}
	return true;
}

static void
take_all(struct flow_table *t)
{
	assert_false(take(t, SIZE_MAX));
	assert_int_equal(model.count, 0);
}

/* Random traffic. */

static struct endpoint
any_endpoint(struct dice *d, uint8_t first, bool v6)
{
	struct endpoint e = { .port = (uint16_t)(first + (roll(d, 8) == 0)) };

	e.ip.family = v6 ? IP_V6 : IP_V4;
	e.ip.bytes[0] = first;
	e.ip.bytes[v6 ? 15 : 3] = roll(d, 8) == 0;
	return e;
}

static void
any_flags(struct dice *d, struct event *e)
{
	static const uint8_t rare[] = { SYN, SYN, SYN | ACK, FIN | ACK,
		FIN | ACK, FIN | ACK, FIN | ACK, RST };
	bool tcp = e->packet.protocol == IPPROTO_TCP;
	size_t header = tcp ? 20 : 8;

	if (tcp && roll(d, 200) == 0)
		e->flags = (uint8_t)roll(d, 256);
	else if (tcp)
		e->flags = roll(d, 10) == 0 ? rare[roll(d, 8)] : ACK;
	if (tcp && roll(d, 50) == 0)
		header += 4 * roll(d, 11);
	e->payload = roll(d, 3) == 0 ? 0 : roll(d, 1200);
	e->header[12] = (uint8_t)(header << 2);
	e->header[13] = e->flags;
	e->packet.length = header + e->payload;
}

static void
any_event(struct dice *d, struct event *e, uint32_t agility)
{
	static const char *const domains[] = { NULL, "", "a.example.com" };
	bool v6 = roll(d, 8) == 0;
	bool tcp = roll(d, 3) > 0;

	memset(e, 0, sizeof(*e));
	e->context.peer = roll(d, 8) == 0;
	e->context.client.bytes[0] = (uint8_t)(1 + e->context.peer);
	e->context.resource.bytes[roll(d, 8) == 0] = 9;
	e->context.authorization.bytes[5] = (uint8_t)(1 + roll(d, 3));
	e->context.domain = domains[roll(d, 3)];
	e->tuple.client = any_endpoint(d, 100, v6);
	e->tuple.remote = any_endpoint(d, 10, v6);
	e->from = (struct endpoint){ ip_v4(203, 0, 113, 1), 1 };
	e->from.ip.bytes[3] = roll(d, agility) == 0;
	e->local = (struct endpoint){ ip_v4(192, 0, 2, 1), 52625 };
	e->local.ip.bytes[3] = roll(d, agility) == 0;
	e->packet.data = e->header;
	e->packet.kind = tcp ? PACKET_TCP : PACKET_UDP;
	e->packet.protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	e->packet.source = e->tuple.client.ip;
	e->packet.destination = e->tuple.remote.ip;
	e->packet.source_port = e->tuple.client.port;
	e->packet.destination_port = e->tuple.remote.port;
	any_flags(d, e);
}

/* Microseconds mostly; now and then as long as a flow may be idle. */
static int64_t
any_pause(struct dice *d)
{
	uint32_t n = roll(d, 5000);

	if (n == 0)
		return (int64_t)roll(d, 200) * 1000000000;
	if (n <= 2)
		return 120000000000 + n - 1;
	if (n < 10)
		return (int64_t)roll(d, 1500) * 1000000;
	return (int64_t)roll(d, 3) * 1000;
}

static void
one_packet(
    struct dice *d, struct flow_table *t, struct mono now, uint32_t agility)
{
	struct event e;

	any_event(d, &e, agility);
	if (roll(d, 3) > 0) {
		flow_outbound(t, now, &e.context, &e.packet, &e.from, &e.local);
		model_outbound(now, &e);
	} else {
		flow_inbound(t, now, e.context.peer, &e.context.resource,
		    &e.tuple, &e.packet);
		model_inbound(now, &e);
	}
}

static void
agrees_with_the_model(void **state)
{
	struct flow_table *t = flow_table_new();
	struct mono now = { 3000000000 };
	struct dice d = dice_new();
	uint32_t agility = 2; /* of the path: it changes once in so many */

	(void)state;
	assert_non_null(t);
	for (unsigned i = 0; i < PACKETS; i++) {
		if (roll(&d, 10000) == 0)
			agility = roll(&d, 2) == 0 ? 2 : 100000;
		now.ns += any_pause(&d);
		if (roll(&d, 4) == 0) {
			flow_timeout(t, now);
			model_timeout(now);
		}
		one_packet(&d, t, now, agility);
		assert_true(flow_deadline(t).ns == model_deadline().ns);
		if (roll(&d, 200) == 0)
			take(t, 1 + roll(&d, 9));
		else if (roll(&d, 500) == 0)
			take_all(t);
	}
	flow_close_all(t, now);
	model_close_all(now);
	take_all(t);
	assert_int_equal(flow_untracked(t), 0);
	print_message("opened %u, tails %u, splits %u %u, resets %u %u, "
		      "idle %u, finished %u, strangers %u\n",
	    model.seen.opened, model.seen.tails, model.seen.path_splits,
	    model.seen.syn_splits, model.seen.tx_resets, model.seen.rx_resets,
	    model.seen.idle, model.seen.finished, model.seen.strangers);
	assert_int_equal(model.seen.reported, 2 * model.seen.opened);
	assert_true(model.seen.tails > 0 && model.seen.strangers > 0);
	assert_true(model.seen.path_splits > 0 && model.seen.syn_splits > 0);
	assert_true(model.seen.idle > 0 && model.seen.finished > 0);
	flow_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
