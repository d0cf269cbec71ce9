/*
 * Binding channels of an allocation to peers (RFC 8656, 12): when one is asked
 * for, who has to wait, and that they are refreshed. The table of channels is
 * in channel.c, what the relay answers in answer.c.
 */
#include <string.h>

#include "common/share.h"
#include "net-worker/core/turn/allocation_impl.h"

/* When there are more channels due than requests left. */
#define CHANNELS_AGAIN_S 1

bool
allocation_wait(struct allocation *a, const struct endpoint *peer,
    const struct turn_owner *owner)
{
	size_t left = PEERS_WAITING_MAX - a->waiting_count, of_client = 0;

	for (size_t i = 0; i < a->waiting_count; i++) {
		if (endpoint_equal(&a->waiting[i].peer, peer))
			return true;
		of_client +=
		    uuid_equal(&a->waiting[i].owner.client, &owner->client);
	}
	if (!share_allows(of_client, left, PEERS_WAITING_LEFT))
		return false;
	a->waiting[a->waiting_count++] = (struct waiting_peer){ *peer, *owner };
	return true;
}

static void
send_channel_bind(struct allocation *a, struct mono now, struct channel *c)
{
	struct request *r = allocation_send(a, now, REQUEST_CHANNEL_BIND);

	if (r == NULL)
		return;
	r->peer = c->peer;
	r->channel = c->number;
	c->in_flight = true;
}

bool
allocation_bind(struct allocation *a, struct mono now,
    const struct endpoint *peer, const struct turn_owner *owner)
{
	struct channel *c = channels_find(&a->channels, peer);

	if (allocation_given_up(a) || allocation_suspended(a) ||
	    peer->ip.family == IP_NONE ||
	    (c != NULL && channel_usable(&a->channels, c, now)))
		return true;
	if (!a->allocated || requests_full(&a->requests))
		return allocation_wait(a, peer, owner);
	if (a->relayed[family_index(peer->ip.family)].address.ip.family ==
	    IP_NONE)
		return true;
	if (refused_peers_hold(&a->refused, now, peer, owner))
		return true;
	c = channels_take(&a->channels, now, peer, owner);
	if (c != NULL)
		send_channel_bind(a, now, c);
	return c != NULL;
}

bool
allocation_crowded(const struct allocation *a, struct mono now)
{
	return channels_crowded(&a->channels, now);
}

void
allocation_bind_waiting(struct allocation *a, struct mono now)
{
	size_t done = 0;

	if (!a->allocated)
		return;
	for (; done < a->waiting_count && !requests_full(&a->requests); done++)
		(void)allocation_bind(
		    a, now, &a->waiting[done].peer, &a->waiting[done].owner);
	a->waiting_count -= done;
	memmove(a->waiting, a->waiting + done,
	    a->waiting_count * sizeof(a->waiting[0]));
}

uint16_t
allocation_channel(
    struct allocation *a, struct mono now, const struct endpoint *peer)
{
	struct channel *c = channels_find(&a->channels, peer);

	if (c == NULL || !channel_usable(&a->channels, c, now))
		return 0;
	channel_note_sent(&a->channels, c);
	return c->number;
}

bool
allocation_received(
    struct allocation *a, uint16_t channel, struct endpoint *peer)
{
	struct channel *c = channels_get(&a->channels, channel);

	if (c == NULL || !c->confirmed)
		return false;
	channel_note_received(&a->channels, c);
	*peer = c->peer;
	return true;
}

void
allocation_refresh_channels(struct allocation *a, struct mono now)
{
	const struct refused_peer *p;
	struct channel *c;
	size_t at = 0;

	while ((p = refused_peers_due(&a->refused, now)) != NULL)
		(void)allocation_bind(a, now, &p->peer, &p->owner);
	while ((c = channels_due(&a->channels, now, &at)) != NULL) {
		if (requests_full(&a->requests))
			a->channels.deadline = mono_min(a->channels.deadline,
			    mono_add_s(now, CHANNELS_AGAIN_S));
		else
			send_channel_bind(a, now, c);
	}
}
