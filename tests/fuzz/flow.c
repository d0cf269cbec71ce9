/*
 * Flows: packets of a few flows and any others in both directions, with time
 * going by. What was reported is added up by key and compared with what went
 * in; half of the inputs take every report at once, and so know before each
 * packet whether it has a flow.
 */
#include "net-worker/core/flow.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define KEYS_MAX 4096 /* an input is no longer */
#define FIN_RST  0x05
#define SYN      0x02
#define ACK      0x10

struct sums {
	uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
};

struct known {
	uint8_t peer, resource, protocol;
	struct endpoint source, destination;
	bool live; /* the last report was an opening */
	struct sums in, reported;
	struct mono started; /* of the last opening */
};

struct rig {
	struct flow_table *t;
	struct mono now;
	bool eager;
	size_t count; /* of known */
};

static struct known known[KEYS_MAX];

static struct endpoint clients[3], remotes[3], outer[3];

void
fuzz_init(void)
{
	clients[0] = endpoint_of("100.64.0.2:1000");
	clients[1] = endpoint_of("100.64.0.2:1001");
	clients[2] = endpoint_of("[fd00:2021:1111::2]:1000");
	remotes[0] = endpoint_of("10.20.0.9:443");
	remotes[1] = endpoint_of("10.20.0.9:53");
	remotes[2] = endpoint_of("[2001:db8::9]:443");
	outer[0] = endpoint_of("198.51.100.1:1000");
	outer[1] = endpoint_of("198.51.100.2:3478");
	outer[2] = endpoint_of("[2001:db8:1::1]:1000");
}

static struct known *
know(struct rig *r, uint8_t peer, uint8_t resource, uint8_t protocol,
    const struct endpoint *source, const struct endpoint *destination)
{
	struct known *k;

	for (size_t i = 0; i < r->count; i++) {
		k = &known[i];
		if (k->peer == peer && k->resource == resource &&
		    k->protocol == protocol &&
		    endpoint_equal(&k->source, source) &&
		    endpoint_equal(&k->destination, destination))
			return k;
	}
	must(r->count < KEYS_MAX);
	k = &known[r->count++];
	*k = (struct known){
		.peer = peer,
		.resource = resource,
		.protocol = protocol,
		.source = *source,
		.destination = *destination,
	};
	return k;
}

static void
add_closing(struct rig *r, struct known *k, const struct flow_report *report)
{
	must(k->live && k->started.ns == report->started.ns);
	must(report->tx_packets > 0);
	must(!mono_before(report->last_packet, report->started));
	must(!mono_before(report->ended, report->last_packet));
	must(!mono_before(r->now, report->ended));
	k->live = false;
	k->reported.tx_packets += report->tx_packets;
	k->reported.tx_bytes += report->tx_bytes;
	k->reported.rx_packets += report->rx_packets;
	k->reported.rx_bytes += report->rx_bytes;
}

static void
check_paths(const struct flow_report *report)
{
	must(report->path_count >= 1);
	must(report->path_count <= FLOW_PATHS_MAX);
	must(report->paths[0].at.ns == report->started.ns);
	for (size_t i = 1; i < report->path_count; i++) {
		const struct flow_outer *p = &report->paths[i];

		must(!mono_before(p->at, p[-1].at));
		must(!endpoint_equal(&p->from, &p[-1].from) ||
		    !endpoint_equal(&p->local, &p[-1].local));
	}
}

static bool
take(struct rig *r)
{
	struct flow_report report;
	struct known *k;

	if (!flow_report(r->t, &report))
		return false;
	k = know(r, report.client.bytes[0], report.resource.bytes[0],
	    report.protocol, &report.source, &report.destination);
	check_paths(&report);
	must(report.domain[0] == "\0abc"[report.authorization.bytes[0] - 1]);
	if (report.closed) {
		add_closing(r, k, &report);
	} else {
		must(!k->live && report.path_count == 1);
		k->live = true;
		k->started = report.started;
	}
	return true;
}

static void
drain(struct rig *r)
{
	while (take(r))
		continue;
}

static bool
opens(const struct packet *p, uint8_t flags, size_t payload)
{
	return p->kind == PACKET_UDP ||
	    ((flags & FIN_RST) == 0 &&
		((flags & (SYN | ACK)) != ACK || payload > 0));
}

static void
hand_in(struct rig *r, struct cursor *in, const struct packet *p, bool outbound)
{
	static const char *const domains[] = { NULL, "a", "b.example", "c" };
	uint8_t who = cursor_u8(in), n = cursor_u8(in) % 4;
	struct flow_context context = {
		.peer = who & 1,
		.client = { { who & 1 } },
		.resource = { { who >> 1 & 1 } },
		.authorization = { { (uint8_t)(n + 1) } },
		.domain = domains[n],
	};
	struct flow_tuple tuple = { { p->source, p->source_port },
		{ p->destination, p->destination_port } };
	struct endpoint from = pick_endpoint(in, outer, 3);
	struct endpoint local = pick_endpoint(in, outer, 1);
	const uint8_t *h = p->data + p->transport;
	bool tcp = p->kind == PACKET_TCP;
	size_t header = tcp ? (h[12] >> 4) * 4u : 8;
	size_t payload = p->length - p->transport - header;
	struct known *k;

	if (tcp || p->kind == PACKET_UDP) {
		k = know(r, who & 1, who >> 1 & 1, p->protocol, &tuple.client,
		    &tuple.remote);
		if (outbound &&
		    (k->live || !r->eager ||
			opens(p, tcp ? h[13] : 0, payload))) {
			k->in.tx_packets++;
			k->in.tx_bytes += payload;
		} else if (!outbound && (k->live || !r->eager)) {
			k->in.rx_packets++;
			k->in.rx_bytes += payload;
		}
	}
	if (outbound)
		flow_outbound(r->t, r->now, &context, p, &from, &local);
	else
		flow_inbound(
		    r->t, r->now, context.peer, &context.resource, &tuple, p);
}

static void
send_known(struct rig *r, struct cursor *in)
{
	uint8_t data[60] = { 0 };
	bool tcp = pick_bool(in);
	size_t header = tcp ? 20 + 4 * pick(in, 11) : 8;
	struct endpoint source = pick_endpoint(in, clients, 3);
	struct endpoint destination = pick_endpoint(in, remotes, 3);
	struct packet p = {
		.data = data,
		.kind = tcp ? PACKET_TCP : PACKET_UDP,
		.protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.source = source.ip,
		.destination = destination.ip,
		.source_port = source.port,
		.destination_port = destination.port,
	};

	/* A packet has one family. */
	if (source.ip.family != destination.ip.family)
		return;
	data[12] = (uint8_t)(header << 2);
	data[13] = cursor_u8(in);
	p.length = header + pick(in, 200);
	hand_in(r, in, &p, pick_bool(in));
}

static void
send_any(struct rig *r, struct cursor *in)
{
	struct packet p;
	size_t len;
	uint8_t *block = pick_block(in, INNER_PACKET_MAX, &len);

	if (packet_parse(block, len, &p) == PACKET_OK)
		hand_in(r, in, &p, true);
	free(block);
}

static void
pass(struct rig *r, int64_t ms)
{
	r->now = mono_add_ms(r->now, ms);
	flow_timeout(r->t, r->now);
	/* Or its owner would never sleep. */
	must(!mono_due(flow_deadline(r->t), r->now));
}

static void
step(struct rig *r, struct cursor *in)
{
	switch (pick(in, 12)) {
	case 0:
		send_any(r, in);
		break;
	case 1:
		pass(r, cursor_be16(in));
		break;
	case 2:
		pass(r, (int64_t)pick(in, 130) * 1000);
		break;
	case 3:
		take(r);
		break;
	case 4:
		if (pick(in, 16) == 1)
			flow_close_all(r->t, r->now);
		break;
	default:
		send_known(r, in);
		break;
	}
	if (r->eager)
		drain(r);
}

/* TCP may ignore the tails of flows, and either what has none. */
static void
check_sums(const struct rig *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct known *k = &known[i];
		const struct sums *a = &k->in, *b = &k->reported;

		must(!k->live);
		if (r->eager)
			must(memcmp(a, b, sizeof(*a)) == 0);
		if (k->protocol == IPPROTO_UDP)
			must(a->tx_packets == b->tx_packets &&
			    a->tx_bytes == b->tx_bytes);
		must(a->tx_packets >= b->tx_packets);
		must(a->tx_bytes >= b->tx_bytes);
		must(a->rx_packets >= b->rx_packets);
		must(a->rx_bytes >= b->rx_bytes);
	}
}

void
fuzz_one(struct cursor *in)
{
	struct rig r = { .now = { 5000000000 } };

	r.t = flow_table_new();
	must(r.t != NULL);
	r.eager = pick_bool(in);
	while (more(in))
		step(&r, in);
	flow_close_all(r.t, r.now);
	must(mono_is_never(flow_deadline(r.t)));
	drain(&r);
	check_sums(&r);
	must(flow_untracked(r.t) == 0);
	flow_table_free(r.t);
}
