/*
 * Both channels of control-worker: what the parent and net-worker say, and
 * what they are told. ipc.def is the table.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "control-worker/worker.h"

#define MESSAGES_AT_ONCE 256
/* Times that many of a dead net-worker: more than its socket holds. */
#define LEFT_BEHIND_MAX 64

/*
 * Messages that may wait for net-worker before the portal has to wait: of the
 * longest ones half of what the channel takes, the rest being one frame's.
 */
#define NET_BACKLOG_MAX 128

#define CA_BUNDLE_MAX   (4 * 1024 * 1024)
#define RESOLV_CONF_MAX 65536
#define HOSTS_MAX       (1024 * 1024)

/*
 * The whole file, whatever offset the descriptor has; NULL when it cannot be
 * read or is too long.
 */
static char *
read_file(int fd, size_t max, size_t *len)
{
	char *text = malloc(max + 1);
	ssize_t n = 0;

	*len = 0;
	while (text != NULL && *len <= max &&
	    (n = pread(fd, text + *len, max + 1 - *len, (off_t)*len)) > 0)
		*len += (size_t)n;
	if (n == -1 || *len > max) {
		free(text);
		return NULL;
	}
	return text;
}

/* The parent. */

static void
on_identity(void *ctx, struct ipc_control_identity *m)
{
	struct control_worker *w = ctx;

	w->identity = *m;
}

static void
on_token(void *ctx, struct ipc_control_token *m)
{
	struct control_worker *w = ctx;

	memcpy(w->token, m->token, sizeof(w->token));
}

static void
on_ca_bundle(void *ctx, struct ipc_control_ca_bundle *m)
{
	struct control_worker *w = ctx;

	w->ca = read_file(m->fd, CA_BUNDLE_MAX, &w->ca_len);
	if (w->ca == NULL)
		fatalx("the bundle of trusted certificates cannot be read");
}

static void
on_resolv_conf(void *ctx, struct ipc_control_resolv_conf *m)
{
	struct control_worker *w = ctx;
	size_t len;
	char *text = read_file(m->fd, RESOLV_CONF_MAX, &len);

	if (text == NULL)
		log_warnx("resolv.conf cannot be read");
	else
		egress_resolv_conf(
		    &w->egress, text, len, ipc_is_running(w->parent));
}

static void
on_egress_open(void *ctx, struct ipc_egress_open *m)
{
	struct control_worker *w = ctx;

	(void)m;
	egress_is_open(&w->egress);
}

static void
on_hosts(void *ctx, struct ipc_control_hosts *m)
{
	struct control_worker *w = ctx;
	size_t len;
	char *text = read_file(m->fd, HOSTS_MAX, &len);

	if (text == NULL)
		log_warnx("the hosts file cannot be read");
	else
		resolver_set_hosts(w->resolver, text, len);
	free(text);
}

static void
on_peer(void *ctx, struct ipc_control_peer *m)
{
	struct control_worker *w = ctx;

	w->net = ipc_open(m->fd, IPC_CONTROL, IPC_NET);
	if (w->net == NULL)
		fatalx("no memory");
	m->fd = -1; /* the channel's now */
	w->epoch = m->epoch;
	ipc_set_epoch(w->net, w->epoch);
}

/* Its public key, which follows, makes us join the portal again. */
static void
on_net_started(void *ctx, struct ipc_net_started *m)
{
	struct control_worker *w = ctx;

	if (w->net == NULL || m->epoch == 0 || m->epoch == w->epoch)
		fatalx("the parent announced no new epoch");
	w->epoch = m->epoch;
	ipc_set_epoch(w->net, w->epoch);
	w->net_closed = false;
	if (w->assignments != NULL)
		assignments_forget(w->assignments);
	flow_control_forget(&w->flow);
	log_debug("net-worker is a new process");
}

static void
on_counters(void *ctx, struct ipc_control_counters *m)
{
	struct control_worker *w = ctx;
	const size_t size = sizeof(struct counter_page);
	struct stat st;
	void *page;

	if (fstat(m->fd, &st) == -1 || st.st_size != (off_t)size)
		fatalx("the parent handed over no counter page");
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, m->fd, 0);
	if (page == MAP_FAILED)
		fatal("cannot map the counter page");
	w->situation.counters = page;
}

static void
on_health(void *ctx, struct ipc_control_health *m)
{
	struct control_worker *w = ctx;

	w->health_fd = m->fd;
	m->fd = -1;
}

static void
on_ctl(void *ctx, struct ipc_control_ctl *m)
{
	struct control_worker *w = ctx;

	w->ctl_fd = m->fd;
	w->ctl_uid = m->uid;
	w->ctl_gid = m->gid;
	m->fd = -1;
}

static void
on_flow_logs(void *ctx, struct ipc_control_flow_logs *m)
{
	struct control_worker *w = ctx;

	w->flow_logs = *m;
}

static void
on_process_status(void *ctx, struct ipc_process_status *m)
{
	struct control_worker *w = ctx;

	w->situation.process[m->process] = *m;
	flow_control_net_changed(
	    &w->flow, w->situation.process[IPC_NET].running);
}

static void
on_network_trouble(void *ctx, struct ipc_network_trouble *m)
{
	struct control_worker *w = ctx;

	w->situation.trouble = *m;
}

static void
on_overlaps_begin(void *ctx, struct ipc_overlaps_begin *m)
{
	struct control_worker *w = ctx;

	(void)m;
	w->situation.overlaps.count = 0;
}

static void
on_overlap(void *ctx, struct ipc_overlap *m)
{
	struct control_worker *w = ctx;

	overlaps_add(&w->situation.overlaps, &m->network);
}

static void
on_start(void *ctx, struct ipc_control_start *m)
{
	struct control_worker *w = ctx;

	(void)m;
	w->start = true;
}

static void
on_tun_configured(void *ctx, struct ipc_tun_configured *m)
{
	struct control_worker *w = ctx;

	w->situation.has_v4 = m->v4;
	w->situation.has_v6 = m->v6;
	log_info("tunnel configured:%s%s", m->v4 ? " IPv4" : "",
	    m->v6 ? " IPv6" : "");
	if (!m->v4)
		dns_server_close(w->dns, IP_V4);
	if (!m->v6)
		dns_server_close(w->dns, IP_V6);
}

static void
on_dns_listener(void *ctx, struct ipc_dns_listener *m)
{
	struct control_worker *w = ctx;

	if (m->family != IP_V4 && m->family != IP_V6)
		fatalx("the parent handed over a listener of no family");
	dns_server_listen(w->dns, (enum ip_family)m->family, m->tcp, m->fd);
	m->fd = -1;
}

static void
on_shutdown(void *ctx, struct ipc_control_shutdown *m)
{
	struct control_worker *w = ctx;

	(void)m;
	flow_control_end(&w->flow, w->situation.process[IPC_NET].running);
	portal_shutdown(w->connection, mono_now());
}

static const struct ipc_handlers parent_handlers = {
	.control_identity = on_identity,
	.control_token = on_token,
	.control_ca_bundle = on_ca_bundle,
	.control_resolv_conf = on_resolv_conf,
	.control_hosts = on_hosts,
	.control_peer = on_peer,
	.net_started = on_net_started,
	.control_counters = on_counters,
	.control_health = on_health,
	.control_ctl = on_ctl,
	.control_flow_logs = on_flow_logs,
	.process_status = on_process_status,
	.network_trouble = on_network_trouble,
	.overlaps_begin = on_overlaps_begin,
	.overlap = on_overlap,
	.control_start = on_start,
	.tun_configured = on_tun_configured,
	.dns_listener = on_dns_listener,
	.egress_open = on_egress_open,
	.control_shutdown = on_shutdown,
};

/* net-worker. */

static void
on_public_key(void *ctx, struct ipc_public_key *m)
{
	struct control_worker *w = ctx;

	portal_set_key(w->connection, mono_now(), m->public_key);
}

static void
on_acknowledged(void *ctx, struct ipc_acknowledged *m)
{
	struct control_worker *w = ctx;

	portal_acknowledge(w->connection, mono_now(), m->serial);
}

static void
on_refused(void *ctx, struct ipc_refused *m)
{
	struct control_worker *w = ctx;

	portal_refuse(w->connection, m->serial);
}

static void
on_local_candidates(void *ctx, struct ipc_local_candidates *m)
{
	struct control_worker *w = ctx;

	portal_candidates(
	    w->connection, mono_now(), &m->client, m->withdrawn, m->lines);
}

static void
on_connection_closed(void *ctx, struct ipc_connection_closed *m)
{
	struct control_worker *w = ctx;

	portal_client_gone(w->connection, &m->client);
}

static void
on_no_relays(void *ctx, struct ipc_no_relays *m)
{
	struct control_worker *w = ctx;

	(void)m;
	portal_no_relays(w->connection, mono_now());
}

static void
on_peer_event(void *ctx, struct ipc_peer_event *m)
{
	struct control_worker *w = ctx;

	assignments_event(w->assignments, m);
}

static void
on_assignment_answer(void *ctx, struct ipc_assignment_answer *m)
{
	struct control_worker *w = ctx;

	assignments_answer(w->assignments, m);
}

static void
on_flow(void *ctx, struct ipc_flow *m)
{
	struct control_worker *w = ctx;

	flow_control_report(&w->flow, m);
}

static void
on_query_client(void *ctx, struct ipc_query_client *m)
{
	struct control_worker *w = ctx;

	ctl_client(w->ctl, m);
}

static void
on_query_relay(void *ctx, struct ipc_query_relay *m)
{
	struct control_worker *w = ctx;

	ctl_relay(w->ctl, m);
}

static void
on_query_end(void *ctx, struct ipc_query_end *m)
{
	struct control_worker *w = ctx;

	ctl_query_end(w->ctl, m);
}

static const struct ipc_handlers net_handlers = {
	.public_key = on_public_key,
	.acknowledged = on_acknowledged,
	.refused = on_refused,
	.local_candidates = on_local_candidates,
	.connection_closed = on_connection_closed,
	.no_relays = on_no_relays,
	.peer_event = on_peer_event,
	.assignment_answer = on_assignment_answer,
	.flow = on_flow,
	.query_client = on_query_client,
	.query_relay = on_query_relay,
	.query_end = on_query_end,
};

/* net-worker is not listened to any more; the parent ends it. */
static void
accuse(struct control_worker *w)
{
	struct ipc_control_accuses m = { .epoch = w->epoch };

	strlcpy(m.what, ipc_violation(w->net), sizeof(m.what));
	if (ipc_send_control_accuses(w->parent, &m) == -1)
		fatalx("%s", m.what);
}

static enum ipc_result
dispatch_net(struct control_worker *w)
{
	enum ipc_result r;

	if (w->net_closed)
		return IPC_EMPTY;
	r = ipc_dispatch(w->net, &net_handlers, w);
	if (r != IPC_EARLY)
		return r;
	/* If it is a new process, that has been announced already. */
	ipc_control_read(w, w->parent);
	return ipc_dispatch(w->net, &net_handlers, w);
}

void
ipc_control_read(struct control_worker *w, struct ipc_channel *ch)
{
	bool is_parent = ch == w->parent;
	enum ipc_result r = IPC_HANDLED;

	for (int i = 0; i < MESSAGES_AT_ONCE && r == IPC_HANDLED; i++)
		r = is_parent ? ipc_dispatch(ch, &parent_handlers, w)
			      : dispatch_net(w);
	if (!is_parent)
		flow_control_acknowledge(&w->flow);
	if (r == IPC_HANDLED || r == IPC_EMPTY)
		return;
	if (is_parent)
		fatalx("%s",
		    r == IPC_CLOSED ? "the parent is gone" : ipc_violation(ch));
	/* What follows from it is the parent's decision. */
	w->net_closed = true;
	if (r == IPC_VIOLATION)
		accuse(w);
}

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
FORWARD(revocation)
FORWARD(grants_begin)
FORWARD(grants_entry)
FORWARD(grants_commit)
FORWARD(resource_update)
FORWARD(remote_candidates)

/* An address of the client that is the host's network's, too. */
static void
warn_of_overlap(const struct control_worker *w,
    const struct ipc_authorization *m, const struct ip_address *ip)
{
	const struct ip_prefix *network =
	    overlaps_find(&w->situation.overlaps, ip);
	char id[UUID_TEXT_LEN + 1], to[ENDPOINT_TEXT_MAX],
	    text[PREFIX_TEXT_MAX];

	if (network != NULL)
		log_warnx("client %s cannot be reached at its address %s: it "
			  "lies in the host's network %s",
		    uuid_format(&m->client, id), ip_format(ip, to),
		    prefix_format(network, text));
}

static void
forward_authorization(void *ctx, struct ipc_authorization *m)
{
	struct control_worker *w = ctx;

	warn_of_overlap(w, m, &m->client_v4);
	warn_of_overlap(w, m, &m->client_v6);
	if (!w->net_closed)
		check_sent(w, ipc_send_authorization(w->net, m));
}

/*
 * What clients want may be left out: they want it again. So it never takes the
 * room of what the portal says.
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

struct assignments_host
ipc_control_names(struct control_worker *w)
{
	return (struct assignments_host){
		.ctx = w,
		.ask = offer_assignment,
		.resolved = offer_name_resolved,
		.say = offer_peer_message,
	};
}

static struct lookup *
look_up(void *resolver, const char *name, lookup_done done, void *ctx)
{
	return resolver_lookup(resolver, name, done, ctx);
}

static struct lookup *
look_up_cached(void *resolver, const char *name, lookup_done done, void *ctx)
{
	return resolver_lookup_cached(resolver, name, done, ctx);
}

struct lookups
ipc_control_lookups(struct control_worker *w, bool cached)
{
	return (struct lookups){
		.resolver = w->resolver,
		.start = cached ? look_up_cached : look_up,
		.cancel = lookup_cancel,
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

static bool
has_room(void *ctx)
{
	struct control_worker *w = ctx;

	if (ipc_backlog(w->net) < NET_BACKLOG_MAX)
		return true;
	w->net_was_full = true;
	return false;
}

static void
show_online(void *ctx, bool online)
{
	struct control_worker *w = ctx;

	w->situation.online = online;
	w->situation.since = (uint64_t)time(NULL);
	setproctitle("control-worker [%s %s]", online ? "online" : "connecting",
	    w->host);
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
take_flow_token(void *ctx, const char *jwt, size_t len, struct uuid *id)
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
read_rest(void *ctx)
{
	struct control_worker *w = ctx;

	for (int i = 0; i < LEFT_BEHIND_MAX && !w->net_closed; i++)
		ipc_control_read(w, w->net);
}

static void
stop_if_done(void *ctx)
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
		.read_rest = read_rest,
		.done = stop_if_done,
	};
}

static void
on_closed(void *ctx)
{
	struct control_worker *w = ctx;

	w->portal_closed = true;
	stop_if_done(w);
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
			.grants_begin = forward_grants_begin,
			.grants_entry = forward_grants_entry,
			.grants_commit = forward_grants_commit,
			.resource_update = forward_resource_update,
			.remote_candidates = forward_remote_candidates,
			.tun_configure = configure_tun,
		},
		.flow_settings = forward_flow_settings,
		.flow_token = take_flow_token,
		.has_room = has_room,
		.online = show_online,
		.date = compare_clocks,
		.fatal = on_fatal,
		.closed = on_closed,
	};
}

void
ipc_control_fatal(struct control_worker *w, uint8_t status, const char *reason)
{
	struct ipc_control_fatal m = { .status = status };

	if (w->told_fatal)
		return;
	w->told_fatal = true;
	strlcpy(m.reason, reason, sizeof(m.reason));
	/* The portal's words may be in it. */
	for (char *c = m.reason; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	if (ipc_send_control_fatal(w->parent, &m) == -1)
		fatalx("%s", m.reason);
}
