/*
 * net-worker/core/turn/allocation.c and answer.c against a scripted relay and
 * a virtual clock: spec/tunnel.md 4.4 to 4.9 and 8.1 items 5 to 34.
 */
#include "net-worker/core/turn/allocation.h"
#include "tests/unit/unit.h"

#include <sodium.h>

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

static struct endpoint
endpoint_of(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static int
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

static int
tear_down(void **state)
{
	(void)state;
	allocation_free(a);
	return 0;
}

static void
pass_ms(int64_t ms)
{
	now = mono_add_ms(now, ms);
}

/* The next request, which must be of that type. */
static const struct seen *
expect(uint16_t type)
{
	struct seen *s = &seen[seen_count++];

	assert_true(seen_count <= SEEN);
	assert_true(allocation_transmit(a, &s->d));
	assert_true(stun_parse(s->d.data, s->d.length, &s->m));
	assert_int_equal(s->m.type, type);
	return s;
}

static void
expect_silence(void)
{
	struct datagram d;

	assert_false(allocation_transmit(a, &d));
}

static void
add_address(struct writer *w, uint16_t attribute, const char *text)
{
	struct endpoint e;

	if (text == NULL)
		return;
	e = endpoint_of(text);
	stun_add_address(w, attribute, &e);
}

static size_t
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
static bool
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

static void
answer(const struct seen *s, struct reply r)
{
	assert_true(answer_from(s, r, &s->d.to));
}

static void
answer_error(const struct seen *s, uint16_t type, uint16_t error)
{
	answer(s, (struct reply){ .type = type, .error = error });
}

static void
expect_event(enum allocation_event_type type, const char *address)
{
	struct endpoint want = endpoint_of(address);
	struct allocation_event e;

	assert_true(allocation_event(a, &e));
	assert_int_equal(e.type, type);
	assert_true(endpoint_equal(&e.address, &want));
}

static void
expect_no_event(void)
{
	struct allocation_event e;

	assert_false(allocation_event(a, &e));
}

static void
forget_events(void)
{
	struct allocation_event e;

	while (allocation_event(a, &e))
		continue;
}

static void
expect_withdrawal(void)
{
	expect_event(ALLOCATION_WITHDRAWN, "198.51.100.9:50001");
	expect_event(ALLOCATION_WITHDRAWN, "[2001:db8::9]:50001");
}

static void
timeout(void)
{
	allocation_timeout(a, now);
}

/* To the next deadline, which is ms from now. */
static void
next_deadline(int64_t ms)
{
	assert_int_equal(mono_ms_between(now, allocation_deadline(a)), ms);
	pass_ms(ms);
	timeout();
}

static void
begin(void)
{
	a = allocation_new(&config, now);
	assert_non_null(a);
}

/* Binding, then the first Allocate, which is returned. */
static const struct seen *
reach(void)
{
	begin();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	return expect(STUN_ALLOCATE_REQUEST);
}

static void
allocate_with(struct reply r)
{
	answer(reach(), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), r);
	forget_events();
}

static void
allocate(void)
{
	allocate_with(allocate_ok);
	expect_silence();
}

static void
bind_to(const char *peer)
{
	struct endpoint e = endpoint_of(peer);

	allocation_bind(a, now, &e);
}

static uint16_t
channel_of(const char *peer)
{
	struct endpoint e = endpoint_of(peer);

	return allocation_channel(a, now, &e);
}

static bool
receive_on(uint16_t channel, const char *peer)
{
	struct endpoint e, want = endpoint_of(peer);

	return allocation_received(a, now, channel, &e) &&
	    endpoint_equal(&e, &want);
}

/*
 * Lets time pass, with the relay there, until there is a request of the type;
 * what else is sent at that moment is left to be looked at.
 */
static const struct seen *
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
static uint16_t
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

static void
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

static bool
asks_for_both_families(const struct seen *s)
{
	return memmem(s->d.data, s->d.length, "\x80\0\0\x04\x02\0\0\0", 8) !=
	    NULL;
}

/* --- start --- */

static void
first_allocate_has_no_nonce(void **state)
{
	const struct seen *s;

	(void)state;
	s = reach();
	assert_signed(s, NULL);
	assert_true(asks_for_both_families(s));
	answer(s, allocate_challenge);
	assert_signed(expect(STUN_ALLOCATE_REQUEST), NONCE_1);
}

static void
events_of_a_start(void **state)
{
	struct endpoint server, base;

	(void)state;
	begin();
	assert_false(allocation_server(a, &server));
	assert_int_equal(allocation_base(a).ip.family, IP_NONE);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	assert_true(allocation_server(a, &server));
	assert_true(endpoint_equal(&server, &config.address[0]));
	base = allocation_base(a);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect_event(ALLOCATION_HOST, "10.0.0.4:52625");
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "203.0.113.1:52625");
	expect_event(ALLOCATION_RELAYED, "198.51.100.9:50001");
	expect_event(ALLOCATION_RELAYED, "[2001:db8::9]:50001");
	expect_no_event();
	base = allocation_relayed(a, IP_V4);
	assert_int_equal(base.port, 50001);
	base = allocation_host(a, IP_V4);
	assert_int_equal(base.ip.bytes[0], 10);
	base = allocation_reflexive(a, IP_V4);
	assert_int_equal(base.ip.bytes[0], 203);
	assert_int_equal(allocation_reflexive(a, IP_V6).ip.family, IP_NONE);
}

static void
two_families(void **state)
{
	const struct seen *v4, *v6, *s;

	(void)state;
	config.address[1] = endpoint_of("[2001:db8::1]:3478");
	begin();
	v4 = expect(STUN_BINDING_REQUEST);
	v6 = expect(STUN_BINDING_REQUEST);
	expect_silence();
	answer(v6, binding_ok_v6);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_true(endpoint_equal(&s->d.to, &config.address[1]));
	answer(v4, binding_ok);
	expect_silence();
	expect_event(ALLOCATION_HOST, "10.0.0.4:52625");
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "203.0.113.1:52625");
	expect_event(ALLOCATION_HOST, "[2001:db8::4]:52625");
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "[2001:db8::7]:52625");
	expect_no_event();
	answer(s, allocate_challenge);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_true(endpoint_equal(&s->d.to, &config.address[1]));
}

static void
one_silent_family_does_no_harm(void **state)
{
	const struct seen *v4;

	(void)state;
	config.address[1] = endpoint_of("[2001:db8::1]:3478");
	begin();
	v4 = expect(STUN_BINDING_REQUEST);
	expect(STUN_BINDING_REQUEST);
	answer(v4, binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	for (int i = 0; i < 3; i++) {
		now = allocation_deadline(a);
		timeout();
		expect(STUN_BINDING_REQUEST);
	}
	now = allocation_deadline(a);
	timeout();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
}

static void
retransmission_times(void **state)
{
	const struct seen *first, *again;

	(void)state;
	begin();
	first = expect(STUN_BINDING_REQUEST);
	expect_silence();
	pass_ms(999);
	timeout();
	expect_silence();
	pass_ms(1);
	timeout();
	again = expect(STUN_BINDING_REQUEST);
	assert_int_equal(again->d.length, first->d.length);
	assert_memory_equal(again->d.data, first->d.data, first->d.length);
	expect_silence();
	next_deadline(1500);
	expect(STUN_BINDING_REQUEST);
	next_deadline(2250);
	expect(STUN_BINDING_REQUEST);
	assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
	next_deadline(3375);
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
	assert_true(mono_is_never(allocation_deadline(a)));
}

static void
late_answer_to_an_earlier_copy(void **state)
{
	const struct seen *first, *second;

	(void)state;
	first = reach();
	next_deadline(1000);
	second = expect(STUN_ALLOCATE_REQUEST);
	assert_false(answer_from(first, allocate_challenge, &first->d.to));
	answer(second, allocate_challenge);
	expect(STUN_ALLOCATE_REQUEST);
}

static void
round_trip(void **state)
{
	const struct seen *s;

	(void)state;
	begin();
	assert_int_equal(allocation_rtt_us(a), -1);
	s = expect(STUN_BINDING_REQUEST);
	pass_ms(40);
	answer(s, binding_ok);
	assert_int_equal(allocation_rtt_us(a), 40000);
	s = expect(STUN_ALLOCATE_REQUEST);
	pass_ms(200);
	answer(s, allocate_challenge);
	assert_int_equal(allocation_rtt_us(a), 60000);
}

static void
round_trip_counts_from_the_first_copy(void **state)
{
	const struct seen *s;

	(void)state;
	begin();
	expect(STUN_BINDING_REQUEST);
	next_deadline(1000);
	s = expect(STUN_BINDING_REQUEST);
	pass_ms(40);
	answer(s, binding_ok);
	assert_int_equal(allocation_rtt_us(a), 1040000);
}

static void
addresses(void **state)
{
	struct endpoint v4 = endpoint_of("192.0.2.1:3478");
	struct endpoint v6 = endpoint_of("[2001:db8::1]:3478");
	struct endpoint port = endpoint_of("192.0.2.1:3479");
	struct endpoint none = { .port = 0 };

	(void)state;
	begin();
	assert_true(allocation_has_address(a, &v4));
	assert_false(allocation_has_address(a, &v6));
	assert_false(allocation_has_address(a, &port));
	assert_false(allocation_has_address(a, &none));
	allocation_free(a);
	config.address[1] = v6;
	begin();
	assert_true(allocation_has_address(a, &v4));
	assert_true(allocation_has_address(a, &v6));
	allocation_free(a);
	config.address[0] = none;
	begin();
	assert_false(allocation_has_address(a, &v4));
	assert_true(allocation_has_address(a, &v6));
	assert_true(endpoint_equal(&allocation_config(a)->address[1], &v6));
}

/* --- nonces and credentials --- */

static void
stale_nonce(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	allocation_refresh(a, now);
	s = expect(STUN_REFRESH_REQUEST);
	assert_signed(s, NONCE_1);
	answer(s,
	    (struct reply){ .type = STUN_REFRESH_ERROR,
		.error = 438,
		.nonce = NONCE_2,
		.realm = "firezone" });
	s = expect(STUN_REFRESH_REQUEST);
	assert_signed(s, NONCE_2);
	answer(s, refresh_ok);
	expect_silence();
	expect_no_event();
}

static void
unauthorized_with_nonce(void **state)
{
	(void)state;
	answer(reach(), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_AUTHENTICATION);
}

static void
unauthorized_later(void **state)
{
	struct reply r = { .type = STUN_REFRESH_ERROR,
		.error = 401,
		.nonce = NONCE_2,
		.realm = "firezone" };

	(void)state;
	allocate();
	allocation_refresh(a, now);
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect_withdrawal();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_AUTHENTICATION);
	bind_to(PEER_1);
	allocation_refresh(a, now);
	expect_silence();
}

static void
foreign_realm(void **state)
{
	struct reply r = allocate_challenge;

	(void)state;
	r.realm = "elsewhere";
	answer(reach(), r);
	expect_silence();
	assert_true(allocation_suspended(a));
}

static void
nonces_without_end(void **state)
{
	struct reply r = { .type = STUN_REFRESH_ERROR,
		.error = 438,
		.nonce = NONCE_2,
		.realm = "firezone" };
	int asked = 0;

	(void)state;
	allocate();
	allocation_refresh(a, now);
	for (int i = 0; i < 3; i++) {
		answer(expect(STUN_REFRESH_REQUEST), r);
		asked++;
	}
	/* From here on only at the times of the retransmission. */
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect_silence();
	next_deadline(1000);
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect_silence();
	assert_int_equal(asked, 3);
}

/* --- forgeries --- */

static void
forged_answers_change_nothing(void **state)
{
	static const enum signature bad[] = { BARE, FORGED };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct reply r = allocate_ok;
		const struct seen *s;

		r.signature = bad[i];
		s = reach();
		answer(s, allocate_challenge);
		s = expect(STUN_ALLOCATE_REQUEST);
		answer(s, r);
		assert_int_equal(
		    allocation_relayed(a, IP_V4).ip.family, IP_NONE);
		/* It is still outstanding. */
		answer(s, allocate_ok);
		assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
		allocation_free(a);
	}
	a = NULL;
}

static void
unsigned_errors_change_nothing(void **state)
{
	static const uint16_t errors[] = { 400, 401, 403, 420, 437, 440, 441,
		443, 486, 500, 508 };

	(void)state;
	allocate();
	bind_to(PEER_1);
	allocation_refresh(a, now);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct reply r = { .type = STUN_REFRESH_ERROR,
			.error = errors[i],
			.nonce = NONCE_2,
			.realm = "firezone",
			.signature = BARE };

		if (i == 0)
			expect(STUN_CHANNEL_BIND_REQUEST);
		answer(i == 0 ? expect(STUN_REFRESH_REQUEST)
			      : &seen[seen_count - 1],
		    r);
		r.type = STUN_CHANNEL_BIND_ERROR;
		answer(&seen[seen_count - 2], r);
		expect_silence();
		expect_no_event();
		assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
	}
	answer(&seen[seen_count - 2], bind_ok);
	assert_int_equal(channel_of(PEER_1), 0x4000);
	answer(&seen[seen_count - 1], refresh_ok);
}

static void
unsigned_stale_nonce(void **state)
{
	struct reply r = { .type = STUN_REFRESH_ERROR,
		.error = 438,
		.nonce = NONCE_2,
		.realm = "other",
		.signature = BARE };

	(void)state;
	allocate();
	allocation_refresh(a, now);
	answer(expect(STUN_REFRESH_REQUEST), r);
	/* The nonce is taken, the realm is not. */
	assert_signed(expect(STUN_REFRESH_REQUEST), NONCE_2);
}

static void
not_our_answer(void **state)
{
	struct endpoint other = endpoint_of("192.0.2.9:3478");
	struct reply wrong_method = { .type = STUN_REFRESH_SUCCESS };
	struct reply request = { .type = STUN_ALLOCATE_REQUEST };
	struct reply no_code = { .type = STUN_ALLOCATE_ERROR };
	const struct seen *s;

	(void)state;
	s = reach();
	assert_false(answer_from(s, allocate_challenge, &other));
	assert_false(answer_from(s, wrong_method, &s->d.to));
	assert_false(answer_from(s, request, &s->d.to));
	assert_false(answer_from(s, no_code, &s->d.to));
	assert_false(answer_from(s, binding_ok, &s->d.to));
	answer(s, allocate_challenge);
	assert_false(answer_from(s, allocate_challenge, &s->d.to));
}

static void
binding_error_is_no_answer(void **state)
{
	struct reply r = {
		.type = STUN_BINDING_ERROR, .error = 401, .signature = BARE
	};

	(void)state;
	begin();
	answer(expect(STUN_BINDING_REQUEST), r);
	expect_silence();
	assert_int_equal(allocation_rtt_us(a), -1);
	next_deadline(1000);
	expect(STUN_BINDING_REQUEST);
}

/* A relay that was restarted signs with its new secret. */
static void
two_wrong_signatures_start_over(void **state)
{
	struct reply r = { .type = STUN_REFRESH_ERROR,
		.error = 438,
		.nonce = NONCE_2,
		.realm = "firezone",
		.signature = FORGED };

	(void)state;
	allocate();
	pass_ms(25000);
	timeout();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	now = mono_add_s(now, 275);
	timeout();
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect(STUN_BINDING_REQUEST);
	expect_no_event();
	answer(&seen[seen_count - 2], r);
	expect_withdrawal();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	expect(STUN_ALLOCATE_REQUEST);
}

static void
wrong_signatures_without_allocation(void **state)
{
	struct reply r = allocate_challenge;
	const struct seen *s;

	(void)state;
	r.signature = FORGED;
	s = reach();
	for (int i = 0; i < 5; i++)
		answer(s, r);
	expect_silence();
	next_deadline(1000);
	expect(STUN_ALLOCATE_REQUEST);
}

/* --- standard servers --- */

static void
standard_server_with(uint16_t error, const char *realm)
{
	struct reply first = {
		.type = STUN_ALLOCATE_ERROR, .error = error, .signature = BARE
	};
	struct reply challenge = allocate_challenge;
	const struct seen *s;

	answer(reach(), first);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_int_equal(s->m.have &
		(STUN_HAVE_USERNAME | STUN_HAVE_REALM | STUN_HAVE_NONCE |
		    STUN_HAVE_INTEGRITY),
	    0);
	relay_realm = realm;
	challenge.realm = realm;
	challenge.signature = BARE;
	answer(s, challenge);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_signed(s, NONCE_1);
	answer(s, allocate_ok);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
	forget_events();
}

static void
standard_servers(void **state)
{
	(void)state;
	standard_server_with(400, "firezone");
	allocation_free(a);
	set_up(NULL);
	standard_server_with(401, "firezone");
	allocation_free(a);
	set_up(NULL);
	standard_server_with(437, "example.org");
}

static void
standard_server_refreshes(void **state)
{
	const struct seen *s;
	uint16_t channel;

	(void)state;
	standard_server_with(400, "firezone");
	channel = bound_channel(PEER_1);
	allocation_refresh(a, now);
	s = expect(STUN_REFRESH_REQUEST);
	assert_false(asks_for_both_families(s));
	answer(s, refresh_ok);
	/* The channel carries its permission, which lasts 300 s. */
	assert_int_equal(channel_of(PEER_1), channel);
	for (int i = 0; i < 10; i++) {
		pass_ms(23900);
		allocation_sent(a, now);
		assert_true(receive_on(channel, PEER_1));
	}
	expect_silence();
	pass_ms(1000);
	timeout();
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(s->m.channel, channel);
}

static void
bare_request_is_not_granted(void **state)
{
	struct reply first = {
		.type = STUN_ALLOCATE_ERROR, .error = 400, .signature = BARE
	};
	struct reply open = allocate_ok;

	(void)state;
	answer(reach(), first);
	open.signature = BARE;
	answer(expect(STUN_ALLOCATE_REQUEST), open);
	assert_int_equal(allocation_relayed(a, IP_V4).ip.family, IP_NONE);
}

static void
standard_server_that_still_knows_us(void **state)
{
	struct reply mismatch = {
		.type = STUN_ALLOCATE_ERROR, .error = 437, .signature = BARE
	};
	struct reply challenge = { .type = STUN_REFRESH_ERROR,
		.error = 401,
		.nonce = NONCE_1,
		.realm = "firezone",
		.signature = BARE };
	const struct seen *s;

	(void)state;
	answer(reach(), mismatch);
	answer(expect(STUN_ALLOCATE_REQUEST), mismatch);
	s = expect(STUN_REFRESH_REQUEST);
	assert_int_equal(s->m.have & STUN_HAVE_INTEGRITY, 0);
	answer(s, challenge);
	s = expect(STUN_REFRESH_REQUEST);
	assert_signed(s, NONCE_1);
	assert_true(s->m.have & STUN_HAVE_LIFETIME);
	assert_int_equal(s->m.lifetime, 0);
	answer(s, delete_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
}

/* --- errors --- */

static void
no_ipv6_at_the_relay(void **state)
{
	const struct seen *s;

	(void)state;
	answer(reach(), allocate_challenge);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 440);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_false(asks_for_both_families(s));
	answer_error(s, STUN_ALLOCATE_ERROR, 440);
	expect_silence();
	assert_true(allocation_suspended(a));
}

static void
unknown_attribute_is_final(void **state)
{
	(void)state;
	allocate();
	bind_to(PEER_1);
	answer_error(
	    expect(STUN_CHANNEL_BIND_REQUEST), STUN_CHANNEL_BIND_ERROR, 420);
	expect_withdrawal();
	assert_int_equal(allocation_end(a), ALLOCATION_PROTOCOL);
	allocation_refresh(a, now);
	expect_silence();
}

static void
other_error_on_allocate(void **state)
{
	static const uint16_t errors[] = { 300, 400, 403, 441, 486, 500, 508 };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		begin();
		bind_to(PEER_1);
		answer(expect(STUN_BINDING_REQUEST), binding_ok);
		answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR,
		    errors[i]);
		expect_silence();
		assert_true(allocation_suspended(a));
		assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
		assert_true(mono_is_never(allocation_deadline(a)));
		/* Suspended: a channel is not even buffered. */
		bind_to(PEER_2);
		allocation_refresh(a, now);
		answer(expect(STUN_BINDING_REQUEST), binding_ok);
		answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
		answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
		expect_silence();
		allocation_free(a);
	}
	a = NULL;
}

static void
success_without_what_it_needs(void **state)
{
	struct reply no_lifetime = allocate_ok, zero = allocate_ok,
		     no_address = allocate_ok;

	(void)state;
	no_lifetime.has_lifetime = false;
	zero.lifetime = 0;
	no_address.relayed_v4 = no_address.relayed_v6 = NULL;
	allocate_with(no_lifetime);
	assert_true(allocation_suspended(a));
	allocation_free(a);
	allocate_with(zero);
	assert_true(allocation_suspended(a));
	allocation_free(a);
	allocate_with(no_address);
	assert_true(allocation_suspended(a));
}

static void
mismatch_on_allocate(void **state)
{
	const struct seen *s;

	(void)state;
	answer(reach(), allocate_challenge);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	s = expect(STUN_REFRESH_REQUEST);
	assert_true(s->m.have & STUN_HAVE_LIFETIME);
	answer(s, delete_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect_silence();
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
}

/* Each success makes the next disagreement a first one. */
static void
mismatch_now_and_then(void **state)
{
	(void)state;
	allocate();
	for (int i = 0; i < 6; i++) {
		allocation_refresh(a, now);
		answer_error(
		    expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
		answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	}
}

/* What nobody was told of is not withdrawn. */
static void
withdrawal_before_the_announcement(void **state)
{
	(void)state;
	answer(reach(), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	allocation_refresh(a, now);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	expect_event(ALLOCATION_HOST, "10.0.0.4:52625");
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "203.0.113.1:52625");
	expect_no_event();
}

static void
mismatch_for_ever(void **state)
{
	(void)state;
	answer(reach(), allocate_challenge);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	expect_silence();
	assert_true(allocation_suspended(a));
}

static void
mismatch_on_refresh(void **state)
{
	uint16_t channel;

	(void)state;
	allocate();
	channel = bound_channel(PEER_1);
	allocation_refresh(a, now);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	expect_withdrawal();
	expect_no_event();
	assert_false(receive_on(channel, PEER_1));
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect_silence();
	expect_event(ALLOCATION_RELAYED, "198.51.100.9:50001");
}

static void
mismatch_on_channel_bind(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	bind_to(PEER_1);
	answer_error(
	    expect(STUN_CHANNEL_BIND_REQUEST), STUN_CHANNEL_BIND_ERROR, 437);
	expect_withdrawal();
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_true(s->m.peer.port == 40000 && s->m.peer.ip.bytes[3] == 7);
	expect_silence();
}

static void
refused_refresh_backs_off(void **state)
{
	struct mono start;

	(void)state;
	allocate();
	start = now;
	for (int i = 0; i < 4; i++) {
		answer_error(
		    until(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 500);
		assert_int_equal(
		    mono_ms_between(start, now), 300000 + i * 75000);
	}
	expect_no_event();
}

static void
refresh_without_lifetime(void **state)
{
	(void)state;
	allocate();
	allocation_refresh(a, now);
	answer(expect(STUN_REFRESH_REQUEST),
	    (struct reply){ .type = STUN_REFRESH_SUCCESS });
	expect_no_event();
	expect_silence();
}

/* --- time --- */

static void
proactive_refresh(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	allocation_refresh(a, now);
	allocation_refresh(a, now);
	s = expect(STUN_REFRESH_REQUEST);
	assert_int_equal(s->m.have & STUN_HAVE_LIFETIME, 0);
	expect_silence();
	next_deadline(1000);
	expect_withdrawal();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
}

static void
refresh_while_allocating(void **state)
{
	(void)state;
	reach();
	allocation_refresh(a, now);
	expect_silence();
}

static void
refresh_at_half_of_the_lifetime(void **state)
{
	const struct seen *s;
	struct mono start;

	(void)state;
	allocate();
	start = now;
	s = until(STUN_REFRESH_REQUEST);
	assert_int_equal(mono_ms_between(start, now), 300000);
	timeout();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	expect_silence();
	answer(s, refresh_ok);
	timeout();
	expect_silence();
	s = until(STUN_REFRESH_REQUEST);
	assert_int_equal(mono_ms_between(start, now), 600000);
}

static void
channel_refresh(void **state)
{
	const struct seen *s;
	struct mono start;
	uint16_t used;

	(void)state;
	allocate();
	bound_channel(PEER_2);
	used = bound_channel(PEER_1);
	start = now;
	assert_true(receive_on(used, PEER_1));
	s = until(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(mono_ms_between(start, now), 300000);
	assert_int_equal(s->m.channel, used);
	answer(s, bind_ok);
	expect_no_event();
}

static void
lifetime_zero_in_a_refresh(void **state)
{
	(void)state;
	allocate();
	allocation_refresh(a, now);
	answer(expect(STUN_REFRESH_REQUEST), delete_ok);
	expect_withdrawal();
	expect(STUN_ALLOCATE_REQUEST);
}

static void
lifetime_over(void **state)
{
	struct reply r = allocate_ok;

	(void)state;
	r.lifetime = 4;
	allocate_with(r);
	next_deadline(2000);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 500);
	while (allocation_relayed(a, IP_V4).ip.family != IP_NONE) {
		next_deadline(500);
		if (allocation_relayed(a, IP_V4).ip.family != IP_NONE)
			answer_error(expect(STUN_REFRESH_REQUEST),
			    STUN_REFRESH_ERROR, 500);
	}
	expect_withdrawal();
	expect_no_event();
	/* And it is tried again from the beginning. */
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	expect(STUN_ALLOCATE_REQUEST);
	expect_no_event();
}

static void
keepalive(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	next_deadline(25000);
	s = expect(STUN_BINDING_REQUEST);
	assert_true(endpoint_equal(&s->d.to, &config.address[0]));
	expect_silence();
	answer(s, binding_ok);
	expect_silence();
	expect_no_event();
	next_deadline(25000);
	expect(STUN_BINDING_REQUEST);
}

static void
data_postpones_the_keepalive(void **state)
{
	(void)state;
	allocate();
	pass_ms(10000);
	allocation_sent(a, now);
	pass_ms(15000);
	timeout();
	expect_silence();
	next_deadline(10000);
	expect(STUN_BINDING_REQUEST);
}

static void
one_way_data_does_not_hide_a_dead_relay(void **state)
{
	(void)state;
	allocate();
	for (int i = 0; i < 4; i++) {
		pass_ms(10000);
		allocation_sent(a, now);
		timeout();
		expect_silence();
	}
	next_deadline(10000);
	expect(STUN_BINDING_REQUEST);
}

static void
no_keepalive_without_allocation(void **state)
{
	(void)state;
	answer_error(reach(), STUN_ALLOCATE_ERROR, 500);
	pass_ms(60000);
	timeout();
	expect_silence();
}

static void
unanswered_keepalive(void **state)
{
	(void)state;
	allocate();
	next_deadline(25000);
	expect(STUN_BINDING_REQUEST);
	next_deadline(1000);
	next_deadline(1500);
	next_deadline(2250);
	expect_no_event();
	next_deadline(3375);
	expect_withdrawal();
	expect_no_event();
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
}

static void
unanswered_allocate(void **state)
{
	(void)state;
	reach();
	for (int i = 0; i < 3; i++) {
		now = allocation_deadline(a);
		timeout();
		expect(STUN_ALLOCATE_REQUEST);
	}
	now = allocation_deadline(a);
	timeout();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
}

static void
changed_mapping(void **state)
{
	struct reply r = binding_ok;

	(void)state;
	allocate();
	next_deadline(25000);
	r.mapped = "203.0.113.1:1024";
	answer(expect(STUN_BINDING_REQUEST), r);
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "203.0.113.1:1024");
	expect_no_event();
}

static void
an_orderly_exit(void **state)
{
	struct stun_message m;
	struct datagram d;

	(void)state;
	reach();
	assert_false(allocation_release(a, &d));
	allocation_free(a);
	allocate();
	assert_true(allocation_release(a, &d));
	assert_true(stun_parse(d.data, d.length, &m));
	assert_int_equal(m.type, STUN_REFRESH_REQUEST);
	assert_true(m.have & STUN_HAVE_LIFETIME);
	assert_int_equal(m.lifetime, 0);
	assert_true(m.have & STUN_HAVE_NONCE);
}

/* --- channels --- */

static void
bind_before_the_allocation(void **state)
{
	const struct seen *s;

	(void)state;
	begin();
	bind_to(PEER_1);
	bind_to(PEER_2);
	bind_to(PEER_1);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	s = expect(STUN_ALLOCATE_REQUEST);
	expect_silence();
	answer(s, allocate_ok);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(s->m.channel, 0x4000);
	assert_int_equal(s->m.peer.ip.bytes[3], 7);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(s->m.channel, 0x4001);
	assert_int_equal(s->m.peer.ip.bytes[3], 8);
	expect_silence();
}

static void
one_peer_waits_once(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 200; i++)
		bind_to(PEER_1);
	bind_to(PEER_2);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(
	    expect(STUN_CHANNEL_BIND_REQUEST)->m.peer.ip.bytes[3], 8);
}

static void
bind_once(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	bind_to(PEER_1);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_signed(s, NONCE_1);
	bind_to(PEER_1);
	expect_silence();
	bind_to(PEER_2);
	expect(STUN_CHANNEL_BIND_REQUEST);
	answer(s, bind_ok);
	expect_event(ALLOCATION_CHANNEL_CHANGED, PEER_1);
	bind_to(PEER_1);
	expect_silence();
}

static void
sending(void **state)
{
	(void)state;
	allocate();
	assert_int_equal(channel_of(PEER_1), 0);
	expect(STUN_CHANNEL_BIND_REQUEST);
	/* In flight is good enough to send, but not to receive. */
	assert_int_equal(channel_of(PEER_1), 0x4000);
	assert_false(receive_on(0x4000, PEER_1));
	expect_silence();
	answer(&seen[seen_count - 1], bind_ok);
	assert_int_equal(channel_of(PEER_1), 0x4000);
	assert_true(receive_on(0x4000, PEER_1));
	assert_false(receive_on(0x4001, PEER_1));
	assert_false(receive_on(0x7fff, PEER_1));
}

static void
refused_bind(void **state)
{
	struct allocation_event e;

	(void)state;
	allocate();
	bind_to(PEER_1);
	answer_error(
	    expect(STUN_CHANNEL_BIND_REQUEST), STUN_CHANNEL_BIND_ERROR, 400);
	assert_true(allocation_event(a, &e));
	assert_int_equal(e.type, ALLOCATION_CHANNEL_CHANGED);
	assert_int_equal(e.channel, 0);
	expect_no_event();
	assert_false(receive_on(0x4000, PEER_1));
	assert_int_equal(channel_of(PEER_1), 0);
	assert_int_equal(expect(STUN_CHANNEL_BIND_REQUEST)->m.channel, 0x4001);
}

static void
families_not_allocated(void **state)
{
	struct reply v4 = allocate_ok, v6 = allocate_ok;

	(void)state;
	v4.relayed_v6 = NULL;
	v6.relayed_v4 = NULL;
	begin();
	bind_to(PEER_V6);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), v4);
	bind_to(PEER_V6);
	assert_int_equal(channel_of(PEER_V6), 0);
	expect_silence();
	allocation_free(a);

	begin();
	bind_to(PEER_1);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), v6);
	bind_to(PEER_1);
	expect_silence();
	bind_to(PEER_V6);
	expect(STUN_CHANNEL_BIND_REQUEST);
}

static void
more_binds_than_requests(void **state)
{
	struct endpoint e = endpoint_of(PEER_1);
	size_t sent = 0;
	struct datagram d;

	(void)state;
	allocate();
	for (uint16_t i = 0; i < 150; i++) {
		e.port = (uint16_t)(1000 + i);
		allocation_bind(a, now, &e);
	}
	while (seen_count < SEEN && allocation_transmit(a, &d)) {
		struct seen *s = &seen[seen_count++];

		s->d = d;
		assert_true(stun_parse(s->d.data, s->d.length, &s->m));
		answer(s, bind_ok);
		sent++;
	}
	assert_int_equal(sent, 150);
	for (uint16_t i = 0; i < 150; i++) {
		e.port = (uint16_t)(1000 + i);
		assert_int_equal(allocation_channel(a, now, &e), 0x4000 + i);
	}
}

static void
waiting_peers_are_bounded(void **state)
{
	struct endpoint e = endpoint_of(PEER_1);
	struct datagram d;
	size_t sent = 0;

	(void)state;
	begin();
	for (uint16_t i = 0; i < 1000; i++) {
		e.port = (uint16_t)(1000 + i);
		allocation_bind(a, now, &e);
	}
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	while (allocation_transmit(a, &d))
		sent++;
	assert_int_equal(sent, 100);
}

static void
channel_expires(void **state)
{
	struct reply r = allocate_ok;
	struct allocation_event e;
	uint16_t channel;

	(void)state;
	r.lifetime = 3600;
	allocate_with(r);
	channel = bound_channel(PEER_1);
	for (int i = 0; i < 30; i++) {
		pass_ms(20000);
		allocation_sent(a, now);
		if (i == 29)
			pass_ms(-1);
		if (i < 29 || channel_of(PEER_1) == channel)
			continue;
		fail();
	}
	pass_ms(1);
	assert_true(mono_due(allocation_deadline(a), now));
	timeout();
	assert_true(allocation_event(a, &e));
	assert_int_equal(e.type, ALLOCATION_CHANNEL_CHANGED);
	assert_int_equal(e.channel, 0);
	expect(STUN_BINDING_REQUEST); /* 50 s of silence */
	assert_int_equal(channel_of(PEER_1), 0);
	assert_int_equal(expect(STUN_CHANNEL_BIND_REQUEST)->m.channel, channel);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_allocate_has_no_nonce),
		TEST(events_of_a_start),
		TEST(two_families),
		TEST(one_silent_family_does_no_harm),
		TEST(retransmission_times),
		TEST(late_answer_to_an_earlier_copy),
		TEST(round_trip),
		TEST(round_trip_counts_from_the_first_copy),
		TEST(addresses),
		TEST(stale_nonce),
		TEST(unauthorized_with_nonce),
		TEST(unauthorized_later),
		TEST(foreign_realm),
		TEST(nonces_without_end),
		TEST(forged_answers_change_nothing),
		TEST(unsigned_errors_change_nothing),
		TEST(unsigned_stale_nonce),
		TEST(not_our_answer),
		TEST(binding_error_is_no_answer),
		TEST(two_wrong_signatures_start_over),
		TEST(wrong_signatures_without_allocation),
		TEST(standard_servers),
		TEST(standard_server_refreshes),
		TEST(bare_request_is_not_granted),
		TEST(standard_server_that_still_knows_us),
		TEST(no_ipv6_at_the_relay),
		TEST(unknown_attribute_is_final),
		TEST(other_error_on_allocate),
		TEST(success_without_what_it_needs),
		TEST(mismatch_on_allocate),
		TEST(mismatch_now_and_then),
		TEST(withdrawal_before_the_announcement),
		TEST(mismatch_for_ever),
		TEST(mismatch_on_refresh),
		TEST(mismatch_on_channel_bind),
		TEST(refused_refresh_backs_off),
		TEST(refresh_without_lifetime),
		TEST(proactive_refresh),
		TEST(refresh_while_allocating),
		TEST(refresh_at_half_of_the_lifetime),
		TEST(channel_refresh),
		TEST(lifetime_zero_in_a_refresh),
		TEST(lifetime_over),
		TEST(keepalive),
		TEST(data_postpones_the_keepalive),
		TEST(one_way_data_does_not_hide_a_dead_relay),
		TEST(no_keepalive_without_allocation),
		TEST(unanswered_keepalive),
		TEST(unanswered_allocate),
		TEST(changed_mapping),
		TEST(an_orderly_exit),
		TEST(bind_before_the_allocation),
		TEST(one_peer_waits_once),
		TEST(bind_once),
		TEST(sending),
		TEST(refused_bind),
		TEST(families_not_allocated),
		TEST(more_binds_than_requests),
		TEST(waiting_peers_are_bounded),
		TEST(channel_expires),
	};

	if (sodium_init() == -1 || !stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
