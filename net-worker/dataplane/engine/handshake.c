/*
 * WireGuard handshakes (firezone-tunnel(7), Demultiplexing and WIREGUARD): whom
 * a message is for, what it is answered with, and the session it makes. MAC1 is
 * checked before anything costs an X25519; under load the sender has to prove
 * its address first.
 */
#include <sodium.h>
#include <string.h>

#include "net-worker/core/wireguard/message.h"
#include "net-worker/dataplane/engine/state.h"

#define INITIATION_INTERVAL_MS 20 /* of one peer */
#define ANSWER_AGAIN_S         10 /* a copy of an initiation */

static uint32_t
next_session_index(struct connection *c)
{
	return SESSION_INDEX(c->index, c->client->shard, ++c->session_counter);
}

static void
install_session(struct engine *e, struct mono now, struct connection *c,
    struct noise_keys *keys)
{
	struct shard_command command = {
		.type = SHARD_SESSION,
		.connection = c->index,
		.keys = *keys,
	};

	shard_command(e, c->client, &command);
	c->peer_has_come = true;
	handshake_done(&c->handshake, now);
	e->counters->handshakes++;
	sodium_memzero(&command, sizeof(command));
	sodium_memzero(keys, sizeof(*keys));
}

/* A response that has no path yet waits for one; the oldest is overwritten. */
static void
hold_response(
    struct connection *c, const uint8_t response[MESSAGE_RESPONSE_LEN])
{
	memcpy(c->held[c->held_count++ % HELD_RESPONSES], response,
	    MESSAGE_RESPONSE_LEN);
}

void
handshake_release_held(struct engine *e, struct mono now, struct connection *c)
{
	unsigned first =
	    c->held_count > HELD_RESPONSES ? c->held_count - HELD_RESPONSES : 0;

	for (unsigned i = first; i < c->held_count; i++)
		paths_send(e->paths, now, c->paths, c->held[i % HELD_RESPONSES],
		    MESSAGE_RESPONSE_LEN);
	c->held_count = 0;
}

/* What a copy of the initiation by another path is to be answered with. */
static void
keep_answer(struct engine *e, struct mono now, struct connection *c,
    const uint8_t *initiation, const uint8_t *response)
{
	struct answered_initiation *a = &c->answered;

	key_map_remove(&e->by_initiation, &a->by_bytes);
	memcpy(a->initiation, initiation, sizeof(a->initiation));
	memcpy(a->response, response, sizeof(a->response));
	a->until = mono_add_s(now, ANSWER_AGAIN_S);
	key_map_add(&e->by_initiation, &a->by_bytes, a->initiation,
	    sizeof(a->initiation), c);
}

/*
 * Whether it is a copy of one that was accepted, which would be refused now for
 * its timestamp (firezone-tunnel(7), Responding without ICE).
 */
static bool
answer_copy(struct engine *e, struct mono now, const struct path *from,
    const uint8_t *message)
{
	const struct connection *c =
	    key_map_get(&e->by_initiation, message, MESSAGE_INITIATION_LEN);

	if (c == NULL)
		return false;
	if (mono_before(now, c->answered.until))
		paths_send_on(e->paths, from, c->answered.response,
		    sizeof(c->answered.response));
	return true;
}

static void
send_response(struct engine *e, struct mono now, struct connection *c,
    const struct path *from, const uint8_t *message,
    struct noise_initiation *initiation)
{
	uint8_t response[MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;

	if (!noise_create_response(&c->noise, initiation, next_session_index(c),
		now, response, &keys))
		return;
	install_session(e, now, c, &keys);
	if (paths_answer_on_arrival(c->paths)) {
		keep_answer(e, now, c, message, response);
		paths_send_on(e->paths, from, response, sizeof(response));
	} else if (!paths_send(
		       e->paths, now, c->paths, response, sizeof(response))) {
		hold_response(c, response);
	}
	paths_sign(e->paths, now, c->paths, PATH_SIGN_INITIATION, from);
}

/*
 * Whether the peer may have another session by now. Only an initiation that is
 * its own is counted: anybody can make one that bears its key.
 */
static bool
initiation_is_paced(struct connection *c, struct mono now)
{
	if (mono_before(now, c->next_initiation))
		return false;
	c->next_initiation = mono_add_ms(now, INITIATION_INTERVAL_MS);
	return true;
}

static void
handle_initiation(struct engine *e, struct mono now, const struct path *from,
    const uint8_t *message)
{
	struct noise_initiation initiation;
	struct connection *c;

	if (noise_open_initiation(&e->identity, message, &initiation) &&
	    (c = key_map_get(&e->by_key, initiation.remote_static,
		 NOISE_KEY_LEN)) != NULL &&
	    noise_accept_initiation(&c->noise, &initiation) &&
	    initiation_is_paced(c, now)) {
		connection_heard(e, now, c, from);
		send_response(e, now, c, from, message, &initiation);
	}
	sodium_memzero(&initiation, sizeof(initiation));
}

static void
handle_response(struct engine *e, struct mono now, const struct path *from,
    const uint8_t *message)
{
	uint32_t receiver = message_receiver(MESSAGE_RESPONSE, message);
	struct connection *c =
	    connection_of_index(e, CONNECTION_INDEX(receiver));
	struct noise_keys keys;

	if (c == NULL ||
	    !noise_consume_response(&e->identity, &c->noise, message, &keys))
		return;
	connection_heard(e, now, c, from);
	install_session(e, now, c, &keys);
	paths_sign(e->paths, now, c->paths, PATH_SIGN_RESPONSE, from);
}

static void
handle_cookie_reply(struct engine *e, struct mono now, const uint8_t *message)
{
	uint32_t receiver = message_receiver(MESSAGE_COOKIE, message);
	struct connection *c =
	    connection_of_index(e, CONNECTION_INDEX(receiver));

	if (c != NULL)
		noise_consume_cookie_reply(&c->noise, now, message);
}

/* Asks the sender to prove its address, at no cost but two hashes. */
static void
demand_cookie(struct engine *e, struct mono now, const struct path *from,
    const uint8_t *message, size_t len)
{
	uint8_t reply[MESSAGE_COOKIE_LEN];

	if (cookie_create_reply(&e->guard, &e->identity, now, &from->remote.ip,
		message, len, reply)) {
		paths_send_on(e->paths, from, reply, sizeof(reply));
		e->counters->cookies_demanded++;
	}
}

bool
handshake_message(struct engine *e, struct mono now, const struct path *from,
    const uint8_t *message, size_t len)
{
	enum message_type type = message_classify(message, len);

	if (type == MESSAGE_COOKIE) {
		handle_cookie_reply(e, now, message);
		return false;
	}
	if (type == MESSAGE_INVALID || type == MESSAGE_DATA ||
	    !noise_mac1_valid(&e->identity, message, len))
		return false;
	if (type == MESSAGE_INITIATION && answer_copy(e, now, from, message))
		return false;
	switch (cookie_judge(&e->guard, now, &from->remote.ip, message, len)) {
	case COOKIE_REFUSE:
		return false;
	case COOKIE_DEMAND:
		demand_cookie(e, now, from, message, len);
		return false;
	case COOKIE_ADMIT:
		break;
	}
	if (type == MESSAGE_INITIATION)
		handle_initiation(e, now, from, message);
	else
		handle_response(e, now, from, message);
	return true;
}

void
handshake_initiate(struct engine *e, struct mono now, struct connection *c)
{
	uint8_t message[MESSAGE_INITIATION_LEN];
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];
	/* A timestamp must never be below one before, whatever is set since. */
	uint64_t unix_ns = (uint64_t)(e->started.wall.ns +
	    (now.ns - e->started.mono.ns));

	noise_timestamp(unix_ns / 1000000000, (uint32_t)(unix_ns % 1000000000),
	    timestamp);
	if (noise_create_initiation(&e->identity, &c->noise,
		next_session_index(c), timestamp, now, message))
		paths_send(e->paths, now, c->paths, message, sizeof(message));
	paths_sign(e->paths, now, c->paths, PATH_SIGN_INITIATED, NULL);
}
