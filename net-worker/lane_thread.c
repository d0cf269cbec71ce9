/*
 * A lane's thread: see lane_thread.h. Each turn takes a share of what each
 * source has, lets the shard serve its timers, and sends what came out; then
 * the thread sleeps until a source has more, a timer is due, or another thread
 * has something for it; and a moment longer where that pays (gathering.h).
 */
#include "net-worker/lane_thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

#define TUN_PACKETS_PER_TURN 256
#define UDP_BATCHES_PER_TURN 4
#define STRAY_BATCHES_PER_TURN 2
#define DESCRIBE_EVERY_MS    1000
#define MAX_SLEEP_MS         3600000
#define STACK_SIZE           (256 << 10)

static uint8_t *
lane_sink_udp(void *ctx, const struct endpoint *to,
    const struct ip_address *from, uint8_t ecn, size_t len)
{
	struct lane_thread *t = ctx;

	return udp_io_reserve(t->udp, to, from, ecn, len);
}

static void
lane_sink_tun(void *ctx, uint8_t *packet, size_t len)
{
	struct lane_thread *t = ctx;

	tun_io_write(t->tun, packet, len);
}

struct packet_sink
lane_thread_sink(struct lane_thread *t)
{
	return (struct packet_sink){ t, lane_sink_udp, lane_sink_tun };
}

void
lane_thread_prepare(struct lane_thread *t, const struct lane_io *io)
{
	t->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (t->bell == -1 || t->epoll == -1)
		fatal("eventfd, epoll_create1");
	t->udp = udp_io_new(t->udp_fd[0], io->port_v4, t->udp_fd[1],
	    io->port_v6, &t->now, t->counters);
	t->tun = tun_io_new(t->tun_fd, io->tun_kinds, &t->now, t->counters);
	t->aead = aead_new();
	if (t->udp == NULL || t->tun == NULL || t->aead == NULL)
		fatalx("no memory");
}

static void
on_lane_datagram(void *ctx, const struct arrival *a, uint8_t *data, size_t len)
{
	struct lane_thread *t = ctx;

	t->taken++;
	lane_datagram(t->lane, a, data, len);
}

/* These return whether the source may have more. */

static bool
take_datagrams(struct lane_thread *t, enum ip_family family)
{
	for (int i = 0; i < UDP_BATCHES_PER_TURN; i++) {
		bool more = udp_io_receive(t->udp, family, on_lane_datagram, t);

		/* The packets lie in the buffers that the next call fills. */
		tun_io_flush(t->tun);
		if (!more)
			return false;
	}
	return true;
}

static bool
take_packets(struct lane_thread *t)
{
	uint8_t *packet;
	size_t len;

	for (int i = 0; i < TUN_PACKETS_PER_TURN; i++) {
		if ((packet = tun_io_read(t->tun, &len)) == NULL)
			return false;
		t->taken += t->tun->segments.cut ? GATHERED : 1;
		lane_packet(t->lane, packet, len);
	}
	return true;
}

static void
take_strays(struct lane_thread *t)
{
	for (int i = 0; i < STRAY_BATCHES_PER_TURN; i++) {
		if (!lane_strays(t->lane))
			break;
		tun_io_flush(t->tun);
	}
}

/* What wakes it; a set of bits. */
enum source {
	FROM_UDP_V4 = 1 << 0,
	FROM_UDP_V6 = 1 << 1,
	FROM_TUN = 1 << 2,
	FROM_BELL = 1 << 3,
};
#define SOURCES 4

static void
take_turn(struct lane_thread *t, unsigned ready)
{
	bool datagrams = false, packets = false;
	uint64_t rings;
	uint32_t pulse;

	t->now = mono_now();
	lane_set_time(t->lane, t->now);
	t->taken = 0;
	if (ready & FROM_BELL)
		(void)!read(t->bell, &rings, sizeof(rings));
	/* Behind the bell, by which it is told. */
	pulse = atomic_load(&t->pulse);
	if (ready & FROM_UDP_V4)
		datagrams = take_datagrams(t, IP_V4);
	if (ready & FROM_UDP_V6)
		datagrams = take_datagrams(t, IP_V6) || datagrams;
	if (ready & FROM_TUN)
		packets = take_packets(t);
	take_strays(t);
	lane_timeout(t->lane);
	lane_left(t->lane, datagrams, packets);
	lane_settle(t->lane);
	tun_io_flush(t->tun);
	udp_io_flush(t->udp);
	t->left = datagrams || packets;
	gathering_note(&t->gathering, t->now, t->taken);
	if (mono_due(t->describe_at, t->now)) {
		t->describe_at = mono_add_ms(t->now, DESCRIBE_EVERY_MS);
		udp_io_describe(t->udp);
		tun_io_describe(t->tun);
	}
	atomic_store_explicit(&t->turned, pulse, memory_order_release);
}

/* Rounded up: waking early would only find nothing to do. */
static int
ms_until(struct mono deadline, struct mono now)
{
	int64_t ms;

	if (mono_is_never(deadline))
		return -1;
	ms = (deadline.ns - now.ns + 999999) / 1000000;
	return ms < 0 ? 0 : ms > MAX_SLEEP_MS ? MAX_SLEEP_MS : (int)ms;
}

/* The sources that have something, at most so many ms from now; -1: some time.
 */
static unsigned
wait_for_sources(struct lane_thread *t, int ms)
{
	struct epoll_event events[SOURCES];
	unsigned ready = 0;
	int n = epoll_wait(t->epoll, events, SOURCES, ms);

	if (n == -1 && errno != EINTR)
		fatal("epoll_wait");
	for (int i = 0; i < n; i++) {
		ready |= events[i].data.u32;
		/* The device is gone; what comes of it is the parent's. */
		if (events[i].data.u32 == FROM_TUN &&
		    (events[i].events & EPOLLERR) != 0)
			(void)epoll_ctl(
			    t->epoll, EPOLL_CTL_DEL, t->tun_fd, NULL);
	}
	return ready;
}

/* What was left comes first, and is many. */
static void
let_packets_gather(struct lane_thread *t, unsigned ready)
{
	const struct timespec rest = { .tv_nsec = GATHERING_NS };
	const unsigned packets = FROM_UDP_V4 | FROM_UDP_V6 | FROM_TUN;

	if (t->gathering.on && !t->left && (ready & packets) != 0)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
}

static unsigned
sleep_until_needed(struct lane_thread *t)
{
	unsigned ready;
	int ms = 0;

	if (lane_lies_down(t->lane))
		ms = ms_until(lane_deadline(t->lane), mono_now());
	ready = wait_for_sources(t, ms);
	let_packets_gather(t, ready);
	lane_gets_up(t->lane);
	return ready;
}

static void *
lane_thread_main(void *arg)
{
	struct lane_thread *t = arg;
	unsigned ready;
	char name[16];

	snprintf(name, sizeof(name), "shard %u", t->number);
	/* Of its own accord a rest of 50 us would take 100. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0L, 0L, 0L);
	(void)prctl(PR_SET_NAME, (unsigned long)name, 0L, 0L, 0L);
	sem_post(&t->waits);
	while (!atomic_load(&t->let_go))
		(void)wait_for_sources(t, -1);
	for (ready = ~0u; !atomic_load(&t->stop); ready = sleep_until_needed(t))
		take_turn(t, ready);
	/* What the engine has said last, such as goodbyes. */
	take_turn(t, 0);
	return NULL;
}

static void
watch_source(struct lane_thread *t, int fd, enum source source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = source };

	if (fd != -1 && epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &event) == -1)
		fatal("epoll_ctl");
}

void
lane_thread_start(struct lane_thread *t, struct lane *lane)
{
	pthread_attr_t attributes;

	t->lane = lane;
	watch_source(t, t->bell, FROM_BELL);
	if (sem_init(&t->waits, 0, 0) != 0 ||
	    pthread_attr_init(&attributes) != 0 ||
	    pthread_attr_setstacksize(&attributes, STACK_SIZE) != 0 ||
	    pthread_create(&t->thread, &attributes, lane_thread_main, t) != 0)
		fatalx("a thread of the data path cannot be started");
	pthread_attr_destroy(&attributes);
	t->runs = true;
	while (sem_wait(&t->waits) == -1)
		continue;
}

void
lane_thread_let_go(struct lane_thread *t)
{
	watch_source(t, t->udp_fd[0], FROM_UDP_V4);
	watch_source(t, t->udp_fd[1], FROM_UDP_V6);
	watch_source(t, t->tun_fd, FROM_TUN);
	atomic_store(&t->let_go, true);
	lane_thread_wake(t);
}

void
lane_thread_wake(struct lane_thread *t)
{
	const uint64_t one = 1;

	(void)!write(t->bell, &one, sizeof(one));
}

void
lane_thread_ask(struct lane_thread *t, uint32_t serial)
{
	atomic_store(&t->pulse, serial);
	lane_thread_wake(t);
}

uint32_t
lane_thread_turned(const struct lane_thread *t)
{
	return atomic_load(&t->turned);
}

void
lane_thread_stop(struct lane_thread *t)
{
	if (!t->runs)
		return;
	atomic_store(&t->stop, true);
	lane_thread_wake(t);
	pthread_join(t->thread, NULL);
	t->runs = false;
}
