/*
 * A shard: see shard.h.
 *
 *	datagram -> session by receiver index -> decrypt in place -> policy ->
 *TUN TUN packet -> client by tunnel address -> policy -> encrypt -> datagram
 *
 * A client (its policy and addresses) outlives its connections; the tunnel of
 *one has up to eight sessions that can decrypt and one that encrypts.
 */
#include "net-worker/shard.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/buffer.h"
#include "net-worker/core/index_map.h"
#include "net-worker/core/policy/icmp.h"
#include "net-worker/core/turn/allocation.h"
#include "net-worker/core/wireguard/message.h"
#include "net-worker/core/wireguard/timers.h"
#include "net-worker/ring.h"

#define SESSIONS       8 /* per connection, by counter modulo 8 */
#define COMMANDS       1024
#define EVENTS         4096
#define REPORT_EVERY_S 5   /* of activity and channel use */
#define TICK_MS        100 /* timers may fire this much late */

/* Low bits of a tunnel address that tell clients apart (spec/policy.md 1.1). */
#define TUNNEL_BITS 0x1fffffu

#define PROTOCOL_CONTROL 255 /* peer-to-peer control, spec/policy.md 8 */
#define CONTROL_GOODBYE  2

struct peer {
	uint32_t number;
	struct ip_address v4, v6;
	struct policy *policy;
	struct tunnel *tunnel; /* what packets to it take, or NULL */
	uint64_t received_packets, received_bytes, sent_packets, sent_bytes;
	struct mono handshake; /* of the last session that was in use */
};

struct tunnel {
	TAILQ_ENTRY(tunnel) entry;
	uint32_t index;
	struct peer *peer;
	struct shard_path path;
	struct session *sessions[SESSIONS];
	struct session *current; /* sends; one of sessions, or NULL */
	struct tunnel_timers timers;
	struct mono session_end;    /* of the session that ends first */
	struct mono activity_again; /* earliest next reports */
	struct mono channel_again;
	uint16_t channel_reported;
};

struct shard {
	unsigned number;
	struct aead *aead;
	struct index_map tunnels;   /* by 24-bit index */
	struct index_map peers;     /* by the engine's number */
	struct index_map addresses; /* by family and low bits */
	TAILQ_HEAD(, tunnel) all;
	struct mono deadline; /* no later than the earliest timer */
	struct ring commands, events;
	struct shard_counters *counters; /* own, or in the counter page */
	struct shard_counters own;
	uint8_t scratch[INNER_PACKET_MAX]; /* an ICMP answer in the making */
};

struct shard *
shard_new(unsigned number, struct aead *aead)
{
	struct shard *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->number = number;
	s->aead = aead;
	s->counters = &s->own;
	s->deadline = MONO_NEVER;
	TAILQ_INIT(&s->all);
	if (!index_map_init(&s->tunnels, SHARD_CONNECTIONS_MAX) ||
	    !index_map_init(&s->peers, SHARD_PEERS_MAX) ||
	    !index_map_init(&s->addresses, 2 * SHARD_PEERS_MAX) ||
	    !ring_init(&s->commands, sizeof(struct shard_command), COMMANDS) ||
	    !ring_init(&s->events, sizeof(struct shard_event), EVENTS)) {
		shard_free(s);
		return NULL;
	}
	return s;
}

static void
session_free(struct session *session)
{
	if (session == NULL)
		return;
	session_wipe(session);
	free(session);
}

static void
tunnel_free(struct shard *s, struct tunnel *t)
{
	index_map_remove(&s->tunnels, t->index);
	TAILQ_REMOVE(&s->all, t, entry);
	if (t->peer->tunnel == t)
		t->peer->tunnel = NULL;
	for (size_t i = 0; i < SESSIONS; i++)
		session_free(t->sessions[i]);
	free(t);
}

static uint32_t
address_key(const struct ip_address *ip)
{
	const uint8_t *last = ip->bytes + ip_size(ip) - 4;

	return (load_be32(last) & TUNNEL_BITS) |
	    (ip->family == IP_V6 ? TUNNEL_BITS + 1 : 0);
}

static void
post_event(struct shard *s, const struct shard_event *e)
{
	if (!ring_push(&s->events, e))
		s->counters->events_lost++;
}

/* Returns a policy to the engine, or frees it where the engine is too slow. */
static void
retire_policy(struct shard *s, struct policy *policy)
{
	struct shard_event e = {
		.type = SHARD_EVENT_POLICY_OLD,
		.policy = policy,
	};

	if (policy != NULL && !ring_push(&s->events, &e))
		policy_free(policy);
}

static void
peer_free(struct shard *s, struct peer *p)
{
	struct tunnel *t, *next;

	TAILQ_FOREACH_SAFE(t, &s->all, entry, next)
		if (t->peer == p)
			tunnel_free(s, t);
	/* A later client may have been given the address meanwhile. */
	if (index_map_get(&s->addresses, address_key(&p->v4)) == p)
		index_map_remove(&s->addresses, address_key(&p->v4));
	if (index_map_get(&s->addresses, address_key(&p->v6)) == p)
		index_map_remove(&s->addresses, address_key(&p->v6));
	index_map_remove(&s->peers, p->number);
	retire_policy(s, p->policy);
	free(p);
}

void
shard_free(struct shard *s)
{
	struct shard_command command;
	struct shard_event event;
	uint32_t i;

	if (s == NULL)
		return;
	while (
	    s->commands.entries != NULL && ring_pop(&s->commands, &command)) {
		if (command.type == SHARD_PEER_ADD)
			policy_free(command.client.policy);
		else if (command.type == SHARD_POLICY)
			policy_free(command.policy);
		sodium_memzero(&command, sizeof(command));
	}
	for (i = 0; s->peers.slots != NULL && i <= s->peers.mask;)
		if (s->peers.slots[i].value != NULL)
			peer_free(s, s->peers.slots[i].value);
		else
			i++;
	while (s->events.entries != NULL && ring_pop(&s->events, &event))
		policy_free(event.policy);
	index_map_free(&s->tunnels);
	index_map_free(&s->peers);
	index_map_free(&s->addresses);
	ring_free(&s->commands);
	ring_free(&s->events);
	free(s);
}

bool
shard_post(struct shard *s, const struct shard_command *command)
{
	return ring_push(&s->commands, command);
}

bool
shard_event(struct shard *s, struct shard_event *event)
{
	return ring_pop(&s->events, event);
}

const struct shard_counters *
shard_get_counters(const struct shard *s)
{
	return s->counters;
}

void
shard_count_in(struct shard *s, struct shard_counters *counters)
{
	s->counters = counters;
}

bool
shard_peer_stats(
    const struct shard *s, uint32_t number, struct shard_peer_stats *to)
{
	const struct peer *p = index_map_get(&s->peers, number);

	if (p == NULL)
		return false;
	*to = (struct shard_peer_stats){
		.received_packets = p->received_packets,
		.received_bytes = p->received_bytes,
		.sent_packets = p->sent_packets,
		.sent_bytes = p->sent_bytes,
		.handshake = p->handshake,
		.has_connection = p->tunnel != NULL,
		.connection = p->tunnel == NULL ? 0 : p->tunnel->index,
	};
	return true;
}

struct mono
shard_deadline(const struct shard *s)
{
	return s->deadline;
}

/* Keeps shard.deadline no later than this connection's timers. */
static void
arm(struct shard *s, const struct tunnel *t)
{
	struct mono first =
	    mono_min(tunnel_deadline(&t->timers), t->session_end);

	s->deadline = mono_min(s->deadline, mono_add_ms(first, TICK_MS));
}

/*
 * Encrypts len bytes as data of the connection; false when it cannot be sent.
 * len 0 is a keepalive.
 */
static bool
transmit(struct shard *s, struct mono now, struct tunnel *t,
    const uint8_t *inner, size_t len, uint8_t ecn,
    const struct packet_sink *out)
{
	size_t header = t->path.channel != 0 ? CHANNEL_DATA_OVERHEAD : 0;
	size_t sealed = len + WIREGUARD_OVERHEAD;
	uint8_t *to;

	if (!t->path.known || t->current == NULL ||
	    !session_may_send(t->current, now)) {
		s->counters->not_connected++;
		return false;
	}
	to = out->udp(
	    out->ctx, &t->path.to, &t->path.from, ecn, header + sealed);
	if (to == NULL)
		return false;
	if (header != 0) {
		store_be16(to, t->path.channel);
		store_be16(to + 2, (uint16_t)sealed);
	}
	session_seal(t->current, s->aead, inner, len, to + header);
	if (len == 0)
		tunnel_any_sent(&t->timers);
	else
		tunnel_data_sent(&t->timers, now);
	arm(s, t);
	return true;
}

/* Commands of the engine. */

static void
peer_add(struct shard *s, const struct shard_command *command)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		policy_free(command->client.policy);
		return;
	}
	p->number = command->peer;
	p->v4 = command->client.v4;
	p->v6 = command->client.v6;
	p->policy = command->client.policy;
	p->handshake = MONO_NEVER;
	if (!index_map_put(&s->peers, p->number, p) ||
	    !index_map_put(&s->addresses, address_key(&p->v4), p) ||
	    !index_map_put(&s->addresses, address_key(&p->v6), p))
		peer_free(s, p);
}

static void
tunnel_add(struct shard *s, const struct shard_command *command)
{
	struct peer *p = index_map_get(&s->peers, command->peer);
	struct tunnel *t;

	if (p == NULL || (t = calloc(1, sizeof(*t))) == NULL)
		return;
	t->index = command->connection;
	t->peer = p;
	t->session_end = MONO_NEVER;
	tunnel_timers_init(&t->timers);
	TAILQ_INSERT_TAIL(&s->all, t, entry);
	if (!index_map_put(&s->tunnels, t->index, t)) {
		tunnel_free(s, t);
		return;
	}
	p->tunnel = t;
}

static void
make_current(struct tunnel *t, struct session *session)
{
	t->current = session;
	t->peer->handshake = session->established;
	tunnel_session_started(
	    &t->timers, session->established, session->initiator);
}

/*
 * A responder keeps sending on the previous session until the first data on
 * the new one; an initiator switches at once (spec/tunnel.md 2.4).
 */
static void
session_add(struct shard *s, struct mono now, struct tunnel *t,
    const struct noise_keys *keys)
{
	size_t slot = keys->local_index % SESSIONS;
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return;
	session_init(session, keys, now);
	if (t->current == t->sessions[slot])
		t->current = NULL;
	session_free(t->sessions[slot]);
	t->sessions[slot] = session;
	t->session_end = mono_min(t->session_end, session_end(session));
	tunnel_any_sent(&t->timers);
	tunnel_any_received(&t->timers);
	if (session->initiator)
		make_current(t, session);
	arm(s, t);
}

static void
tunnel_command(struct shard *s, struct mono now,
    const struct shard_command *command, const struct packet_sink *out)
{
	struct tunnel *t = index_map_get(&s->tunnels, command->connection);

	if (t == NULL)
		return;
	switch (command->type) {
	case SHARD_CONNECTION_REMOVE:
		tunnel_free(s, t);
		break;
	case SHARD_SESSION:
		session_add(s, now, t, &command->keys);
		if (command->keys.initiator)
			transmit(s, now, t, NULL, 0, 0, out);
		break;
	case SHARD_PATH:
		t->path = command->path;
		break;
	case SHARD_SEND:
		transmit(s, now, t, command->inner.bytes, command->inner.length,
		    0, out);
		break;
	default:
		break;
	}
}

static void
peer_command(struct shard *s, const struct shard_command *command)
{
	struct peer *p = index_map_get(&s->peers, command->peer);

	if (command->type == SHARD_POLICY) {
		retire_policy(s, p == NULL ? command->policy : p->policy);
		if (p != NULL)
			p->policy = command->policy;
	} else if (p != NULL) {
		peer_free(s, p);
	}
}

void
shard_run_commands(
    struct shard *s, struct mono now, const struct packet_sink *out)
{
	struct shard_command command;

	while (ring_pop(&s->commands, &command)) {
		switch (command.type) {
		case SHARD_PEER_ADD:
			peer_add(s, &command);
			break;
		case SHARD_PEER_REMOVE:
		case SHARD_POLICY:
			peer_command(s, &command);
			break;
		case SHARD_CONNECTION_ADD:
			tunnel_add(s, &command);
			break;
		default:
			tunnel_command(s, now, &command, out);
			break;
		}
		sodium_memzero(&command, sizeof(command));
	}
}

/* Client to resource. */

static void
report_activity(struct shard *s, struct mono now, struct tunnel *t)
{
	struct shard_event e = {
		.type = SHARD_EVENT_ACTIVITY,
		.connection = t->index,
	};

	if (!mono_due(t->activity_again, now))
		return;
	t->activity_again = mono_add_s(now, REPORT_EVERY_S);
	post_event(s, &e);
}

static void
report_channel(struct shard *s, struct mono now, struct tunnel *t,
    const struct endpoint *relay, uint16_t channel)
{
	struct shard_event e = {
		.type = SHARD_EVENT_CHANNEL_USED,
		.connection = t->index,
		.relay = *relay,
		.channel = channel,
	};

	if (channel == t->channel_reported && !mono_due(t->channel_again, now))
		return;
	t->channel_reported = channel;
	t->channel_again = mono_add_s(now, REPORT_EVERY_S);
	post_event(s, &e);
}

/*
 * Authenticated data on a session later than the one we send on: the client
 * has it too, so send on it from now on.
 */
static void
confirm(struct shard *s, struct tunnel *t, struct session *session)
{
	struct shard_event e = {
		.type = SHARD_EVENT_CONFIRMED,
		.connection = t->index,
	};

	if (session == t->current ||
	    (t->current != NULL &&
		!mono_before(t->current->established, session->established)))
		return;
	make_current(t, session);
	post_event(s, &e);
}

/* Peer-to-peer control: source and destination "::", protocol 255. */
static bool
is_control(const struct packet *p)
{
	return p->protocol == PROTOCOL_CONTROL && p->source.family == IP_V6 &&
	    ip_is_unspecified(&p->source) && ip_is_unspecified(&p->destination);
}

static void
control(struct shard *s, struct tunnel *t, const struct packet *p)
{
	struct shard_event e = {
		.type = SHARD_EVENT_GOODBYE,
		.connection = t->index,
	};

	if (p->length - p->transport >= 8 &&
	    p->data[p->transport] == CONTROL_GOODBYE)
		post_event(s, &e);
}

static void
answer(struct shard *s, struct mono now, struct tunnel *t,
    enum icmp_reply reply, const struct packet *offending,
    const struct packet_sink *out)
{
	size_t len = icmp_build(reply, offending, s->scratch);

	if (transmit(s, now, t, s->scratch, len, 0, out))
		s->counters->icmp_sent++;
}

static void
outbound(struct shard *s, struct mono now, struct tunnel *t, uint8_t outer_ecn,
    uint8_t *data, size_t len, const struct packet_sink *out)
{
	struct policy_decision d;
	struct packet p;

	if (packet_parse(data, len, &p) != PACKET_OK) {
		s->counters->malformed_outbound++;
		return;
	}
	if (is_control(&p)) {
		control(s, t, &p);
		return;
	}
	report_activity(s, now, t);
	d = policy_outbound(t->peer->policy, &p);
	if (d.verdict != VERDICT_PASS)
		s->counters->refused_outbound[d.reason]++;
	switch (d.verdict) {
	case VERDICT_PASS:
		if (outer_ecn == 3)
			packet_mark_ce(&p);
		s->counters->udp_packets++;
		s->counters->udp_bytes += len;
		t->peer->received_packets++;
		t->peer->received_bytes += len;
		out->tun(out->ctx, data, len);
		break;
	case VERDICT_PROHIBITED:
		answer(s, now, t, ICMP_PROHIBITED, &p, out);
		break;
	case VERDICT_UNREACHABLE:
		answer(s, now, t, ICMP_UNREACHABLE, &p, out);
		break;
	case VERDICT_DROP:
		break;
	}
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
	uint8_t *plain;
	int n;

	if (session == NULL || session->local_index != receiver) {
		s->counters->unknown_index++;
		return;
	}
	if (session_expired(session, now)) {
		s->counters->expired_session++;
		return;
	}
	if ((n = session_open(session, s->aead, message, len, &plain)) == -1) {
		s->counters->forged++;
		return;
	}
	confirm(s, t, session);
	if (channel != 0)
		report_channel(s, now, t, &a->from, channel);
	n = session_inner_length(plain, (size_t)n);
	if (n <= 0) {
		s->counters->malformed_outbound += n < 0;
		tunnel_any_received(&t->timers);
	} else {
		tunnel_data_received(&t->timers, now);
		outbound(s, now, t, a->ecn, plain, (size_t)n, out);
	}
	arm(s, t);
}

bool
shard_datagram(struct shard *s, struct mono now, const struct arrival *a,
    uint8_t *data, size_t len, const struct packet_sink *out)
{
	uint16_t channel = 0;

	/* ChannelData: first byte 64 to 79, and exactly its own length. */
	if (a->from.port == TURN_PORT && len > CHANNEL_DATA_OVERHEAD &&
	    data[0] >= 64 && data[0] <= 79) {
		channel = load_be16(data);
		if (load_be16(data + 2) != len - CHANNEL_DATA_OVERHEAD)
			return false;
		data += CHANNEL_DATA_OVERHEAD;
		len -= CHANNEL_DATA_OVERHEAD;
	}
	if (message_classify(data, len) != MESSAGE_DATA)
		return false;
	data_message(s, now, a, channel, data, len, out);
	return true;
}

/* Resource to client. */

void
shard_packet(struct shard *s, struct mono now, uint8_t *data, size_t len,
    const struct packet_sink *out)
{
	struct policy_decision d;
	struct packet p;
	struct peer *peer;

	if (packet_parse(data, len, &p) != PACKET_OK) {
		s->counters->malformed_inbound++;
		return;
	}
	if (!ip_in_tunnel_range(&p.destination) ||
	    (peer = index_map_get(
		 &s->addresses, address_key(&p.destination))) == NULL ||
	    peer->tunnel == NULL) {
		s->counters->not_a_peer++;
		return;
	}
	d = policy_inbound(peer->policy, &p);
	if (d.verdict != VERDICT_PASS) {
		s->counters->refused_inbound[d.reason]++;
		return;
	}
	if (!transmit(s, now, peer->tunnel, data, len, packet_ecn(&p), out))
		return;
	s->counters->tun_packets++;
	s->counters->tun_bytes += len;
	peer->sent_packets++;
	peer->sent_bytes += len;
	report_activity(s, now, peer->tunnel);
}

/* Timers. */

static void
expire_sessions(struct tunnel *t, struct mono now)
{
	t->session_end = MONO_NEVER;
	for (size_t i = 0; i < SESSIONS; i++) {
		struct session *session = t->sessions[i];

		if (session == NULL)
			continue;
		if (!session_expired(session, now)) {
			t->session_end =
			    mono_min(t->session_end, session_end(session));
			continue;
		}
		if (t->current == session)
			t->current = NULL;
		session_free(session);
		t->sessions[i] = NULL;
	}
}

void
shard_timeout(struct shard *s, struct mono now, const struct packet_sink *out)
{
	struct tunnel *t;

	if (!mono_due(s->deadline, now))
		return;
	s->deadline = MONO_NEVER;
	TAILQ_FOREACH(t, &s->all, entry) {
		unsigned due = tunnel_timeout(&t->timers, now);

		expire_sessions(t, now);
		if (due & TUNNEL_KEEPALIVE)
			transmit(s, now, t, NULL, 0, 0, out);
		if (due & TUNNEL_HANDSHAKE)
			post_event(s,
			    &(struct shard_event){
				.type = SHARD_EVENT_HANDSHAKE,
				.connection = t->index });
		arm(s, t);
	}
}
