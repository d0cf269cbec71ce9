/*
 * Candidates of ours: all are by-products of talking to relays
 * (firezone-tunnel(7), Gathering). The agent is offered them, and the client
 * told of those that are new to it or not ours any longer.
 */
#include <stdio.h>

#include "net-worker/dataplane/engine/paths/table.h"

static void
add_announcement(struct announcements *to, const struct candidate *candidate)
{
	if (to->count < ANNOUNCEMENTS_MAX)
		to->list[to->count++] = *candidate;
}

static void
offer_candidate(struct path_table *t, struct mono now, struct paths *p,
    enum candidate_kind kind, const struct endpoint *address,
    const struct endpoint *base, const struct endpoint *via)
{
	struct candidate candidate = {
		.kind = kind,
		.address = *address,
		.base = *base,
		.via = *via,
	};
	struct candidate announced;

	if (address->ip.family == IP_NONE)
		return;
	if (p->agent->kind->add_local(p->agent, now, &candidate, &announced))
		add_announcement(&p->added, &announced);
	paths_touch(t, p);
}

void
offer_kind(struct path_table *t, struct mono now, struct paths *p,
    const struct allocation *a, enum candidate_kind kind)
{
	static const enum ip_family families[] = { IP_V6, IP_V4 };
	static const struct endpoint none;

	for (size_t i = 0; i < 2; i++) {
		struct endpoint host = allocation_host(a, families[i]);
		struct endpoint address;

		switch (kind) {
		case CANDIDATE_HOST:
			offer_candidate(t, now, p, kind, &host, &host, &none);
			break;
		case CANDIDATE_SERVER_REFLEXIVE:
			address = allocation_reflexive(a, families[i]);
			offer_candidate(
			    t, now, p, kind, &address, &host, &none);
			break;
		case CANDIDATE_RELAYED:
			address = allocation_relayed(a, families[i]);
			host = allocation_base(a);
			offer_candidate(
			    t, now, p, kind, &address, &address, &host);
			break;
		case CANDIDATE_PEER_REFLEXIVE:
			break;
		}
	}
}

void
paths_announce_all(struct path_table *t, struct paths *p)
{
	const struct candidate *live;

	p->added.count = 0;
	for (size_t i = 0;
	     (live = p->agent->kind->get_local(p->agent, i)) != NULL; i++)
		add_announcement(&p->added, live);
	paths_touch(t, p);
}

void
paths_offer_all(struct path_table *t, struct mono now, struct paths *p)
{
	static const enum candidate_kind shared[] = {
		CANDIDATE_HOST,
		CANDIDATE_SERVER_REFLEXIVE,
	};
	struct allocation *relay = relay_of(t, p);

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < relays_count(t->relays); i++)
			offer_kind(
			    t, now, p, relays_get(t->relays, i), shared[k]);
	if (relay != NULL)
		offer_kind(t, now, p, relay, CANDIDATE_RELAYED);

	/* The client may have lost what it was told before. */
	paths_announce_all(t, p);
}

void
withdraw_relayed(struct path_table *t, struct mono now, struct paths *p,
    const struct endpoint *address)
{
	struct candidate withdraw,
	    gone = {
		    .kind = CANDIDATE_RELAYED,
		    .address = *address,
		    .base = *address,
	    };

	/* The default preference of the kind: firezone-tunnel(7), Withdrawals.
	 */
	gone.priority = candidate_priority(
	    CANDIDATE_RELAYED, address->ip.family == IP_V4 ? 65534 : 65535);
	if (p->agent->kind->remove_local(p->agent, now, &gone, &withdraw))
		add_announcement(&p->withdrawn, &withdraw);
	paths_reroute(t, p);
}

void
tell_base(struct paths *p, const struct endpoint *base, bool withdrawn)
{
	const struct candidate *live;

	for (size_t i = 0;
	     (live = p->agent->kind->get_local(p->agent, i)) != NULL; i++)
		if (live->kind != CANDIDATE_RELAYED &&
		    endpoint_equal(&live->base, base))
			add_announcement(
			    withdrawn ? &p->withdrawn : &p->added, live);
}

bool
paths_take_lines(struct paths *p, bool withdrawn, char lines[PATHS_LINES_SIZE])
{
	struct announcements *from = withdrawn ? &p->withdrawn : &p->added;
	char line[CANDIDATE_LINE_MAX];
	size_t at = 0;

	if (from->count == 0)
		return false;
	for (size_t i = 0; i < from->count; i++)
		at +=
		    (size_t)snprintf(lines + at, PATHS_LINES_SIZE - at, "%s\n",
			p->agent->kind->format(
			    p->agent, &from->list[i], withdrawn, line));
	from->count = 0;
	return true;
}
