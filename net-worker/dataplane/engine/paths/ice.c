/* ICE behind the interface of agent.h: see ice.h. */
#include "net-worker/dataplane/engine/paths/ice.h"

#include <sys/queue.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/index_map.h"
#include "net-worker/core/key_map.h"

#define CHECKS_MAX 16384 /* remembered for their answers; power of two */

/*
 * Whose a check of ours is, so that its answer finds the way back without
 * asking every agent. The ring gives up the oldest; the agent itself decides
 * what is too old to count.
 */
struct check {
	uint32_t key;              /* the start of the transaction id */
	struct ice_path_agent *of; /* NULL: nobody's any more */
	LIST_ENTRY(check) entry;
};

struct ice_path_agent {
	struct path_agent agent; /* first */
	struct ice_agent *ice;
	struct ice_dispatch *dispatch;
	struct paths *paths;
	struct key_entry by_username;
	LIST_HEAD(, check) checks;
};

struct ice_dispatch {
	struct key_map by_username; /* our user name fragment */
	struct index_map by_check;  /* struct check, in checks */
	struct check *checks;       /* a ring */
	uint32_t next_check;
	struct ice_message message; /* the one that was given out last */
};

struct ice_dispatch *
ice_dispatch_new(uint32_t agents)
{
	struct ice_dispatch *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->checks = calloc(CHECKS_MAX, sizeof(*d->checks));
	if (d->checks == NULL || !key_map_init(&d->by_username, agents) ||
	    !index_map_init(&d->by_check, CHECKS_MAX)) {
		ice_dispatch_free(d);
		return NULL;
	}
	return d;
}

void
ice_dispatch_free(struct ice_dispatch *d)
{
	if (d == NULL)
		return;
	key_map_free(&d->by_username);
	index_map_free(&d->by_check);
	free(d->checks);
	free(d);
}

/* Checks: from an agent, and their answers back to it. */

static void
forget_check(struct ice_dispatch *d, struct check *check)
{
	if (check->of == NULL)
		return;
	LIST_REMOVE(check, entry);
	check->of = NULL;
	if (index_map_get(&d->by_check, check->key) == check)
		index_map_remove(&d->by_check, check->key);
}

static void
remember_check(
    struct ice_dispatch *d, struct ice_path_agent *a, const uint8_t *request)
{
	struct check *check = &d->checks[d->next_check++ % CHECKS_MAX];

	forget_check(d, check);
	check->key =
	    load_be32(request + STUN_HEADER_LEN - STUN_TRANSACTION_LEN);
	check->of = a;
	LIST_INSERT_HEAD(&a->checks, check, entry);
	index_map_put(&d->by_check, check->key, check);
}

static struct ice_path_agent *
agent_of_answer(struct ice_dispatch *d, const struct stun_message *m)
{
	const struct check *check =
	    index_map_get(&d->by_check, load_be32(m->transaction));

	return check != NULL &&
		ice_agent_has_transaction(check->of->ice, m->transaction)
	    ? check->of
	    : NULL;
}

/*
 * Ours comes first in "ours:theirs" (RFC 8445, 7.2.2). It is so short that some
 * of a thousand connections may well have the same one.
 */
static struct ice_path_agent *
agent_of_request(struct ice_dispatch *d, const struct stun_message *m)
{
	const uint8_t *name = m->username.bytes, *colon;
	struct ice_path_agent *a;

	if (m->username.length == 0 ||
	    (colon = memchr(name, ':', m->username.length)) == NULL)
		return NULL;
	a = key_map_get(&d->by_username, name, (size_t)(colon - name));
	while (a != NULL && !ice_agent_has_username(a->ice, &m->username))
		a = key_map_next(&a->by_username);
	return a;
}

struct paths *
ice_dispatch_input(struct ice_dispatch *d, struct mono now,
    const struct path *from, const struct stun_message *m)
{
	struct ice_path_agent *a = NULL;

	if (m->type == STUN_BINDING_SUCCESS)
		a = agent_of_answer(d, m);
	else if (m->type == STUN_BINDING_REQUEST)
		a = agent_of_request(d, m);
	if (a == NULL)
		return NULL;
	ice_agent_input(a->ice, now, &from->local, &from->remote, m);
	return a->paths;
}

/* The agent. */

static struct ice_path_agent *
of_agent(const struct path_agent *agent)
{
	return (struct ice_path_agent *)(uintptr_t)agent;
}

static void
ice_free(struct path_agent *agent)
{
	struct ice_path_agent *a = of_agent(agent);
	struct check *check;

	while ((check = LIST_FIRST(&a->checks)) != NULL)
		forget_check(a->dispatch, check);
	key_map_remove(&a->dispatch->by_username, &a->by_username);
	ice_agent_free(a->ice);
	sodium_memzero(a, sizeof(*a));
	free(a);
}

static bool
same_credentials(
    const struct ice_credentials *a, const struct ice_credentials *b)
{
	return strcmp(a->username, b->username) == 0 &&
	    strcmp(a->password, b->password) == 0;
}

static bool
ice_has_terms(const struct path_agent *agent, const struct path_terms *terms)
{
	const struct ice_agent *ice = of_agent(agent)->ice;

	return !terms->iceless &&
	    same_credentials(ice_agent_local(ice), &terms->local) &&
	    same_credentials(ice_agent_remote(ice), &terms->remote);
}

static bool
ice_add_local(struct path_agent *agent, struct mono now,
    const struct candidate *candidate, struct candidate *announce)
{
	return ice_agent_add_local(
	    of_agent(agent)->ice, now, candidate, announce);
}

static bool
ice_remove_local(struct path_agent *agent, struct mono now,
    const struct candidate *candidate, struct candidate *withdraw)
{
	*withdraw = *candidate;
	return ice_agent_remove_local(of_agent(agent)->ice, now, candidate);
}

static const struct candidate *
ice_get_local(const struct path_agent *agent, size_t i)
{
	return ice_agent_get_local(of_agent(agent)->ice, i);
}

static const char *
ice_format(const struct path_agent *agent, const struct candidate *candidate,
    bool withdrawn, char to[CANDIDATE_LINE_MAX])
{
	return candidate_format(candidate,
	    withdrawn ? NULL : ice_agent_local(of_agent(agent)->ice)->username,
	    to);
}

static enum candidate_parse_result
ice_parse(
    const struct path_agent *agent, const char *line, struct candidate *to)
{
	return candidate_parse(
	    line, ice_agent_remote(of_agent(agent)->ice)->username, to);
}

static bool
ice_add_remote(struct path_agent *agent, struct mono now,
    const struct candidate *candidate)
{
	return ice_agent_add_remote(of_agent(agent)->ice, now, candidate);
}

static void
ice_remove_remote(struct path_agent *agent, struct mono now,
    const struct candidate *candidate)
{
	ice_agent_remove_remote(of_agent(agent)->ice, now, candidate);
}

/*
 * That there was a handshake it has from its path, by HEARD; that a relay is
 * gone, from the peer, which withdraws its candidates.
 */
static void
ice_sign(struct path_agent *agent, struct mono now, enum path_sign sign,
    const struct path *path)
{
	struct ice_agent *ice = of_agent(agent)->ice;

	switch (sign) {
	case PATH_SIGN_HEARD:
		ice_agent_heard(ice, now, &path->local, &path->remote);
		break;
	case PATH_SIGN_UNANSWERED:
		ice_agent_unanswered(ice, now);
		break;
	case PATH_SIGN_REMINDED:
		ice_agent_reminded(ice, now);
		break;
	case PATH_SIGN_INITIATION:
	case PATH_SIGN_RESPONSE:
	case PATH_SIGN_INITIATED:
	case PATH_SIGN_DATA:
	case PATH_SIGN_RELAY_GONE:
		break;
	}
}

static bool
ice_transmit(struct path_agent *agent, struct path_message *m)
{
	struct ice_path_agent *a = of_agent(agent);
	struct ice_message *message = &a->dispatch->message;

	if (!ice_agent_transmit(a->ice, message))
		return false;
	if (load_be16(message->data) == STUN_BINDING_REQUEST)
		remember_check(a->dispatch, a, message->data);
	m->path = message->path;
	m->data = message->data;
	m->length = message->length;
	return true;
}

static bool
ice_event(struct path_agent *agent, struct path_event *to)
{
	struct ice_event event;

	while (ice_agent_event(of_agent(agent)->ice, &event)) {
		switch (event.type) {
		case ICE_EVENT_NOMINATED:
			to->type = PATH_NOMINATED;
			to->path = event.path;
			to->remote_kind = event.remote_kind;
			return true;
		case ICE_EVENT_STATE:
			to->type = PATH_LIVENESS;
			to->cut_off = event.state == ICE_DISCONNECTED;
			return true;
		case ICE_EVENT_PATH_LOST:
			/* It leads where it led, for want of another. */
			break;
		case ICE_EVENT_LEAVE:
		case ICE_EVENT_RETURN:
			to->type = PATH_BASE;
			to->path = event.path;
			to->withdrawn = event.type == ICE_EVENT_LEAVE;
			return true;
		}
	}
	return false;
}

static struct mono
ice_deadline(const struct path_agent *agent)
{
	return ice_agent_deadline(of_agent(agent)->ice);
}

static void
ice_timeout(struct path_agent *agent, struct mono now)
{
	ice_agent_timeout(of_agent(agent)->ice, now);
}

static bool
ice_may_idle(const struct path_agent *agent)
{
	return ice_agent_state(of_agent(agent)->ice) == ICE_CONNECTED;
}

static void
ice_set_idle(struct path_agent *agent, struct mono now, bool idle)
{
	ice_agent_set_idle(of_agent(agent)->ice, now, idle);
}

static const struct path_agent_kind ice_kind = {
	.free = ice_free,
	.has_terms = ice_has_terms,
	.add_local = ice_add_local,
	.remove_local = ice_remove_local,
	.get_local = ice_get_local,
	.format = ice_format,
	.parse = ice_parse,
	.add_remote = ice_add_remote,
	.remove_remote = ice_remove_remote,
	.sign = ice_sign,
	.transmit = ice_transmit,
	.event = ice_event,
	.deadline = ice_deadline,
	.timeout = ice_timeout,
	.may_idle = ice_may_idle,
	.set_idle = ice_set_idle,
};

struct path_agent *
ice_path_agent_new(struct ice_dispatch *d, struct mono now,
    const struct path_terms *terms, struct paths *paths)
{
	struct ice_path_agent *a = calloc(1, sizeof(*a));
	const char *username;

	if (a == NULL ||
	    (a->ice = ice_agent_new(&terms->local, &terms->remote, now)) ==
		NULL) {
		free(a);
		return NULL;
	}
	a->agent.kind = &ice_kind;
	a->dispatch = d;
	a->paths = paths;
	LIST_INIT(&a->checks);
	username = ice_agent_local(a->ice)->username;
	key_map_add(
	    &d->by_username, &a->by_username, username, strlen(username), a);
	return &a->agent;
}
