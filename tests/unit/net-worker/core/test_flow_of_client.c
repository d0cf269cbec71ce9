/*
 * Flows of a client that is no more, among those of others: see flow.h. Of each
 * there is one that goes on and one that both sides have finished.
 */
#include <netinet/in.h>

#include "net-worker/core/flow.h"

#include "tests/lib/packets.h"

#define PEERS 3
#define ACK   0x10
#define FIN   0x11

static const struct uuid resource = { { 0x4e } };

static struct mono
at_ms(int64_t ms)
{
	return (struct mono){ 5000000000 + ms * 1000000 };
}

static void
sends(struct flow_table *t, int64_t ms, uint32_t peer, uint16_t port,
    uint8_t flags)
{
	struct ip_address from = ip("100.64.0.2"), to = ip("10.0.0.9");
	struct endpoint outer = { ip("198.51.100.1"), 1 };
	struct flow_context c = {
		.peer = peer,
		.client = { { (uint8_t)peer } },
		.resource = resource,
		.authorization = { { 0xa0 } },
	};
	uint8_t data[64];
	struct packet p =
	    parsed(data, build_ports(data, &from, &to, IPPROTO_TCP, port, 80));

	data[p.transport + 13] = flags;
	flow_outbound(t, at_ms(ms), &c, &p, &outer, &outer);
}

static void
answers(struct flow_table *t, int64_t ms, uint32_t peer, uint16_t port,
    uint8_t flags)
{
	struct flow_tuple tuple = { { ip("100.64.0.2"), port },
		{ ip("10.0.0.9"), 80 } };
	uint8_t data[64];
	struct packet p = parsed(data,
	    build_ports(data, &tuple.remote.ip, &tuple.client.ip, IPPROTO_TCP,
		80, port));

	data[p.transport + 13] = flags;
	flow_inbound(t, at_ms(ms), peer, &resource, &tuple, &p);
}

/* Those of one end, in the order in which they had packets; no others. */
static void
ends_the_flows_of_one(void **state)
{
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (uint32_t peer = 1; peer <= PEERS; peer++) {
		sends(t, 0, peer, 1000, 0x02);
		sends(t, 1, peer, 1001, 0x02);
		sends(t, 2, peer, 1001, FIN);
		answers(t, 3, peer, 1001, FIN);
		sends(t, 4, peer, 1002, 0x02);
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
	sends(t, 600, 1, 1000, ACK);
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
