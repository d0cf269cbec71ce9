/*
 * The WireGuard messages of a peer that has the keys and of strangers that have
 * none: handshakes in both directions, cookies, data.
 */
#include <stdlib.h>
#include <string.h>

#include "net-worker/core/datagram.h"
#include "net-worker/core/wireguard/blake2s.h"
#include "net-worker/core/wireguard/cookie.h"
#include "net-worker/core/wireguard/message.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/core/wireguard/session.h"
#include "tests/fuzz/fuzz.h"

#define OUR_INDEX   0x11223344
#define THEIR_INDEX 0x55667788

struct end {
	struct noise_identity identity;
	struct noise_peer peer; /* the other end */
	struct session session;
	bool has_session;
};

struct rig {
	struct end us, them;
	struct cookie_guard guard;
	struct mono now;
	uint32_t clock; /* of their timestamps */
};

static struct end us, them; /* as they begin */
static struct aead *aead;

void
fuzz_init(void)
{
	static const uint8_t keys[2][NOISE_KEY_LEN] = { { 1 }, { 2 } };
	static const uint8_t preshared[NOISE_KEY_LEN] = { 3 };

	must(noise_crypto_warm_up());
	must((aead = aead_new()) != NULL);
	must(noise_identity_from_private(&us.identity, keys[0]));
	must(noise_identity_from_private(&them.identity, keys[1]));
	must(noise_peer_init(
	    &us.peer, &us.identity, them.identity.public_key, preshared));
	must(noise_peer_init(
	    &them.peer, &them.identity, us.identity.public_key, preshared));
}

static void
set_mac1(uint8_t *message, size_t len)
{
	size_t covered = len - 2 * NOISE_COOKIE_LEN;

	must(blake2s_mac(message + covered, us.identity.mac1_key, NOISE_KEY_LEN,
	    message, covered));
}

/* Changes a byte as the input says; true when it did. */
static bool
spoil(struct cursor *in, uint8_t *message, size_t len)
{
	size_t at = cursor_u8(in);
	uint8_t change = cursor_u8(in);

	if (at >= len || change == 0)
		return false;
	message[at] ^= change;
	return true;
}

static void
start_session(struct rig *r, struct end *e, const struct noise_keys *keys)
{
	session_init(&e->session, keys, r->now);
	e->has_session = true;
}

/* What the engine does with an initiation; true when it was accepted. */
static bool
hear_initiation(struct rig *r, const uint8_t *message,
    uint8_t response[MESSAGE_RESPONSE_LEN])
{
	struct noise_initiation initiation;
	struct noise_keys keys;

	if (!noise_open_initiation(&r->us.identity, message, &initiation) ||
	    memcmp(initiation.remote_static, r->us.peer.public_key,
		NOISE_KEY_LEN) != 0 ||
	    !noise_accept_initiation(&r->us.peer, &initiation))
		return false;
	must(noise_create_response(
	    &r->us.peer, &initiation, OUR_INDEX, r->now, response, &keys));
	start_session(r, &r->us, &keys);
	return true;
}

/* A message from the network: MAC1, load, then what it says. */
static bool
hear(struct rig *r, uint8_t *message, size_t len, uint8_t *response)
{
	struct ip_address source = endpoint_of("192.0.2.7:0").ip;
	uint8_t reply[MESSAGE_COOKIE_LEN], *plain;
	enum message_type type = message_classify(message, len);
	struct noise_keys keys;
	int n;

	switch (type) {
	case MESSAGE_INITIATION:
	case MESSAGE_RESPONSE:
		if (!noise_mac1_valid(&r->us.identity, message, len))
			return false;
		switch (
		    cookie_judge(&r->guard, r->now, &source, message, len)) {
		case COOKIE_ADMIT:
			break;
		case COOKIE_DEMAND:
			must(cookie_create_reply(&r->guard, &r->us.identity,
			    r->now, &source, message, len, reply));
			(void)noise_consume_cookie_reply(
			    &r->them.peer, r->now, reply);
			return false;
		case COOKIE_REFUSE:
			return false;
		}
		if (type == MESSAGE_INITIATION)
			return hear_initiation(r, message, response);
		if (!noise_consume_response(
			&r->us.identity, &r->us.peer, message, &keys))
			return false;
		start_session(r, &r->us, &keys);
		return true;
	case MESSAGE_COOKIE:
		return noise_consume_cookie_reply(&r->us.peer, r->now, message);
	case MESSAGE_DATA:
		if (!r->us.has_session)
			return false;
		n = session_open(&r->us.session, aead, message, len, &plain);
		if (n < 0)
			return false;
		must(plain >= message && (size_t)n <= len);
		must(session_inner_length(plain, (size_t)n) <= n);
		return true;
	case MESSAGE_INVALID:
		return false;
	}
	fuzz_broken("a type of its own", __FILE__, __LINE__);
}

static void
they_initiate(struct rig *r, struct cursor *in)
{
	uint8_t message[MESSAGE_INITIATION_LEN];
	uint8_t response[MESSAGE_RESPONSE_LEN], stamp[NOISE_TIMESTAMP_LEN];
	struct noise_keys keys;
	bool spoilt;

	noise_timestamp(1790000000u + r->clock, 0, stamp);
	r->clock += (uint32_t)pick(in, 2);
	must(noise_create_initiation(&r->them.identity, &r->them.peer,
	    THEIR_INDEX, stamp, r->now, message));
	spoilt = spoil(in, message, sizeof(message));
	if (pick_bool(in))
		set_mac1(message, sizeof(message));
	if (!hear(r, message, sizeof(message), response))
		return;
	spoilt |= spoil(in, response, sizeof(response));
	if (!noise_consume_response(
		&r->them.identity, &r->them.peer, response, &keys))
		return;
	must(!spoilt ||
	    memcmp(keys.send, r->us.session.receive_key, NOISE_KEY_LEN) == 0);
	start_session(r, &r->them, &keys);
}

static void
we_initiate(struct rig *r, struct cursor *in)
{
	uint8_t message[MESSAGE_INITIATION_LEN];
	uint8_t response[MESSAGE_RESPONSE_LEN], stamp[NOISE_TIMESTAMP_LEN];
	struct noise_initiation initiation;
	struct noise_keys keys;

	noise_timestamp(1790000000u, 0, stamp);
	must(noise_create_initiation(
	    &r->us.identity, &r->us.peer, OUR_INDEX, stamp, r->now, message));
	memset(r->them.peer.last_timestamp, 0, NOISE_TIMESTAMP_LEN);
	if (!noise_open_initiation(&r->them.identity, message, &initiation) ||
	    !noise_accept_initiation(&r->them.peer, &initiation))
		return;
	must(noise_create_response(
	    &r->them.peer, &initiation, THEIR_INDEX, r->now, response, &keys));
	(void)spoil(in, response, sizeof(response));
	if (pick_bool(in))
		set_mac1(response, sizeof(response));
	if (hear(r, response, sizeof(response), NULL))
		start_session(r, &r->them, &keys);
}

static void
they_demand_a_cookie(struct rig *r, struct cursor *in)
{
	struct ip_address source = endpoint_of("198.51.100.1:0").ip;
	uint8_t message[MESSAGE_INITIATION_LEN], reply[MESSAGE_COOKIE_LEN];
	uint8_t stamp[NOISE_TIMESTAMP_LEN];

	noise_timestamp(1790000000u, 0, stamp);
	must(noise_create_initiation(
	    &r->us.identity, &r->us.peer, OUR_INDEX, stamp, r->now, message));
	must(cookie_create_reply(&r->guard, &r->them.identity, r->now, &source,
	    message, sizeof(message), reply));
	if (spoil(in, reply, sizeof(reply)))
		(void)hear(r, reply, sizeof(reply), NULL);
	else
		must(hear(r, reply, sizeof(reply), NULL));
}

static void
they_send_data(struct rig *r, struct cursor *in)
{
	uint8_t *plain, *message, *copy;
	size_t len, total;
	bool forged, heard;

	plain = pick_block(in, INNER_PACKET_MAX, &len);
	total = len + WIREGUARD_OVERHEAD;
	message = malloc(total);
	copy = malloc(total);
	must(message != NULL && copy != NULL);
	if (r->them.has_session) {
		r->them.session.send_counter += cursor_be16(in);
		session_seal(&r->them.session, aead, plain, len, message);
		memcpy(copy, message, total);
		(void)spoil(in, message, total);
		/* Reserved bytes and index are not authenticated. */
		forged = memcmp(copy + 8, message + 8, total - 8) != 0;
		heard = hear(r, message, total, NULL);
		must(!heard || !forged);
		/* What was heard once is a replay. */
		must(!heard || !hear(r, copy, total, NULL));
	}
	free(plain);
	free(message);
	free(copy);
}

static void
they_send_bytes(struct rig *r, struct cursor *in)
{
	static const size_t lengths[] = { MESSAGE_INITIATION_LEN,
		MESSAGE_RESPONSE_LEN, MESSAGE_COOKIE_LEN };
	uint8_t response[MESSAGE_RESPONSE_LEN], *message;
	size_t len, i = pick(in, 4);

	if (i == 3) {
		message = pick_block(in, DATAGRAM_MAX, &len);
		(void)hear(r, message, len, response);
	} else {
		message = calloc(1, len = lengths[i]);
		must(message != NULL);
		cursor_copy(in, message, len);
		message[0] = (uint8_t)(i + 1);
		memset(message + 1, 0, 3);
		if (i < 2)
			set_mac1(message, len);
		(void)hear(r, message, len, response);
	}
	free(message);
}

static void
step(struct rig *r, struct cursor *in)
{
	switch (pick(in, 6)) {
	case 0:
		they_initiate(r, in);
		break;
	case 1:
		we_initiate(r, in);
		break;
	case 2:
		they_demand_a_cookie(r, in);
		break;
	case 3:
		they_send_data(r, in);
		break;
	case 4:
		they_send_bytes(r, in);
		break;
	default:
		r->now = mono_add_ms(r->now, cursor_be16(in));
	}
}

void
fuzz_one(struct cursor *in)
{
	struct rig r = { .us = us, .them = them, .now = { 1000000000 } };

	cookie_guard_init(&r.guard, r.now);
	/* Each handshake takes a millisecond under the sanitizers. */
	for (int i = 0; more(in) && i < 32; i++)
		step(&r, in);
}
