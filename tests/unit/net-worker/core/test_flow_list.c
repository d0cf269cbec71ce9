/*
 * What an operator sees of a table of flows: those that are open, each once,
 * however many pages that takes and whatever happens meanwhile.
 */
#include "tests/lib/flow_packets.h"

#define PAGE 64

static unsigned pages;
static bool listed[UINT16_MAX + 1]; /* by port of the client */

/* All pages; how many flows there are in them. */
static unsigned
list_all(const struct flow_table *t, const uint32_t *peer)
{
	struct flow_view page[PAGE];
	uint32_t from = 0;
	unsigned count = 0;

	pages = 0;
	memset(listed, 0, sizeof(listed));
	do {
		size_t n = flow_list(t, &from, peer, page, PAGE);

		for (size_t i = 0; i < n; i++) {
			assert_false(listed[page[i].source.port]);
			listed[page[i].source.port] = true;
			if (peer != NULL)
				assert_int_equal(
				    page[i].client.bytes[0], *peer);
		}
		count += (unsigned)n;
		pages++;
	} while (from != 0);
	return count;
}

static void
one_flow(void **state)
{
	struct flow_table *t = flow_table_new();
	struct flow_view v;
	uint32_t from = 0;

	(void)state;
	assert_int_equal(flow_list(t, &from, NULL, &v, 1), 0);
	assert_int_equal(from, 0);
	sends(t, 0, 7, 1000, SYN, "files.corp.test");
	sends(t, 1000, 7, 1000, ACK, "files.corp.test");
	answers(t, 3000, 7, 1000, ACK);
	assert_int_equal(flow_list(t, &from, NULL, &v, 1), 1);
	assert_int_equal(from, 0);
	assert_int_equal(v.client.bytes[0], 7);
	assert_int_equal(v.resource.bytes[0], 0x4e);
	assert_int_equal(v.protocol, IPPROTO_TCP);
	assert_true(endpoint_equal(
	    &v.source, &(struct endpoint){ ip("100.64.0.2"), 1000 }));
	assert_true(endpoint_equal(
	    &v.destination, &(struct endpoint){ ip("10.0.0.9"), 80 }));
	assert_string_equal(v.domain, "files.corp.test");
	assert_int_equal(v.started.ns, at_ms(0).ns);
	assert_int_equal(v.last_packet.ns, at_ms(3000).ns);
	assert_int_equal(v.tx_packets, 2);
	assert_int_equal(v.rx_packets, 1);
	flow_table_free(t);
}

/* Whose report waits is closed all the same; its place is another's then. */
static void
only_open_ones(void **state)
{
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (uint16_t port = 1; port <= 3; port++)
		sends(t, 0, 1, port, SYN, "x");
	sends(t, 1, 1, 2, RST, NULL);
	assert_int_equal(flow_count(t), 2);
	assert_int_equal(list_all(t, NULL), 2);
	assert_true(listed[1] && !listed[2] && listed[3]);
	while (flow_report(t, &r))
		continue;
	sends(t, 2, 1, 4, SYN, NULL);
	assert_int_equal(flow_count(t), 3);
	assert_int_equal(list_all(t, NULL), 3);
	assert_true(listed[4]);
	flow_close_client(t, at_ms(3), 1);
	assert_int_equal(flow_count(t), 0);
	assert_int_equal(list_all(t, NULL), 0);
	flow_table_free(t);
}

/* Every third one is another's; a page is no more than so many looks. */
static void
pages_of_one(void **state)
{
	static const uint32_t one = 1, two = 2, nobody = 3;
	const uint16_t flows = 3 * FLOW_LOOKS;
	struct flow_table *t = flow_table_new();

	(void)state;
	for (uint16_t port = 1; port <= flows; port++)
		sends(t, 0, port % 3 == 0 ? 2 : 1, port, SYN, NULL);
	assert_int_equal(list_all(t, NULL), flows);
	assert_int_equal(pages, flows / PAGE);
	assert_int_equal(list_all(t, &one), flows - flows / 3);
	assert_int_equal(list_all(t, &two), flows / 3);
	assert_true(listed[3] && !listed[4]);
	assert_int_equal(list_all(t, &nobody), 0);
	assert_int_equal(pages, flows / FLOW_LOOKS);
	flow_table_free(t);
}

/* What no page before has said, and the end of all numbers. */
static void
any_number(void **state)
{
	static const uint32_t numbers[] = { 2, 3, FLOWS_MAX, FLOWS_MAX + 1,
		UINT16_MAX, UINT32_MAX };
	struct flow_table *t = flow_table_new();
	struct flow_view page[PAGE];

	(void)state;
	sends(t, 0, 1, 1, SYN, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint32_t from = numbers[i];

		assert_int_equal(flow_list(t, &from, NULL, page, PAGE), 0);
		assert_int_equal(from, 0);
	}
	flow_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_flow),
		cmocka_unit_test(only_open_ones),
		cmocka_unit_test(pages_of_one),
		cmocka_unit_test(any_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
