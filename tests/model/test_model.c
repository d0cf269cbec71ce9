/*
 * The gateway's packet path against the model, over random worlds:
 *
 *	test_model [-l] [-n PACKETS] [-s SEED] [-w WORLD]
 *
 * With -w only that world of the seed is played, and told. A difference ends
 * the program with what is needed to see it again. It is also an error when
 * something never happened that should have, for which it goes on to three
 * million; unless -l says that the run is a little one.
 */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net-worker/core/policy/gate.h"
#include "tests/model/generate.h"
#include "tests/model/world.h"

#define PACKETS_IN_WORLD 3000
#define TUNNEL_ROOM      16 /* header and tag of WireGuard data */
#define PACKETS_FOR_RARE 3000000

/* One run, and the packet that is being looked at. */
static struct run {
	uint64_t seed, world, step;
	unsigned long long packets;
	bool outbound;
	uint8_t data[GENERATED_MAX];
	size_t length;
	struct gate_result real;
	struct model_result should;
	unsigned long out[REASON_COUNT], in[REASON_COUNT];
	unsigned long malformed;
} run;

static void
print_hex(const char *what, const uint8_t *data, size_t length)
{
	printf("%s (%zu bytes) ", what, length);
	for (size_t i = 0; i < length; i++)
		printf("%02x", data[i]);
	putchar('\n');
}

void
world_differs(const struct world *w, const char *format, ...)
{
	static const char *const verdicts[] = { "malformed", "drop", "answer",
		"pass" };
	va_list ap;

	printf("seed %llu world %llu step %llu time %lld: ",
	    (unsigned long long)run.seed, (unsigned long long)run.world,
	    (unsigned long long)run.step, (long long)w->now.ns);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\nthe last packet was %s\n",
	    run.outbound ? "outbound" : "inbound");
	print_hex("packet", run.data, run.length);
	printf("is: verdict %d (%s), limited %d\n", run.real.verdict,
	    policy_reason_name(run.real.reason), run.real.answer_limited);
	if (run.real.verdict != GATE_DROP && run.real.data != NULL)
		print_hex("is", run.real.data, run.real.length);
	printf("should be: %s (%s), limited %d\n", verdicts[run.should.verdict],
	    policy_reason_name(run.should.reason), run.should.limited);
	if (run.should.verdict >= MODEL_ANSWER)
		print_hex("should be", run.should.data, run.should.length);
	printf("again: test_model -s %llu -w %llu\n",
	    (unsigned long long)run.seed, (unsigned long long)run.world);
	exit(1);
}

/*
 * What becomes IPv4 is numbered from anywhere: by the first one all others are
 * known.
 */
static void
identify(struct world *w)
{
	uint8_t *should = run.should.data;
	uint16_t is = (uint16_t)model_word(run.real.data + 4);

	if (!w->identification_known)
		w->identification = (uint16_t)(is - w->model->crossed);
	w->identification_known = true;
	model_put_word(
	    should + 4, (uint16_t)(w->identification + w->model->crossed));
	model_put_word(should + 10, 0);
	model_put_word(should + 10, model_finish(model_sum(0, should, 20)));
}

/* 0 and 0xffff are one number, but to UDP. */
static void
compare_bytes(struct world *w)
{
	const struct model_result *s = &run.should;
	uint8_t got[MODEL_PACKET_MAX];

	if (run.real.length != s->length ||
	    run.real.rest_length != s->rest_length)
		world_differs(w, "length");
	if (s->rest_length > 0 &&
	    memcmp(run.real.rest, s->rest, s->rest_length) != 0)
		world_differs(w, "the second fragment");
	if (s->identified)
		identify(w);
	memcpy(got, run.real.data, s->length);
	for (size_t i = 0; i < s->checksums.count; i++) {
		uint8_t *is = got + s->checksums.at[i];
		const uint8_t *should = s->data + s->checksums.at[i];

		if (!s->checksums.udp[i] && is[0] == is[1] &&
		    should[0] == should[1] && (is[0] == 0 || is[0] == 0xff) &&
		    (should[0] == 0 || should[0] == 0xff))
			memcpy(is, should, 2);
	}
	if (memcmp(got, s->data, s->length) != 0)
		world_differs(w, "bytes");
}

static void
compare_decision(const struct world *w)
{
	static const struct uuid none;
	const struct policy_decision *d = &run.real.decision;
	const struct uuid *flow =
	    d->flow_authorization != NULL ? d->flow_authorization : &none;
	const struct uuid *refused_by =
	    d->refused_by != NULL ? d->refused_by : &none;

	if (!uuid_equal(&d->resource, &run.should.resource))
		world_differs(w, "resource %02x, should be %02x",
		    d->resource.bytes[15], run.should.resource.bytes[15]);
	if (!uuid_equal(flow, &run.should.flow))
		world_differs(w, "flow authorization");
	if (!uuid_equal(refused_by, &run.should.refused_by))
		world_differs(w, "whose filter it was");
	if ((d->domain == NULL) != (run.should.domain == NULL) ||
	    (d->domain != NULL &&
		strcasecmp(d->domain, run.should.domain) != 0))
		world_differs(w, "name");
}

/* What the packet says of itself is what its bytes say. */
static void
compare_packet(const struct world *w, const struct packet *p)
{
	uint8_t copy[MODEL_PACKET_MAX];
	struct packet again;
	enum packet_result result;

	memcpy(copy, p->data, p->length);
	result = packet_parse(copy, p->length, &again);
	if (run.real.rest_length > 0 && result == PACKET_FRAGMENT)
		return;
	if (result != PACKET_OK)
		world_differs(w, "what it became is malformed");
	if (again.kind != p->kind || again.protocol != p->protocol ||
	    again.transport != p->transport ||
	    again.source_port != p->source_port ||
	    again.destination_port != p->destination_port ||
	    !ip_equal(&again.source, &p->source) ||
	    !ip_equal(&again.destination, &p->destination))
		world_differs(w, "the packet is not what its bytes are");
}

static void
compare(struct world *w, const struct packet *p)
{
	static const enum model_verdict same_as[] = {
		[GATE_DROP] = MODEL_DROP,
		[GATE_ANSWER] = MODEL_ANSWER,
		[GATE_PASS] = MODEL_PASS,
	};

	if (same_as[run.real.verdict] != run.should.verdict ||
	    run.real.reason != run.should.reason)
		world_differs(w, "verdict");
	if (run.real.answer_limited != run.should.limited)
		world_differs(w, "limit of answers");
	if (run.real.verdict != GATE_DROP)
		compare_bytes(w);
	if (run.real.verdict == GATE_PASS || run.real.reason == REASON_FILTER ||
	    run.real.reason == REASON_WITHDRAWN)
		compare_decision(w);
	if (run.real.verdict == GATE_PASS && run.real.data == p->data)
		compare_packet(w, p);
}

/* The packet in run, through both. */
static void
judge(struct world *w)
{
	/*
	 * A block of its own, so that ASan sees what is beyond its end. What
	 * crosses on its way out has room around it, as a tunnel leaves it.
	 */
	size_t room = run.outbound && w->was_older ? TUNNEL_ROOM : 0;
	size_t size = run.length + 2 * room;
	uint8_t *block = malloc(size > 0 ? size : 1), *data;
	uint8_t scratch[GATE_SCRATCH];
	struct packet p;
	bool accepted;

	if (block == NULL)
		err(1, NULL);
	data = memcpy(block + room, run.data, run.length);
	(run.outbound ? model_outbound : model_inbound)(
	    w->model, w->now, run.data, run.length, &run.should);
	accepted = packet_parse(data, run.length, &p) == PACKET_OK;
	memset(&run.real, 0, sizeof(run.real));
	run.packets++;
	if (accepted != (run.should.verdict != MODEL_MALFORMED))
		world_differs(w, accepted ? "accepted" : "malformed");
	if (accepted) {
		p.headroom = p.tailroom = room;
		run.real = (run.outbound ? gate_outbound : gate_inbound)(
		    &w->gate, w->now, &p, scratch);
		compare(w, &p);
		(run.outbound ? run.out : run.in)[run.real.reason]++;
		if (run.real.verdict == GATE_PASS)
			world_trace(w, "%s passes",
			    run.outbound ? "outbound" : "inbound");
		/* As it comes back whole. */
		if (run.outbound && run.real.verdict == GATE_PASS &&
		    run.real.rest_length == 0)
			world_remember(w, run.real.data, run.real.length);
	} else
		run.malformed++;
	free(block);
}

static void
send_plain(struct world *w, size_t proxy, uint16_t port)
{
	struct ip_address to = world_proxy(w, 0, false, proxy);

	run.outbound = true;
	run.length = generate_plain(w, &to, port, run.data);
	judge(w);
}

static void
receive_plain(struct world *w, uint16_t port)
{
	struct ip_address from = ip_v4(10, 0, 0, 5);

	run.outbound = false;
	run.length = generate_plain_reply(w, &from, port, run.data);
	judge(w);
}

/* As many ports in use as are ever tried, and one more; then all again. */
static void
crowd(struct world *w)
{
	uint32_t first = 1 + roll(&w->dice, 65535);
	uint32_t count = 1023 + roll(&w->dice, 3);

	world_open_name(w);
	for (uint32_t i = 0; i < count; i++)
		send_plain(w, 0, (uint16_t)((first + i - 1) % 65535 + 1));
	for (uint32_t i = 0; i < 30; i++)
		send_plain(w, 1 + roll(&w->dice, 3),
		    (uint16_t)((first + roll(&w->dice, 3) - 1) % 65535 + 1));
}

/* Some sessions more than there may be, from new ports, at this pace. */
static void
fill_up(struct world *w, uint32_t first, int64_t pace_ns)
{
	for (uint32_t i = 0; i < MODEL_SESSIONS_MAX + 20; i++) {
		/* No two end at once: one would not know which gives way. */
		w->now = mono_add_ns(w->now, pace_ns);
		send_plain(w, 0, (uint16_t)(first + i));
	}
	for (uint32_t i = 0; i < 200; i++)
		send_plain(w, 0, (uint16_t)(first + roll(&w->dice, 16500)));
}

/*
 * All the sessions that there may be, after others were forgotten, faster than
 * any could give way; then more ended ones than are remembered, and all the
 * sessions again beside them, slowly.
 */
static void
overflow(struct world *w)
{
	world_open_name(w);
	for (uint32_t i = 0; i < 500; i++)
		send_plain(w, 0, (uint16_t)(50000 + i));
	nat_forget(w->gate.nat);
	model_nat_forget(&w->model->nat);
	fill_up(w, 1, 100000);
	for (int s = 0; s < 80; s++) {
		w->now = mono_add_s(w->now, 1);
		world_tick(w);
		for (int i = 0; i < 20; i++)
			receive_plain(w, (uint16_t)(1 + roll(&w->dice, 16500)));
	}
	fill_up(w, 20000, 2000000);
}

static void
play(uint64_t number, struct model *m, bool trace)
{
	bool crowded = number % 32 == 1, full = number % 256 == 5;
	struct world w;

	run.world = number;
	run.step = 0;
	world_begin(&w, m, dice_new(run.seed, number), crowded || full);
	w.trace = trace;
	if (crowded)
		crowd(&w);
	if (full)
		overflow(&w);
	world_patterns(&w);
	for (; run.step < PACKETS_IN_WORLD; run.step++) {
		if (roll(&w.dice, 24) == 0)
			world_event(&w);
		world_wait(&w);
		run.outbound = percent(&w.dice, 55);
		run.length = run.outbound ? generate_outbound(&w, run.data)
					  : generate_inbound(&w, run.data);
		judge(&w);
	}
	world_end(&w);
}

/* Reasons that a direction cannot have are those of the other one. */
static bool
may_never_be(int reason, bool outbound)
{
	switch (reason) {
	case REASON_MULTICAST:
	case REASON_ICMP_ERROR:
	case REASON_SOURCE:
	case REASON_GATEWAY:
	case REASON_NAT_KIND:
	case REASON_NAT_EXHAUSTED:
		return !outbound;
	case REASON_NOT_A_PEER:
	case REASON_INBOUND_KIND:
	case REASON_NAT_EXPIRED:
		return outbound;
	default:
		return false;
	}
}

/* Of what should happen, how much has not. */
static int
missing(const struct model *m)
{
	int count = run.malformed == 0;

	for (int i = 0; i < REASON_COUNT; i++) {
		count += run.out[i] == 0 && !may_never_be(i, true);
		count += run.in[i] == 0 && !may_never_be(i, false);
	}
	for (int i = 0; i < PATH_COUNT; i++)
		count += m->seen[i] == 0;
	return count;
}

static void
print_table(const struct model *m)
{
	static const char *const paths[] = {
#define X(name, text) text,
		MODEL_PATHS(X)
#undef X
	};

	printf("%10llu packets, seed %llu\n", run.packets,
	    (unsigned long long)run.seed);
	printf("%10lu malformed\n", run.malformed);
	for (int i = 0; i < REASON_COUNT; i++)
		printf("%10lu out, %10lu in: %s\n", run.out[i], run.in[i],
		    i == REASON_NONE
			? "pass"
			: policy_reason_name((enum policy_reason)i));
	for (int i = 0; i < PATH_COUNT; i++)
		printf("%10lu %s\n", m->seen[i], paths[i]);
	if (missing(m) > 0)
		printf("%d of these never happened\n", missing(m));
}

static bool
wants_more(const struct model *m, unsigned long long wanted, bool little)
{
	return run.packets < wanted ||
	    (!little && run.packets < PACKETS_FOR_RARE && missing(m) > 0);
}

int
main(int argc, char *argv[])
{
	unsigned long long wanted = 300000;
	struct model *m = calloc(1, sizeof(*m));
	long long only = -1;
	bool little = false;
	int option, status = 0;

	if (m == NULL)
		err(1, NULL);
	run.seed = (uint64_t)time(NULL);
	while ((option = getopt(argc, argv, "ln:s:w:")) != -1) {
		if (option == 'l')
			little = true;
		else if (option == 'n')
			wanted = strtoull(optarg, NULL, 10);
		else if (option == 's')
			run.seed = strtoull(optarg, NULL, 10);
		else if (option == 'w')
			only = atoll(optarg);
		else
			errx(2,
			    "usage: test_model [-l] [-n PACKETS] [-s SEED] "
			    "[-w WORLD]");
	}
	if (only >= 0)
		play((uint64_t)only, m, true);
	else {
		for (uint64_t i = 0; wants_more(m, wanted, little); i++)
			play(i, m, false);
		print_table(m);
		status = !little && missing(m) > 0;
	}
	free(m);
	return status;
}
