/*
 * Time, of which there is only the simulated one. What is going to happen lies
 * in one heap, by its time and then by the order in which it was caused; those
 * who have deadlines of their own are asked for them. The world jumps to
 * whatever comes next. All that happens is mixed into the trace, a hash, so
 * that two runs can be compared.
 *
 * libsodium's random numbers and the wall clock are the world's, too.
 */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

#define EVENTS    8192
#define AT_ONCE   1000 /* steps without time going by */
#define FNV_PRIME 0x100000001b3u
#define STARTS_AT INT64_C(1000000000)

struct world world;

static struct event pool[EVENTS];
static struct event *heap[EVENTS]; /* beyond the count: those not in use */
static size_t heap_count;
static uint64_t pushed;

/* The wall clock; who asks is whoever's turn it is: of clients the true one. */
int __wrap_clock_gettime(clockid_t, struct timespec *);

int
__wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int64_t ns = id == CLOCK_REALTIME ? sim_wall_ns(false) : world.now.ns;

	t->tv_sec = ns / 1000000000;
	t->tv_nsec = ns % 1000000000;
	return 0;
}

static const char *
random_name(void)
{
	return "simulated";
}

static uint32_t
random_word(void)
{
	return roll(&world.secret, UINT32_MAX);
}

static void
random_bytes(void *const to, const size_t len)
{
	uint8_t *p = to;

	for (size_t i = 0; i < len; i += 4) {
		uint32_t word = random_word();

		memcpy(p + i, &word, len - i < 4 ? len - i : 4);
	}
}

static struct randombytes_implementation randomness = {
	.implementation_name = random_name,
	.random = random_word,
	.buf = random_bytes,
};

void
sim_begin(uint64_t seed, const uint8_t *bytes, size_t len)
{
	void (*failed)(const char *) = world.failed;
	bool verbose = world.verbose;

	world = (struct world){
		.seed = seed,
		.choices = { dice_new(seed, 0), bytes, len },
		.dice = dice_new(seed, 1),
		.secret = dice_new(seed, 2),
		.now = { STARTS_AT },
		.end = MONO_NEVER,
		.trace = 0xcbf29ce484222325u,
		.verbose = verbose,
		.failed = failed,
	};
	randombytes_set_implementation(&randomness);
	heap_count = 0;
	pushed = 0;
	for (size_t i = 0; i < EVENTS; i++)
		heap[i] = &pool[i];
	network_begin();
	relays_begin_all();
	portal_begin();
	checks_begin();
	gateway_begin();
	for (unsigned d = 0; d < DEVICES; d++)
		device_begin(d);
	traffic_begin();
	roams_begin();
	conn_begin();
	story_begin();
	sim_disturbed();
}

bool
choices_left(void)
{
	return world.choices.bytes == NULL || world.choices.left > 0;
}

uint32_t
choose(uint32_t n)
{
	struct choices *c = &world.choices;
	uint32_t x = 0;

	if (c->bytes == NULL)
		return roll(&c->dice, n);
	for (uint32_t m = n - 1; m > 0 && c->left > 0; m >>= 8, c->left--)
		x = x << 8 | *c->bytes++;
	return x % n;
}

double
sim_seconds(struct mono t)
{
	return (double)(t.ns - STARTS_AT) / 1e9;
}

int64_t
sim_wall_ns(bool gateway)
{
	return UNIX_START * 1000000000 + world.now.ns +
	    (gateway ? world.wall_ahead : 0);
}

void
sim_trace(const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		world.trace = (world.trace ^ p[i]) * FNV_PRIME;
}

void
sim_log(const char *format, ...)
{
	va_list ap;

	if (!world.verbose)
		return;
	printf("%12.6f ", sim_seconds(world.now));
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

void
sim_fail(const char *format, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	sim_log("FAULT: %s", what);
	world.failed(what);
	__builtin_trap();
}

void
sim_disturbed(void)
{
	world.disturbed = world.now;
}

static bool
is_earlier(const struct event *a, const struct event *b)
{
	return a->at.ns != b->at.ns ? a->at.ns < b->at.ns : a->order < b->order;
}

static void
swap_events(size_t i, size_t k)
{
	struct event *e = heap[i];

	heap[i] = heap[k];
	heap[k] = e;
}

struct event *
event_new(enum event_kind kind, int64_t in_us)
{
	struct event *e;

	if (heap_count == EVENTS)
		sim_fail("more than %d events at a time", EVENTS);
	e = heap[heap_count];
	e->kind = kind;
	e->at = mono_add_ns(world.now, in_us * 1000);
	e->order = pushed++;
	e->len = 0;
	return e;
}

void
event_push(struct event *e)
{
	size_t i = heap_count++;

	heap[i] = e;
	for (; i > 0 && is_earlier(heap[i], heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap_events(i, (i - 1) / 2);
}

static void
take_event(struct event *to)
{
	*to = *heap[0];
	swap_events(0, --heap_count);
	for (size_t i = 0, k; (k = 2 * i + 1) < heap_count; i = k) {
		if (k + 1 < heap_count && is_earlier(heap[k + 1], heap[k]))
			k++;
		if (!is_earlier(heap[k], heap[i]))
			break;
		swap_events(i, k);
	}
}

static void
play_event(void)
{
	struct event e;

	take_event(&e);
	sim_trace(&e.at, sizeof(e.at));
	sim_trace(e.data, e.len);
	switch (e.kind) {
	case EVENT_DATAGRAM:
		world.datagrams++;
		network_arrive(&e);
		break;
	case EVENT_LAN:
		gateway_packet(&e);
		break;
	case EVENT_PORTAL:
		portal_message(&e);
		break;
	}
}

static struct mono
next_moment(void)
{
	struct mono at = heap_count > 0 ? heap[0]->at : MONO_NEVER;

	at = mono_min(at, gateway_deadline());
	at = mono_min(at, traffic_deadline());
	at = mono_min(at, story_deadline());
	for (unsigned d = 0; d < DEVICES; d++)
		at = mono_min(at, device_deadline(d));
	return mono_max(at, world.now);
}

static void
play_step(void)
{
	if (heap_count > 0 && mono_due(heap[0]->at, world.now))
		play_event();
	else if (mono_due(gateway_deadline(), world.now))
		gateway_timeout();
	else if (mono_due(story_deadline(), world.now))
		story_timeout();
	else if (mono_due(traffic_deadline(), world.now))
		traffic_timeout();
	else
		for (unsigned d = 0; d < DEVICES; d++)
			if (mono_due(device_deadline(d), world.now))
				device_timeout(d);
	world.steps++;
	check_step();
}

void
sim_run(int64_t hours)
{
	unsigned at_once = 0;

	world.end = mono_add_s(world.now, hours * 3600);
	for (;;) {
		struct mono next = next_moment();

		if (!mono_before(next, world.end))
			break;
		at_once = mono_before(world.now, next) ? 0 : at_once + 1;
		if (at_once > AT_ONCE)
			sim_fail("time does not go on");
		world.now = next;
		play_step();
	}
	gateway_end();
}
