/*
 * WireGuard's four messages on the wire: type and length decided together, in
 * one place (spec/tunnel.md 1.3, 2.5).
 */
#ifndef NET_WORKER_CORE_WIREGUARD_MESSAGE_H
#define NET_WORKER_CORE_WIREGUARD_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

enum message_type {
	MESSAGE_INVALID = 0,
	MESSAGE_INITIATION = 1,
	MESSAGE_RESPONSE = 2,
	MESSAGE_COOKIE = 3,
	MESSAGE_DATA = 4,
};

#define MESSAGE_INITIATION_LEN  148
#define MESSAGE_RESPONSE_LEN    92
#define MESSAGE_COOKIE_LEN      64
#define MESSAGE_DATA_HEADER_LEN 16
#define MESSAGE_DATA_MIN        32 /* header, tag and nothing: a keepalive */

/* MESSAGE_INVALID unless type and length fit each other exactly. */
enum message_type message_classify(const uint8_t *, size_t len);
/* Of a response, cookie reply or data message of the right length. */
uint32_t message_receiver(enum message_type, const uint8_t *);

#endif /* NET_WORKER_CORE_WIREGUARD_MESSAGE_H */
