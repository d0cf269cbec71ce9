/*
 * Names of DNS resources (firezone-policy(7), DNS RESOURCES). What a client
 * says is read by control-worker, which also finds out what a name means;
 * whether the name is the client's to use, and what its addresses may be, is
 * decided here.
 */
#include <string.h>

#include "common/log.h"
#include "net-worker/dataplane/engine/state.h"

/* How often a client's names are looked at, and how many are asked for then. */
#define WATCH_EVERY_S 5
#define WATCH_ASK_MAX 8
/* Of all clients together. */
#define ASK_BURST       50
#define ASK_INTERVAL_MS 50

static const char *
assignment_fault(enum assign_result result)
{
	switch (result) {
	case ASSIGN_NOT_GRANTED:
		return "the resource is not granted";
	case ASSIGN_NOT_DNS:
		return "the resource is not one of names";
	case ASSIGN_NO_MATCH:
		return "the resource has other names";
	case ASSIGN_NO_PROXY:
		return "none of its addresses is one for names";
	case ASSIGN_NO_ROOM:
		return "too many names in use, or no memory";
	case ASSIGN_DONE:
		break;
	}
	return "no reason";
}

/* A client can make us say this as often as it likes. */
static void
log_assignment_refused(struct engine *e, struct mono now,
    const struct uuid *client, const struct uuid *resource,
    enum assign_result result)
{
	uint32_t held;
	char who[UUID_TEXT_LEN + 1], which[UUID_TEXT_LEN + 1];

	if (!log_allow(&e->names_log, now.ns, &held))
		return;
	log_warnx("assignment of a name refused: %s: client %s, resource %s",
	    assignment_fault(result), uuid_format(client, who),
	    uuid_format(resource, which));
}

void
engine_assignment(
    struct engine *e, struct mono now, const struct ipc_assignment *a)
{
	struct client *m = client_find(e, &a->client);
	enum assign_result result = ASSIGN_NOT_GRANTED;

	if (m != NULL)
		result = grants_may_assign(m->grants, &a->resource, a->domain);
	if (result != ASSIGN_DONE) {
		e->counters->names_refused++;
		log_assignment_refused(
		    e, now, &a->client, &a->resource, result);
	}
	e->host->assignment(e->host->ctx, a->serial,
	    result == ASSIGN_DONE ? ASSIGNMENT_RESOLVE : ASSIGNMENT_REFUSED);
}

static void
log_assignment_effect(struct engine *e, struct mono now,
    const struct uuid *client, const struct assign_effect *effect)
{
	char who[UUID_TEXT_LEN + 1];
	uint32_t held;

	if (!effect->renumbered && effect->foreign_proxies == 0 &&
	    effect->unusable_addresses == 0)
		return;
	if (!log_allow(&e->names_log, now.ns, &held))
		return;
	uuid_format(client, who);
	if (effect->renumbered)
		log_info("client %s has renumbered its addresses for names: "
			 "all are forgotten",
		    who);
	if (effect->foreign_proxies > 0)
		log_warnx("client %s wants to use %zu addresses for a name "
			  "that are none for names: left out",
		    who, effect->foreign_proxies);
	if (effect->unusable_addresses > 0)
		log_warnx("%zu addresses of a name that client %s uses are "
			  "ones that no name may have: left out",
		    effect->unusable_addresses, who);
}

static enum assign_result
assign_name(struct engine *e, struct mono now, struct client *m,
    const struct ipc_name_resolved *r, bool *changed)
{
	struct assignment assignment = {
		.resource = r->resource,
		.domain = r->domain,
		.proxies = r->proxies,
		.proxy_count = r->proxies_count,
		.addresses = r->addresses,
		.address_count = r->addresses_count,
		.now = now,
	};
	struct assign_effect effect;
	enum assign_result result =
	    grants_assign(m->grants, &assignment, &effect);

	log_assignment_effect(e, now, &r->client, &effect);
	m->forget_sessions = m->forget_sessions || effect.renumbered;
	*changed = effect.changed;
	return result;
}

static void
ask_for_name(
    struct engine *e, struct client *m, const struct unanswered_name *u)
{
	struct ipc_name_unanswered told = {
		.client = *client_id(m),
		.resource = u->resource,
		.proxies_count = (uint16_t)u->proxy_count,
	};

	strlcpy(told.domain, u->domain, sizeof(told.domain));
	memcpy(
	    told.proxies, u->proxies, u->proxy_count * sizeof(u->proxies[0]));
	e->host->name_unanswered(e->host->ctx, &told);
}

static void
watch_names(struct engine *e, struct mono now, struct client *m)
{
	struct unanswered_name u;

	for (unsigned n = 0;
	     n < WATCH_ASK_MAX && grants_unanswered_name(m->grants, now, &u) &&
	     bucket_take(&e->names_asked, now, ASK_BURST, ASK_INTERVAL_MS);
	     n++) {
		ask_for_name(e, m, &u);
		grants_name_asked(m->grants, now, &u);
		e->counters->names_asked_again++;
	}
}

/* There is nothing to be seen before a name has been there for a while. */
static void
watch_later(struct engine *e, struct mono now, struct client *m)
{
	if (m->is_older && mono_is_never(m->names_watch.due))
		deadlines_set(&e->names_watch, &m->names_watch,
		    mono_add_s(now, WATCH_EVERY_S));
}

void
names_timeout(struct engine *e, struct mono now)
{
	struct client *m;

	while ((m = deadlines_take(&e->names_watch, now)) != NULL) {
		watch_names(e, now, m);
		watch_later(e, now, m);
	}
}

void
engine_name_resolved(
    struct engine *e, struct mono now, const struct ipc_name_resolved *r)
{
	struct client *m = client_find(e, &r->client);
	enum assign_result result = ASSIGN_NOT_GRANTED;
	bool changed = false;

	if (m != NULL)
		result = assign_name(e, now, m, r, &changed);
	if (result == ASSIGN_DONE) {
		e->counters->names_installed++;
		watch_later(e, now, m);
	} else {
		e->counters->names_refused++;
		log_assignment_refused(
		    e, now, &r->client, &r->resource, result);
	}
	/* What changed nothing may rest on what is not in force yet. */
	if (m != NULL && (changed || client_names_wait(m)))
		client_enforce_names(
		    e, now, m, result == ASSIGN_DONE ? r : NULL);
	else if (result == ASSIGN_DONE)
		control_tell(e, m, r->event, r->installed);
	/* It may be gone by now, for want of memory. */
	if (result != ASSIGN_DONE && (m = client_find(e, &r->client)) != NULL)
		control_tell(e, m, r->event, r->refused);
}
