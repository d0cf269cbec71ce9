/* The inside of a lane, for lane.c and for dataplane.c, which has them all. */
#ifndef NET_WORKER_DATAPLANE_LANE_STATE_H
#define NET_WORKER_DATAPLANE_LANE_STATE_H

#include "net-worker/dataplane/junction.h"
#include "net-worker/dataplane/shard/shard.h"

struct lane {
	unsigned number; /* of its shard */
	struct junction *junction;
	struct shard *shard;
	struct packet_sink sink;
	struct shard_counters *counters;
	struct io_counters *io;
	struct mono now;
	thread_set given;
	/* Of which kinds there have been strays in this turn. */
	bool datagrams_strayed, packets_strayed;
};

#endif /* NET_WORKER_DATAPLANE_LANE_STATE_H */
