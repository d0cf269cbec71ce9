/*
 * Whom a channel was asked for. A relay's channels are few and shared by all
 * clients: what one of them may hold depends on what is left (channel.h).
 */
#ifndef NET_WORKER_CORE_TURN_OWNER_H
#define NET_WORKER_CORE_TURN_OWNER_H

#include <stdbool.h>

#include "common/uuid.h"

struct turn_owner {
	struct uuid client;
	uint32_t connection; /* one of the client's */
	bool relays; /* for what the peer has on relays: counted apart */
};

#endif /* NET_WORKER_CORE_TURN_OWNER_H */
