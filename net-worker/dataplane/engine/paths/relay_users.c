/*
 * Which connection has its channels on which relay, and whose path leads to an
 * address on which; and what becomes of them when that relay changes or goes
 * (firezone-tunnel(7), Changes of the relay list).
 */
#include "net-worker/dataplane/engine/paths/table.h"

static bool
relay_has_users(const struct relay_users *u)
{
	return !TAILQ_EMPTY(&u->list) || !TAILQ_EMPTY(&u->led);
}

/* NULL: nobody is on that relay. */
static struct relay_users *
relay_users_of(struct path_table *t, const struct uuid *relay)
{
	for (size_t i = 0; i < 2 * RELAYS_MAX; i++)
		if (relay_has_users(&t->relay_users[i]) &&
		    uuid_equal(&t->relay_users[i].relay, relay))
			return &t->relay_users[i];
	return NULL;
}

static struct relay_users *
relay_users_make(struct path_table *t, const struct uuid *relay)
{
	struct relay_users *u = relay_users_of(t, relay);

	/* There are as many places as relays that anyone can be on. */
	for (size_t i = 0; u == NULL && i < 2 * RELAYS_MAX; i++)
		if (!relay_has_users(&t->relay_users[i]))
			u = &t->relay_users[i];
	if (u == NULL)
		fatalx("internal error: more relays in use than there are");
	u->relay = *relay;
	return u;
}

void
paths_set_relay(struct path_table *t, struct paths *p, const struct uuid *relay)
{
	TAILQ_REMOVE(p->of_relay, p, relay_entry);
	p->has_relay = relay != NULL;
	if (relay != NULL)
		p->relay = *relay;
	p->of_relay =
	    relay == NULL ? &t->homeless : &relay_users_make(t, relay)->list;
	TAILQ_INSERT_TAIL(p->of_relay, p, relay_entry);
}

const struct uuid *
paths_relay(const struct paths *p)
{
	return p->has_relay ? &p->relay : NULL;
}

void
note_remote_relay(struct path_table *t, struct paths *p)
{
	const struct allocation *relay =
	    relays_with_ip(t->relays, &p->path.remote.ip);

	forget_remote_relay(p);
	if (relay == NULL)
		return;
	p->to_relay = &relay_users_make(t, &allocation_config(relay)->id)->led;
	TAILQ_INSERT_TAIL(p->to_relay, p, to_relay_entry);
}

void
forget_remote_relay(struct paths *p)
{
	if (p->to_relay != NULL)
		TAILQ_REMOVE(p->to_relay, p, to_relay_entry);
	p->to_relay = NULL;
}

/*
 * That the peer has lost its relay is told to it, and by it to us only where it
 * speaks ICE: firezone-tunnel(7), Relays without ICE.
 */
static void
doubt_paths_to(struct path_table *t, struct mono now, struct paths_list *led,
    const struct relays_event *gone)
{
	struct paths *p;

	/* What is wrong between us and the relay says nothing of others. */
	if (gone->end == ALLOCATION_AUTHENTICATION ||
	    gone->end == ALLOCATION_PROTOCOL)
		return;
	while ((p = TAILQ_FIRST(led)) != NULL) {
		struct path there = p->path;

		forget_remote_relay(p);
		paths_sign(t, now, p, PATH_SIGN_RELAY_GONE, &there);
		for (size_t i = 0; i < 2; i++) {
			there.remote.ip = gone->address[i];
			paths_sign(t, now, p, PATH_SIGN_RELAY_GONE, &there);
		}
	}
}

/* Another relay for one that has lost its own, if there is any. */
static void
migrate(struct path_table *t, struct mono now, struct paths *p)
{
	struct allocation *relay = relays_sample(t->relays, now);

	if (relay == NULL)
		return;
	paths_set_relay(t, p, &allocation_config(relay)->id);
	offer_kind(t, now, p, relay, CANDIDATE_HOST);
	offer_kind(t, now, p, relay, CANDIDATE_SERVER_REFLEXIVE);
	offer_kind(t, now, p, relay, CANDIDATE_RELAYED);
}

/* Takes all off the list, each to another relay if there is one. */
static void
migrate_all(struct path_table *t, struct mono now, struct paths_list *list)
{
	struct paths *p, *last = TAILQ_LAST(list, paths_list);

	/* Those that stay, or come back, lie behind the last one. */
	while (last != NULL) {
		p = TAILQ_FIRST(list);
		paths_set_relay(t, p, NULL);
		migrate(t, now, p);
		if (p == last)
			break;
	}
}

static enum candidate_kind
kind_of(enum allocation_event_type type)
{
	switch (type) {
	case ALLOCATION_HOST:
		return CANDIDATE_HOST;
	case ALLOCATION_SERVER_REFLEXIVE:
		return CANDIDATE_SERVER_REFLEXIVE;
	default:
		return CANDIDATE_RELAYED;
	}
}

/* Where none is in reach, the portal names the same ones again and again. */
static void
log_relay_end(
    struct path_table *t, struct mono now, const struct relays_event *event)
{
	static const char *const why[] = {
		[ALLOCATION_ALIVE] = "the portal withdrew it",
		[ALLOCATION_NO_RESPONSE] = "it does not answer; check that UDP "
					   "port 3478 may go out",
		[ALLOCATION_UNVERIFIED] =
		    "it answers, but not signed with our key; its secret may "
		    "be another than the portal's, or another gateway has "
		    "left something there by our address and port, which "
		    "lasts 10 minutes",
		[ALLOCATION_AUTHENTICATION] = "it refuses our credentials",
		[ALLOCATION_PROTOCOL] = "it does not speak our TURN",
	};
	char id[UUID_TEXT_LEN + 1];
	uint32_t held;

	uuid_format(&event->relay, id);
	if (event->end == ALLOCATION_ALIVE)
		log_info("relay %s given up: %s", id, why[event->end]);
	else if (log_allow(&t->relays_log, now.ns, &held))
		log_warnx("relay %s given up: %s (%u more before)", id,
		    why[event->end], held);
}

static void
channel_changed(struct path_table *t, const struct relays_event *event)
{
	const struct endpoint *remote = &event->detail.address;
	struct paths *p = paths_of_remote(t, remote);

	for (; p != NULL; p = key_map_next(&p->by_remote))
		if (p->has_relay && uuid_equal(&p->relay, &event->relay))
			paths_reroute(t, p);
}

void
paths_relay_event(
    struct path_table *t, struct mono now, const struct relays_event *event)
{
	struct relay_users *users = relay_users_of(t, &event->relay);
	struct allocation *relay = relays_find(t->relays, &event->relay);
	struct paths_list none = TAILQ_HEAD_INITIALIZER(none),
			  *list = users == NULL ? &none : &users->list,
			  *led = users == NULL ? &none : &users->led;
	struct paths *p;

	switch (event->type) {
	case RELAYS_CANDIDATE:
		TAILQ_FOREACH(p, list, relay_entry)
			offer_kind(
			    t, now, p, relay, kind_of(event->detail.type));
		migrate_all(t, now, &t->homeless);
		break;
	case RELAYS_WITHDRAWN:
		TAILQ_FOREACH(p, list, relay_entry)
			withdraw_relayed(t, now, p, &event->detail.address);
		break;
	case RELAYS_CHANNEL:
		channel_changed(t, event);
		break;
	case RELAYS_REMOVED:
		log_relay_end(t, now, event);
		doubt_paths_to(t, now, led, event);
		migrate_all(t, now, list);
		break;
	case RELAYS_NONE:
		break;
	}
}
