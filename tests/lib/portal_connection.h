/*
 * The connection to the portal (control-worker/portal/connection.h) with a
 * notebook for the world around it; the test plays resolver, WebSocket, portal
 * and clock.
 */
#ifndef TESTS_LIB_PORTAL_CONNECTION_H
#define TESTS_LIB_PORTAL_CONNECTION_H

#include "tests/lib/unit.h"

#include "common/log.h"
#include "control-worker/portal/connection.h"

#define TEXTS_MAX 16
#define TOKEN     ".SFMyNTY.x/+"
#define CLIENT    "3abd725a-733b-4801-ac16-72f26cd98a24"

#define JOIN                                                              \
	"{\"topic\":\"gateway\",\"event\":\"phx_join\",\"payload\":null," \
	"\"ref\":%u}"
#define JOINED                                                       \
	"{\"event\":\"phx_reply\",\"ref\":%u,\"topic\":\"gateway\"," \
	"\"payload\":{\"status\":\"ok\",\"response\":{}}}"
#define REFUSED                                                       \
	"{\"event\":\"phx_reply\",\"ref\":%u,\"topic\":\"gateway\","  \
	"\"payload\":{\"status\":\"error\",\"response\":{\"reason\":" \
	"\"%s\"}}}"
#define HEARTBEAT                                                        \
	"{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{}," \
	"\"ref\":%u}"
#define ALIVE                                                        \
	"{\"event\":\"phx_reply\",\"ref\":%u,\"topic\":\"phoenix\"," \
	"\"payload\":{\"status\":\"ok\",\"response\":{}}}"
#define PUSH \
	"{\"topic\":\"gateway\",\"event\":\"%s\",\"payload\":%s,\"ref\":null}"
#define CAPABILITIES                                                     \
	"{\"topic\":\"gateway\",\"event\":\"set_snownet_capabilities\"," \
	"\"payload\":{\"iceless\":true},\"ref\":%u}"
#define NO_RELAYS                                                        \
	"{\"topic\":\"gateway\",\"event\":\"no_relays\",\"payload\":{}," \
	"\"ref\":%u}"
#define CANDIDATES                                                   \
	"{\"topic\":\"gateway\",\"event\":\"%s\",\"payload\":"       \
	"{\"client_ids\":[\"" CLIENT "\"],\"candidates\":[\"%s\"]}," \
	"\"ref\":%u}"
#define INIT                                                 \
	"{\"interface\":{\"ipv4\":\"100.64.17.9\",\"ipv6\":" \
	"\"fd00:2021:1111::11:9\"},\"relays\":[],\"authorizations\":[%s]}"
#define GRANT                                                           \
	"{\"client_id\":\"" CLIENT "\",\"resource_id\":\"" CLIENT "\"," \
	"\"expires_at\":1790000000}"

#define EMPTY_INIT                                           \
	"{\"interface\":{\"ipv4\":\"100.64.17.9\",\"ipv6\":" \
	"\"fd00:2021:1111::11:9\"},\"relays\":[],\"authorizations\":[]}"
#define AUTHORIZATION                                                      \
	"{\"ref\":\"SFMyNTY.g2g\",\"client\":{\"id\":\"" CLIENT            \
	"\",\"public_key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" \
	"\",\"preshared_key\":"                                            \
	"\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\","                \
	"\"ipv4\":\"100.93.74.51\",\"ipv6\":\"fd00:2021:1111::f:853b\"},"  \
	"\"resource\":{\"id\":\"" CLIENT                                   \
	"\",\"type\":\"internet\"},\"client_ice_credentials\":{"           \
	"\"username\":\"u\",\"password\":\"p\"},"                          \
	"\"gateway_ice_credentials\":{\"username\":\"u\","                 \
	"\"password\":\"p\"}}"
#define ACKNOWLEDGED                                                  \
	"{\"topic\":\"gateway\",\"event\":\"authorization_created\"," \
	"\"payload\":{\"ref\":\"SFMyNTY.g2g\"},\"ref\":%u}"

struct rig {
	struct portal_connection *c;
	struct mono now, deadline;

	/* What the world was asked for. */
	char resolved[256], target[LOGIN_TARGET_MAX], host[LOGIN_HOST_MAX],
	    user_agent[USER_AGENT_MAX], token[64]; /* empty: none */
	struct endpoint connected; /* without a port */
	unsigned resolutions, connections, abandoned;
	char retried[512];  /* why there will be another attempt */
	bool mute, blocked; /* no memory; no room to send */
	char text[TEXTS_MAX][512];
	unsigned written, read;
	uint16_t close_code;

	/* What the rest of the process was told. */
	bool online;
	unsigned generation; /* when it was told that */
	unsigned changes, dates, closings;
	unsigned dropped[3]; /* by enum portal_drop */
	char fatal[1024];
	char story[256]; /* a letter for each message */
	uint64_t serial; /* of the last authorization */
	struct ipc_authorization authorization;
	struct ipc_grant_expiry expiry;
	struct ipc_connection_drop drop;
	struct name_proxies names; /* what was asked for last */
	uint64_t named;            /* by this serial */
	bool no_names;
	bool full;
};

/* The world. */

static inline bool
on_resolve(void *ctx, const char *name)
{
	struct rig *r = ctx;

	strlcpy(r->resolved, name, sizeof(r->resolved));
	r->resolutions++;
	return !r->mute;
}

static inline bool
on_connect(void *ctx, const struct ip_address *addresses, size_t count,
    const struct upgrade_request *request)
{
	struct rig *r = ctx;

	assert_true(count > 0);
	r->connected.ip = addresses[0];
	strlcpy(r->target, request->target, sizeof(r->target));
	strlcpy(r->host, request->host, sizeof(r->host));
	strlcpy(r->user_agent, request->user_agent, sizeof(r->user_agent));
	strlcpy(r->token, request->token == NULL ? "" : request->token,
	    sizeof(r->token));
	r->connections++;
	return !r->mute;
}

static inline void
on_abandon(void *ctx)
{
	struct rig *r = ctx;

	r->abandoned++;
}

static inline bool
on_can_send(void *ctx)
{
	struct rig *r = ctx;

	return !r->blocked;
}

static inline void
on_send(void *ctx, const char *text)
{
	struct rig *r = ctx;

	assert_false(r->blocked);
	assert_true(strlen(text) < sizeof(r->text[0]));
	strcpy(r->text[r->written++ % TEXTS_MAX], text);
}

static inline void
on_close(void *ctx, uint16_t code)
{
	struct rig *r = ctx;

	r->close_code = code;
}

static inline void
on_wait_until(void *ctx, struct mono deadline)
{
	struct rig *r = ctx;

	r->deadline = deadline;
}

static inline void
on_retry(void *ctx, const char *reason)
{
	struct rig *r = ctx;

	strlcpy(r->retried, reason, sizeof(r->retried));
}

/* The rest of the process. */

#define TELL(name, letter)                                            \
	static inline void on_##name(void *ctx, struct ipc_##name *m) \
	{                                                             \
		struct rig *r = ctx;                                  \
                                                                      \
		(void)m;                                              \
		strlcat(r->story, letter, sizeof(r->story));          \
	}
TELL(interface, "I")
TELL(relays_begin, "[")
TELL(relays_commit, "]")
TELL(grants_begin, "(")
TELL(grants_entry, "")
TELL(grants_commit, ")")
TELL(tun_configure, "T")

static inline void
on_relay_present(void *ctx, struct ipc_relay_present *m)
{
	struct rig *r = ctx;

	strlcat(r->story, m->suggested ? "?" : "+", sizeof(r->story));
}

static inline void
on_grant_expiry(void *ctx, struct ipc_grant_expiry *m)
{
	struct rig *r = ctx;

	r->expiry = *m;
	strlcat(r->story, "E", sizeof(r->story));
}

static inline void
on_connection_drop(void *ctx, struct ipc_connection_drop *m)
{
	struct rig *r = ctx;

	r->drop = *m;
	strlcat(r->story, "D", sizeof(r->story));
}

static inline void
on_authorization(void *ctx, struct ipc_authorization *m)
{
	struct rig *r = ctx;

	r->serial = m->serial;
	r->authorization = *m;
	strlcat(r->story, "A", sizeof(r->story));
}

static inline void
on_flow_settings(void *ctx, const struct json_value *v)
{
	(void)ctx;
	(void)v;
}

static inline bool
on_names(void *ctx, uint64_t serial, const struct name_proxies *names)
{
	struct rig *r = ctx;

	r->named = serial;
	r->names = *names;
	strlcat(r->story, "N", sizeof(r->story));
	return !r->no_names;
}

static inline bool
on_has_room(void *ctx)
{
	struct rig *r = ctx;

	return !r->full;
}

static inline void
on_online(void *ctx, bool online, unsigned generation)
{
	struct rig *r = ctx;

	assert_true(online != r->online);
	r->generation = generation;
	r->online = online;
	r->changes++;
}

static inline void
on_date(void *ctx, const struct portal_date *date)
{
	struct rig *r = ctx;

	(void)date;
	r->dates++;
}

static inline void
on_dropped(void *ctx, enum portal_drop kind)
{
	struct rig *r = ctx;

	r->dropped[kind]++;
}

static inline void
on_fatal(void *ctx, const char *reason)
{
	struct rig *r = ctx;

	assert_string_equal(r->fatal, ""); /* once */
	strlcpy(r->fatal, reason, sizeof(r->fatal));
}

static inline void
on_closed(void *ctx)
{
	struct rig *r = ctx;

	r->closings++;
}

static inline void
make_connection_of(
    struct rig *r, const char *url, bool resumed, unsigned generation)
{
	const struct portal_host host = { r, on_resolve, on_connect, on_abandon,
		on_can_send, on_send, on_close, on_wait_until, on_retry };
	const struct portal_events events = {
		.to = {
			.interface = on_interface,
			.relays_begin = on_relays_begin,
			.relay_present = on_relay_present,
			.relays_commit = on_relays_commit,
			.authorization = on_authorization,
			.connection_drop = on_connection_drop,
			.grant_expiry = on_grant_expiry,
			.grants_begin = on_grants_begin,
			.grants_entry = on_grants_entry,
			.grants_commit = on_grants_commit,
			.tun_configure = on_tun_configure,
		},
		.flow_settings = on_flow_settings,
		.names = on_names,
		.has_room = on_has_room,
		.online = on_online,
		.date = on_date,
		.dropped = on_dropped,
		.fatal = on_fatal,
		.closed = on_closed,
	};
	struct portal_config config = {
		.identity = {
			.external_id = "id",
			.name = "gate",
			.token = TOKEN,
			.token_source = "the file /etc/postern/token",
			.os = "Debian/12",
			.arch = "x86_64",
			.kernel = "6.1",
		},
		.generation = generation,
		.max_partition_ms = 60000,
		.resumed = resumed,
	};
	const char *what;

	portal_free(r->c);
	memset(r, 0, sizeof(*r));
	r->now = (struct mono){ INT64_C(1000000000) };
	assert_int_equal(login_url_parse(url, &config.login, &what), 0);
	r->c = portal_new(&config, &host, &events, r);
	assert_non_null(r->c);
}

static inline void
make_connection(struct rig *r, const char *url, bool resumed)
{
	make_connection_of(r, url, resumed, 3);
}

static inline int
set_up(void **state)
{
	static struct rig rig;

	make_connection(&rig, "wss://api.example.com/", false);
	*state = &rig;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct rig *r = *state;

	portal_free(r->c);
	r->c = NULL;
	return 0;
}

static inline void
set_key(struct rig *r, uint8_t byte)
{
	uint8_t key[32];

	memset(key, byte, sizeof(key));
	portal_set_key(r->c, r->now, key);
}

static inline void
resolve(struct rig *r)
{
	struct lookup_result result = { .count = 1, .complete = true };

	assert_true(ip_parse("192.0.2.7", &result.addresses[0]));
	portal_resolved(r->c, r->now, &result);
}

static inline void
open_socket(struct rig *r)
{
	const struct portal_date date = { 0 };

	portal_opened(r->c, r->now, &date);
}

static inline void
break_down(struct rig *r, int status, int64_t retry_after_ms, const char *code)
{
	struct transport_failure f = {
		.reason = "the test's failure",
		.status = status,
		.retry_after_ms = retry_after_ms,
	};

	strlcpy(f.problem.code, code, sizeof(f.problem.code));
	portal_failed(r->c, r->now, &f);
}

__attribute__((__format__(printf, 2, 3))) static inline void
hear(struct rig *r, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(portal_takes_text(r->c));
	portal_text(r->c, r->now, text, strlen(text));
}

/* The next text that was sent. */
__attribute__((__format__(printf, 2, 3))) static inline void
expect(struct rig *r, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(r->read < r->written);
	assert_string_equal(r->text[r->read++ % TEXTS_MAX], text);
}

static inline void
expect_nothing(struct rig *r)
{
	assert_int_equal(r->read, r->written);
}

static inline int64_t
wait_ms(const struct rig *r)
{
	assert_true(mono_before(r->deadline, MONO_NEVER));
	return mono_ms_between(r->now, r->deadline);
}

/* On to the deadline. */
static inline void
time_out(struct rig *r)
{
	assert_true(wait_ms(r) >= 0);
	r->now = r->deadline;
	portal_timeout(r->c, r->now);
}

/* From wherever it waits; the join has a reference of 0 then. */
static inline void
open_again(struct rig *r)
{
	resolve(r);
	open_socket(r);
	expect(r, JOIN, 0);
}

static inline void
go_online(struct rig *r)
{
	set_key(r, 1);
	open_again(r);
	hear(r, JOINED, 0);
	expect(r, CAPABILITIES, 1);
	assert_true(r->online);
}

/* What has been tried is given up, and it is tried again in a while. */
static inline void
expect_retry(struct rig *r, int64_t least_ms, int64_t most_ms)
{
	unsigned resolutions = r->resolutions;

	assert_false(r->online);
	assert_string_equal(r->fatal, "");
	assert_in_range(wait_ms(r), least_ms, most_ms);
	assert_false(portal_takes_text(r->c));
	time_out(r);
	assert_int_equal(r->resolutions, resolutions + 1);
}

static inline void
expect_end(struct rig *r, const char *reason)
{
	assert_false(r->online);
	assert_non_null(strstr(r->fatal, reason));
	assert_true(mono_is_never(r->deadline));
}

#endif /* TESTS_LIB_PORTAL_CONNECTION_H */
