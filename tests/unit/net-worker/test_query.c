/*
 * What an operator may see of net-worker: query_net.c, engine/query.c and the
 * shard's figures, asked as control-worker asks.
 */
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/log.h"
#include "net-worker/worker.h"
#include "tests/lib/dataplane.h"

#define PAGE    64
#define CLIENTS 200

static struct worker worker;
static struct ipc_channel *control; /* control-worker's end */

/* What has come. */
static struct ipc_query_client clients[CLIENTS];
static struct ipc_query_relay relays[8];
static size_t client_count, relay_count, end_count;
static struct ipc_query_end end;

static void
on_client(void *ctx, struct ipc_query_client *m)
{
	(void)ctx;
	assert_true(client_count < CLIENTS);
	clients[client_count++] = *m;
}

static void
on_relay(void *ctx, struct ipc_query_relay *m)
{
	(void)ctx;
	assert_true(relay_count < 8);
	relays[relay_count++] = *m;
}

static void
on_end(void *ctx, struct ipc_query_end *m)
{
	(void)ctx;
	end = *m;
	end_count++;
}

static void
read_answers(void)
{
	static const struct ipc_handlers handlers = {
		.query_client = on_client,
		.query_relay = on_relay,
		.query_end = on_end,
	};

	client_count = relay_count = end_count = 0;
	while (ipc_dispatch(control, &handlers, NULL) == IPC_HANDLED)
		continue;
}

static void
ask(const struct rig *r, enum query_kind kind, uint32_t from)
{
	const struct ipc_query q = {
		.serial = 5,
		.kind = (uint8_t)kind,
		.from = from,
	};

	worker.engine = r->engine;
	worker.shard = r->shard;
	worker.now = r->now;
	query_net_answer(&worker, &q);
	read_answers();
	assert_int_equal(end_count, 1);
	assert_int_equal(end.serial, 5);
}

static int
open_channels(void **state)
{
	int fds[2];

	if (set_up(state) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	worker.control = ipc_open(fds[0], IPC_NET, IPC_CONTROL);
	control = ipc_open(fds[1], IPC_CONTROL, IPC_NET);
	ipc_set_running(worker.control);
	ipc_set_running(control);
	return 0;
}

static int
close_channels(void **state)
{
	ipc_close(worker.control);
	ipc_close(control);
	return tear_down(state);
}

static void
nobody(void **state)
{
	struct rig *r = *state;

	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(client_count, 0);
	assert_false(end.more);
	ask(r, QUERY_KIND_RELAYS, 0);
	assert_int_equal(relay_count, 0);
	assert_false(end.more);
}

static void
a_client_through_its_life(void **state)
{
	struct rig *r = *state;
	const struct ipc_query_client *c = &clients[0];
	const struct ipc_authorization a = authorization(r);
	struct ipc_revocation gone = {
		.client = { { 0xc1 } },
		.resource = { { 0x42 } },
	};
	struct endpoint remote = at("192.0.2.7:50000");

	authorized(r);
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(client_count, 1);
	assert_int_equal(c->serial, 5);
	assert_int_equal(c->client.bytes[0], 0xc1);
	assert_int_equal(c->state, QUERY_STATE_CONNECTING);
	assert_int_equal(c->resources, 1);
	assert_true(ip_equal(&c->v4, &a.client_v4));
	assert_true(ip_equal(&c->v6, &a.client_v6));
	assert_true(c->has_relay && c->relay.bytes[0] == 1);
	assert_int_equal(c->remote.ip.family, IP_NONE);
	assert_false(c->handshaken);

	engine_remote_candidates(r->engine, r->now,
	    &(struct ipc_remote_candidates){
		.client = { { 0xc1 } },
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host ufrag clie\n",
	    });
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
	pass(r, 2500);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:81"); /* not granted */
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(c->state, QUERY_STATE_CONNECTED);
	assert_false(c->relayed);
	assert_true(endpoint_equal(&c->remote, &remote));
	assert_true(c->handshaken);
	assert_int_equal(c->handshake_age, 2);
	assert_int_equal(c->received_packets, 1);
	assert_int_equal(c->received_bytes, 40);
	assert_int_equal(c->sent_packets, 0);

	engine_revocation(r->engine, r->now, &gone);
	settle(r);
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(client_count, 0);
}

static void
a_relay(void **state)
{
	struct rig *r = *state;
	struct endpoint v4 = at("203.0.113.5:3478");

	with_relay(r);
	ask(r, QUERY_KIND_RELAYS, 0);
	assert_int_equal(relay_count, 1);
	assert_int_equal(relays[0].serial, 5);
	assert_int_equal(relays[0].relay.bytes[0], 1);
	assert_true(endpoint_equal(&relays[0].v4, &v4));
	assert_int_equal(relays[0].v6.ip.family, IP_NONE);
	assert_true(relays[0].answers);
	assert_int_equal(relays[0].relayed_v4.ip.family, IP_NONE);
	assert_int_equal(engine_summary(r->engine).relays, 0);
}

static void
add_clients(struct rig *r, unsigned first, unsigned count)
{
	struct ipc_authorization a = authorization(r);

	for (unsigned i = first; i < first + count; i++) {
		a.client.bytes[1] = (uint8_t)(i + 1);
		a.public_key[0] = (uint8_t)(i + 1);
		a.client_v4.bytes[3] = (uint8_t)(i + 3);
		a.client_v6.bytes[15] = (uint8_t)(i + 3);
		engine_authorization(r->engine, r->now, &a);
		settle(r);
	}
}

/* Everybody who is there all the time is named once, whoever comes and goes. */
static void
pages(void **state)
{
	static const unsigned counts[] = { 1, PAGE - 1, PAGE, PAGE + 1,
		3 * PAGE };
	struct rig *r = *state;
	unsigned there = 0;

	with_relay(r);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		unsigned seen = 0, queries = 0;
		bool named[256] = { false };

		add_clients(r, there, counts[i] - there);
		there = counts[i];
		end.next = 0;
		do {
			ask(r, QUERY_KIND_CLIENTS, end.next);
			queries++;
			for (size_t k = 0; k < client_count; k++) {
				assert_false(named[clients[k].client.bytes[1]]);
				named[clients[k].client.bytes[1]] = true;
			}
			seen += (unsigned)client_count;
		} while (end.more);
		assert_int_equal(seen, there);
		assert_int_equal(queries, (there + PAGE - 1) / PAGE);
	}
	ask(r, QUERY_KIND_CLIENTS, UINT32_MAX);
	assert_int_equal(client_count, 0);
	assert_false(end.more);
}

/* A reader that does not read gets no more, and costs no memory. */
static void
a_reader_that_does_not_read(void **state)
{
	struct rig *r = *state;
	const struct ipc_query q = { .serial = 1, .kind = QUERY_KIND_CLIENTS };

	with_relay(r);
	add_clients(r, 0, PAGE);
	worker.engine = r->engine;
	worker.shard = r->shard;
	for (int i = 0; i < 1000; i++)
		query_net_answer(&worker, &q);
	assert_in_range(ipc_backlog(worker.control), IPC_QUEUE_MAX / 2,
	    IPC_QUEUE_MAX / 2 + PAGE + 1);
}

static void
counts_in_the_page(void **state)
{
	struct rig *r = *state;
	static struct counter_page page;

	shard_count_in(r->shard, &page.shard[0].counters);
	engine_count_in(r->engine, &page.engine);
	connected(r);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(page.shard[0].counters.outbound_packets, 1);
	assert_int_equal(page.shard[0].counters.outbound_bytes, 40);
	assert_int_equal(page.engine.handshakes, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, open_channels, close_channels)
		T(nobody),
		T(a_client_through_its_life),
		T(a_relay),
		T(pages),
		T(a_reader_that_does_not_read),
		T(counts_in_the_page),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
