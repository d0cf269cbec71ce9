/*
 * A shard: the WireGuard data path of the clients it owns, end to end, shared
 * with nobody. Sans-IO: its lane hands it datagrams, packets and the time; the
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

struct shard;

/*
 * One of so many. The aead, the counters and METERS meters, blocks of the
 * counter page, are the caller's. Some refusals are told if they are wanted.
 * NULL without memory.
 */
struct shard *shard_new(unsigned number, unsigned of, struct aead *,
    struct shard_counters *, struct meter *, bool refusals_wanted);
void shard_free(struct shard *);

/*
 * The engine's side, which may be another thread: false when the ring is full,
 * or empty.
 */
bool shard_post(struct shard *, const struct shard_command *);
bool shard_event(struct shard *, struct shard_event *);
bool shard_control(struct shard *, struct shard_control *);
bool shard_probe(struct shard *, struct shard_probe *);
bool shard_flow(struct shard *, struct flow_report *);
bool shard_refusal(struct shard *, struct shard_refusal *);
struct shard_survey *shard_survey(struct shard *); /* NULL: none */
/* Whether one of these has something; reports of flows if they are wanted. */
bool shard_has_news(struct shard *, bool reports);

/* The side of the shard's own thread. */
bool shard_has_commands(struct shard *);
void shard_run_commands(
    struct shard *, struct mono now, const struct packet_sink *);
/*
 * True when it was WireGuard data, bare or in ChannelData, that names this
 * shard (and has been dealt with, in place).
 */
bool shard_datagram(struct shard *, struct mono now, const struct arrival *,
    uint8_t *data, size_t len, const struct packet_sink *);
/* False when it is for no connected client of this shard. */
bool shard_packet(struct shard *, struct mono now, uint8_t *packet, size_t len,
    const struct packet_sink *);
/*
 * The end of a turn, as far as it is about one source of packets: whether there
 * may be more than were taken. While that lasts, who brings more than the share
 * of a client loses what is beyond (quotas.h).
 */
enum shard_source { SHARD_SOCKETS, SHARD_DEVICE, SHARD_SOURCES };
void shard_end_turn(
    struct shard *, struct mono now, enum shard_source, bool more);
struct mono shard_deadline(const struct shard *);
void shard_timeout(struct shard *, struct mono now, const struct packet_sink *);

#endif /* NET_WORKER_DATAPLANE_SHARD_SHARD_H */
