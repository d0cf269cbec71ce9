/*
 * What is said and understood in each generation of the protocol:
 * firezone-portal(7), Generations, Query parameters, Identity, Request headers,
 * User agent, Gateway matrix and Flow authorization.
 */
#include <stdlib.h>

#include "tests/lib/portal_connection.h"

#define AGENT(component) "Debian/12 " component " (x86_64; 6.1)"
#define KEY_OF_ONES      "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE%3D"

/* SHA-256 of "id", as sha256sum(1) has it. */
#define HASH_OF_ID \
	"a56145270ce6b3bebd1dd012b73948677dd618d496488bc608a3cb43ce3547dd"

#define FLOW_AUTHORIZED                                         \
	"{\"topic\":\"gateway\",\"event\":\"flow_authorized\"," \
	"\"payload\":{\"ref\":\"SFMyNTY.g2g\"},\"ref\":%u}"

/* As portals before July 2025 send it. */
#define SHORT_INIT                                           \
	"{\"interface\":{\"ipv4\":\"100.64.17.9\",\"ipv6\":" \
	"\"fd00:2021:1111::11:9\"},\"relays\":[],"           \
	"\"config\":{\"ipv4_masquerade_enabled\":true}}"

static void
begin(struct rig *r, unsigned generation)
{
	make_connection_of(r, "wss://api.example.com/", false, generation);
	set_key(r, 1);
	open_again(r);
	hear(r, JOINED, 0);
	assert_true(r->online);
	assert_int_equal(r->generation, generation);
}

/* The request of an attempt. */
static const struct {
	unsigned generation;
	const char *target, *host, *agent, *token;
} logins[] = {
	{ 1,
	    "/gateway/websocket?token=.SFMyNTY.x%2F%2B"
	    "&public_key=" KEY_OF_ONES "&external_id=" HASH_OF_ID "&name=gate",
	    "api.example.com:8443", AGENT("connlib/1.3.2"), "" },
	{ 2,
	    "/gateway/websocket?token=.SFMyNTY.x%2F%2B"
	    "&external_id=id&name=gate"
	    "&public_key=" KEY_OF_ONES,
	    "api.example.com", AGENT("connlib/1.5.2"), TOKEN },
	{ 3,
	    "/gateway/v2/websocket?external_id=id&name=gate"
	    "&public_key=" KEY_OF_ONES,
	    "api.example.com", AGENT("gateway/1.6.1"), TOKEN },
};

static void
logs_in(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(logins) / sizeof(*logins); i++) {
		make_connection_of(r, "wss://api.example.com:8443/", false,
		    logins[i].generation);
		set_key(r, 1);
		resolve(r);
		assert_string_equal(r->target, logins[i].target);
		assert_string_equal(r->host, logins[i].host);
		assert_string_equal(r->user_agent, logins[i].agent);
		assert_string_equal(r->token, logins[i].token);
	}
}

static void
takes_flows_in_generation_2(void **state)
{
	struct rig *r = *state;

	begin(r, 2);
	/* No capabilities: the portal does not know them. */
	expect_nothing(r);
	hear(r, PUSH, "init", EMPTY_INIT);
	hear(r, PUSH, "authorize_flow", AUTHORIZATION);
	assert_string_equal(r->story, "[]I()TA");
	portal_acknowledge(r->c, r->now, r->serial);
	expect(r, FLOW_AUTHORIZED, 1);
	assert_int_equal(wait_ms(r), 10000);
	time_out(r);
	expect(r, HEARTBEAT, 2);
	expect_nothing(r);
}

#define EXPIRY(more) \
	"{\"client_id\":\"" CLIENT "\",\"resource_id\":\"" CLIENT "\"" more "}"

/*
 * Portals of 2025 and 2026 repeat no authorization that ends sooner than they
 * have said: firezone-portal(7), Expiry update.
 */
static void
moves_expiry_in_older_generations(void **state)
{
	static const char *const wrong[] = { EXPIRY(""),
		EXPIRY(",\"expires_at\":null"), EXPIRY(",\"expires_at\":\"5\""),
		EXPIRY(",\"expires_at\":-5"), "{\"expires_at\":5}", "null" };
	struct rig *r = *state;
	struct uuid client;

	assert_true(uuid_parse(CLIENT, &client));
	for (unsigned generation = 1; generation <= 2; generation++) {
		begin(r, generation);
		hear(r, PUSH, "init", EMPTY_INIT);
		r->story[0] = '\0';
		hear(r, PUSH, "access_authorization_expiry_updated",
		    EXPIRY(",\"expires_at\":1790000000"));
		assert_string_equal(r->story, "E");
		assert_int_equal(r->expiry.expires_at, 1790000000);
		assert_true(uuid_equal(&r->expiry.client, &client));
		assert_true(uuid_equal(&r->expiry.resource, &client));
		for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
			hear(r, PUSH, "access_authorization_expiry_updated",
			    wrong[i]);
		assert_string_equal(r->story, "E");
	}
	begin(r, 3);
	r->story[0] = '\0';
	hear(r, PUSH, "access_authorization_expiry_updated",
	    EXPIRY(",\"expires_at\":1790000000"));
	assert_string_equal(r->story, "");
}

/* The relays of a flow are there before it. */
static void
takes_relays_of_a_flow(void **state)
{
	char flow[2048];
	struct rig *r = *state;

	snprintf(flow, sizeof(flow),
	    "{\"relays\":[{\"id\":\"" CLIENT "\",\"type\":\"turn\",\"addr\":"
	    "\"203.0.113.5:3478\",\"username\":\"u\",\"password\":\"p\"}],"
	    "\"expires_at\":null,%s",
	    AUTHORIZATION + 1);
	begin(r, 2);
	hear(r, PUSH, "init", EMPTY_INIT);
	hear(r, PUSH, "authorize_flow", flow);
	assert_string_equal(r->story, "[]I()T[?]A");
	begin(r, 3);
	expect(r, CAPABILITIES, 1);
	hear(r, PUSH, "init", EMPTY_INIT);
	hear(r, PUSH, "create_authorization", flow);
	assert_string_equal(r->story, "[]I()TA");
}

/* On the older path, and there alone, no list is no news of grants. */
static void
keeps_grants_where_none_are_listed(void **state)
{
	struct rig *r = *state;

	begin(r, 2);
	hear(r, PUSH, "init", SHORT_INIT);
	assert_string_equal(r->story, "[]IT");
	hear(r, PUSH, "init", EMPTY_INIT);
	assert_string_equal(r->story, "[]IT[]I()T");
	hear(r, PUSH, "init", SHORT_INIT);
	assert_string_equal(r->story, "[]IT[]I()T[]IT");
	begin(r, 3);
	expect(r, CAPABILITIES, 1);
	hear(r, PUSH, "init", SHORT_INIT);
	assert_string_equal(r->story, "[]I()T");
}

/* What it says may end grants, and no list will. */
static void
too_long_a_message_revokes_all_without_a_list(void **state)
{
	const struct transport_failure f = {
		.reason = "a message is too long",
		.retry_after_ms = -1,
		.too_long = true,
	};
	struct rig *r = *state;

	begin(r, 2);
	hear(r, PUSH, "init", SHORT_INIT);
	portal_failed(r->c, r->now, &f);
	assert_string_equal(r->story, "[]IT()");
	begin(r, 2);
	hear(r, PUSH, "init", EMPTY_INIT);
	portal_failed(r->c, r->now, &f);
	assert_string_equal(r->story, "[]I()T");
}

static void
opens_nothing_by_events_of_others(void **state)
{
	struct rig *r = *state;

	for (unsigned g = 1; g <= 2; g++) {
		begin(r, g);
		hear(r, PUSH, "init", EMPTY_INIT);
		hear(r, PUSH, "create_authorization", AUTHORIZATION);
		assert_string_equal(r->story, "[]I()T");
		assert_int_equal(r->dropped[PORTAL_DROP_FOREIGN], 1);
	}
	begin(r, 3);
	expect(r, CAPABILITIES, 1);
	hear(r, PUSH, "init", EMPTY_INIT);
	for (int i = 0; i < 3; i++)
		hear(r, PUSH, "authorize_flow", AUTHORIZATION);
	hear(r, PUSH, "request_connection", AUTHORIZATION);
	hear(r, PUSH, "allow_access", AUTHORIZATION);
	hear(r, PUSH, "unheard_of", "{}");
	hear(r, PUSH, "init", "{}");
	assert_string_equal(r->story, "[]I()T");
	assert_int_equal(r->dropped[PORTAL_DROP_FOREIGN], 5);
	assert_int_equal(r->dropped[PORTAL_DROP_UNKNOWN], 1);
	assert_int_equal(r->dropped[PORTAL_DROP_WRONG], 1);
	portal_acknowledge(r->c, r->now, r->serial);
	expect_nothing(r);
}

/* Where no message asks for relays, another connection does; not too often. */
static void
connects_again_for_relays(void **state)
{
	struct rig *r = *state;

	begin(r, 2);
	r->now = mono_add_ms(r->now, 1000);
	portal_no_relays(r->c, r->now);
	assert_true(r->online);
	r->now = mono_add_ms(r->now, 14000);
	portal_no_relays(r->c, r->now);
	expect_nothing(r);
	expect_retry(r, 500, 1000);
	open_again(r);
	hear(r, JOINED, 0);
	portal_no_relays(r->c, r->now);
	assert_true(r->online);
	expect_nothing(r);
	/* What came too early is not done later, when there may be relays. */
	r->now = mono_add_ms(r->now, 15000);
	portal_timeout(r->c, r->now);
	assert_true(r->online);
}

/* Without a port of its own the host stands alone. */
static void
leaves_the_usual_port_out(void **state)
{
	struct rig *r = *state;

	make_connection_of(r, "wss://api.example.com/", false, 1);
	set_key(r, 1);
	resolve(r);
	assert_string_equal(r->host, "api.example.com");
	make_connection_of(r, "ws://[2001:db8::1]:8080", false, 1);
	set_key(r, 1);
	assert_string_equal(r->host, "[2001:db8::1]:8080");
}

static void
counts_on_over_connections_in_generation_1(void **state)
{
	struct rig *r = *state;

	begin(r, 1);
	expect_nothing(r);
	hear(r, PUSH, "init", SHORT_INIT);
	hear(r, PUSH, "authorize_flow", AUTHORIZATION);
	portal_acknowledge(r->c, r->now, r->serial);
	expect(r, FLOW_AUTHORIZED, 1);
	break_down(r, 0, -1, "");
	time_out(r);
	resolve(r);
	open_socket(r);
	expect(r, JOIN, 2);
	hear(r, JOINED, 2);
	assert_true(r->online);
	assert_int_equal(wait_ms(r), 30000);
	time_out(r);
	expect(r, HEARTBEAT, 3);
	assert_int_equal(wait_ms(r), 5000);
	r->now = mono_add_ms(r->now, 4999);
	hear(r, ALIVE, 3);
	assert_int_equal(wait_ms(r), 25001);
	time_out(r);
	expect(r, HEARTBEAT, 4);
	/* The answer to another one is none. */
	hear(r, ALIVE, 3);
	assert_true(r->online);
	assert_int_equal(wait_ms(r), 5000);
	time_out(r);
	expect_nothing(r);
	expect_retry(r, 500, 1000);
}

/* It counts from when it is written; what cannot be is the end with the next.
 */
static void
answers_are_awaited_from_the_writing_on(void **state)
{
	struct rig *r = *state;

	begin(r, 1);
	r->blocked = true;
	time_out(r);
	assert_int_equal(wait_ms(r), 30000);
	r->now = mono_add_ms(r->now, 10000);
	r->blocked = false;
	portal_send(r->c, r->now);
	expect(r, HEARTBEAT, 1);
	assert_int_equal(wait_ms(r), 5000);
	hear(r, ALIVE, 1);
	assert_int_equal(wait_ms(r), 20000);
	r->blocked = true;
	time_out(r);
	assert_true(r->online);
	time_out(r);
	expect_retry(r, 500, 1000);
}

/* Which refusals are final. */
static const struct {
	unsigned generation;
	int status;
	bool final;
} refusals[] = {
	{ 1, 0, false },
	{ 1, 308, false },
	{ 1, 399, false },
	{ 1, 400, true },
	{ 1, 401, true },
	{ 1, 403, true },
	{ 1, 404, true },
	{ 1, 422, true },
	{ 1, 429, true },
	{ 1, 499, true },
	{ 1, 500, false },
	{ 1, 503, false },
	{ 2, 400, false },
	{ 2, 401, true },
	{ 2, 403, false },
	{ 2, 404, false },
	{ 2, 422, false },
	{ 2, 503, false },
	{ 3, 400, false },
	{ 3, 401, true },
	{ 3, 403, false },
	{ 3, 404, false },
	{ 3, 422, false },
	{ 3, 429, false },
};

static void
ends_where_it_is_refused(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		make_connection_of(
		    r, "wss://api.example.com/", false, refusals[i].generation);
		set_key(r, 1);
		resolve(r);
		break_down(r, refusals[i].status, -1, "");
		if (refusals[i].final)
			expect_end(r, "refused our login");
		else
			expect_retry(r, 1000, 1000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(logs_in),
		T(leaves_the_usual_port_out),
		T(takes_flows_in_generation_2),
		T(counts_on_over_connections_in_generation_1),
		T(answers_are_awaited_from_the_writing_on),
		T(moves_expiry_in_older_generations),
		T(takes_relays_of_a_flow),
		T(too_long_a_message_revokes_all_without_a_list),
		T(keeps_grants_where_none_are_listed),
		T(opens_nothing_by_events_of_others),
		T(connects_again_for_relays),
		T(ends_where_it_is_refused),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
