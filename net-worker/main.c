/*
 * net-worker: the process that faces the network.
 *
 * It holds the WireGuard private key, session keys, pre-shared keys and the
 * relays' and ICE passwords, the TUN queues, the UDP sockets, and its ends of
 * the channels to the parent and to control-worker. It parses STUN, TURN,
 * WireGuard and IP packets from anybody.
 *
 * It may read and write what it holds. It must never open, connect or execute
 * anything, and cannot: no capabilities, an empty root, an empty network
 * namespace for anything new, no new descriptors, and a filter that knows some
 * thirty system calls (sandbox_net.c). It has no JSON, TLS, DNS or files.
 *
 * Its life: take over what the parent sends, make the data plane, confine
 * itself, start a thread for each lane (lane_thread.c), close the door behind
 * them, say READY, then a loop. This one is the engine's thread: each turn
 * tells the data plane the time and what one source has, lets it settle, and
 * sends what came out.
 */
#include "net-worker/net_worker.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net-worker/sandbox_net.h"
#include "net-worker/worker.h"

#define UDP_BATCHES_PER_TURN 4
#define TITLE_EVERY_MS       1000
#define CLOCK_EVERY_MS       500
#define MAX_SLEEP_MS         3600000
#define SOCKETS_REST_MS      1

/* The engine's packet sink: its sockets' batches. */

static uint8_t *
sink_udp(void *ctx, const struct endpoint *to, const struct ip_address *from,
    uint8_t ecn, size_t len)
{
	struct worker *w = ctx;

	return udp_io_reserve(w->udp, to, from, ecn, len);
}

/* The end of a turn. */

static void
rearm_dataplane_timer(struct worker *w, bool quiet)
{
	struct mono next = dataplane_deadline(w->dataplane);
	int64_t ms = MAX_SLEEP_MS;

	/* What is left is for the next turn, after all other sources. */
	if (!quiet) {
		ms = 0;
	} else if (!mono_is_never(next)) {
		/* Round up: waking early would only find nothing to do. */
		ms = (next.ns - w->now.ns + 999999) / 1000000;
		if (ms < 0)
			ms = 0;
		if (ms > MAX_SLEEP_MS)
			ms = MAX_SLEEP_MS;
	}
	/* libuv counts from its own, possibly older idea of now. */
	uv_update_time(&w->loop);
	uv_timer_start(&w->timer, w->timer.timer_cb, (uint64_t)ms, 0);
}

static void watch_control(struct worker *);

/* Whether the last flows have been stored, or never will be. */
static bool
worker_has_ended(const struct worker *w)
{
	return w->shutdown &&
	    (w->control_closed || dataplane_has_ended(w->dataplane));
}

_Noreturn void
worker_end(struct worker *w)
{
	for (unsigned i = 0; i < w->lanes; i++)
		lane_thread_stop(&w->lane[i]);
	dataplane_free(w->dataplane);
	exit(0);
}

static void
settle_turn(struct worker *w)
{
	bool quiet;

	dataplane_settle(w->dataplane);
	udp_io_flush(w->udp);
	if (worker_has_ended(w))
		worker_end(w);
	watch_control(w);
	ipc_net_pulse(w);
	quiet = dataplane_lies_down(w->dataplane);
	rearm_dataplane_timer(w, quiet);
}

static void
read_clock(struct worker *w)
{
	dataplane_gets_up(w->dataplane);
	w->now = mono_now();
	dataplane_set_time(w->dataplane, w->now);
}

/* Both clocks, for what is told in unix time. */
static void
read_clocks(struct worker *w)
{
	const struct clock_reading reading = clock_read();

	dataplane_gets_up(w->dataplane);
	w->now = reading.mono;
	dataplane_set_clocks(w->dataplane, &reading);
}

/* Sources. */

static void
on_datagram(void *ctx, const struct arrival *a, uint8_t *data, size_t len)
{
	struct worker *w = ctx;

	if (dataplane_datagram(w->dataplane, a, data, len))
		w->heard = true;
}

static void on_udp_readable(uv_poll_t *, int, int);

static void
watch_sockets(struct worker *w)
{
	for (size_t i = 0; i < 2; i++)
		if (w->udp_fd[i] != -1)
			uv_poll_start(
			    &w->poll_udp[i], UV_READABLE, on_udp_readable);
}

static void
on_socket_rest_timer(uv_timer_t *handle)
{
	watch_sockets(handle->data);
}

/*
 * After a turn whose datagrams have set nothing going, as those of a flood. A
 * wake-up costs more than to refuse what it brings, so that much of it has to
 * come by one; and whatever else comes meanwhile can wait for so long.
 */
static void
rest_sockets(struct worker *w)
{
	for (size_t i = 0; i < 2; i++)
		if (w->udp_fd[i] != -1)
			uv_poll_stop(&w->poll_udp[i]);
	uv_timer_start(
	    &w->rest_timer, on_socket_rest_timer, SOCKETS_REST_MS, 0);
}

static void
on_udp_readable(uv_poll_t *handle, int status, int events)
{
	struct worker *w = handle->data;
	enum ip_family family = handle == &w->poll_udp[1] ? IP_V6 : IP_V4;
	bool more = true;

	(void)status;
	(void)events;
	read_clock(w);
	w->heard = false;
	for (int i = 0; i < UDP_BATCHES_PER_TURN && more; i++)
		more = udp_io_receive(w->udp, family, on_datagram, w);
	settle_turn(w);
	if (!w->heard && !more)
		rest_sockets(w);
}

/* A lane has something for us. */
static void
on_bell(uv_poll_t *handle, int status, int events)
{
	struct worker *w = handle->data;
	uint64_t rings;

	(void)status;
	(void)events;
	(void)!read(w->bell, &rings, sizeof(rings));
	read_clock(w);
	settle_turn(w);
}

static void
on_ipc(uv_poll_t *handle, int status, int events)
{
	struct worker *w = handle->data;
	struct ipc_channel *ch =
	    handle == &w->poll_parent ? w->parent : w->control;

	(void)status;
	read_clocks(w);
	if (events & UV_WRITABLE)
		ipc_flush(ch);
	if (events & (UV_READABLE | UV_DISCONNECT))
		ipc_net_read(w, ch);
	if (w->shutdown)
		dataplane_shutdown(w->dataplane);
	settle_turn(w);
}

/* Waits for room to write only while something waits to be written. */
static void
watch_control(struct worker *w)
{
	int events = UV_READABLE | UV_DISCONNECT;

	if (w->control_closed)
		events = 0;
	else if (ipc_backlog(w->control) > 0)
		events |= UV_WRITABLE;
	/* libuv asks the kernel again every time, and this is every turn. */
	if (events == w->control_events)
		return;
	w->control_events = events;
	if (events == 0)
		uv_poll_stop(&w->poll_control);
	else
		uv_poll_start(&w->poll_control, events, on_ipc);
}

static void
on_dataplane_timer(uv_timer_t *handle)
{
	struct worker *w = handle->data;

	read_clock(w);
	dataplane_timeout(w->dataplane);
	settle_turn(w);
}

/*
 * Nobody tells us that the wall clock was set, nor that the machine was
 * suspended, while which libuv's own timers stand still; nor that a lane has
 * taken the turn which the parent waits for (ipc_net_pulse()).
 */
static void
on_clock_timer(uv_timer_t *handle)
{
	struct worker *w = handle->data;

	read_clocks(w);
	settle_turn(w);
}

static uint64_t
bytes_carried(const struct worker *w)
{
	return COUNTER_SHARD(w->counters, outbound_bytes) +
	    COUNTER_SHARD(w->counters, inbound_bytes);
}

/* A line when the kernel begins to refuse what it has done for us. */
static void
say_refused_offloads(struct worker *w)
{
	const struct counter_page *c = w->counters;
	const struct {
		const char *what;
		enum offload_state state;
	} offloads[WORKER_OFFLOADS] = {
		{ "to cut datagrams sent over IPv4",
		    COUNTER_OFFLOAD(c, udp_segmentation_v4) },
		{ "to cut datagrams sent over IPv6",
		    COUNTER_OFFLOAD(c, udp_segmentation_v6) },
		{ "joined packets at the TUN",
		    COUNTER_OFFLOAD(c, tun_segmentation) },
	};

	for (size_t i = 0; i < WORKER_OFFLOADS; i++) {
		bool refused = offloads[i].state == OFFLOAD_REFUSED;

		if (refused && !w->offload_refused[i])
			log_info("the kernel refuses %s: they go one by one, "
				 "which costs more; tried again from time to "
				 "time",
			    offloads[i].what);
		w->offload_refused[i] = refused;
	}
}

/* What can be seen of us: the title and the state in the counter page. */
static void
on_title_timer(uv_timer_t *handle)
{
	struct worker *w = handle->data;
	const struct engine_counters *engine = &w->counters->engine;
	uint64_t bytes = bytes_carried(w);
	double mbits =
	    (double)(bytes - w->title_bytes) * 8 / (TITLE_EVERY_MS * 1000.0);

	read_clock(w);
	udp_io_describe(w->udp);
	say_refused_offloads(w);
	full_tables_say(&w->full_tables, w->now, w->counters);
	w->title_bytes = bytes;
	if (mbits >= 1000)
		setproctitle("net-worker [%llu clients, %llu relays, "
			     "%.1f Gbit/s]",
		    (unsigned long long)engine->clients,
		    (unsigned long long)engine->relays, mbits / 1000);
	else
		setproctitle("net-worker [%llu clients, %llu relays, "
			     "%.0f Mbit/s]",
		    (unsigned long long)engine->clients,
		    (unsigned long long)engine->relays, mbits);
	settle_turn(w);
}

/* Start. */

static void
take_over(struct worker *w)
{
	struct pollfd pfd = { .fd = IPC_FD_PARENT, .events = POLLIN };

	w->parent = ipc_open(IPC_FD_PARENT, IPC_NET, IPC_PARENT);
	if (w->parent == NULL)
		fatalx("no memory");
	while (!w->start) {
		if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
			fatal("poll");
		ipc_net_read(w, w->parent);
	}
	if (w->lanes == 0 || w->control_fd == -1 || w->counters == NULL ||
	    (w->udp_fd[0] == -1 && w->udp_fd[1] == -1))
		fatalx("the parent did not hand over all that is needed");
}

static unsigned
kinds_to_glue(const struct ipc_net_settings *settings)
{
	unsigned kinds = 0;

	if (settings->tun_offload)
		kinds |= COALESCE_TCP;
	if (settings->tun_uso)
		kinds |= COALESCE_UDP;
	return kinds;
}

/* Each lane its sockets and queue; the thread comes when we are confined. */
static void
prepare_lanes(struct worker *w, struct dataplane_settings *settings)
{
	const struct lane_io io = {
		.port_v4 = w->settings.port_v4,
		.port_v6 = w->settings.port_v6,
		.tun_kinds = kinds_to_glue(&w->settings),
	};

	settings->lanes = w->lanes;
	for (unsigned i = 0; i < w->lanes; i++) {
		struct lane_thread *t = &w->lane[i];

		if ((t->udp_fd[0] == -1) != (w->udp_fd[0] == -1) ||
		    (t->udp_fd[1] == -1) != (w->udp_fd[1] == -1))
			fatalx("the parent did not hand over a socket for each "
			       "TUN queue");
		t->number = i;
		t->counters = &w->counters->io[1 + i].counters;
		lane_thread_prepare(t, &io);
		settings->lane[i].sink = lane_thread_sink(t);
		settings->lane[i].aead = t->aead;
	}
}

static void
make_parts(struct worker *w)
{
	const struct dataplane_host host = ipc_net_host(w);
	const struct packet_sink sink = { w, sink_udp, NULL };
	const struct clock_reading reading = clock_read();
	struct dataplane_settings settings = {
		.expose_host = w->settings.expose_host,
		.log_denied = w->settings.log_denied,
		.tell_denied = w->settings.tell_denied,
		.counters = w->counters,
		.homes = w->homes,
	};

	w->control = ipc_open(w->control_fd, IPC_NET, IPC_CONTROL);
	if (w->control != NULL)
		ipc_set_epoch(w->control, w->epoch);
	w->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->bell == -1)
		fatal("eventfd");
	w->udp = udp_io_new(w->udp_fd[0], w->settings.port_v4, w->udp_fd[1],
	    w->settings.port_v6, &w->now, &w->counters->io[0].counters);
	if (w->control == NULL || w->udp == NULL)
		fatalx("no memory");
	prepare_lanes(w, &settings);
	w->dataplane = dataplane_new(&host, &sink, &settings, &reading);
	if (w->dataplane == NULL)
		fatalx("no memory");
	dataplane_site_networks(w->dataplane, &w->site);
	w->title_bytes = bytes_carried(w);
	full_tables_init(&w->full_tables, w->counters);
}

static void
watch_descriptor(
    struct worker *w, uv_poll_t *handle, int fd, uv_poll_cb callback)
{
	int error = uv_poll_init(&w->loop, handle, fd);

	if (error != 0)
		fatalx("uv_poll_init: %s", uv_strerror(error));
	handle->data = w;
	uv_poll_start(handle, UV_READABLE, callback);
}

static void
make_loop(struct worker *w)
{
	sandbox_hide_io_uring("net-worker");
	if (uv_loop_init(&w->loop) != 0)
		fatalx("uv_loop_init failed");
	watch_descriptor(w, &w->poll_parent, ipc_fd(w->parent), on_ipc);
	watch_descriptor(w, &w->poll_control, ipc_fd(w->control), on_ipc);
	watch_descriptor(w, &w->poll_bell, w->bell, on_bell);
	for (size_t i = 0; i < 2; i++)
		if (w->udp_fd[i] != -1)
			watch_descriptor(
			    w, &w->poll_udp[i], w->udp_fd[i], on_udp_readable);
	uv_timer_init(&w->loop, &w->rest_timer);
	w->rest_timer.data = w;
	uv_timer_init(&w->loop, &w->timer);
	w->timer.data = w;
	w->timer.timer_cb = on_dataplane_timer;
	uv_timer_init(&w->loop, &w->clock_timer);
	w->clock_timer.data = w;
	uv_timer_start(
	    &w->clock_timer, on_clock_timer, CLOCK_EVERY_MS, CLOCK_EVERY_MS);
	uv_timer_init(&w->loop, &w->title_timer);
	w->title_timer.data = w;
	uv_timer_start(&w->title_timer, on_title_timer, 0, TITLE_EVERY_MS);
}

/* Returns the locks that hold, for all threads. */
static unsigned
confine_and_start_lanes(struct worker *w)
{
	unsigned locks = sandbox_net_confine();

	/* Off the packet path threads may wait for each other's malloc(). */
	(void)mallopt(M_ARENA_MAX, 1);
	for (unsigned i = 0; i < w->lanes; i++)
		lane_thread_start(&w->lane[i], dataplane_lane(w->dataplane, i));
	locks = sandbox_net_close(locks);
	for (unsigned i = 0; i < w->lanes; i++)
		lane_thread_let_go(&w->lane[i]);
	return locks;
}

static void
say_ready(struct worker *w, unsigned locks)
{
	struct ipc_net_ready ready = { .locks = locks };

	if (ipc_send_net_ready(w->parent, &ready) == -1)
		fatal("the parent does not take our READY");
	ipc_set_running(w->parent);
	ipc_set_running(w->control);
	ipc_net_introduce(w);
}

int
net_worker_main(enum log_level level)
{
	static struct worker worker = {
		.udp_fd = { -1, -1 },
		.control_fd = -1,
	};
	struct worker *w = &worker;

	log_init_worker(IPC_FD_LOG, level);
	for (unsigned i = 0; i < SHARDS_MAX; i++)
		w->lane[i].tun_fd = w->lane[i].udp_fd[0] =
		    w->lane[i].udp_fd[1] = -1;
	if (!dataplane_warm_up())
		fatalx("libsodium or libcrypto cannot start");
	take_over(w);
	w->now = mono_now();
	make_parts(w);
	make_loop(w);
	say_ready(w, confine_and_start_lanes(w));
	log_debug("data path ready: %u threads, cipher by %s", w->lanes,
	    aead_name(w->lane[0].aead));
	setproctitle("net-worker [0 clients, 0 relays]");
	settle_turn(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	return 0;
}
