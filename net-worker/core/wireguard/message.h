/*
 * WireGuard's four messages on the wire: type and length decided together, in
 * one place (firezone-tunnel(7), Demultiplexing and Data packets).
 */
#ifndef NET_WORKER_CORE_WIREGUARD_MESSAGE_H
#define NET_WORKER_CORE_WIREGUARD_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "net-worker/core/wireguard/constants.h"

enum message_type {
	MESSAGE_INVALID = 0,
	MESSAGE_INITIATION = 1,
	MESSAGE_RESPONSE = 2,
	MESSAGE_COOKIE = 3,
	MESSAGE_DATA = 4,
};

/* MESSAGE_INVALID unless type and length fit each other exactly. */
enum message_type message_classify(const uint8_t *, size_t len);
/* Of a response, cookie reply or data message of the right length. */
uint32_t message_receiver(enum message_type, const uint8_t *);

#endif /* NET_WORKER_CORE_WIREGUARD_MESSAGE_H */
