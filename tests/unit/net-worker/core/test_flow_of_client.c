/*
 * Flows of a client that is no more, among those of others: see flow.h. Of each
 * there is one that goes on and one that both sides have finished.
 */
#include "tests/lib/flow_packets.h"

#define PEERS 3

/* Those of one end, in the order in which they had packets; no others. */
static void
ends_the_flows_of_one(void **state)
{
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (uint32_t peer = 1; peer <= PEERS; peer++) {
		sends(t, 0, peer, 1000, SYN, NULL);
		sends(t, 1, peer, 1001, SYN, NULL);
		sends(t, 2, peer, 1001, FIN | ACK, NULL);
		answers(t, 3, peer, 1001, FIN | ACK);
		sends(t, 4, peer, 1002, SYN, NULL);
	}
	for (size_t i = 0; i < PEERS * 3; i++)
		assert_true(flow_report(t, &r) && !r.closed);
	flow_close_client(t, at_ms(500), 2);
	for (unsigned i = 0; i < 3; i++) {
		static const uint16_t ports[] = { 1000, 1002, 1001 };

		assert_true(flow_report(t, &r));
		assert_true(r.closed);
		assert_int_equal(r.client.bytes[0], 2);
		assert_int_equal(r.source.port, ports[i]);
		assert_int_equal(
		    r.ended.ns, at_ms(ports[i] == 1001 ? 3 : 500).ns);
	}
	assert_false(flow_report(t, &r));
	/* The others' go on. */
	sends(t, 600, 1, 1000, ACK, NULL);
	answers(t, 600, 3, 1000, ACK);
	flow_close_all(t, at_ms(700));
	for (unsigned closed = 0; closed < 2 * 3; closed++) {
		assert_true(flow_report(t, &r));
		assert_true(r.closed);
		assert_int_not_equal(r.client.bytes[0], 2);
	}
	assert_false(flow_report(t, &r));
	flow_close_client(t, at_ms(800), 1);
	assert_false(flow_report(t, &r));
	flow_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_the_flows_of_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
