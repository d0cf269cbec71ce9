/*
 * How a connection to the portal comes about and ends, and when the next one is
 * tried or none any more: firezone-portal(7), CONNECTION LIFECYCLE and
 * Transport cases.
 */
#include "tests/lib/portal_connection.h"

static void
an_address_needs_no_lookup(void **state)
{
	struct rig *r = *state;
	struct ip_address ip;

	make_connection(r, "ws://[2001:db8::1]:8080", false);
	set_key(r, 1);
	assert_int_equal(r->resolutions, 0);
	assert_int_equal(r->connections, 1);
	assert_true(ip_parse("2001:db8::1", &ip));
	assert_true(ip_equal(&r->connected.ip, &ip));
}

static void
the_join_has_its_time(void **state)
{
	struct rig *r = *state;

	set_key(r, 1);
	open_again(r);
	r->now = mono_add_ms(r->now, 4999);
	portal_timeout(r->c, r->now);
	assert_int_equal(wait_ms(r), 1);
	assert_string_equal(r->retried, "");
	time_out(r);
	assert_string_equal(r->retried, "the join was not answered within 5 s");
	expect_retry(r, 1000, 1000);
}

static void
the_portal_may_end_the_session(void **state)
{
	struct rig *r = *state;

	go_online(r);
	hear(r, PUSH, "phx_error", "{}");
	hear(r, PUSH, "disconnect", "{\"reason\":\"certificate_revoked\"}");
	assert_true(r->online);
	hear(r, PUSH, "phx_close", "{}");
	expect_retry(r, 500, 1000);
	open_again(r);
	hear(r, JOINED, 0);
	assert_true(r->online);
	hear(r, PUSH, "disconnect", "{\"reason\":\"token_expired\"}");
	expect_end(r, "token_expired");
}

static void
a_refused_join_is_fatal(void **state)
{
	struct rig *r = *state;

	set_key(r, 1);
	open_again(r);
	hear(r, REFUSED, 0, "disabled");
	expect_end(r, "the portal refused the login: disabled");
}

static void
a_refused_token_is_fatal(void **state)
{
	static const struct {
		const char *code, *reason;
	} table[] = {
		{ "invalid_token", "check the file /etc/postern/token" },
		{ "missing_token", "check the file /etc/postern/token" },
		{ "other",
		    "the portal refused our login (HTTP status 401): no reason "
		    "given" },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		make_connection(r, "wss://api.example.com", false);
		set_key(r, 1);
		resolve(r);
		break_down(r, 401, 30000, table[i].code);
		expect_end(r, table[i].reason);
	}
}

/* One second each time, and fifteen in all. */
static void
gives_up_where_it_never_was(void **state)
{
	struct rig *r = *state;

	set_key(r, 1);
	for (int i = 0; i < 15; i++) {
		resolve(r);
		break_down(r, i % 2 == 0 ? 0 : 503, -1, "");
		expect_retry(r, 1000, 1000);
	}
	resolve(r);
	break_down(r, 0, -1, "");
	expect_end(r, "could not reach the portal at wss://api.example.com");
	assert_non_null(strstr(r->fatal, "the test's failure"));
}

static void
waits_longer_where_it_was(void **state)
{
	struct rig *r = *state;
	int64_t least = 500;

	go_online(r);
	for (int i = 0; i < 5; i++) {
		break_down(r, 0, -1, "");
		expect_retry(r, least, 2 * least);
		least += least / 2;
		resolve(r);
	}
	/* A join makes it begin anew. */
	open_socket(r);
	expect(r, JOIN, 0);
	hear(r, JOINED, 0);
	break_down(r, 0, -1, "");
	expect_retry(r, 500, 1000);
	for (int i = 0; r->fatal[0] == '\0' && i < 100; i++) {
		resolve(r);
		break_down(r, 0, -1, "");
		if (r->fatal[0] == '\0')
			time_out(r);
	}
	expect_end(r, "cut off from the portal");
}

/* A successor of a control-worker that was online has its patience. */
static void
a_resumed_one_was_online(void **state)
{
	struct rig *r = *state;

	make_connection(r, "wss://api.example.com", true);
	set_key(r, 1);
	for (int i = 0; r->fatal[0] == '\0' && i < 100; i++) {
		resolve(r);
		break_down(r, 0, -1, "");
		if (r->fatal[0] == '\0')
			time_out(r);
	}
	expect_end(r, "cut off from the portal");
}

static void
waits_as_long_as_the_portal_says(void **state)
{
	struct rig *r = *state;

	set_key(r, 1);
	for (int i = 0; i < 30; i++) {
		resolve(r);
		break_down(r, 429, 7000, "");
		r->now = mono_add_ms(r->now, 6999);
		portal_timeout(r->c, r->now);
		assert_int_equal(wait_ms(r), 1);
		r->now = mono_add_ms(r->now, -6999);
		expect_retry(r, 7000, 7000);
	}
	resolve(r);
	break_down(r, 503, 0, "");
	expect_retry(r, 1000, 1000);
	/* The session before is there for a while: the portal is, too. */
	for (int i = 0; i < 40; i++) {
		resolve(r);
		break_down(r, 409, -1, "");
		expect_retry(r, 1000, 1000);
	}
}

static void
needs_an_address(void **state)
{
	const struct lookup_result none = { .complete = true };
	struct rig *r = *state;

	set_key(r, 1);
	portal_resolved(r->c, r->now, &none);
	assert_int_equal(r->connections, 0);
	expect_retry(r, 1000, 1000);
	r->mute = true;
	resolve(r);
	assert_int_equal(r->connections, 1);
	assert_in_range(wait_ms(r), 1000, 1000);
	time_out(r); /* no memory for the look-up either */
	assert_in_range(wait_ms(r), 1000, 1000);
	assert_string_equal(r->fatal, "");
}

static void
another_net_worker_is_another_login(void **state)
{
	struct rig *r = *state;
	struct uuid client = { { 7 } };
	unsigned abandoned;

	go_online(r);
	hear(r, PUSH, "init", EMPTY_INIT);
	hear(r, PUSH, "create_authorization", AUTHORIZATION);
	assert_string_equal(r->story, "[]I()TA");
	break_down(r, 0, -1, "");
	portal_candidates(r->c, r->now, &client, false, "candidate:1\n");
	abandoned = r->abandoned;
	set_key(r, 2);
	assert_false(r->online);
	assert_true(r->abandoned > abandoned);
	assert_string_equal(r->fatal, "");
	open_again(r);
	assert_non_null(strstr(r->target, "public_key=AgIC"));
	hear(r, JOINED, 0);
	expect(r, CAPABILITIES, 1);
	/* What the one before has said or was asked is moot. */
	portal_acknowledge(r->c, r->now, r->serial);
	portal_send(r->c, r->now);
	expect_nothing(r);
	hear(r, PUSH, "create_authorization", AUTHORIZATION);
	assert_string_equal(r->story, "[]I()TA"); /* no init yet */
	assert_true(r->online);
}

static void
closes_in_order(void **state)
{
	struct rig *r = *state;

	go_online(r);
	portal_shutdown(r->c, r->now);
	assert_int_equal(r->close_code, 1000);
	assert_int_equal(r->closings, 0);
	assert_int_equal(wait_ms(r), 1000);
	break_down(r, 0, -1, "");
	assert_int_equal(r->closings, 1);
	assert_true(mono_is_never(r->deadline));
}

static void
closes_in_time(void **state)
{
	struct rig *r = *state;

	go_online(r);
	portal_shutdown(r->c, r->now);
	time_out(r);
	assert_int_equal(r->closings, 1);
	assert_true(mono_is_never(r->deadline));
	/* With nothing to close: at once. */
	make_connection(r, "wss://api.example.com", false);
	set_key(r, 1);
	portal_shutdown(r->c, r->now);
	assert_int_equal(r->closings, 1);
	assert_int_equal(r->close_code, 0);
	assert_true(r->abandoned > 0);
	assert_true(mono_is_never(r->deadline));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(an_address_needs_no_lookup),
		T(the_join_has_its_time),
		T(the_portal_may_end_the_session),
		T(a_refused_join_is_fatal),
		T(a_refused_token_is_fatal),
		T(gives_up_where_it_never_was),
		T(waits_longer_where_it_was),
		T(a_resumed_one_was_online),
		T(waits_as_long_as_the_portal_says),
		T(needs_an_address),
		T(another_net_worker_is_another_login),
		T(closes_in_order),
		T(closes_in_time),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
