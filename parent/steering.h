/*
 * Programs that the kernel runs to bring each packet to the thread it belongs
 * to (postern-internals(7), THREADS). They are for speed only: what
 * lands elsewhere is passed on by net-worker.
 */
#ifndef PARENT_STEERING_H
#define PARENT_STEERING_H

/*
 * Of an SO_REUSEPORT group of one socket for the engine and one for each shard,
 * bound in this order: WireGuard data, bare or in ChannelData, goes to the
 * shard that the first byte of its receiver index names, all else to the
 * engine's. fd is any socket of the group. -1 with errno.
 */
int steer_datagrams(int fd, unsigned shards);

/*
 * Of a TUN device with a queue for each shard: a packet goes to the queue of
 * the shard that its destination belongs to, which a table says that net-worker
 * writes (common/homes.h). Returns the table's descriptor, to be
 * mapped; or -1 with errno, where the kernel or our privileges do not allow it,
 * and the driver chooses the queue, by where packets of the flow came from.
 */
int steer_packets(int queue);

#endif /* PARENT_STEERING_H */
