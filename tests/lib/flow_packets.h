/* TCP of several clients with one server, for the tests of the flow table. */
#ifndef TESTS_LIB_FLOW_PACKETS_H
#define TESTS_LIB_FLOW_PACKETS_H

#include <netinet/in.h>

#include "net-worker/core/flow.h"
#include "tests/lib/packets.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

static const struct uuid resource = { { 0x4e } };

static inline struct mono
at_ms(int64_t ms)
{
	return (struct mono){ 5000000000 + ms * 1000000 };
}

/* All clients have the same address, and each its own number. */
static inline void
sends(struct flow_table *t, int64_t ms, uint32_t peer, uint16_t port,
    uint8_t flags, const char *domain)
{
	struct ip_address from = ip("100.64.0.2"), to = ip("10.0.0.9");
	struct endpoint outer = { ip("198.51.100.1"), 1 };
	struct flow_context c = {
		.peer = peer,
		.client = { { (uint8_t)peer } },
		.resource = resource,
		.authorization = { { 0xa0 } },
		.domain = domain,
	};
	uint8_t data[64];
	struct packet p =
	    parsed(data, build_ports(data, &from, &to, IPPROTO_TCP, port, 80));

	data[p.transport + 13] = flags;
	flow_outbound(t, at_ms(ms), &c, &p, &outer, &outer);
}

static inline void
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

#endif /* TESTS_LIB_FLOW_PACKETS_H */
