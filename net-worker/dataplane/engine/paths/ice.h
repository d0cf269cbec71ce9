/*
 * The kind of agent that speaks ICE, and how its peers' messages find it: a
 * request by the user name in it, an answer by the check that it answers
 * (firezone-tunnel(7), Dispatch).
 */
#ifndef NET_WORKER_DATAPLANE_ENGINE_PATHS_ICE_H
#define NET_WORKER_DATAPLANE_ENGINE_PATHS_ICE_H

#include "net-worker/dataplane/engine/paths/agent.h"

struct ice_dispatch;

/* NULL without memory. */
struct ice_dispatch *ice_dispatch_new(uint32_t agents);
void ice_dispatch_free(struct ice_dispatch *); /* empty; NULL is fine */

/* NULL without memory. */
struct path_agent *ice_path_agent_new(struct ice_dispatch *, struct mono,
    const struct path_terms *, struct paths *);
/* Gives the message to its agent. Whose that is; NULL: nobody's. */
struct paths *ice_dispatch_input(struct ice_dispatch *, struct mono,
    const struct path *from, const struct stun_message *);

#endif /* NET_WORKER_DATAPLANE_ENGINE_PATHS_ICE_H */
