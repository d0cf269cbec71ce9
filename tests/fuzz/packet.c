/*
 * Inner packets: parsed, quoted, judged and answered. The client has a network
 * of each family, single ports, and the Internet.
 */
#include "net-worker/core/inner/packet.h"

#include <stdlib.h>
#include <string.h>

#include "common/plan.h"
#include "net-worker/core/inner/icmp.h"
#include "net-worker/core/policy/grants.h"
#include "net-worker/core/policy/policy.h"
#include "tests/fuzz/fuzz.h"

static struct ip_address client_v4, client_v6, gateway_v4, gateway_v6;
static struct policy *policy;

static void
grant(struct grants *c, uint8_t id, enum resource_type type,
    const char *network, struct filter *filters, size_t count)
{
	struct grant g = {
		.resource = { { id } },
		.type = type,
		.filters = filters,
		.filter_count = count,
		.expires = MONO_NEVER,
	};

	if (network != NULL)
		must(prefix_parse(network, &g.network));
	must(grants_add(c, &g) == GRANT_NEW);
}

void
fuzz_init(void)
{
	static const struct uuid id = { { 0xc1 } };
	struct filter web[] = { { FILTER_TCP, 80, 80 },
		{ FILTER_UDP, 1000, 2000 }, { FILTER_ICMP, 0, 0 } };
	struct grants *c;

	client_v4 = endpoint_of("100.64.0.2:0").ip;
	client_v6 = endpoint_of("[fd00:2021:1111::2]:0").ip;
	gateway_v4 = endpoint_of("100.64.0.1:0").ip;
	gateway_v6 = endpoint_of("[fd00:2021:1111::1]:0").ip;
	c = grants_new(&id, &client_v4, &client_v6);
	must(c != NULL);
	grant(c, 1, RESOURCE_CIDR, "10.20.0.0/24", web, 3);
	grant(c, 2, RESOURCE_CIDR, "2001:db8:20::/48", web, 3);
	grant(c, 3, RESOURCE_CIDR, "10.20.0.9/32", NULL, 0);
	grant(c, 4, RESOURCE_INTERNET, NULL, NULL, 0);
	policy = grants_compile(
	    c, &gateway_v4, &gateway_v6, &site_networks_none, false);
	must(policy != NULL);
	grants_free(c);
}

static void
check_quote(const struct packet *p)
{
	struct packet quote;

	if (!packet_quote(p, &quote)) {
		must(p->kind != PACKET_ICMP_ERROR);
		return;
	}
	must(p->kind == PACKET_ICMP_ERROR);
	must(quote.data > p->data);
	must(quote.length <= p->length - (size_t)(quote.data - p->data));
	must(quote.transport <= quote.length);
}

static void
check_verdicts(const struct packet *p)
{
	struct policy_decision d = policy_outbound(policy, p);

	must(d.verdict <= VERDICT_PASS && d.reason < REASON_COUNT);
	must((d.verdict == VERDICT_PASS) == (d.reason == REASON_NONE));
	if (d.verdict == VERDICT_PASS) {
		must(ip_equal(&p->source, &client_v4) ||
		    ip_equal(&p->source, &client_v6));
		must(!ip_in_tunnel_range(&p->destination) ||
		    ip_equal(&p->destination, &gateway_v4) ||
		    ip_equal(&p->destination, &gateway_v6));
		must(!ip_is_multicast(&p->destination));
		must(!p->source_route);
	}
	d = policy_arrival(policy, p);
	if (d.verdict == VERDICT_PASS)
		d = policy_inbound(policy, p, false);
	must(d.verdict <= VERDICT_PASS && d.reason < REASON_COUNT);
	if (d.verdict == VERDICT_PASS)
		must(ip_equal(&p->destination, &client_v4) ||
		    ip_equal(&p->destination, &client_v6));
}

static void
check_answers(const struct packet *p)
{
	uint8_t answer[INNER_PACKET_MAX];
	struct packet again;

	for (enum icmp_reply r = ICMP_PROHIBITED; r <= ICMP_UNREACHABLE; r++) {
		size_t len = icmp_build(r, p, answer);

		must(len > 0 && len <= sizeof(answer));
		must(packet_parse(answer, len, &again) == PACKET_OK);
		must(again.kind == PACKET_ICMP_ERROR ||
		    again.kind == PACKET_ICMP_OTHER);
		must(ip_equal(&again.destination, &p->source));
	}
}

void
fuzz_one(struct cursor *in)
{
	size_t len = in->left;
	uint8_t *data = malloc(len);
	struct packet p;

	must(data != NULL || len == 0);
	cursor_copy(in, data, len);
	if (packet_parse(data, len, &p) == PACKET_OK) {
		must(p.data == data && p.length == len);
		must(p.transport <= len && len <= INNER_PACKET_MAX);
		must(p.source.family == p.destination.family);
		check_quote(&p);
		check_verdicts(&p);
		check_answers(&p);
		packet_mark_ce(&p);
		must(packet_parse(data, len, &p) == PACKET_OK);
		must(packet_ecn(&p) == 3 || packet_ecn(&p) == 0);
	}
	free(data);
}
