/*
 * What an operator may see of net-worker: the engine's and the shard's figures,
 * asked as control-worker asks, and their way to it.
 */
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "net-worker/worker.h"
#include "tests/lib/dataplane.h"

#define PAGE 64

static void
ask(struct rig *r, enum query_kind kind, uint32_t from)
{
	const struct ipc_query q = {
		.serial = 5,
		.kind = (uint8_t)kind,
		.from = from,
	};

	r->client_count = r->relay_count = r->resource_count = 0;
	r->end.serial = 0;
	ask_query(r, &q);
	assert_int_equal(r->end.serial, 5);
}

static void
nobody(void **state)
{
	struct rig *r = *state;

	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(r->client_count, 0);
	assert_false(r->end.more);
	ask(r, QUERY_KIND_RELAYS, 0);
	assert_int_equal(r->relay_count, 0);
	assert_false(r->end.more);
	ask(r, QUERY_KIND_RESOURCES, 0);
	assert_int_equal(r->resource_count, 0);
	assert_false(r->end.more);
}

static void
assert_meter(const struct rig *r, unsigned i, const struct meter *m)
{
	assert_int_equal(
	    COUNTER_METER(&r->page, i, outbound_packets), m->outbound_packets);
	assert_int_equal(
	    COUNTER_METER(&r->page, i, outbound_bytes), m->outbound_bytes);
	assert_int_equal(
	    COUNTER_METER(&r->page, i, inbound_packets), m->inbound_packets);
	assert_int_equal(
	    COUNTER_METER(&r->page, i, inbound_bytes), m->inbound_bytes);
}

static void
a_client_through_its_life(void **state)
{
	struct rig *r = *state;
	const struct ipc_query_client *c = &r->clients[0];
	const struct ipc_authorization a = authorization(r);
	struct ipc_revocation gone = {
		.client = { { 0xc1 } },
		.resource = { { 0x42 } },
	};
	struct ipc_remote_candidates line = {
		.client = { { 0xc1 } },
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host ufrag clie\n",
	};
	struct endpoint remote = at("192.0.2.7:50000");
	uint8_t reply[40];

	authorized(r);
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(r->client_count, 1);
	assert_int_equal(c->serial, 5);
	assert_int_equal(c->client.bytes[0], 0xc1);
	assert_int_equal(c->state, QUERY_STATE_CONNECTING);
	assert_int_equal(c->resources, 1);
	assert_true(ip_equal(&c->v4, &a.client_v4));
	assert_true(ip_equal(&c->v6, &a.client_v6));
	assert_true(c->has_relay && c->relay.bytes[0] == 1);
	assert_int_equal(c->remote.ip.family, IP_NONE);
	assert_false(c->handshaken);

	tell(r, remote_candidates, &line);
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
	pass(r, 2500);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:81"); /* not granted */
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(c->state, QUERY_STATE_CONNECTED);
	assert_false(c->relayed || c->client_relayed);
	assert_true(endpoint_equal(&c->remote, &remote));
	assert_true(c->handshaken);
	assert_int_equal(c->handshake_age, 2);
	assert_int_equal(c->received_packets, 1);
	assert_int_equal(c->received_bytes, 40);
	assert_int_equal(c->sent_packets, 0);

	ask(r, QUERY_KIND_RESOURCES, 0);
	assert_int_equal(r->resource_count, 1);
	assert_int_equal(r->resources[0].resource.bytes[0], 0x42);
	assert_false(r->end.more);
	assert_meter(r, r->resources[0].meter,
	    &(const struct meter){
		.outbound_packets = 1, .outbound_bytes = 40 });
	from_tun(
	    r, reply, tcp_packet(reply, "10.20.0.9:80", "100.64.0.2:1234"));
	assert_meter(
	    r, r->resources[0].meter, &(const struct meter){ 1, 40, 1, 40 });
	/* That which is no resource's, our own address's here. */
	client_sends(r, "100.64.0.2:1234", "100.64.0.1:53535");
	assert_meter(r, 0,
	    &(const struct meter){
		.outbound_packets = 1, .outbound_bytes = 40 });

	tell(r, revocation, &gone);
	settle(r);
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(r->client_count, 0);
	ask(r, QUERY_KIND_RESOURCES, 0);
	assert_int_equal(r->resource_count, 0);
}

/* An address of a relay is not the client's own. */
static void
a_client_by_its_relay(void **state)
{
	struct rig *r = *state;
	const struct ipc_query_client *c = &r->clients[0];
	const struct ipc_relay_present relay = { .relay = { { 2 } },
		.v4 = at("192.0.2.7:3478") };

	connected(r);
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_true(ip_equal(&c->remote.ip, &relay.v4.ip));
	assert_false(c->relayed || c->client_relayed);
	tell(r, relay_present, &relay);
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_false(c->relayed);
	assert_true(c->client_relayed);
}

static struct ipc_authorization
authorization_of(struct rig *r, unsigned i)
{
	struct ipc_authorization a = authorization(r);

	a.resource.bytes[1] = (uint8_t)i;
	return a;
}

/* How many are told, each once and with a meter of its own. */
static unsigned
ask_resources(struct rig *r, bool there[256])
{
	bool metered[METERS] = { false };
	unsigned count = 0;

	memset(there, 0, 256);
	r->end.next = 0;
	do {
		ask(r, QUERY_KIND_RESOURCES, r->end.next);
		for (size_t i = 0; i < r->resource_count; i++) {
			assert_false(metered[r->resources[i].meter]);
			metered[r->resources[i].meter] = true;
			there[r->resources[i].resource.bytes[1]] = true;
			count++;
		}
	} while (r->end.more);
	return count;
}

/* Who gets a meter is told what others have on it. */
static void
a_meter_again(void **state)
{
	struct rig *r = *state;
	struct ipc_revocation gone = {
		.client = { { 0xc1 } },
		.resource = { { 0x42 } },
	};
	struct ipc_authorization a;
	uint8_t meter;

	connected(r);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	ask(r, QUERY_KIND_RESOURCES, 0);
	assert_int_equal(r->resource_count, 1);
	assert_int_equal(r->resources[0].outbound_packets, 0);
	meter = r->resources[0].meter;
	tell(r, revocation, &gone);
	settle(r);
	a = authorization_of(r, 1);
	tell(r, authorization, &a);
	settle(r);
	ask(r, QUERY_KIND_RESOURCES, 0);
	assert_int_equal(r->resource_count, 1);
	assert_int_equal(r->resources[0].resource.bytes[1], 1);
	assert_int_equal(r->resources[0].meter, meter);
	assert_int_equal(r->resources[0].outbound_packets, 1);
	assert_int_equal(r->resources[0].outbound_bytes, 40);
	assert_int_equal(r->resources[0].inbound_packets, 0);
}

/* There are not enough, until one is not granted any more. */
static void
resources(void **state)
{
	struct rig *r = *state;
	struct ipc_revocation gone = { .client = { { 0xc1 } } };
	struct ipc_authorization a;
	bool there[256];

	with_relay(r);
	for (unsigned i = 0; i < METERS + 2; i++) {
		a = authorization_of(r, i);
		tell(r, authorization, &a);
		settle(r);
	}
	assert_int_equal(ask_resources(r, there), METERS - 1);
	assert_true(there[0] && !there[METERS]);
	gone.resource = authorization_of(r, 7).resource;
	tell(r, revocation, &gone);
	settle(r);
	assert_int_equal(ask_resources(r, there), METERS - 2);
	assert_false(there[7]);
	a = authorization_of(r, METERS);
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(ask_resources(r, there), METERS - 1);
	assert_true(there[METERS]);
}

static void
a_relay(void **state)
{
	struct rig *r = *state;
	struct endpoint v4 = at("203.0.113.5:3478");
	struct endpoint local = at("10.0.0.4:52625");
	struct endpoint mapped = at("198.51.100.1:40000");
	const struct ipc_relay_present mute = { .relay = { { 2 } },
		.v4 = at("203.0.113.6:3478") };

	with_relay_at(r, 1, "203.0.113.5:3478", 25);
	ask(r, QUERY_KIND_RELAYS, 0);
	assert_int_equal(r->relay_count, 1);
	assert_int_equal(r->relays[0].serial, 5);
	assert_int_equal(r->relays[0].relay.bytes[0], 1);
	assert_true(endpoint_equal(&r->relays[0].v4, &v4));
	assert_int_equal(r->relays[0].v6.ip.family, IP_NONE);
	assert_true(r->relays[0].answers);
	assert_int_equal(r->relays[0].rtt_us, 25000);
	assert_int_equal(r->relays[0].rtt_v4_us, 25000);
	assert_int_equal(r->relays[0].rtt_v6_us, 0);
	assert_true(endpoint_equal(&r->relays[0].local_v4, &local));
	assert_true(endpoint_equal(&r->relays[0].mapped_v4, &mapped));
	assert_int_equal(r->relays[0].local_v6.ip.family, IP_NONE);
	assert_int_equal(r->relays[0].mapped_v6.ip.family, IP_NONE);
	assert_int_equal(histogram_bounds_us[4], 25000);
	assert_int_equal(r->page.engine.relay_round_trip.bucket[4], 1);
	assert_int_equal(r->page.engine.relay_round_trip.sum_us, 25000);
	tell(r, relay_present, &mute);
	ask(r, QUERY_KIND_RELAYS, 0);
	assert_int_equal(r->relay_count, 2);
	assert_false(r->relays[1].answers);
	assert_int_equal(r->relays[1].rtt_us, 0);
	assert_int_equal(r->relays[0].relayed_v4.ip.family, IP_NONE);
	assert_int_equal(r->page.engine.relays, 0);
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
		tell(r, authorization, &a);
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
		r->end.next = 0;
		do {
			ask(r, QUERY_KIND_CLIENTS, r->end.next);
			queries++;
			for (size_t k = 0; k < r->client_count; k++) {
				assert_false(
				    named[r->clients[k].client.bytes[1]]);
				named[r->clients[k].client.bytes[1]] = true;
			}
			seen += (unsigned)r->client_count;
		} while (r->end.more);
		assert_int_equal(seen, there);
		assert_int_equal(queries, (there + PAGE - 1) / PAGE);
	}
	ask(r, QUERY_KIND_CLIENTS, UINT32_MAX);
	assert_int_equal(r->client_count, 0);
	assert_false(r->end.more);
}

/* A reader that does not read gets no more, and costs no memory. */
static void
a_reader_that_does_not_read(void **state)
{
	static struct worker worker;
	const struct dataplane_host host = ipc_net_host(&worker);
	struct rig *r = *state;
	int fds[2];

	with_relay(r);
	add_clients(r, 0, PAGE);
	ask(r, QUERY_KIND_CLIENTS, 0);
	assert_int_equal(r->client_count, PAGE);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	worker.control = ipc_open(fds[0], IPC_NET, IPC_CONTROL);
	ipc_set_running(worker.control);
	for (int i = 0; i < 1000; i++)
		host.clients(&worker, r->clients, r->client_count, &r->end);
	assert_in_range(ipc_backlog(worker.control), IPC_QUEUE_MAX / 2,
	    IPC_QUEUE_MAX / 2 + PAGE + 1);
	ipc_close(worker.control);
	close(fds[1]);
}

static void
counts_in_the_page(void **state)
{
	struct rig *r = *state;

	connected(r);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->page.shard[0].counters.outbound_packets, 1);
	assert_int_equal(r->page.shard[0].counters.outbound_bytes, 40);
	assert_int_equal(r->page.engine.handshakes, 1);
}

/* What the shard has written down is freed, too (LeakSanitizer). */
static void
ends_before_the_answer(void **state)
{
	struct rig *r = *state;
	const struct ipc_query q = { .serial = 5, .kind = QUERY_KIND_CLIENTS };

	authorized(r);
	tell(r, query, &q);
	dataplane_settle(r->dp);
	for (unsigned i = 0; i < by_hand_lanes(); i++)
		lane_settle(dataplane_lane(r->dp, i));
	assert_int_equal(r->end.serial, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(nobody),
		T(a_client_through_its_life),
		T(a_client_by_its_relay),
		T(a_relay),
		T(resources),
		T(a_meter_again),
		T(pages),
		T(a_reader_that_does_not_read),
		T(counts_in_the_page),
		T(ends_before_the_answer),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
