/*
 * Clients and what they may reach: authorization, revocation, expiry and the
 * portal's snapshot (firezone-policy(7), GRANTS). Whatever changes here is
 * compiled into a new policy, and the shard enforces that one from then on.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/plan.h"
#include "common/sort.h"
#include "net-worker/dataplane/engine/state.h"

/*
 * Names make a client's policy be compiled as often as it likes: what that
 * takes is a twentieth of the time at most, with some in advance.
 */
#define NAMES_REST      20
#define NAMES_CREDIT_NS INT64_C(100000000)

static struct policy *
compile_policy(struct engine *e, const struct client *m)
{
	return grants_compile(
	    m->grants, &e->own_v4, &e->own_v6, &e->site, e->expose_host);
}

/* NAT's tables, with the client's first name. */
static bool
give_nat(struct client *m, struct shard_command *command)
{
	struct ip_address v4, v6;

	if (m->nat_given || !grants_have_names(m->grants))
		return true;
	if ((command->policy.nat = nat_new()) == NULL)
		return false;
	nat_count_in(command->policy.nat, grants_name_use(m->grants));
	v4 = grants_address(m->grants, IP_V4);
	v6 = grants_address(m->grants, IP_V6);
	nat_set_client(command->policy.nat, &v4, &v6);
	m->nat_given = true;
	return true;
}

/* The client hears that its names are in force. */
static void
tell_waiting(struct engine *e, struct client *m)
{
	for (size_t i = 0; i < m->waiting_count; i++)
		control_tell(e, m, m->waiting[i]->event, m->waiting[i]->text);
	client_forget_waiting(m);
}

/* Without room the client is told nothing, and asks again. */
static void
add_waiting(struct client *m, const struct ipc_name_resolved *r)
{
	size_t size = strlen(r->installed) + 1;
	struct notice *n;

	if (m->waiting_count == NAMES_WAITING_MAX ||
	    (n = malloc(sizeof(*n) + size)) == NULL)
		return;
	n->event = r->event;
	memcpy(n->text, r->installed, size);
	m->waiting[m->waiting_count++] = n;
}

/* How long about compiling takes, as measured; rather more. */
static int64_t
work_ns(const struct client *m)
{
	return 10000 + 2000 * (int64_t)grants_count(m->grants) +
	    50 * (int64_t)grants_names_size(m->grants);
}

bool
client_names_wait(const struct client *m)
{
	return !mono_is_never(m->names_due.due);
}

/*
 * Hands the shard the client's policy as it is now. Without memory there is no
 * policy at all.
 */
static void
client_enforce(struct engine *e, struct client *m)
{
	struct shard_command command = {
		.type = SHARD_POLICY,
		.peer = m->number,
	};

	command.policy.forget_sessions = m->forget_sessions;
	command.policy.policy = compile_policy(e, m);
	if (command.policy.policy != NULL && give_nat(m, &command)) {
		shard_command(e, m, &command);
		m->forget_sessions = false;
		deadlines_set(&e->names_due, &m->names_due, MONO_NEVER);
		/* By now the shard has, or will read first, the new policy. */
		tell_waiting(e, m);
		return;
	}
	policy_free(command.policy.policy);
	log_error("no memory for a client's policy: the client is cut off");
	client_remove(e, m, true);
}

void
client_enforce_names(struct engine *e, struct mono now, struct client *m,
    const struct ipc_name_resolved *r)
{
	struct mono earliest = mono_add_ns(m->names_rested, -NAMES_CREDIT_NS);

	if (r != NULL)
		add_waiting(m, r);
	if (!mono_due(earliest, now)) {
		deadlines_set(&e->names_due, &m->names_due, earliest);
		return;
	}
	m->names_rested = mono_add_ns(
	    mono_max(m->names_rested, now), work_ns(m) * NAMES_REST);
	client_enforce(e, m);
}

static void
client_set_older(struct client *m, bool is_older)
{
	m->is_older = is_older;
	grants_allow_translation(m->grants, is_older);
	grants_silence(m->grants, is_older);
	grants_watch_names(m->grants, is_older);
}

static struct client *
client_add(struct engine *e, const struct ipc_authorization *a)
{
	struct client *m =
	    client_enter(e, &a->client, &a->client_v4, &a->client_v6);
	struct shard_command command = { .type = SHARD_PEER_ADD };

	if (m == NULL)
		return NULL;
	client_set_older(m, a->kind != AUTHORIZATION_UPSERT);
	if ((command.client.policy = compile_policy(e, m)) == NULL) {
		client_forget(e, m);
		return NULL;
	}
	command.peer = m->number;
	command.client.id = a->client;
	command.client.v4 = a->client_v4;
	command.client.v6 = a->client_v6;
	shard_command(e, m, &command);
	return m;
}

void
client_remove(struct engine *e, struct client *m, bool goodbye)
{
	struct shard_command command = {
		.type = SHARD_PEER_REMOVE,
		.peer = m->number,
		.client = {
			.v4 = grants_address(m->grants, IP_V4),
			.v6 = grants_address(m->grants, IP_V6),
		},
	};

	if (m->connection != NULL) {
		if (goodbye)
			connection_goodbye(e, m->connection);
		connection_close(e, m->connection);
	}
	shard_command(e, m, &command);
	client_forget(e, m);
}

/*
 * Enforces what is left. A client without grants is sent away; one of 1.3 could
 * not be told, and is left the connection that it believes in, to nothing.
 */
static void
grants_changed(struct engine *e, struct client *m)
{
	bool has_none = grants_count(m->grants) == 0;

	if (has_none && !(m->is_older && m->connection != NULL)) {
		client_remove(e, m, true);
		return;
	}
	client_set_lingering(e, m, has_none);
	client_enforce(e, m);
}

/*
 * Whether there is a place for the client, be it its own or that of one whose
 * address it takes. One that lingers gives way: its connection is of no use to
 * it.
 */
static bool
make_room_for_client(struct engine *e, const struct ipc_authorization *a)
{
	if (e->client_count < SHARD_PEERS_MAX ||
	    client_find(e, &a->client) != NULL ||
	    client_at(e, &a->client_v4) != NULL ||
	    client_at(e, &a->client_v6) != NULL)
		return true;
	if (TAILQ_EMPTY(&e->lingering))
		return false;
	client_remove(e, TAILQ_FIRST(&e->lingering), false);
	return true;
}

static void
log_grant(
    const char *what, const struct uuid *client, const struct uuid *resource)
{
	char who[UUID_TEXT_LEN + 1], which[UUID_TEXT_LEN + 1];

	log_info("%s: client %s, resource %s", what, uuid_format(client, who),
	    uuid_format(resource, which));
}

/* To be called whenever expiry times have changed. */
static void
client_watch_expiry(struct engine *e, struct client *m)
{
	deadlines_set(&e->expiries, &m->expiry, grants_deadline(m->grants));
}

static enum grant_result
add_grant(struct engine *e, struct client *m, const struct ipc_authorization *a)
{
	enum grant_result result;
	struct grant g = {
		.resource = a->resource,
		.type = (enum resource_type)a->type,
		.network = a->network,
		.filters = (struct filter *)(uintptr_t)a->filters,
		.filter_count = a->filters_count,
		.flow_authorization = a->flow_authorization,
		.meter = meter_of(e, &a->resource),
		.expires_at = a->expires_at,
		.expires =
		    grants_expiry_from_unix(a->expires_at, &e->clock.last),
	};

	strlcpy(g.pattern, a->pattern, sizeof(g.pattern));
	result = a->kind == AUTHORIZATION_UPSERT
	    ? grants_add(m->grants, &g)
	    : grants_prolong(m->grants, &g);
	client_watch_expiry(e, m);
	return result;
}

/*
 * The portal gives the address of a client away when that one is no more. If we
 * have not been told of its end, this is how we hear of it: what goes to the
 * address must not go on under the grants of two, and its flows are not those
 * of the next (firezone-policy(7), State of a client).
 */
static void
free_address(struct engine *e, struct mono now, const struct ip_address *ip,
    const char *heir)
{
	char address[ENDPOINT_TEXT_MAX], who[UUID_TEXT_LEN + 1];
	struct shard_command flows_over = { .type = SHARD_FLOWS_OF_PEER };
	struct client *m = client_at(e, ip);
	uint32_t held;

	if (m == NULL)
		return;
	flows_over.peer = m->number;
	shard_command(e, m, &flows_over);
	if (log_allow(&e->portal_log, now.ns, &held))
		log_warnx("the portal gives %s, the address of client %s, to "
			  "%s: the client is sent away",
		    ip_format(ip, address), uuid_format(client_id(m), who),
		    heir);
	client_remove(e, m, true);
}

/*
 * The client's record for the authorization. One with other addresses than
 * before is another client under the same id (firezone-policy(7), State of a
 * client).
 */
static struct client *
client_for(struct engine *e, struct mono now, const struct ipc_authorization *a)
{
	struct client *m = client_find(e, &a->client);
	char heir[UUID_TEXT_LEN + 1];

	if (m != NULL &&
	    !grants_have_addresses(m->grants, &a->client_v4, &a->client_v6)) {
		client_remove(e, m, false);
		m = NULL;
	}
	if (m != NULL)
		return m;
	uuid_format(&a->client, heir);
	free_address(e, now, &a->client_v4, heir);
	free_address(e, now, &a->client_v6, heir);
	return client_add(e, a);
}

/* NULL, or what is wrong with it before the client is touched. */
static const char *
authorization_fault(struct engine *e, const struct ipc_authorization *a)
{
	if (e->own_v4.family == IP_NONE && e->own_v6.family == IP_NONE)
		return "the portal has not told our own addresses";
	if (a->client_v4.family != IP_V4 || a->client_v6.family != IP_V6 ||
	    !ip_in_tunnel_range(&a->client_v4) ||
	    !ip_in_tunnel_range(&a->client_v6))
		return "the client's address is outside the tunnel range";
	if (ip_equal(&a->client_v4, &e->own_v4) ||
	    ip_equal(&a->client_v6, &e->own_v6))
		return "the client's address is our own";
	if (!make_room_for_client(e, a))
		return "there are too many clients";
	return NULL;
}

static void
log_authorization_refused(struct engine *e, struct mono now, const char *why)
{
	uint32_t held;

	if (log_allow(&e->portal_log, now.ns, &held))
		log_warnx("an authorization of the portal is refused: %s", why);
}

static bool
authorize_client(
    struct engine *e, struct mono now, const struct ipc_authorization *a)
{
	const char *why = authorization_fault(e, a);
	struct client *m;

	if (why != NULL) {
		log_authorization_refused(e, now, why);
		return false;
	}
	if ((m = client_for(e, now, a)) == NULL)
		return false;
	if (a->kind != AUTHORIZATION_ACCESS) {
		if (connection_upsert(e, now, a, m) == NULL) {
			if (grants_count(m->grants) == 0)
				client_remove(e, m, false);
			return false;
		}
		client_set_older(m, a->kind == AUTHORIZATION_CONNECTION);
	}
	switch (add_grant(e, m, a)) {
	case GRANT_INVALID:
	case GRANT_NO_MEMORY:
		log_authorization_refused(
		    e, now, "it is none, or too much of it");
		if (grants_count(m->grants) == 0 &&
		    a->kind != AUTHORIZATION_ACCESS)
			client_remove(e, m, true);
		else
			grants_changed(e, m);
		return false;
	case GRANT_TYPE_CONFLICT:
		log_error("the portal changed the type of a resource a client "
			  "holds: only its expiry is taken over");
		break;
	case GRANT_NEW:
		log_grant("access granted", &a->client, &a->resource);
		break;
	case GRANT_UPDATED:
		break;
	}
	grants_changed(e, m);
	return true;
}

void
engine_authorization(
    struct engine *e, struct mono now, const struct ipc_authorization *a)
{
	/*
	 * The answer goes out before the candidates: firezone-tunnel(7),
	 * Signalling.
	 */
	if (authorize_client(e, now, a))
		e->host->acknowledged(e->host->ctx, a->serial);
	else
		e->host->refused(e->host->ctx, a->serial);
}

void
engine_revocation(struct engine *e, const struct ipc_revocation *r)
{
	struct client *m = client_find(e, &r->client);
	const struct grant *g =
	    m == NULL ? NULL : grants_find(m->grants, &r->resource);

	if (g != NULL)
		ended_grants_note(e, m, g, GRANT_END_REVOKED);
	if (m != NULL && grants_revoke(m->grants, &r->resource)) {
		log_grant("access revoked", &r->client, &r->resource);
		grants_changed(e, m);
	}
}

void
engine_grant_expiry(struct engine *e, const struct ipc_grant_expiry *x)
{
	struct client *m = client_find(e, &x->client);

	if (m != NULL &&
	    grants_set_expiry(m->grants, &x->resource, x->expires_at,
		grants_expiry_from_unix(x->expires_at, &e->clock.last)))
		client_watch_expiry(e, m);
}

void
engine_resource_update(struct engine *e, const struct ipc_resource_update *u)
{
	struct holder *one = holders_first(&e->holders, &u->resource);

	while (one != NULL) {
		struct client *m = one->client;

		/* What changes may be the end of the grant or the client. */
		one = holders_next(one);
		if (grants_update_filters(m->grants, &u->resource,
			(enum resource_type)u->type, u->filters,
			u->filters_count))
			grants_changed(e, m);
	}
}

void
engine_interface(
    struct engine *e, struct mono now, const struct ipc_interface *i)
{
	struct client *m, *next;

	if (ip_equal(&e->own_v4, &i->v4) && ip_equal(&e->own_v6, &i->v6))
		return;
	e->own_v4 = i->v4;
	e->own_v6 = i->v6;
	free_address(e, now, &i->v4, "us");
	free_address(e, now, &i->v6, "us");
	RB_FOREACH_SAFE(m, client_tree, &e->clients, next)
		client_enforce(e, m);
}

void
engine_site_networks(struct engine *e, const struct site_networks *site)
{
	struct client *m, *next;

	if (site_networks_equal(&e->site, site))
		return;
	e->site = *site;
	RB_FOREACH_SAFE(m, client_tree, &e->clients, next)
		if (grants_have_internet(m->grants))
			client_enforce(e, m);
}

static void
copy_addresses(struct ip_address *to, size_t *to_count,
    const struct ip_address *from, size_t count)
{
	memcpy(to, from, count * sizeof(*to));
	*to_count = count;
}

/* It is rare: no more than one an interval and server. */
void
engine_probed(struct engine *e, const struct ipc_probed *m)
{
	struct client *c, *next;

	copy_addresses(e->probed.answering, &e->probed.answering_count,
	    m->answering, m->answering_count);
	copy_addresses(e->probed.silent, &e->probed.silent_count, m->silent,
	    m->silent_count);
	if (m->silent_count == 0)
		log_info("no resource is withdrawn: their servers answer");
	else
		log_info("%u of %u servers are silent: resources that have no "
			 "other are withdrawn",
		    m->silent_count, m->silent_count + m->answering_count);
	RB_FOREACH_SAFE(c, client_tree, &e->clients, next)
		client_enforce(e, c);
}

/* The snapshot: begin, entries, commit (firezone-policy(7), Snapshot). */

static int
compare_entries(const void *a, const void *b)
{
	const struct snapshot_entry *x = a, *y = b;
	int order = uuid_compare(&x->client, &y->client);

	return order != 0 ? order : uuid_compare(&x->resource, &y->resource);
}

void
engine_grants_begin(struct engine *e)
{
	e->snapshot_count = 0;
	e->snapshot_open = true;
	e->snapshot_short = false;
}

static bool
make_room_in_snapshot(struct engine *e)
{
	size_t size = e->snapshot_size == 0 ? 64 : e->snapshot_size * 2;
	struct snapshot_entry *more;

	if (e->snapshot_count < e->snapshot_size)
		return true;
	if (size > GRANTS_LIST_MAX)
		return false;
	more = reallocarray(e->snapshot, size, sizeof(*more));
	if (more == NULL)
		return false;
	e->snapshot = more;
	e->snapshot_size = size;
	return true;
}

/* What is missing from the list is revoked: it fails closed. */
void
engine_grants_entry(struct engine *e, const struct ipc_grants_entry *entry)
{
	if (!e->snapshot_open)
		return;
	if (!make_room_in_snapshot(e)) {
		e->snapshot_short = true;
		return;
	}
	e->snapshot[e->snapshot_count++] = (struct snapshot_entry){
		.client = entry->client,
		.resource = entry->resource,
		.expires_at = entry->expires_at,
		.keeps_expiry = entry->keeps_expiry,
	};
}

/* The client's grants become those of the snapshot; true when any changed. */
static bool
reconcile_grants(struct engine *e, struct client *m)
{
	struct snapshot_entry key = { .client = *client_id(m) };
	const struct grant *g;
	bool any = false;

	for (size_t i = 0; (g = grants_get(m->grants, i)) != NULL;) {
		const struct snapshot_entry *found;

		key.resource = g->resource;
		found = e->snapshot_count == 0
		    ? NULL
		    : bsearch(&key, e->snapshot, e->snapshot_count, sizeof(key),
			  compare_entries);
		if (found != NULL) {
			if (!found->keeps_expiry)
				grants_set_expiry(m->grants, &key.resource,
				    found->expires_at,
				    grants_expiry_from_unix(
					found->expires_at, &e->clock.last));
			i++;
			continue;
		}
		ended_grants_note(e, m, g, GRANT_END_REVOKED);
		grants_revoke(m->grants, &key.resource);
		log_grant("access revoked by the portal's list", &key.client,
		    &key.resource);
		any = true;
	}
	client_watch_expiry(e, m);
	return any;
}

void
engine_grants_commit(struct engine *e)
{
	struct client *m, *next;

	if (!e->snapshot_open)
		return;
	e->snapshot_open = false;
	if (e->snapshot_short)
		log_error("the portal's list of grants is too long: some are "
			  "revoked");
	sort(e->snapshot, e->snapshot_count, sizeof(*e->snapshot),
	    compare_entries);
	RB_FOREACH_SAFE(m, client_tree, &e->clients, next)
		if (reconcile_grants(e, m))
			grants_changed(e, m);
}

/* Expiry. */

static void
note_expired_grants(struct engine *e, const struct client *m, struct mono now)
{
	const struct grant *g;

	for (size_t i = 0; (g = grants_get(m->grants, i)) != NULL; i++)
		if (mono_due(g->expires, now))
			ended_grants_note(e, m, g, GRANT_END_EXPIRED);
}

void
clients_timeout(struct engine *e, struct mono now)
{
	struct client *m;

	while ((m = deadlines_take(&e->names_due, now)) != NULL)
		client_enforce_names(e, now, m, NULL);
	while ((m = deadlines_take(&e->expiries, now)) != NULL) {
		struct uuid gone;
		bool any = false;

		note_expired_grants(e, m, now);
		while (grants_expire(m->grants, now, &gone)) {
			log_grant("access expired", client_id(m), &gone);
			e->counters->grants_expired++;
			any = true;
		}
		client_watch_expiry(e, m);
		if (any)
			grants_changed(e, m);
	}
}

void
clients_clock_was_set(struct engine *e)
{
	struct client *m;

	RB_FOREACH(m, client_tree, &e->clients) {
		grants_clock_was_set(m->grants, &e->clock.last);
		client_watch_expiry(e, m);
	}
}
