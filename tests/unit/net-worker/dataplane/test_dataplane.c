/* Engine and shard together, driven by hand. */
#include <sodium.h>

#include "common/log.h"
#include "net-worker/core/turn/relays.h"
#include "tests/lib/dataplane.h"

static void
answers_before_it_announces(void **state)
{
	struct rig *r = *state;

	authorized(r);
	assert_non_null(strstr(
	    r->added, "udp 2130706175 10.0.0.4 52625 typ host ufrag gate\n"));
	assert_non_null(strstr(r->added,
	    "198.51.100.1 40000 typ srflx raddr "
	    "0.0.0.0 rport 0 ufrag gate\n"));
}

static void
refuses_without_a_relay(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	tell(r, authorization, &a);
	assert_int_equal(r->acknowledged, 0);
	assert_int_equal(r->refused, 7);
	assert_int_equal(r->no_relays, 1);
	assert_int_equal(r->page.engine.clients, 0);
}

static void
carries_packets_both_ways(void **state)
{
	struct rig *r = *state;
	uint8_t reply[40], *inner;
	size_t len;

	connected(r);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	assert_int_equal(r->tun[0].len, 40);

	len = tcp_packet(reply, "10.20.0.9:80", "100.64.0.2:1234");
	from_tun(r, reply, len);
	assert_true(endpoint_equal(&last_udp(r)->to,
	    &(struct endpoint){ at("192.0.2.7:0").ip, 50000 }));
	assert_int_equal(client_hears(r, &inner), 40);
	assert_memory_equal(inner, reply, 40);
}

static void
prohibits_what_was_not_granted(void **state)
{
	struct rig *r = *state;
	static const struct {
		const char *from, *to;
	} table[] = {
		{ "100.64.0.2:1234", "10.20.0.9:81" },  /* port */
		{ "100.64.0.2:1234", "10.20.1.9:80" },  /* network */
		{ "100.64.0.9:1234", "10.20.0.9:80" },  /* foreign source */
		{ "100.64.0.2:1234", "100.64.0.3:80" }, /* another client */
		{ "100.64.0.2:1234", "100.64.0.1:22" }, /* the gateway */
	};

	connected(r);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t *inner;

		client_sends(r, table[i].from, table[i].to);
		assert_int_equal(r->tun_count, 0);
		assert_int_equal(client_hears(r, &inner), 56);
		assert_int_equal(inner[20], 3);  /* unreachable */
		assert_int_equal(inner[21], 13); /* prohibited */
	}
}

static void
stops_at_revocation_and_says_goodbye(void **state)
{
	struct rig *r = *state;
	struct ipc_revocation revocation = { .client = { { 0xc1 } },
		.resource = { { 0x42 } } };
	uint8_t *inner;

	connected(r);
	tell(r, revocation, &revocation);
	settle(r);
	assert_int_equal(client_hears(r, &inner), 48);
	assert_int_equal(inner[40], 2); /* goodbye */
	assert_int_equal(r->closed, 1);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 0);
}

/* Milliseconds since the start. */
static int64_t
passed(const struct rig *r)
{
	return mono_ms_between((struct mono) { 1000000000 }, r->now);
}

static void
stops_at_expiry_to_the_moment(void **state)
{
	struct rig *r = *state;

	connected(r);
	pass(r, 59000 - passed(r));
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	pass(r, 1000);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	assert_int_equal(r->page.engine.clients, 0);
}

/* The clocks now, when the wall clock has been set by so much. */
static void
clock_set_by(struct rig *r, int64_t ms)
{
	struct clock_reading reading = {
		.mono = r->now,
		.wall = { UNIX_NOW * INT64_C(1000000000) +
		    (passed(r) + ms) * 1000000 },
	};

	dataplane_set_clocks(r->dp, &reading);
	settle(r);
}

/* Slow by two hours when it was granted, and then set: it ends in time. */
static void
stops_in_time_when_the_clock_was_slow(void **state)
{
	struct rig *r = *state;

	clock_set_by(r, -7200000);
	connected(r);
	pass(r, 20000 - passed(r));
	clock_set_by(r, 0);
	pass(r, 59000 - passed(r));
	assert_int_equal(r->page.engine.clients, 1);
	pass(r, 1000);
	assert_int_equal(r->page.engine.clients, 0);
}

/* Set back while it runs, and told by the portal's list once more. */
static void
lasts_no_longer_for_a_clock_set_back(void **state)
{
	struct rig *r = *state;
	struct ipc_grants_entry same = { .client = { { 0xc1 } },
		.resource = { { 0x42 } },
		.expires_at = UNIX_NOW + 60 };

	connected(r);
	pass(r, 20000 - passed(r));
	clock_set_by(r, -7200000);
	tell(r, grants_begin, NULL);
	tell(r, grants_entry, &same);
	tell(r, grants_commit, NULL);
	pass(r, 60000 - passed(r));
	assert_int_equal(r->page.engine.clients, 0);
}

/* Fast by two hours, and then set: what is granted later lasts. */
static void
grants_anew_when_the_clock_was_fast(void **state)
{
	struct rig *r = *state;

	clock_set_by(r, 7200000);
	clock_set_by(r, 0);
	connected(r);
	pass(r, 59000 - passed(r));
	assert_int_equal(r->page.engine.clients, 1);
	clock_set_by(r, 7200000);
	pass(r, 20);
	assert_int_equal(r->page.engine.clients, 0);
}

static void
says_that_the_clock_was_set(void **state)
{
	struct rig *r = *state;

	overhear(r);
	r->now = mono_add_s(r->now, 60); /* for the log's limit */
	clock_set_by(r, 7200000);
	assert_int_equal(logged(r, "set forward by 7200.000 s"), 1);
	clock_set_by(r, 7197000);
	assert_int_equal(logged(r, "set back by 3.000 s"), 1);
	clock_set_by(r, 7197000);
	assert_int_equal(logged(r, "was set"), 0);
	for (int i = 0; i < 20; i++)
		clock_set_by(r, 3000 * i);
	assert_in_range(logged(r, "was set"), 1, 6);
}

static void
snapshot_revokes_what_it_lacks(void **state)
{
	struct rig *r = *state;
	struct ipc_grants_entry other = { .client = { { 0xc1 } },
		.resource = { { 0x43 } },
		.expires_at = UNIX_NOW + 60 };
	struct ipc_grants_entry same = other;

	connected(r);
	same.resource.bytes[0] = 0x42;
	tell(r, grants_begin, NULL);
	tell(r, grants_entry, &same);
	tell(r, grants_commit, NULL);
	assert_int_equal(r->page.engine.clients, 1);
	tell(r, grants_begin, NULL);
	tell(r, grants_entry, &other);
	tell(r, grants_commit, NULL);
	settle(r);
	assert_int_equal(r->page.engine.clients, 0);
}

/* An expiry that the list moves forward holds. */
static void
snapshot_moves_expiry(void **state)
{
	struct rig *r = *state;
	struct ipc_grants_entry sooner = { .client = { { 0xc1 } },
		.resource = { { 0x42 } },
		.expires_at = UNIX_NOW + 10 };

	connected(r);
	tell(r, grants_begin, NULL);
	tell(r, grants_entry, &sooner);
	tell(r, grants_commit, NULL);
	pass(r, 9000);
	assert_int_equal(r->page.engine.clients, 1);
	pass(r, 1500);
	assert_int_equal(r->page.engine.clients, 0);
}

/* So does one that the portal names alone, sooner or later. */
static void
expiry_moves_alone(void **state)
{
	struct rig *r = *state;
	struct ipc_grant_expiry end = { .client = { { 0xc1 } },
		.resource = { { 0x42 } },
		.expires_at = UNIX_NOW + 10 };
	struct ipc_grant_expiry other = { .client = { { 0xc2 } },
		.resource = { { 0x42 } },
		.expires_at = UNIX_NOW + 10 };

	connected(r);
	tell(r, grant_expiry, &end);
	tell(r, grant_expiry, &other);
	pass(r, 9000);
	end.expires_at = UNIX_NOW + 90;
	tell(r, grant_expiry, &end);
	pass(r, 11000);
	assert_int_equal(r->page.engine.clients, 1);
	end.expires_at = UNIX_NOW + 25;
	tell(r, grant_expiry, &end);
	pass(r, 4000);
	assert_int_equal(r->page.engine.clients, 1);
	pass(r, 1500);
	assert_int_equal(r->page.engine.clients, 0);
	/* And makes no grant. */
	end.expires_at = UNIX_NOW + 90;
	tell(r, grant_expiry, &end);
	assert_int_equal(r->page.engine.clients, 0);
}

/* What is listed without an expiry keeps that which it has, or has not. */
static void
snapshot_leaves_expiry(void **state)
{
	struct rig *r = *state;
	struct ipc_grants_entry same = { .client = { { 0xc1 } },
		.resource = { { 0x42 } },
		.expires_at = UNIX_NOW + 10 };
	struct ipc_grants_entry silent = { .client = { { 0xc1 } },
		.resource = { { 0x42 } },
		.keeps_expiry = true };

	connected(r);
	tell(r, grants_begin, NULL);
	tell(r, grants_entry, &same);
	tell(r, grants_commit, NULL);
	tell(r, grants_begin, NULL);
	tell(r, grants_entry, &silent);
	tell(r, grants_commit, NULL);
	pass(r, 9000);
	assert_int_equal(r->page.engine.clients, 1);
	pass(r, 1500);
	assert_int_equal(r->page.engine.clients, 0);
}

/* A list longer than the portal can send is cut, and that revokes. */
static void
snapshot_is_bounded(void **state)
{
	struct rig *r = *state;
	struct ipc_grants_entry other = { .client = { { 0xc2 } },
		.expires_at = UNIX_NOW + 60 };
	struct ipc_grants_entry late = { .client = { { 0xc1 } },
		.resource = { { 0x42 } },
		.expires_at = UNIX_NOW + 60 };

	connected(r);
	tell(r, grants_begin, NULL);
	for (uint32_t i = 0; i < 131072; i++) {
		store_be32(other.resource.bytes, i);
		tell(r, grants_entry, &other);
	}
	tell(r, grants_entry, &late);
	tell(r, grants_commit, NULL);
	assert_int_equal(r->page.engine.clients, 0);
}

/* Without a relay nothing is authorized, and nothing is left of the attempt. */
static void
refused_leaves_nobody(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	struct ipc_relay_removed gone = { .relay = { { 1 } } };

	connected(r);
	tell(r, relay_removed, &gone);
	pass(r, 100);
	a.client_v4 = at("100.64.0.3:0").ip;
	a.serial = 8;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->refused, 8);
	assert_int_equal(r->page.engine.clients, 0);
}

/* Its relay goes, and with the next one that is there it has one again. */
static void
moves_to_another_relay(void **state)
{
	const struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };
	struct ipc_relay_removed gone = { .relay = { { 1 } } };
	struct rig *r = *state;

	connected(r);
	ask_query(r, &q);
	assert_true(r->clients[0].has_relay);
	tell(r, relays_begin, NULL);
	tell(r, relay_removed, &gone);
	tell(r, relays_commit, NULL);
	settle(r);
	ask_query(r, &q);
	assert_false(r->clients[0].has_relay);
	with_relay(r);
	ask_query(r, &q);
	assert_true(r->clients[0].has_relay);
	assert_int_equal(r->clients[0].relay.bytes[0], 1);
	assert_int_equal(r->closed, 0);
}

static void
name_relays(struct rig *r, uint8_t count)
{
	struct ipc_relay_present relay = { .v4 = at("203.0.113.5:3478") };

	tell(r, relays_begin, NULL);
	for (uint8_t i = 1; i <= count; i++) {
		relay.relay.bytes[0] = relay.v4.ip.bytes[3] = i;
		tell(r, relay_present, &relay);
	}
	tell(r, relays_commit, NULL);
}

static void
says_that_there_are_too_many_relays(void **state)
{
	struct rig *r = *state;

	overhear(r);
	r->now = mono_add_s(r->now, 60); /* for the log's limit */
	name_relays(r, RELAYS_MAX);
	assert_int_equal(logged(r, "more than"), 0);
	name_relays(r, RELAYS_MAX + 1);
	assert_int_equal(logged(r, "more than"), 1);
}

/* Else many connections would wake us as many times. */
static void
waits_for_what_is_due_soon(void **state)
{
	struct rig *r = *state;

	name_relays(r, 1);
	r->now = mono_add_ms(r->now, 5);
	name_relays(r, 2);
	r->now = dataplane_deadline(r->dp);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(r->udp_count, i < 2 ? 2 + i : 3);
		dataplane_set_time(r->dp, r->now);
		dataplane_timeout(r->dp);
		r->now = mono_add_ms(r->now, 5);
	}
	assert_int_equal(r->udp_count, 4);
}

/* Nobody has a candidate, and the relays have what they asked for. */
static void
sleeps_when_nothing_is_due(void **state)
{
	struct rig *r = *state;
	struct mono start;
	int wakes;

	authorized(r);
	pass(r, 30000);
	start = r->now;
	for (wakes = 0; mono_ms_between(start, r->now) < 60000; wakes++) {
		r->now =
		    mono_min(by_hand_deadline(r->dp), mono_add_s(start, 60));
		serve_deadlines(r);
	}
	assert_true(wakes < 60);
}

/* What relays send is theirs; of others their port says nothing. */
static void
tells_relays_and_clients_apart(void **state)
{
	const struct ipc_relay_removed gone = { .relay = { { 1 } } };
	struct rig *r = *state;
	uint8_t check[128];
	size_t len = write_nomination(check), sent;

	authorized(r);
	sent = r->udp_count;
	receive(r, "203.0.113.5:3478", "10.0.0.4:52625", check, len);
	assert_int_equal(r->udp_count, sent);
	tell(r, relay_removed, &gone);
	tell(r, relays_commit, NULL);
	sent = r->udp_count;
	receive(r, "203.0.113.5:3478", "10.0.0.4:52625", check, len);
	assert_int_equal(r->udp_count, sent);
	receive(r, "192.0.2.7:3478", "10.0.0.4:52625", check, len);
	assert_true(r->udp_count > sent);
}

/* How many there are since; the client takes the last one. */
static unsigned
responses_since(struct rig *r, size_t before)
{
	const struct note *last = NULL;
	unsigned count = 0;

	for (size_t i = before; i < r->udp_count; i++) {
		const struct note *n = &r->udp[i % NOTES];

		if (message_classify(n->data, n->len) != MESSAGE_RESPONSE)
			continue;
		last = n;
		count++;
	}
	if (last != NULL)
		take_response(r, last->data, last->len);
	return count;
}

/* Of several the last eight, once. */
static void
holds_the_response_until_there_is_a_path(void **state)
{
	struct rig *r = *state;
	size_t before;

	authorized(r);
	before = r->udp_count;
	for (int i = 0; i < 11; i++) {
		pass(r, 500);
		client_initiates(r);
	}
	assert_int_equal(r->page.engine.handshakes, 11);
	assert_int_equal(responses_since(r, before), 0);
	check_with_use_candidate(r);
	pass(r, 20);
	assert_int_equal(responses_since(r, before), 8);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	before = r->udp_count;
	check_with_use_candidate(r);
	pass(r, 20);
	assert_int_equal(responses_since(r, before), 0);
}

static void
repeated_authorization_announces_again(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	connected(r);
	r->added[0] = '\0';
	a.serial = 8;
	tell(r, authorization, &a);
	assert_int_equal(r->acknowledged, 8);
	assert_non_null(strstr(r->added, "10.0.0.4 52625 typ host"));
	assert_int_equal(r->closed, 0);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
}

static void
drops_garbage(void **state)
{
	struct rig *r = *state;
	uint8_t junk[DATAGRAM_MAX];

	connected(r);
	for (int i = 0; i < 20000; i++) {
		size_t len = randombytes_uniform(DATAGRAM_MAX) + 1;

		randombytes_buf(junk, len);
		junk[0] = (uint8_t)randombytes_uniform(80);
		receive(r, i % 2 ? "192.0.2.7:50000" : "203.0.113.5:3478",
		    "10.0.0.4:52625", junk, len);
	}
	receive(r, "192.0.2.7:50000", "10.0.0.4:52625", junk, 0);
	receive(r, "203.0.113.5:3478", "10.0.0.4:52625", junk, 0);
	assert_int_equal(r->tun_count, 0);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(answers_before_it_announces),
		T(refuses_without_a_relay),
		T(carries_packets_both_ways),
		T(prohibits_what_was_not_granted),
		T(stops_at_revocation_and_says_goodbye),
		T(stops_at_expiry_to_the_moment),
		T(stops_in_time_when_the_clock_was_slow),
		T(lasts_no_longer_for_a_clock_set_back),
		T(grants_anew_when_the_clock_was_fast),
		T(says_that_the_clock_was_set),
		T(snapshot_revokes_what_it_lacks),
		T(snapshot_moves_expiry),
		T(expiry_moves_alone),
		T(snapshot_leaves_expiry),
		T(snapshot_is_bounded),
		T(refused_leaves_nobody),
		T(moves_to_another_relay),
		T(says_that_there_are_too_many_relays),
		T(waits_for_what_is_due_soon),
		T(sleeps_when_nothing_is_due),
		T(tells_relays_and_clients_apart),
		T(holds_the_response_until_there_is_a_path),
		T(repeated_authorization_announces_again),
		T(drops_garbage),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
