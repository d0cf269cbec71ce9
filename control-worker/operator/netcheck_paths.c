/*
 * Judges the ways to clients: the families, NAT, the relays and the host
 * itself. See netcheck.h.
 */
#include <stdio.h>
#include <string.h>

#include "control-worker/operator/netcheck.h"
#include "control-worker/operator/status.h"

/* Relays that have only just been named have had no time to answer. */
#define RELAYS_ANSWER_S 10

/*
 * What a full packet of a client takes on its way over a relay: 1280 bytes,
 * WireGuard's 32, a channel's 4 and UDP's 8, and the header of IP.
 */
#define FULL_PACKET(ip_header) (1280 + 32 + 4 + 8 + (ip_header))

static const enum ip_family families[2] = { IP_V4, IP_V6 };

static const struct endpoint *
relay_address(const struct ipc_query_relay *r, size_t family)
{
	return family == 0 ? &r->v4 : &r->v6;
}

static const struct endpoint *
relay_local(const struct ipc_query_relay *r, size_t family)
{
	return family == 0 ? &r->local_v4 : &r->local_v6;
}

static const struct endpoint *
relay_mapped(const struct ipc_query_relay *r, size_t family)
{
	return family == 0 ? &r->mapped_v4 : &r->mapped_v6;
}

static uint32_t
relay_rtt(const struct ipc_query_relay *r, size_t family)
{
	return family == 0 ? r->rtt_v4_us : r->rtt_v6_us;
}

static bool
has_endpoint(const struct endpoint *e)
{
	return e->ip.family != IP_NONE;
}

/* Whether the relays have had their time. */
static bool
is_settled(const struct netcheck_facts *facts)
{
	const struct situation *s = facts->situation;

	return !s->online || facts->now >= s->since + RELAYS_ANSWER_S;
}

/* The first relay that says what our address is; NULL: none does. */
static const struct ipc_query_relay *
find_mapped(const struct netcheck_facts *facts, size_t family)
{
	for (size_t i = 0; i < facts->relay_count; i++)
		if (has_endpoint(relay_mapped(&facts->relay[i], family)) &&
		    has_endpoint(relay_local(&facts->relay[i], family)))
			return &facts->relay[i];
	return NULL;
}

/* The route to the first relay that has one, or else to the Internet. */
static const struct route *
find_route(const struct netcheck_facts *facts, size_t family)
{
	for (size_t i = 0; i < facts->relay_count; i++)
		if (facts->relay_route[i][family].exists)
			return &facts->relay_route[i][family];
	return &facts->out[family];
}

static bool
has_relay(const struct netcheck_facts *facts, size_t family)
{
	for (size_t i = 0; i < facts->relay_count; i++)
		if (has_endpoint(relay_address(&facts->relay[i], family)))
			return true;
	return false;
}

static void
judge_unmapped(
    const struct netcheck_facts *facts, size_t family, struct findings *f)
{
	const struct route *r = find_route(facts, family);
	const enum ip_family ip = families[family];
	char from[ENDPOINT_TEXT_MAX];

	(void)ip_format(&r->from, from);
	if (r->exists && has_relay(facts, family) && is_settled(facts))
		findings_add(f, "direct", ip, VERDICT_NOT_OK,
		    "packets would leave from %s, but no relay answers: is "
		    "UDP port 3478 open on the way out?",
		    from);
	else if (r->exists)
		findings_add(f, "direct", ip, VERDICT_UNKNOWN,
		    "packets would leave from %s; no relay tells what becomes "
		    "of that address",
		    from);
	else if (find_route(facts, 1 - family)->exists)
		findings_add(f, "direct", ip, VERDICT_OK,
		    "the host has no route, and clients come by the other "
		    "family");
	else
		findings_add(f, "direct", ip, VERDICT_NOT_OK,
		    "the host has no route to the Internet: %s", r->error);
}

static void
judge_direct(
    const struct netcheck_facts *facts, size_t family, struct findings *f)
{
	const struct ipc_query_relay *r = find_mapped(facts, family);
	char local[ENDPOINT_TEXT_MAX], mapped[ENDPOINT_TEXT_MAX];
	struct finding *found;

	if (r == NULL) {
		judge_unmapped(facts, family, f);
		return;
	}
	(void)endpoint_format(relay_local(r, family), local);
	(void)endpoint_format(relay_mapped(r, family), mapped);
	found = findings_add(f, "direct", families[family], VERDICT_OK,
	    "packets leave from %s, which others see as %s", local, mapped);
	finding_add_text(found, "local", local);
	finding_add_text(found, "mapped", mapped);
}

/* How relays see one socket of ours. */
struct mappings {
	const struct endpoint *local, *first,
	    *other; /* other: NULL: all same */
	size_t relays;
};

static struct mappings
compare_mappings(const struct netcheck_facts *facts, size_t family)
{
	const struct ipc_query_relay *first = find_mapped(facts, family);
	struct mappings m = { 0 };

	if (first == NULL)
		return m;
	m.local = relay_local(first, family);
	m.first = relay_mapped(first, family);
	for (size_t i = 0; i < facts->relay_count; i++) {
		const struct ipc_query_relay *r = &facts->relay[i];
		const struct endpoint *mapped = relay_mapped(r, family);

		if (!has_endpoint(mapped) ||
		    !endpoint_equal(relay_local(r, family), m.local))
			continue;
		m.relays++;
		if (m.other == NULL && !endpoint_equal(mapped, m.first))
			m.other = mapped;
	}
	return m;
}

/* RFC 4787 4.1, as far as two addresses tell. */
static void
judge_nat(const struct netcheck_facts *facts, size_t family, struct findings *f)
{
	const struct mappings m = compare_mappings(facts, family);
	const enum ip_family ip = families[family];
	char first[ENDPOINT_TEXT_MAX], other[ENDPOINT_TEXT_MAX];
	struct finding *found;
	const char *kind;

	if (m.relays == 0)
		return;
	(void)endpoint_format(m.first, first);
	if (m.other != NULL) {
		kind = "address-dependent";
		found = findings_add(f, "nat", ip, VERDICT_NOT_OK,
		    "one relay sees %s and another %s (address-dependent "
		    "mapping), so that most clients need relays: have UDP "
		    "port %u forwarded to this host",
		    first, endpoint_format(m.other, other), m.local->port);
	} else if (endpoint_equal(m.first, m.local)) {
		kind = "none";
		found = findings_add(f, "nat", ip, VERDICT_OK,
		    "none: our own address is what others see");
	} else if (m.relays == 1) {
		kind = "unknown";
		found = findings_add(f, "nat", ip, VERDICT_UNKNOWN,
		    "unknown: one relay; it takes two to tell whether all see "
		    "%s",
		    first);
	} else {
		kind = "endpoint-independent";
		found = findings_add(f, "nat", ip, VERDICT_OK,
		    "all %zu relays see %s (endpoint-independent mapping), so "
		    "that direct paths work",
		    m.relays, first);
	}
	finding_add_text(found, "kind", kind);
	finding_add_number(found, "relays", (int64_t)m.relays);
}

static void
judge_answering_relay(const struct ipc_query_relay *r,
    const struct route *route, size_t family, struct findings *f)
{
	const uint32_t needed = FULL_PACKET(family == 0 ? 20 : 40);
	const enum ip_family ip = families[family];
	const double ms = relay_rtt(r, family) / 1e3;
	char at[ENDPOINT_TEXT_MAX], mtu[32] = "", id[UUID_TEXT_LEN + 1];
	struct finding *found;

	(void)endpoint_format(relay_address(r, family), at);
	if (route->mtu > 0)
		snprintf(mtu, sizeof(mtu), ", MTU %u", route->mtu);
	if (route->mtu > 0 && route->mtu < needed)
		found = findings_add(f, "relay", ip, VERDICT_NOT_OK,
		    "%s answers in %.1f ms, but the MTU to there is %u and "
		    "full packets take %u: they go in fragments, which "
		    "firewalls drop",
		    at, ms, route->mtu, needed);
	else if (!has_endpoint(&r->relayed_v4) && !has_endpoint(&r->relayed_v6))
		found = findings_add(f, "relay", ip, VERDICT_NOT_OK,
		    "%s answers in %.1f ms, but has given no allocation: its "
		    "clock and secret have to agree with the portal's",
		    at, ms);
	else
		found = findings_add(f, "relay", ip, VERDICT_OK,
		    "%s answers in %.1f ms%s", at, ms, mtu);
	finding_add_text(found, "relay", uuid_format(&r->relay, id));
	finding_add_text(found, "address", at);
	finding_add_number(found, "rtt_us", relay_rtt(r, family));
	if (route->mtu > 0)
		finding_add_number(found, "mtu", route->mtu);
}

static void
judge_silent_relay(const struct netcheck_facts *facts,
    const struct ipc_query_relay *r, size_t family, struct findings *f)
{
	const enum ip_family ip = families[family];
	char at[ENDPOINT_TEXT_MAX], id[UUID_TEXT_LEN + 1];
	struct finding *found;

	(void)endpoint_format(relay_address(r, family), at);
	if (is_settled(facts))
		found = findings_add(f, "relay", ip, VERDICT_NOT_OK,
		    "%s does not answer: is UDP to there open on the way out, "
		    "and the relay up?",
		    at);
	else
		found = findings_add(f, "relay", ip, VERDICT_UNKNOWN,
		    "%s has not answered yet: ask again in a moment", at);
	finding_add_text(found, "relay", uuid_format(&r->relay, id));
	finding_add_text(found, "address", at);
}

/* Silence is no fault in a family that the host has no route for. */
static void
judge_relay(const struct netcheck_facts *facts, size_t i, struct findings *f)
{
	const struct ipc_query_relay *r = &facts->relay[i];

	for (size_t family = 0; family < 2; family++) {
		const struct route *route = &facts->relay_route[i][family];

		if (!has_endpoint(relay_address(r, family)))
			continue;
		if (relay_rtt(r, family) > 0)
			judge_answering_relay(r, route, family, f);
		else if (route->exists)
			judge_silent_relay(facts, r, family, f);
	}
}

static void
judge_relays(const struct netcheck_facts *facts, struct findings *f)
{
	if (!facts->relays_known)
		findings_add(f, "relay", IP_NONE, VERDICT_UNKNOWN,
		    "net-worker does not answer, which knows them");
	else if (facts->relay_count == 0 && facts->situation->online)
		findings_add(f, "relay", IP_NONE, VERDICT_NOT_OK,
		    "the portal has named none, or none of them answered: "
		    "without one no client finds the way here");
	else if (facts->relay_count == 0)
		findings_add(f, "relay", IP_NONE, VERDICT_UNKNOWN,
		    "there is none before the portal has named them");
	for (size_t i = 0; i < facts->relay_count; i++)
		judge_relay(facts, i, f);
}

static void
judge_host(const struct netcheck_facts *facts, struct findings *f)
{
	const char *trouble = facts->situation->trouble.text;

	if (trouble[0] != '\0')
		findings_add(f, "host", IP_NONE, VERDICT_NOT_OK, "%s", trouble);
	else
		findings_add(f, "host", IP_NONE, VERDICT_OK,
		    "nothing of its network set-up is in the way");
}

static void
judge_offloads(const struct netcheck_facts *facts, struct findings *f)
{
	const struct counter_page *c = facts->situation->counters;
	enum offload_state v4, v6, tun;
	struct finding *found;
	bool refused;

	if (c == NULL) {
		findings_add(f, "offloads", IP_NONE, VERDICT_UNKNOWN,
		    "net-worker has told nothing of them");
		return;
	}
	v4 = COUNTER_OFFLOAD(c, udp_segmentation_v4);
	v6 = COUNTER_OFFLOAD(c, udp_segmentation_v6);
	tun = COUNTER_OFFLOAD(c, tun_segmentation);
	refused = v4 == OFFLOAD_REFUSED || v6 == OFFLOAD_REFUSED ||
	    tun == OFFLOAD_REFUSED;
	found = findings_add(f, "offloads", IP_NONE,
	    refused ? VERDICT_NOT_OK : VERDICT_OK,
	    "segmentation of UDP IPv4 %s, IPv6 %s, of the TUN %s%s",
	    status_offload_name(v4), status_offload_name(v6),
	    status_offload_name(tun),
	    refused ? ": where it is refused packets go one by one, which "
		      "costs more; is the driver or a newer kernel at fault?"
		    : "");
	finding_add_text(found, "udp_ipv4", status_offload_name(v4));
	finding_add_text(found, "udp_ipv6", status_offload_name(v6));
	finding_add_text(found, "tun", status_offload_name(tun));
}

void
netcheck_judge_paths(const struct netcheck_facts *facts, struct findings *f)
{
	for (size_t i = 0; i < 2; i++)
		judge_direct(facts, i, f);
	for (size_t i = 0; i < 2; i++)
		judge_nat(facts, i, f);
	judge_relays(facts, f);
	judge_host(facts, f);
	judge_offloads(facts, f);
}
