/*
 * Sessions in one array, found by two hashes and ended from five lists: see
 * nat.h.
 *
 * How much longer a session lives after its last packet depends on nothing but
 * the phase that it is in. All of one phase stand in a list in the order of
 * their last packets, which therefore is the order in which they end too, and
 * only the heads of the lists are ever looked at. To have expired is one more
 * phase, whose sessions are not found from inside any more.
 *
 * Ports and addresses are chosen by others, so that the hash is keyed. The key
 * goes over protocol and address; the port is added to the result, so that the
 * search for a free one walks from bucket to bucket and hashes once.
 */
#include "net-worker/core/inner/nat.h"

#include <assert.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/bucket.h"
#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"
#include "net-worker/core/inner/icmp.h"
#include "net-worker/core/inner/rewrite.h"
#include "net-worker/core/inner/translate.h"

/* The longest error of IPv4: RFC 1812, 4.3.2.3. */
#define ERROR_V4_MAX 576

#define BUCKETS 32768 /* a power of two, more than there are sessions */

/* Slot 0 is never used: as an index it is none. */
#define NONE  0
#define SLOTS (1 + NAT_SESSIONS_MAX + NAT_EXPIRED_MAX)

enum phase {
	PHASE_UNANSWERED,
	PHASE_TCP,
	PHASE_IDLING, /* UDP and echo */
	PHASE_CLOSING,
	PHASE_EXPIRED,
	PHASE_COUNT,
};

/* From the last packet on, or from the end of the session: 6.10. */
static const uint16_t lifetime_s[PHASE_COUNT] = {
	[PHASE_UNANSWERED] = 60,
	[PHASE_TCP] = 7440,
	[PHASE_IDLING] = 120,
	[PHASE_CLOSING] = 5,
	[PHASE_EXPIRED] = NAT_EXPIRED_S,
};

enum side {
	INSIDE,
	OUTSIDE,
};

/* Compared and hashed as bytes. */
struct tuple {
	struct ip_address ip;
	uint8_t protocol;
	uint16_t value; /* port or echo id */
};

#define TUPLE_HASHED offsetof(struct tuple, value)

static_assert(sizeof(struct tuple) == TUPLE_HASHED + sizeof(uint16_t),
    "a tuple has no padding");

struct session {
	struct tuple tuple[2];
	struct mono last; /* packet; of an expired one, its end */
	uint16_t chain[2];
	uint16_t before, after; /* in the list of its phase */
	uint16_t name;
	uint8_t phase;
	bool fin[2]; /* sent by that side */
	bool rst;    /* sent by either */
};

struct list {
	uint16_t head, tail;
};

struct nat {
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct mono due; /* nothing ends sooner */
	struct bucket searches;
	uint16_t used; /* slots that were ever handed out */
	uint16_t free; /* of these, the ones given back, by their chain */
	uint16_t live; /* sessions that have not expired */
	uint16_t expired;
	struct list lists[PHASE_COUNT];
	struct name_use *use; /* NULL: nobody wants to know */
	struct ip_address client_v4, client_v6;
	uint16_t identification; /* of what becomes IPv4 next */
	uint16_t buckets[2][BUCKETS];
	struct session sessions[SLOTS];
};

static_assert(SLOTS <= UINT16_MAX, "an index has sixteen bits");

static void
reset_nat(struct nat *n)
{
	n->due = MONO_NEVER;
	n->used = n->live = n->expired = 0;
	n->free = NONE;
	memset(n->lists, 0, sizeof(n->lists));
}

struct nat *
nat_new(void)
{
	struct nat *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	crypto_shorthash_keygen(n->key);
	randombytes_buf(&n->identification, sizeof(n->identification));
	reset_nat(n);
	return n;
}

void
nat_free(struct nat *n)
{
	if (n != NULL)
		name_use_release(n->use);
	free(n);
}

void
nat_count_in(struct nat *n, struct name_use *use)
{
	n->use = name_use_hold(use);
}

void
nat_set_client(
    struct nat *n, const struct ip_address *v4, const struct ip_address *v6)
{
	n->client_v4 = *v4;
	n->client_v6 = *v6;
}

void
nat_forget(struct nat *n)
{
	for (enum phase phase = 0; n->use != NULL && phase < PHASE_EXPIRED;
	     phase++) {
		uint16_t i = n->lists[phase].head;

		for (; i != NONE; i = n->sessions[i].after)
			name_use_count(n->use, n->sessions[i].name, -1);
	}
	reset_nat(n);
	memset(n->buckets, 0, sizeof(n->buckets));
}

/* What the ports of this protocol and address are added to. */
static uint32_t
hash_tuple(const struct nat *n, const struct tuple *t)
{
	uint8_t h[crypto_shorthash_BYTES];

	crypto_shorthash(h, (const uint8_t *)t, TUPLE_HASHED, n->key);
	return load_le32(h);
}

static uint16_t *
hash_bucket(struct nat *n, enum side side, uint32_t h, uint16_t value)
{
	return &n->buckets[side][(h + value) % BUCKETS];
}

static uint16_t
find_hashed(struct nat *n, enum side side, const struct tuple *t, uint32_t h)
{
	uint16_t i = *hash_bucket(n, side, h, t->value);

	while (i != NONE &&
	    memcmp(&n->sessions[i].tuple[side], t, sizeof(*t)) != 0)
		i = n->sessions[i].chain[side];
	return i;
}

static uint16_t
find_session(struct nat *n, enum side side, const struct tuple *t)
{
	return find_hashed(n, side, t, hash_tuple(n, t));
}

static void
hash_insert(struct nat *n, enum side side, uint16_t i)
{
	struct session *s = &n->sessions[i];
	const struct tuple *t = &s->tuple[side];
	uint16_t *link = hash_bucket(n, side, hash_tuple(n, t), t->value);

	s->chain[side] = *link;
	*link = i;
}

static void
hash_remove(struct nat *n, enum side side, uint16_t i)
{
	struct session *s = &n->sessions[i];
	const struct tuple *t = &s->tuple[side];
	uint16_t *link = hash_bucket(n, side, hash_tuple(n, t), t->value);

	while (*link != i)
		link = &n->sessions[*link].chain[side];
	*link = s->chain[side];
}

static void
session_list_append(struct nat *n, uint16_t i)
{
	struct session *s = &n->sessions[i];
	struct list *l = &n->lists[s->phase];

	s->before = l->tail;
	s->after = NONE;
	if (l->tail == NONE)
		l->head = i;
	else
		n->sessions[l->tail].after = i;
	l->tail = i;
}

static void
session_list_remove(struct nat *n, uint16_t i)
{
	const struct session *s = &n->sessions[i];
	struct list *l = &n->lists[s->phase];

	if (s->before == NONE)
		l->head = s->after;
	else
		n->sessions[s->before].after = s->after;
	if (s->after == NONE)
		l->tail = s->before;
	else
		n->sessions[s->after].before = s->before;
}

static struct mono
session_end(const struct session *s)
{
	return mono_add_s(s->last, lifetime_s[s->phase]);
}

/* Into the list of the phase, as the last: time does not run backwards. */
static void
enter_phase(struct nat *n, uint16_t i, enum phase phase, struct mono last)
{
	struct session *s = &n->sessions[i];

	s->phase = (uint8_t)phase;
	s->last = last;
	session_list_append(n, i);
	n->due = mono_min(n->due, session_end(s));
}

/* There is always one: a session is made or expires only where there is room */
static uint16_t
take_slot(struct nat *n)
{
	uint16_t i = n->free;

	if (i == NONE)
		return ++n->used;
	n->free = n->sessions[i].chain[OUTSIDE];
	return i;
}

static void
drop_expired(struct nat *n, uint16_t i)
{
	session_list_remove(n, i);
	hash_remove(n, OUTSIDE, i);
	n->sessions[i].chain[OUTSIDE] = n->free;
	n->free = i;
	n->expired--;
}

static void
expire_session(struct nat *n, uint16_t i, struct mono end)
{
	const struct session *s = &n->sessions[i];

	if (n->use != NULL) {
		name_use_note(n->use, s->name, s->last);
		name_use_count(n->use, s->name, -1);
	}
	session_list_remove(n, i);
	hash_remove(n, INSIDE, i);
	n->live--;
	if (n->expired == NAT_EXPIRED_MAX)
		drop_expired(n, n->lists[PHASE_EXPIRED].head);
	n->expired++;
	enter_phase(n, i, PHASE_EXPIRED, end);
}

/* The one that ends next, or NONE. */
static uint16_t
next_to_end(const struct nat *n)
{
	uint16_t next = NONE;
	struct mono end = MONO_NEVER;

	for (enum phase phase = 0; phase < PHASE_COUNT; phase++) {
		uint16_t head = n->lists[phase].head;

		if (head == NONE ||
		    !mono_before(session_end(&n->sessions[head]), end))
			continue;
		next = head;
		end = session_end(&n->sessions[head]);
	}
	return next;
}

/*
 * In the order of their ends, whichever their phase, so that the list of the
 * expired ones has that order as well.
 */
void
nat_timeout(struct nat *n, struct mono now)
{
	uint16_t i;
	struct mono end;

	if (!mono_due(n->due, now))
		return;
	while ((i = next_to_end(n)) != NONE) {
		end = session_end(&n->sessions[i]);
		if (!mono_due(end, now))
			break;
		if (n->sessions[i].phase == PHASE_EXPIRED)
			drop_expired(n, i);
		else
			expire_session(n, i, end);
	}
	n->due = i == NONE ? MONO_NEVER : session_end(&n->sessions[i]);
}

/* Rounded up to a whole second, so that many ends are one wake-up. */
struct mono
nat_deadline(const struct nat *n)
{
	const int64_t second = 1000000000;
	int64_t past = n->due.ns % second;

	if (past == 0 || mono_is_never(n->due))
		return n->due;
	return mono_add_ns(n->due, second - past);
}

void
nat_retain(struct nat *n, struct mono now,
    bool (*wanted)(const void *ctx, const struct ip_address *proxy,
	const struct ip_address *real, bool moved),
    const void *ctx)
{
	nat_timeout(n, now);
	for (enum phase phase = 0; phase < PHASE_EXPIRED; phase++) {
		uint16_t i = n->lists[phase].head, next;

		for (; i != NONE; i = next) {
			const struct session *s = &n->sessions[i];

			next = s->after;
			if (!wanted(ctx, &s->tuple[INSIDE].ip,
				&s->tuple[OUTSIDE].ip,
				n->use != NULL &&
				    name_has_moved(n->use, s->name)))
				expire_session(n, i, now);
		}
	}
}

/* A value for the outside that no live session has; 6.6. */
static bool
choose_value(struct nat *n, struct mono now, struct tuple *t)
{
	uint32_t h = hash_tuple(n, t);

	for (unsigned probes = 0; probes < NAT_PROBES_MAX; probes++) {
		uint16_t i;

		if (probes == NAT_PROBES_AT_ONCE &&
		    !bucket_take(&n->searches, now, NAT_SEARCH_BURST,
			NAT_SEARCH_INTERVAL_MS))
			return false;
		if ((i = find_hashed(n, OUTSIDE, t, h)) == NONE)
			return true;
		if (n->sessions[i].phase == PHASE_EXPIRED) {
			drop_expired(n, i);
			return true;
		}
		t->value = t->value == UINT16_MAX ? 1 : t->value + 1u;
	}
	return false;
}

/* The first of the phase, if it has been idle for so long; else NONE. */
static uint16_t
idle_session(
    const struct nat *n, struct mono now, enum phase phase, int64_t seconds)
{
	uint16_t i = n->lists[phase].head;

	return i != NONE &&
		mono_due(mono_add_s(n->sessions[i].last, seconds), now)
	    ? i
	    : NONE;
}

/* The session that can best be spared, or NONE. */
static uint16_t
spare_session(const struct nat *n, struct mono now)
{
	uint16_t i, tcp;

	if ((i = idle_session(n, now, PHASE_CLOSING, 0)) != NONE ||
	    (i = idle_session(n, now, PHASE_UNANSWERED, NAT_UNANSWERED_S)) !=
		NONE)
		return i;
	i = idle_session(n, now, PHASE_IDLING, NAT_IDLE_S);
	tcp = idle_session(n, now, PHASE_TCP, NAT_IDLE_S);
	if (i == NONE ||
	    (tcp != NONE &&
		mono_before(n->sessions[tcp].last, n->sessions[i].last)))
		return tcp;
	return i;
}

static uint8_t
protocol_in(enum ip_family family, uint8_t protocol)
{
	if (protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6)
		return protocol;
	return family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

/* NONE when it cannot be. */
static uint16_t
session_new(struct nat *n, struct mono now, const struct tuple *inside,
    const struct ip_address *real, uint16_t name)
{
	struct tuple outside = { *real,
		protocol_in(real->family, inside->protocol), inside->value };
	bool full = n->live == NAT_SESSIONS_MAX;
	uint16_t i, spare = full ? spare_session(n, now) : NONE;

	if ((full && spare == NONE) || !choose_value(n, now, &outside))
		return NONE;
	if (full)
		expire_session(n, spare, now);
	i = take_slot(n);
	n->live++;
	n->sessions[i] =
	    (struct session){ .tuple = { *inside, outside }, .name = name };
	if (n->use != NULL)
		name_use_count(n->use, name, 1);
	hash_insert(n, INSIDE, i);
	hash_insert(n, OUTSIDE, i);
	enter_phase(n, i, PHASE_UNANSWERED, now);
	return i;
}

static enum phase
phase_after(const struct session *s, enum side sender)
{
	if (s->fin[INSIDE] && s->fin[OUTSIDE])
		return PHASE_CLOSING;
	if (sender == INSIDE && s->phase == PHASE_UNANSWERED)
		return PHASE_UNANSWERED;
	if (s->tuple[INSIDE].protocol == IPPROTO_TCP)
		return PHASE_TCP;
	return PHASE_IDLING;
}

/* A packet of the session, with these TCP flags, has been seen. */
static void
note_packet(
    struct nat *n, struct mono now, uint16_t i, enum side sender, uint8_t flags)
{
	struct session *s = &n->sessions[i];
	enum phase phase;

	if (flags & TCP_FIN)
		s->fin[sender] = true;
	if (flags & TCP_RST) {
		s->rst = true;
		expire_session(n, i, now);
		return;
	}
	phase = phase_after(s, sender);
	if (phase == s->phase && now.ns == s->last.ns)
		return; /* its place in the list is right */
	session_list_remove(n, i);
	enter_phase(n, i, phase, now);
}

static uint8_t
tcp_flags(const struct packet *p)
{
	return p->kind == PACKET_TCP ? p->data[p->transport + TCP_FLAGS] : 0;
}

bool
nat_has_session(const struct packet *p)
{
	return p->kind == PACKET_TCP || p->kind == PACKET_UDP ||
	    p->kind == PACKET_ICMP_ECHO;
}

static void
rewrite_source_value(struct packet *p, uint16_t value)
{
	if (p->kind == PACKET_ICMP_ECHO)
		rewrite_echo_id(p, value);
	else
		rewrite_source_port(p, value);
}

static const struct ip_address *
client_address(const struct nat *n, enum ip_family family)
{
	return family == IP_V4 ? &n->client_v4 : &n->client_v6;
}

/* Whether the packet changes its family on the way to that address. */
static bool
crosses(const struct packet *p, const struct ip_address *ip)
{
	return p->source.family != ip->family;
}

static enum nat_result
cross(struct nat *n, struct packet *p, const struct ip_address *source,
    const struct ip_address *destination)
{
	if (source->family != destination->family)
		return NAT_UNUSABLE; /* the client has none of that family */
	if (!translate_fits(p))
		return NAT_TOO_LONG;
	if (!translate_packet(p, source, destination, n->identification))
		return NAT_UNUSABLE;
	n->identification++;
	return NAT_TRANSLATED;
}

static enum nat_result
turn_outbound(struct nat *n, struct packet *p, const struct tuple *outside)
{
	enum nat_result result = NAT_TRANSLATED;

	if (crosses(p, &outside->ip))
		result = cross(
		    n, p, client_address(n, outside->ip.family), &outside->ip);
	else
		rewrite_destination(p, &outside->ip);
	if (result == NAT_TRANSLATED)
		rewrite_source_value(p, outside->value);
	return result;
}

enum nat_result
nat_outbound(struct nat *n, struct mono now, struct packet *p,
    const struct ip_address *real, uint16_t name)
{
	struct tuple inside = { p->destination, p->protocol, p->source_port };
	uint16_t i;

	if (!nat_has_session(p))
		return NAT_UNUSABLE;
	nat_timeout(n, now);
	if (n->use != NULL)
		name_use_sent(n->use, name, now);
	if ((i = find_session(n, INSIDE, &inside)) != NONE)
		note_packet(n, now, i, INSIDE, tcp_flags(p));
	else if ((i = session_new(n, now, &inside, real, name)) == NONE)
		return NAT_EXHAUSTED;
	return turn_outbound(n, p, &n->sessions[i].tuple[OUTSIDE]);
}

void
nat_unresolved(struct nat *n, struct mono now, uint16_t name)
{
	if (n->use != NULL)
		name_use_sent(n->use, name, now);
}

/* The live session of the outside tuple, or why there is none. */
static enum nat_result
find_outside(struct nat *n, struct mono now, const struct tuple *t, uint16_t *i)
{
	const struct session *s;

	nat_timeout(n, now);
	if ((*i = find_session(n, OUTSIDE, t)) == NONE)
		return NAT_NONE;
	s = &n->sessions[*i];
	if (s->phase != PHASE_EXPIRED)
		return NAT_TRANSLATED;
	return s->rst || (s->fin[INSIDE] && s->fin[OUTSIDE]) ? NAT_CLOSED
							     : NAT_EXPIRED;
}

/* What an error keeps of the second half of its header: the MTU, if any. */
static uint32_t
rest_of_error(const struct packet *p)
{
	const uint8_t *h = p->data + p->transport;
	uint32_t rest = load_be32(h + 4);

	if (p->source.family == IP_V4)
		return h[0] == 3 && h[1] == 4 ? rest & UINT16_MAX : 0;
	return h[0] == 2 ? rest : 0;
}

static size_t
error_room(enum ip_family family)
{
	if (family == IP_V4)
		return ERROR_V4_MAX - IPV4_HEADER_LEN - ICMP_HEADER_LEN;
	return INNER_PACKET_MAX - IPV6_HEADER_LEN - ICMP_HEADER_LEN;
}

/*
 * Names the error in the family of inside, and makes what it quotes, in copy,
 * what the client has sent. False when there is no such error.
 */
static bool
turn_error(const struct nat *n, const struct packet *p, struct packet *quote,
    const struct tuple *inside, uint8_t *copy, struct icmp_error *e)
{
	const uint8_t *h = p->data + p->transport;
	size_t room = quote->length;

	if (crosses(p, &inside->ip)) {
		room = error_room(inside->ip.family);
		e->destination = *client_address(n, inside->ip.family);
		if (!translate_error(p, e) ||
		    !translate_quote(quote, &e->destination, &inside->ip, copy))
			return false;
	} else {
		e->type = h[0];
		e->code = h[1];
		e->rest = rest_of_error(p);
		quote->data = memcpy(copy, quote->data, quote->length);
		rewrite_destination(quote, &inside->ip);
	}
	rewrite_source_value(quote, inside->value);
	e->quote = quote->data;
	e->quote_len = quote->length < room ? quote->length : room;
	return true;
}

/*
 * firezone-policy(7), Rebuilt ICMP errors. It is what came back, but its
 * quote's flags are ours.
 */
static enum nat_result
inbound_error(struct nat *n, struct mono now, const struct packet *p,
    const struct ip_address *client, uint8_t *to, size_t *length)
{
	struct icmp_error e = { .destination = *client };
	uint8_t copy[INNER_PACKET_MAX];
	const struct tuple *inside;
	struct packet quote;
	struct tuple outside;
	enum nat_result result;
	uint16_t i;

	if (!packet_quote(p, &quote) || quote.source.family != p->source.family)
		return NAT_UNUSABLE;
	outside = (struct tuple){ quote.destination, quote.protocol,
		quote.source_port };
	if ((result = find_outside(n, now, &outside, &i)) != NAT_TRANSLATED)
		return result;
	note_packet(n, now, i, OUTSIDE, 0);

	inside = &n->sessions[i].tuple[INSIDE];
	if (!turn_error(n, p, &quote, inside, copy, &e))
		return NAT_UNUSABLE;
	e.source = inside->ip;
	*length = icmp_write(&e, to);
	return NAT_TRANSLATED;
}

/* What grows and has no room is taken to where there is some. */
static void
make_room_to_grow(struct packet *p, uint8_t *to)
{
	size_t growth = translate_growth(p);

	if (growth <= p->headroom + p->tailroom)
		return;
	p->data = memcpy(to + growth, p->data, p->length);
	p->headroom = growth;
	p->tailroom = 0;
}

static enum nat_result
turn_inbound(
    struct nat *n, struct packet *p, const struct tuple *inside, uint8_t *to)
{
	enum nat_result result = NAT_TRANSLATED;

	if (crosses(p, &inside->ip)) {
		if (translate_fits(p))
			make_room_to_grow(p, to);
		result = cross(
		    n, p, &inside->ip, client_address(n, inside->ip.family));
	} else {
		rewrite_source(p, &inside->ip);
	}
	if (result != NAT_TRANSLATED)
		return result;
	if (p->kind == PACKET_ICMP_ECHO)
		rewrite_echo_id(p, inside->value);
	else
		rewrite_destination_port(p, inside->value);
	return NAT_TRANSLATED;
}

enum nat_result
nat_inbound(struct nat *n, struct mono now, struct packet *p,
    const struct ip_address *client, uint8_t *to, size_t *length)
{
	struct tuple outside = { p->source, p->protocol, p->destination_port };
	enum nat_result result;
	uint16_t i;

	*length = p->length;
	if (p->kind == PACKET_ICMP_ERROR)
		return inbound_error(n, now, p, client, to, length);
	if (!nat_has_session(p))
		return NAT_UNUSABLE;
	if (p->kind == PACKET_ICMP_ECHO)
		outside.value = p->source_port;
	if ((result = find_outside(n, now, &outside, &i)) != NAT_TRANSLATED)
		return result;
	if (n->use != NULL)
		name_use_heard(n->use, n->sessions[i].name, now);
	note_packet(n, now, i, OUTSIDE, tcp_flags(p));
	result = turn_inbound(n, p, &n->sessions[i].tuple[INSIDE], to);
	*length = p->length;
	return result;
}
