/*
 * net-worker: the process that faces the network.
 *
 * It holds the WireGuard private key, session keys, pre-shared keys and the
 * relays' and ICE passwords, one TUN queue, the UDP sockets, and its ends of
 * the channels to the parent and to control-worker. It parses STUN, TURN,
 * WireGuard and IP packets from anybody.
 *
 * It may read and write what it holds. It must never open, connect or execute
 * anything, and cannot: no capabilities, an empty root, an empty network
 * namespace for anything new, no new descriptors, and a filter that knows some
 * thirty system calls (sandbox_net.c). It has no JSON, TLS, DNS or files.
 *
 * Its life: take over what the parent sends, make engine and shard, confine
 * itself, say READY, then a loop. Each turn reads one source, lets engine and
 * shard talk until both are quiet, and sends what came out.
 */
#include "net-worker/net_worker.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net-worker/core/stun/stun.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/worker.h"

#define TUN_PACKETS_PER_TURN 256
#define UDP_BATCHES_PER_TURN 4
#define TITLE_EVERY_MS       1000
#define CLOCK_EVERY_MS       500
#define MAX_SLEEP_MS         3600000
#define FLUSH_MS             1000 /* for reports about flows, at the end */

/* The packet sink: engine and shard write into the sockets' batches. */

static uint8_t *
sink_udp(void *ctx, const struct endpoint *to, const struct ip_address *from,
    uint8_t ecn, size_t len)
{
	struct worker *w = ctx;

	return udp_io_reserve(w->udp, to, from, ecn, len);
}

static void
sink_tun(void *ctx, uint8_t *packet, size_t len)
{
	struct worker *w = ctx;

	tun_io_write(w->tun, packet, len);
}

void
worker_run_shard(struct worker *w)
{
	shard_run_commands(w->shard, w->now, &w->sink);
}

/* The end of a turn. */

static void
rearm(struct worker *w)
{
	struct mono next =
	    mono_min(engine_deadline(w->engine), shard_deadline(w->shard));
	int64_t ms = MAX_SLEEP_MS;

	if (w->ending)
		next = mono_min(next, w->end_by);
	if (!mono_is_never(next)) {
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

/* What the shard has for the engine, and what comes of it. */
static void
listen_to_shard(struct worker *w)
{
	struct shard_event event;
	struct shard_control control;
	struct shard_refusal refusal;

	worker_run_shard(w);
	while (shard_event(w->shard, &event)) {
		engine_shard_event(w->engine, w->now, &event);
		worker_run_shard(w);
	}
	while (shard_control(w->shard, &control))
		engine_shard_control(w->engine, &control);
	while (shard_refusal(w->shard, &refusal))
		engine_shard_refusal(&refusal);
	while (
	    engine_takes_flows(w->engine) && shard_flow(w->shard, &w->report)) {
		engine_shard_flow(w->engine, w->now, &w->report);
		worker_run_shard(w);
	}
}

/* The end: the last flows have been stored, or time is up. */
static void
finish(struct worker *w)
{
	engine_free(w->engine);
	shard_free(w->shard);
	exit(0);
}

static bool
has_ended(const struct worker *w)
{
	return w->control_closed || !engine_has_flows(w->engine) ||
	    mono_due(w->end_by, w->now);
}

static void
settle(struct worker *w)
{
	listen_to_shard(w);
	engine_tell_flows(w->engine);
	udp_io_flush(w->udp);
	if (w->ending && has_ended(w))
		finish(w);
	watch_control(w);
	rearm(w);
}

static void
shut_down(struct worker *w)
{
	if (w->ending)
		return;
	w->ending = true;
	w->end_by = mono_add_ms(w->now, FLUSH_MS);
	engine_shutdown(w->engine, w->now);
}

/* Sources. */

static void
on_datagram(void *ctx, const struct arrival *a, uint8_t *data, size_t len)
{
	struct worker *w = ctx;

	if (!shard_datagram(w->shard, w->now, a, data, len, &w->sink))
		engine_datagram(w->engine, w->now, a, data, len);
}

static void
on_udp_readable(uv_poll_t *handle, int status, int events)
{
	struct worker *w = handle->data;
	enum ip_family family = handle == &w->poll_udp[1] ? IP_V6 : IP_V4;

	(void)status;
	(void)events;
	w->now = mono_now();
	for (int i = 0; i < UDP_BATCHES_PER_TURN; i++) {
		bool more = udp_io_receive(w->udp, family, on_datagram, w);

		/* The packets lie in the buffers that the next call fills. */
		tun_io_flush(w->tun);
		if (!more)
			break;
	}
	settle(w);
}

static void
on_tun_readable(uv_poll_t *handle, int status, int events)
{
	struct worker *w = handle->data;
	uint8_t *packet;
	size_t len;

	(void)status;
	(void)events;
	w->now = mono_now();
	for (int i = 0; i < TUN_PACKETS_PER_TURN; i++) {
		if ((packet = tun_io_read(w->tun, &len)) == NULL)
			break;
		shard_packet(w->shard, w->now, packet, len, &w->sink);
	}
	settle(w);
}

/* Both clocks, for what is told in unix time. */
static void
read_clocks(struct worker *w)
{
	const struct clock_reading reading = clock_read();

	w->now = reading.mono;
	engine_clock(w->engine, &reading);
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
		shut_down(w);
	settle(w);
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
on_timer(uv_timer_t *handle)
{
	struct worker *w = handle->data;

	w->now = mono_now();
	engine_timeout(w->engine, w->now);
	shard_timeout(w->shard, w->now, &w->sink);
	settle(w);
}

/*
 * Nobody tells us that the wall clock was set, nor that the machine was
 * suspended, while which libuv's own timers stand still.
 */
static void
on_clock_timer(uv_timer_t *handle)
{
	struct worker *w = handle->data;

	read_clocks(w);
	settle(w);
}

static uint64_t
bytes_carried(const struct worker *w)
{
	const struct shard_counters *c = shard_get_counters(w->shard);

	return c->outbound_bytes + c->inbound_bytes;
}

/* A line when the kernel begins to refuse what it has done for us. */
static void
say_refused_offloads(struct worker *w)
{
	const struct io_counters *c = &w->counters->io;
	const struct {
		const char *what;
		uint64_t state;
	} offloads[WORKER_OFFLOADS] = {
		{ "to cut datagrams sent over IPv4", c->udp_segmentation_v4 },
		{ "to cut datagrams sent over IPv6", c->udp_segmentation_v6 },
		{ "joined packets at the TUN", c->tun_segmentation },
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
	struct engine_counters *page = &w->counters->engine;
	struct engine_summary sum = engine_summary(w->engine);
	uint64_t bytes = bytes_carried(w);
	double mbits =
	    (double)(bytes - w->title_bytes) * 8 / (TITLE_EVERY_MS * 1000.0);

	page->clients = sum.clients;
	page->connections_direct = sum.connections - sum.relayed;
	page->connections_relayed = sum.relayed;
	page->relays = sum.relays;
	w->now = mono_now();
	udp_io_describe(w->udp);
	tun_io_describe(w->tun);
	say_refused_offloads(w);
	full_tables_say(
	    &w->full_tables, w->now, shard_get_counters(w->shard));
	w->title_bytes = bytes;
	if (mbits >= 1000)
		setproctitle("net-worker [%zu clients, %zu relays, "
			     "%.1f Gbit/s]",
		    sum.clients, sum.relays, mbits / 1000);
	else
		setproctitle("net-worker [%zu clients, %zu relays, "
			     "%.0f Mbit/s]",
		    sum.clients, sum.relays, mbits);
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
	if (w->tun_fd == -1 || w->control_fd == -1 || w->counters == NULL ||
	    (w->udp_fd[0] == -1 && w->udp_fd[1] == -1))
		fatalx("the parent did not hand over all that is needed");
}

static void
make_parts(struct worker *w)
{
	struct engine_host host = ipc_net_host(w);
	const struct clock_reading reading = clock_read();

	w->control = ipc_open(w->control_fd, IPC_NET, IPC_CONTROL);
	if (w->control != NULL)
		ipc_set_epoch(w->control, w->epoch);
	w->udp = udp_io_new(w->udp_fd[0], w->settings.port_v4, w->udp_fd[1],
	    w->settings.port_v6, &w->now, &w->counters->io);
	w->tun = tun_io_new(w->tun_fd, w->settings.tun_offload, &w->now,
	    &w->counters->io);
	w->aead = aead_new();
	if (w->control == NULL || w->udp == NULL || w->tun == NULL ||
	    w->aead == NULL)
		fatalx("no memory");
	w->sink = (struct packet_sink){ w, sink_udp, sink_tun };
	w->shard = shard_new(0, w->aead);
	w->engine =
	    engine_new(&host, &w->sink, &reading, w->settings.expose_host);
	if (w->shard == NULL || w->engine == NULL)
		fatalx("no memory");
	if (w->settings.log_denied)
		shard_tell_refusals(w->shard);
	shard_count_in(w->shard, &w->counters->shard[0].counters);
	engine_count_in(w->engine, &w->counters->engine);
	w->title_bytes = bytes_carried(w);
	full_tables_init(&w->full_tables, shard_get_counters(w->shard));
}

static void
watch(struct worker *w, uv_poll_t *handle, int fd, uv_poll_cb callback)
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
	watch(w, &w->poll_parent, ipc_fd(w->parent), on_ipc);
	watch(w, &w->poll_control, ipc_fd(w->control), on_ipc);
	watch(w, &w->poll_tun, w->tun_fd, on_tun_readable);
	for (size_t i = 0; i < 2; i++)
		if (w->udp_fd[i] != -1)
			watch(
			    w, &w->poll_udp[i], w->udp_fd[i], on_udp_readable);
	uv_timer_init(&w->loop, &w->timer);
	w->timer.data = w;
	w->timer.timer_cb = on_timer;
	uv_timer_init(&w->loop, &w->clock_timer);
	w->clock_timer.data = w;
	uv_timer_start(
	    &w->clock_timer, on_clock_timer, CLOCK_EVERY_MS, CLOCK_EVERY_MS);
	uv_timer_init(&w->loop, &w->title_timer);
	w->title_timer.data = w;
	uv_timer_start(&w->title_timer, on_title_timer, 0, TITLE_EVERY_MS);
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
		.tun_fd = -1,
		.udp_fd = { -1, -1 },
		.control_fd = -1,
	};
	struct worker *w = &worker;

	log_init_worker(IPC_FD_LOG, level);
	if (sodium_init() == -1)
		fatalx("libsodium cannot start");
	/* Reads files, which there are none of later. */
	if (!noise_crypto_warm_up() || !stun_warm_up())
		fatalx("libcrypto cannot start");
	take_over(w);
	w->now = mono_now();
	make_parts(w);
	make_loop(w);
	say_ready(w, sandbox_net_enter());
	log_debug("data path ready, cipher by %s", aead_name(w->aead));
	setproctitle("net-worker [0 clients, 0 relays]");
	settle(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	return 0;
}
