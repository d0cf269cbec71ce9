/* Look-ups, WebSocket and timer for the connection: see driver.h. */
#include "control-worker/portal/driver.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control-worker/portal/transport.h"

/* Messages acted upon before others get their turn. */
#define MESSAGES_AT_ONCE 64

struct portal_driver {
	struct portal_driver_config config;
	struct portal_connection *connection;
	struct lookup *lookup;
	struct transport *transport;
	struct portal_attempt attempt; /* that is under way, or was last */
	/* The same; or one that failed, until another comes farther. */
	struct portal_attempt shown;
	uv_timer_t timer; /* of the connection's deadline */
	uv_timer_t again; /* to go on with what has been received */
	unsigned open_handles;
};

static void
show_portal_attempt(struct portal_driver *d)
{
	d->attempt.at = (uint64_t)time(NULL);
	d->shown = d->attempt;
}

/* A new one, or what follows upon the look-up. */
static void
begin_portal_attempt(struct portal_driver *d, enum portal_step step)
{
	d->attempt = (struct portal_attempt){ .step = step };
	if (!d->shown.failed || step > d->shown.step)
		show_portal_attempt(d);
}

static void
fail_portal_attempt(void *ctx, const char *reason)
{
	struct portal_driver *d = ctx;

	d->attempt.failed = true;
	strlcpy(d->attempt.reason, reason, sizeof(d->attempt.reason));
	show_portal_attempt(d);
}

static void
on_portal_timer(uv_timer_t *timer)
{
	struct portal_driver *d = timer->data;

	portal_timeout(d->connection, mono_now());
}

static void
set_portal_timer(void *ctx, struct mono deadline)
{
	struct portal_driver *d = ctx;
	int64_t ms;

	if (mono_is_never(deadline)) {
		uv_timer_stop(&d->timer);
		return;
	}
	/* Rounded up, or it would come too early. */
	ms = mono_ms_between(mono_now(), deadline) + 1;
	uv_timer_start(
	    &d->timer, on_portal_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

static void
on_resume_timer(uv_timer_t *timer)
{
	portal_driver_resume(timer->data);
}

void
portal_driver_resume(struct portal_driver *d)
{
	struct portal_connection *c = d->connection;
	size_t len;
	char *text;

	for (int i = 0; portal_takes_text(c); i++) {
		if (i == MESSAGES_AT_ONCE) {
			uv_timer_start(&d->again, on_resume_timer, 0, 0);
			break;
		}
		if ((text = transport_next(d->transport, &len)) == NULL)
			break;
		portal_text(c, mono_now(), text, len);
		transport_free_message(text, len);
	}
	portal_send(c, mono_now());
}

/* What the transport and the resolver say. */

static void
on_transport_open(void *ctx)
{
	struct portal_driver *d = ctx;
	const struct portal_date date = transport_date(d->transport);

	transport_describe(d->transport, &d->attempt);
	show_portal_attempt(d);
	portal_opened(d->connection, mono_now(), &date);
}

static void
on_activity(void *ctx)
{
	portal_driver_resume(ctx);
}

static void
on_failed(void *ctx, const struct transport_failure *f)
{
	struct portal_driver *d = ctx;

	transport_describe(d->transport, &d->attempt);
	portal_failed(d->connection, mono_now(), f);
}

static void
on_portal_resolved(void *ctx, const struct lookup_result *r)
{
	struct portal_driver *d = ctx;

	d->lookup = NULL;
	portal_resolved(d->connection, mono_now(), r);
}

/* What the connection asks for. */

static bool
start_portal_lookup(void *ctx, const char *name)
{
	struct portal_driver *d = ctx;
	const struct lookups *l = &d->config.lookups;

	begin_portal_attempt(d, PORTAL_STEP_NAME);
	d->lookup = l->start(l->resolver, name, on_portal_resolved, d);
	return d->lookup != NULL;
}

static bool
start_transport(void *ctx, const struct ip_address *addresses, size_t count,
    const struct upgrade_request *request)
{
	static const struct transport_events events = { on_transport_open,
		on_activity, on_failed };
	struct portal_driver *d = ctx;
	const struct transport_config t = {
		.loop = d->config.loop,
		.dialler = &d->config.dialler,
		.curl = d->config.curl,
		.login = &d->config.connection.login,
		.addresses = addresses,
		.address_count = count,
		.request = request,
	};

	begin_portal_attempt(d, PORTAL_STEP_CONNECT);
	d->transport = transport_start(&t, &events, d);
	return d->transport != NULL;
}

static void
abandon_attempt(void *ctx)
{
	struct portal_driver *d = ctx;

	if (d->lookup != NULL)
		d->config.lookups.cancel(d->lookup);
	d->lookup = NULL;
	transport_free(d->transport);
	d->transport = NULL;
	uv_timer_stop(&d->again);
}

static bool
can_send_text(void *ctx)
{
	struct portal_driver *d = ctx;

	return transport_can_send(d->transport);
}

static void
send_text(void *ctx, const char *text)
{
	struct portal_driver *d = ctx;

	transport_send(d->transport, text);
}

static void
close_transport(void *ctx, uint16_t code)
{
	struct portal_driver *d = ctx;

	transport_close(d->transport, code);
}

const struct portal_attempt *
portal_driver_attempt(const struct portal_driver *d)
{
	return &d->shown;
}

struct portal_connection *
portal_driver_connection(struct portal_driver *d)
{
	return d->connection;
}

struct portal_driver *
portal_driver_new(const struct portal_driver_config *config,
    const struct portal_events *events, void *ctx)
{
	struct portal_driver *d = calloc(1, sizeof(*d));
	const struct portal_host host = {
		.ctx = d,
		.resolve = start_portal_lookup,
		.connect = start_transport,
		.abandon = abandon_attempt,
		.can_send = can_send_text,
		.send = send_text,
		.close = close_transport,
		.wait_until = set_portal_timer,
		.retry = fail_portal_attempt,
	};

	if (d == NULL)
		return NULL;
	d->config = *config;
	d->open_handles = 2;
	uv_timer_init(config->loop, &d->timer);
	uv_timer_init(config->loop, &d->again);
	d->timer.data = d->again.data = d;
	d->connection = portal_new(&d->config.connection, &host, events, ctx);
	if (d->connection == NULL) {
		portal_driver_free(d);
		return NULL;
	}
	return d;
}

static void
on_driver_closed(uv_handle_t *h)
{
	struct portal_driver *d = h->data;

	if (--d->open_handles == 0)
		free(d);
}

void
portal_driver_free(struct portal_driver *d)
{
	if (d == NULL)
		return;
	portal_free(d->connection);
	uv_close((uv_handle_t *)&d->timer, on_driver_closed);
	uv_close((uv_handle_t *)&d->again, on_driver_closed);
}
