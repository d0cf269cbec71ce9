/*
 * The net-worker's dispatchers, with the parent or control-worker hostile, and
 * the data plane behind them. What it says to control-worker has to
 * be what control-worker takes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/homes.h"
#include "net-worker/core/stun/stun.h"
#include "net-worker/worker.h"
#include "tests/fuzz/messages.h"
#include "tests/lib/by_hand.h"

#define UNIX_NOW  1790000000u
#define STEPS_MAX 96

struct rig {
	struct worker w;
	struct hostile parent, control;
	struct cursor *in;
	bool over;
	/* The last Binding request to a relay. */
	struct endpoint asked;
	uint8_t transaction[STUN_TRANSACTION_LEN];
	struct endpoint to;
	size_t len;
	uint8_t datagram[65536]; /* the one being written */
};

static struct aead *aead;
static struct counter_page counters;

void
fuzz_init(void)
{
	must(dataplane_warm_up());
	must((aead = aead_new()) != NULL);
}

/* The packet that was reserved has been written by now. */
static void
look_at_datagram(struct rig *r)
{
	struct stun_message m;

	if (r->len > 0 && stun_parse(r->datagram, r->len, &m) &&
	    m.type == STUN_BINDING_REQUEST) {
		r->asked = r->to;
		memcpy(r->transaction, m.transaction, sizeof(r->transaction));
	}
	r->len = 0;
}

static uint8_t *
sink_udp(void *ctx, const struct endpoint *to, const struct ip_address *from,
    uint8_t ecn, size_t len)
{
	struct rig *r = ctx;

	(void)from;
	(void)ecn;
	must(len <= sizeof(r->datagram));
	must(to->ip.family == IP_V4 || to->ip.family == IP_V6);
	look_at_datagram(r);
	r->to = *to;
	r->len = len;
	return r->datagram;
}

static void
sink_tun(void *ctx, uint8_t *packet, size_t len)
{
	(void)ctx;
	(void)packet;
	/* Nobody has a session. */
	must(len == 0);
}

static void
message(struct rig *r, struct hostile *h)
{
	hostile_send(h, r->in);
	ipc_net_read(&r->w, h->victim);
	r->over = !hostile_check(h);
	if (r->w.control != NULL)
		hostile_follow(&r->control, r->w.epoch);
}

static void
datagram(struct rig *r, const struct endpoint *from, uint8_t *data, size_t len)
{
	struct arrival a = { .from = *from };

	must(endpoint_parse(
	    from->ip.family == IP_V6 ? "[2001:db8::4]:52625" : "10.0.0.4:52625",
	    &a.local));
	by_hand_datagram(r->w.dataplane, &a, data, len);
}

static void
relay_answers(struct rig *r)
{
	struct endpoint mapped = pick_endpoint(r->in, NULL, 0);
	uint8_t answer[128];
	struct writer w;

	look_at_datagram(r);
	if (r->asked.ip.family == IP_NONE)
		return;
	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, STUN_BINDING_SUCCESS, r->transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	datagram(r, &r->asked, answer, w.len);
}

static void
client_checks(struct rig *r)
{
	struct endpoint from = pick_endpoint(r->in, &r->asked, 1);
	static const uint8_t transaction[STUN_TRANSACTION_LEN] = { 1 };
	uint8_t check[128];
	struct writer w;

	writer_init(&w, check, sizeof(check));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, "gate:clie");
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
	stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
	if (pick_bool(r->in))
		stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	stun_add_integrity(&w, "gatepassword", 12);
	if (from.ip.family != IP_NONE)
		datagram(r, &from, check, w.len);
}

static void
pass(struct rig *r, int64_t ms)
{
	struct worker *w = &r->w;

	w->now = mono_add_ms(w->now, ms);
	by_hand_set_time(w->dataplane, w->now);
	/* A handshake that is wanted may be due at once. */
	for (int turn = 0; turn < 2; turn++) {
		by_hand_timeout(w->dataplane);
		by_hand_settle(w->dataplane);
	}
	must(!mono_due(by_hand_deadline(w->dataplane), w->now));
}

static void
step(struct rig *r)
{
	switch (pick(r->in, 8)) {
	case 0:
		message(r, &r->parent);
		break;
	case 1:
		relay_answers(r);
		break;
	case 2:
		client_checks(r);
		break;
	case 3:
		pass(r, cursor_be16(r->in));
		break;
	default:
		message(r, &r->control);
	}
	by_hand_settle(r->w.dataplane);
	/* There are no threads to take a turn. */
	for (unsigned i = 0; i < r->w.lanes; i++)
		r->w.lane[i].turned = r->w.lane[i].pulse;
	ipc_net_pulse(&r->w);
	hostile_listen(&r->parent);
	hostile_listen(&r->control);
}

/* As main.c does after the parent has said START. */
static void
meet_control(struct rig *r)
{
	struct worker *w = &r->w;

	if (w->epoch == 0)
		w->epoch = 1;
	w->control = r->control.victim;
	ipc_set_epoch(w->control, w->epoch);
	hostile_follow(&r->control, w->epoch);
	hostile_set_running(&r->parent);
	hostile_set_running(&r->control);
	ipc_net_introduce(w);
}

static void
run(void *ctx)
{
	struct rig *r = ctx;

	for (size_t n = pick(r->in, 9); n > 0 && !r->over; n--)
		message(r, &r->parent);
	if (r->over)
		return;
	meet_control(r);
	for (int i = 0; more(r->in) && !r->over && i < STEPS_MAX; i++)
		step(r);
	if (!r->over)
		pass(r, 100);
}

static void
set_up(struct rig *r)
{
	struct worker *w = &r->w;
	struct dataplane_host host = ipc_net_host(w);
	const struct packet_sink sink = { r, sink_udp, sink_tun };
	const struct dataplane_settings settings = {
		.lanes = by_hand_lanes(),
		.lane = { { sink, aead } },
		.counters = &counters,
	};
	struct clock_reading started = {
		.wall = { UNIX_NOW * INT64_C(1000000000) },
	};

	/* There are no threads to be woken or waited for. */
	host.wake = by_hand_wake;
	host.wait = NULL;
	hostile_open(&r->parent, IPC_NET, IPC_PARENT);
	hostile_open(&r->control, IPC_NET, IPC_CONTROL);
	w->parent = r->parent.victim;
	w->counters = &counters;
	w->control_fd = w->udp_fd[0] = w->udp_fd[1] = -1;
	for (unsigned i = 0; i < SHARDS_MAX; i++)
		w->lane[i].tun_fd = w->lane[i].udp_fd[0] =
		    w->lane[i].udp_fd[1] = w->lane[i].bell = -1;
	w->now = (struct mono){ 1000000000 };
	started.mono = w->now;
	w->dataplane = dataplane_new(&host, &sink, &settings, &started);
	must(w->dataplane != NULL);
}

static void
close_if_open(int fd)
{
	if (fd != -1)
		close(fd);
}

static void
tear_down(struct rig *r)
{
	close_if_open(r->w.control_fd);
	close_if_open(r->w.udp_fd[0]);
	close_if_open(r->w.udp_fd[1]);
	for (unsigned i = 0; i < SHARDS_MAX; i++) {
		close_if_open(r->w.lane[i].tun_fd);
		close_if_open(r->w.lane[i].udp_fd[0]);
		close_if_open(r->w.lane[i].udp_fd[1]);
	}
	if (r->w.homes != NULL)
		munmap(r->w.homes, HOMES_SIZE);
	if (r->w.counters != &counters)
		munmap(r->w.counters, sizeof(counters));
	dataplane_free(r->w.dataplane);
	hostile_close(&r->parent);
	hostile_close(&r->control);
}

void
fuzz_one(struct cursor *in)
{
	static struct rig r;
	bool survived;

	memset(&r, 0, offsetof(struct rig, datagram));
	r.in = in;
	descriptors_remember();
	set_up(&r);
	survived = survives(run, &r);
	tear_down(&r);
	descriptors_check(survived);
}
