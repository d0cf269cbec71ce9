/*
 * The relays we know: the portal's list (firezone-tunnel(7), Changes of the
 * relay list), the choice of one for a connection (firezone-tunnel(7), Choice
 * of a relay) and the memory of those formerly used (firezone-tunnel(7),
 * Demultiplexing).
 */
#ifndef NET_WORKER_CORE_TURN_RELAYS_H
#define NET_WORKER_CORE_TURN_RELAYS_H

#include "net-worker/core/turn/allocation.h"

#define RELAYS_MAX 64

enum relays_event_type {
	RELAYS_CANDIDATE, /* detail: HOST, SERVER_REFLEXIVE or RELAYED */
	RELAYS_WITHDRAWN, /* detail.address is not ours, no channel is left */
	RELAYS_CHANNEL,   /* detail: CHANNEL_CHANGED */
	RELAYS_REMOVED,   /* it is gone or replaced; connections must move */
	RELAYS_NONE,      /* the last relay was given up: ask for others */
};

struct relays_event {
	enum relays_event_type type;
	struct uuid relay;
	struct allocation_event detail;
	/* Of REMOVED: why (ALIVE: the portal said so), and where it was. */
	enum allocation_end end;
	struct ip_address address[2]; /* IP_NONE where it had none */
};

struct relays;

struct relays *relays_new(void);
void relays_free(struct relays *);

/*
 * One message of the portal: begin, any number of removed and present, commit.
 * What is present and unchanged stays; what is neither is only refreshed.
 * relays_present() returns false when there are RELAYS_MAX already, as many
 * removed ones whose events have not been taken, or no memory.
 */
void relays_begin(struct relays *);
void relays_removed(struct relays *, const struct uuid *);
bool relays_present(
    struct relays *, struct mono now, const struct relay_config *);
/* The same of a relay with credentials that say nothing of a known one's. */
bool relays_suggested(
    struct relays *, struct mono now, const struct relay_config *);
void relays_commit(struct relays *, struct mono now);

struct allocation *relays_find(struct relays *, const struct uuid *);
struct allocation *relays_at(struct relays *, const struct endpoint *);
/* The one that has it, of its own or as allocated to us; NULL: none. */
struct allocation *relays_with_ip(struct relays *, const struct ip_address *);
bool relays_formerly_used(const struct relays *, const struct ip_address *);
/*
 * A relay for a new connection, or NULL: firezone-tunnel(7), Choice of a relay.
 */
struct allocation *relays_sample(struct relays *, struct mono now);

size_t relays_count(const struct relays *);
/* The i-th relay, i < relays_count(); the order changes with the list. */
struct allocation *relays_get(struct relays *, size_t i);

/*
 * To be asked after every call above and every allocation_input(): a relay that
 * failed is due at once. relays_timeout() also gives up relays
 * (firezone-tunnel(7), Giving up a relay) and lets those that refused us an
 * allocation try again.
 */
struct mono relays_deadline(const struct relays *);
void relays_timeout(struct relays *, struct mono now);
bool relays_transmit(struct relays *, struct datagram *);
bool relays_event(struct relays *, struct relays_event *);

#endif /* NET_WORKER_CORE_TURN_RELAYS_H */
