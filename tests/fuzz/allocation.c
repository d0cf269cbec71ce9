/*
 * The TURN client against a relay that knows the password and answers what it
 * likes, when it likes.
 */
#include "net-worker/core/turn/allocation.h"

#include <stdlib.h>
#include <string.h>

#include "net-worker/core/turn/channel.h"
#include "tests/fuzz/fuzz.h"

#define REQUESTS    16 /* that can still be answered */
#define BURST_LIMIT 4096

struct request_seen {
	uint16_t type;
	uint8_t transaction[STUN_TRANSACTION_LEN];
	struct endpoint to;
};

struct rig {
	struct allocation *a;
	struct mono now;
	struct request_seen seen[REQUESTS];
	size_t seen_count;
};

static struct relay_config config = { .username = "user",
	.password = "secret" };
static struct endpoint local[2], peers[4];
static const char *const realms[] = { "firezone", "other", "" };
static const char *const nonces[] = { "nonce-1", "nonce-2", "" };

void
fuzz_init(void)
{
	config.address[0] = endpoint_of("192.0.2.1:3478");
	config.address[1] = endpoint_of("[2001:db8::1]:3478");
	local[0] = endpoint_of("10.0.0.4:52625");
	local[1] = endpoint_of("[2001:db8::4]:52625");
	peers[0] = endpoint_of("203.0.113.99:4444");
	peers[1] = endpoint_of("203.0.113.98:4444");
	peers[2] = endpoint_of("[2001:db8::99]:4444");
	peers[3] = endpoint_of("203.0.113.99:4445");
}

static void
drain(struct rig *r)
{
	struct allocation_event event;
	struct datagram d;
	struct stun_message m;
	unsigned n;

	for (n = 0; allocation_transmit(r->a, &d); n++) {
		struct request_seen *s = &r->seen[r->seen_count++ % REQUESTS];

		must(n < BURST_LIMIT);
		must(allocation_has_address(r->a, &d.to));
		must(stun_parse(d.data, d.length, &m));
		s->type = m.type;
		s->to = d.to;
		memcpy(s->transaction, m.transaction, sizeof(s->transaction));
	}
	for (n = 0; allocation_event(r->a, &event); n++)
		must(n < 2 * CHANNELS_MAX);
}

static void
input(struct rig *r, const uint8_t *data, size_t len,
    const struct endpoint *from, struct cursor *in)
{
	struct stun_message m;

	if (stun_parse(data, len, &m))
		(void)allocation_input(r->a, r->now,
		    &local[from->ip.family == IP_V6 && pick(in, 8) != 1], from,
		    &m);
}

static void
add_answer_attributes(struct writer *w, struct cursor *in)
{
	static const uint16_t errors[] = { 300, 400, 401, 403, 420, 437, 438,
		440, 441, 442, 443, 486, 500, 508, 699 };
	uint8_t have = cursor_u8(in);

	if (have & 1)
		stun_add_error(
		    w, errors[pick(in, sizeof(errors) / 2)], "reason");
	if (have & 2)
		stun_add_text(w, STUN_REALM, realms[pick(in, 3)]);
	if (have & 4)
		stun_add_text(w, STUN_NONCE, nonces[pick(in, 3)]);
	if (have & 8)
		stun_add_u32(
		    w, STUN_LIFETIME, pick_bool(in) ? cursor_be32(in) : 600);
	if (have & 16) {
		struct endpoint e = pick_endpoint(in, local, 2);

		stun_add_address(w, STUN_XOR_MAPPED_ADDRESS, &e);
	}
	for (int i = 0; i < 2; i++) {
		struct endpoint e;

		if (!(have & (32 << i)))
			continue;
		e = pick_endpoint(in, peers, 4);
		stun_add_address(w, STUN_XOR_RELAYED_ADDRESS, &e);
	}
}

static void
answer(struct rig *r, struct cursor *in)
{
	const struct request_seen *s = &r->seen[pick(in, REQUESTS)];
	uint8_t data[DATAGRAM_MAX], key[STUN_KEY_LEN];
	uint16_t class = pick_bool(in) ? 0x0110 : 0x0100;
	uint8_t sign = cursor_u8(in);
	struct endpoint from = s->to;
	struct writer w;

	writer_init(&w, data, sizeof(data));
	stun_begin(&w, s->type | class, s->transaction);
	add_answer_attributes(&w, in);
	if (sign % 4 != 0) {
		must(stun_long_term_key(config.username,
		    realms[sign % 4 == 1 ? 0 : 1], config.password, key));
		stun_add_integrity(&w, key, sizeof(key));
	}
	must(!writer_failed(&w));
	if (sign >= 250)
		from = config.address[sign & 1];
	input(r, data, w.len, &from, in);
}

static void
send_bytes(struct rig *r, struct cursor *in)
{
	size_t len;
	uint8_t *block = pick_block(in, STUN_MESSAGE_MAX, &len);

	input(r, block, len, &config.address[pick(in, 2)], in);
	free(block);
}

static void
pass(struct rig *r, int64_t ms)
{
	r->now = mono_add_ms(r->now, ms);
	allocation_timeout(r->a, r->now);
	drain(r);
	/* Or its owner would never sleep; one that has ended is freed. */
	if (allocation_end(r->a) == ALLOCATION_ALIVE)
		must(!mono_due(allocation_deadline(r->a), r->now));
}

static const struct turn_owner owner;

static void
use_channel(struct rig *r, struct cursor *in)
{
	struct endpoint peer = pick_endpoint(in, peers, 4);
	uint16_t number;

	number = allocation_channel(r->a, r->now, &peer);
	if (number == 0)
		allocation_bind(r->a, r->now, &peer, &owner);
	must(number == 0 ||
	    (number >= CHANNEL_NUMBER_FIRST && number <= CHANNEL_NUMBER_LAST));
	if (number != 0) {
		struct endpoint server;

		must(allocation_server(r->a, &server));
		must(allocation_has_address(r->a, &server));
	}
	number = (uint16_t)(CHANNEL_NUMBER_FIRST + pick(in, 16));
	if (pick(in, 16) == 1)
		number = cursor_be16(in);
	if (allocation_received(r->a, number, &peer))
		must(peer.ip.family != IP_NONE);
}

static void
step(struct rig *r, struct cursor *in)
{
	struct endpoint peer;
	struct datagram d;

	switch (pick(in, 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		answer(r, in);
		break;
	case 4:
		send_bytes(r, in);
		break;
	case 5:
		pass(r, cursor_be16(in));
		break;
	case 6:
		/* Up to three hours: lifetimes end. */
		pass(r, (int64_t)pick(in, 180) * 60000);
		break;
	case 7:
		peer = pick_endpoint(in, peers, 4);
		allocation_bind(r->a, r->now, &peer, &owner);
		break;
	case 8:
		use_channel(r, in);
		break;
	default:
		if (pick_bool(in))
			allocation_refresh(r->a, r->now);
		else if (allocation_release(r->a, &d))
			must(allocation_has_address(r->a, &d.to));
	}
	drain(r);
}

void
fuzz_one(struct cursor *in)
{
	struct rig r = { .now = { 5000000000 } };

	r.a = allocation_new(&config, r.now);
	must(r.a != NULL);
	drain(&r);
	while (more(in))
		step(&r, in);
	pass(&r, 100);
	allocation_free(r.a);
}
