/*
 * The kind of agent that finds paths without ICE, by probes inside the tunnel
 * (firezone-tunnel(7), ICE-LESS MODE): core/iceless behind agent.h.
 */
#ifndef NET_WORKER_DATAPLANE_ENGINE_PATHS_ICELESS_H
#define NET_WORKER_DATAPLANE_ENGINE_PATHS_ICELESS_H

#include "net-worker/dataplane/engine/paths/agent.h"

/* NULL without memory. */
struct path_agent *iceless_path_agent_new(void);

#endif /* NET_WORKER_DATAPLANE_ENGINE_PATHS_ICELESS_H */
