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
#include "control-worker/dns_resources/wishes.h"
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
	uint64_t done; /* the serial */
	bool installed;
	unsigned asks, resolutions, messages, ends, installs;
	bool deaf, full;
	struct mono now;
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

static bool
on_has_room(void *ctx)
{
	struct rig *r = ctx;

	return !r->full;
}

static struct mono
on_now(void *ctx)
{
	struct rig *r = ctx;

	return r->now;
}

static void
on_done(void *ctx, uint64_t serial, bool installed)
{
	struct rig *r = ctx;

	r->done = serial;
	r->installed = installed;
	r->installs += installed;
	r->ends++;
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
	struct assignments_host host = { r, on_ask, on_resolved, on_say,
		on_has_room, on_now, on_done };
	struct lookups lookups = { NULL, look_up, lookup_cancel };

	memset(r, 0, sizeof(*r));
	r->now = (struct mono){ INT64_C(1000000000) };
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

static struct ipc_name_unanswered
unanswered_name(const char *domain)
{
	struct ipc_name_unanswered m = {
		.client = { { 1 } },
		.resource = { { [15] = 0x65 } },
		.proxies_count = 2,
	};

	strlcpy(m.domain, domain, sizeof(m.domain));
	assert_true(ip_parse("100.96.0.1", &m.proxies[0]));
	assert_true(ip_parse("fd00:2021:1111:8000::", &m.proxies[1]));
	return m;
}

/* The same way as the first time, but nobody hears of it. */
static void
what_is_unanswered_is_resolved_again(void **state)
{
	struct rig *r = *state;
	struct ipc_name_unanswered m = unanswered_name("app.example.com");

	assignments_unanswered(r->assignments, &m);
	assert_int_equal(r->asks, 1);
	assert_string_equal(r->asked.domain, "app.example.com");
	assert_int_equal(r->asked.client.bytes[0], 1);
	assert_int_equal(r->asked.resource.bytes[15], 0x65);
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 1);
	assert_int_equal(r->resolved.client.bytes[0], 1);
	assert_int_equal(r->resolved.resource.bytes[15], 0x65);
	assert_string_equal(r->resolved.domain, "app.example.com");
	assert_int_equal(r->resolved.proxies_count, 2);
	assert_true(ip_equal(&r->resolved.proxies[1], &m.proxies[1]));
	assert_int_equal(r->resolved.addresses_count, 2);
	assert_string_equal(r->resolved.installed, "");
	assert_string_equal(r->resolved.refused, "");
	assert_int_equal(r->messages, 0);
	assert_int_equal(r->ends, 0);
}

/* Refused, without an address, or without room: it stays as it was. */
static void
what_means_nothing_now_stays(void **state)
{
	struct rig *r = *state;
	struct ipc_name_unanswered m = unanswered_name("no.example.com");

	assignments_unanswered(r->assignments, &m);
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assignments_unanswered(r->assignments, &m);
	assert_int_equal(r->asks, 2);
	answer(r, r->asked.serial, ASSIGNMENT_REFUSED);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	for (int i = 0; i < ASSIGNMENTS_OF_CLIENT + 5; i++)
		assignments_unanswered(r->assignments, &m);
	assert_int_equal(r->asks, 2 + ASSIGNMENTS_OF_CLIENT);
	assignments_forget(r->assignments);
	r->deaf = true;
	assignments_unanswered(r->assignments, &m);
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 0);
	assert_int_equal(r->messages, 0);
	assert_int_equal(r->ends, 0);
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
		.names = { .domain = "example.com" },
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

/* Names of clients that hear nothing: the portal's part is told instead. */

static bool
begin_of(struct rig *r, uint8_t client, uint64_t serial, const char *domain)
{
	struct name_proxies n = {
		.client = { { client } },
		.resource = { { [15] = 0x65 } },
		.proxy_count = 1,
	};

	strlcpy(n.domain, domain, sizeof(n.domain));
	assert_true(ip_parse("100.96.0.1", &n.proxies[0]));
	return assignments_begin(r->assignments, serial, &n);
}

static bool
begin(struct rig *r, uint64_t serial, const char *domain)
{
	return begin_of(r, 1, serial, domain);
}

static void
goes_the_whole_way_for_the_portal(void **state)
{
	struct rig *r = *state;

	assert_true(begin(r, 7, "App.example.com"));
	assert_int_equal(r->asks, 1);
	assert_string_equal(r->asked.domain, "App.example.com");
	assert_int_equal(r->asked.client.bytes[0], 1);
	assert_int_equal(r->asked.resource.bytes[15], 0x65);
	assert_int_equal(r->ends, 0);
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 1);
	assert_int_equal(r->resolved.addresses_count, 2);
	assert_int_equal(r->resolved.proxies_count, 1);
	/* The client is told nothing. */
	assert_string_equal(r->resolved.installed, "");
	assert_string_equal(r->resolved.refused, "");
	assert_int_equal(r->messages, 0);
	assert_int_equal(r->ends, 1);
	assert_int_equal(r->done, 7);
	assert_true(r->installed);
}

/* It waits for its connection, which a dead resolver is not to cost it. */
static void
what_cannot_be_resolved_is_empty_for_the_portal(void **state)
{
	struct rig *r = *state;

	assert_true(begin(r, 8, "nobody.example.org"));
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 1);
	assert_int_equal(r->resolved.addresses_count, 0);
	assert_int_equal(r->messages, 0);
	assert_int_equal(r->done, 8);
	assert_true(r->installed);
}

static void
what_is_refused_ends_for_the_portal(void **state)
{
	struct rig *r = *state;

	assert_true(begin(r, 9, "app.example.com"));
	answer(r, r->asked.serial, ASSIGNMENT_REFUSED);
	assert_int_equal(r->resolutions + r->messages, 0);
	assert_int_equal(r->done, 9);
	assert_false(r->installed);
	r->deaf = true;
	assert_false(begin(r, 10, "app.example.com"));
	assert_int_equal(r->ends, 1);
}

/* Its client asks once: what has no room has its turn later. */
static void
keeps_what_the_portal_says(void **state)
{
	enum { NAMES = 60 };
	struct rig *r = *state;

	for (unsigned i = 0; i < NAMES; i++)
		assert_true(begin(r, 1 + i, "app.example.com"));
	assert_int_equal(r->asks, ASSIGNMENTS_OF_CLIENT);
	assert_int_equal(r->ends, 0);
	/* One of them makes room for one. */
	answer(r, 1, ASSIGNMENT_REFUSED);
	assert_int_equal(r->ends, 1);
	assert_int_equal(r->asks, ASSIGNMENTS_OF_CLIENT + 1);
	assert_int_equal(r->asked.serial, ASSIGNMENTS_OF_CLIENT + 1);
	/* What comes later does not overtake. */
	assert_true(begin(r, 1 + NAMES, "app.example.com"));
	for (unsigned i = 1; i <= NAMES; i++) {
		assert_true(r->asks >= 1 + i);
		answer(r, 1 + i, ASSIGNMENT_RESOLVE);
		uv_run(&r->loop, UV_RUN_DEFAULT);
		assert_int_equal(r->done, 1 + i);
	}
	assert_int_equal(r->asks, NAMES + 1);
	assert_int_equal(r->installs, NAMES);
	assert_int_equal(*assignments_left_out(r->assignments), 0);
}

/* Where others have taken all there is. */
static void
keeps_what_a_full_table_has_no_room_for(void **state)
{
	struct rig *r = *state;

	for (int client = 2; client < 200; client++)
		for (int i = 0; i < 40; i++)
			event(r, (uint8_t)client, EVENT("app.example.com"));
	assert_int_equal(r->asks, ASSIGNMENTS_MAX);
	assert_true(begin(r, 7, "app.example.com"));
	assert_true(begin(r, 8, "app.example.com"));
	assert_int_equal(r->asks, ASSIGNMENTS_MAX);
	answer(r, 1, ASSIGNMENT_RESOLVE);
	assert_int_equal(r->asks, ASSIGNMENTS_MAX);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->asks, ASSIGNMENTS_MAX + 1);
	assert_int_equal(r->asked.client.bytes[0], 1);
	/* Another one needs more room to be left. */
	for (unsigned serial = 2; serial < 20; serial++) {
		assert_int_equal(r->ends, 0);
		answer(r, serial, ASSIGNMENT_REFUSED);
	}
	assert_int_equal(r->asks, ASSIGNMENTS_MAX + 2);
	assert_int_equal(r->asked.client.bytes[0], 1);
}

/* Whoever has fewest under way is next. */
static void
keeps_for_everyone(void **state)
{
	struct rig *r = *state;

	r->full = true;
	for (unsigned i = 0; i < 40; i++)
		assert_true(begin_of(r, 1, 1 + i, "app.example.com"));
	for (unsigned i = 0; i < 3; i++)
		assert_true(begin_of(r, 2, 100 + i, "app.example.com"));
	assert_int_equal(r->asks, 0);
	r->full = false;
	assignments_resume(r->assignments);
	/* One had its bound of 32, the other all. */
	assert_int_equal(r->asks, ASSIGNMENTS_OF_CLIENT + 3);
	assert_int_equal(r->asked.client.bytes[0], 1);
	answer(r, 41, ASSIGNMENT_RESOLVE);
	answer(r, 42, ASSIGNMENT_RESOLVE);
	answer(r, 43, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->installs, 3);
	assert_in_range(r->done, 100, 102);
	assert_int_equal(r->asks, ASSIGNMENTS_OF_CLIENT + 3);
}

/* Both ways there are messages to send. */
static void
waits_for_a_full_queue(void **state)
{
	struct rig *r = *state;

	r->full = true;
	assert_true(begin(r, 7, "app.example.com"));
	assignments_resume(r->assignments);
	assert_int_equal(r->asks, 0);
	r->full = false;
	assignments_resume(r->assignments);
	assert_int_equal(r->asks, 1);
	r->full = true;
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assignments_resume(r->assignments);
	assert_int_equal(r->resolutions + r->ends, 0);
	r->full = false;
	assignments_resume(r->assignments);
	assert_int_equal(r->resolutions, 1);
	assert_int_equal(r->resolved.addresses_count, 2);
	assert_int_equal(r->done, 7);
	assert_true(r->installed);
	/* Likewise for a client that is told itself. */
	event(r, 1, EVENT("app.example.com"));
	answer(r, r->asked.serial, ASSIGNMENT_RESOLVE);
	r->full = true;
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(r->resolutions, 1);
	r->full = false;
	assignments_resume(r->assignments);
	assert_int_equal(r->resolutions, 2);
	assert_int_equal(r->ends, 1);
	/* What nobody is there for is not kept for later. */
	r->full = r->deaf = true;
	assert_true(begin(r, 8, "app.example.com"));
	r->full = false;
	assignments_resume(r->assignments);
	assert_int_equal(r->done, 8);
	assert_false(r->installed);
}

/* Of a client, though there is room again by now. */
static void
keeps_the_order(void **state)
{
	struct rig *r = *state;

	r->full = true;
	assert_true(begin(r, 7, "app.example.com"));
	r->full = false;
	assert_true(begin(r, 8, "later.example.com"));
	assert_int_equal(r->asks, 0);
	assert_true(begin_of(r, 2, 9, "other.example.com"));
	assert_int_equal(r->asks, 1);
	assignments_resume(r->assignments);
	assert_int_equal(r->asks, 3);
	assert_string_equal(r->asked.domain, "later.example.com");
}

/* Nobody waits any longer. */
static void
keeps_nothing_for_ever(void **state)
{
	struct rig *r = *state;

	r->full = true;
	assert_true(begin(r, 7, "app.example.com"));
	r->now = mono_add_ms(r->now, ASSIGNMENTS_KEPT_MS / 2);
	assert_true(begin(r, 8, "app.example.com"));
	r->now = mono_add_ms(r->now, ASSIGNMENTS_KEPT_MS / 2 - 1);
	assignments_resume(r->assignments);
	assert_int_equal(r->ends, 0);
	r->now = mono_add_ms(r->now, 1);
	assignments_resume(r->assignments);
	assert_int_equal(r->ends, 1);
	assert_int_equal(r->done, 7);
	assert_false(r->installed);
	assert_int_equal(*assignments_left_out(r->assignments), 1);
	r->full = false;
	assignments_resume(r->assignments);
	assert_int_equal(r->asks, 1);
	assert_int_equal(r->ends, 1);
	/* Nor for a net-worker that is no more. */
	r->full = true;
	assert_true(begin(r, 9, "app.example.com"));
	assignments_forget(r->assignments);
	r->full = false;
	assignments_resume(r->assignments);
	assert_int_equal(r->asks, 1);
	assert_int_equal(r->ends, 1);
}

static void
keeps_so_many(void **state)
{
	struct rig *r = *state;
	char text[LOG_TEXT_MAX + 1];
	unsigned kept = 0, tried = 0;
	int log[2], lines = 0;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, log), 0);
	log_init_worker(log[1], LOG_LEVEL_WARN);
	r->full = true;
	for (unsigned i = 0; i < ASSIGNMENTS_KEPT_OF_CLIENT + 3; i++, tried++)
		kept += begin(r, 1, "app.example.com");
	assert_int_equal(kept, ASSIGNMENTS_KEPT_OF_CLIENT);
	for (int client = 2; client < 100; client++)
		for (int i = 0; i < 200; i++, tried++)
			kept += begin_of(r, (uint8_t)client, 1, "a.b");
	/* However many take what they can, one more finds room. */
	assert_in_range(kept, ASSIGNMENTS_KEPT_MAX / 2, ASSIGNMENTS_KEPT_MAX);
	if (kept < ASSIGNMENTS_KEPT_MAX)
		assert_true(begin_of(r, 100, 1, "a.b"));
	assert_int_equal(*assignments_left_out(r->assignments), tried - kept);
	assert_int_equal(r->ends + r->asks, 0);
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	while (recv(log[0], text, sizeof(text), 0) > 0) {
		assert_non_null(strstr(text, "is left out: too many wait"));
		lines++;
	}
	assert_int_equal(lines, 1);
	close(log[0]);
	close(log[1]);
	/* When their time is over there is room again. */
	r->now = mono_add_ms(r->now, ASSIGNMENTS_KEPT_MS);
	assert_true(begin(r, 1, "app.example.com"));
	assert_in_range(r->ends, kept, kept + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(goes_the_whole_way),
		T(a_name_without_addresses_is_resolved),
		T(refused_at_once),
		T(what_is_unanswered_is_resolved_again),
		T(what_means_nothing_now_stays),
		T(out_of_turn),
		T(ignores_what_it_cannot_read),
		T(has_bounds),
		T(says_little),
		T(takes_turns),
		T(a_deaf_net_worker),
		cmocka_unit_test(status_as_in_the_vector),
		T(goes_the_whole_way_for_the_portal),
		T(what_cannot_be_resolved_is_empty_for_the_portal),
		T(what_is_refused_ends_for_the_portal),
		T(keeps_what_the_portal_says),
		T(keeps_what_a_full_table_has_no_room_for),
		T(keeps_for_everyone),
		T(waits_for_a_full_queue),
		T(keeps_the_order),
		T(keeps_nothing_for_ever),
		T(keeps_so_many),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
