/*
 * The MACs at the end of handshake messages (WireGuard's paper, 5.4.4), for
 * noise.c; noise_mac1_valid() is in noise.h, for all.
 */
#ifndef NET_WORKER_CORE_WIREGUARD_MACS_H
#define NET_WORKER_CORE_WIREGUARD_MACS_H

#include "net-worker/core/wireguard/noise.h"

/* The two keys that whoever knows a public key can derive from it. */
bool macs_derive_keys(uint8_t mac1_key[NOISE_KEY_LEN],
    uint8_t cookie_key[NOISE_KEY_LEN], const uint8_t public_key[NOISE_KEY_LEN]);
/*
 * Puts MAC1, and MAC2 while there is a cookie, at the end of a message of ours.
 * From now on a cookie may answer this message.
 */
bool macs_append(
    struct noise_peer *, struct mono now, uint8_t *message, size_t mac1_at);

#endif /* NET_WORKER_CORE_WIREGUARD_MACS_H */
