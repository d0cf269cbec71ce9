/*
 * A scripted relay and a virtual clock for the tests of an allocation:
 * firezone-tunnel(7), RELAYS and Relay cases (5 to 34).
 */
#ifndef TESTS_LIB_ALLOCATION_H
#define TESTS_LIB_ALLOCATION_H

#include <sodium.h>

#include "net-worker/core/turn/allocation.h"
#include "tests/lib/unit.h"

#define NONCE_1 "nonce-1"
#define NONCE_2 "nonce-2"
#define SEEN    256 /* requests a test may look back on */

/* A request that the allocation has sent. */
struct seen {
	struct datagram d;
	struct stun_message m;
};

enum signature { SIGNED, BARE, FORGED };

/* An answer; what is zero or NULL is left out. */
struct reply {
	uint16_t type, error;
	const char *nonce, *realm, *mapped, *relayed_v4, *relayed_v6;
	bool has_lifetime;
	uint32_t lifetime;
	enum signature signature;
};

static const struct reply binding_ok = { .type = STUN_BINDING_SUCCESS,
	.mapped = "203.0.113.1:52625",
	.signature = BARE };
static const struct reply binding_ok_v6 = { .type = STUN_BINDING_SUCCESS,
	.mapped = "[2001:db8::7]:52625",
	.signature = BARE };
static const struct reply allocate_ok = { .type = STUN_ALLOCATE_SUCCESS,
	.relayed_v4 = "198.51.100.9:50001",
	.relayed_v6 = "[2001:db8::9]:50001",
	.has_lifetime = true,
	.lifetime = 600 };
static const struct reply refresh_ok = {
	.type = STUN_REFRESH_SUCCESS, .has_lifetime = true, .lifetime = 600
};
static const struct reply delete_ok = { .type = STUN_REFRESH_SUCCESS,
	.has_lifetime = true };
static const struct reply bind_ok = { .type = STUN_CHANNEL_BIND_SUCCESS };
static const struct reply allocate_challenge = { .type = STUN_ALLOCATE_ERROR,
	.error = 401,
	.nonce = NONCE_1,
	.realm = "firezone" };

static struct allocation *a;
static struct relay_config config;
static struct mono now;
static struct seen seen[SEEN];
static size_t seen_count;
static const char *relay_realm;

static inline struct endpoint
endpoint_of(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static inline int
set_up(void **state)
{
	(void)state;
	memset(&config, 0, sizeof(config));
	config.address[0] = endpoint_of("192.0.2.1:3478");
	strlcpy(config.username, "1719367575:salt", sizeof(config.username));
	strlcpy(config.password, "secret", sizeof(config.password));
	now = (struct mono){ 5000000000 };
	seen_count = 0;
	relay_realm = TURN_REALM;
	a = NULL;
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	allocation_free(a);
	return 0;
}

static inline void
pass_ms(int64_t ms)
{
	now = mono_add_ms(now, ms);
}

/* The next request, which must be of that type. */
static inline const struct seen *
expect(uint16_t type)
{
	struct seen *s = &seen[seen_count++];

	assert_true(seen_count <= SEEN);
	assert_true(allocation_transmit(a, &s->d));
	assert_true(stun_parse(s->d.data, s->d.length, &s->m));
	assert_int_equal(s->m.type, type);
	return s;
}

static inline void
expect_silence(void)
{
	struct datagram d;

	assert_false(allocation_transmit(a, &d));
}

static inline void
add_address(struct writer *w, uint16_t attribute, const char *text)
{
	struct endpoint e;

	if (text == NULL)
		return;
	e = endpoint_of(text);
	stun_add_address(w, attribute, &e);
}

static inline size_t
write_reply(const uint8_t *transaction, const struct reply *r, uint8_t *out)
{
	uint8_t key[STUN_KEY_LEN];
	struct writer w;

	writer_init(&w, out, STUN_MESSAGE_MAX);
	stun_begin(&w, r->type, transaction);
	if (r->error != 0)
		stun_add_error(&w, r->error, "because");
	if (r->realm != NULL)
		stun_add_text(&w, STUN_REALM, r->realm);
	if (r->nonce != NULL)
		stun_add_text(&w, STUN_NONCE, r->nonce);
	add_address(&w, STUN_XOR_RELAYED_ADDRESS, r->relayed_v4);
	add_address(&w, STUN_XOR_RELAYED_ADDRESS, r->relayed_v6);
	add_address(&w, STUN_XOR_MAPPED_ADDRESS, r->mapped);
	if (r->has_lifetime)
		stun_add_u32(&w, STUN_LIFETIME, r->lifetime);
	assert_true(stun_long_term_key(config.username, relay_realm,
	    r->signature == FORGED ? "guess" : config.password, key));
	if (r->signature != BARE)
		stun_add_integrity(&w, key, sizeof(key));
	assert_false(writer_failed(&w));
	return w.len;
}

/* Answers from an address; whether it was taken for one of ours. */
static inline bool
answer_from(const struct seen *s, struct reply r, const struct endpoint *from)
{
	struct endpoint local =
	    endpoint_of(from->ip.family == IP_V4 ? "10.0.0.4:52625"
						 : "[2001:db8::4]:52625");
	uint8_t out[STUN_MESSAGE_MAX];
	struct stun_message m;

	assert_true(
	    stun_parse(out, write_reply(s->m.transaction, &r, out), &m));
	return allocation_input(a, now, &local, from, &m);
}

static inline void
answer(const struct seen *s, struct reply r)
{
	assert_true(answer_from(s, r, &s->d.to));
}

static inline void
answer_error(const struct seen *s, uint16_t type, uint16_t error)
{
	answer(s, (struct reply){ .type = type, .error = error });
}

static inline void
expect_event(enum allocation_event_type type, const char *address)
{
	struct endpoint want = endpoint_of(address);
	struct allocation_event e;

	assert_true(allocation_event(a, &e));
	assert_int_equal(e.type, type);
	assert_true(endpoint_equal(&e.address, &want));
}

static inline void
expect_no_event(void)
{
	struct allocation_event e;

	assert_false(allocation_event(a, &e));
}

static inline void
forget_events(void)
{
	struct allocation_event e;

	while (allocation_event(a, &e))
		continue;
}

static inline void
expect_withdrawal(void)
{
	expect_event(ALLOCATION_WITHDRAWN, "198.51.100.9:50001");
	expect_event(ALLOCATION_WITHDRAWN, "[2001:db8::9]:50001");
}

static inline void
timeout(void)
{
	allocation_timeout(a, now);
}

/* To the next deadline, which is ms from now. */
static inline void
next_deadline(int64_t ms)
{
	assert_int_equal(mono_ms_between(now, allocation_deadline(a)), ms);
	pass_ms(ms);
	timeout();
}

static inline void
begin(void)
{
	a = allocation_new(&config, now);
	assert_non_null(a);
}

/* Binding, then the first Allocate, which is returned. */
static inline const struct seen *
reach(void)
{
	begin();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	return expect(STUN_ALLOCATE_REQUEST);
}

static inline void
allocate_with(struct reply r)
{
	answer(reach(), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), r);
	forget_events();
}

static inline void
allocate(void)
{
	allocate_with(allocate_ok);
	expect_silence();
}

static struct turn_owner owner; /* of the channels, one of many */

static inline void
bind_to(const char *peer)
{
	struct endpoint e = endpoint_of(peer);

	allocation_bind(a, now, &e, &owner);
}

static inline uint16_t
channel_of(const char *peer)
{
	struct endpoint e = endpoint_of(peer);
	uint16_t channel = allocation_channel(a, now, &e);

	if (channel == 0)
		allocation_bind(a, now, &e, &owner);
	return channel;
}

static inline bool
receive_on(uint16_t channel, const char *peer)
{
	struct endpoint e, want = endpoint_of(peer);

	if (!allocation_received(a, channel, &e))
		return false;
	assert_true(endpoint_equal(&e, &want));
	return true;
}

/*
 * Lets time pass, with the relay there, until there is a request of the type;
 * what else is sent at that moment is left to be looked at.
 */
static inline const struct seen *
until(uint16_t type)
{
	for (;;) {
		struct seen *s = &seen[seen_count];

		while (allocation_transmit(a, &s->d)) {
			assert_true(++seen_count < SEEN);
			assert_true(stun_parse(s->d.data, s->d.length, &s->m));
			if (s->m.type == type)
				return s;
			if (s->m.type == STUN_BINDING_REQUEST)
				answer(s, binding_ok);
			if (s->m.type == STUN_REFRESH_REQUEST)
				answer(s, refresh_ok);
			s = &seen[seen_count];
		}
		assert_false(mono_is_never(allocation_deadline(a)));
		now = allocation_deadline(a);
		timeout();
	}
}

/* Binds and confirms. */
static inline uint16_t
bound_channel(const char *peer)
{
	const struct seen *s;

	bind_to(peer);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	answer(s, bind_ok);
	forget_events();
	return s->m.channel;
}

#define PEER_1  "203.0.113.7:40000"
#define PEER_2  "203.0.113.8:40000"
#define PEER_V6 "[2001:db8::77]:40000"

static inline void
assert_signed(const struct seen *s, const char *nonce)
{
	uint8_t key[STUN_KEY_LEN];

	assert_true(stun_long_term_key(
	    config.username, relay_realm, config.password, key));
	assert_true(stun_verify(&s->m, key, sizeof(key)));
	assert_int_equal(s->m.username.length, strlen(config.username));
	assert_memory_equal(
	    s->m.username.bytes, config.username, s->m.username.length);
	assert_int_equal(s->m.realm.length, strlen(relay_realm));
	if (nonce == NULL) {
		assert_int_equal(s->m.have & STUN_HAVE_NONCE, 0);
		return;
	}
	assert_int_equal(s->m.nonce.length, strlen(nonce));
	assert_memory_equal(s->m.nonce.bytes, nonce, strlen(nonce));
}

static inline bool
asks_for_both_families(const struct seen *s)
{
	return memmem(s->d.data, s->d.length, "\x80\0\0\x04\x02\0\0\0", 8) !=
	    NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif /* TESTS_LIB_ALLOCATION_H */
