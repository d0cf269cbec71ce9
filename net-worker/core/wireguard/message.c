/*
 * The table of types and lengths (firezone-tunnel(7), Demultiplexing). The
 * three reserved bytes are the upper ones of a little-endian type.
 */
#include "common/buffer.h"
#include "net-worker/core/wireguard/message.h"

enum message_type
message_classify(const uint8_t *message, size_t len)
{
	if (len < sizeof(uint32_t))
		return MESSAGE_INVALID;
	switch (load_le32(message)) {
	case MESSAGE_DATA:
		return len >= MESSAGE_DATA_MIN ? MESSAGE_DATA : MESSAGE_INVALID;
	case MESSAGE_INITIATION:
		return len == MESSAGE_INITIATION_LEN ? MESSAGE_INITIATION
						     : MESSAGE_INVALID;
	case MESSAGE_RESPONSE:
		return len == MESSAGE_RESPONSE_LEN ? MESSAGE_RESPONSE
						   : MESSAGE_INVALID;
	case MESSAGE_COOKIE:
		return len == MESSAGE_COOKIE_LEN ? MESSAGE_COOKIE
						 : MESSAGE_INVALID;
	default:
		return MESSAGE_INVALID;
	}
}

uint32_t
message_receiver(enum message_type type, const uint8_t *message)
{
	return load_le32(message +
	    (type == MESSAGE_RESPONSE ? MESSAGE_RESPONSE_RECEIVER
				      : MESSAGE_RECEIVER));
}
