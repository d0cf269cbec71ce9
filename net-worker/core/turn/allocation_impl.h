/*
 * What allocation.c (lifecycle, timers, channels) and answer.c (what the
 * relay's answers do) share; nobody else includes this.
 */
#ifndef NET_WORKER_CORE_TURN_ALLOCATION_IMPL_H
#define NET_WORKER_CORE_TURN_ALLOCATION_IMPL_H

#include "net-worker/core/turn/allocation.h"
#include "net-worker/core/turn/channel.h"
#include "net-worker/core/turn/refused_peers.h"
#include "net-worker/core/turn/request.h"

/*
 * As many as can get one in the end: many clients may name themselves at once,
 * and without ICE who is not heard by its channel is not heard at all.
 */
#define PEERS_WAITING_MAX CHANNELS_MAX
/* A client has less than one in so many of the places that are left. */
#define PEERS_WAITING_LEFT 4
#define KEEPALIVE_S       25

/* A candidate of one family, and whether its event is still to be given. */
struct candidate_slot {
	struct endpoint address; /* IP_NONE: none */
	struct endpoint base;
	bool changed;
};

struct waiting_peer {
	struct endpoint peer;
	struct turn_owner owner;
};

struct allocation {
	struct relay_config config;
	struct credentials credentials;
	struct server_traits traits;
	struct requests requests;
	struct channels channels;
	struct refused_peers refused;

	/* By family: 0 is IPv4, 1 is IPv6. */
	struct candidate_slot host[2], reflexive[2], relayed[2];
	struct endpoint withdrawn[2]; /* events still to be given */

	bool active; /* an address of the relay has answered: server */
	/* Since the last success: server is the other one, and the last. */
	bool changed_server;
	bool unverified; /* it refuses our Allocate, not signed with our key */
	struct endpoint server;
	struct endpoint base; /* our socket, as the server's answers reach it */
	struct mono keepalive;

	bool allocated;
	int64_t lifetime_s;
	struct mono expiry, refresh;

	struct waiting_peer waiting[PEERS_WAITING_MAX]; /* for a channel */
	size_t waiting_count;

	int64_t rtt_us, family_rtt_us[2]; /* of all, by IPv4, by IPv6 */
	int64_t rtt_sample_us; /* the last one, until it is taken; else -1 */
	unsigned mismatches; /* 437 in a row */
	/* The same to ChannelBind, whatever there was to Allocate. */
	unsigned bind_mismatches;
	bool deleted;        /* the relay says so, and has granted none since */
	bool failed;
};

static inline size_t
family_index(uint8_t family)
{
	return family == IP_V6 ? 1 : 0;
}

static inline bool
allocation_given_up(const struct allocation *a)
{
	return a->failed || !a->credentials.usable;
}

/* Sends a request of that kind to the active socket. */
struct request *allocation_send(
    struct allocation *, struct mono now, enum request_kind);
/* Takes the allocation for lost: firezone-tunnel(7), Relay life cycle. */
void allocation_invalidate(struct allocation *);
/* Invalidates, and looks for the relay as if it were new. */
void allocation_start_over(struct allocation *, struct mono now);
/*
 * Asks for an allocation at the relay's other address, if that has answered and
 * was not asked before. What another user has left at a standard server is by
 * our address and port, so of one family; as long as it lasts (10 minutes) we
 * are refused there, without a signature.
 */
bool allocation_change_server(struct allocation *, struct mono now);
/* False: there is no room for it. */
bool allocation_wait(struct allocation *, const struct endpoint *peer,
    const struct turn_owner *);
/* Binds channels for as many waiting peers as there are requests left. */
void allocation_bind_waiting(struct allocation *, struct mono now);
/* Binds those again that are due, or were refused. */
void allocation_refresh_channels(struct allocation *, struct mono now);
void allocation_announce(struct candidate_slot *, const struct endpoint *,
    const struct endpoint *base);

#endif /* NET_WORKER_CORE_TURN_ALLOCATION_IMPL_H */
