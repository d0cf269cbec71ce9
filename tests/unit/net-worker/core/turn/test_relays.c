/*
 * net-worker/core/turn/relays.c and sampling.c: firezone-tunnel(7), Changes of
 * the relay list, Choice of a relay, Giving up a relay and Relay cases (34 to
 * 36).
 */
#include "net-worker/core/turn/relays.h"
#include "net-worker/core/turn/sampling.h"
#include "tests/lib/no_memory.h"

#include <sodium.h>

static struct relays *rs;
static struct mono now;

static int
set_up(void **state)
{
	(void)state;
	now = (struct mono){ 5000000000 };
	rs = relays_new();
	return rs == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	relays_free(rs);
	return 0;
}

static struct relay_config
config_of(uint8_t i)
{
	struct relay_config c = { .id = { { 0 } } };

	c.id.bytes[15] = i;
	c.address[0].ip = ip_v4(192, 0, 2, i);
	c.address[0].port = TURN_PORT;
	strlcpy(c.username, "user", sizeof(c.username));
	strlcpy(c.password, "pass", sizeof(c.password));
	return c;
}

static struct uuid
id_of(uint8_t i)
{
	return config_of(i).id;
}

static struct allocation *
relay(uint8_t i)
{
	struct uuid id = id_of(i);

	return relays_find(rs, &id);
}

/* A message of the portal that names the relays first to last. */
static void
present(uint8_t first, uint8_t last)
{
	relays_begin(rs);
	for (uint8_t i = first; i <= last; i++) {
		struct relay_config c = config_of(i);

		assert_true(relays_present(rs, now, &c));
	}
	relays_commit(rs, now);
}

static void
reply(const struct datagram *d, const struct stun_message *m, uint16_t error)
{
	struct endpoint mapped = { ip_v4(203, 0, 113, 1), 52625 };
	struct endpoint local = { ip_v4(10, 0, 0, 4), 52625 };
	uint8_t out[STUN_MESSAGE_MAX], key[STUN_KEY_LEN];
	struct stun_message answer;
	struct writer w;

	assert_true(stun_long_term_key("user", TURN_REALM, "pass", key));
	writer_init(&w, out, sizeof(out));
	stun_begin(&w, (uint16_t)(m->type | (error == 0 ? 0x100 : 0x110)),
	    m->transaction);
	if (error != 0)
		stun_add_error(&w, error, "no");
	if (error == 401)
		stun_add_text(&w, STUN_NONCE, "nonce");
	if (m->type == STUN_ALLOCATE_REQUEST) {
		mapped.ip.bytes[3] = d->to.ip.bytes[3];
		stun_add_address(&w, STUN_XOR_RELAYED_ADDRESS, &mapped);
	}
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	stun_add_u32(&w, STUN_LIFETIME, 600);
	if (m->type != STUN_BINDING_REQUEST)
		stun_add_integrity(&w, key, sizeof(key));
	assert_true(stun_parse(out, w.len, &answer));
	assert_true(allocation_input(
	    relays_at(rs, &d->to), now, &local, &d->to, &answer));
}

/* Answers all requests; those that want an allocation with that error. */
static void
serve(uint16_t error)
{
	struct stun_message m;
	struct datagram d;

	while (relays_transmit(rs, &d)) {
		assert_true(stun_parse(d.data, d.length, &m));
		if (m.type == STUN_ALLOCATE_REQUEST &&
		    (m.have & STUN_HAVE_NONCE) == 0)
			reply(&d, &m, 401);
		else
			reply(
			    &d, &m, m.type == STUN_BINDING_REQUEST ? 0 : error);
	}
}

static void
expect_event(enum relays_event_type type, uint8_t i)
{
	struct uuid id = id_of(i);
	struct relays_event e;

	assert_true(relays_event(rs, &e));
	assert_int_equal(e.type, type);
	assert_true(uuid_equal(&e.relay, &id));
}

static void
expect_no_event(void)
{
	struct relays_event e;

	assert_false(relays_event(rs, &e));
}

static void
forget_events(void)
{
	struct relays_event e;

	while (relays_event(rs, &e))
		continue;
}

static void
drop_datagrams(void)
{
	struct datagram d;

	while (relays_transmit(rs, &d))
		continue;
}

/* Lets time pass until the deadline, unanswered, and returns its distance. */
static int64_t
wait_for_deadline(void)
{
	int64_t ms = mono_ms_between(now, relays_deadline(rs));

	drop_datagrams();
	if (ms > 0)
		now = mono_add_ms(now, ms);
	relays_timeout(rs, now);
	return ms;
}

static void
candidates(void **state)
{
	(void)state;
	present(1, 1);
	serve(0);
	expect_event(RELAYS_CANDIDATE, 1);
	expect_event(RELAYS_CANDIDATE, 1);
	expect_event(RELAYS_CANDIDATE, 1);
	expect_no_event();
}

static void
unchanged_relays_are_left_alone(void **state)
{
	const struct allocation *a;

	(void)state;
	present(1, 3);
	serve(0);
	forget_events();
	a = relay(2);
	present(1, 3);
	assert_ptr_equal(relay(2), a);
	expect_no_event();
	drop_datagrams();
	assert_int_equal(relays_count(rs), 3);
}

static void
unnamed_relays_are_refreshed(void **state)
{
	struct stun_message m;
	struct datagram d;

	(void)state;
	present(1, 2);
	serve(0);
	forget_events();
	present(2, 2);
	assert_true(relays_transmit(rs, &d));
	assert_true(stun_parse(d.data, d.length, &m));
	assert_int_equal(m.type, STUN_REFRESH_REQUEST);
	assert_int_equal(d.to.ip.bytes[3], 1);
	assert_false(relays_transmit(rs, &d));
	assert_int_equal(wait_for_deadline(), 1000);
	expect_event(RELAYS_WITHDRAWN, 1);
	expect_event(RELAYS_REMOVED, 1);
	expect_no_event();
	assert_int_equal(relays_count(rs), 1);
}

/* One that is there, but knows nothing of us, loses what it had given us. */
static void
restarted_relays_withdraw_addresses(void **state)
{
	(void)state;
	present(1, 1);
	serve(0);
	forget_events();
	present(2, 1);
	serve(437);
	expect_event(RELAYS_WITHDRAWN, 1);
	assert_int_equal(relays_count(rs), 1);
}

/* Late datagrams of a relay may come from either of its addresses. */
static void
both_addresses_were_used(void **state)
{
	struct relay_config c = config_of(1);
	struct uuid one = id_of(1);
	struct endpoint v6;

	(void)state;
	assert_true(endpoint_parse("[2001:db8::1]:3478", &v6));
	c.address[1] = v6;
	assert_true(relays_present(rs, now, &c));
	assert_false(relays_formerly_used(rs, &v6.ip));
	relays_removed(rs, &one);
	assert_true(relays_formerly_used(rs, &c.address[0].ip));
	assert_true(relays_formerly_used(rs, &v6.ip));
}

/* The oldest of 64 gives way. */
static void
not_for_ever(void **state)
{
	struct ip_address first = config_of(1).address[0].ip;
	struct ip_address second = config_of(2).address[0].ip;

	(void)state;
	for (uint8_t i = 1; i <= 65; i++) {
		struct uuid id = id_of(i);

		assert_int_equal(relays_formerly_used(rs, &first), i > 1);
		present(i, i);
		relays_removed(rs, &id);
		forget_events();
	}
	assert_false(relays_formerly_used(rs, &first));
	assert_true(relays_formerly_used(rs, &second));
}

static bool
started_with_one(void)
{
	struct relay_config c = config_of(1);

	rs = relays_new();
	if (rs != NULL && relays_present(rs, now, &c))
		return true;
	relays_free(rs);
	return false;
}

static void
without_memory(void **state)
{
	(void)state;
	if (!HEAP_IS_OURS)
		skip();
	relays_free(rs);
	assert_int_equal(fail_each_allocation(started_with_one), 5);
	assert_int_equal(relays_count(rs), 1);
}

static void
removed_by_the_portal(void **state)
{
	struct uuid one = id_of(1), nine = id_of(9);
	struct ip_address former = ip_v4(192, 0, 2, 1);
	struct relays_event e;

	(void)state;
	present(1, 1);
	serve(0);
	forget_events();
	assert_false(relays_formerly_used(rs, &former));
	relays_begin(rs);
	relays_removed(rs, &one);
	relays_removed(rs, &nine);
	relays_commit(rs, now);
	assert_int_equal(relays_count(rs), 0);
	assert_null(relay(1));
	assert_true(relays_event(rs, &e));
	assert_int_equal(e.type, RELAYS_WITHDRAWN);
	assert_int_equal(e.detail.address.ip.bytes[0], 203);
	assert_true(relays_event(rs, &e));
	assert_int_equal(e.type, RELAYS_REMOVED);
	assert_int_equal(e.end, ALLOCATION_ALIVE);
	/* The portal knows that there is none left. */
	expect_no_event();
	assert_true(relays_formerly_used(rs, &former));
	former.bytes[3] = 2;
	assert_false(relays_formerly_used(rs, &former));
	former.family = IP_NONE;
	assert_false(relays_formerly_used(rs, &former));
}

static void
replaced_when_anything_differs(void **state)
{
	(void)state;
	for (int what = 0; what < 4; what++) {
		struct ip_address former = ip_v4(192, 0, 2, 1);
		struct relay_config c = config_of(1);

		present(1, 1);
		serve(0);
		forget_events();
		if (what == 0)
			c.password[0]++;
		if (what == 1)
			c.username[0]++;
		if (what == 2)
			c.address[0].port++;
		if (what == 3)
			c.address[1] =
			    (struct endpoint){ .ip = { .family = IP_V6 },
				    .port = TURN_PORT };
		relays_begin(rs);
		assert_true(relays_present(rs, now, &c));
		relays_commit(rs, now);
		expect_event(RELAYS_WITHDRAWN, 1);
		expect_event(RELAYS_REMOVED, 1);
		expect_no_event();
		assert_int_equal(relays_count(rs), 1);
		assert_int_equal(allocation_rtt_us(relay(1)), -1);
		assert_true(relays_formerly_used(rs, &former));
		relays_free(rs);
		rs = relays_new();
	}
}

/* With other credentials, too: the ones that are in use go on. */
static void
known_ones_stay_when_suggested(void **state)
{
	struct relay_config c = config_of(1);
	struct datagram d;

	(void)state;
	present(1, 1);
	serve(0);
	forget_events();
	c.username[0]++;
	c.password[0]++;
	relays_begin(rs);
	assert_true(relays_suggested(rs, now, &c));
	relays_commit(rs, now);
	assert_false(relays_transmit(rs, &d));
	c = config_of(2);
	assert_true(relays_suggested(rs, now, &c));
	expect_no_event();
	assert_int_equal(relays_count(rs), 2);
	assert_string_equal(allocation_config(relay(1))->username, "user");
	assert_true(allocation_rtt_us(relay(1)) >= 0);
}

static void
limit(void **state)
{
	struct relay_config c = config_of(RELAYS_MAX + 1);

	(void)state;
	present(1, RELAYS_MAX);
	assert_false(relays_present(rs, now, &c));
	assert_int_equal(relays_count(rs), RELAYS_MAX);
	c = config_of(1);
	assert_true(relays_present(rs, now, &c));
}

/* Replacements without a look at the events do not pile up. */
static void
undrained_events_are_bounded(void **state)
{
	struct relay_config c = config_of(1);
	int taken = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(c.password, sizeof(c.password), "%d", i);
		relays_begin(rs);
		taken += relays_present(rs, now, &c);
		relays_commit(rs, now);
	}
	assert_int_equal(taken, RELAYS_MAX);
	forget_events();
	assert_true(relays_present(rs, now, &c));
}

static void
silent_relays_are_given_up(void **state)
{
	struct relays_event e;

	(void)state;
	present(1, 1);
	assert_true(relays_deadline(rs).ns > now.ns);
	assert_int_equal(wait_for_deadline(), 1000);
	now = mono_add_ms(now, 50);
	present(1, 2);
	while (relays_count(rs) > 1)
		wait_for_deadline();
	/* One of two: a relay is gone, but not the last. */
	assert_true(mono_due((struct mono){ 13125000000 }, now));
	assert_true(relays_event(rs, &e));
	assert_int_equal(e.type, RELAYS_REMOVED);
	assert_int_equal(e.end, ALLOCATION_NO_RESPONSE);
	expect_no_event();
	while (relays_count(rs) > 0)
		wait_for_deadline();
	expect_event(RELAYS_REMOVED, 2);
	expect_event(RELAYS_NONE, 2);
	expect_no_event();
	assert_true(mono_is_never(relays_deadline(rs)));
}

static void
refused_credentials(void **state)
{
	struct relays_event e;

	(void)state;
	present(1, 1);
	serve(401);
	/* At once, whatever the time is. */
	assert_true(mono_due(relays_deadline(rs), (struct mono){ 0 }));
	relays_timeout(rs, now);
	assert_true(relays_event(rs, &e));
	assert_int_equal(e.type, RELAYS_REMOVED);
	assert_int_equal(e.end, ALLOCATION_AUTHENTICATION);
	expect_event(RELAYS_NONE, 1);
}

static void
suspended_relays_are_asked_again(void **state)
{
	(void)state;
	present(1, 1);
	serve(486);
	assert_true(allocation_suspended(relay(1)));
	relays_timeout(rs, now);
	forget_events();
	assert_int_equal(mono_ms_between(now, relays_deadline(rs)), 60000);
	now = relays_deadline(rs);
	relays_timeout(rs, now);
	assert_true(mono_before(now, relays_deadline(rs)));
	serve(0);
	expect_event(RELAYS_CANDIDATE, 1);
	assert_false(allocation_suspended(relay(1)));
	relays_timeout(rs, now);
	assert_int_equal(mono_ms_between(now, relays_deadline(rs)), 25000);
}

static void
suspended_relays_named_again_start_over(void **state)
{
	(void)state;
	present(1, 1);
	serve(500);
	relays_timeout(rs, now);
	present(1, 1);
	serve(0);
	assert_int_equal(allocation_relayed(relay(1), IP_V4).port, 52625);
	relays_timeout(rs, now);
	/* It is asked no more, and nobody is woken for that. */
	now = mono_add_s(now, 61);
	relays_timeout(rs, now);
	serve(0);
	relays_timeout(rs, now);
	assert_true(mono_before(now, relays_deadline(rs)));
}

static void
found_by_address(void **state)
{
	struct endpoint e = config_of(2).address[0];

	(void)state;
	present(1, 3);
	assert_ptr_equal(relays_at(rs, &e), relay(2));
	e.port++;
	assert_null(relays_at(rs, &e));
	assert_non_null(relays_get(rs, 2));
}

/* Lets relay 1 + i answer its Binding after rtt_ms[i]; 0: never. */
static void
answer_after(const int64_t *rtt_ms, uint8_t count)
{
	struct datagram d[RELAYS_MAX];
	struct mono start = now;

	present(1, count);
	for (uint8_t i = 0; i < count; i++)
		assert_true(relays_transmit(rs, &d[i]));
	for (uint8_t i = 0; i < count; i++) {
		struct stun_message m;

		if (rtt_ms[i] == 0)
			continue;
		now = mono_add_ms(start, rtt_ms[i]);
		assert_true(stun_parse(d[i].data, d[i].length, &m));
		reply(&d[i], &m, 0);
		assert_int_equal(allocation_rtt_us(relay((uint8_t)(1 + i))),
		    rtt_ms[i] * 1000);
	}
}

static void
draw(unsigned *drawn)
{
	for (int i = 0; i < 1000; i++) {
		const struct allocation *a = relays_sample(rs, now);

		assert_non_null(a);
		drawn[allocation_config(a)->id.bytes[15]]++;
	}
}

static void
sampling_nothing(void **state)
{
	(void)state;
	assert_null(relays_sample(rs, now));
	present(1, 2);
	assert_null(relays_sample(rs, now));
	/* One that is so near that the clock does not see it. */
	serve(0);
	assert_non_null(relays_sample(rs, now));
}

static void
sampling_a_slow_one(void **state)
{
	unsigned drawn[8] = { 0 };

	(void)state;
	answer_after((int64_t[]){ 900, 0 }, 2);
	draw(drawn);
	assert_int_equal(drawn[1], 1000);
}

static void
sampling_equals(void **state)
{
	unsigned drawn[8] = { 0 };

	(void)state;
	answer_after((int64_t[]){ 30, 31 }, 2);
	draw(drawn);
	/* Beyond nine standard deviations. */
	assert_true(drawn[1] > 350 && drawn[2] > 350);
}

static void
sampling_two_far_apart(void **state)
{
	unsigned drawn[8] = { 0 };

	(void)state;
	answer_after((int64_t[]){ 30, 200 }, 2);
	draw(drawn);
	assert_int_equal(drawn[1], 1000);
}

static unsigned
drawn_of(uint8_t i)
{
	unsigned drawn[8] = { 0 };

	draw(drawn);
	return drawn[i];
}

/* As many clients as that, of one address each, and what they need. */
static void
bind_for_clients(struct allocation *a, unsigned clients)
{
	struct endpoint peer = { ip_v4(198, 51, 100, 7), 0 };
	struct turn_owner owner = { .connection = 1 };

	for (unsigned i = 0; i < clients; i++) {
		memcpy(owner.client.bytes, &i, sizeof(i));
		peer.port = (uint16_t)(1 + i);
		assert_true(allocation_bind(a, now, &peer, &owner));
		serve(0);
	}
}

/* More clients than one relay has channels are spread, be the others far. */
static void
sampling_a_crowded_one(void **state)
{
	struct uuid gone = id_of(2);

	(void)state;
	answer_after((int64_t[]){ 10, 100 }, 2);
	serve(0);
	bind_for_clients(relay(1), 3583);
	assert_int_equal(drawn_of(1), 1000);
	bind_for_clients(relay(1), 3585);
	assert_int_equal(drawn_of(2), 1000);
	/* No other is there: it has room for some. */
	relays_removed(rs, &gone);
	assert_int_equal(drawn_of(1), 1000);
}

/* Its channels are free again after a while, if nobody uses them. */
static void
sampling_one_that_was_crowded(void **state)
{
	(void)state;
	answer_after((int64_t[]){ 10, 100 }, 2);
	serve(0);
	bind_for_clients(relay(1), 3600);
	assert_int_equal(drawn_of(2), 1000);
	now = mono_add_s(now, 60);
	assert_int_equal(drawn_of(1), 1000);
}

/* Whichever the portal named first. */
static void
sampling_a_far_first_one(void **state)
{
	unsigned drawn[8] = { 0 };

	(void)state;
	answer_after((int64_t[]){ 200, 30 }, 2);
	draw(drawn);
	assert_int_equal(drawn[2], 1000);
}

static void
sampling_an_outlier(void **state)
{
	unsigned drawn[8] = { 0 };

	(void)state;
	answer_after((int64_t[]){ 30, 200, 35 }, 3);
	draw(drawn);
	assert_int_equal(drawn[2], 0);
	assert_int_equal(drawn[1] + drawn[3], 1000);
	assert_true(drawn[1] > 0 && drawn[3] > 0);
}

static void
sampling_thresholds(void **state)
{
	static const struct {
		int64_t want_ms;
		size_t count;
		int64_t rtt_ms[4];
	} cases[] = {
		{ 60, 1, { 40 } },
		{ 60, 2, { 40, 60 } },
		{ 60, 2, { 60, 40 } },
		{ 50, 3, { 30, 35, 40 } },
		{ 50, 3, { 200, 35, 30 } },
		{ 36, 4, { 30, 30, 30, 31 } },
		{ 75, 4, { 60, 30, 50, 40 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t rtt_us[4];

		for (size_t k = 0; k < cases[i].count; k++)
			rtt_us[k] = cases[i].rtt_ms[k] * 1000;
		assert_int_equal(sampling_threshold_us(rtt_us, cases[i].count),
		    cases[i].want_ms * 1000);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(candidates),
		TEST(unchanged_relays_are_left_alone),
		TEST(unnamed_relays_are_refreshed),
		TEST(restarted_relays_withdraw_addresses),
		TEST(both_addresses_were_used),
		TEST(not_for_ever),
		TEST(without_memory),
		TEST(removed_by_the_portal),
		TEST(replaced_when_anything_differs),
		TEST(known_ones_stay_when_suggested),
		TEST(limit),
		TEST(undrained_events_are_bounded),
		TEST(silent_relays_are_given_up),
		TEST(refused_credentials),
		TEST(suspended_relays_are_asked_again),
		TEST(suspended_relays_named_again_start_over),
		TEST(found_by_address),
		TEST(sampling_nothing),
		TEST(sampling_a_slow_one),
		TEST(sampling_equals),
		TEST(sampling_two_far_apart),
		TEST(sampling_a_crowded_one),
		TEST(sampling_one_that_was_crowded),
		TEST(sampling_a_far_first_one),
		TEST(sampling_an_outlier),
		TEST(sampling_thresholds),
	};

	if (sodium_init() == -1 || !stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
