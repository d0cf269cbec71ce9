/*
 * ChannelData (RFC 8656 12.4): a channel number and a length, two bytes each,
 * and then as many bytes. Over UDP it is a datagram of its own and need not be
 * padded to a multiple of four bytes: we do not, standard servers may (12.5).
 */
#ifndef NET_WORKER_CORE_TURN_CHANNEL_DATA_H
#define NET_WORKER_CORE_TURN_CHANNEL_DATA_H

#include <stddef.h>

#include "common/buffer.h"
#include "net-worker/core/datagram.h"

/* What a first byte may be; no other protocol on the port has these. */
#define CHANNEL_DATA_FIRST 64
#define CHANNEL_DATA_LAST  79

/*
 * The bytes of the header when a datagram of *len bytes is ChannelData of
 * exactly its own length, but for padding, and its channel; *len is that of
 * what is inside then. Else 0.
 */
static inline size_t
channel_data_open(const uint8_t *data, size_t *len, uint16_t *channel)
{
	size_t inside, rest;

	if (*len < CHANNEL_DATA_OVERHEAD || data[0] < CHANNEL_DATA_FIRST ||
	    data[0] > CHANNEL_DATA_LAST)
		return 0;
	inside = load_be16(data + 2);
	rest = *len - CHANNEL_DATA_OVERHEAD;
	if (rest != inside && rest != (inside + 3) / 4 * 4)
		return 0;
	*channel = load_be16(data);
	*len = inside;
	return CHANNEL_DATA_OVERHEAD;
}

/* The header of a datagram with len bytes inside, and where these go. */
static inline uint8_t *
channel_data_begin(uint8_t *to, uint16_t channel, size_t len)
{
	store_be16(to, channel);
	store_be16(to + 2, (uint16_t)len);
	return to + CHANNEL_DATA_OVERHEAD;
}

#endif /* NET_WORKER_CORE_TURN_CHANNEL_DATA_H */
