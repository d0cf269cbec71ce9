/*
 * A shard: the WireGuard data path of the clients it owns, end to end, shared
 * with nobody. Sans-IO: the shell hands it datagrams, packets and the time; the
 * engine talks to it by commands and hears events.
 *
 * On the packet path it neither allocates nor logs nor reads a clock.
 */
#ifndef NET_WORKER_DATAPLANE_SHARD_SHARD_H
#define NET_WORKER_DATAPLANE_SHARD_SHARD_H

#include "common/counters.h"
#include "common/time.h"
#include "net-worker/core/aead.h"
#include "net-worker/core/datagram.h"
#include "net-worker/core/flow.h"
#include "net-worker/dataplane/host.h"
#include "net-worker/dataplane/shard_commands.h"

/* What a client has moved, and what it moves it by. */
struct shard_peer_stats {
	uint64_t received_packets, received_bytes; /* inner, accepted */
	uint64_t sent_packets, sent_bytes;
	struct mono handshake; /* of the session in use; MONO_NEVER: none yet */
	bool has_connection;
	uint32_t connection;
};

struct shard;

/*
 * The aead and the counters, a block of the counter page, are the caller's.
 * Some refusals are told if they are wanted. NULL without memory.
 */
struct shard *shard_new(unsigned number, struct aead *, struct shard_counters *,
    bool refusals_wanted);
void shard_free(struct shard *);

/* The engine's side: false when the ring is full (run the shard, try again). */
bool shard_post(struct shard *, const struct shard_command *);
bool shard_event(struct shard *, struct shard_event *);
bool shard_control(struct shard *, struct shard_control *);
bool shard_flow(struct shard *, struct flow_report *);
bool shard_refusal(struct shard *, struct shard_refusal *);

/* The shell's side. */
void shard_run_commands(
    struct shard *, struct mono now, const struct packet_sink *);
/*
 * True when it was WireGuard data, bare or in ChannelData (and has been dealt
 * with, in place); false when it is the engine's.
 */
bool shard_datagram(struct shard *, struct mono now, const struct arrival *,
    uint8_t *data, size_t len, const struct packet_sink *);
void shard_packet(struct shard *, struct mono now, uint8_t *packet, size_t len,
    const struct packet_sink *);
struct mono shard_deadline(const struct shard *);
void shard_timeout(struct shard *, struct mono now, const struct packet_sink *);

/* False when there is no such client. */
bool shard_peer_stats(
    const struct shard *, uint32_t peer, struct shard_peer_stats *);

#endif /* NET_WORKER_DATAPLANE_SHARD_SHARD_H */
