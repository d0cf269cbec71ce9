/*
 * What is made of packets, for receivers.py: each line of the input is one
 * packet in hexadecimal digits, each line of the output the kind and protocol
 * that the parser sees, the destination port, and whether a client may send it
 * who is granted TCP and UDP port 80 of all addresses, and one who is granted
 * all of them.
 *
 *	tcp 6 80 pass pass
 *	malformed 0 0 refused refused
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net-worker/core/policy/grants.h"

#define LINE_MAX_LEN 8192
#define OPEN_PORT    80

static const char *const kinds[] = { "tcp", "udp", "echo", "error", "icmp",
	"other" };

static struct filter port_80[] = {
	{ .protocol = FILTER_TCP, .first = OPEN_PORT, .last = OPEN_PORT },
	{ .protocol = FILTER_UDP, .first = OPEN_PORT, .last = OPEN_PORT },
};

static void
grant_all(struct grants *c, uint8_t resource, const char *network,
    struct filter *filters, size_t count)
{
	struct grant g = { .type = RESOURCE_CIDR, .expires = MONO_NEVER };

	g.resource.bytes[0] = resource;
	g.filters = filters;
	g.filter_count = count;
	if (!prefix_parse(network, &g.network) ||
	    grants_add(c, &g) != GRANT_NEW)
		errx(1, "a grant of %s is refused", network);
}

/* By a client with the address that the packet comes from. */
static bool
may_send(const struct packet *p, struct filter *filters, size_t count)
{
	struct uuid id = { { 1 } };
	struct ip_address v4, v6, own4, own6;
	struct policy *policy;
	struct grants *c;
	bool pass;

	if (!ip_parse("100.95.255.1", &own4) ||
	    !ip_parse("fd00:2021:1111::ffff", &own6))
		errx(1, "our own addresses");
	v4 = p->source.family == IP_V4 ? p->source : own4;
	v6 = p->source.family == IP_V6 ? p->source : own6;
	if ((c = grants_new(&id, &v4, &v6)) == NULL)
		errx(1, "no client");
	grant_all(c, 1, "10.20.0.0/24", filters, count);
	grant_all(c, 2, "fd20::/64", filters, count);
	if ((policy = grants_compile(
		 c, &own4, &own6, &site_networks_none, false)) == NULL)
		errx(1, "no policy");
	pass = policy_outbound(policy, p).verdict == VERDICT_PASS;
	policy_free(policy);
	grants_free(c);
	return pass;
}

static size_t
read_hex(const char *text, uint8_t *to, size_t size)
{
	size_t n = 0;
	unsigned byte;

	while (n < size && sscanf(text + 2 * n, "%2x", &byte) == 1)
		to[n++] = (uint8_t)byte;
	return n;
}

static void
judge(const char *line)
{
	static const char *const refusals[] = { NULL, "malformed", "fragment",
		"long" };
	uint8_t data[LINE_MAX_LEN / 2];
	size_t len = read_hex(line, data, sizeof(data));
	struct packet p;
	enum packet_result result = packet_parse(data, len, &p);

	if (result != PACKET_OK) {
		printf("%s 0 0 refused refused\n", refusals[result]);
		return;
	}
	printf("%s %u %u %s %s\n", kinds[p.kind], p.protocol,
	    p.destination_port,
	    may_send(&p, port_80, sizeof(port_80) / sizeof(port_80[0]))
		? "pass"
		: "refused",
	    may_send(&p, NULL, 0) ? "pass" : "refused");
}

int
main(void)
{
	char line[LINE_MAX_LEN];

	while (fgets(line, sizeof(line), stdin) != NULL)
		judge(line);
	return ferror(stdin) || fflush(stdout) != 0;
}
