/* Sessions and their timers: see tunnel.h. */
#include "tests/client/tunnel.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "common/buffer.h"
#include "net-worker/core/aead.h"
#include "tests/client/client.h"

#define DATA        4
#define DATA_HEADER 16
#define TAG_LEN     16

/* firezone-tunnel(7), WireGuard timers. Seconds. */
#define REKEY_AFTER      120
#define SEND_AFTER_REKEY 170 /* an initiator stops sending */
#define REJECT_AFTER     180
#define DEAD_AFTER       (3 * REJECT_AFTER)
#define COOKIE_LIFETIME  120
#define JITTER_MS        334

static const struct tunnel_timing classic_timing = {
	.keepalive = 10,
	.retry = 5,
	.rekey_on_receive = 165,
};
static const struct tunnel_timing iceless_timing = {
	.keepalive = 5,
	.retry = 2,
	.rekey_on_receive = 173,
	.attempt = 90,
};

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
	t->timing = c->agreed.iceless ? iceless_timing : classic_timing;
	if (!c->agreed.iceless)
		t->timing.attempt = c->habits.attempt_s;
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
mark_sent(struct client *c)
{
	c->tunnel.keepalive = MONO_NEVER;
	c->tunnel.last_sent = c->now;
}

static void
send_datagram(
    struct client *c, const struct path *path, const void *data, size_t len)
{
	mark_sent(c);
	client_send_path(c, path, data, len);
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
	t->handshakes[1] = t->handshakes[0];
	t->pending[1] = t->pending[0];
	t->handshakes[0].our_index = randombytes_random();
	t->due = mono_add_ms(c->now, t->timing.retry * 1000 + jitter());
	if (mono_is_never(t->attempt_since))
		t->attempt_since = c->now;
	t->pending[0] = noise_write_initiation(&t->handshakes[0], &t->peer,
	    ephemeral, stamp, cookie ? t->cookie : NULL, message);
	if (t->pending[0] && c->agreed.iceless) {
		mark_sent(c);
		iceless_send_initiation(&c->iceless, message, c->now);
	} else if (t->pending[0]) {
		send_datagram(c, &c->path, message, sizeof(message));
	}
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

/* The initiation that it answers, or NULL. */
static const struct noise *
take_response(struct tunnel *t, const uint8_t *message, struct noise_keys *keys)
{
	for (size_t i = 0; i < 2; i++)
		if (t->pending[i] &&
		    noise_read_response(
			&t->handshakes[i], &t->peer, message, keys)) {
			t->pending[0] = t->pending[1] = false;
			return &t->handshakes[i];
		}
	return NULL;
}

static void
response_input(
    struct client *c, const struct path *path, const uint8_t *message)
{
	struct tunnel *t = &c->tunnel;
	const struct noise *handshake;
	struct noise_keys keys;

	if (c->agreed.iceless && !iceless_response_is_new(&c->iceless, message))
		return;
	if ((handshake = take_response(t, message, &keys)) == NULL)
		return;
	t->due = t->attempt_since = MONO_NEVER;
	heard(t);
	t->sessions[PREVIOUS] = t->sessions[CURRENT];
	install(c, CURRENT, handshake, &keys, true);
	sodium_memzero(&keys, sizeof(keys));
	if (c->agreed.iceless)
		iceless_response_accepted(&c->iceless, path, message, c->now);
	/* Only data on the new session lets the responder switch to it. */
	tunnel_send(c, NULL, 0);
	session_established(c);
}

static void
answer_initiation(struct client *c, const struct path *path,
    const uint8_t *message, const uint8_t *response)
{
	if (!c->agreed.iceless) {
		send_datagram(c, &c->path, response, NOISE_RESPONSE_LEN);
		return;
	}
	mark_sent(c);
	iceless_answer_initiation(&c->iceless, path, message, response, c->now);
}

/*
 * The gateway re-keys when it hears nothing: firezone-tunnel(7), Who initiates.
 */
static void
initiation_input(
    struct client *c, const struct path *path, const uint8_t *message)
{
	struct tunnel *t = &c->tunnel;
	struct noise n = { .our_index = randombytes_random() };
	struct noise_keys keys;
	uint8_t response[NOISE_RESPONSE_LEN], ephemeral[NOISE_KEY_LEN];
	bool cookie = mono_before(c->now, t->cookie_until);

	if (c->agreed.iceless &&
	    !iceless_initiation_is_new(&c->iceless, path, message, c->now))
		return;
	if (!noise_read_initiation(&n, &t->peer, message))
		return;
	heard(t);
	randombytes_buf(ephemeral, sizeof(ephemeral));
	if (noise_write_response(&n, &t->peer, ephemeral,
		cookie ? t->cookie : NULL, response, &keys)) {
		install(c, NEXT, &n, &keys, false);
		answer_initiation(c, path, message, response);
	}
	sodium_memzero(ephemeral, sizeof(ephemeral));
	sodium_memzero(&keys, sizeof(keys));
}

static void
cookie_input(struct client *c, const uint8_t *message)
{
	struct tunnel *t = &c->tunnel;

	if (!noise_read_cookie(&t->handshakes[0], &t->peer, message, t->cookie))
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

static bool
open_data(struct client *c, const struct session *s, uint64_t counter,
    const uint8_t *data, size_t len, uint8_t *plain)
{
	uint8_t nonce[12];

	if (c->aead != NULL)
		return aead_open(
		    c->aead, s->keys.receiving, counter, data, len, plain);
	nonce_of(counter, nonce);
	return crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL,
		   data, len + TAG_LEN, NULL, 0, nonce, s->keys.receiving) == 0;
}

static void
seal_data(struct client *c, const struct session *s, uint64_t counter,
    const uint8_t *packet, size_t len, uint8_t *to)
{
	uint8_t nonce[12];

	if (c->aead != NULL) {
		aead_seal(c->aead, s->keys.sending, counter, packet, len, to);
		return;
	}
	nonce_of(counter, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    to, NULL, packet, len, NULL, 0, NULL, nonce, s->keys.sending);
}

static void
data_received(struct client *c, struct session *s, const struct path *path,
    uint8_t *plain, size_t len)
{
	struct tunnel *t = &c->tunnel;

	heard(t);
	if (s == &t->sessions[NEXT])
		promote(c); /* s stands for another session from here on */
	if (len == 0)
		return;
	t->sessions[CURRENT].received = true;
	if (mono_is_never(t->keepalive) || c->habits.late_keepalive)
		t->keepalive = mono_add_s(c->now, t->timing.keepalive);
	client_tunnel_packet(c, path, plain, len);
}

static bool
data_input(
    struct client *c, const struct path *path, const uint8_t *data, size_t len)
{
	struct tunnel *t = &c->tunnel;
	uint32_t index = load_le32(data + 4);
	uint64_t counter = load_le64(data + 8);
	uint8_t *plain = io_room(c);

	iceless_data_seen(&c->iceless);
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session *s = &t->sessions[i];

		if (!s->usable || s->our_index != index)
			continue;
		if (older_than(c, s->established, REJECT_AFTER) ||
		    is_replay(s, counter) ||
		    !open_data(c, s, counter, data + DATA_HEADER,
			len - TUNNEL_OVERHEAD, plain))
			return true;
		mark_received(s, counter);
		data_received(c, s, path, plain, len - DATA_HEADER - TAG_LEN);
		return true;
	}
	return false;
}

bool
tunnel_input(
    struct client *c, const struct path *path, const uint8_t *data, size_t len)
{
	if (!c->tunnel.running || len < TUNNEL_OVERHEAD)
		return false;
	switch (load_le32(data)) {
	case 1:
		if (len == NOISE_INITIATION_LEN)
			initiation_input(c, path, data);
		return len == NOISE_INITIATION_LEN;
	case 2:
		if (len == NOISE_RESPONSE_LEN)
			response_input(c, path, data);
		return len == NOISE_RESPONSE_LEN;
	case 3:
		if (len == NOISE_COOKIE_LEN)
			cookie_input(c, data);
		return len == NOISE_COOKIE_LEN;
	case DATA:
		return len <= TUNNEL_PLAIN_MAX &&
		    data_input(c, path, data, len);
	default:
		return false;
	}
}

void
tunnel_send_along(struct client *c, const struct path *path,
    const uint8_t *packet, size_t len)
{
	struct tunnel *t = &c->tunnel;
	struct session *s = &t->sessions[CURRENT];
	uint8_t to[DATA_HEADER + PACKET_MAX + TAG_LEN];

	if (!tunnel_ready(c) || len > PACKET_MAX)
		return;
	store_le32(to, DATA);
	store_le32(to + 4, s->their_index);
	store_le64(to + 8, s->send_counter);
	seal_data(c, s, s->send_counter++, packet, len, to + DATA_HEADER);
	if (len > 0) {
		s->sent = true;
		if (mono_is_never(t->unanswered))
			t->unanswered = c->now;
	}
	send_datagram(c, path, to, DATA_HEADER + len + TAG_LEN);
}

void
tunnel_send(struct client *c, const uint8_t *packet, size_t len)
{
	tunnel_send_along(c, &c->path, packet, len);
}

/* Whether our own newest session asks for a successor. */
static bool
wants_rekey(const struct client *c)
{
	const struct tunnel *t = &c->tunnel;
	const struct session *s = &t->sessions[CURRENT];

	if (!mono_is_never(t->unanswered) &&
	    older_than(c, t->unanswered, t->timing.keepalive + t->timing.retry))
		return true;
	if (!s->usable || !s->initiator)
		return false;
	return older_than(c, s->established, REJECT_AFTER) ||
	    (s->sent && older_than(c, s->established, REKEY_AFTER)) ||
	    (s->received &&
		older_than(c, s->established, t->timing.rekey_on_receive));
}

void
tunnel_timer(struct client *c)
{
	struct tunnel *t = &c->tunnel;

	if (!t->running)
		return;
	if (older_than(c, t->started, DEAD_AFTER) ||
	    (!mono_is_never(t->attempt_since) &&
		older_than(c, t->attempt_since, t->timing.attempt))) {
		client_lost(c, "handshake");
		return;
	}
	if (mono_due(t->due, c->now)) {
		send_initiation(c);
		return;
	}
	if (mono_is_never(t->due) && wants_rekey(c))
		schedule_handshake(t, c->now);
	if (!t->pending[0] && mono_due(t->keepalive, c->now)) {
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
	    mono_min(t->due, t->pending[0] ? MONO_NEVER : t->keepalive),
	    mono_add_s(c->now, 1));
}
