/* Pauses after refused channels: see refused_peers.h. */
#include "net-worker/core/turn/refused_peers.h"

static struct refused_peer *
place_of(struct refused_peers *rp, const struct endpoint *peer)
{
	size_t hash = peer->port;

	for (size_t i = 0; i < ip_size(&peer->ip); i++)
		hash = hash * 31 + peer->ip.bytes[i];
	return &rp->list[hash % REFUSED_PEERS_MAX];
}

static int64_t
pause_s(unsigned count)
{
	int64_t s = REFUSED_PAUSE_S;

	for (; count > 2 && s < REFUSED_PAUSE_MAX_S; count--)
		s *= 2;
	return s;
}

void
refused_peers_note(struct refused_peers *rp, struct mono now,
    const struct endpoint *peer, const struct turn_owner *owner)
{
	struct refused_peer *p = place_of(rp, peer);

	if (!endpoint_equal(&p->peer, peer) ||
	    mono_due(mono_add_s(p->refused, REFUSED_REMEMBERED_S), now))
		*p = (struct refused_peer){ .peer = *peer };
	p->count++;
	p->refused = now;
	p->until = mono_add_s(now, pause_s(p->count));
	p->owner = *owner;
	p->wanted = p->count <= REFUSED_TRIES;
}

void
refused_peers_forget(struct refused_peers *rp, const struct endpoint *peer)
{
	struct refused_peer *p = place_of(rp, peer);

	if (endpoint_equal(&p->peer, peer))
		*p = (struct refused_peer){ .count = 0 };
}

bool
refused_peers_hold(struct refused_peers *rp, struct mono now,
    const struct endpoint *peer, const struct turn_owner *owner)
{
	struct refused_peer *p = place_of(rp, peer);

	if (!endpoint_equal(&p->peer, peer) || p->count < 2 ||
	    mono_due(p->until, now))
		return false;
	p->owner = *owner;
	p->wanted = true;
	return true;
}

const struct refused_peer *
refused_peers_due(struct refused_peers *rp, struct mono now)
{
	for (size_t i = 0; i < REFUSED_PEERS_MAX; i++) {
		struct refused_peer *p = &rp->list[i];

		if (!p->wanted || !mono_due(p->until, now))
			continue;
		p->wanted = false;
		return p;
	}
	return NULL;
}

struct mono
refused_peers_deadline(const struct refused_peers *rp)
{
	struct mono first = MONO_NEVER;

	for (size_t i = 0; i < REFUSED_PEERS_MAX; i++)
		if (rp->list[i].wanted)
			first = mono_min(first, rp->list[i].until);
	return first;
}
