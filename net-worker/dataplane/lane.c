/* One thread's part of the data plane: see lane.h. */
#include "net-worker/dataplane/lane.h"

#include "net-worker/dataplane/lane_state.h"

void
lane_set_time(struct lane *l, struct mono now)
{
	l->now = now;
}

/*
 * What the engine has told before this packet was sent is in force for it: when
 * an authorization has been acknowledged, its first packet passes, and when one
 * was revoked, none does.
 */
static void
obey_engine(struct lane *l)
{
	if (shard_has_commands(l->shard))
		shard_run_commands(l->shard, l->now, &l->sink);
}

void
lane_datagram(
    struct lane *l, const struct arrival *a, uint8_t *data, size_t len)
{
	obey_engine(l);
	if (shard_datagram(l->shard, l->now, a, data, len, &l->sink))
		return;
	junction_pass(l->junction, SHARD_THREAD(l->number),
	    junction_owner(l->junction, a, data, len), a, data, len, l->io,
	    &l->given);
}

/* The shard that a packet is for, plus one; 0: none. */
static unsigned
home_of_packet(const struct lane *l, uint8_t *packet, size_t len)
{
	struct packet p;

	if (packet_parse(packet, len, &p) != PACKET_OK ||
	    !ip_in_tunnel_range(&p.destination))
		return 0;
	return home_of(l->junction->homes, &p.destination);
}

void
lane_packet(struct lane *l, uint8_t *packet, size_t len)
{
	unsigned home;

	obey_engine(l);
	if (shard_packet(l->shard, l->now, packet, len, &l->sink))
		return;
	home = home_of_packet(l, packet, len);
	if (home == 0 || home - 1 == l->number)
		l->counters->no_such_client++;
	else
		junction_pass(l->junction, SHARD_THREAD(l->number),
		    SHARD_THREAD(home - 1), NULL, packet, len, l->io,
		    &l->given);
}

/* One that is not ours, either, has an address that changed its home. */
static void
take_stray(void *ctx, struct stray *stray)
{
	struct lane *l = ctx;

	obey_engine(l);
	l->datagrams_strayed = l->datagrams_strayed || !stray->is_packet;
	l->packets_strayed = l->packets_strayed || stray->is_packet;
	if (stray->is_packet) {
		if (!shard_packet(l->shard, l->now, stray->bytes, stray->length,
			&l->sink))
			l->counters->no_such_client++;
	} else if (!shard_datagram(l->shard, l->now, &stray->arrival,
		       stray->bytes, stray->length, &l->sink)) {
		l->counters->unknown_session++;
	}
}

bool
lane_strays(struct lane *l)
{
	return strays_take(
	    l->junction->strays, SHARD_THREAD(l->number), take_stray, l);
}

/* Rings of strays are part of the queue, of whatever kind it was they had. */
void
lane_left(struct lane *l, bool sockets, bool device)
{
	if (!strays_none(l->junction->strays, SHARD_THREAD(l->number))) {
		sockets = sockets || l->datagrams_strayed;
		device = device || l->packets_strayed;
	}
	l->datagrams_strayed = l->packets_strayed = false;
	shard_end_turn(l->shard, l->now, SHARD_SOCKETS, sockets);
	shard_end_turn(l->shard, l->now, SHARD_DEVICE, device);
}

void
lane_settle(struct lane *l)
{
	shard_run_commands(l->shard, l->now, &l->sink);
	if (shard_has_news(l->shard, true))
		l->given |= 1u << ENGINE_THREAD;
	junction_wake(l->junction, &l->given);
}

struct mono
lane_deadline(const struct lane *l)
{
	return shard_deadline(l->shard);
}

void
lane_timeout(struct lane *l)
{
	shard_timeout(l->shard, l->now, &l->sink);
}

bool
lane_lies_down(struct lane *l)
{
	struct doorbell *bell = &l->junction->bell[SHARD_THREAD(l->number)];

	doorbell_lie_down(bell);
	if (!shard_has_commands(l->shard) &&
	    strays_none(l->junction->strays, SHARD_THREAD(l->number)))
		return true;
	doorbell_get_up(bell);
	return false;
}

void
lane_gets_up(struct lane *l)
{
	doorbell_get_up(&l->junction->bell[SHARD_THREAD(l->number)]);
}
