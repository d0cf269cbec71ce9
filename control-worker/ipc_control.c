/*
 * Both channels of control-worker: what the parent and net-worker say. What
 * they are told is in ipc_parts.c; ipc.def is the table.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "control-worker/worker.h"

#define MESSAGES_AT_ONCE 256

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
on_options(void *ctx, struct ipc_control_options *m)
{
	struct control_worker *w = ctx;

	memcpy(w->options, m->text, sizeof(w->options));
}

static void
on_token(void *ctx, struct ipc_control_token *m)
{
	struct control_worker *w = ctx;

	memcpy(w->token, m->token, sizeof(w->token));
	memcpy(w->token_source, m->source, sizeof(w->token_source));
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
	w->series = m->series;
	w->metrics_names = m->names;
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
on_names(void *ctx, struct ipc_control_names *m)
{
	struct control_worker *w = ctx;
	struct stat st;
	void *memory;

	if (fstat(m->fd, &st) == -1 || st.st_size != NAMES_MEMORY)
		fatalx("the parent handed over no memory for names");
	memory = mmap(
	    NULL, NAMES_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (memory == MAP_FAILED)
		fatal("cannot map the memory for names");
	(void)madvise(memory, NAMES_MEMORY, MADV_DONTDUMP);
	w->names_memory = memory;
}

static void
on_flow_logs(void *ctx, struct ipc_control_flow_logs *m)
{
	struct control_worker *w = ctx;

	w->flow_logs = *m;
}

static void
on_probes(void *ctx, struct ipc_control_probes *m)
{
	struct control_worker *w = ctx;

	w->probing = *m;
	w->situation.probes_needed = m->needed;
	w->situation.withdraws = m->withdraw;
}

static void
on_probe(void *ctx, struct ipc_control_probe *m)
{
	struct control_worker *w = ctx;
	struct probe_results *all = &w->situation.probes;

	if (all->count == PROBES_MAX)
		fatalx("the parent names more servers than are probed");
	all->of[all->count++].server = m->server;
}

static void
on_flow_sink(void *ctx, struct ipc_control_flow_sink *m)
{
	struct control_worker *w = ctx;

	flow_sink_use(&w->flow.sink, (enum flow_sink_kind)m->kind, m->fd);
	m->fd = -1;
}

static void
on_level_from_parent(void *ctx, struct ipc_control_log_level *m)
{
	(void)ctx;
	log_set_level((enum log_level)m->level);
}

static void
on_control_pulse(void *ctx, struct ipc_control_pulse *m)
{
	struct control_worker *w = ctx;
	const struct ipc_control_alive alive = { m->serial };

	(void)ipc_send_control_alive(w->parent, &alive);
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
on_process_usage(void *ctx, struct ipc_process_usage *m)
{
	struct control_worker *w = ctx;

	w->situation.usage[m->process] = *m;
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
on_draining(void *ctx, struct ipc_control_draining *m)
{
	struct control_worker *w = ctx;

	w->drain_left = m->left;
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
	.control_options = on_options,
	.control_token = on_token,
	.control_ca_bundle = on_ca_bundle,
	.control_resolv_conf = on_resolv_conf,
	.control_hosts = on_hosts,
	.control_peer = on_peer,
	.net_started = on_net_started,
	.control_counters = on_counters,
	.control_health = on_health,
	.control_ctl = on_ctl,
	.control_names = on_names,
	.control_flow_logs = on_flow_logs,
	.control_probes = on_probes,
	.control_probe = on_probe,
	.control_flow_sink = on_flow_sink,
	.control_log_level = on_level_from_parent,
	.control_pulse = on_control_pulse,
	.process_status = on_process_status,
	.process_usage = on_process_usage,
	.network_trouble = on_network_trouble,
	.overlaps_begin = on_overlaps_begin,
	.overlap = on_overlap,
	.control_draining = on_draining,
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

	ipc_control_probed(w);
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
on_name_unanswered(void *ctx, struct ipc_name_unanswered *m)
{
	struct control_worker *w = ctx;

	assignments_unanswered(w->assignments, m);
}

static void
on_flow(void *ctx, struct ipc_flow *m)
{
	struct control_worker *w = ctx;

	flow_control_report(&w->flow, m);
	ctl_flow_report(w->ctl, m);
}

static void
on_denied(void *ctx, struct ipc_denied *m)
{
	struct control_worker *w = ctx;

	flow_sink_denied(&w->flow.sink, m);
}

static void
on_query_client(void *ctx, struct ipc_query_client *m)
{
	struct control_worker *w = ctx;

	ctl_client(w->ctl, m);
	traffic_client(w->situation.traffic, mono_now(), m);
}

static void
on_query_relay(void *ctx, struct ipc_query_relay *m)
{
	struct control_worker *w = ctx;

	ctl_relay(w->ctl, m);
}

static void
on_query_resource(void *ctx, struct ipc_query_resource *m)
{
	struct control_worker *w = ctx;

	ctl_resource(w->ctl, m);
	traffic_resource(w->situation.traffic, mono_now(), m);
}

static void
on_query_grant(void *ctx, struct ipc_query_grant *m)
{
	struct control_worker *w = ctx;

	ctl_grant(w->ctl, m);
}

static void
on_query_flow(void *ctx, struct ipc_query_flow *m)
{
	struct control_worker *w = ctx;

	ctl_flow(w->ctl, m);
}

static void
on_explained(void *ctx, struct ipc_explained *m)
{
	struct control_worker *w = ctx;

	ctl_explained(w->ctl, m);
}

static void
on_explained_route(void *ctx, struct ipc_explained_route *m)
{
	struct control_worker *w = ctx;

	ctl_route(w->ctl, m);
}

static void
on_query_end(void *ctx, struct ipc_query_end *m)
{
	struct control_worker *w = ctx;

	ctl_query_end(w->ctl, m);
	traffic_query_end(w->situation.traffic, mono_now(), m);
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
	.name_unanswered = on_name_unanswered,
	.flow = on_flow,
	.denied = on_denied,
	.query_client = on_query_client,
	.query_relay = on_query_relay,
	.query_resource = on_query_resource,
	.query_grant = on_query_grant,
	.query_flow = on_query_flow,
	.explained = on_explained,
	.explained_route = on_explained_route,
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
