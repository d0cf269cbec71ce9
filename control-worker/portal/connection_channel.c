/*
 * What is said on the channel while the connection stands: our frames, in the
 * order in which they may go, and what the portal's frames lead to. See
 * connection.h.
 */
#include "control-worker/portal/connection_state.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/*
 * Until then candidates are held: they would reach the client before it knows
 * of its connection, and it would throw them away.
 */
bool
connection_awaits_reply(const void *ctx, const struct uuid *client)
{
	const struct portal_connection *c = ctx;

	return refs_await(&c->incoming.refs, client);
}

/*
 * Whether there is a frame to write. Held candidates become one when nothing
 * else is left.
 */
static bool
has_frame(struct portal_connection *c)
{
	struct uuid client;
	bool withdrawn;
	char *lines;

	if (phoenix_has_next(&c->phoenix))
		return true;
	if (!connection_is_online(c) ||
	    (lines = candidates_take(c->held, &client, &withdrawn,
		 connection_awaits_reply, c)) == NULL)
		return false;
	phoenix_send(&c->phoenix,
	    withdrawn ? EVENT_CANDIDATES_WITHDRAWN : EVENT_CANDIDATES,
	    outgoing_candidates(&client, lines));
	free(lines);
	return phoenix_has_next(&c->phoenix);
}

void
connection_write_frames(struct portal_connection *c, struct mono now)
{
	char *text;

	if (c->state != STATE_OPEN)
		return;
	while (c->host.can_send(c->host.ctx) && has_frame(c) &&
	    (text = phoenix_next(&c->phoenix, now)) != NULL) {
		log_trace("portal: > %.64s", text);
		c->host.send(c->host.ctx, text);
		freezero(text, strlen(text)); /* may hold credentials */
	}
}

void
connection_queue(struct portal_connection *c, struct mono now,
    const char *event, char *payload)
{
	if (!connection_is_online(c)) {
		freezero(payload, payload == NULL ? 0 : strlen(payload));
		return;
	}
	if (!phoenix_send(&c->phoenix, event, payload)) {
		connection_lose(
		    c, now, "the portal does not take our messages");
		return;
	}
	connection_write_frames(c, now);
}

static void
drop_message(struct portal_connection *c, struct mono now, const char *event,
    const char *what)
{
	c->events.dropped(c->ctx, drops_wrong(&c->drops, now, event, what));
}

/*
 * The portal has sent a message too long to be taken, and it may be one that
 * takes access away. As a rule a new connection brings the whole list of
 * grants, and that settles it. But before the first list of a connection the
 * message was this list, and would be too long again; and the init of some
 * portals has no list. In these two cases nobody keeps access.
 */
void
connection_revoke_all_grants(struct portal_connection *c)
{
	const struct ipc_handlers *to = &c->events.to;

	if (c->settled && !c->incoming.keeps_grants)
		return;
	log_error("portal: a message that may take access away is too long: "
		  "all access is revoked; a list has room for %d grants",
	    GRANTS_LIST_MAX);
	to->grants_begin(c->ctx, &(struct ipc_grants_begin){});
	to->grants_commit(c->ctx, &(struct ipc_grants_commit){});
}

/*
 * While we are away nobody is let in: the portal waits in vain for an answer,
 * and asks another gateway.
 */
static bool
is_refused(const struct portal_connection *c, const char *event)
{
	const struct push *push = generation_push(c->generation, event);

	return c->away && push != NULL && push->grants;
}

/* Takes the document over. */
static void
act_on_push(struct portal_connection *c, struct mono now,
    struct json_document *d, struct phoenix_frame *f)
{
	const char *what;

	log_debug("portal: %s", f->event);
	if (is_refused(c, f->event)) {
		log_debug("portal: not answered, since we are away");
		json_free(d);
		return;
	}
	c->settled = c->settled || strcmp(f->event, "init") == 0;
	switch (incoming_handle(&c->incoming, f->event, f->payload, &what)) {
	case INCOMING_MORE:
		c->feeding = d;
		return;
	case INCOMING_DROPPED:
		drop_message(c, now, f->event, what);
		break;
	case INCOMING_UNKNOWN:
		c->events.dropped(c->ctx,
		    drops_unknown(&c->drops, now, c->generation, f->event));
		break;
	case INCOMING_DONE:
		break;
	}
	json_free(d);
}

/* Takes the document over. */
static void
handle_frame(
    struct portal_connection *c, struct mono now, struct json_document *d)
{
	struct phoenix_frame f;

	phoenix_receive(&c->phoenix, json_root(d), now, &f);
	if (f.type == PHOENIX_PUSH && c->phoenix.joined) {
		act_on_push(c, now, d, &f);
		return;
	}
	json_free(d);
	switch (f.type) {
	case PHOENIX_JOINED:
		connection_joined(c, now);
		break;
	case PHOENIX_MALFORMED:
		drop_message(c, now, "frame", f.reason);
		break;
	case PHOENIX_PUSH:
		drop_message(c, now, f.event, "not joined");
		break;
	case PHOENIX_LOST:
		connection_lose(c, now, f.reason);
		break;
	case PHOENIX_JOIN_REFUSED:
		connection_end_fatally(
		    c, "the portal refused the login: %s", f.reason);
		break;
	case PHOENIX_TOKEN_EXPIRED:
		connection_end_fatally(c,
		    "the portal ended our session (token_expired): the token "
		    "is no longer valid, or another gateway with this "
		    "identity is online");
		break;
	case PHOENIX_NOTHING:
		break;
	}
}

void
portal_text(
    struct portal_connection *c, struct mono now, const char *text, size_t len)
{
	struct json_document *d;

	switch (json_parse(&d, text, len)) {
	case JSON_OK:
		handle_frame(c, now, d);
		break;
	case JSON_TRUNCATED:
		connection_lose(c, now, "the portal sent half a message");
		break;
	case JSON_TOO_LONG:
		connection_revoke_all_grants(c);
		if (!c->settled && connection_is_online(c))
			c->settled = true;
		else
			connection_lose(c, now, "a message has too many parts");
		break;
	case JSON_MALFORMED:
		drop_message(c, now, "frame", "not JSON, or nested too deeply");
		break;
	}
	connection_settle(c);
}

/* Hands over more of a long message; true when nothing of it is left. */
static bool
feed_message(struct portal_connection *c)
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

bool
portal_takes_text(struct portal_connection *c)
{
	return feed_message(c) && c->state == STATE_OPEN &&
	    c->events.has_room(c->ctx);
}
