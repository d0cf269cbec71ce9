/*
 * The net-worker's side of both channels: what the parent hands over is kept,
 * messages of control-worker go to the data plane, and what that wants to tell
 * becomes messages.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/homes.h"
#include "common/log.h"
#include "net-worker/worker.h"

/* Messages that wait for control-worker, before the lesser ones are held. */
#define CONTROL_BACKLOG_MAX (IPC_QUEUE_MAX / 4)
#define ANSWER_BACKLOG_MAX  (IPC_QUEUE_MAX / 2)

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

	/* One queue for each lane. */
	if (m->queue != w->lanes || w->lanes == SHARDS_MAX)
		fatalx("the parent handed over a TUN queue we cannot use");
	w->lane[w->lanes++].tun_fd = m->fd;
	m->fd = -1;
}

static void
on_udp(void *ctx, struct ipc_net_udp *m)
{
	struct worker *w = ctx;
	size_t family = m->family == IP_V6;
	int *slot = m->socket == 0 ? &w->udp_fd[family]
				   : &w->lane[m->socket - 1].udp_fd[family];

	if (*slot != -1)
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

/*
 * A file has to have the very size, or its end would be the end of us. A table
 * of the kernel says no size, but maps no more than it has.
 */
static void *
map_shared(int fd, size_t size, const char *what)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) == -1 ||
	    (S_ISREG(st.st_mode) && st.st_size != (off_t)size))
		fatalx("the parent handed over no %s", what);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fatal("cannot map the %s", what);
	return map;
}

static void
on_counters(void *ctx, struct ipc_net_counters *m)
{
	struct worker *w = ctx;

	w->counters = map_shared(m->fd, sizeof(*w->counters), "counter page");
}

static void
on_homes(void *ctx, struct ipc_net_homes *m)
{
	struct worker *w = ctx;

	w->homes = map_shared(m->fd, HOMES_SIZE, "table of homes");
	/* A predecessor's clients are not ours. */
	memset(w->homes, 0, HOMES_SIZE);
}

static void
on_site_begin(void *ctx, struct ipc_site_networks_begin *m)
{
	struct worker *w = ctx;

	(void)m;
	w->site_begun = (struct site_networks){ 0 };
}

static void
on_site_network(void *ctx, struct ipc_site_network *m)
{
	struct worker *w = ctx;

	site_networks_add(&w->site_begun, &m->network);
}

static void
on_site_commit(void *ctx, struct ipc_site_networks_commit *m)
{
	struct worker *w = ctx;

	(void)m;
	w->site = w->site_begun;
	if (w->dataplane != NULL)
		dataplane_site_networks(w->dataplane, &w->site);
}

static void
on_start(void *ctx, struct ipc_net_start *m)
{
	struct worker *w = ctx;

	(void)m;
	w->start = true;
}

static void
on_net_log_level(void *ctx, struct ipc_net_log_level *m)
{
	(void)ctx;
	log_set_level((enum log_level)m->level);
}

static void
on_net_pulse(void *ctx, struct ipc_net_pulse *m)
{
	struct worker *w = ctx;

	w->pulse = m->serial;
	for (unsigned i = 0; i < w->lanes; i++)
		lane_thread_ask(&w->lane[i], w->pulse);
}

static void
on_shutdown(void *ctx, struct ipc_net_shutdown *m)
{
	struct worker *w = ctx;

	(void)m;
	w->shutdown = true;
}

static const struct ipc_handlers parent_handlers = {
	.net_settings = on_settings,
	.net_tun = on_tun,
	.net_udp = on_udp,
	.net_peer = on_peer,
	.net_counters = on_counters,
	.net_homes = on_homes,
	.control_started = on_control_started,
	.site_networks_begin = on_site_begin,
	.site_network = on_site_network,
	.site_networks_commit = on_site_commit,
	.net_start = on_start,
	.net_log_level = on_net_log_level,
	.net_pulse = on_net_pulse,
	.net_shutdown = on_shutdown,
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
	r = ipc_dispatch(w->control, &dataplane_messages, w->dataplane);
	if (r != IPC_EARLY)
		return r;
	/* If it is a new process, that has been announced already. */
	ipc_net_read(w, w->parent);
	return ipc_dispatch(w->control, &dataplane_messages, w->dataplane);
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
		worker_end(w);
	fatalx("ipc violation: %s", ipc_violation(ch));
}

/* To the parent. */

void
ipc_net_pulse(struct worker *w)
{
	struct ipc_net_alive m = { w->pulse };

	if (w->pulse == w->pulse_told)
		return;
	for (unsigned i = 0; i < w->lanes; i++) {
		const uint32_t turned = lane_thread_turned(&w->lane[i]);

		if (turned < m.serial)
			m.serial = turned;
	}
	if (m.serial == w->pulse_told)
		return;
	w->pulse_told = m.serial;
	(void)ipc_send_net_alive(w->parent, &m);
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

	memcpy(m.public_key, dataplane_public_key(w->dataplane),
	    sizeof(m.public_key));
	check_sent(w, ipc_send_public_key(w->control, &m), "our public key");
	dataplane_control_started(w->dataplane);
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
tell_client_closed(void *ctx, const struct uuid *client)
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
control_queue_has_room(const struct worker *w)
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

	if (len > sizeof(m.payload) || !control_queue_has_room(w))
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

static void
tell_name_unanswered(void *ctx, const struct ipc_name_unanswered *m)
{
	struct worker *w = ctx;

	if (control_queue_has_room(w)) /* else it is told again */
		check_sent(w, ipc_send_name_unanswered(w->control, m),
		    "a name without an answer");
}

static bool
tell_flow(void *ctx, const struct ipc_flow *m)
{
	struct worker *w = ctx;

	return control_queue_has_room(w) && ipc_send_flow(w->control, m) == 0;
}

/*
 * A page is answered as a whole. Whoever asks waits for the end of one before
 * asking for the next; when the queue is half full, control-worker would rather
 * miss an answer than a grant.
 */
static bool
has_room_for_page(const struct worker *w)
{
	return ipc_backlog(w->control) <= ANSWER_BACKLOG_MAX;
}

static void
tell_denied(void *ctx, const struct ipc_denied *m)
{
	struct worker *w = ctx;

	if (has_room_for_page(w))
		(void)ipc_send_denied(w->control, m);
}

/* The host's call and the kind of row that it sends a page of. */
#define TELL_PAGE(call, row)                                             \
	static void tell_##call(void *ctx, const struct ipc_##row *rows, \
	    size_t count, const struct ipc_query_end *end)               \
	{                                                                \
		struct worker *w = ctx;                                  \
                                                                         \
		if (!has_room_for_page(w))                               \
			return;                                          \
		for (size_t i = 0; i < count; i++)                       \
			(void)ipc_send_##row(w->control, &rows[i]);      \
		(void)ipc_send_query_end(w->control, end);               \
	}

TELL_PAGE(clients, query_client)
TELL_PAGE(relays, query_relay)
TELL_PAGE(resources, query_resource)
TELL_PAGE(grants, query_grant)
TELL_PAGE(open_flows, query_flow)

static void
tell_explained(void *ctx, const struct explanation *e)
{
	struct worker *w = ctx;

	if (!has_room_for_page(w))
		return;
	if (e->has_client) {
		(void)ipc_send_query_client(w->control, &e->client);
		(void)ipc_send_explained(w->control, &e->packet);
	}
	for (size_t i = 0; i < e->count; i++) {
		(void)ipc_send_explained_route(w->control, &e->routes[i]);
		if (e->has_grant[i])
			(void)ipc_send_query_grant(w->control, &e->grants[i]);
	}
	(void)ipc_send_query_end(w->control, &e->end);
}

static void
wake_thread(void *ctx, unsigned thread)
{
	struct worker *w = ctx;
	const uint64_t one = 1;

	if (thread != 0)
		lane_thread_wake(&w->lane[thread - 1]);
	else
		(void)!write(w->bell, &one, sizeof(one));
}

/* It reads what it is told before each packet, so this does not last. */
static void
wait_for_thread(void *ctx, unsigned thread)
{
	wake_thread(ctx, thread);
	sched_yield();
}

struct dataplane_host
ipc_net_host(struct worker *w)
{
	return (struct dataplane_host){
		.ctx = w,
		.acknowledged = tell_acknowledged,
		.refused = tell_refused,
		.candidates = tell_candidates,
		.closed = tell_client_closed,
		.no_relays = tell_no_relays,
		.peer_event = tell_peer_event,
		.assignment = tell_assignment,
		.name_unanswered = tell_name_unanswered,
		.flow = tell_flow,
		.denied = tell_denied,
		.clients = tell_clients,
		.relays = tell_relays,
		.resources = tell_resources,
		.grants = tell_grants,
		.open_flows = tell_open_flows,
		.explained = tell_explained,
		.wake = wake_thread,
		.wait = wait_for_thread,
	};
}
