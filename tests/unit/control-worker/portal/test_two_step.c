/*
 * Clients of 1.3, who ask for connection and access one by one:
 * firezone-portal(7), Two-step authorization.
 */
#include <stdlib.h>

#include "tests/lib/portal_connection.h"

#include "common/authorization.h"
#include "control-worker/portal/refs.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define WEB                                                              \
	"\"resource\":{\"id\":\"619fbe83-bc95-4635-9a08-68da9a944c88\"," \
	"\"type\":\"dns\",\"name\":\"web\",\"address\":\"*.httpbin\","   \
	"\"filters\":[]}"
#define PEER                                                            \
	"\"peer\":{\"public_key\":\"" KEY "\",\"preshared_key\":\"" KEY \
	"\",\"ipv4\":\"100.87.247.184\",\"ipv6\":"                      \
	"\"fd00:2021:1111::4:4616\",\"persistent_keepalive\":25}"
#define PARAMETERS                                   \
	"\"ice_parameters\":{\"username\":\"aYaH\"," \
	"\"password\":\"MMceouYA5jGIPkxbvIiLvD\"}"
#define DOMAIN                                                          \
	"{\"name\":\"download.httpbin\",\"proxy_ips\":[\"100.96.0.1\"," \
	"\"fd00:2021:1111:8000::\"]}"
#define CONNECTION(domain)                                                     \
	"{\"ref\":\"SFMyNTY\",\"expires_at\":1790000000," WEB                  \
	",\"client\":{\"id\":\"" CLIENT "\"," PEER ",\"payload\":{" PARAMETERS \
	",\"domain\":" domain "}},\"flow_id\":\"x\",\"actor\":{}}"
#define ACCESS(domain)                                                     \
	"{\"ref\":\"SFMyNTY\",\"expires_at\":null,\"client_id\":\"" CLIENT \
	"\",\"client_ipv4\":\"100.87.247.184\",\"client_ipv6\":"           \
	"\"fd00:2021:1111::4:4616\"," WEB ",\"payload\":" domain "}"
#define READY                                                                \
	"{\"topic\":\"gateway\",\"event\":\"connection_ready\",\"payload\":" \
	"{\"ref\":\"SFMyNTY\",\"gateway_payload\":{\"ConnectionAccepted\":"  \
	"{\"ice_parameters\":{\"username\":\"%s\",\"password\":\"%s\"}}}},"  \
	"\"ref\":%u}"

static void
begin(struct rig *r, unsigned generation)
{
	make_connection_of(r, "wss://api.example.com/", false, generation);
	set_key(r, 1);
	open_again(r);
	hear(r, JOINED, 0);
	hear(r, PUSH, "init",
	    "{\"interface\":{\"ipv4\":\"100.64.17.9\",\"ipv6\":"
	    "\"fd00:2021:1111::11:9\"},\"relays\":[]}");
	r->read = r->written;
	r->story[0] = '\0';
}

static void
expect_ready(struct rig *r, unsigned ref)
{
	expect(r, READY, r->authorization.local_username,
	    r->authorization.local_password, ref);
}

static void
makes_a_connection(void **state)
{
	struct rig *r = *state;
	const struct ipc_authorization *a = &r->authorization;
	char before[64];

	for (unsigned generation = 1; generation <= 2; generation++) {
		begin(r, generation);
		hear(r, PUSH, "request_connection", CONNECTION("null"));
		assert_string_equal(r->story, "A");
		assert_int_equal(a->kind, AUTHORIZATION_CONNECTION);
		assert_int_equal(a->keepalive, 25);
		assert_int_equal(a->expires_at, 1790000000);
		assert_int_equal(a->public_key[31], 31);
		assert_int_equal(a->preshared_key[31], 31);
		assert_string_equal(a->pattern, "*.httpbin");
		assert_string_equal(a->remote_username, "aYaH");
		assert_string_equal(
		    a->remote_password, "MMceouYA5jGIPkxbvIiLvD");
		assert_int_equal(strlen(a->local_username), 4);
		assert_int_equal(strlen(a->local_password), 22);
		strlcpy(before, a->local_password, sizeof(before));
		expect_nothing(r);
		portal_acknowledge(r->c, r->now, r->serial);
		expect_ready(r, 1);
		portal_acknowledge(r->c, r->now, r->serial);
		expect_nothing(r);
		/* Credentials are made anew each time. */
		hear(r, PUSH, "request_connection", CONNECTION("null"));
		assert_string_not_equal(a->local_password, before);
		portal_refuse(r->c, r->serial);
		portal_acknowledge(r->c, r->now, r->serial);
		expect_nothing(r);
	}
}

/* The reply waits for the name, and candidates wait for the reply. */
static void
sets_names_up_first(void **state)
{
	struct rig *r = *state;
	struct uuid client, other = { { 7 } };

	assert_true(uuid_parse(CLIENT, &client));
	begin(r, 1);
	hear(r, PUSH, "request_connection", CONNECTION(DOMAIN));
	assert_string_equal(r->story, "A");
	portal_named(r->c, r->now, r->serial, true); /* nobody has asked */
	portal_acknowledge(r->c, r->now, r->serial);
	assert_string_equal(r->story, "AN");
	assert_int_equal(r->named, r->serial);
	assert_string_equal(r->names.domain, "download.httpbin");
	assert_int_equal(r->names.proxy_count, 2);
	assert_true(uuid_equal(&r->names.client, &client));
	assert_true(uuid_equal(&r->names.resource, &r->authorization.resource));
	portal_acknowledge(r->c, r->now, r->serial);
	assert_string_equal(r->story, "AN");
	portal_candidates(r->c, r->now, &client, false, "candidate:1\n");
	expect_nothing(r);
	portal_candidates(r->c, r->now, &other, false, "candidate:2\n");
	assert_int_equal(r->written, r->read + 1); /* not of that one */
	r->read++;
	portal_named(r->c, r->now, r->named, true);
	expect_ready(r, 2);
	expect(r, CANDIDATES, "broadcast_ice_candidates", "candidate:1", 3);
	portal_named(r->c, r->now, r->named, true);
	expect_nothing(r);
}

static void
says_nothing_of_refused_names(void **state)
{
	struct rig *r = *state;
	struct uuid client;

	assert_true(uuid_parse(CLIENT, &client));
	begin(r, 1);
	hear(r, PUSH, "request_connection", CONNECTION(DOMAIN));
	portal_acknowledge(r->c, r->now, r->serial);
	portal_candidates(r->c, r->now, &client, false, "candidate:1\n");
	portal_named(r->c, r->now, r->serial, false);
	portal_named(r->c, r->now, r->serial, true);
	portal_send(r->c, r->now);
	expect_nothing(r);
	/* What it has not been told of is not left to itself. */
	assert_string_equal(r->story, "AND");
	assert_true(uuid_equal(&r->drop.client, &client));
	assert_int_equal(r->drop.serial, r->serial);
	r->no_names = true;
	hear(r, PUSH, "request_connection", CONNECTION(DOMAIN));
	portal_acknowledge(r->c, r->now, r->serial);
	portal_named(r->c, r->now, r->serial, true);
	expect_nothing(r);
	assert_string_equal(r->story, "ANDAND");
	/* The connection that it has is none of the name's. */
	hear(r, PUSH, "allow_access", ACCESS(DOMAIN));
	portal_acknowledge(r->c, r->now, r->serial);
	assert_string_equal(r->story, "ANDANDAN");
}

/* Candidates wait for the last connection that was asked for, and no longer. */
static void
candidates_wait_for_one_connection(void **state)
{
	struct rig *r = *state;
	struct uuid client;
	uint64_t first;

	assert_true(uuid_parse(CLIENT, &client));
	begin(r, 1);
	hear(r, PUSH, "request_connection", CONNECTION("null"));
	first = r->serial;
	portal_candidates(r->c, r->now, &client, false, "candidate:1\n");
	portal_send(r->c, r->now);
	expect_nothing(r);
	hear(r, PUSH, "request_connection", CONNECTION("null"));
	portal_acknowledge(r->c, r->now, first);
	portal_send(r->c, r->now);
	expect_nothing(r);
	portal_acknowledge(r->c, r->now, r->serial);
	expect_ready(r, 1);
	expect(r, CANDIDATES, "broadcast_ice_candidates", "candidate:1", 2);
	/* One that is refused: those of the connection before it. */
	hear(r, PUSH, "request_connection", CONNECTION("null"));
	portal_candidates(r->c, r->now, &client, false, "candidate:2\n");
	portal_send(r->c, r->now);
	expect_nothing(r);
	portal_refuse(r->c, r->serial);
	portal_send(r->c, r->now);
	expect(r, CANDIDATES, "broadcast_ice_candidates", "candidate:2", 3);
}

/* The client's next release needs no reply to what the former has asked for. */
static void
candidates_wait_for_no_former_release(void **state)
{
	struct rig *r = *state;
	struct uuid client;
	uint64_t first;

	assert_true(uuid_parse(CLIENT, &client));
	begin(r, 2);
	hear(r, PUSH, "request_connection", CONNECTION(DOMAIN));
	first = r->serial;
	portal_acknowledge(r->c, r->now, first);
	portal_candidates(r->c, r->now, &client, false, "candidate:1\n");
	portal_client_gone(r->c, &client);
	hear(r, PUSH, "authorize_flow", AUTHORIZATION);
	portal_acknowledge(r->c, r->now, r->serial);
	r->read = r->written;
	portal_candidates(r->c, r->now, &client, false, "candidate:2\n");
	portal_send(r->c, r->now);
	expect(r, CANDIDATES, "broadcast_ice_candidates", "candidate:2", 2);
	/* Its name is set up, or not. */
	portal_named(r->c, r->now, first, true);
	portal_named(r->c, r->now, first, false);
	portal_send(r->c, r->now);
	expect_nothing(r);
}

/* However much else is authorized before its name is set up. */
static void
is_answered_after_many_others(void **state)
{
	struct rig *r = *state;
	char password[64];

	begin(r, 1);
	hear(r, PUSH, "request_connection", CONNECTION(DOMAIN));
	portal_acknowledge(r->c, r->now, r->serial);
	strlcpy(password, r->authorization.local_password, sizeof(password));
	for (unsigned i = 0; i < 2 * REFS_MAX; i++)
		hear(r, PUSH, "allow_access", ACCESS("null"));
	expect_nothing(r);
	portal_named(r->c, r->now, r->named, true);
	assert_int_equal(r->written, r->read + 1);
	assert_non_null(strstr(r->text[r->read++ % TEXTS_MAX], password));
}

/* Access is never answered. */
static void
gives_access(void **state)
{
	struct rig *r = *state;
	const struct ipc_authorization *a = &r->authorization;

	begin(r, 2);
	hear(r, PUSH, "allow_access", ACCESS("null"));
	assert_string_equal(r->story, "A");
	assert_int_equal(a->kind, AUTHORIZATION_ACCESS);
	assert_int_equal(a->expires_at, 0);
	assert_string_equal(a->local_username, "");
	portal_acknowledge(r->c, r->now, r->serial);
	expect_nothing(r);
	hear(r, PUSH, "allow_access", ACCESS(DOMAIN));
	portal_acknowledge(r->c, r->now, r->serial);
	assert_string_equal(r->story, "AAN");
	portal_named(r->c, r->now, r->named, true);
	expect_nothing(r);
}

/* What is wrong with the payload. */
static const struct {
	const char *event, *from, *to;
} wrong[] = {
	{ "request_connection", "\"ref\"", "\"x\"" },
	{ "request_connection", "\"peer\"", "\"pear\"" },
	{ "request_connection", "\"preshared_key\"", "\"x\"" },
	{ "request_connection", "100.87.247.184", "10.87.247.184" },
	{ "request_connection", ":25", ":65536" },
	{ "request_connection", ":25", ":\"25\"" },
	{ "request_connection", "\"ice_parameters\"", "\"x\"" },
	{ "request_connection", "\"name\":\"download", "\"x\":\"download" },
	{ "request_connection", "\"download.httpbin\"", "\"\"" },
	{ "request_connection", "\"proxy_ips\"", "\"x\"" },
	{ "request_connection", "\"100.96.0.1\"", "\"100.96.0\"" },
	{ "request_connection", "\"type\":\"dns\"", "\"type\":\"x\"" },
	{ "request_connection", "1790000000", "\"soon\"" },
	{ "allow_access", "\"ref\"", "\"x\"" },
	{ "allow_access", "\"client_id\"", "\"x\"" },
	{ "allow_access", "\"client_ipv6\"", "\"x\"" },
	{ "allow_access", "\"proxy_ips\"", "\"x\"" },
	{ "allow_access", "\"filters\"", "\"x\"" },
};

static void
opens_nothing_by_what_is_wrong(void **state)
{
	struct rig *r = *state;
	char text[2048];

	begin(r, 1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *good = wrong[i].event[0] == 'r' ? CONNECTION(DOMAIN)
							    : ACCESS(DOMAIN);
		const char *at = strstr(good, wrong[i].from);

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good,
		    wrong[i].to, at + strlen(wrong[i].from));
		hear(r, PUSH, wrong[i].event, text);
		if (r->story[0] != '\0')
			fail_msg("%s: %s", wrong[i].from, wrong[i].to);
	}
	hear(r, PUSH, "request_connection", CONNECTION(DOMAIN));
	hear(r, PUSH, "allow_access", ACCESS(DOMAIN));
	assert_string_equal(r->story, "AA");
}

/* Today's path is not one for such clients. */
static void
opens_nothing_in_generation_3(void **state)
{
	struct rig *r = *state;

	begin(r, 3);
	hear(r, PUSH, "request_connection", CONNECTION("null"));
	hear(r, PUSH, "allow_access", ACCESS("null"));
	assert_string_equal(r->story, "");
	expect_nothing(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(makes_a_connection),
		T(sets_names_up_first),
		T(says_nothing_of_refused_names),
		T(candidates_wait_for_one_connection),
		T(candidates_wait_for_no_former_release),
		T(is_answered_after_many_others),
		T(gives_access),
		T(opens_nothing_by_what_is_wrong),
		T(opens_nothing_in_generation_3),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
