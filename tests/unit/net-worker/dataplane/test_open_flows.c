/*
 * Flows that are open, as control-worker asks for them: those of every shard, a
 * page at a time, or of one client.
 */
#include <sodium.h>

#include "tests/lib/dataplane.h"

#define RESOURCE "10.20.0.9:80"

static void
flows_wanted(struct rig *r, bool wanted)
{
	struct ipc_flow_settings settings = { .enabled = wanted };

	tell(r, flow_settings, &settings);
	settle(r);
}

static void
ask_flows(struct rig *r, uint32_t from, uint8_t client)
{
	const struct ipc_query q = {
		.serial = 9,
		.kind = QUERY_KIND_FLOWS,
		.from = from,
		.of_one = client != 0,
		.client = { { client } },
	};

	r->open_flow_count = 0;
	r->end = (struct ipc_query_end){ 0 };
	ask_query(r, &q);
	assert_int_equal(r->end.serial, 9);
}

/* All pages; how many flows there are, and how many pages. */
static unsigned
count_flows(struct rig *r, uint8_t client, unsigned *pages)
{
	unsigned count = 0;

	*pages = 0;
	do {
		ask_flows(r, r->end.next, client);
		count += (unsigned)r->open_flow_count;
		++*pages;
	} while (r->end.more);
	r->end.next = 0;
	return count;
}

static void
open_flows(struct rig *r, unsigned first, unsigned count)
{
	char from[ENDPOINT_TEXT_MAX];

	for (unsigned i = first; i < first + count; i++) {
		snprintf(from, sizeof(from), "100.64.0.2:%u", 2000 + i);
		client_opens(r, from, RESOURCE, false);
	}
}

static void
nobody(void **state)
{
	struct rig *r = *state;
	unsigned pages;

	assert_int_equal(count_flows(r, 0, &pages), 0);
	assert_int_equal(pages, by_hand_lanes());
	assert_int_equal(count_flows(r, 0xc1, &pages), 0);
	assert_int_equal(pages, 1);
	/* No shard has that number. */
	ask_flows(r, UINT32_MAX, 0);
	assert_int_equal(r->open_flow_count, 0);
	assert_false(r->end.more);
}

static void
one_flow(void **state)
{
	struct rig *r = *state;
	const struct ipc_query_flow *f = &r->open_flows[0];
	uint8_t packet[40];

	connected(r);
	authorized_for_flows(r, 0xaa);
	client_opens(r, "100.64.0.2:1233", RESOURCE, false);
	ask_flows(r, 0, 0xc1);
	assert_int_equal(r->open_flow_count, 0); /* it is not followed */
	assert_int_equal(r->page.engine.flows_followed, 0);
	flows_wanted(r, true);
	assert_int_equal(r->page.engine.flows_followed, 1);
	client_opens(r, "100.64.0.2:1234", RESOURCE, false);
	pass(r, 2000);
	from_tun(r, packet, tcp_packet(packet, RESOURCE, "100.64.0.2:1234"));
	pass(r, 3500);
	ask_flows(r, 0, 0xc1);
	assert_int_equal(r->open_flow_count, 1);
	assert_false(r->end.more);
	assert_int_equal(f->serial, 9);
	assert_int_equal(f->client.bytes[0], 0xc1);
	assert_int_equal(f->resource.bytes[0], 0x42);
	assert_int_equal(f->protocol, 6);
	assert_int_equal(f->source.port, 1234);
	assert_int_equal(f->destination.port, 80);
	assert_int_equal(f->age, 5);
	assert_int_equal(f->idle, 3);
	assert_int_equal(f->tx_packets, 1);
	assert_int_equal(f->rx_packets, 1);
	assert_int_equal(COUNTER_SHARD(&r->page, flows_open), 1);
	ask_flows(r, 0, 0xc2);
	assert_int_equal(r->open_flow_count, 0);

	client_opens(r, "100.64.0.2:1234", RESOURCE, true);
	assert_int_equal(COUNTER_SHARD(&r->page, flows_open), 0);
	ask_flows(r, 0, 0xc1);
	assert_int_equal(r->open_flow_count, 0);
}

static void
pages_of_all_shards(void **state)
{
	static const unsigned counts[] = { 1, PAGE_MAX - 1, PAGE_MAX,
		PAGE_MAX + 1, 3 * PAGE_MAX };
	struct rig *r = *state;
	unsigned there = 0, pages;

	connected(r);
	authorized_for_flows(r, 0xaa);
	flows_wanted(r, true);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		open_flows(r, there, counts[i] - there);
		there = counts[i];
		assert_int_equal(count_flows(r, 0, &pages), there);
		assert_int_equal(pages,
		    by_hand_lanes() - 1 + (there + PAGE_MAX - 1) / PAGE_MAX);
		assert_int_equal(count_flows(r, 0xc1, &pages), there);
		assert_int_equal(pages, (there + PAGE_MAX - 1) / PAGE_MAX);
		assert_int_equal(COUNTER_SHARD(&r->page, flows_open), there);
	}
}

/* They are over when another client has the address; nothing else happens. */
static void
flows_of_who_is_no_more(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization heir = authorization(r);

	connected(r);
	authorized_for_flows(r, 0xaa);
	flows_wanted(r, true);
	open_flows(r, 0, 3);
	assert_int_equal(COUNTER_SHARD(&r->page, flows_open), 3);
	heir.client.bytes[0] = 0xc2;
	heir.public_key[0] ^= 1;
	tell(r, authorization, &heir);
	settle(r);
	assert_int_equal(COUNTER_SHARD(&r->page, flows_open), 0);
}

/* What is on its way is freed, too (LeakSanitizer), and not told. */
static void
ends_before_the_answer(void **state)
{
	struct rig *r = *state;
	const struct ipc_query q = { .serial = 5, .kind = QUERY_KIND_FLOWS };

	connected(r);
	r->end.serial = 0;
	tell(r, query, &q);
	dataplane_settle(r->dp);
	for (unsigned i = 0; i < by_hand_lanes(); i++)
		lane_settle(dataplane_lane(r->dp, i));
	assert_int_equal(r->end.serial, 0);
	dataplane_control_started(r->dp);
	settle(r);
	assert_int_equal(r->end.serial, 0);
	tell(r, query, &q);
	dataplane_settle(r->dp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(nobody),
		T(one_flow),
		T(pages_of_all_shards),
		T(flows_of_who_is_no_more),
		T(ends_before_the_answer),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1 || setenv("POSTERN_TEST_LANES", "3", 1) == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
