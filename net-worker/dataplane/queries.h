/*
 * Questions of an operator (ipc.def: QUERY), a page at a time, so that no
 * answer holds the packets up. What the engine knows of the clients of a page
 * is put down at once; what their shards know is asked for, and the page is
 * told when the last of them has answered.
 */
#ifndef NET_WORKER_DATAPLANE_QUERIES_H
#define NET_WORKER_DATAPLANE_QUERIES_H

#include <sys/queue.h>

#include "net-worker/dataplane/engine/engine.h"

/* Open at a time; what is asked beyond is not answered. */
#define QUERIES_MAX 16

struct queries {
	LIST_HEAD(, query) open;
	unsigned count;
	struct engine *engine;
	struct engine_shards shards;
	const struct dataplane_host *host;
};

void queries_init(struct queries *, struct engine *,
    const struct engine_shards *, const struct dataplane_host *);
void queries_free(struct queries *);
/* Who has asked is no more: what is open will not be answered. */
void queries_forget(struct queries *);
void queries_ask(struct queries *, const struct ipc_query *);
/* What would become of a packet: its client's shard is asked. */
void queries_explain(struct queries *, const struct ipc_explain *);
/* A survey that came back, which is freed. */
void queries_survey(struct queries *, struct mono now, struct shard_survey *);

#endif /* NET_WORKER_DATAPLANE_QUERIES_H */
