/*
 * One relay and our allocation on it: the TURN client of firezone-tunnel(7),
 * RELAYS.
 *
 * Sans-IO: the owner feeds messages and time in, then drains datagrams and
 * events until there are none, and calls allocation_timeout() when the
 * deadline has come.
 */
#ifndef NET_WORKER_CORE_TURN_ALLOCATION_H
#define NET_WORKER_CORE_TURN_ALLOCATION_H

#include "common/address.h"
#include "common/bounds.h"
#include "common/time.h"
#include "common/uuid.h"
#include "net-worker/core/datagram.h"
#include "net-worker/core/stun/stun.h"
#include "net-worker/core/turn/owner.h"

#define TURN_PORT           3478
#define TURN_REALM          "firezone" /* unless a standard server differs */

struct relay_config {
	struct uuid id;
	struct endpoint address[2]; /* IPv4, IPv6; IP_NONE where it has none */
	char username[TURN_CREDENTIAL_MAX + 1];
	char password[TURN_CREDENTIAL_MAX + 1];
};

enum allocation_event_type {
	ALLOCATION_HOST,             /* host candidate: address */
	ALLOCATION_SERVER_REFLEXIVE, /* srflx candidate: address, base */
	ALLOCATION_RELAYED,          /* relay candidate: address, base */
	ALLOCATION_WITHDRAWN,       /* relay candidate gone, and all channels */
	ALLOCATION_CHANNEL_CHANGED, /* channel of peer address: bound or lost */
};

struct allocation_event {
	enum allocation_event_type type;
	struct endpoint address;
	struct endpoint base; /* local socket address, where it applies */
	uint16_t channel;     /* 0: lost */
};

/* Why an allocation may be freed (firezone-tunnel(7), Giving up a relay). */
enum allocation_end {
	ALLOCATION_ALIVE,
	ALLOCATION_NO_RESPONSE,
	ALLOCATION_UNVERIFIED, /* it answers, not signed with our key */
	ALLOCATION_AUTHENTICATION,
	ALLOCATION_PROTOCOL,
};

struct allocation;

/*
 * Starts with a Binding request to each address. The config is copied. NULL
 * when there is no memory.
 */
struct allocation *allocation_new(const struct relay_config *, struct mono now);
void allocation_free(struct allocation *); /* NULL is fine; wipes secrets */

const struct relay_config *allocation_config(const struct allocation *);
bool allocation_has_address(const struct allocation *, const struct endpoint *);

/*
 * A STUN message from one of the relay's addresses to our socket at local.
 * False when it answers none of our requests.
 */
bool allocation_input(struct allocation *, struct mono now,
    const struct endpoint *local, const struct endpoint *from,
    const struct stun_message *);

struct mono allocation_deadline(const struct allocation *);
void allocation_timeout(struct allocation *, struct mono now);

/* The next datagram to send, or false. */
bool allocation_transmit(struct allocation *, struct datagram *);
/* The next event, or false. */
bool allocation_event(struct allocation *, struct allocation_event *);

/*
 * Checks that the relay still knows us (firezone-tunnel(7), Changes of the
 * relay list); a suspended allocation starts over.
 */
void allocation_refresh(struct allocation *, struct mono now);
/* The relay answers, but gave us no allocation, and nothing is under way. */
bool allocation_suspended(const struct allocation *);

/*
 * Binds a channel to the peer unless there is one. Buffered until allocated;
 * ignored while suspended. False when the owner has as many as it may have.
 */
bool allocation_bind(struct allocation *, struct mono now,
    const struct endpoint *peer, const struct turn_owner *);
/* Whether its channels are nearly all taken. */
bool allocation_crowded(const struct allocation *, struct mono now);
/*
 * The channel on which data is sent to the peer now (bound or in flight), or 0:
 * it has to be bound first.
 */
uint16_t allocation_channel(
    struct allocation *, struct mono now, const struct endpoint *peer);
/* The peer of a confirmed channel on which data was received, or false. */
bool allocation_received(
    struct allocation *, uint16_t channel, struct endpoint *peer);

/* Where ChannelData goes; false while there is no active socket. */
bool allocation_server(const struct allocation *, struct endpoint *);
/* Our relayed address of the family; IP_NONE when there is none. */
struct endpoint allocation_relayed(const struct allocation *, enum ip_family);
/* Host or server-reflexive candidates so far; IP_NONE when there is none. */
struct endpoint allocation_host(const struct allocation *, enum ip_family);
struct endpoint allocation_reflexive(const struct allocation *, enum ip_family);
/* The local address that reaches the relay's active socket, or IP_NONE. */
struct endpoint allocation_base(const struct allocation *);

/* Smoothed round trip in microseconds; -1 before the first answer. */
int64_t allocation_rtt_us(const struct allocation *);
/* The same of what went to the relay's address of the family. */
int64_t allocation_family_rtt_us(const struct allocation *, enum ip_family);
/* The round trip that has just been measured, told once; else -1. */
int64_t allocation_take_sample_us(struct allocation *);
enum allocation_end allocation_end(const struct allocation *);
/* A Refresh with lifetime 0, to be sent once, for an orderly exit. */
bool allocation_release(struct allocation *, struct datagram *);

#endif /* NET_WORKER_CORE_TURN_ALLOCATION_H */
