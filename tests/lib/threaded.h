/*
 * The data plane with a thread for the engine and one for each lane, and no
 * kernel: they sleep and are woken as those of the process are, and what comes
 * in and goes out are parcels in rings, from and to a world that is played by
 * the thread of the test.
 *
 * All that the threads of a test share are such rings and eventfds, so that a
 * sanitizer for threads sees no order that the data plane does not make itself.
 */
#ifndef TESTS_LIB_THREADED_H
#define TESTS_LIB_THREADED_H

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "net-worker/dataplane/ring.h"
#include "tests/lib/dataplane.h"

#define LANES   4u          /* POSTERN_TEST_LANES has to say the same */
#define THREADS (1 + LANES) /* the engine's is 0 */

#define INBOX    256
#define OUTBOX   4096
#define TURN     64   /* of the inbox */
#define AHEAD_MS 2000 /* of the clock: clients are set up by hand */

struct parcel {
	bool is_packet; /* of the TUN; else a datagram */
	struct endpoint other;
	uint16_t length;
	uint8_t bytes[320];
};

struct thread {
	unsigned number;
	pthread_t id;
	int bell;     /* other threads */
	int readable; /* its inbox */
	struct ring in, out;
	bool reserved; /* the next of out */
	struct aead *aead;
	struct lane *lane;
	uint64_t told;
	_Atomic uint64_t dropped; /* what it has counted as such */
};

static struct crew {
	struct rig *r;
	struct thread thread[THREADS];
	int bell; /* the world's: something came out, or was counted */
	bool running;
	void (*act)(void); /* what the engine is told in each turn, ... */
	_Atomic bool calm; /* unless it is to sleep until it is woken */
	_Atomic bool stop;
} crew;

static inline void
must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "failed: %s\n", what);
	for (unsigned i = 0; i < THREADS; i++)
		fprintf(stderr, "thread %u: %llu dropped, %s in its inbox\n", i,
		    (unsigned long long)atomic_load(&crew.thread[i].dropped),
		    ring_is_empty(&crew.thread[i].in) ? "nothing" : "more");
	abort();
}

static inline struct mono
now_ahead(void)
{
	return mono_add_ms(mono_now(), AHEAD_MS);
}

static inline void
ring_bell(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

static inline void
hush(int fd)
{
	uint64_t rings;

	(void)!read(fd, &rings, sizeof(rings));
}

/* What threads have for the world. */

static inline void
send_off(struct thread *t)
{
	if (!t->reserved)
		return;
	t->reserved = false;
	ring_filled(&t->out);
	ring_bell(crew.bell);
}

static inline struct parcel *
parcel_for_world(struct thread *t, size_t len)
{
	struct parcel *p;

	send_off(t);
	while ((p = ring_room(&t->out)) == NULL)
		sched_yield();
	must(len <= sizeof(p->bytes), "a datagram that is not too long");
	p->length = (uint16_t)len;
	t->reserved = true;
	return p;
}

static inline uint8_t *
out_udp(void *ctx, const struct endpoint *to, const struct ip_address *from,
    uint8_t ecn, size_t len)
{
	struct parcel *p;

	if (!crew.running)
		return note_udp(crew.r, to, from, ecn, len);
	p = parcel_for_world(ctx, len);
	p->is_packet = false;
	p->other = *to;
	return p->bytes;
}

static inline void
out_tun(void *ctx, uint8_t *packet, size_t len)
{
	struct parcel *p;

	if (!crew.running) {
		note_tun(crew.r, packet, len);
		return;
	}
	p = parcel_for_world(ctx, len);
	p->is_packet = true;
	memcpy(p->bytes, packet, len);
}

static inline void
wake(void *ctx, unsigned thread)
{
	(void)ctx;
	ring_bell(crew.thread[thread].bell);
}

static inline void
wait_for_lane(void *ctx, unsigned thread)
{
	wake(ctx, thread);
	sched_yield();
}

/* Turns. */

static inline uint64_t
drops_of_lane(const struct shard_counters *c)
{
	uint64_t n = c->forged + c->unknown_session + c->expired_session +
	    c->malformed_outbound + c->malformed_inbound + c->no_such_client +
	    c->not_connected;

	for (size_t i = 0; i < REASON_COUNT; i++)
		n += c->refused_outbound[i] + c->refused_inbound[i];
	return n;
}

static inline void
publish_drops(struct thread *t)
{
	uint64_t n = crew.r->page.io[t->number].counters.strays_lost;

	if (t->number > 0)
		n += drops_of_lane(&crew.r->page.shard[t->number - 1].counters);
	if (n == t->told)
		return;
	t->told = n;
	atomic_store_explicit(&t->dropped, n, memory_order_release);
	ring_bell(crew.bell);
}

static inline void
take_parcel(struct thread *t, struct parcel *p)
{
	struct arrival a = {
		.from = p->other,
		.local = { ip_v4(10, 0, 0, 4), 52625 },
	};

	if (p->is_packet)
		lane_packet(t->lane, p->bytes, p->length);
	else if (t->number > 0)
		lane_datagram(t->lane, &a, p->bytes, p->length);
	else
		(void)dataplane_datagram(crew.r->dp, &a, p->bytes, p->length);
}

static inline void
take_inbox(struct thread *t)
{
	struct parcel *p;
	uint32_t n;

	for (n = 0; n < TURN && (p = ring_at(&t->in, n)) != NULL; n++)
		take_parcel(t, p);
	ring_done(&t->in, n);
}

/* The inbox is a source as a socket is: it stays readable while it has any. */
static inline void
sleep_for(struct thread *t, int ms)
{
	struct pollfd sources[] = {
		{ .fd = t->bell, .events = POLLIN },
		{ .fd = t->readable, .events = POLLIN },
	};

	if (ring_is_empty(&t->in))
		hush(t->readable);
	if (!ring_is_empty(&t->in))
		ms = 0;
	(void)poll(sources, 2, ms);
	hush(t->bell);
}

static inline void *
lane_main(void *ctx)
{
	struct thread *t = ctx;

	while (!atomic_load(&crew.stop)) {
		lane_set_time(t->lane, now_ahead());
		take_inbox(t);
		while (lane_strays(t->lane))
			continue;
		lane_timeout(t->lane);
		lane_settle(t->lane);
		send_off(t);
		publish_drops(t);
		sleep_for(t, lane_lies_down(t->lane) ? -1 : 0);
		lane_gets_up(t->lane);
	}
	return NULL;
}

static inline void *
engine_main(void *ctx)
{
	struct dataplane *dp = crew.r->dp;
	struct thread *t = ctx;

	while (!atomic_load(&crew.stop)) {
		bool calm = atomic_load(&crew.calm);

		dataplane_set_time(dp, now_ahead());
		take_inbox(t);
		if (!calm)
			crew.act();
		dataplane_timeout(dp);
		do
			dataplane_settle(dp);
		while (!dataplane_lies_down(dp));
		send_off(t);
		publish_drops(t);
		sleep_for(t, calm ? -1 : 1);
		dataplane_gets_up(dp);
	}
	return NULL;
}

static inline void
start_threads(void)
{
	atomic_store(&crew.calm, false);
	crew.running = true;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&crew.thread[i].id, NULL,
			i == 0 ? engine_main : lane_main, &crew.thread[i]),
		    0);
}

static inline void
stop_threads(void)
{
	atomic_store(&crew.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		ring_bell(crew.thread[i].bell);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(crew.thread[i].id, NULL);
	crew.running = false;
}

/* Clients and relays are told of by hand, before the threads are started. */
static inline int
set_up_crew(void **state, void (*act)(void))
{
	static struct rig rig;
	struct dataplane_host host = notebook_host(&rig);
	const struct packet_sink sink = { &crew.thread[0], out_udp, NULL };
	struct clock_reading started = {
		.mono = mono_now(),
		.wall = { UNIX_NOW * INT64_C(1000000000) },
	};
	struct dataplane_settings settings = {
		.log_denied = true,
		.counters = &rig.page,
		.lanes = LANES,
	};

	memset(&rig, 0, sizeof(rig));
	memset(&crew, 0, sizeof(crew));
	crew.r = &rig;
	crew.act = act;
	rig.now = started.mono;
	rig.aead = aead_new();
	crew.bell = eventfd(0, EFD_NONBLOCK);
	for (unsigned i = 0; i < THREADS; i++) {
		struct thread *t = &crew.thread[i];

		t->number = i;
		t->bell = eventfd(0, EFD_NONBLOCK);
		t->readable = eventfd(0, EFD_NONBLOCK);
		t->aead = aead_new();
		assert_true(ring_init(&t->in, sizeof(struct parcel), INBOX));
		assert_true(ring_init(&t->out, sizeof(struct parcel), OUTBOX));
		if (i > 0)
			settings.lane[i - 1] = (struct dataplane_lane){
				{ t, out_udp, out_tun },
				t->aead,
			};
	}
	host.wake = wake;
	host.wait = wait_for_lane;
	assert_true(dataplane_warm_up());
	rig.dp = dataplane_new(&host, &sink, &settings, &started);
	assert_non_null(rig.dp);
	for (unsigned i = 0; i < LANES; i++)
		crew.thread[1 + i].lane = dataplane_lane(rig.dp, i);
	tell_own_addresses(&rig, "100.64.0.1:0", "[fd00:2021:1111::1]:0");
	with_relay(&rig);
	*state = &rig;
	return 0;
}

static inline int
tear_down_crew(void **state)
{
	struct rig *r = *state;

	dataplane_free(r->dp);
	aead_free(r->aead);
	close(crew.bell);
	for (unsigned i = 0; i < THREADS; i++) {
		struct thread *t = &crew.thread[i];

		close(t->bell);
		close(t->readable);
		aead_free(t->aead);
		ring_free(&t->in);
		ring_free(&t->out);
	}
	return 0;
}

#endif /* TESTS_LIB_THREADED_H */
