/*
 * From a client's control packet to what it hears, with the hosts file as the
 * source of names: firezone-policy(7), Assignment, Resolution and Events.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "control-worker/dns/resolver.h"
#include "control-worker/dns_resources/assignments.h"
#include "control-worker/dns_resources/peer_event.h"
#include "tests/lib/unit.h"

#define RESOURCE "00000000-0000-0000-0000-000000000065"

static const char hosts[] = "192.0.2.80 app.example.com\n"
			    "2001:db8::80 app.example.com\n";
/* A server that nobody is at: whatever is not in the hosts file fails. */
static const char resolv_conf[] = "nameserver 127.0.0.253\n"
				  "options timeout:1 attempts:1\n";

struct rig {
	uv_loop_t loop;
	struct resolver *resolver;
	struct assignments *assignments;
	struct ipc_assignment asked;
	struct ipc_name_resolved resolved;
	struct ipc_peer_message said;
	unsigned asks, resolutions, messages;
	bool deaf;
};

static bool
on_ask(void *ctx, const struct ipc_assignment *m)
{
	struct rig *r = ctx;

	r->asked = *m;
	r->asks++;
	return !r->deaf;
}

static bool
on_resolved(void *ctx, const struct ipc_name_resolved *m)
{
	struct rig *r = ctx;

	r->resolved = *m;
	r->resolutions++;
	return !r->deaf;
}

static bool
on_say(void *ctx, const struct ipc_peer_message *m)
{
	struct rig *r = ctx;

	r->said = *m;
	r->messages++;
	return true;
}

static struct lookup *
look_up(void *resolver, const char *name, lookup_done done, void *ctx)
{
	return resolver_lookup_cached(resolver, name, done, ctx);
}

static int
set_up(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	struct assignments_host host = { r, on_ask, on_resolved, on_say };
	struct lookups lookups = { NULL, look_up, lookup_cancel };

	memset(r, 0, sizeof(*r));
	assert_int_equal(uv_loop_init(&r->loop), 0);
	r->resolver = resolver_new(&r->loop);
	resolver_set_hosts(r->resolver, hosts, strlen(hosts));
	resolver_set_resolv_conf(r->resolver, resolv_conf, strlen(resolv_conf));
	lookups.resolver = r->resolver;
	r->assignments = assignments_new(&host, &lookups);
	assert_non_null(r->assignments);
	*state = r;
	return 0;
}

static int
tear_down(void **state)
{
	struct rig *r = *state;

	assignments_free(r->assignments);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	resolver_free(r->resolver);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	return 0;
}

static void
event(struct rig *r, uint8_t client, const char *json)
{
	struct ipc_peer_event e = {
		.client = { { client } },
		.payload_len = (uint16_t)strlen(json),
	};

	memcpy(e.payload, json, e.payload_len);
	assignments_event(r->assignments, &e);
}

static void
answer(struct rig *r, uint64_t serial, enum assignment_answer answer)
{
	struct ipc_assignment_answer m = { .serial = serial,
		.answer = (uint8_t)answer };

	assignments_answer(r->assignments, &m);
}

#define EVENT(domain)                                         \
	"{\"resource\":\"" RESOURCE "\",\"domain\":\"" domain \
	"\",\"proxy_ips\":[\"100.96.0.1\",\"fd00:2021:1111:8000::\"]}"

static void
goes_the_whole_way(void **state)
{
	struct rig *r = *state;

	event(r, 1, EVENT("App.example.com"));
	assert_int_equal(r->asks, 1);
	assert_string_equal(r->asked.domain, "App.example.com");
	assert_int_equal(r->asked.client.bytes[0], 1);
	assert_int_equal(r->asked.resource.bytes[15], 0x65);
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 1);
	assert_string_equal(r->resolved.domain, "App.example.com");
	assert_int_equal(r->resolved.resource.bytes[15], 0x65);
	assert_int_equal(r->resolved.proxies_count, 2);
	assert_int_equal(r->resolved.addresses_count, 2);
	/* What the client will be told, as it spelled it. */
	assert_int_equal(r->resolved.client.bytes[0], 1);
	assert_int_equal(r->resolved.event, CONTROL_DOMAIN_STATUS);
	assert_string_equal(r->resolved.installed,
	    "{\"resource\":\"" RESOURCE "\",\"domain\":\"App.example.com\","
	    "\"status\":\"Active\"}");
	assert_string_equal(r->resolved.refused,
	    "{\"resource\":\"" RESOURCE "\",\"domain\":\"App.example.com\","
	    "\"status\":\"Inactive\"}");
	/* That was all. */
	answer(r, r->asked.serial, ASSIGNMENT_REFUSED);
	assert_int_equal(r->messages, 0);
}

static void
a_name_without_addresses_is_resolved(void **state)
{
	struct rig *r = *state;

	event(r, 1, EVENT("no.example.com"));
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 1);
	assert_int_equal(r->resolved.addresses_count, 0);
}

static void
refused_at_once(void **state)
{
	struct rig *r = *state;

	event(r, 1, EVENT("app.example.com"));
	answer(r, r->asked.serial, ASSIGNMENT_REFUSED);
	assert_int_equal(r->messages, 1);
	assert_int_equal(r->said.client.bytes[0], 1);
	assert_int_equal(r->said.event, CONTROL_DOMAIN_STATUS);
	assert_non_null(strstr(r->said.payload, "\"Inactive\""));
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 0);
}

/* Answers that belong to no question of ours. */
static void
out_of_turn(void **state)
{
	struct rig *r = *state;

	answer(r, 99, ASSIGNMENT_REFUSED);
	assert_int_equal(r->messages, 0);
	event(r, 1, EVENT("app.example.com"));
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	answer(r, r->asked.serial, ASSIGNMENT_REFUSED);
	assert_int_equal(r->messages, 0);
	assignments_forget(r->assignments);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 0);
}

static void
ignores_what_it_cannot_read(void **state)
{
	static const char *const table[] = {
		"",
		"{",
		"null",
		"[]",
		"{\"domain\":\"a.b\",\"proxy_ips\":[]}",
		"{\"resource\":\"" RESOURCE "\",\"proxy_ips\":[]}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":\"a.b\"}",
		"{\"resource\":1,\"domain\":\"a.b\",\"proxy_ips\":[]}",
		"{\"resource\":\"65\",\"domain\":\"a.b\",\"proxy_ips\":[]}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":\"\","
		"\"proxy_ips\":[]}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":7,"
		"\"proxy_ips\":[]}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":\"a\\u0000b\","
		"\"proxy_ips\":[]}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":\"a\\nb\","
		"\"proxy_ips\":[]}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":\"a.b\","
		"\"proxy_ips\":[\"100.96.0\"]}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":\"a.b\","
		"\"proxy_ips\":[1]}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":\"a.b\","
		"\"proxy_ips\":\"100.96.0.1\"}",
		"{\"resource\":\"" RESOURCE "\",\"domain\":\"a.b\","
		"\"proxy_ips\":[]}x",
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		event(r, 1, table[i]);
	assert_int_equal(r->asks, 0);
	/* Any order, unknown members, no proxy at all. */
	event(r, 1,
	    "{\"x\":[{}],\"proxy_ips\":[],\"domain\":\"a.b\","
	    "\"resource\":\"" RESOURCE "\"}");
	assert_int_equal(r->asks, 1);
}

static void
has_bounds(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < ASSIGNMENTS_OF_CLIENT + 5; i++)
		event(r, 1, EVENT("app.example.com"));
	assert_int_equal(r->asks, ASSIGNMENTS_OF_CLIENT);
	event(r, 2, EVENT("app.example.com"));
	assert_int_equal(r->asks, ASSIGNMENTS_OF_CLIENT + 1);
	/* However many take what they can, one more finds room. */
	for (int client = 3; client < 45; client++) {
		unsigned before = r->asks;

		for (int i = 0; i < 40; i++)
			event(r, (uint8_t)client, EVENT("app.example.com"));
		assert_true(r->asks > before);
	}
	assert_true(r->asks < ASSIGNMENTS_MAX);
	for (int client = 45; client < 100; client++)
		event(r, (uint8_t)client, EVENT("app.example.com"));
	assert_int_equal(r->asks, ASSIGNMENTS_MAX);
	assignments_forget(r->assignments);
	event(r, 1, EVENT("app.example.com"));
	assert_int_equal(r->asks, ASSIGNMENTS_MAX + 1);
}

/* However often clients make us say it. */
static void
says_little(void **state)
{
	struct rig *r = *state;
	char text[LOG_TEXT_MAX + 1];
	int log[2], lines = 0;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, log), 0);
	log_init_worker(log[1], LOG_LEVEL_WARN);
	for (int client = 0; client < 100; client++)
		for (int i = 0; i < 20; i++)
			event(r, (uint8_t)client, EVENT("app.example.com"));
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	assert_int_equal(r->asks, ASSIGNMENTS_MAX);
	while (recv(log[0], text, sizeof(text), 0) > 0)
		lines++;
	assert_in_range(lines, 1, 10);
	close(log[0]);
	close(log[1]);
}

/* As many look-ups as may be at once; the others have their turn after. */
static void
takes_turns(void **state)
{
	struct rig *r = *state;

	for (int client = 0; client < 10; client++)
		for (int i = 0; i < 30; i++) {
			event(r, (uint8_t)client, EVENT("app.example.com"));
			answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
		}
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 300);
}

static void
a_deaf_net_worker(void **state)
{
	struct rig *r = *state;

	r->deaf = true;
	for (int i = 0; i < ASSIGNMENTS_OF_CLIENT + 5; i++)
		event(r, 1, EVENT("app.example.com"));
	/* None is kept. */
	assert_int_equal(r->asks, ASSIGNMENTS_OF_CLIENT + 5);
}

/* firezone-policy(7), Control vectors. */
static void
status_as_in_the_vector(void **state)
{
	static struct assigned_ips ips = {
		.resource_text = RESOURCE,
		.domain = "example.com",
	};
	char *text = domain_status(&ips, true);

	(void)state;
	assert_string_equal(text,
	    "{\"resource\":\"" RESOURCE "\",\"domain\":\"example.com\","
	    "\"status\":\"Active\"}");
	assert_int_equal(strlen(text), 92);
	free(text);
	text = domain_status(&ips, false);
	assert_non_null(strstr(text, "\"Inactive\"}"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(goes_the_whole_way),
		T(a_name_without_addresses_is_resolved),
		T(refused_at_once),
		T(out_of_turn),
		T(ignores_what_it_cannot_read),
		T(has_bounds),
		T(says_little),
		T(takes_turns),
		T(a_deaf_net_worker),
		cmocka_unit_test(status_as_in_the_vector),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
