/*
 * What net-worker says of authorizations and candidates, on its way to the
 * portal: see connection.h.
 */
#include "control-worker/portal/connection_state.h"

#include <stdlib.h>

#include "common/log.h"

/* Tells the portal that the authorization is in force, and forgets it. */
static void
say_reply(struct portal_connection *c, struct mono now, uint64_t serial)
{
	const struct ref *ref = refs_find(&c->incoming.refs, serial);
	const char *reply = ref->reply;
	char *payload = reply == NULL ? NULL : outgoing_acknowledgement(ref);

	/* From now on candidates need not wait, and follow the reply. */
	refs_drop(&c->incoming.refs, serial);
	if (reply != NULL)
		connection_queue(c, now, reply, payload);
	connection_settle(c);
}

void
portal_acknowledge(
    struct portal_connection *c, struct mono now, uint64_t serial)
{
	struct ref *ref = refs_find(&c->incoming.refs, serial);
	bool begun;

	if (ref == NULL || ref->is_naming)
		return;
	if (ref->names == NULL) {
		say_reply(c, now, serial);
		return;
	}
	refs_begin_naming(&c->incoming.refs, ref);
	begun = c->events.names(c->ctx, serial, ref->names);
	/* Many authorizations may wait for long, and need it no more. */
	free(ref->names);
	ref->names = NULL;
	if (!begun)
		portal_named(c, now, serial, false);
}

void
portal_refuse(struct portal_connection *c, uint64_t serial)
{
	refs_drop(&c->incoming.refs, serial);
}

void
portal_named(struct portal_connection *c, struct mono now, uint64_t serial,
    bool installed)
{
	const struct ref *ref = refs_find(&c->incoming.refs, serial);
	struct ipc_connection_drop drop = { .serial = serial };
	bool connects;

	if (ref == NULL || !ref->is_naming)
		return;
	if (installed) {
		say_reply(c, now, serial);
		return;
	}
	drop.client = ref->client;
	connects = ref->connects;
	refs_drop(&c->incoming.refs, serial);
	if (!connects)
		return;
	/* Without a reply the client gives up: it wants no candidates. */
	if (!refs_await(&c->incoming.refs, &drop.client))
		candidates_forget(c->held, &drop.client);
	c->events.to.connection_drop(c->ctx, &drop);
}

void
portal_candidates(struct portal_connection *c, struct mono now,
    const struct uuid *client, bool withdrawn, const char *lines)
{
	if (connection_is_online(c) && !candidates_holds(c->held, client) &&
	    !connection_awaits_reply(c, client) &&
	    c->phoenix.outbox.count < PORTAL_OUTBOX_BUSY)
		connection_queue(c, now,
		    withdrawn ? EVENT_CANDIDATES_WITHDRAWN : EVENT_CANDIDATES,
		    outgoing_candidates(client, lines));
	else if (!candidates_hold(c->held, client, withdrawn, lines))
		log_debug("portal: too many candidates to hold");
	connection_settle(c);
}

void
portal_client_gone(struct portal_connection *c, const struct uuid *client)
{
	candidates_forget(c->held, client);
}
