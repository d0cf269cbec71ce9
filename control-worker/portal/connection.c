/*
 * The life of the connection to the portal as a state machine: attempts and
 * what follows when they fail, being away, the end. See connection.h; what is
 * said while the connection stands is in connection_channel.c.
 */
#include "control-worker/portal/connection_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/log.h"

#define REASON_MAX 768

#define STATUS_CONFLICT 409  /* of HTTP */
#define CLOSE_NORMAL    1000 /* of WebSocket */

bool
connection_is_online(const struct portal_connection *c)
{
	return c->state == STATE_OPEN && c->phoenix.joined;
}

static struct mono
portal_deadline(const struct portal_connection *c)
{
	struct mono at;

	switch (c->state) {
	case STATE_OPEN:
		at = mono_min(
		    phoenix_deadline(&c->phoenix), choice_deadline(&c->choice));
		if (c->away && c->phoenix.joined)
			at = mono_min(at, c->leave_at);
		return c->no_relays_due ? mono_min(at, c->no_relays_at) : at;
	case STATE_WAITING:
	case STATE_LEAVING:
	case STATE_CLOSING:
		return c->state_ends;
	default:
		return MONO_NEVER;
	}
}

void
connection_settle(struct portal_connection *c)
{
	c->host.wait_until(c->host.ctx, portal_deadline(c));
}

/* Ends what is under way, without a word to the portal. */
static void
drop_attempt(struct portal_connection *c)
{
	bool was_online = c->told_online;

	c->told_online = false;
	c->host.abandon(c->host.ctx);
	phoenix_clear(&c->phoenix);
	c->no_relays_due = false;
	c->state = STATE_IDLE;
	if (was_online)
		c->events.online(c->ctx, false, c->generation->number);
}

void
connection_end_fatally(struct portal_connection *c, const char *fmt, ...)
{
	char reason[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	drop_attempt(c);
	c->events.fatal(c->ctx, reason);
}

static void
wait_before_retry(struct portal_connection *c, struct mono now, int64_t ms,
    const char *reason)
{
	log_warnx("portal: %s; next attempt in %lld.%lld s", reason,
	    (long long)(ms / 1000), (long long)(ms % 1000 / 100));
	c->host.retry(c->host.ctx, reason);
	c->state = STATE_WAITING;
	c->state_ends = mono_add_ms(now, ms);
}

/*
 * Ends this attempt and makes another after delay_ms, or, if that is negative,
 * when the backoff says so; not before least_ms, in either case. Fatal when the
 * backoff gives up.
 */
static void
retry_later(struct portal_connection *c, struct mono now, const char *why,
    int64_t delay_ms, int64_t least_ms)
{
	char url[URL_HOST_MAX + 32], reason[REASON_MAX];

	/* why may point into what the attempt leaves behind. */
	snprintf(reason, sizeof(reason), "%s", why);
	login_url_display(&c->login, url, sizeof(url));
	drop_attempt(c);
	if (delay_ms < 0)
		delay_ms =
		    backoff_next(&c->backoff, randombytes_random(), least_ms);
	else if (delay_ms < least_ms)
		delay_ms = least_ms;
	if (delay_ms >= 0)
		wait_before_retry(c, now, delay_ms, reason);
	else if (c->backoff.was_joined)
		connection_end_fatally(c,
		    "cut off from the portal at %s for too long: %s", url,
		    reason);
	else
		connection_end_fatally(c,
		    "could not reach the portal at %s within %d s: %s", url,
		    BACKOFF_INITIAL_BUDGET / 1000, reason);
}

void
connection_lose(
    struct portal_connection *c, struct mono now, const char *reason)
{
	retry_later(c, now, reason, -1, 0);
}

static void
tell_online(struct portal_connection *c)
{
	char url[URL_HOST_MAX + 32];

	c->told_online = true;
	login_url_display(&c->login, url, sizeof(url));
	if (c->away)
		log_debug("portal: looked in at %s", url);
	else
		log_info("portal: online at %s, generation %u", url,
		    c->generation->number);
	c->events.online(c->ctx, true, c->generation->number);
}

void
connection_joined(struct portal_connection *c, struct mono now)
{
	backoff_joined(&c->backoff);
	choice_joined(&c->choice);
	/* Where only an init names relays, one is on its way already. */
	if (!c->generation->asks_for_relays)
		c->no_relays_at = mono_add_ms(now, c->generation->no_relays_ms);
	if (!c->told_online)
		tell_online(c);
	c->looks = c->away;
	c->leave_at = mono_add_ms(now, PORTAL_LOOK_MS);
	/* The first message after each join; what was held follows it. */
	if (c->generation->says_capabilities)
		connection_queue(
		    c, now, EVENT_CAPABILITIES, outgoing_capabilities());
}

/* Closes the connection to come back later: see portal_set_away(). */
static void
leave_portal(struct portal_connection *c, struct mono now)
{
	c->state = STATE_LEAVING;
	c->state_ends = mono_add_ms(now, PORTAL_CLOSE_MS);
	c->host.close(c->host.ctx, CLOSE_NORMAL);
}

/* After leave_portal(): the portal has closed as well, or takes too long. */
static void
await_next_look(struct portal_connection *c, struct mono now)
{
	drop_attempt(c);
	c->state = STATE_WAITING;
	c->state_ends =
	    mono_add_ms(now, c->away ? PORTAL_AWAY_MS : BACKOFF_INITIAL_MS);
}

void
portal_set_away(struct portal_connection *c, struct mono now, bool away)
{
	if (c->away == away)
		return;
	c->away = away;
	c->looks = false;
	c->leave_at =
	    mono_add_ms(now, c->settled ? PORTAL_LINGER_MS : PORTAL_LOOK_MS);
	/* The portal takes one a second: firezone-portal(7), Connect rate. */
	if (!away && c->state == STATE_WAITING)
		c->state_ends = mono_min(
		    c->state_ends, mono_add_ms(now, BACKOFF_INITIAL_MS));
	connection_settle(c);
}

void
portal_send(struct portal_connection *c, struct mono now)
{
	if (c->looks && c->settled && c->feeding == NULL &&
	    connection_is_online(c))
		leave_portal(c, now);
	connection_write_frames(c, now);
	connection_settle(c);
}

void
portal_opened(struct portal_connection *c, struct mono now,
    const struct portal_date *date)
{
	c->state = STATE_OPEN;
	c->settled = false;
	c->events.date(c->ctx, date);
	phoenix_init(&c->phoenix, now, &c->generation->channel);
	connection_write_frames(c, now);
	connection_settle(c);
}

/*
 * To another generation; the portal may have counted this attempt as one:
 * firezone-portal(7), Connect rate.
 */
static void
turn_to_chosen(struct portal_connection *c, struct mono now,
    const struct transport_failure *f, int64_t delay_ms)
{
	bool absent = generation_is_absent(c->generation, f->status);

	log_info("portal: generation %u: %s; generation %u is tried",
	    c->generation->number, f->reason, c->choice.chosen->number);
	if (delay_ms < 0)
		delay_ms = absent ? 0 : BACKOFF_INITIAL_MS;
	drop_attempt(c);
	c->host.retry(c->host.ctx, f->reason);
	c->state = STATE_WAITING;
	c->state_ends = mono_add_ms(now, delay_ms);
}

static void
handle_failure(struct portal_connection *c, struct mono now,
    const struct transport_failure *f)
{
	int64_t delay = f->retry_after_ms, least = 0;
	enum choice_result result;
	char what[REASON_MAX];

	if (f->too_long && connection_is_online(c))
		connection_revoke_all_grants(c);

	/* The portal takes one a second: firezone-portal(7), Connect rate. */
	if (delay >= 0 && delay < BACKOFF_INITIAL_MS)
		delay = BACKOFF_INITIAL_MS;
	if (c->state == STATE_CLOSING) {
		drop_attempt(c);
		c->events.closed(c->ctx);
		return;
	}
	if (c->state == STATE_LEAVING) {
		await_next_look(c, now);
		return;
	}
	result = choice_failed(&c->choice, now, f->status);
	switch (result) {
	case CHOICE_ENDS:
		connection_end_fatally(c, "the portal refused %s",
		    login_refusal_format(f, &c->identity, what, sizeof(what)));
		return;
	case CHOICE_TURNS:
		turn_to_chosen(c, now, f, delay);
		return;
	case CHOICE_DOUBTS:
		least = GENERATION_CONFIRM_MS;
		break;
	case CHOICE_STAYS:
		break;
	}
	/*
	 * After an unclean end the portal keeps the old session for up to 37 s
	 * (firezone-portal(7), Fatal conditions): it is there, so the first
	 * budget does not run.
	 */
	if (f->status == STATUS_CONFLICT && delay < 0 && !c->backoff.was_joined)
		delay = BACKOFF_INITIAL_MS;
	snprintf(what, sizeof(what), "%s%s", f->reason,
	    choice_advice(&c->choice, result, f->status));
	retry_later(c, now, what, delay, least);
}

void
portal_failed(struct portal_connection *c, struct mono now,
    const struct transport_failure *f)
{
	handle_failure(c, now, f);
	connection_settle(c);
}

static void
connect_to_addresses(struct portal_connection *c, struct mono now,
    const struct ip_address *addresses, size_t count)
{
	struct login_request r;

	c->state = STATE_CONNECTING;
	if (!login_request_make(
		&r, &c->login, c->generation, &c->identity, c->public_key))
		connection_end_fatally(c, "the login URL is too long");
	else if (!c->host.connect(c->host.ctx, addresses, count, &r.http))
		connection_lose(c, now, "out of memory");
	login_request_wipe(&r);
}

void
portal_resolved(
    struct portal_connection *c, struct mono now, const struct lookup_result *r)
{
	char reason[URL_HOST_MAX + 64];

	if (r->count > 0) {
		connect_to_addresses(c, now, r->addresses, r->count);
	} else {
		snprintf(reason, sizeof(reason), "%s for %s",
		    r->complete ? "no addresses" : "no answer from DNS",
		    c->login.host.text);
		connection_lose(c, now, reason);
	}
	connection_settle(c);
}

/* What the portal calls its messages is not valid in another one. */
static void
use_generation(struct portal_connection *c, const struct generation *g)
{
	if (c->generation == g)
		return;
	refs_clear(&c->incoming.refs);
	c->generation = c->incoming.generation = g;
}

static void
start_attempt(struct portal_connection *c, struct mono now)
{
	const struct url_host *host = &c->login.host;
	char name[URL_HOST_MAX + 2];

	if (choice_renew(&c->choice, now))
		log_info("portal: the newest generation is tried again");
	use_generation(c, c->choice.chosen);
	if (host->literal.family != IP_NONE) {
		connect_to_addresses(c, now, &host->literal, 1);
		return;
	}
	c->state = STATE_RESOLVING;
	if (!c->host.resolve(c->host.ctx, url_host_name(host, name)))
		connection_lose(c, now, "out of memory");
}

/*
 * Asks for relays, but not more often than the generation allows, however often
 * net-worker says that it has none.
 */
static void
say_no_relays(struct portal_connection *c, struct mono now)
{
	const struct generation *g = c->generation;
	bool early = !mono_due(c->no_relays_at, now);

	c->no_relays_due = false;
	/* The init of the next join names relays anyway. */
	if (!connection_is_online(c))
		return;
	/* What costs a connection is done when it is wanted, or not at all. */
	c->no_relays_due = early && g->asks_for_relays;
	if (early)
		return;
	c->no_relays_at = mono_add_ms(now, g->no_relays_ms);
	if (g->asks_for_relays)
		connection_queue(c, now, EVENT_NO_RELAYS, outgoing_empty());
	else
		connection_lose(c, now,
		    "no relay is usable and this portal "
		    "names others to a new connection only");
}

static void
tick_open(struct portal_connection *c, struct mono now)
{
	struct phoenix_frame f;

	if (mono_due(choice_deadline(&c->choice), now)) {
		drop_attempt(c);
		start_attempt(c, now);
		return;
	}
	phoenix_tick(&c->phoenix, now, &f);
	if (f.type == PHOENIX_LOST) {
		connection_lose(c, now, f.reason);
		return;
	}
	if (c->away && c->phoenix.joined && mono_due(c->leave_at, now)) {
		leave_portal(c, now);
		return;
	}
	if (c->no_relays_due && mono_due(c->no_relays_at, now))
		say_no_relays(c, now);
	connection_write_frames(c, now);
}

void
portal_timeout(struct portal_connection *c, struct mono now)
{
	if (!mono_due(portal_deadline(c), now)) {
		connection_settle(c);
		return;
	}
	switch (c->state) {
	case STATE_WAITING:
		start_attempt(c, now);
		break;
	case STATE_OPEN:
		tick_open(c, now);
		break;
	case STATE_LEAVING:
		await_next_look(c, now);
		break;
	case STATE_CLOSING:
		drop_attempt(c);
		c->events.closed(c->ctx);
		break;
	default:
		break;
	}
	connection_settle(c);
}

void
portal_set_key(struct portal_connection *c, struct mono now,
    const uint8_t key[PUBLIC_KEY_LEN])
{
	drop_attempt(c);
	memcpy(c->public_key, key, PUBLIC_KEY_LEN);
	/* What the old one was told and has said is moot. */
	c->incoming.has_interface = false;
	c->incoming.next_grant = NULL;
	json_free(c->feeding);
	c->feeding = NULL;
	refs_clear(&c->incoming.refs);
	candidates_clear(c->held);
	start_attempt(c, now);
	connection_settle(c);
}

void
portal_no_relays(struct portal_connection *c, struct mono now)
{
	say_no_relays(c, now);
	connection_settle(c);
}

void
portal_shutdown(struct portal_connection *c, struct mono now)
{
	if (c->state == STATE_LEAVING) {
		c->state = STATE_CLOSING;
	} else if (c->state == STATE_OPEN) {
		c->state = STATE_CLOSING;
		c->state_ends = mono_add_ms(now, PORTAL_CLOSE_MS);
		c->host.close(c->host.ctx, CLOSE_NORMAL);
	} else {
		drop_attempt(c);
		c->events.closed(c->ctx);
	}
	connection_settle(c);
}

static void
release_client(void *held, const struct uuid *client)
{
	candidates_release(held, client);
}

struct portal_connection *
portal_new(const struct portal_config *config, const struct portal_host *host,
    const struct portal_events *events, void *ctx)
{
	struct portal_connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->login = config->login;
	choice_init(&c->choice, config->generation);
	c->generation = c->choice.chosen;
	c->host = *host;
	c->events = *events;
	c->ctx = ctx;
	outbox_init(&c->phoenix.outbox);
	c->incoming.generation = c->generation;
	c->incoming.to = &c->events.to;
	c->incoming.flow_settings = events->flow_settings;
	c->incoming.flow_token = events->flow_token;
	c->incoming.described = events->described;
	c->incoming.ctx = ctx;
	backoff_init(&c->backoff,
	    config->max_partition_ms > INT64_MAX
		? INT64_MAX
		: (int64_t)config->max_partition_ms);
	if (config->resumed)
		backoff_joined(&c->backoff);
	c->held = candidates_new();
	c->incoming.refs.released = release_client;
	c->incoming.refs.ctx = c->held;
	if (!login_identity_copy(&config->identity, &c->identity) ||
	    c->held == NULL) {
		portal_free(c);
		return NULL;
	}
	return c;
}

void
portal_free(struct portal_connection *c)
{
	if (c == NULL)
		return;
	c->host.abandon(c->host.ctx);
	phoenix_clear(&c->phoenix);
	json_free(c->feeding);
	refs_clear(&c->incoming.refs);
	candidates_free(c->held);
	login_identity_free(&c->identity);
	free(c);
}
