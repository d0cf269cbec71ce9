/*
 * control-worker/portal/messages_names.c: who a client is and what a resource
 * is called, in the forms of three years.
 */
#include "tests/lib/unit.h"

#include "control-worker/portal/generation.h"

#define CLIENT   "3abd725a-733b-4801-ac16-72f26cd98a24"
#define RESOURCE "c7793628-8579-465b-83e3-1a5d4af4db3b"

/* clang-format off */
/* An authorization with more members of its client and of itself. */
#define AUTHORIZATION(of_client, more) \
	"{\"ref\":\"SFMyNTY.g2g\",\"client\":{\"id\":\"" CLIENT "\"," \
	"\"public_key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"," \
	"\"preshared_key\":\"rq1Lza3benj3b0JlLrPECTtPoyvro2thAwued7JDLsU=\"," \
	"\"ipv4\":\"100.93.74.51\",\"ipv6\":\"fd00:2021:1111::f:853b\"" \
	of_client "},\"resource\":{\"id\":\"" RESOURCE "\",\"type\":\"cidr\"," \
	"\"name\":\"Office\",\"address\":\"172.20.0.0/16\",\"filters\":[]}," \
	"\"client_ice_credentials\":{\"username\":\"4y2x\",\"password\":\"r\"}," \
	"\"gateway_ice_credentials\":{\"username\":\"qwg5\",\"password\":\"t\"}" \
	more "}"
#define DEVICE \
	",\"device_os_name\":\"macOS\",\"device_os_version\":\"15.5\"," \
	"\"device_serial\":\"C02X\",\"device_uuid\":null"
#define SUBJECT \
	",\"subject\":{\"actor_id\":\"24eb\",\"actor_name\":\"Jane\"," \
	"\"actor_email\":\"jane@acme.com\",\"ip_city\":\"Austin\"}"
/* clang-format on */

/* What was told, in order. */
static char story[1024];

static void
tell_text(const char *what, const struct told_text *t)
{
	if (t->text != NULL) {
		strcat(story, what);
		strncat(story, t->text, t->len);
		strcat(story, " ");
	}
}

static void
on_client(void *ctx, const struct client_description *d)
{
	char id[UUID_TEXT_LEN + 1];

	(void)ctx;
	assert_string_equal(uuid_format(&d->client, id), CLIENT);
	tell_text("actor:", &d->actor);
	tell_text("email:", &d->email);
	tell_text("system:", &d->system);
	tell_text("version:", &d->system_version);
	tell_text("serial:", &d->serial);
	tell_text("city:", &d->city);
}

static void
on_resource(void *ctx, const struct resource_description *d)
{
	char id[UUID_TEXT_LEN + 1];

	(void)ctx;
	assert_string_equal(uuid_format(&d->resource, id), RESOURCE);
	tell_text("resource:", &d->name);
}

static void
on_authorization(void *ctx, struct ipc_authorization *m)
{
	(void)ctx;
	(void)m;
	strcat(story, "authorized");
}

static void
on_resource_update(void *ctx, struct ipc_resource_update *m)
{
	(void)ctx;
	(void)m;
	strcat(story, "updated");
}

static const struct ipc_handlers handlers = {
	.authorization = on_authorization,
	.resource_update = on_resource_update,
};

static enum incoming_result
handle(const char *event, const char *text, bool described)
{
	struct incoming in = {
		.generation = generation_newest(),
		.to = &handlers,
		.described = { described ? on_client : NULL,
		    described ? on_resource : NULL },
		.has_interface = true,
	};
	struct json_document *d;
	enum incoming_result r;
	const char *what;

	story[0] = '\0';
	assert_int_equal(json_parse(&d, text, strlen(text)), JSON_OK);
	r = incoming_handle(&in, event, json_root(d), &what);
	json_free(d);
	refs_clear(&in.refs);
	return r;
}

/* Before the authorization is passed on, so that what follows has the names. */
static void
names_come_first(void **state)
{
	(void)state;
	assert_int_equal(handle("create_authorization",
			     AUTHORIZATION(DEVICE, SUBJECT), true),
	    INCOMING_DONE);
	assert_string_equal(story,
	    "actor:Jane email:jane@acme.com system:macOS version:15.5 "
	    "serial:C02X city:Austin resource:Office authorized");
}

static void
other_forms(void **state)
{
	(void)state;
	assert_int_equal(
	    handle("create_authorization", AUTHORIZATION("", ""), true),
	    INCOMING_DONE);
	assert_string_equal(story, "resource:Office authorized");
	assert_int_equal(handle("create_authorization",
			     AUTHORIZATION("",
				 ",\"subject\":{\"identity_name\":\"Jane\","
				 "\"actor_email\":\"jane@acme.com\"}"),
			     true),
	    INCOMING_DONE);
	assert_string_equal(
	    story, "actor:Jane email:jane@acme.com resource:Office authorized");
	/* What is no text is not told, and does no harm. */
	assert_int_equal(handle("create_authorization",
			     AUTHORIZATION(",\"device_os_name\":{\"a\":1}",
				 ",\"subject\":[1],\"name\":7"),
			     true),
	    INCOMING_DONE);
	assert_string_equal(story, "resource:Office authorized");
}

static void
a_resource_is_renamed(void **state)
{
	(void)state;
	assert_int_equal(
	    handle("resource_updated",
		"{\"id\":\"" RESOURCE "\",\"type\":\"cidr\",\"name\":\"HQ\","
		"\"address\":\"172.20.0.0/16\",\"filters\":[]}",
		true),
	    INCOMING_DONE);
	assert_string_equal(story, "resource:HQ updated");
}

/* What is dropped tells nothing. */
static void
dropped(void **state)
{
	(void)state;
	assert_int_equal(
	    handle("create_authorization",
		AUTHORIZATION(DEVICE, SUBJECT ",\"expires_at\":\"x\""), true),
	    INCOMING_DROPPED);
	assert_string_equal(story, "");
}

static void
nobody_asks(void **state)
{
	(void)state;
	assert_int_equal(handle("create_authorization",
			     AUTHORIZATION(DEVICE, SUBJECT), false),
	    INCOMING_DONE);
	assert_string_equal(story, "authorized");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_first),
		cmocka_unit_test(other_forms),
		cmocka_unit_test(a_resource_is_renamed),
		cmocka_unit_test(dropped),
		cmocka_unit_test(nobody_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
