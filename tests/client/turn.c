/* Relays: see turn.h. */
#include "tests/client/turn.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "tests/client/client.h"

#define REALM         "firezone"
#define SOFTWARE      "snownet"
#define FIRST_CHANNEL 0x4000
#define UDP_TRANSPORT 0x11000000u
#define FAMILY_IPV6   0x02000000u

/* firezone-tunnel(7), Relay life cycle, Retransmission and Channel bindings. */
#define FIRST_GAP_MS       1000
#define GIVE_UP_MS         8000
#define KEEPALIVE_S        25
#define CHANNEL_LIFETIME_S 600
/* Earlier than the 300 s after which a standard server's permission ends. */
#define CHANNEL_REFRESH_S  240
#define DEFAULT_LIFETIME_S 600

static void transmit(struct client *, struct relay *, struct turn_request *);

static const char *
name_of(uint16_t type)
{
	switch (type) {
	case STUN_BINDING_REQUEST:
		return "Binding";
	case STUN_ALLOCATE_REQUEST:
		return "Allocate";
	case STUN_REFRESH_REQUEST:
		return "Refresh";
	default:
		return "ChannelBind";
	}
}

static bool
is_relay_of(const struct relay *r, const struct endpoint *e)
{
	return endpoint_equal(&r->server[0], e) ||
	    endpoint_equal(&r->server[1], e);
}

static struct relay *
find_relay(struct client *c, const char *id)
{
	for (size_t i = 0; i < RELAYS_MAX; i++)
		if (strcmp(c->turn.relays[i].id, id) == 0)
			return &c->turn.relays[i];
	return NULL;
}

static struct relay *
relay_at(struct client *c, const struct endpoint *server)
{
	for (size_t i = 0; i < RELAYS_MAX; i++) {
		struct relay *r = &c->turn.relays[i];

		if (r->id[0] != '\0' && is_relay_of(r, server))
			return r;
	}
	return NULL;
}

static struct relay *
relay_with(const struct client *c, const struct endpoint *relayed)
{
	for (size_t i = 0; i < RELAYS_MAX; i++) {
		const struct relay *r = &c->turn.relays[i];

		if (r->allocated &&
		    endpoint_equal(
			&r->relayed[family_index(&relayed->ip)], relayed))
			return (struct relay *)r;
	}
	return NULL;
}

bool
turn_is_relayed(const struct client *c, const struct endpoint *address)
{
	return relay_with(c, address) != NULL;
}

static const struct turn_request *
find_pending(const struct relay *r, uint16_t type, size_t about)
{
	for (size_t i = 0; i < TURN_REQUESTS_MAX; i++)
		if (r->requests[i].pending && r->requests[i].type == type &&
		    r->requests[i].about == about)
			return &r->requests[i];
	return NULL;
}

static void
request(struct client *c, struct relay *r, uint16_t type, size_t about)
{
	if (find_pending(r, type, about) != NULL)
		return;
	for (size_t i = 0; i < TURN_REQUESTS_MAX; i++) {
		struct turn_request *q = &r->requests[i];

		if (q->pending)
			continue;
		*q = (struct turn_request){
			.pending = true,
			.type = type,
			.about = about,
			.first = c->now,
			.gap = FIRST_GAP_MS,
		};
		transmit(c, r, q);
		return;
	}
}

static void
add_credentials(struct writer *w, const struct relay *r)
{
	stun_add_text(w, STUN_USERNAME, r->username);
	stun_add_text(w, STUN_REALM, r->realm);
	if (r->nonce[0] != '\0')
		stun_add_text(w, STUN_NONCE, r->nonce);
	stun_add_integrity(w, r->key, sizeof(r->key));
}

static void
add_channel(struct writer *w, const struct relay *r, size_t index)
{
	stun_add_address(w, STUN_XOR_PEER_ADDRESS, &r->channels[index].peer);
	stun_add_u32(
	    w, STUN_CHANNEL_NUMBER, (FIRST_CHANNEL + (uint32_t)index) << 16);
	stun_add_text(w, STUN_SOFTWARE, SOFTWARE);
}

/*
 * A Refresh names neither transport nor family, unlike that of the reference:
 * a standard server answers 420 to what RFC 8656 7.1 does not put there.
 */
static void
add_allocation(struct writer *w, const struct relay *r, uint16_t type)
{
	if (type == STUN_ALLOCATE_REQUEST) {
		stun_add_u32(w, STUN_REQUESTED_TRANSPORT, UDP_TRANSPORT);
		stun_add_u32(w, STUN_ADDITIONAL_ADDRESS_FAMILY, FAMILY_IPV6);
	}
	stun_add_text(w, STUN_SOFTWARE, SOFTWARE);
	if (type == STUN_REFRESH_REQUEST && r->deleting)
		stun_add_u32(w, STUN_LIFETIME, 0);
}

/*
 * Attributes as in firezone-tunnel(7), Relay requests. Each copy has a new
 * transaction.
 */
static void
transmit(struct client *c, struct relay *r, struct turn_request *q)
{
	uint8_t message[STUN_MESSAGE_MAX];
	struct writer w;
	size_t to =
	    q->type == STUN_BINDING_REQUEST ? q->about : (size_t)r->active;

	q->next = mono_add_ms(c->now, q->gap);
	q->gap += q->gap / 2;
	q->had_nonce = false;
	randombytes_buf(q->transaction, sizeof(q->transaction));
	writer_init(&w, message, sizeof(message));
	stun_begin(&w, q->type, q->transaction);
	if (q->type == STUN_BINDING_REQUEST)
		stun_add_text(&w, STUN_SOFTWARE, SOFTWARE);
	else if (q->type == STUN_CHANNEL_BIND_REQUEST)
		add_channel(&w, r, q->about);
	else
		add_allocation(&w, r, q->type);
	if (q->type != STUN_BINDING_REQUEST &&
	    !(q->type == STUN_ALLOCATE_REQUEST && r->bare)) {
		add_credentials(&w, r);
		q->had_nonce = r->nonce[0] != '\0';
	}
	if (!writer_failed(&w))
		client_send(c, &r->server[to], message, w.len);
}

static void
again(struct client *c, struct relay *r, struct turn_request *q)
{
	q->first = c->now;
	q->gap = FIRST_GAP_MS;
	transmit(c, r, q);
}

/* The allocation is gone: its candidates, its channels, what was asked. */
static void
invalidate(struct client *c, struct relay *r, bool by_portal)
{
	for (size_t f = 0; f < 2; f++) {
		struct endpoint relayed = r->relayed[f];

		r->relayed[f] = (struct endpoint){ 0 };
		if (r->allocated && relayed.ip.family != IP_NONE)
			client_local_lost(c, &relayed, by_portal);
		if (c->habits.withdraws_srflx &&
		    r->mapped[f].ip.family != IP_NONE)
			client_local_lost(c, &r->mapped[f], by_portal);
	}
	r->allocated = false;
	r->n_channels = 0;
	r->refresh_at = r->expires_at = MONO_NEVER;
	memset(r->requests, 0, sizeof(r->requests));
}

static void
begin(struct client *c, struct relay *r)
{
	r->active = -1;
	r->keepalive_at = MONO_NEVER;
	r->bare = false;
	for (size_t f = 0; f < 2; f++)
		if (r->server[f].ip.family != IP_NONE && c->udp[f] != -1)
			request(c, r, STUN_BINDING_REQUEST, f);
}

static bool
set_realm(struct relay *r, const char *realm)
{
	snprintf(r->realm, sizeof(r->realm), "%s", realm);
	return stun_long_term_key(r->username, r->realm, r->password, r->key);
}

void
turn_add(struct client *c, const char *id, const struct endpoint *server,
    const char *username, const char *password)
{
	struct relay *r = find_relay(c, id);
	size_t f = family_index(&server->ip);

	if (r != NULL &&
	    (strcmp(r->username, username) != 0 ||
		strcmp(r->password, password) != 0)) {
		turn_forget(c, id);
		r = NULL;
	}
	if (r == NULL) {
		if ((r = find_relay(c, "")) == NULL)
			return;
		memset(r, 0, sizeof(*r));
		r->active = -1;
		r->refresh_at = r->expires_at = r->keepalive_at = MONO_NEVER;
		snprintf(r->id, sizeof(r->id), "%s", id);
		snprintf(r->username, sizeof(r->username), "%s", username);
		snprintf(r->password, sizeof(r->password), "%s", password);
		set_realm(r, REALM);
	}
	r->server[f] = *server;
	if (r->active == -1)
		begin(c, r);
}

void
turn_forget(struct client *c, const char *id)
{
	struct relay *r = find_relay(c, id);

	if (r == NULL || id[0] == '\0')
		return;
	invalidate(c, r, true);
	sodium_memzero(r, sizeof(*r));
}

/* No answer: the relay is dead until the portal names one again. */
static void
give_up(struct client *c, struct relay *r, struct turn_request *q)
{
	debug(c, "relay %s does not answer %s", r->id, name_of(q->type));
	q->pending = false;
	if (q->type == STUN_BINDING_REQUEST && r->active != -1 &&
	    r->active != (int)q->about)
		return;
	invalidate(c, r, false);
	sodium_memzero(r, sizeof(*r));
	for (size_t i = 0; i < RELAYS_MAX; i++)
		if (c->turn.relays[i].id[0] != '\0')
			return;
	portal_send(c, "no-relays");
}

static void
binding_answered(struct client *c, struct relay *r,
    const struct turn_request *q, const struct stun_message *m)
{
	const struct endpoint *base = &c->local[q->about];

	if (!(m->have & STUN_HAVE_MAPPED))
		return;
	r->keepalive_at = mono_add_s(c->now, KEEPALIVE_S);
	if (!c->relay_only) {
		client_local_found(c, CANDIDATE_HOST, base, base);
		client_local_found(c, CANDIDATE_SRFLX, &m->mapped, base);
		if (!endpoint_equal(&m->mapped, base))
			r->mapped[q->about] = m->mapped;
	}
	if (r->active != -1)
		return;
	r->active = (int)q->about;
	if (!c->direct_only)
		request(c, r, STUN_ALLOCATE_REQUEST, 0);
}

static void
set_lifetime(struct client *c, struct relay *r, const struct stun_message *m)
{
	uint32_t s =
	    m->have & STUN_HAVE_LIFETIME ? m->lifetime : DEFAULT_LIFETIME_S;

	r->refresh_at = mono_add_s(c->now, s / 2);
	r->expires_at = mono_add_s(c->now, s);
}

static void
allocated(struct client *c, struct relay *r, const struct stun_message *m)
{
	if (!(m->have & STUN_HAVE_RELAYED))
		return;
	r->allocated = true;
	set_lifetime(c, r, m);
	for (size_t f = 0; f < 2; f++) {
		r->relayed[f] = m->relayed[f];
		if (r->relayed[f].ip.family != IP_NONE)
			client_local_found(c, CANDIDATE_RELAY, &r->relayed[f],
			    &c->local[r->active]);
	}
}

static void
refreshed(struct client *c, struct relay *r, const struct stun_message *m)
{
	if (r->deleting) {
		r->deleting = false;
		request(c, r, STUN_ALLOCATE_REQUEST, 0);
		return;
	}
	set_lifetime(c, r, m);
}

static void
channel_bound(struct client *c, struct channel *ch)
{
	ch->confirmed = true;
	ch->heard = false;
	ch->bound_at = c->now;
}

static void
succeeded(struct client *c, struct relay *r, struct turn_request *q,
    const struct stun_message *m)
{
	q->pending = false;
	switch (q->type) {
	case STUN_BINDING_REQUEST:
		binding_answered(c, r, q, m);
		break;
	case STUN_ALLOCATE_REQUEST:
		allocated(c, r, m);
		break;
	case STUN_REFRESH_REQUEST:
		refreshed(c, r, m);
		break;
	default:
		channel_bound(c, &r->channels[q->about]);
	}
}

static bool
copy_text(const struct stun_text *from, char to[RELAY_TEXT_SIZE])
{
	if (from->length >= RELAY_TEXT_SIZE)
		return false;
	memcpy(to, from->bytes, from->length);
	to[from->length] = '\0';
	return true;
}

/* The server has lost our allocation, or we one of its. */
static void
mismatch(struct client *c, struct relay *r, uint16_t type)
{
	invalidate(c, r, false);
	r->deleting = type == STUN_ALLOCATE_REQUEST;
	request(c, r,
	    r->deleting ? STUN_REFRESH_REQUEST : STUN_ALLOCATE_REQUEST, 0);
}

static void
failed(struct client *c, struct relay *r, struct turn_request *q,
    const struct stun_message *m)
{
	if ((m->error == 438 || (m->error == 401 && !q->had_nonce)) &&
	    (m->have & STUN_HAVE_NONCE) && copy_text(&m->nonce, r->nonce)) {
		again(c, r, q);
		return;
	}
	q->pending = false;
	if (m->error == 437) {
		mismatch(c, r, q->type);
		return;
	}
	debug(c, "relay %s: %s: error %u", r->id, name_of(q->type), m->error);
}

/*
 * What a standard server says without a signature: firezone-tunnel(7), Standard
 * TURN servers.
 */
static void
failed_unsigned(struct client *c, struct relay *r, struct turn_request *q,
    const struct stun_message *m)
{
	char realm[RELAY_TEXT_SIZE];

	if (m->error == 438 && (m->have & STUN_HAVE_NONCE)) {
		if (copy_text(&m->nonce, r->nonce))
			again(c, r, q);
		return;
	}
	if (q->type != STUN_ALLOCATE_REQUEST || q->had_nonce)
		return;
	if (!r->bare && (m->error == 400 || m->error == 401)) {
		r->bare = true;
		again(c, r, q);
	} else if (r->bare && m->error == 401 && copy_text(&m->realm, realm) &&
	    copy_text(&m->nonce, r->nonce) && set_realm(r, realm)) {
		r->bare = false;
		again(c, r, q);
	}
}

static struct turn_request *
find_transaction(struct relay *r, const struct stun_message *m)
{
	for (size_t i = 0; i < TURN_REQUESTS_MAX; i++)
		if (r->requests[i].pending &&
		    memcmp(r->requests[i].transaction, m->transaction,
			STUN_TRANSACTION_LEN) == 0)
			return &r->requests[i];
	return NULL;
}

bool
turn_answer(
    struct client *c, const struct endpoint *from, const struct stun_message *m)
{
	struct relay *r = relay_at(c, from);
	struct turn_request *q;
	bool is_signed, error;

	if (r == NULL)
		return false;
	if ((q = find_transaction(r, m)) == NULL || (m->type & 0x0100) == 0 ||
	    (m->type & ~0x0110u) != q->type)
		return true;
	error = (m->type & 0x0110) == 0x0110;
	is_signed = stun_verify(m, r->key, sizeof(r->key));
	if (q->type == STUN_BINDING_REQUEST || (is_signed && !error)) {
		if (!error)
			succeeded(c, r, q, m);
	} else if (error && is_signed)
		failed(c, r, q, m);
	else if (error)
		failed_unsigned(c, r, q, m);
	return true;
}

static struct channel *
find_channel(struct relay *r, const struct endpoint *peer)
{
	for (size_t i = 0; i < r->n_channels; i++)
		if (endpoint_equal(&r->channels[i].peer, peer))
			return &r->channels[i];
	return NULL;
}

/* The channel to peer, bound or being bound; NULL when there are too many. */
static struct channel *
want_channel(struct client *c, struct relay *r, const struct endpoint *peer)
{
	struct channel *ch = find_channel(r, peer);

	if (ch == NULL) {
		if (r->n_channels == CHANNELS_MAX)
			return NULL;
		ch = &r->channels[r->n_channels++];
		*ch = (struct channel){ .peer = *peer, .bound_at = c->now };
	} else if (ch->confirmed)
		return ch;
	request(c, r, STUN_CHANNEL_BIND_REQUEST, (size_t)(ch - r->channels));
	return ch;
}

void
turn_expect(struct client *c, const struct endpoint *peer)
{
	size_t f = family_index(&peer->ip);

	for (size_t i = 0; i < RELAYS_MAX; i++) {
		struct relay *r = &c->turn.relays[i];

		if (r->allocated && r->relayed[f].ip.family != IP_NONE)
			want_channel(c, r, peer);
	}
}

/*
 * Data may follow an unanswered ChannelBind: firezone-tunnel(7), Channel
 * bindings.
 */
void
turn_send(struct client *c, const struct endpoint *relayed,
    const struct endpoint *peer, const void *data, size_t len)
{
	struct relay *r = relay_with(c, relayed);
	struct channel *ch;
	uint8_t message[IO_DATAGRAM_MAX];
	struct writer w;

	if (r == NULL || (ch = want_channel(c, r, peer)) == NULL)
		return;
	writer_init(&w, message, sizeof(message));
	writer_be16(&w, (uint16_t)(FIRST_CHANNEL + (ch - r->channels)));
	writer_be16(&w, (uint16_t)len);
	writer_bytes(&w, data, len);
	if (writer_failed(&w))
		return;
	r->keepalive_at = mono_add_s(c->now, KEEPALIVE_S);
	client_send(c, &r->server[r->active], message, w.len);
}

bool
turn_unwrap(struct client *c, const struct endpoint *from, const uint8_t **data,
    size_t *len, struct endpoint *peer, struct endpoint *relayed)
{
	struct relay *r = relay_at(c, from);
	struct cursor cursor;
	uint16_t number, length;
	struct channel *ch;

	if (r == NULL || !r->allocated)
		return false;
	cursor_init(&cursor, *data, *len);
	number = cursor_be16(&cursor);
	length = cursor_be16(&cursor);
	/* Standard servers may pad. */
	if (cursor_failed(&cursor) ||
	    (length != cursor.left && (length + 3u) / 4 * 4 != cursor.left) ||
	    number < FIRST_CHANNEL ||
	    (size_t)(number - FIRST_CHANNEL) >= r->n_channels)
		return false;
	ch = &r->channels[number - FIRST_CHANNEL];
	ch->heard = true;
	*data = cursor.at;
	*len = length;
	*peer = ch->peer;
	*relayed = r->relayed[family_index(&peer->ip)];
	return ch->confirmed;
}

static void
refresh_channels(struct client *c, struct relay *r)
{
	for (size_t i = 0; i < r->n_channels; i++) {
		struct channel *ch = &r->channels[i];

		if (!ch->confirmed)
			continue;
		if (mono_due(
			mono_add_s(ch->bound_at, CHANNEL_LIFETIME_S), c->now))
			ch->confirmed = false;
		else if (ch->heard &&
		    mono_due(
			mono_add_s(ch->bound_at, CHANNEL_REFRESH_S), c->now))
			request(c, r, STUN_CHANNEL_BIND_REQUEST, i);
	}
}

static void
relay_timer(struct client *c, struct relay *r)
{
	for (size_t i = 0; i < TURN_REQUESTS_MAX; i++) {
		struct turn_request *q = &r->requests[i];

		if (!q->pending || !mono_due(q->next, c->now))
			continue;
		if (mono_ms_between(q->first, c->now) < GIVE_UP_MS) {
			transmit(c, r, q);
			continue;
		}
		give_up(c, r, q);
		if (r->id[0] == '\0')
			return;
	}
	if (mono_due(r->expires_at, c->now)) {
		invalidate(c, r, false);
		begin(c, r);
		return;
	}
	if (mono_due(r->refresh_at, c->now)) {
		r->refresh_at = MONO_NEVER;
		request(c, r, STUN_REFRESH_REQUEST, 0);
	}
	if (r->active != -1 && mono_due(r->keepalive_at, c->now)) {
		r->keepalive_at = mono_add_s(c->now, KEEPALIVE_S);
		request(c, r, STUN_BINDING_REQUEST, (size_t)r->active);
	}
	refresh_channels(c, r);
}

void
turn_timer(struct client *c)
{
	for (size_t i = 0; i < RELAYS_MAX; i++)
		if (c->turn.relays[i].id[0] != '\0')
			relay_timer(c, &c->turn.relays[i]);
}

static struct mono
relay_deadline(const struct client *c, const struct relay *r)
{
	struct mono at =
	    mono_min(mono_min(r->expires_at, r->refresh_at), r->keepalive_at);

	for (size_t i = 0; i < TURN_REQUESTS_MAX; i++)
		if (r->requests[i].pending)
			at = mono_min(at, r->requests[i].next);
	/* The ages of channels are looked at now and then. */
	return mono_min(at, mono_add_s(c->now, 5));
}

struct mono
turn_deadline(const struct client *c)
{
	struct mono at = MONO_NEVER;

	for (size_t i = 0; i < RELAYS_MAX; i++)
		if (c->turn.relays[i].id[0] != '\0')
			at =
			    mono_min(at, relay_deadline(c, &c->turn.relays[i]));
	return at;
}

void
turn_roam(struct client *c)
{
	for (size_t i = 0; i < RELAYS_MAX; i++)
		if (c->turn.relays[i].id[0] != '\0') {
			invalidate(c, &c->turn.relays[i], true);
			begin(c, &c->turn.relays[i]);
		}
}

void
turn_stop(struct client *c)
{
	for (size_t i = 0; i < RELAYS_MAX; i++) {
		struct relay *r = &c->turn.relays[i];

		if (!r->allocated)
			continue;
		r->deleting = true;
		request(c, r, STUN_REFRESH_REQUEST, 0);
	}
}
