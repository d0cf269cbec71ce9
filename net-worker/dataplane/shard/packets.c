/*
 * The packet path of a shard: see shard.h and state.h.
 *
 *	datagram -> session by receiver index -> decrypt in place -> gate -> TUN
 *	TUN packet -> client by tunnel address -> gate -> encrypt -> datagram
 */
#include <sodium.h>
#include <string.h>

#include "common/plan.h"
#include "net-worker/core/turn/allocation.h"
#include "net-worker/core/turn/channel_data.h"
#include "net-worker/core/wireguard/message.h"
#include "net-worker/dataplane/shard/state.h"

#define REPORT_EVERY_S 5 /* of activity and channel use */
/* Of the use of one channel after another, which a client may alternate. */
#define REPORT_OTHER_MS 250
/*
 * Of the paths by which data comes. It comes on the one that is in use, nearly
 * always: once in a while is enough to look.
 */
#define PATH_LOOK_MS    100
#define PATH_AGAIN_MS   1000
#define PATH_SILENCE_MS 2000
/*
 * Where a probe is enough to be sure. TCP tries again 1.4 s and 3 s after it
 * was heard last: by then another path is to be found.
 */
#define PATH_SILENCE_ICELESS_MS 1000

/* Control packets of one client: a bucket that refills at this pace. */
#define CONTROL_BURST       256
#define CONTROL_INTERVAL_MS 10
/* Probes of one client: of some ten pairs at once, and of more in time. */
#define PROBE_BURST       128
#define PROBE_INTERVAL_MS 5
/* Refusals that are told to whoever wants to know them, of a shard. */
#define REFUSAL_BURST       100
#define REFUSAL_INTERVAL_MS 50
/* Of one client: others' are told beside, whatever it sends. */
#define REFUSAL_SHARE 4

static bool
post_shard_event(struct shard *s, const struct shard_event *e)
{
	bool posted = ring_push(&s->events, e);

	s->counters->events_lost += !posted;
	return posted;
}

bool
shard_tell_engine(
    struct shard *s, const struct tunnel *t, enum shard_event_type type)
{
	return post_shard_event(
	    s, &(struct shard_event){ .type = type, .connection = t->index });
}

struct mono
shard_tunnel_due(const struct tunnel *t)
{
	struct mono first = tunnel_deadline(&t->timers);

	first = mono_min(first, t->session_end);
	return mono_add_ms(mono_min(first, t->path_unanswered), TICK_MS);
}

/* A timer that moved on is found out when its old time comes. */
void
shard_arm(struct shard *s, struct tunnel *t)
{
	struct mono due = shard_tunnel_due(t);

	if (mono_before(due, t->due.due))
		deadlines_set(&s->due, &t->due, due);
}

void
shard_tidy_by(struct shard *s, struct mono deadline)
{
	s->tidy_at = mono_min(s->tidy_at, deadline);
}

void
shard_path_heard(struct tunnel *t, struct mono now)
{
	t->path_unanswered = MONO_NEVER;
	t->path_other = mono_add_ms(now, PATH_SILENCE_MS);
	t->path_silent = false;
}

void
shard_make_current(struct tunnel *t, struct session *session)
{
	t->current = session;
	t->peer->handshake = session->established;
	tunnel_session_started(
	    &t->timers, session->established, session->initiator);
}

static bool
tunnel_may_send(
    const struct tunnel *t, const struct path *path, struct mono now)
{
	return path_is_usable(path) && t->current != NULL &&
	    session_may_send(t->current, now);
}

/* On any path; false when it cannot be sent. */
static bool
seal_datagram(struct shard *s, struct mono now, struct tunnel *t,
    const struct path *path, const uint8_t *inner, size_t len, uint8_t ecn,
    const struct packet_sink *out)
{
	size_t header = path->relayed ? CHANNEL_DATA_OVERHEAD : 0;
	size_t sealed = len + WIREGUARD_OVERHEAD;
	uint8_t *to;

	if (!tunnel_may_send(t, path, now))
		return false;
	to = out->udp(out->ctx, path_next_hop(path), path_source(path), ecn,
	    header + sealed);
	if (to == NULL)
		return false;
	if (header != 0)
		to = channel_data_begin(to, path->channel, sealed);
	session_seal(t->current, s->aead, inner, len, to);
	return true;
}

/* Something was sent on its path that has to be answered. */
static void
await_path(struct tunnel *t, struct mono now)
{
	tunnel_data_sent(&t->timers, now);
	if (mono_is_never(t->path_unanswered))
		t->path_unanswered = mono_add_ms(now,
		    t->iceless ? PATH_SILENCE_ICELESS_MS : PATH_SILENCE_MS);
}

bool
shard_transmit(struct shard *s, struct mono now, struct tunnel *t,
    const uint8_t *inner, size_t len, uint8_t ecn,
    const struct packet_sink *out)
{
	if (!seal_datagram(s, now, t, &t->path, inner, len, ecn, out))
		return false;
	if (len == 0)
		tunnel_any_sent(&t->timers);
	else
		await_path(t, now);
	shard_arm(s, t);
	return true;
}

/*
 * A request where we send has to be answered, as data has. One elsewhere is a
 * question that may well get no answer, and a reply is one.
 */
void
shard_send_probe(struct shard *s, struct mono now, struct tunnel *t,
    const struct path *path, const struct probe *probe,
    const struct packet_sink *out)
{
	uint8_t packet[PROBE_PACKET_LEN];

	/* A session that the peer has not confirmed yet sends nothing. */
	if (t->current == NULL)
		return;
	probe_packet_write(probe, packet);
	if (!seal_datagram(s, now, t, path, packet, sizeof(packet), 0, out))
		return;
	s->counters->probes_sent++;
	if (!probe->is_reply && path_has_ends_of(path, &t->path))
		await_path(t, now);
	else
		tunnel_any_sent(&t->timers);
	shard_arm(s, t);
}

/* Client to resource. */

static void
report_activity(struct shard *s, struct mono now, struct tunnel *t)
{
	if (!mono_due(t->activity_again, now))
		return;
	t->activity_again = mono_add_s(now, REPORT_EVERY_S);
	shard_tell_engine(s, t, SHARD_EVENT_ACTIVITY);
}

static void
report_channel(struct shard *s, struct mono now, struct tunnel *t,
    const struct endpoint *relay, uint16_t channel)
{
	if (!mono_due(channel == t->channel_reported ? t->channel_again
						     : t->channel_other,
		now))
		return;
	t->channel_reported = channel;
	t->channel_other = mono_add_ms(now, REPORT_OTHER_MS);
	t->channel_again = mono_add_s(now, REPORT_EVERY_S);
	post_shard_event(s,
	    &(struct shard_event){
		.type = SHARD_EVENT_CHANNEL_USED,
		.connection = t->index,
		.relay = *relay,
		.channel = channel,
	    });
}

static bool
came_by_path(const struct path *path, const struct arrival *a, uint16_t channel)
{
	if (path->relayed || channel != 0)
		return path->relayed && path->channel == channel &&
		    endpoint_equal(&path->relay, &a->from);
	return endpoint_equal(&path->remote, &a->from) &&
	    endpoint_equal(&path->local, &a->local);
}

/* The engine hears of the first on a path that was silent, and of others. */
static void
look_at_path(struct shard *s, struct mono now, struct tunnel *t,
    const struct arrival *a, uint16_t channel)
{
	struct shard_event e = {
		.type = SHARD_EVENT_HEARD,
		.connection = t->index,
		.local = a->local,
		.from = a->from,
		.channel = channel,
	};

	t->path_look = mono_add_ms(now, PATH_LOOK_MS);
	if (came_by_path(&t->path, a, channel)) {
		if (!t->path_silent || post_shard_event(s, &e))
			shard_path_heard(t, now);
	} else if (mono_due(t->path_other, now)) {
		t->path_other = mono_add_ms(now, PATH_AGAIN_MS);
		post_shard_event(s, &e);
	}
}

/*
 * Authenticated data on a session later than the one we send on: the client
 * has it too, so send on it from now on.
 */
static void
confirm_session(struct tunnel *t, struct session *session)
{
	if (session == t->current ||
	    (t->current != NULL &&
		!mono_before(t->current->established, session->established)))
		return;
	shard_make_current(t, session);
}

/* For control-worker, which can read it. Clients repeat what is lost. */
static void
pass_control_on(struct shard *s, struct mono now, struct tunnel *t,
    const struct control_packet *packet)
{
	struct shard_control c;

	if (!bucket_take(
		&t->peer->controls, now, CONTROL_BURST, CONTROL_INTERVAL_MS)) {
		s->counters->control_lost++;
		return;
	}
	c.connection = t->index;
	c.event = packet->event;
	c.length = (uint16_t)packet->length;
	memcpy(c.payload, packet->payload, packet->length);
	if (!ring_push(&s->controls, &c))
		s->counters->control_lost++;
}

static void
handle_control(struct shard *s, struct mono now, struct tunnel *t,
    const struct control_packet *packet)
{
	switch (packet->event) {
	case CONTROL_ASSIGNED_IPS:
		pass_control_on(s, now, t, packet);
		break;
	case CONTROL_GOODBYE:
		if (!t->leaving)
			t->leaving =
			    shard_tell_engine(s, t, SHARD_EVENT_GOODBYE);
		break;
	default:
		s->counters->control_unknown++;
		break;
	}
}

/*
 * A flow, if the grant says that its flows are logged: firezone-policy(7), FLOW
 * LOGS.
 */
static void
follow_outbound(struct shard *s, struct mono now, const struct arrival *a,
    const struct peer *peer, const struct policy_decision *d,
    const struct packet *p)
{
	struct flow_context context;

	if (d->flow_authorization == NULL)
		return;
	context = (struct flow_context){
		.peer = peer->number,
		.client = peer->client,
		.resource = d->resource,
		.authorization = *d->flow_authorization,
		.domain = d->domain,
	};
	flow_outbound(s->flows, now, &context, p, &a->from, &a->local);
	shard_tidy_by(s, flow_deadline(s->flows));
}

static void
follow_inbound(struct shard *s, struct mono now, const struct peer *peer,
    const struct policy_decision *d, const struct flow_tuple *tuple,
    const struct packet *p)
{
	flow_inbound(s->flows, now, peer->number, &d->resource, tuple, p);
	shard_tidy_by(s, flow_deadline(s->flows));
}

/* For the log, if the operator wants to know and it is not too often. */
static void
report_refusal(struct shard *s, struct mono now, struct peer *peer,
    bool is_outbound, const struct packet *p, const struct gate_result *r)
{
	struct shard_refusal refusal;

	if (!s->refusals_wanted || r->is_rest ||
	    !bucket_take(&peer->refusals, now, REFUSAL_BURST / REFUSAL_SHARE,
		REFUSAL_INTERVAL_MS * REFUSAL_SHARE) ||
	    !bucket_take(
		&s->refusal_bucket, now, REFUSAL_BURST, REFUSAL_INTERVAL_MS))
		return;
	refusal = (struct shard_refusal){
		.client = peer->client,
		.outbound = is_outbound,
		.protocol = p->protocol,
		.source = { p->source, p->source_port },
		.destination = { p->destination, p->destination_port },
		.reason = r->reason,
	};
	if (r->decision.refused_by != NULL)
		refusal.resource = *r->decision.refused_by;
	ring_push(&s->refusals, &refusal);
}

/* The packet may have been one that brings an end of a session forward. */
static void
mind_sessions(struct shard *s, const struct gate *g)
{
	if (g->nat != NULL)
		shard_tidy_by(s, nat_deadline(g->nat));
}

/*
 * Answered at once, on the path that it took; what it says about paths is for
 * the engine. Whoever sends more than paths need is answered and heard less:
 * the source of a datagram may be forged, and what goes back hit somebody else.
 */
static void
handle_probe(struct shard *s, struct mono now, const struct arrival *a,
    uint16_t channel, struct tunnel *t, const struct probe *probe,
    const struct packet_sink *out)
{
	const struct path back = {
		.local = a->local,
		.remote = a->from,
		.relayed = channel != 0,
		.relay = a->from,
		.channel = channel,
	};
	struct probe reply = *probe;
	struct shard_probe heard = {
		.connection = t->index,
		.arrival = *a,
		.channel = channel,
		.probe = *probe,
	};

	s->counters->probes_received++;
	if (!bucket_take(
		&t->peer->probes, now, PROBE_BURST, PROBE_INTERVAL_MS)) {
		s->counters->probes_lost++;
		return;
	}
	reply.is_reply = true;
	if (!probe->is_reply)
		shard_send_probe(s, now, t, &back, &reply, out);
	if (!ring_push(&s->probes, &heard))
		s->counters->probes_lost++;
}

/* A packet of the client's, which is not for us. */
static void
forward_outbound(struct shard *s, struct mono now, const struct arrival *a,
    struct tunnel *t, struct packet *p, const struct packet_sink *out)
{
	struct gate_result r =
	    gate_outbound(&t->peer->gate, now, p, s->scratch);
	struct meter *meter;

	mind_sessions(s, &t->peer->gate);
	if (r.verdict == GATE_PASS) {
		if (a->ecn == 3)
			packet_mark_ce(p);
		if (s->flows_wanted)
			follow_outbound(s, now, a, t->peer, &r.decision, p);
		s->counters->outbound_packets++;
		s->counters->outbound_bytes += r.length + r.rest_length;
		meter = &s->meters[r.decision.meter];
		meter->outbound_packets++;
		meter->outbound_bytes += r.length + r.rest_length;
		t->peer->received_packets++;
		t->peer->received_bytes += r.length + r.rest_length;
		out->tun(out->ctx, r.data, r.length);
		if (r.rest_length > 0)
			out->tun(out->ctx, r.rest, r.rest_length);
		return;
	}
	s->counters->refused_outbound[r.reason]++;
	s->counters->icmp_limited += r.answer_limited;
	report_refusal(s, now, t->peer, true, p, &r);
	if (r.verdict == GATE_ANSWER &&
	    shard_transmit(s, now, t, r.data, r.length, 0, out))
		s->counters->icmp_sent++;
}

static void
handle_outbound(struct shard *s, struct mono now, const struct arrival *a,
    struct tunnel *t, uint8_t *data, size_t len, const struct packet_sink *out)
{
	struct control_packet c;
	struct packet p;

	if (packet_parse(data, len, &p) != PACKET_OK) {
		s->counters->malformed_outbound++;
		return;
	}
	if (control_packet_read(&p, &c)) {
		handle_control(s, now, t, &c);
		return;
	}
	/* What was around the plaintext has done its duty. */
	p.headroom = MESSAGE_DATA_HEADER_LEN;
	p.tailroom = MESSAGE_DATA_MIN - MESSAGE_DATA_HEADER_LEN;
	report_activity(s, now, t);
	forward_outbound(s, now, a, t, &p, out);
}

/* What is beyond is counted, and no work is done for it. */
static bool
within_share(struct shard *s, struct peer *p, enum shard_source source)
{
	if (quotas_allow(&s->quotas[source], &p->quota[source]))
		return true;
	p->over_share++;
	if (source == SHARD_SOCKETS)
		s->counters->over_share_outbound++;
	else
		s->counters->over_share_inbound++;
	return false;
}

static void
charge_share(struct shard *s, struct peer *p, enum shard_source source)
{
	quotas_charge(&s->quotas[source], &p->quota[source], p->number);
}

static void
data_message(struct shard *s, struct mono now, const struct arrival *a,
    uint16_t channel, uint8_t *message, size_t len,
    const struct packet_sink *out)
{
	uint32_t receiver = message_receiver(MESSAGE_DATA, message);
	struct tunnel *t =
	    index_map_get(&s->tunnels, CONNECTION_INDEX(receiver));
	struct session *session =
	    t == NULL ? NULL : t->sessions[receiver % SESSIONS];
	struct probe probe;
	uint8_t *plain;
	int n;

	if (session == NULL || session->local_index != receiver) {
		s->counters->unknown_session++;
		return;
	}
	if (!within_share(s, t->peer, SHARD_SOCKETS))
		return;
	if (session_expired(session, now)) {
		s->counters->expired_session++;
		return;
	}
	if ((n = session_open(session, s->aead, message, len, &plain)) == -1) {
		s->counters->forged++;
		return;
	}
	charge_share(s, t->peer, SHARD_SOCKETS);
	confirm_session(t, session);
	if (t->unheard)
		t->unheard = !shard_tell_engine(s, t, SHARD_EVENT_DATA);
	if (channel != 0)
		report_channel(s, now, t, &a->from, channel);
	if (mono_due(t->path_look, now))
		look_at_path(s, now, t, a, channel);
	n = session_inner_length(plain, (size_t)n);
	if (n <= 0) {
		s->counters->malformed_outbound += n < 0;
		tunnel_any_received(&t->timers);
	} else {
		tunnel_data_received(&t->timers, now);
		if (n == PROBE_PACKET_LEN && t->iceless &&
		    probe_packet_read(plain, (size_t)n, &probe))
			handle_probe(s, now, a, channel, t, &probe, out);
		else
			handle_outbound(s, now, a, t, plain, (size_t)n, out);
	}
	shard_arm(s, t);
}

bool
shard_datagram(struct shard *s, struct mono now, const struct arrival *a,
    uint8_t *data, size_t len, const struct packet_sink *out)
{
	uint16_t channel = 0;
	size_t header = 0;

	if (a->from.port == TURN_PORT)
		header = channel_data_open(data, &len, &channel);
	data += header;
	if (message_classify(data, len) != MESSAGE_DATA ||
	    SESSION_SHARD(message_receiver(MESSAGE_DATA, data)) % s->of !=
		s->number)
		return false;
	data_message(s, now, a, channel, data, len, out);
	return true;
}

/* Resource to client. */

/* As the resource sees it: before NAT has turned it back. */
static struct flow_tuple
tuple_of(const struct packet *p)
{
	return (struct flow_tuple){
		.client = { p->destination, p->destination_port },
		.remote = { p->source, p->source_port },
	};
}

static struct peer *
peer_at(const struct shard *s, const struct ip_address *to)
{
	if (!ip_in_tunnel_range(to))
		return NULL;
	return index_map_get(&s->addresses, home_key(to));
}

/* For a client that is connected. */
static void
forward_inbound(struct shard *s, struct mono now, struct peer *peer,
    struct packet *p, const struct packet_sink *out)
{
	struct flow_tuple tuple =
	    s->flows_wanted ? tuple_of(p) : (struct flow_tuple){ 0 };
	struct gate_result r = gate_inbound(&peer->gate, now, p, s->scratch);
	struct meter *meter;
	uint8_t ecn;

	mind_sessions(s, &peer->gate);
	if (r.verdict != GATE_PASS) {
		s->counters->refused_inbound[r.reason]++;
		s->counters->icmp_limited += r.answer_limited;
		report_refusal(s, now, peer, false, p, &r);
		if (r.verdict == GATE_ANSWER)
			out->tun(out->ctx, r.data, r.length);
		return;
	}
	ecn = r.data == p->data ? packet_ecn(p) : 0;
	if (!shard_transmit(s, now, peer->tunnel, r.data, r.length, ecn, out)) {
		s->counters->not_connected +=
		    !tunnel_may_send(peer->tunnel, &peer->tunnel->path, now);
		return;
	}
	if (r.rest_length > 0)
		shard_transmit(
		    s, now, peer->tunnel, r.rest, r.rest_length, ecn, out);
	if (s->flows_wanted)
		follow_inbound(s, now, peer, &r.decision, &tuple, p);
	s->counters->inbound_packets++;
	s->counters->inbound_bytes += r.length + r.rest_length;
	meter = &s->meters[r.decision.meter];
	meter->inbound_packets++;
	meter->inbound_bytes += r.length + r.rest_length;
	peer->sent_packets++;
	peer->sent_bytes += r.length + r.rest_length;
	report_activity(s, now, peer->tunnel);
}

bool
shard_packet(struct shard *s, struct mono now, uint8_t *data, size_t len,
    const struct packet_sink *out)
{
	struct packet p;
	struct peer *peer;

	if (packet_parse(data, len, &p) != PACKET_OK) {
		s->counters->malformed_inbound++;
		return true;
	}
	peer = peer_at(s, &p.destination);
	if (peer == NULL || peer->tunnel == NULL)
		return false;
	if (within_share(s, peer, SHARD_DEVICE)) {
		charge_share(s, peer, SHARD_DEVICE);
		forward_inbound(s, now, peer, &p, out);
	}
	return true;
}
