/*
 * The net-worker's side of both channels: messages in become calls of the
 * engine, calls of the engine become messages out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/log.h"
#include "net-worker/worker.h"

/* Messages that wait for control-worker, before the lesser ones are held. */
#define CONTROL_BACKLOG_MAX (IPC_QUEUE_MAX / 4)

/* From the parent, before READY. */

static void
on_settings(void *ctx, struct ipc_net_settings *m)
{
	struct worker *w = ctx;

	w->settings = *m;
}

static void
on_tun(void *ctx, struct ipc_net_tun *m)
{
	struct worker *w = ctx;

	if (m->queue != 0 || w->tun_fd != -1)
		fatalx("the parent handed over a TUN queue we cannot use");
	w->tun_fd = m->fd;
	m->fd = -1;
}

static void
on_udp(void *ctx, struct ipc_net_udp *m)
{
	struct worker *w = ctx;
	int *slot = &w->udp_fd[m->family == IP_V6];

	if (m->socket != 0 || *slot != -1)
		fatalx("the parent handed over a socket we cannot use");
	*slot = m->fd;
	m->fd = -1;
}

static void
on_peer(void *ctx, struct ipc_net_peer *m)
{
	struct worker *w = ctx;

	w->control_fd = m->fd;
	w->epoch = m->epoch;
	m->fd = -1;
}

static void
on_control_started(void *ctx, struct ipc_control_started *m)
{
	struct worker *w = ctx;

	if (m->epoch == 0 || m->epoch == w->epoch)
		fatalx("the parent announced no new epoch");
	w->epoch = m->epoch;
	if (w->control == NULL)
		return;
	ipc_set_epoch(w->control, w->epoch);
	w->control_closed = w->control_full = false;
	if (!ipc_is_running(w->control))
		return;
	log_debug("control-worker is a new process");
	ipc_net_introduce(w);
}

static void
on_counters(void *ctx, struct ipc_net_counters *m)
{
	struct worker *w = ctx;
	const size_t size = sizeof(*w->counters);
	struct stat st;
	void *page;

	if (fstat(m->fd, &st) == -1 || st.st_size != (off_t)size)
		fatalx("the parent handed over no counter page");
	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (page == MAP_FAILED)
		fatal("cannot map the counter page");
	w->counters = page;
}

static void
on_start(void *ctx, struct ipc_net_start *m)
{
	struct worker *w = ctx;

	(void)m;
	w->start = true;
}

static void
on_shutdown(void *ctx, struct ipc_net_shutdown *m)
{
	struct worker *w = ctx;

	(void)m;
	w->shutdown = true;
}

const struct ipc_handlers parent_handlers = {
	.net_settings = on_settings,
	.net_tun = on_tun,
	.net_udp = on_udp,
	.net_peer = on_peer,
	.net_counters = on_counters,
	.control_started = on_control_started,
	.net_start = on_start,
	.net_shutdown = on_shutdown,
};

/* From control-worker. */

static void
on_interface(void *ctx, struct ipc_interface *m)
{
	struct worker *w = ctx;

	engine_interface(w->engine, w->now, m);
}

static void
on_relays_begin(void *ctx, struct ipc_relays_begin *m)
{
	struct worker *w = ctx;

	(void)m;
	engine_relays_begin(w->engine);
}

static void
on_relay_removed(void *ctx, struct ipc_relay_removed *m)
{
	struct worker *w = ctx;

	engine_relay_removed(w->engine, &m->relay);
}

static void
on_relay_present(void *ctx, struct ipc_relay_present *m)
{
	struct worker *w = ctx;

	engine_relay_present(w->engine, w->now, m);
}

static void
on_relays_commit(void *ctx, struct ipc_relays_commit *m)
{
	struct worker *w = ctx;

	(void)m;
	engine_relays_commit(w->engine, w->now);
}

static void
on_authorization(void *ctx, struct ipc_authorization *m)
{
	struct worker *w = ctx;

	engine_authorization(w->engine, w->now, m);
}

static void
on_revocation(void *ctx, struct ipc_revocation *m)
{
	struct worker *w = ctx;

	engine_revocation(w->engine, w->now, m);
}

static void
on_grants_begin(void *ctx, struct ipc_grants_begin *m)
{
	struct worker *w = ctx;

	(void)m;
	engine_grants_begin(w->engine);
}

static void
on_grants_entry(void *ctx, struct ipc_grants_entry *m)
{
	struct worker *w = ctx;

	engine_grants_entry(w->engine, m);
}

static void
on_grants_commit(void *ctx, struct ipc_grants_commit *m)
{
	struct worker *w = ctx;

	(void)m;
	engine_grants_commit(w->engine, w->now);
}

static void
on_resource_update(void *ctx, struct ipc_resource_update *m)
{
	struct worker *w = ctx;

	engine_resource_update(w->engine, w->now, m);
}

static void
on_remote_candidates(void *ctx, struct ipc_remote_candidates *m)
{
	struct worker *w = ctx;

	engine_remote_candidates(w->engine, w->now, m);
}

static void
on_assignment(void *ctx, struct ipc_assignment *m)
{
	struct worker *w = ctx;

	engine_assignment(w->engine, w->now, m);
}

static void
on_name_resolved(void *ctx, struct ipc_name_resolved *m)
{
	struct worker *w = ctx;

	engine_name_resolved(w->engine, w->now, m);
}

static void
on_peer_message(void *ctx, struct ipc_peer_message *m)
{
	struct worker *w = ctx;

	engine_peer_message(w->engine, w->now, m);
}

static void
on_flow_settings(void *ctx, struct ipc_flow_settings *m)
{
	struct worker *w = ctx;

	engine_flow_settings(w->engine, m);
}

static void
on_flow_stored(void *ctx, struct ipc_flow_stored *m)
{
	struct worker *w = ctx;

	engine_flow_stored(w->engine, m);
}

static void
on_query(void *ctx, struct ipc_query *m)
{
	query_net_answer(ctx, m);
}

const struct ipc_handlers control_handlers = {
	.interface = on_interface,
	.relays_begin = on_relays_begin,
	.relay_removed = on_relay_removed,
	.relay_present = on_relay_present,
	.relays_commit = on_relays_commit,
	.authorization = on_authorization,
	.revocation = on_revocation,
	.grants_begin = on_grants_begin,
	.grants_entry = on_grants_entry,
	.grants_commit = on_grants_commit,
	.resource_update = on_resource_update,
	.remote_candidates = on_remote_candidates,
	.assignment = on_assignment,
	.name_resolved = on_name_resolved,
	.peer_message = on_peer_message,
	.flow_settings = on_flow_settings,
	.flow_stored = on_flow_stored,
	.query = on_query,
};

/* control-worker is not listened to any more; the parent ends it. */
static void
accuse(struct worker *w)
{
	struct ipc_net_accuses m = { .epoch = w->epoch };

	w->control_closed = true;
	strlcpy(m.what, ipc_violation(w->control), sizeof(m.what));
	if (ipc_send_net_accuses(w->parent, &m) == -1)
		fatalx("ipc violation: %s", m.what);
}

static enum ipc_result
dispatch_control(struct worker *w)
{
	enum ipc_result r;

	if (w->control_closed)
		return IPC_EMPTY;
	r = ipc_dispatch(w->control, &control_handlers, w);
	if (r != IPC_EARLY)
		return r;
	/* If it is a new process, that has been announced already. */
	ipc_net_read(w, w->parent);
	return ipc_dispatch(w->control, &control_handlers, w);
}

void
ipc_net_read(struct worker *w, struct ipc_channel *ch)
{
	enum ipc_result r;

	do
		r = ch == w->parent ? ipc_dispatch(ch, &parent_handlers, w)
				    : dispatch_control(w);
	while (r == IPC_HANDLED);
	if (r == IPC_EMPTY)
		return;
	if (ch != w->parent) {
		/* What follows from it is the parent's decision. */
		if (r == IPC_VIOLATION)
			accuse(w);
		w->control_closed = true;
		return;
	}
	if (r == IPC_CLOSED)
		exit(0);
	fatalx("ipc violation: %s", ipc_violation(ch));
}

/* To control-worker. */

static void
check_sent(struct worker *w, int result, const char *what)
{
	if (result == 0 || w->control_closed || w->control_full)
		return;
	/* One that is being made again need not be told: it will be. */
	w->control_full = true;
	log_warn("%s could not be told to control-worker", what);
}

void
ipc_net_introduce(struct worker *w)
{
	struct ipc_public_key m = { 0 };

	memcpy(
	    m.public_key, engine_public_key(w->engine), sizeof(m.public_key));
	check_sent(w, ipc_send_public_key(w->control, &m), "our public key");
	engine_control_started(w->engine, w->now);
}

static void
tell_acknowledged(void *ctx, uint64_t serial)
{
	struct worker *w = ctx;
	struct ipc_acknowledged m = { .serial = serial };

	check_sent(
	    w, ipc_send_acknowledged(w->control, &m), "an authorization");
}

static void
tell_refused(void *ctx, uint64_t serial)
{
	struct worker *w = ctx;
	struct ipc_refused m = { .serial = serial };

	check_sent(w, ipc_send_refused(w->control, &m), "a refusal");
}

static void
tell_candidates(
    void *ctx, const struct uuid *client, bool withdrawn, const char *lines)
{
	struct worker *w = ctx;
	struct ipc_local_candidates m = {
		.client = *client,
		.withdrawn = withdrawn,
	};

	strlcpy(m.lines, lines, sizeof(m.lines));
	check_sent(w, ipc_send_local_candidates(w->control, &m), "a candidate");
}

static void
tell_closed(void *ctx, const struct uuid *client)
{
	struct worker *w = ctx;
	struct ipc_connection_closed m = { .client = *client };

	check_sent(w, ipc_send_connection_closed(w->control, &m), "a closing");
}

static void
tell_no_relays(void *ctx)
{
	struct worker *w = ctx;
	struct ipc_no_relays m = {};

	check_sent(w, ipc_send_no_relays(w->control, &m), "the lack of relays");
}

/* What may be lost waits only while there is room for what may not. */
static bool
has_room(const struct worker *w)
{
	return !w->control_closed &&
	    ipc_backlog(w->control) < CONTROL_BACKLOG_MAX;
}

static void
tell_peer_event(void *ctx, const struct uuid *client, uint8_t event,
    const uint8_t *payload, size_t len)
{
	struct worker *w = ctx;
	struct ipc_peer_event m = {
		.client = *client,
		.event = event,
		.payload_len = (uint16_t)len,
	};

	if (len > sizeof(m.payload) || !has_room(w))
		return; /* the client repeats it */
	memcpy(m.payload, payload, len);
	check_sent(w, ipc_send_peer_event(w->control, &m), "a client's wish");
}

static void
tell_assignment(void *ctx, uint64_t serial, enum assignment_answer answer)
{
	struct worker *w = ctx;
	struct ipc_assignment_answer m = {
		.serial = serial,
		.answer = (uint8_t)answer,
	};

	check_sent(
	    w, ipc_send_assignment_answer(w->control, &m), "an assignment");
}

static bool
tell_flow(void *ctx, const struct ipc_flow *m)
{
	struct worker *w = ctx;

	return has_room(w) && ipc_send_flow(w->control, m) == 0;
}

static void
give_command(void *ctx, const struct shard_command *command)
{
	struct worker *w = ctx;

	if (shard_post(w->shard, command))
		return;
	worker_run_shard(w);
	if (!shard_post(w->shard, command))
		fatalx("internal error: the shard takes no commands");
}

struct engine_host
ipc_net_host(struct worker *w)
{
	return (struct engine_host){
		.ctx = w,
		.command = give_command,
		.acknowledged = tell_acknowledged,
		.refused = tell_refused,
		.candidates = tell_candidates,
		.closed = tell_closed,
		.no_relays = tell_no_relays,
		.peer_event = tell_peer_event,
		.assignment = tell_assignment,
		.flow = tell_flow,
	};
}
