/*
 * Which relays are near enough for a connection: firezone-tunnel(7), Choice of
 * a relay.
 */
#ifndef NET_WORKER_CORE_TURN_SAMPLING_H
#define NET_WORKER_CORE_TURN_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

/*
 * The greatest round trip that a relay may have to be chosen among count > 0
 * relays with these round trips. Sorts them, and overwrites them.
 */
int64_t sampling_threshold_us(int64_t *rtt_us, size_t count);

#endif /* NET_WORKER_CORE_TURN_SAMPLING_H */
