/*
 * The portal's messages: firezone-portal(7), GATEWAY MESSAGES and Message cases
 * (1 to 7, 11).
 */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "control-worker/portal/generation.h"

#define CLIENT   "3abd725a-733b-4801-ac16-72f26cd98a24"
#define RESOURCE "c7793628-8579-465b-83e3-1a5d4af4db3b"
#define RELAY    "14ce259b-58e9-486c-837b-094c93fb9f82"
#define KEY      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define PSK      "rq1Lza3benj3b0JlLrPECTtPoyvro2thAwued7JDLsU="

/* clang-format off */
#define CREDENTIALS \
	"\"client_ice_credentials\":{\"username\":\"4y2x\",\"password\":\"ruvkmmk6flk66jpbphvows\"}," \
	"\"gateway_ice_credentials\":{\"username\":\"qwg5\",\"password\":\"tf2tuiorzcc4zbmoestrkq\"}"
#define PEER \
	"\"client\":{\"id\":\"" CLIENT "\",\"public_key\":\"" KEY "\"," \
	"\"preshared_key\":\"" PSK "\",\"ipv4\":\"100.93.74.51\",\"ipv6\":" \
	"\"fd00:2021:1111::f:853b\",\"version\":\"1.5.11\",\"device_uuid\":null}"
#define OFFICE(filters) \
	"\"resource\":{\"id\":\"" RESOURCE "\",\"type\":\"cidr\",\"name\":" \
	"\"Office\",\"address\":\"172.20.0.0/16\",\"filters\":" filters "}"
#define AUTHORIZATION \
	"{\"ref\":\"SFMyNTY.g2g\"," PEER "," OFFICE("[{\"protocol\":\"tcp\"," \
	"\"port_range_start\":443,\"port_range_end\":443},{\"protocol\":\"icmp\"}]") "," CREDENTIALS ",\"expires_at\":" \
	"1790000000,\"use_iceless\":false,\"subject\":{\"ip_lat\":30.2}}"
#define TURN(address) \
	"{\"id\":\"" RELAY "\",\"type\":\"turn\",\"addr\":\"" address "\"," \
	"\"username\":\"2145916800:u\",\"password\":\"p\",\"expires_at\":2145916800}"
#define INTERFACE \
	"\"interface\":{\"ipv4\":\"100.64.17.9\",\"ipv6\":\"fd00:2021:1111::11:9\"}"
#define INIT \
	"{" INTERFACE ",\"relays\":[" TURN("203.0.113.5:3478") "," \
	TURN("[2001:db8::5]:3478") "],\"authorizations\":[{\"client_id\":\"" \
	CLIENT "\",\"resource_id\":\"" RESOURCE "\",\"expires_at\":1790000000}]," \
	"\"account_slug\":\"acme\",\"flow_logs\":{\"api_url\":\"https://flow/\"," \
	"\"x\":1},\"config\":{\"ipv4_masquerade_enabled\":true}}"
/* clang-format on */
#define LINE                                                           \
	"candidate:785463189 1 udp 1694498559 198.51.100.7 47717 typ " \
	"srflx raddr 0.0.0.0 rport 0"

/* What was handed over: the names in order, and the last of each. */
static struct {
	char names[4096];
	struct ipc_authorization authorization;
	struct ipc_interface interface;
	struct ipc_tun_configure tun;
	struct ipc_relay_present relay;
	struct ipc_revocation revocation;
	struct ipc_resource_update update;
	struct ipc_grants_entry grant;
	struct ipc_remote_candidates candidates;
	char lines[131072];
} got;

#define RECORD(name, text, keep)                                          \
	static void on_##name(void *ctx, struct ipc_##name *m)            \
	{                                                                 \
		(void)ctx;                                                \
		(void)m;                                                  \
		if (strlen(got.names) + sizeof(text) < sizeof(got.names)) \
			strcat(got.names, text);                          \
		keep;                                                     \
	}

RECORD(interface, "I", got.interface = *m)
RECORD(relays_begin, "[", (void)0)
RECORD(relay_removed, "-", (void)0)
RECORD(relay_present, "+", got.relay = *m)
RECORD(relays_commit, "]", (void)0)
RECORD(authorization, "A", got.authorization = *m)
RECORD(revocation, "R", got.revocation = *m)
RECORD(grants_begin, "(", (void)0)
RECORD(grants_entry, "g", got.grant = *m)
RECORD(grants_commit, ")", (void)0)
RECORD(resource_update, "U", got.update = *m)
RECORD(remote_candidates, "C", got.candidates = *m; strcat(got.lines, m->lines))
RECORD(tun_configure, "T", got.tun = *m)

static const struct ipc_handlers handlers = {
	.interface = on_interface,
	.relays_begin = on_relays_begin,
	.relay_removed = on_relay_removed,
	.relay_present = on_relay_present,
	.relays_commit = on_relays_commit,
	.authorization = on_authorization,
	.revocation = on_revocation,
	.grants_begin = on_grants_begin,
	.grants_entry = on_grants_entry,
	.grants_commit = on_grants_commit,
	.resource_update = on_resource_update,
	.remote_candidates = on_remote_candidates,
	.tun_configure = on_tun_configure,
};

/* See test_flow_messages.c. */
static void
ignore_flow_settings(void *ctx, const struct json_value *v)
{
	(void)ctx;
	(void)v;
}

static struct incoming in;

static int
set_up(void **state)
{
	(void)state;
	refs_clear(&in.refs);
	in = (struct incoming){
		.generation = generation_newest(),
		.to = &handlers,
		.flow_settings = ignore_flow_settings,
		.has_interface = true,
	};
	memset(&got, 0, sizeof(got));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	refs_clear(&in.refs);
	return 0;
}

/* Whether it was acted upon. */
static bool
handle_bytes(const char *event, const char *text, size_t len)
{
	struct json_document *d;
	enum incoming_result r;
	const char *what;

	if (json_parse(&d, text, len) != JSON_OK)
		return false;
	r = incoming_handle(&in, event, json_root(d), &what);
	while (r == INCOMING_MORE)
		r = incoming_more(&in);
	if (r == INCOMING_DROPPED)
		assert_non_null(what);
	json_free(d);
	return r == INCOMING_DONE;
}

static bool
handle(const char *event, const char *text)
{
	return handle_bytes(event, text, strlen(text));
}

/* text with the only occurrence of from replaced; static storage. */
static const char *
with(const char *text, const char *from, const char *to)
{
	static char out[8192];
	const char *at = strstr(text, from);

	assert_non_null(at);
	snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - text), text, to,
	    at + strlen(from));
	return out;
}

static void
test_init(void **state)
{
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	in.has_interface = false;
	assert_true(handle("init", INIT));
	assert_string_equal(got.names, "[+]I(g)T");
	assert_string_equal(
	    endpoint_format(&got.relay.v4, text), "203.0.113.5:3478");
	assert_string_equal(
	    endpoint_format(&got.relay.v6, text), "[2001:db8::5]:3478");
	assert_string_equal(got.relay.username, "2145916800:u");
	assert_string_equal(ip_format(&got.tun.v4, text), "100.64.17.9");
	assert_string_equal(
	    ip_format(&got.interface.v6, text), "fd00:2021:1111::11:9");
	assert_int_equal(got.grant.expires_at, 1790000000);
	assert_true(in.has_interface);
}

static void
test_init_variants(void **state)
{
	static const struct {
		const char *text, *names;
	} table[] = {
		{ "{" INTERFACE "}", "[]I()T" },
		{ "{" INTERFACE ",\"relays\":null,\"x\":null,\"y\":5,\"z\":{}}",
		    "[]I()T" },
		/* Elements that are not understood are left out. */
		{ "{" INTERFACE ",\"relays\":[{\"type\":\"quic\"},"
		  "{\"type\":\"stun\",\"id\":\"" RELAY
		  "\",\"addr\":\"1.2.3.4:5\"}," TURN("1.2.3.4") "," TURN(
		      "1.2.3.4:0") ",5," TURN("1.2.3.4:5") "]}",
		    "[+]I()T" },
		{ "{" INTERFACE
		  ",\"authorizations\":[{},{\"client_id\":\"" CLIENT
		  "\"},{\"client_id\":\"" CLIENT
		  "\",\"resource_id\":\"" RESOURCE "\",\"expires_at\":\"1\"}]}",
		    "[]I()T" },
		/* Messages that are not understood are dropped as a whole. */
		{ "{" INTERFACE ",\"authorizations\":{}}", "" },
		{ "{\"interface\":{\"ipv4\":\"100.64.17.9\"}}", "" },
		{ "{\"interface\":{\"ipv4\":\"10.0.0.1\",\"ipv6\":"
		  "\"fd00:2021:1111::1\"}}",
		    "" },
		{ "{\"interface\":{\"ipv4\":\"100.64.0.1\",\"ipv6\":"
		  "\"2001:db8::1\"}}",
		    "" },
		{ "{\"interface\":{\"ipv4\":\"fd00:2021:1111::1\",\"ipv6\":"
		  "\"100.64.0.1\"}}",
		    "" },
		{ "[]", "" },
		{ "null", "" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		set_up(state);
		assert_int_equal(
		    handle("init", table[i].text), table[i].names[0] != '\0');
		assert_string_equal(got.names, table[i].names);
	}
}

/* Portals of July 2025 list the pairs alone; no time is not "for ever". */
static void
test_listed_expiries(void **state)
{
	static const struct {
		const char *text;
		bool is_listed, keeps_expiry;
		uint64_t expires_at;
	} table[] = {
		{ "", true, true, 0 },
		{ ",\"expires_at\":null", true, false, 0 },
		{ ",\"expires_at\":1790000000", true, false, 1790000000 },
		{ ",\"expires_at\":0", true, false, 1 },
		{ ",\"expires_at\":-1", false, false, 0 },
		{ ",\"expires_at\":1.5", false, false, 0 },
		{ ",\"expires_at\":1,\"expires_at\":2", false, false, 0 },
	};
	char text[512];

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		set_up(state);
		snprintf(text, sizeof(text),
		    "{" INTERFACE
		    ",\"authorizations\":[{\"client_id\":\"" CLIENT
		    "\",\"resource_id\":\"" RESOURCE "\"%s}]}",
		    table[i].text);
		assert_true(handle("init", text));
		if (!table[i].is_listed) {
			assert_string_equal(got.names, "[]I()T");
			continue;
		}
		assert_string_equal(got.names, "[]I(g)T");
		assert_int_equal(got.grant.keeps_expiry, table[i].keeps_expiry);
		assert_int_equal(got.grant.expires_at, table[i].expires_at);
	}
}

static void
test_long_lists_come_in_parts(void **state)
{
	static char text[200000];
	struct json_document *d;
	const char *what;
	int parts = 1;

	(void)state;
	strcpy(text, "{" INTERFACE ",\"authorizations\":[");
	for (int i = 0; i < 1000; i++)
		strcat(text,
		    i == 0 ? "{\"client_id\":\"" CLIENT
			     "\",\"resource_id\":\"" RESOURCE
			     "\",\"expires_at\":0}"
			   : ",{\"client_id\":\"" CLIENT
			     "\",\"resource_id\":\"" RESOURCE
			     "\",\"expires_at\":0}");
	strcat(text, "]}");
	assert_int_equal(json_parse(&d, text, strlen(text)), JSON_OK);
	assert_int_equal(
	    incoming_handle(&in, "init", json_root(d), &what), INCOMING_MORE);
	assert_null(strchr(got.names, ')'));
	while (incoming_more(&in) == INCOMING_MORE)
		parts++;
	json_free(d);
	assert_int_equal(parts, 3);
	assert_int_equal(strlen(got.names), strlen("[]I()T") + 1000);
	assert_string_equal(strchr(got.names, ')'), ")T");
	/* The beginning of 1970 is past, and not "never". */
	assert_int_equal(got.grant.expires_at, 1);
}

static void
test_relays_presence(void **state)
{
	(void)state;
	assert_true(handle("relays_presence",
	    "{\"disconnected_ids\":[\"" RELAY
	    "\",\"x\",null],\"connected\":[" TURN("203.0.113.5:3478") "," TURN(
		"203.0.113.6:3478") "]}"));
	assert_string_equal(got.names, "[-+]");
	/* A second address of one family is ignored. */
	assert_int_equal(got.relay.v4.ip.bytes[3], 5);
	assert_false(handle("relays_presence", "{\"connected\":[]}"));
	assert_false(handle(
	    "relays_presence", "{\"disconnected_ids\":[],\"connected\":null}"));
}

static void
test_authorization(void **state)
{
	const struct ipc_authorization *a = &got.authorization;
	const struct ref *ref;
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	assert_true(handle("create_authorization", AUTHORIZATION));
	assert_string_equal(got.names, "A");
	assert_int_equal(a->public_key[31], 31);
	assert_int_equal(a->preshared_key[0], 0xae);
	assert_string_equal(ip_format(&a->client_v4, text), "100.93.74.51");
	assert_string_equal(a->local_username, "qwg5");
	assert_string_equal(a->local_password, "tf2tuiorzcc4zbmoestrkq");
	assert_string_equal(a->remote_username, "4y2x");
	assert_string_equal(a->remote_password, "ruvkmmk6flk66jpbphvows");
	assert_int_equal(a->expires_at, 1790000000);
	assert_false(a->use_iceless);
	assert_int_equal(a->type, RESOURCE_CIDR);
	assert_int_equal(a->network.length, 16);
	assert_int_equal(a->filters_count, 2);
	ref = refs_find(&in.refs, a->serial);
	assert_string_equal(ref->text, "SFMyNTY.g2g");
	assert_string_equal(ref->reply, "authorization_created");
	assert_false(ref->connects);
	refs_drop(&in.refs, a->serial);
	assert_null(refs_find(&in.refs, a->serial));
}

static void
test_authorization_variants(void **state)
{
	static const struct {
		const char *from, *to;
		bool good;
	} table[] = {
		{ ",\"use_iceless\":false", "", true },
		{ "\"use_iceless\":false", "\"use_iceless\":true", true },
		{ "\"use_iceless\":false", "\"use_iceless\":1", false },
		{ ",\"expires_at\":1790000000", "", true },
		{ "1790000000", "null", true },
		{ "1790000000", "0", true },
		{ "1790000000", "18446744073709551615", true },
		{ "1790000000", "18446744073709551616", false },
		{ "1790000000", "-1", false },
		{ "1790000000", "1.0", false },
		{ "1790000000", "\"1790000000\"", false },
		{ "1790000000", "1,\"expires_at\":1790000000", false },
		{ "SFMyNTY.g2g", "a\\u0007", false },
		{ "\"ref\":\"SFMyNTY.g2g\",", "", false },
		{ CLIENT, "x", false },
		{ KEY, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", false },
		{ KEY, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", false },
		{ KEY, "", false },
		{ PSK, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", false },
		{ "100.93.74.51", "8.8.8.8", false },
		{ "100.93.74.51", "100.96.0.1", false },
		{ "100.93.74.51", "100.93.74.51/32", false },
		{ "fd00:2021:1111::f:853b", "fd00:2021:1111:8000::1", false },
		{ "172.20.0.0/16", "172.20.0.1/16", false },
		{ "172.20.0.0/16", "172.20.0.0/33", false },
		{ "172.20.0.0/16", "172.20.0.1", true },
		{ "172.20.0.0/16", "2001:db8::/32", true },
		{ "\"cidr\"", "\"dns\"", true },
		{ "\"cidr\"", "\"internet\"", true },
		{ "\"cidr\"", "\"cidr\\u0000\"", false },
		{ "\"cidr\"", "\"static_device_pool\"", false },
		{ "\"filters\":", "\"filters\":null,\"x\":", false },
		{ "\"filters\":", "\"x\":", false },
		{ "\"filters\":", "\"filters\":[],\"filters\":", false },
		{ "\"4y2x\"", "\"\"", false },
		{ "\"tf2tuiorzcc4zbmoestrkq\"", "null", false },
		{ "\"gateway_ice_credentials\"", "\"x\"", false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		set_up(state);
		assert_int_equal(
		    handle("create_authorization",
			with(AUTHORIZATION, table[i].from, table[i].to)),
		    table[i].good);
		assert_string_equal(got.names, table[i].good ? "A" : "");
		tear_down(state);
	}
}

static void
test_expiry_values(void **state)
{
	(void)state;
	handle(
	    "create_authorization", with(AUTHORIZATION, "1790000000", "null"));
	assert_int_equal(got.authorization.expires_at, 0);
	handle("create_authorization", with(AUTHORIZATION, "1790000000", "0"));
	assert_int_equal(got.authorization.expires_at, 1);
}

static void
test_authorization_needs_an_init(void **state)
{
	(void)state;
	in.has_interface = false;
	assert_false(handle("create_authorization", AUTHORIZATION));
	assert_string_equal(got.names, "");
}

/* "tcp 443-443, icmp 0-65535" as numbers. */
static const char *
filters_text(const struct filter *f, size_t n)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < n && strlen(text) < 200; i++)
		sprintf(text + strlen(text), "%s%u:%u-%u", i > 0 ? " " : "",
		    f[i].protocol, f[i].first, f[i].last);
	return text;
}

static void
test_filters(void **state)
{
	static const struct {
		const char *json, *want;
	} table[] = {
		{ "[]", "" },
		{ "[{\"protocol\":\"tcp\"}]", "1:0-65535" },
		{ "[{\"protocol\":\"udp\",\"port_range_start\":100,"
		  "\"port_range_end\":200}]",
		    "2:100-200" },
		{ "[{\"protocol\":\"tcp\",\"port_range_start\":5}]",
		    "1:5-65535" },
		{ "[{\"protocol\":\"tcp\",\"port_range_end\":5}]", "1:0-5" },
		{ "[{\"protocol\":\"icmp\",\"port_range_start\":\"x\"}]",
		    "3:0-65535" },
		{ "[{\"protocol\":\"sctp\"},{\"protocol\":\"icmp\"}]",
		    "3:0-65535" },
		/* A list of which nothing is left permits nothing. */
		{ "[{\"protocol\":\"sctp\"}]", "1:1-0" },
		{ "[{}]", "1:1-0" },
		{ "[null]", "1:1-0" },
		{ "[[]]", "1:1-0" },
		{ "[{\"protocol\":\"tcp\",\"protocol\":\"udp\"}]", "1:1-0" },
		{ "[{\"protocol\":\"tcp\",\"port_range_start\":10,"
		  "\"port_range_end\":9}]",
		    "1:1-0" },
		{ "[{\"protocol\":\"tcp\",\"port_range_end\":65536}]",
		    "1:1-0" },
		{ "[{\"protocol\":\"tcp\",\"port_range_end\":null}]", "1:1-0" },
		{ "[{\"protocol\":\"tcp\",\"port_range_end\":\"80\"}]",
		    "1:1-0" },
		{ "[{\"protocol\":\"tcp\",\"port_range_end\":80.0}]", "1:1-0" },
		{ "[{\"protocol\":\"tcp\",\"port_range_start\":1,"
		  "\"port_range_start\":0}]",
		    "1:1-0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct filter filters[FILTERS_MAX];
		struct json_document *d;
		uint16_t n;

		assert_int_equal(
		    json_parse(&d, table[i].json, strlen(table[i].json)),
		    JSON_OK);
		assert_int_equal(parse_filters(json_root(d), filters, &n), 0);
		assert_string_equal(filters_text(filters, n), table[i].want);
		json_free(d);
	}
}

static void
test_too_many_filters(void **state)
{
	static char text[FILTERS_MAX * 40 + 1000], list[FILTERS_MAX * 40];

	for (int n = FILTERS_MAX; n <= FILTERS_MAX + 1; n++) {
		char *at = list;

		set_up(state);
		*at++ = '[';
		for (int i = 0; i < n; i++)
			at += sprintf(
			    at, "%s{\"protocol\":\"icmp\"}", i > 0 ? "," : "");
		strcpy(at, "]");
		snprintf(text, sizeof(text),
		    "{\"ref\":\"r\"," PEER "," OFFICE("%s") "," CREDENTIALS "}",
		    list);
		assert_int_equal(
		    handle("create_authorization", text), n == FILTERS_MAX);
		snprintf(text, sizeof(text),
		    "{\"id\":\"" RESOURCE "\",\"type\":"
		    "\"cidr\",\"filters\":%s}",
		    list);
		assert_true(handle("resource_updated", text));
		if (n > FILTERS_MAX)
			assert_string_equal(filters_text(got.update.filters,
						got.update.filters_count),
			    "1:1-0");
		else
			assert_int_equal(got.update.filters_count, n);
		tear_down(state);
	}
}

static void
test_resources(void **state)
{
	(void)state;
	assert_true(handle("create_authorization",
	    with(AUTHORIZATION,
		"\"type\":\"cidr\",\"name\":\"Office\",\"address\":\"172.20.0."
		"0/16\"",
		"\"type\":\"dns\",\"address\":\"**.corp.example\"")));
	assert_int_equal(got.authorization.type, RESOURCE_DNS);
	assert_string_equal(got.authorization.pattern, "**.corp.example");
	assert_true(handle("create_authorization",
	    with(AUTHORIZATION, "\"type\":\"cidr\"", "\"type\":\"internet\"")));
	assert_int_equal(got.authorization.type, RESOURCE_INTERNET);
	assert_int_equal(got.authorization.filters_count, 0);
}

static void
test_resource_updated(void **state)
{
	(void)state;
	assert_true(handle("resource_updated",
	    "{\"id\":\"" RESOURCE "\",\"type\":\"dns\",\"name\":\"app\","
	    "\"address\":\"*.app\",\"filters\":[{\"protocol\":\"tcp\","
	    "\"port_range_start\":80,\"port_range_end\":80}]}"));
	assert_int_equal(got.update.type, RESOURCE_DNS);
	assert_string_equal(
	    filters_text(got.update.filters, got.update.filters_count),
	    "1:80-80");
	/* Rules that cannot be read must not leave wider ones in force. */
	assert_true(handle(
	    "resource_updated", "{\"id\":\"" RESOURCE "\",\"type\":\"cidr\"}"));
	assert_string_equal(
	    filters_text(got.update.filters, got.update.filters_count),
	    "1:1-0");
	assert_true(handle("resource_updated",
	    "{\"id\":\"" RESOURCE "\",\"type\":\"internet\",\"x\":1}"));
	assert_int_equal(got.update.filters_count, 0);
	assert_false(handle("resource_updated",
	    "{\"id\":\"" RESOURCE "\",\"type\":\"dynamic_device_pool\"}"));
	assert_false(handle("resource_updated", "{\"type\":\"cidr\"}"));
}

static void
test_reject_access(void **state)
{
	char text[UUID_TEXT_LEN + 1];

	(void)state;
	in.has_interface = false;
	assert_true(handle("reject_access",
	    "{\"client_id\":\"" CLIENT "\",\"resource_id\":\"" RESOURCE
	    "\",\"flow_id\":\"x\"}"));
	assert_string_equal(uuid_format(&got.revocation.client, text), CLIENT);
	assert_string_equal(
	    uuid_format(&got.revocation.resource, text), RESOURCE);
	assert_false(handle("reject_access", "{\"client_id\":\"" CLIENT "\"}"));
	assert_false(handle("reject_access",
	    "{\"client_id\":5,"
	    "\"resource_id\":\"" RESOURCE "\"}"));
}

static void
test_candidates(void **state)
{
	(void)state;
	assert_true(handle("ice_candidates",
	    "{\"client_id\":\"" CLIENT
	    "\",\"candidates\":[\"bad\",\"candidate:1 1 udp x 1.2.3.4 5\",7,"
	    "\"" LINE "\",\"" LINE "\\n\"]}"));
	assert_string_equal(got.names, "C");
	assert_string_equal(got.lines, LINE "\n");
	assert_false(got.candidates.withdrawn);
	assert_true(handle("invalidate_ice_candidates",
	    "{\"client_id\":\"" CLIENT "\",\"candidates\":[\"" LINE "\"]}"));
	assert_true(got.candidates.withdrawn);
	/* Nothing left: nothing said. */
	set_up(state);
	assert_true(handle("ice_candidates",
	    "{\"client_id\":\"" CLIENT "\",\"candidates\":[]}"));
	assert_string_equal(got.names, "");
	assert_false(handle("ice_candidates",
	    "{\"client_id\":\"" CLIENT "\",\"candidates\":\"" LINE "\"}"));
}

static void
test_many_candidates(void **state)
{
	static char text[1000 * 512];
	char *at = text;

	(void)state;
	at += sprintf(at, "{\"client_id\":\"" CLIENT "\",\"candidates\":[");
	for (int i = 0; i < 300; i++)
		at += sprintf(at, "%s\"candidate:1 1 udp 5 %0400d\"",
		    i > 0 ? "," : "", i);
	strcpy(at, "]}");
	assert_true(handle("ice_candidates", text));
	/* 256 of them, in messages of at most 32768 bytes. */
	assert_string_equal(got.names, "CCCC");
	assert_int_equal(strlen(got.lines), 256 * 421);
}

static void
test_candidate_lines(void **state)
{
	static const struct {
		const char *line;
		bool valid;
	} table[] = {
		{ LINE, true },
		{ "candidate:1 1 udp 5", true },
		{ "candidate:1 1 udp 5 x", true },
		{ "candidate:1 1 udp", false },
		{ "candidate:1 1 udp ", false },
		{ "candidate:1 1 udp -5 x", false },
		{ "candidate:1 1 udp 5.5 x", false },
		{ "candidate:1 1 udp five x", false },
		{ "a=candidate:1 1 udp 5 x", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(
		    candidate_is_valid(table[i].line), table[i].valid);
}

static void
test_unknown_events(void **state)
{
	static const char *const events[] = { "authorize_flow", "allow_access",
		"access_authorization_expiry_updated", "", "INIT" };
	const char *what;

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		assert_int_equal(incoming_handle(&in, events[i], NULL, &what),
		    INCOMING_UNKNOWN);
}

/* No part of a message does anything but what the whole does, or nothing. */
static void
test_truncations(void **state)
{
	static const struct {
		const char *event, *text;
	} samples[] = {
		{ "init", INIT },
		{ "create_authorization", AUTHORIZATION },
		{ "reject_access",
		    "{\"client_id\":\"" CLIENT "\",\"resource_id\":\"" RESOURCE
		    "\"}" },
		{ "ice_candidates",
		    "{\"client_id\":\"" CLIENT "\",\"candidates\":[\"" LINE
		    "\"]}" },
	};

	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		size_t len = strlen(samples[i].text);

		for (size_t cut = 0; cut < len; cut++) {
			set_up(state);
			assert_false(handle_bytes(
			    samples[i].event, samples[i].text, cut));
			assert_string_equal(got.names, "");
		}
	}
}

/* Every payload member missing or of another type, one at a time. */
static void
test_missing_members(void **state)
{
	static const char *const members[] = { "\"id\"", "\"public_key\"",
		"\"preshared_key\"", "\"ipv4\"", "\"ipv6\"", "\"client\"",
		"\"ref\"", "\"resource\"", "\"type\"", "\"address\"",
		"\"filters\"", "\"client_ice_credentials\"", "\"username\"",
		"\"password\"" };
	char to[64];

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		set_up(state);
		assert_false(handle("create_authorization",
		    with(AUTHORIZATION, members[i], "\"absent\"")));
		snprintf(to, sizeof(to), "%s:5,\"x\"", members[i]);
		assert_false(handle("create_authorization",
		    with(AUTHORIZATION, members[i], to)));
		assert_string_equal(got.names, "");
	}
}

static void
expect_text(char *got_text, const char *want)
{
	assert_string_equal(got_text, want);
	free(got_text);
}

static void
test_outgoing(void **state)
{
	struct uuid client;

	(void)state;
	assert_true(uuid_parse(CLIENT, &client));
	expect_text(outgoing_acknowledgement(&(struct ref){
			.text = (char[]){ "SFMyNTY.g2g/\"\\" } }),
	    "{\"ref\":\"SFMyNTY.g2g/\\\"\\\\\"}");
	expect_text(outgoing_capabilities(), "{\"iceless\":true}");
	expect_text(outgoing_empty(), "{}");
	/* Best first, ties by text, no two alike. */
	expect_text(
	    outgoing_candidates(&client,
		"candidate:2 1 udp 100 relay\ncandidate:1 1 udp 300 host\n"
		"candidate:3 1 udp 200 srflx b\ncandidate:3 1 udp 200 srflx a\n"
		"candidate:1 1 udp 300 host\n"),
	    "{\"client_ids\":[\"" CLIENT "\"],\"candidates\":["
	    "\"candidate:1 1 udp 300 host\",\"candidate:3 1 udp 200 srflx a\","
	    "\"candidate:3 1 udp 200 srflx b\",\"candidate:2 1 udp 100 relay\""
	    "]}");
	/* One that cannot be written takes no other along. */
	expect_text(outgoing_candidates(&client, "candidate:\xff\nb\n"),
	    "{\"client_ids\":[\"" CLIENT "\"],\"candidates\":[\"b\"]}");
	expect_text(outgoing_candidates(&client, ""),
	    "{\"client_ids\":[\"" CLIENT "\"],\"candidates\":[]}");
	assert_null(outgoing_acknowledgement(
	    &(struct ref){ .text = (char[]){ "\xff" } }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_init, set_up, tear_down),
		cmocka_unit_test(test_init_variants),
		cmocka_unit_test_setup_teardown(
		    test_listed_expiries, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_long_lists_come_in_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_relays_presence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_authorization, set_up, tear_down),
		cmocka_unit_test(test_authorization_variants),
		cmocka_unit_test_setup_teardown(
		    test_expiry_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_authorization_needs_an_init, set_up, tear_down),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_too_many_filters),
		cmocka_unit_test_setup_teardown(
		    test_resources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_resource_updated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_reject_access, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_candidates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_many_candidates, set_up, tear_down),
		cmocka_unit_test(test_candidate_lines),
		cmocka_unit_test(test_unknown_events),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_missing_members),
		cmocka_unit_test(test_outgoing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
