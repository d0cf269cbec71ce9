/* The paths of each connection, and the table of all: see paths.h. */
#include "net-worker/dataplane/engine/paths/paths.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/dataplane/engine/paths/table.h"

struct path_table *
path_table_new(struct relays *relays, const struct packet_sink *sink,
    struct engine_counters *counters, uint32_t connections)
{
	struct path_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->relays = relays;
	t->sink = sink;
	t->counters = counters;
	TAILQ_INIT(&t->touched);
	TAILQ_INIT(&t->homeless);
	for (size_t i = 0; i < 2 * RELAYS_MAX; i++) {
		TAILQ_INIT(&t->relay_users[i].list);
		TAILQ_INIT(&t->relay_users[i].led);
	}
	if (!key_map_init(&t->by_remote, connections) ||
	    (t->ice = ice_dispatch_new(connections)) == NULL) {
		path_table_free(t);
		return NULL;
	}
	return t;
}

void
path_table_free(struct path_table *t)
{
	if (t == NULL)
		return;
	ice_dispatch_free(t->ice);
	key_map_free(&t->by_remote);
	free(t);
}

struct paths *
paths_new(struct path_table *t, struct mono now, const struct turn_owner *owner,
    const struct path_terms *terms, void *connection)
{
	struct paths *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->connection = connection;
	p->owner = *owner;
	p->agent = terms->iceless ? iceless_path_agent_new()
				  : ice_path_agent_new(t->ice, now, terms, p);
	if (p->agent == NULL) {
		free(p);
		return NULL;
	}
	p->of_relay = &t->homeless;
	TAILQ_INSERT_TAIL(p->of_relay, p, relay_entry);
	return p;
}

static void
count_path(struct path_table *t, const struct paths *p, int change)
{
	uint64_t *count = p->path.relayed ? &t->counters->connections_relayed
					  : &t->counters->connections_direct;

	if (p->nominated)
		*count += (uint64_t)change;
}

void
paths_free(struct path_table *t, struct paths *p)
{
	if (p == NULL)
		return;
	TAILQ_REMOVE(p->of_relay, p, relay_entry);
	forget_remote_relay(p);
	if (p->touched)
		TAILQ_REMOVE(&t->touched, p, touched_entry);
	count_path(t, p, -1);
	key_map_remove(&t->by_remote, &p->by_remote);
	p->agent->kind->free(p->agent);
	free(p);
}

bool
paths_have_terms(const struct paths *p, const struct path_terms *terms)
{
	return p->agent->kind->has_terms(p->agent, terms);
}

bool
paths_answer_on_arrival(const struct paths *p)
{
	return p->agent->kind->answers_on_arrival;
}

void *
paths_connection(const struct paths *p)
{
	return p->connection;
}

/* What the peer says. */

bool
paths_remote_line(struct path_table *t, struct mono now, struct paths *p,
    const char *line, bool withdrawn)
{
	const struct path_agent_kind *kind = p->agent->kind;
	struct candidate remote;

	paths_touch(t, p);
	switch (kind->parse(p->agent, line, &remote)) {
	case CANDIDATE_OK:
		break;
	case CANDIDATE_NOT_FOR_US:
		return true;
	case CANDIDATE_MALFORMED:
		log_debug("a client sent a malformed candidate: ignored");
		return false;
	}
	if (withdrawn) {
		kind->remove_remote(p->agent, now, &remote);
		return false;
	}
	kind->add_remote(p->agent, now, &remote);
	/* One that is told again may have lost its channel meanwhile. */
	if (candidate_address_ok(&remote.address))
		open_channel(t, now, p, &remote);
	return true;
}

void
paths_stun(struct path_table *t, struct mono now, const struct path *from,
    const struct stun_message *m)
{
	struct paths *p = ice_dispatch_input(t->ice, now, from, m);

	if (p != NULL)
		paths_touch(t, p);
}

void
paths_sign(struct path_table *t, struct mono now, struct paths *p,
    enum path_sign sign, const struct path *path)
{
	p->agent->kind->sign(p->agent, now, sign, path);
	paths_touch(t, p);
}

void
paths_probe(struct path_table *t, struct mono now, struct paths *p,
    const struct path *path, const struct probe *probe)
{
	if (p->agent->kind->probe != NULL)
		p->agent->kind->probe(p->agent, now, path, probe);
	paths_touch(t, p);
}

/* The nominated path. */

static void
write_remote_key(
    const struct endpoint *remote, uint8_t key[static ENDPOINT_KEY_LEN])
{
	memset(key, 0, ENDPOINT_KEY_LEN);
	key[0] = (uint8_t)remote->ip.family;
	memcpy(key + 1, remote->ip.bytes, ip_size(&remote->ip));
	store_be16(key + 17, remote->port);
}

static void
set_nominated(struct path_table *t, struct paths *p, const struct path *path)
{
	count_path(t, p, -1);
	key_map_remove(&t->by_remote, &p->by_remote);
	p->path = *path;
	p->nominated = p->moved = true;
	if (p->path.relayed) {
		write_remote_key(&p->path.remote, p->remote_key);
		key_map_add(&t->by_remote, &p->by_remote, p->remote_key,
		    sizeof(p->remote_key), p);
	}
	count_path(t, p, 1);
	note_remote_relay(t, p);
}

const struct path *
paths_nominated(const struct paths *p)
{
	return p->nominated ? &p->path : NULL;
}

struct paths *
paths_of_remote(struct path_table *t, const struct endpoint *remote)
{
	uint8_t key[ENDPOINT_KEY_LEN];

	write_remote_key(remote, key);
	return key_map_get(&t->by_remote, key, sizeof(key));
}

void
paths_reroute(struct path_table *t, struct paths *p)
{
	p->moved = true;
	paths_touch(t, p);
}

/* Time. */

struct mono
paths_deadline(const struct paths *p)
{
	return p->agent->kind->deadline(p->agent);
}

void
paths_timeout(struct path_table *t, struct mono now, struct paths *p)
{
	p->agent->kind->timeout(p->agent, now);
	paths_touch(t, p);
}

bool
paths_may_idle(const struct paths *p)
{
	return p->agent->kind->may_idle(p->agent);
}

void
paths_set_idle(
    struct path_table *t, struct mono now, struct paths *p, bool idle)
{
	p->agent->kind->set_idle(p->agent, now, idle);
	paths_touch(t, p);
}

/* Draining. */

void
paths_touch(struct path_table *t, struct paths *p)
{
	if (p->touched)
		return;
	p->touched = true;
	TAILQ_INSERT_TAIL(&t->touched, p, touched_entry);
}

struct paths *
paths_next_touched(struct path_table *t)
{
	struct paths *p = TAILQ_FIRST(&t->touched);

	if (p == NULL)
		return NULL;
	TAILQ_REMOVE(&t->touched, p, touched_entry);
	p->touched = false;
	return p;
}

void
paths_transmit(struct path_table *t, struct mono now, struct paths *p)
{
	struct path_message m;

	if (p->agent->kind->transmit == NULL)
		return;
	while (p->agent->kind->transmit(p->agent, &m)) {
		route(t, now, p, &m.path);
		paths_send_on(t, &m.path, m.data, m.length);
	}
}

bool
paths_event(struct path_table *t, struct mono now, struct paths *p,
    struct path_event *event)
{
	for (;;) {
		if (p->moved && p->nominated) {
			p->moved = false;
			route(t, now, p, &p->path);
			event->type = PATH_MOVED;
			event->path = p->path;
			return true;
		}
		p->moved = false;
		if (!p->agent->kind->event(p->agent, event))
			return false;
		if (event->type == PATH_BASE) {
			tell_base(p, &event->path.local, event->withdrawn);
			continue;
		}
		if (event->type == PATH_NOMINATED)
			set_nominated(t, p, &event->path);
		if (event->type == PATH_PROBE) {
			route(t, now, p, &event->path);
			/* The next one finds the channel bound. */
			if (!path_is_usable(&event->path))
				continue;
		}
		return true;
	}
}
