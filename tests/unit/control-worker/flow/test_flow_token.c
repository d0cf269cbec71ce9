/*
 * The ingest token: firezone-policy(7), Ingest tokens and Flow scenarios (46);
 * firezone-portal(7), Ingest token.
 */
#include "tests/lib/unit.h"

#include "control-worker/flow/token.h"
#include "tests/lib/flow.h"

static struct flow_token t;
static char jwt[16384];

static bool
parse(const char *header, const char *claims)
{
	flow_jwt(header, claims, jwt);
	return flow_token_parse(jwt, strlen(jwt), &t);
}

static void
required_claims_are_enough(void **state)
{
	char id[UUID_TEXT_LEN + 1];

	(void)state;
	assert_true(parse(FLOW_HEADER, FLOW_CLAIMS));
	assert_int_equal(t.role, FLOW_RESPONDER);
	assert_true(t.uploads_enabled);
	assert_int_equal(t.expires_at, 2000);
	assert_string_equal(
	    uuid_format(&t.authorization, id), FLOW_AUTHORIZATION);
	assert_string_equal(t.attribution,
	    "role=responder initiator_device_id=d1 responder_device_id=d2 "
	    "policy_authorization_id=" FLOW_AUTHORIZATION
	    " policy_id=p resource_id=r resource_name=\"The \\\"office\\\"\" "
	    "initiator_actor_id=i initiator_actor_name=Jane "
	    "authorized_at=2026-01-01T00:00:00Z "
	    "authorization_expires_at=2026-02-01T00:00:00Z");
}

static void
more_claims(void **state)
{
	static const char some[] = FLOW_CLAIMS_WITHOUT(FLOW_AUTHORIZATION,
	    "initiator", "false",
	    "9") ",\"resource_address\":\"10.0.0.0/"
		 "8\",\"initiator_actor_email\":"
		 "null,\"initiator_device_serial\":\"\",\"new\":{\"x\":[1]}}";

	(void)state;
	assert_true(parse(FLOW_HEADER, some));
	assert_int_equal(t.role, FLOW_INITIATOR);
	assert_false(t.uploads_enabled);
	assert_non_null(strstr(t.attribution, " resource_address=10.0.0.0/8"));
	assert_non_null(strstr(t.attribution, " initiator_device_serial=\"\""));
	assert_null(strstr(t.attribution, "actor_email"));
	assert_null(strstr(t.attribution, "new"));
}

/* Takes each of the names away in turn. */
static void
each_required_claim(void **state)
{
	static const char *const names[] = { "account_id", "iat", "exp",
		"uploads_enabled", "role", "initiator_device_id",
		"responder_device_id", "policy_authorization_id", "policy_id",
		"resource_id", "resource_name", "initiator_actor_id",
		"initiator_actor_name", "authorized_at",
		"authorization_expires_at" };
	char claims[4096], key[64], *at;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		strcpy(claims, FLOW_CLAIMS);
		snprintf(key, sizeof(key), "\"%s\":", names[i]);
		at = strstr(claims, key);
		assert_non_null(at);
		at[1] = 'X';
		assert_false(parse(FLOW_HEADER, claims));
	}
}

/* The end of the authorization is text; at the latest it is that of the token.
 */
static void
end_of_the_authorization(void **state)
{
	static const struct {
		const char *text;
		uint64_t at;
	} table[] = {
		{ "2026-02-01T00:00:00Z", 1769904000 },
		{ "2026-02-01T00:00:00.123456Z", 1769904000 },
		{ "1970-01-01T00:00:01Z", 1 },
		{ "2036-02-01T00:00:00Z", 2000000000 },
		{ "99999-02-01T00:00:00Z", 2000000000 },
		{ "2026-02-01", 2000000000 },
		{ "", 2000000000 },
		{ "1960-02-01T00:00:00Z", 2000000000 },
	};
	char claims[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		static const char all[] = FLOW_CLAIMS_WITHOUT(
		    FLOW_AUTHORIZATION, "responder", "true", "2000000000");
		const char *at = strstr(all, "\"2026-02-01T00:00:00Z\"");

		assert_non_null(at);
		snprintf(claims, sizeof(claims), "%.*s\"%s\"}", (int)(at - all),
		    all, table[i].text);
		assert_true(parse(FLOW_HEADER, claims));
		assert_int_equal(t.valid_until, table[i].at);
	}
}

static void
claims_of_another_kind(void **state)
{
	static const struct {
		const char *claim, *instead;
	} table[] = {
		{ "\"iat\":1", "\"iat\":\"1\"" },
		{ "\"exp\":2000", "\"exp\":-1" },
		{ "\"exp\":2000", "\"exp\":1.5" },
		{ "\"exp\":2000", "\"exp\":null" },
		{ "\"uploads_enabled\":true", "\"uploads_enabled\":1" },
		{ "\"role\":\"responder\"", "\"role\":\"gateway\"" },
		{ "\"role\":\"responder\"", "\"role\":\"../../etc\"" },
		{ "\"policy_id\":\"p\"", "\"policy_id\":{}" },
		{ "\"policy_id\":\"p\"",
		    "\"policy_id\":\"p\",\"policy_id\":\"q\"" },
		{ "\"policy_id\":\"p\"",
		    "\"policy_id\":\"p\",\"resource_address\":1" },
	};
	char claims[4096], *at;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		at = strstr(FLOW_CLAIMS, table[i].claim);
		assert_non_null(at);
		snprintf(claims, sizeof(claims), "%.*s%s%s",
		    (int)(at - strstr(FLOW_CLAIMS, "{")), FLOW_CLAIMS,
		    table[i].instead, at + strlen(table[i].claim));
		assert_false(parse(FLOW_HEADER, claims));
	}
}

/* It becomes a part of a path. */
static void
authorization_is_of_one_form(void **state)
{
#define WITH(id) FLOW_CLAIMS_WITHOUT(id, "responder", "true", "1") "}"
	static const char *const bad[] = {
		WITH(""),
		WITH("../../../../../../etc/aaaaaaaaaaaaaaaa"),
		WITH("5f1a3c6e0b1d4c579d6d2b8f0c9e7a11"),
		WITH("{5f1a3c6e-0b1d-4c57-9d6d-2b8f0c9e7a11}"),
		WITH("urn:uuid:5f1a3c6e-0b1d-4c57-9d6d-2b8f0c9e7a11"),
		WITH("5f1a3c6e-0b1d-4c57-9d6d-2b8f0c9e7a1/"),
		WITH("5f1a3c6e-0b1d-4c57-9d6d-2b8f0c9e7a1"),
		WITH("5f1a3c6e-0b1d-4c57-9d6d-2b8f0c9e7a11\\u0000"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(parse(FLOW_HEADER, bad[i]));
	assert_true(
	    parse(FLOW_HEADER, WITH("5F1A3C6E-0B1D-4C57-9D6D-2B8F0C9E7A11")));
}

static void
other_shapes(void **state)
{
	static const char *const headers[] = { "{}", "{\"alg\":\"none\"}",
		"{\"alg\":\"RS256\"}", "[\"HS256\"]", "HS256", "" };
	char text[16384];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		assert_false(parse(headers[i], FLOW_CLAIMS));
	assert_true(parse(FLOW_HEADER, FLOW_CLAIMS));
	len = strlen(jwt);
	for (size_t i = 0; i < len - 12; i++)
		assert_false(flow_token_parse(jwt, i, &t));
	/* Without a signature, with one of its own kind, with a fourth part. */
	snprintf(text, sizeof(text), "%.*s", (int)(len - 12), jwt);
	assert_false(flow_token_parse(text, strlen(text), &t));
	snprintf(text, sizeof(text), "%s.x", jwt);
	assert_false(flow_token_parse(text, strlen(text), &t));
	snprintf(text, sizeof(text), "%s=", jwt);
	assert_false(flow_token_parse(text, strlen(text), &t));
	snprintf(text, sizeof(text), "%s\n", jwt);
	assert_false(flow_token_parse(text, strlen(text), &t));
}

static void
long_ones(void **state)
{
	static char claims[FLOW_TOKEN_MAX + 4096];
	char value[1200];
	size_t n;

	(void)state;
	/* Long values are cut in the log, and the claims at its end left out.
	 */
	memset(value, 'v', sizeof(value));
	n = (size_t)snprintf(claims, sizeof(claims), "%s",
	    FLOW_CLAIMS_WITHOUT(FLOW_AUTHORIZATION, "responder", "true", "1"));
	snprintf(claims + n, sizeof(claims) - n,
	    ",\"resource_address\":\"%.1200s\","
	    "\"initiator_actor_email\":\"%.1200s\"}",
	    value, value);
	assert_true(parse(FLOW_HEADER, claims));
	assert_true(strlen(t.attribution) < sizeof(t.attribution));
	assert_non_null(strstr(t.attribution, "resource_address=vvv"));
	/* And there is an end to a token. */
	n = strlen(jwt);
	memset(jwt + n, 'A', sizeof(jwt) - n);
	assert_false(flow_token_parse(jwt, FLOW_TOKEN_MAX + 1, &t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(required_claims_are_enough),
		cmocka_unit_test(more_claims),
		cmocka_unit_test(each_required_claim),
		cmocka_unit_test(end_of_the_authorization),
		cmocka_unit_test(claims_of_another_kind),
		cmocka_unit_test(authorization_is_of_one_form),
		cmocka_unit_test(other_shapes),
		cmocka_unit_test(long_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
