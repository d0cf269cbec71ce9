/*
 * What the portal's messages say of flow logs, which is nothing that they are
 * dropped for: firezone-policy(7), Flow settings.
 */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "control-worker/flow/settings.h"
#include "control-worker/portal/generation.h"
#include "tests/lib/flow.h"

#define INIT                                                 \
	"{\"interface\":{\"ipv4\":\"100.64.17.9\",\"ipv6\":" \
	"\"fd00:2021:1111::11:9\"},\"relays\":[],\"authorizations\":[]%s}"
#define AUTHORIZATION                                                      \
	"{\"ref\":\"r\",\"client\":{\"id\":\"" FLOW_AUTHORIZATION          \
	"\",\"public_key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" \
	"\",\"preshared_key\":"                                            \
	"\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\","                \
	"\"ipv4\":\"100.93.74.51\",\"ipv6\":\"fd00:2021:1111::f:853b\"},"  \
	"\"resource\":{\"id\":\"" FLOW_AUTHORIZATION                       \
	"\",\"type\":\"internet\"},\"client_ice_credentials\":{"           \
	"\"username\":\"u\",\"password\":\"p\"},"                          \
	"\"gateway_ice_credentials\":{\"username\":\"u\","                 \
	"\"password\":\"p\"}%s}"

/* In the order in which they came. */
static struct {
	char story[256];
	struct flow_settings settings;
	struct flow_token token;
	struct uuid told;
} got;

static void
on_settings(void *ctx, const struct json_value *v)
{
	(void)ctx;
	flow_settings_parse(v, &got.settings);
	strcat(got.story, "settings ");
}

static bool
on_token(void *ctx, const char *jwt, size_t len, struct uuid *id)
{
	(void)ctx;
	assert_int_equal(strlen(jwt), len);
	if (!flow_token_parse(jwt, len, &got.token))
		return false;
	*id = got.token.authorization;
	strcat(got.story, "token ");
	return true;
}

static void
on_authorization(void *ctx, struct ipc_authorization *m)
{
	(void)ctx;
	got.told = m->flow_authorization;
	strcat(got.story, "authorization ");
}

#define TELL(name)                                             \
	static void on_##name(void *ctx, struct ipc_##name *m) \
	{                                                      \
		(void)ctx;                                     \
		(void)m;                                       \
		strcat(got.story, #name " ");                  \
	}
TELL(interface)
TELL(relays_begin)
TELL(relays_commit)
TELL(grants_begin)
TELL(grants_commit)
TELL(tun_configure)

static const struct ipc_handlers handlers = {
	.interface = on_interface,
	.relays_begin = on_relays_begin,
	.relays_commit = on_relays_commit,
	.authorization = on_authorization,
	.grants_begin = on_grants_begin,
	.grants_commit = on_grants_commit,
	.tun_configure = on_tun_configure,
};

/* The message with more members at its end. */
static void
handle(const char *event, const char *format, const char *more)
{
	struct incoming in = {
		.generation = generation_newest(),
		.to = &handlers,
		.flow_settings = on_settings,
		.flow_token = on_token,
		.has_interface = true,
	};
	size_t size = strlen(format) + strlen(more) + 1;
	char *text = malloc(size);
	struct json_document *d;
	const char *what, *at = strstr(format, "%s");

	assert_non_null(text);
	snprintf(
	    text, size, "%.*s%s%s", (int)(at - format), format, more, at + 2);
	memset(&got, 0, sizeof(got));
	assert_int_equal(json_parse(&d, text, strlen(text)), JSON_OK);
	assert_int_equal(
	    incoming_handle(&in, event, json_root(d), &what), INCOMING_DONE);
	json_free(d);
	refs_clear(&in.refs);
	free(text);
}

static void
settings_come_first(void **state)
{
	(void)state;
	handle("init", INIT,
	    ",\"flow_logs\":{\"api_url\":\"https://x/\","
	    "\"upload_interval_secs\":60,\"upload_batch_size\":7}");
	assert_int_equal(got.settings.interval_s, 60);
	assert_int_equal(got.settings.batch_size, 7);
	assert_string_equal(got.settings.api_url, "https://x/");
	assert_memory_equal(got.story, "settings relays_begin ", 22);
}

static void
settings_that_are_none(void **state)
{
	static const char *const table[] = {
		"",
		",\"flow_logs\":null",
		",\"flow_logs\":[]",
		",\"flow_logs\":{}",
		",\"flow_logs\":{\"api_url\":1,\"upload_interval_secs\":60}",
		",\"flow_logs_api_url\":\"https://x/\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		handle("init", INIT, table[i]);
		assert_int_equal(got.settings.interval_s, 0);
		assert_memory_equal(got.story, "settings relays_begin ", 22);
	}
}

static void
a_token_comes_before_its_authorization(void **state)
{
	char jwt[16384], more[16384 + 64], id[UUID_TEXT_LEN + 1];

	(void)state;
	flow_jwt(FLOW_HEADER, FLOW_CLAIMS, jwt);
	snprintf(more, sizeof(more), ",\"flow_logs_ingest_token\":\"%s\"", jwt);
	handle("create_authorization", AUTHORIZATION, more);
	assert_string_equal(got.story, "token authorization ");
	assert_string_equal(uuid_format(&got.told, id), FLOW_AUTHORIZATION);
	assert_true(uuid_equal(&got.told, &got.token.authorization));
}

static void
tokens_that_are_none(void **state)
{
	static const char *const table[] = {
		"",
		",\"flow_logs_ingest_token\":null",
		",\"flow_logs_ingest_token\":7",
		",\"flow_logs_ingest_token\":\"\"",
		",\"flow_logs_ingest_token\":\"a.b.c\"",
		",\"flow_logs_ingest_token\":{\"a\":1}",
	};
	const struct uuid none = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		handle("create_authorization", AUTHORIZATION, table[i]);
		assert_string_equal(got.story, "authorization ");
		assert_true(uuid_equal(&got.told, &none));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_come_first),
		cmocka_unit_test(settings_that_are_none),
		cmocka_unit_test(a_token_comes_before_its_authorization),
		cmocka_unit_test(tokens_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
