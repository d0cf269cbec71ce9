/* Sessions and their timers: see tunnel.h. */
#include "tests/client/tunnel.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "common/buffer.h"
#include "tests/client/client.h"

#define DATA        4
#define DATA_HEADER 16
#define TAG_LEN     16

/* firezone-tunnel(7), WireGuard timers; classic. Seconds. */
#define REKEY_AFTER        120
#define REKEY_ON_RECEIVE   165
#define SEND_AFTER_REKEY   170 /* an initiator stops sending */
#define REJECT_AFTER       180
#define REKEY_TIMEOUT      5
#define KEEPALIVE_TIMEOUT  10
#define UNANSWERED_TIMEOUT (KEEPALIVE_TIMEOUT + REKEY_TIMEOUT)
#define DEAD_AFTER         (3 * REJECT_AFTER)
#define COOKIE_LIFETIME    120
#define JITTER_MS          334

/* The offset between TAI and UTC, so that time stamps are what they claim. */
#define TAI64_BASE 0x4000000000000025u

enum slot { CURRENT, PREVIOUS, NEXT };

static int64_t
jitter(void)
{
	return (int64_t)randombytes_uniform(JITTER_MS);
}

static bool
older_than(const struct client *c, struct mono t, int64_t seconds)
{
	return mono_due(mono_add_s(t, seconds), c->now);
}

static void
timestamp(uint8_t to[NOISE_TIMESTAMP_LEN])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	store_be64(to, TAI64_BASE + (uint64_t)ts.tv_sec);
	store_be32(to + 8, (uint32_t)ts.tv_nsec);
}

bool
tunnel_start(struct client *c, const struct noise_identity *us,
    const uint8_t *public_key, const uint8_t *psk)
{
	struct tunnel *t = &c->tunnel;

	memset(t, 0, sizeof(*t));
	t->due = t->attempt_since = t->unanswered = t->keepalive = MONO_NEVER;
	t->started = c->now;
	t->running = noise_peer(&t->peer, us, public_key, psk);
	return t->running;
}

void
tunnel_stop(struct client *c)
{
	sodium_memzero(&c->tunnel, sizeof(c->tunnel));
	c->tunnel.due = MONO_NEVER;
}

bool
tunnel_ready(const struct client *c)
{
	const struct session *s = &c->tunnel.sessions[CURRENT];

	return c->tunnel.running && s->usable &&
	    !older_than(c, s->established,
		s->initiator ? SEND_AFTER_REKEY : REJECT_AFTER);
}

/* Everything that leaves answers the peer. */
static void
send_datagram(struct client *c, const void *data, size_t len)
{
	c->tunnel.keepalive = MONO_NEVER;
	c->tunnel.last_sent = c->now;
	client_send_path(c, &c->path, data, len);
}

static void
send_initiation(struct client *c)
{
	struct tunnel *t = &c->tunnel;
	uint8_t message[NOISE_INITIATION_LEN];
	uint8_t ephemeral[NOISE_KEY_LEN], stamp[NOISE_TIMESTAMP_LEN];
	bool cookie = mono_before(c->now, t->cookie_until);

	randombytes_buf(ephemeral, sizeof(ephemeral));
	timestamp(stamp);
	t->handshake.our_index = randombytes_random();
	t->due = mono_add_ms(c->now, REKEY_TIMEOUT * 1000 + jitter());
	if (mono_is_never(t->attempt_since))
		t->attempt_since = c->now;
	t->pending = noise_write_initiation(&t->handshake, &t->peer, ephemeral,
	    stamp, cookie ? t->cookie : NULL, message);
	if (t->pending)
		send_datagram(c, message, sizeof(message));
	sodium_memzero(ephemeral, sizeof(ephemeral));
}

void
tunnel_handshake(struct client *c)
{
	if (c->tunnel.running && mono_is_never(c->tunnel.due))
		send_initiation(c);
}

/* By the timers, so that not all peers of a gateway come at once. */
static void
schedule_handshake(struct tunnel *t, struct mono now)
{
	if (mono_is_never(t->due))
		t->due = mono_add_ms(now, jitter());
}

static struct session *
install(struct client *c, enum slot slot, const struct noise *n,
    const struct noise_keys *keys, bool initiator)
{
	struct session *s = &c->tunnel.sessions[slot];

	*s = (struct session){
		.usable = true,
		.initiator = initiator,
		.our_index = n->our_index,
		.their_index = n->their_index,
		.keys = *keys,
		.established = c->now,
	};
	return s;
}

static void
session_established(struct client *c)
{
	struct tunnel *t = &c->tunnel;

	t->started = c->now;
	t->established++;
	client_session(c, t->established == 1);
}

static void
heard(struct tunnel *t)
{
	t->unanswered = MONO_NEVER;
}

static void
response_input(struct client *c, const uint8_t *message)
{
	struct tunnel *t = &c->tunnel;
	struct noise_keys keys;

	if (!t->pending ||
	    !noise_read_response(&t->handshake, &t->peer, message, &keys))
		return;
	t->pending = false;
	t->due = t->attempt_since = MONO_NEVER;
	heard(t);
	t->sessions[PREVIOUS] = t->sessions[CURRENT];
	install(c, CURRENT, &t->handshake, &keys, true);
	sodium_memzero(&keys, sizeof(keys));
	/* Only data on the new session lets the responder switch to it. */
	tunnel_send(c, NULL, 0);
	session_established(c);
}

/*
 * The gateway re-keys when it hears nothing: firezone-tunnel(7), Who initiates.
 */
static void
initiation_input(struct client *c, const uint8_t *message)
{
	struct tunnel *t = &c->tunnel;
	struct noise n = { .our_index = randombytes_random() };
	struct noise_keys keys;
	uint8_t response[NOISE_RESPONSE_LEN], ephemeral[NOISE_KEY_LEN];
	bool cookie = mono_before(c->now, t->cookie_until);

	if (!noise_read_initiation(&n, &t->peer, message))
		return;
	heard(t);
	randombytes_buf(ephemeral, sizeof(ephemeral));
	if (noise_write_response(&n, &t->peer, ephemeral,
		cookie ? t->cookie : NULL, response, &keys)) {
		install(c, NEXT, &n, &keys, false);
		send_datagram(c, response, sizeof(response));
	}
	sodium_memzero(ephemeral, sizeof(ephemeral));
	sodium_memzero(&keys, sizeof(keys));
}

static void
cookie_input(struct client *c, const uint8_t *message)
{
	struct tunnel *t = &c->tunnel;

	if (!noise_read_cookie(&t->handshake, &t->peer, message, t->cookie))
		return;
	t->cookie_until = mono_add_s(c->now, COOKIE_LIFETIME);
	event("cookie");
}

/* Data has come on the session that we answered: send on it from now on. */
static void
promote(struct client *c)
{
	struct session *s = c->tunnel.sessions;

	s[PREVIOUS] = s[CURRENT];
	s[CURRENT] = s[NEXT];
	s[NEXT].usable = false;
	session_established(c);
}

static uint64_t *
window_word(struct session *s, uint64_t counter, uint64_t *bit)
{
	*bit = 1ull << (counter % 64);
	return &s->window[counter / 64 % (REPLAY_WINDOW / 64)];
}

static bool
is_replay(struct session *s, uint64_t counter)
{
	uint64_t bit, *word = window_word(s, counter, &bit);

	if (counter >= s->receive_next)
		return false;
	return s->receive_next - counter > REPLAY_WINDOW - 64 ||
	    (*word & bit) != 0;
}

static void
mark_received(struct session *s, uint64_t counter)
{
	uint64_t bit, *word;

	/* Words that the window moves into are of the last round. */
	if (counter >= s->receive_next) {
		uint64_t from =
		    s->receive_next / 64 + (s->receive_next % 64 != 0);
		uint64_t last = counter / 64;

		if (last - from >= REPLAY_WINDOW / 64 && last >= from)
			from = last - REPLAY_WINDOW / 64 + 1;
		for (uint64_t w = from; w <= last; w++)
			s->window[w % (REPLAY_WINDOW / 64)] = 0;
		s->receive_next = counter + 1;
	}
	word = window_word(s, counter, &bit);
	*word |= bit;
}

static void
nonce_of(uint64_t counter, uint8_t to[12])
{
	memset(to, 0, 4);
	store_le64(to + 4, counter);
}

static void
data_received(struct client *c, struct session *s, uint8_t *plain, size_t len)
{
	struct tunnel *t = &c->tunnel;

	heard(t);
	if (s == &t->sessions[NEXT])
		promote(c); /* s stands for another session from here on */
	if (len == 0)
		return;
	t->sessions[CURRENT].received = true;
	if (mono_is_never(t->keepalive))
		t->keepalive = mono_add_s(c->now, KEEPALIVE_TIMEOUT);
	client_tunnel_packet(c, plain, len);
}

static bool
data_input(struct client *c, const uint8_t *data, size_t len)
{
	struct tunnel *t = &c->tunnel;
	uint32_t index = load_le32(data + 4);
	uint64_t counter = load_le64(data + 8);
	uint8_t nonce[12], *plain = io_room(c);

	nonce_of(counter, nonce);
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session *s = &t->sessions[i];

		if (!s->usable || s->our_index != index)
			continue;
		if (older_than(c, s->established, REJECT_AFTER) ||
		    is_replay(s, counter) ||
		    crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL,
			data + DATA_HEADER, len - DATA_HEADER, NULL, 0, nonce,
			s->keys.receiving) != 0)
			return true;
		mark_received(s, counter);
		data_received(c, s, plain, len - DATA_HEADER - TAG_LEN);
		return true;
	}
	return false;
}

bool
tunnel_input(struct client *c, const uint8_t *data, size_t len)
{
	if (!c->tunnel.running || len < TUNNEL_OVERHEAD)
		return false;
	switch (load_le32(data)) {
	case 1:
		if (len == NOISE_INITIATION_LEN)
			initiation_input(c, data);
		return len == NOISE_INITIATION_LEN;
	case 2:
		if (len == NOISE_RESPONSE_LEN)
			response_input(c, data);
		return len == NOISE_RESPONSE_LEN;
	case 3:
		if (len == NOISE_COOKIE_LEN)
			cookie_input(c, data);
		return len == NOISE_COOKIE_LEN;
	case DATA:
		return len <= TUNNEL_PLAIN_MAX && data_input(c, data, len);
	default:
		return false;
	}
}

void
tunnel_send(struct client *c, const uint8_t *packet, size_t len)
{
	struct tunnel *t = &c->tunnel;
	struct session *s = &t->sessions[CURRENT];
	uint8_t to[DATA_HEADER + PACKET_MAX + TAG_LEN], nonce[12];

	if (!tunnel_ready(c) || len > PACKET_MAX)
		return;
	store_le32(to, DATA);
	store_le32(to + 4, s->their_index);
	store_le64(to + 8, s->send_counter);
	nonce_of(s->send_counter++, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(to + DATA_HEADER, NULL,
	    packet, len, NULL, 0, NULL, nonce, s->keys.sending);
	if (len > 0) {
		s->sent = true;
		if (mono_is_never(t->unanswered))
			t->unanswered = c->now;
	}
	send_datagram(c, to, DATA_HEADER + len + TAG_LEN);
}

/* Whether our own newest session asks for a successor. */
static bool
wants_rekey(const struct client *c)
{
	const struct tunnel *t = &c->tunnel;
	const struct session *s = &t->sessions[CURRENT];

	if (!mono_is_never(t->unanswered) &&
	    older_than(c, t->unanswered, UNANSWERED_TIMEOUT))
		return true;
	if (!s->usable || !s->initiator)
		return false;
	return older_than(c, s->established, REJECT_AFTER) ||
	    (s->sent && older_than(c, s->established, REKEY_AFTER)) ||
	    (s->received && older_than(c, s->established, REKEY_ON_RECEIVE));
}

void
tunnel_timer(struct client *c)
{
	struct tunnel *t = &c->tunnel;

	if (!t->running)
		return;
	if (older_than(c, t->started, DEAD_AFTER) ||
	    (!mono_is_never(t->attempt_since) &&
		older_than(c, t->attempt_since, c->habits.attempt_s))) {
		client_lost(c, "handshake");
		return;
	}
	if (mono_due(t->due, c->now)) {
		send_initiation(c);
		return;
	}
	if (mono_is_never(t->due) && wants_rekey(c))
		schedule_handshake(t, c->now);
	if (!t->pending && mono_due(t->keepalive, c->now)) {
		t->keepalive = MONO_NEVER;
		tunnel_send(c, NULL, 0);
	}
	if (c->habits.keepalive_s != 0 &&
	    older_than(c, t->last_sent, c->habits.keepalive_s))
		tunnel_send(c, NULL, 0);
}

struct mono
tunnel_deadline(const struct client *c)
{
	const struct tunnel *t = &c->tunnel;

	if (!t->running)
		return MONO_NEVER;
	/* Ages of sessions are looked at once a second. */
	return mono_min(
	    mono_min(t->due, t->pending ? MONO_NEVER : t->keepalive),
	    mono_add_s(c->now, 1));
}
