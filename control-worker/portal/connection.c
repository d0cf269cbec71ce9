/* The portal connection's state machine: see connection.h. */
#include "control-worker/portal/connection.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/log.h"
#include "common/time.h"
#include "control-worker/portal/backoff.h"
#include "control-worker/portal/candidates.h"
#include "control-worker/portal/messages.h"
#include "control-worker/portal/phoenix.h"
#include "control-worker/portal/transport.h"

#define PUBLIC_KEY_LEN    32
#define REASON_MAX        768
#define CLOSE_TIMEOUT_MS  1000
#define NO_RELAYS_EACH_MS 2000 /* our own throttle: spec/portal.md 4.11 */
/* Messages acted upon before others get their turn. */
#define MESSAGES_AT_ONCE 64
/* With more than this in the outbox, candidates are held and merged. */
#define OUTBOX_BUSY 512

#define STATUS_UNAUTHORIZED 401
#define STATUS_CONFLICT     409

#define CLOSE_NORMAL 1000

enum state {
	STATE_IDLE, /* no public key yet, or over */
	STATE_RESOLVING,
	STATE_CONNECTING,
	STATE_OPEN, /* joining or online */
	STATE_WAITING,
	STATE_CLOSING,
};

struct connection {
	enum state state;
	struct connection_config config; /* its texts are ours */
	struct connection_events events;
	void *ctx;
	uv_timer_t timer; /* of the state */
	uv_timer_t again; /* to go on with what has been received */
	unsigned open_handles;

	uint8_t public_key[PUBLIC_KEY_LEN];
	struct lookup *lookup;
	struct transport *transport;
	struct phoenix phoenix;
	struct backoff backoff;
	struct incoming incoming;
	struct json_document *feeding; /* of a message not handed over yet */
	struct candidates *held;
	bool no_relays_due;
	struct mono no_relays_at; /* not before */
	struct log_limit log_limit;
	bool settled; /* this connection's init is in force, or in hand */
};

static void start_attempt(struct connection *);
static void on_timer(uv_timer_t *);

static bool
is_online(const struct connection *c)
{
	return c->state == STATE_OPEN && c->phoenix.joined;
}

/* Waits for whatever is due first in an open connection. */
static void
set_timer(struct connection *c)
{
	struct mono now = mono_now(), at = phoenix_deadline(&c->phoenix);
	int64_t ms;

	if (c->state != STATE_OPEN)
		return;
	if (c->no_relays_due)
		at = mono_min(at, c->no_relays_at);
	ms = mono_ms_between(now, at) + 1;
	uv_timer_start(&c->timer, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

static void
stop(struct connection *c)
{
	if (c->lookup != NULL)
		c->config.lookups.cancel(c->lookup);
	c->lookup = NULL;
	transport_free(c->transport);
	c->transport = NULL;
	phoenix_clear(&c->phoenix);
	c->no_relays_due = false;
	uv_timer_stop(&c->timer);
	uv_timer_stop(&c->again);
	c->state = STATE_IDLE;
}

/* Ends what is under way, without a word to the portal. */
static void
drop(struct connection *c)
{
	bool was_online = is_online(c);

	stop(c);
	if (was_online)
		c->events.online(c->ctx, false);
}

__attribute__((__format__(printf, 2, 3))) static void
give_up(struct connection *c, const char *fmt, ...)
{
	char reason[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	drop(c);
	c->events.fatal(c->ctx, reason);
}

static void
wait_for(struct connection *c, int64_t ms, const char *reason)
{
	log_warnx("portal: %s; next attempt in %lld.%lld s", reason,
	    (long long)(ms / 1000), (long long)(ms % 1000 / 100));
	c->state = STATE_WAITING;
	uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
}

/* reason may lie in what is dropped here. */
static void
retry(struct connection *c, const char *because, int64_t delay_ms)
{
	char url[URL_HOST_MAX + 32], reason[REASON_MAX];

	snprintf(reason, sizeof(reason), "%s", because);
	login_url_display(&c->config.login, url, sizeof(url));
	drop(c);
	if (delay_ms < 0)
		delay_ms = backoff_next(&c->backoff, randombytes_random());
	if (delay_ms >= 0)
		wait_for(c, delay_ms, reason);
	else if (c->backoff.was_joined)
		give_up(c, "cut off from the portal at %s for too long: %s",
		    url, reason);
	else
		give_up(c, "could not reach the portal at %s within %d s: %s",
		    url, BACKOFF_INITIAL_BUDGET / 1000, reason);
}

static void
lose(struct connection *c, const char *reason)
{
	retry(c, reason, -1);
}

/* Writes what may be written. */
static bool
has_frame(struct connection *c)
{
	struct uuid client;
	bool withdrawn;
	char *lines;

	if (phoenix_has_next(&c->phoenix))
		return true;
	if (!is_online(c) ||
	    (lines = candidates_take(c->held, &client, &withdrawn)) == NULL)
		return false;
	phoenix_send(&c->phoenix,
	    withdrawn ? EVENT_CANDIDATES_WITHDRAWN : EVENT_CANDIDATES,
	    outgoing_candidates(&client, lines));
	free(lines);
	return phoenix_has_next(&c->phoenix);
}

static void
pump(struct connection *c)
{
	char *text;

	if (c->state != STATE_OPEN)
		return;
	while (transport_can_send(c->transport) && has_frame(c) &&
	    (text = phoenix_next(&c->phoenix, mono_now())) != NULL) {
		log_trace("portal: > %.64s", text);
		transport_send(c->transport, text);
		free(text);
	}
	set_timer(c);
}

/* Queues an application message; there is no queue without a connection. */
static void
say(struct connection *c, const char *event, char *payload)
{
	if (!is_online(c)) {
		free(payload);
		return;
	}
	if (!phoenix_send(&c->phoenix, event, payload)) {
		lose(c, "the portal does not take our messages");
		return;
	}
	pump(c);
}

static void
joined(struct connection *c)
{
	char url[URL_HOST_MAX + 32];

	log_info("portal: online at %s",
	    login_url_display(&c->config.login, url, sizeof(url)));
	backoff_joined(&c->backoff);
	c->events.online(c->ctx, true);
	/* The first message after each join; what was held follows it. */
	say(c, EVENT_CAPABILITIES, outgoing_capabilities());
}

static void
complain(struct connection *c, const char *event, const char *what)
{
	uint32_t held;

	if (log_allow(&c->log_limit, mono_now().ns, &held))
		log_warnx("portal: message %s was dropped: %s (%u more before)",
		    event, what, held);
}

/*
 * Too much was said to be taken, and it may be what takes access away. Before
 * the first list, which settles who has access, none has: it was that list, and
 * would be again. Later a new connection brings a list.
 */
static void
fail_closed(struct connection *c)
{
	const struct ipc_handlers *to = &c->events.to;

	if (c->settled)
		return;
	log_error("portal: the list of grants is too long: all access is "
		  "revoked; there is room for %d grants",
	    GRANTS_LIST_MAX);
	to->grants_begin(c->ctx, &(struct ipc_grants_begin){});
	to->grants_commit(c->ctx, &(struct ipc_grants_commit){});
}

/* Takes the document over. */
static void
act(struct connection *c, struct json_document *d, struct phoenix_frame *f)
{
	const char *what;

	log_debug("portal: %s", f->event);
	c->settled = c->settled || strcmp(f->event, "init") == 0;
	switch (incoming_handle(&c->incoming, f->event, f->payload, &what)) {
	case INCOMING_MORE:
		c->feeding = d;
		return;
	case INCOMING_DROPPED:
		complain(c, f->event, what);
		break;
	case INCOMING_UNKNOWN:
		complain(c, f->event, "unknown");
		break;
	case INCOMING_DONE:
		break;
	}
	json_free(d);
}

/* Takes the document over. False when the connection is gone. */
static bool
handle_frame(struct connection *c, struct json_document *d)
{
	struct phoenix_frame f;

	phoenix_receive(&c->phoenix, json_root(d), mono_now(), &f);
	if (f.type == PHOENIX_PUSH && c->phoenix.joined) {
		act(c, d, &f);
		return true;
	}
	json_free(d);
	switch (f.type) {
	case PHOENIX_JOINED:
		joined(c);
		break;
	case PHOENIX_MALFORMED:
		complain(c, "frame", f.reason);
		break;
	case PHOENIX_PUSH:
		complain(c, f.event, "not joined");
		break;
	case PHOENIX_LOST:
		lose(c, f.reason);
		break;
	case PHOENIX_JOIN_REFUSED:
		give_up(c, "the portal refused the login: %s", f.reason);
		break;
	case PHOENIX_TOKEN_EXPIRED:
		give_up(c,
		    "the portal ended our session (token_expired): the token "
		    "is no longer valid, or another gateway with this "
		    "identity is online");
		break;
	case PHOENIX_NOTHING:
		break;
	}
	return c->state == STATE_OPEN;
}

/* False when the connection is gone. */
static bool
handle_text(struct connection *c, const char *text, size_t len)
{
	struct json_document *d;

	switch (json_parse(&d, text, len)) {
	case JSON_OK:
		return handle_frame(c, d);
	case JSON_TRUNCATED:
		lose(c, "the portal sent half a message");
		return false;
	case JSON_TOO_LONG:
		if (!c->settled && is_online(c)) {
			fail_closed(c);
			c->settled = true;
			break;
		}
		lose(c, "a message has too many parts");
		return false;
	case JSON_MALFORMED:
		complain(c, "frame", "not JSON, or nested too deeply");
		break;
	}
	return true;
}

/* Goes on with a long message; false while there is more of it. */
static bool
feed(struct connection *c)
{
	while (c->feeding != NULL) {
		if (!c->events.has_room(c->ctx))
			return false;
		if (incoming_more(&c->incoming) == INCOMING_MORE)
			continue;
		json_free(c->feeding);
		c->feeding = NULL;
	}
	return true;
}

static void
on_again(uv_timer_t *timer)
{
	connection_resume(timer->data);
}

void
connection_resume(struct connection *c)
{
	size_t len;
	char *text;
	bool there = true;

	for (int i = 0; there && feed(c) && c->state == STATE_OPEN &&
	     c->events.has_room(c->ctx);
	     i++) {
		if (i == MESSAGES_AT_ONCE) {
			uv_timer_start(&c->again, on_again, 0, 0);
			break;
		}
		if ((text = transport_next(c->transport, &len)) == NULL)
			break;
		there = handle_text(c, text, len);
		transport_free_message(text, len);
	}
	pump(c);
}

static void
on_open(void *ctx)
{
	struct connection *c = ctx;
	const struct portal_date date = transport_date(c->transport);

	c->state = STATE_OPEN;
	c->settled = false;
	c->events.date(c->ctx, &date);
	phoenix_init(&c->phoenix, mono_now());
	pump(c);
}

static void
on_activity(void *ctx)
{
	connection_resume(ctx);
}

static void
refused(struct connection *c, const struct transport_failure *f)
{
	const struct problem *p = &f->problem;

	if (strcmp(p->code, "invalid_token") == 0 ||
	    strcmp(p->code, "missing_token") == 0)
		give_up(c,
		    "the portal refused the token (%s): check "
		    "FIREZONE_TOKEN",
		    p->code);
	else
		give_up(c, "the portal refused our login: %s",
		    p->detail[0] != '\0' ? p->detail : "no reason given");
}

static void
on_failed(void *ctx, const struct transport_failure *f)
{
	struct connection *c = ctx;
	int64_t delay = f->retry_after_ms;

	if (f->too_long && is_online(c))
		fail_closed(c);

	/* The portal takes one connection a second: spec/portal.md 5.3. */
	if (delay >= 0 && delay < BACKOFF_INITIAL_MS)
		delay = BACKOFF_INITIAL_MS;
	if (c->state == STATE_CLOSING) {
		drop(c);
		c->events.closed(c->ctx);
		return;
	}
	if (f->status == STATUS_UNAUTHORIZED) {
		refused(c, f);
		return;
	}
	/*
	 * After an unclean end the portal keeps the old session for up to 37 s
	 * (spec/portal.md 7): it is there, so the first budget does not run.
	 */
	if (f->status == STATUS_CONFLICT && delay < 0 && !c->backoff.was_joined)
		delay = BACKOFF_INITIAL_MS;
	retry(c, f->reason, delay);
}

static void
connect_to(
    struct connection *c, const struct ip_address *addresses, size_t count)
{
	static const struct transport_events events = { on_open, on_activity,
		on_failed };
	char target[LOGIN_TARGET_MAX];
	struct transport_config t = {
		.loop = c->config.loop,
		.curl = c->config.curl,
		.login = &c->config.login,
		.addresses = addresses,
		.address_count = count,
		.target = target,
		.user_agent = c->config.user_agent,
		.token = c->config.token,
	};

	c->state = STATE_CONNECTING;
	if (!login_url_target(&c->config.login, c->config.external_id,
		c->config.name, c->public_key, target, sizeof(target))) {
		give_up(c, "the login URL is too long");
		return;
	}
	c->transport = transport_start(&t, &events, c);
	if (c->transport == NULL)
		lose(c, "out of memory");
}

static void
on_resolved(void *ctx, const struct lookup_result *r)
{
	struct connection *c = ctx;
	char reason[URL_HOST_MAX + 64];

	c->lookup = NULL;
	if (r->count > 0) {
		connect_to(c, r->addresses, r->count);
		return;
	}
	snprintf(reason, sizeof(reason), "%s for %s",
	    r->complete ? "no addresses" : "no answer from DNS",
	    c->config.login.host.text);
	lose(c, reason);
}

static void
start_attempt(struct connection *c)
{
	const struct login_url *login = &c->config.login;
	char name[URL_HOST_MAX + 2];

	if (login->host.literal.family != IP_NONE) {
		connect_to(c, &login->host.literal, 1);
		return;
	}
	c->state = STATE_RESOLVING;
	c->lookup = c->config.lookups.start(c->config.lookups.resolver,
	    url_host_name(&login->host, name), on_resolved, c);
	if (c->lookup == NULL)
		lose(c, "out of memory");
}

static void
tick_open(struct connection *c)
{
	struct mono now = mono_now();
	struct phoenix_frame f;

	phoenix_tick(&c->phoenix, now, &f);
	if (f.type == PHOENIX_LOST) {
		lose(c, f.reason);
		return;
	}
	if (c->no_relays_due && mono_due(c->no_relays_at, now))
		connection_no_relays(c);
	pump(c);
}

static void
on_timer(uv_timer_t *timer)
{
	struct connection *c = timer->data;

	switch (c->state) {
	case STATE_WAITING:
		start_attempt(c);
		break;
	case STATE_OPEN:
		tick_open(c);
		break;
	case STATE_CLOSING:
		drop(c);
		c->events.closed(c->ctx);
		break;
	default:
		break;
	}
}

void
connection_set_key(struct connection *c, const uint8_t key[PUBLIC_KEY_LEN])
{
	drop(c);
	memcpy(c->public_key, key, PUBLIC_KEY_LEN);
	/*
	 * A new net-worker knows nothing of what the old one was told, and what
	 * that one said is moot.
	 */
	c->incoming.has_interface = false;
	c->incoming.next_grant = NULL;
	json_free(c->feeding);
	c->feeding = NULL;
	refs_clear(&c->incoming.refs);
	candidates_clear(c->held);
	start_attempt(c);
}

void
connection_acknowledge(struct connection *c, uint64_t serial)
{
	char *ref = refs_take(&c->incoming.refs, serial);

	if (ref == NULL)
		return;
	say(c, EVENT_AUTHORIZATION_CREATED,
	    outgoing_authorization_created(ref));
	free(ref);
}

void
connection_refuse(struct connection *c, uint64_t serial)
{
	free(refs_take(&c->incoming.refs, serial));
}

void
connection_candidates(struct connection *c, const struct uuid *client,
    bool withdrawn, const char *lines)
{
	if (is_online(c) && !candidates_holds(c->held, client) &&
	    c->phoenix.outbox.count < OUTBOX_BUSY)
		say(c,
		    withdrawn ? EVENT_CANDIDATES_WITHDRAWN : EVENT_CANDIDATES,
		    outgoing_candidates(client, lines));
	else if (!candidates_hold(c->held, client, withdrawn, lines))
		log_debug("portal: too many candidates to hold");
}

void
connection_client_gone(struct connection *c, const struct uuid *client)
{
	candidates_forget(c->held, client);
}

void
connection_no_relays(struct connection *c)
{
	struct mono now = mono_now();

	/* The init of the next join names relays anyway. */
	if (!is_online(c))
		return;
	c->no_relays_due = !mono_due(c->no_relays_at, now);
	if (c->no_relays_due) {
		set_timer(c);
		return;
	}
	c->no_relays_at = mono_add_ms(now, NO_RELAYS_EACH_MS);
	say(c, EVENT_NO_RELAYS, outgoing_empty());
}

void
connection_shutdown(struct connection *c)
{
	bool open = c->state == STATE_OPEN;

	if (open) {
		c->state = STATE_CLOSING;
		uv_timer_start(&c->timer, on_timer, CLOSE_TIMEOUT_MS, 0);
		transport_close(c->transport, CLOSE_NORMAL);
	} else {
		drop(c);
		c->events.closed(c->ctx);
	}
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct connection *c = h->data;

	if (--c->open_handles == 0)
		free(c);
}

/* Our own copies of the texts. */
static bool
copy_texts(struct connection_config *c)
{
	c->external_id = strdup(c->external_id);
	c->name = strdup(c->name);
	c->user_agent = strdup(c->user_agent);
	c->token = strdup(c->token);
	return c->external_id != NULL && c->name != NULL &&
	    c->user_agent != NULL && c->token != NULL;
}

static void
free_texts(struct connection_config *c)
{
	if (c->token != NULL)
		explicit_bzero((char *)(uintptr_t)c->token, strlen(c->token));
	free((char *)(uintptr_t)c->external_id);
	free((char *)(uintptr_t)c->name);
	free((char *)(uintptr_t)c->user_agent);
	free((char *)(uintptr_t)c->token);
}

struct connection *
connection_new(const struct connection_config *config,
    const struct connection_events *events, void *ctx)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->config = *config;
	c->events = *events;
	c->ctx = ctx;
	c->open_handles = 2;
	outbox_init(&c->phoenix.outbox);
	c->incoming.to = &c->events.to;
	c->incoming.flow_settings = events->flow_settings;
	c->incoming.flow_token = events->flow_token;
	c->incoming.ctx = ctx;
	backoff_init(&c->backoff,
	    config->max_partition_ms > INT64_MAX
		? INT64_MAX
		: (int64_t)config->max_partition_ms);
	if (config->resumed)
		backoff_joined(&c->backoff);
	uv_timer_init(config->loop, &c->timer);
	uv_timer_init(config->loop, &c->again);
	c->timer.data = c->again.data = c;
	c->held = candidates_new();
	if (!copy_texts(&c->config) || c->held == NULL) {
		connection_free(c);
		return NULL;
	}
	return c;
}

void
connection_free(struct connection *c)
{
	if (c == NULL)
		return;
	stop(c);
	json_free(c->feeding);
	candidates_free(c->held);
	refs_clear(&c->incoming.refs);
	free_texts(&c->config);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
	uv_close((uv_handle_t *)&c->again, on_handle_closed);
}
