/*
 * What a packet costs in the gate, by how many resources its client has:
 * It must not depend on them. Prints nanoseconds per packet; asserts nothing.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net-worker/core/policy/grants.h"
#include "net-worker/core/policy/gate.h"

#define PACKETS 2000000
#define NAMES   1000 /* each with one proxy, half as many as the most */

static struct ip_address
ip(const char *text)
{
	struct ip_address a;

	if (!ip_parse(text, &a))
		exit(1);
	return a;
}

static struct grants *
make_client(unsigned resources)
{
	struct ip_address v4 = ip("100.64.0.1"), v6 = ip("fd00:2021:1111::1");
	struct uuid id = { { 1 } };
	struct grants *c = grants_new(&id, &v4, &v6);
	struct filter filters[] = { { FILTER_TCP, 80, 443 },
		{ FILTER_UDP, 53, 53 } };

	for (unsigned i = 0; i < resources; i++) {
		struct grant g = {
			.resource = { { 2, [12] = (uint8_t)(i >> 8),
			    [13] = (uint8_t)i } },
			.type = RESOURCE_CIDR,
			.network = { ip_v4(
					 10, (uint8_t)(i >> 8), (uint8_t)i, 0),
			    24 },
			.filters = filters,
			.filter_count = 2,
			.expires = MONO_NEVER,
		};

		if (grants_add(c, &g) != GRANT_NEW)
			exit(1);
	}
	return c;
}

static void
add_names(struct grants *c)
{
	struct grant g = { .resource = { { 3 } },
		.type = RESOURCE_DNS,
		.pattern = "**.example",
		.expires = MONO_NEVER };
	struct assign_effect effect;
	char domain[32];

	grants_add(c, &g);
	for (unsigned i = 0; i < NAMES; i++) {
		struct ip_address proxy = ip_v4(
				      100, 96, (uint8_t)(i >> 8), (uint8_t)i),
				  real = ip("192.0.2.1");
		struct assignment a = { g.resource, domain, &proxy, 1, &real,
			1, { 0 } };

		snprintf(domain, sizeof(domain), "n%u.example", i);
		if (grants_assign(c, &a, &effect) != ASSIGN_DONE)
			exit(1);
	}
}

/* A TCP segment of 1280 bytes from the client. */
static void
write_packet(uint8_t *to, const struct ip_address *destination)
{
	struct ip_address from = ip("100.64.0.1");

	memset(to, 0, INNER_PACKET_MAX);
	to[0] = 0x45;
	to[2] = INNER_PACKET_MAX >> 8;
	to[3] = INNER_PACKET_MAX & 0xff;
	to[9] = IPPROTO_TCP;
	memcpy(to + 12, from.bytes, 4);
	memcpy(to + 16, destination->bytes, 4);
	to[20] = 4;
	to[23] = 80;
	to[32] = 0x50;
}

static double
ns_per_packet(struct gate *g, struct ip_address (*next)(unsigned))
{
	uint8_t packet[INNER_PACKET_MAX], scratch[GATE_SCRATCH];
	struct mono now = { 1000000000 }, start = mono_now(), end;

	for (unsigned i = 0; i < PACKETS; i++) {
		struct ip_address to = next(i);
		struct packet p;

		write_packet(packet, &to);
		if (packet_parse(packet, sizeof(packet), &p) != PACKET_OK ||
		    gate_outbound(g, now, &p, scratch).verdict != GATE_PASS)
			exit(1);
	}
	end = mono_now();
	return (double)(end.ns - start.ns) / PACKETS;
}

static unsigned resources;

static struct ip_address
next_network(unsigned i)
{
	unsigned n = i * 2654435761u % resources;

	return ip_v4(10, (uint8_t)(n >> 8), (uint8_t)n, 9);
}

static struct ip_address
next_name(unsigned i)
{
	unsigned n = i * 2654435761u % NAMES;

	return ip_v4(100, 96, (uint8_t)(n >> 8), (uint8_t)n);
}

int
main(void)
{
	static const unsigned counts[] = { 1, 100, 10000 };
	struct ip_address v4 = ip("100.64.0.2"), v6 = ip("fd00:2021:1111::2");

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct grants *c;
		struct gate g = { .nat = nat_new() };
		struct mono start;
		double compiled;

		resources = counts[i];
		c = make_client(resources);
		add_names(c);
		start = mono_now();
		g.policy =
		    grants_compile(c, &v4, &v6, &site_networks_none, false);
		compiled = (double)(mono_now().ns - start.ns) / 1000;
		printf("%5u resources: network %.0f ns, name %.0f ns a packet; "
		       "compiled in %.0f us\n",
		    resources, ns_per_packet(&g, next_network),
		    ns_per_packet(&g, next_name), compiled);
		policy_free(g.policy);
		nat_free(g.nat);
		grants_free(c);
	}
	return 0;
}
