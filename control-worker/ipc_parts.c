/*
 * What the parts of control-worker ask of the process around them, as worker.h
 * hands it out: what becomes a message to the parent or to net-worker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/drain.h"
#include "common/log.h"
#include "control-worker/worker.h"

/* Times that many of a dead net-worker: more than its socket holds. */
#define LEFT_BEHIND_MAX 64

/*
 * Messages that may wait for net-worker before the portal has to wait: of the
 * longest ones half of what the channel takes, the rest being one frame's.
 */
#define NET_BACKLOG_MAX 128

/* The results of the portal's messages. */

/* What came of a message to net-worker: the result of its ipc_send. */
static void
check_sent(struct control_worker *w, int r)
{
	if (r == 0)
		return;
	if (errno == EPIPE)
		w->net_closed = true;
	else if (errno == ENOBUFS)
		ipc_control_fatal(
		    w, 1, "net-worker does not read its messages");
	else
		log_warnx("a message does not fit its bounds");
}

#define FORWARD(name)                                               \
	static void forward_##name(void *ctx, struct ipc_##name *m) \
	{                                                           \
		struct control_worker *w = ctx;                     \
                                                                    \
		if (!w->net_closed)                                 \
			check_sent(w, ipc_send_##name(w->net, m));  \
	}

FORWARD(interface)
FORWARD(relays_begin)
FORWARD(relay_removed)
FORWARD(relay_present)
FORWARD(relays_commit)
FORWARD(connection_drop)
FORWARD(grant_expiry)
FORWARD(grants_begin)
FORWARD(grants_entry)
FORWARD(grants_commit)
FORWARD(resource_update)
FORWARD(remote_candidates)

/*
 * A client as a log line has it: with the name of its user, where that is
 * known, and the id that net-worker's lines have.
 */
#define CLIENT_TEXT_MAX (WHO_MAX + sizeof(" (client )") + UUID_TEXT_LEN)

static const char *
format_client(const struct control_worker *w, const struct uuid *client,
    char to[CLIENT_TEXT_MAX])
{
	char id[UUID_TEXT_LEN + 1], who[WHO_MAX + 1];

	uuid_format(client, id);
	if (directory_who(w->directory, client, who)[0] == '\0')
		snprintf(to, CLIENT_TEXT_MAX, "client %s", id);
	else
		snprintf(to, CLIENT_TEXT_MAX, "%s (client %s)", who, id);
	return to;
}

/* Who may go where by these ids; net-worker, who grants it, knows no names. */
static void
log_access(struct control_worker *w, const char *what,
    const struct uuid *client, const struct uuid *resource)
{
	const char *name = directory_resource(w->directory, resource);
	char who[WHO_MAX + 1], id[UUID_TEXT_LEN + 1],
	    resource_id[UUID_TEXT_LEN + 1];
	uint32_t held;

	directory_who(w->directory, client, who);
	if ((who[0] == '\0' && name == NULL) ||
	    !log_allow(&w->access_log, mono_now().ns, &held))
		return;
	log_info("%s: %s -> %s (client %s, resource %s)", what,
	    who[0] == '\0' ? "?" : who, name == NULL ? "?" : name,
	    uuid_format(client, id), uuid_format(resource, resource_id));
}

/* An address of the client that is the host's network's, too. */
static void
warn_of_overlap(const struct control_worker *w,
    const struct ipc_authorization *m, const struct ip_address *ip)
{
	const struct ip_prefix *network =
	    overlaps_find(&w->situation.overlaps, ip);
	char who[CLIENT_TEXT_MAX], to[ENDPOINT_TEXT_MAX], text[PREFIX_TEXT_MAX];

	if (network != NULL)
		log_warnx("%s cannot be reached at its address %s: it "
			  "lies in the host's network %s",
		    format_client(w, &m->client, who), ip_format(ip, to),
		    prefix_format(network, text));
}

/*
 * Flows without an ingest token, which older portals do not send, are followed
 * for the flow log: under what is no authorization of the spool's.
 */
static void
follow_flows(const struct control_worker *w, struct ipc_authorization *m)
{
	static const struct uuid none;

	if (w->flow.sink.kind != FLOW_SINK_NONE &&
	    uuid_equal(&m->flow_authorization, &none))
		m->flow_authorization = m->resource;
}

static void
forward_authorization(void *ctx, struct ipc_authorization *m)
{
	struct control_worker *w = ctx;

	log_access(w, "authorized", &m->client, &m->resource);
	follow_flows(w, m);
	warn_of_overlap(w, m, &m->client_v4);
	warn_of_overlap(w, m, &m->client_v6);
	if (!w->net_closed)
		check_sent(w, ipc_send_authorization(w->net, m));
}

static void
forward_revocation(void *ctx, struct ipc_revocation *m)
{
	struct control_worker *w = ctx;

	log_access(w, "revoked", &m->client, &m->resource);
	if (!w->net_closed)
		check_sent(w, ipc_send_revocation(w->net, m));
}

/* Before the authorization that they belong to, so that its line has them. */
static void
remember_client(void *ctx, const struct client_description *d)
{
	struct control_worker *w = ctx;

	directory_learn_client(w->directory, d);
}

static void
remember_resource(void *ctx, const struct resource_description *d)
{
	struct control_worker *w = ctx;

	directory_learn_resource(w->directory, d);
}

/*
 * What clients want may be left out, so that it never takes the room of what
 * the portal says: those since 1.4 want it again. What others want is asked
 * for when there is room.
 */
#define OFFER(name)                                                     \
	static bool offer_##name(void *ctx, const struct ipc_##name *m) \
	{                                                               \
		struct control_worker *w = ctx;                         \
                                                                        \
		return !w->net_closed &&                                \
		    ipc_backlog(w->net) < NET_BACKLOG_MAX &&            \
		    ipc_send_##name(w->net, m) == 0;                    \
	}

OFFER(assignment)
OFFER(name_resolved)
OFFER(peer_message)

/* Asked before more is sent; if there is none, on_net() says when there is. */
static bool
has_room_below(struct control_worker *w, size_t backlog)
{
	if (ipc_backlog(w->net) < backlog)
		return true;
	w->net_was_full = true;
	return false;
}

static bool
net_queue_has_room(void *ctx)
{
	return has_room_below(ctx, NET_BACKLOG_MAX);
}

/* They never take what the portal needs to go on at all. */
static bool
has_room_for_names(void *ctx)
{
	return has_room_below(ctx, NET_BACKLOG_MAX / 2);
}

static struct mono
clock_of_names(void *ctx)
{
	(void)ctx;
	return mono_now();
}

/* Names that the portal was told of. */

static bool
begin_names(void *ctx, uint64_t serial, const struct name_proxies *names)
{
	struct control_worker *w = ctx;

	return assignments_begin(w->assignments, serial, names);
}

static void
on_named(void *ctx, uint64_t serial, bool installed)
{
	struct control_worker *w = ctx;

	portal_named(w->connection, mono_now(), serial, installed);
}

struct assignments_host
ipc_control_names(struct control_worker *w)
{
	return (struct assignments_host){
		.ctx = w,
		.ask = offer_assignment,
		.resolved = offer_name_resolved,
		.say = offer_peer_message,
		.has_room = has_room_for_names,
		.now = clock_of_names,
		.done = on_named,
	};
}

static struct lookup *
look_name_up(void *resolver, const char *name, lookup_done done, void *ctx)
{
	return resolver_lookup(resolver, name, done, ctx);
}

static struct lookup *
look_name_up_cached(
    void *resolver, const char *name, lookup_done done, void *ctx)
{
	return resolver_lookup_cached(resolver, name, done, ctx);
}

struct lookups
ipc_control_lookups(struct control_worker *w, bool cached)
{
	return (struct lookups){
		.resolver = w->resolver,
		.start = cached ? look_name_up_cached : look_name_up,
		.cancel = lookup_cancel,
	};
}

static struct dns_check *
check_dns_servers(
    void *resolver, const char *name, dns_check_done done, void *ctx)
{
	return dns_check_start(resolver, name, done, ctx);
}

struct dns_checker
ipc_control_dns_checker(struct control_worker *w)
{
	return (struct dns_checker){
		.resolver = w->resolver,
		.start = check_dns_servers,
		.cancel = dns_check_cancel,
	};
}

/* What the parent's packet filter has to let through; see egress.h. */

static void
send_egress(void *ctx, const struct ipc_egress *m)
{
	struct control_worker *w = ctx;

	if (ipc_send_egress(w->parent, m) == -1)
		fatal("the parent does not take our messages");
}

static void
send_resolvers(void *ctx, const struct ipc_resolvers *m)
{
	struct control_worker *w = ctx;

	if (ipc_send_resolvers(w->parent, m) == -1)
		fatal("the parent does not take our messages");
}

/* What it does not take it is told at the next attempt. */
static void
send_private_hosts(void *ctx, const struct ipc_private_hosts *m)
{
	struct control_worker *w = ctx;

	(void)ipc_send_private_hosts(w->parent, m);
}

static void
use_resolv_conf(
    void *ctx, const char *text, size_t len, const struct resolv_conf *conf)
{
	struct control_worker *w = ctx;

	resolver_set_resolv_conf(w->resolver, text, len);
	dns_server_set_servers(w->dns, conf);
}

struct egress_host
ipc_control_egress(struct control_worker *w)
{
	return (struct egress_host){
		.ctx = w,
		.egress = send_egress,
		.resolvers = send_resolvers,
		.private_hosts = send_private_hosts,
		.use = use_resolv_conf,
	};
}

static void
configure_tun(void *ctx, struct ipc_tun_configure *m)
{
	struct control_worker *w = ctx;

	w->situation.v4 = m->v4;
	w->situation.v6 = m->v6;
	if (ipc_send_tun_configure(w->parent, m) == -1)
		fatal("the parent does not take our messages");
}

static void
show_online(void *ctx, bool online, unsigned generation)
{
	struct control_worker *w = ctx;

	/* Looking in is no news. */
	w->situation.connected +=
	    online && !w->situation.online && !w->situation.draining;
	w->situation.online = online;
	w->situation.generation = generation;
	w->situation.since = (uint64_t)time(NULL);
	setproctitle("control-worker [%s %s]", online ? "online" : "connecting",
	    w->host);
}

static void
count_dropped(void *ctx, enum portal_drop kind)
{
	struct control_worker *w = ctx;

	switch (kind) {
	case PORTAL_DROP_WRONG:
		w->situation.portal_wrong++;
		break;
	case PORTAL_DROP_UNKNOWN:
		w->situation.portal_unknown++;
		break;
	case PORTAL_DROP_FOREIGN:
		w->situation.portal_foreign++;
		break;
	}
}

static void
compare_clocks(void *ctx, const struct portal_date *date)
{
	struct control_worker *w = ctx;

	portal_clock_compare(&w->situation.clock, date);
}

bool
ipc_control_ask(void *ctx, const struct ipc_query *q)
{
	struct control_worker *w = ctx;

	return w->situation.process[IPC_NET].running && !w->net_closed &&
	    ipc_send_query(w->net, q) == 0;
}

void
ipc_control_traffic(void *ctx)
{
	const struct control_worker *w = ctx;

	http_refreshed(w->http);
}

bool
ipc_control_explain(void *ctx, const struct ipc_explain *m)
{
	struct control_worker *w = ctx;

	return w->situation.process[IPC_NET].running && !w->net_closed &&
	    ipc_send_explain(w->net, m) == 0;
}

/* For clients and monitoring, from now on; the portal is the last to know. */
static void
apply_drain(struct control_worker *w, uint32_t within)
{
	w->situation.draining = within > 0;
	w->situation.drain_ends_at = (uint64_t)time(NULL) + within;
	w->drain = (struct drain_watch){ 0 };
	portal_set_away(w->connection, mono_now(), within > 0);
}

bool
ipc_control_drain(void *ctx, uint32_t within)
{
	struct control_worker *w = ctx;
	const struct ipc_drain m = {
		.order = within > 0 ? DRAIN_BEGIN : DRAIN_CANCEL,
		.within = within,
	};

	if (ipc_send_drain(w->parent, &m) == -1)
		return false;
	apply_drain(w, within);
	return true;
}

void
ipc_control_draining(struct control_worker *w)
{
	if (w->drain_left > 0)
		apply_drain(w, w->drain_left);
}

void
ipc_control_look_at_drain(struct control_worker *w)
{
	const struct ipc_drain m = { .order = DRAIN_DONE };

	/* What is not taken is said again. */
	if (drain_is_done(&w->drain, &w->situation, mono_now()))
		(void)ipc_send_drain(w->parent, &m);
}

bool
ipc_control_log_level(void *ctx, enum log_level level)
{
	struct control_worker *w = ctx;
	const struct ipc_log_level m = { .level = (uint8_t)level };

	if (ipc_send_log_level(w->parent, &m) == -1)
		return false;
	log_set_level(level);
	return true;
}

/*
 * One of which nothing is known yet may answer: net-worker, if it is older than
 * us, knows better until it is.
 */
void
ipc_control_probed(void *ctx)
{
	struct control_worker *w = ctx;
	const struct probe_results *all = &w->situation.probes;
	struct ipc_probed m = { 0 };

	if (!w->probing.withdraw || w->net_closed || !ipc_is_running(w->net) ||
	    !probe_results_all_known(all))
		return;
	for (size_t i = 0; i < all->count; i++)
		if (all->of[i].answers)
			m.answering[m.answering_count++] = all->of[i].server.ip;
		else
			m.silent[m.silent_count++] = all->of[i].server.ip;
	check_sent(w, ipc_send_probed(w->net, &m));
}

static void
on_fatal(void *ctx, const char *reason)
{
	ipc_control_fatal(ctx, 1, reason);
}

/* Flow logs; see flow/control.h. */

static void
forward_flow_settings(void *ctx, const struct json_value *v)
{
	struct control_worker *w = ctx;

	flow_control_settings(&w->flow, v);
}

static bool
offer_flow_token(void *ctx, const char *jwt, size_t len, struct uuid *id)
{
	struct control_worker *w = ctx;

	return flow_control_token(&w->flow, jwt, len, id);
}

static void
send_flow_settings(void *ctx, const struct ipc_flow_settings *m)
{
	struct control_worker *w = ctx;

	if (!w->net_closed)
		check_sent(w, ipc_send_flow_settings(w->net, m));
}

static bool
send_flow_stored(void *ctx, const struct ipc_flow_stored *m)
{
	struct control_worker *w = ctx;

	return !w->net_closed && ipc_send_flow_stored(w->net, m) == 0;
}

static void
read_rest_of_net(void *ctx)
{
	struct control_worker *w = ctx;

	for (int i = 0; i < LEFT_BEHIND_MAX && !w->net_closed; i++)
		ipc_control_read(w, w->net);
}

static void
stop_when_flushed(void *ctx)
{
	struct control_worker *w = ctx;

	if (w->portal_closed && flow_control_is_done(&w->flow))
		w->stop = true;
}

struct flow_control_host
ipc_control_flows(struct control_worker *w)
{
	return (struct flow_control_host){
		.ctx = w,
		.settings = send_flow_settings,
		.stored = send_flow_stored,
		.read_rest = read_rest_of_net,
		.done = stop_when_flushed,
	};
}

static void
on_portal_closed(void *ctx)
{
	struct control_worker *w = ctx;

	w->portal_closed = true;
	stop_when_flushed(w);
}

struct portal_events
ipc_control_events(void)
{
	return (struct portal_events) {
		.to = {
			.interface = forward_interface,
			.relays_begin = forward_relays_begin,
			.relay_removed = forward_relay_removed,
			.relay_present = forward_relay_present,
			.relays_commit = forward_relays_commit,
			.authorization = forward_authorization,
			.revocation = forward_revocation,
			.connection_drop = forward_connection_drop,
			.grant_expiry = forward_grant_expiry,
			.grants_begin = forward_grants_begin,
			.grants_entry = forward_grants_entry,
			.grants_commit = forward_grants_commit,
			.resource_update = forward_resource_update,
			.remote_candidates = forward_remote_candidates,
			.tun_configure = configure_tun,
		},
		.flow_settings = forward_flow_settings,
		.flow_token = offer_flow_token,
		.described = { remember_client, remember_resource },
		.names = begin_names,
		.has_room = net_queue_has_room,
		.online = show_online,
		.date = compare_clocks,
		.dropped = count_dropped,
		.fatal = on_fatal,
		.closed = on_portal_closed,
	};
}
