/*
 * The WireGuard handshake, Noise_IKpsk2 (https://www.wireguard.com/papers/
 * wireguard.pdf section 5.4), both roles. No clock and no randomness of its
 * own: time stamp and ephemeral key are handed in.
 */
#ifndef TESTS_CLIENT_NOISE_H
#define TESTS_CLIENT_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_KEY_LEN        32
#define NOISE_MAC_LEN        16
#define NOISE_TIMESTAMP_LEN  12
#define NOISE_INITIATION_LEN 148
#define NOISE_RESPONSE_LEN   92
#define NOISE_COOKIE_LEN     64

struct noise_identity {
	uint8_t private_key[NOISE_KEY_LEN];
	uint8_t public_key[NOISE_KEY_LEN];
};

/* What both ends of one connection know of each other. */
struct noise_peer {
	struct noise_identity us;
	uint8_t public_key[NOISE_KEY_LEN];
	uint8_t psk[NOISE_KEY_LEN];
	uint8_t static_static[NOISE_KEY_LEN];
	uint8_t last_timestamp[NOISE_TIMESTAMP_LEN]; /* received */
};

/* One handshake under way. */
struct noise {
	uint8_t chaining_key[NOISE_KEY_LEN];
	uint8_t hash[NOISE_KEY_LEN];
	struct noise_identity ephemeral;
	uint32_t our_index, their_index;
	uint8_t mac1[NOISE_MAC_LEN]; /* of the message we sent last */
};

struct noise_keys {
	uint8_t sending[NOISE_KEY_LEN];
	uint8_t receiving[NOISE_KEY_LEN];
};

/* Each of these is false when the message or a key is wrong. */
bool noise_identity(struct noise_identity *, const uint8_t *private_key);
bool noise_peer(struct noise_peer *, const struct noise_identity *us,
    const uint8_t *public_key, const uint8_t *psk);
/* cookie: for MAC2, or NULL. */
bool noise_write_initiation(struct noise *, const struct noise_peer *,
    const uint8_t *ephemeral, const uint8_t *timestamp, const uint8_t *cookie,
    uint8_t to[NOISE_INITIATION_LEN]);
bool noise_read_response(struct noise *, const struct noise_peer *,
    const uint8_t message[NOISE_RESPONSE_LEN], struct noise_keys *);
bool noise_read_initiation(struct noise *, struct noise_peer *,
    const uint8_t message[NOISE_INITIATION_LEN]);
bool noise_write_response(struct noise *, const struct noise_peer *,
    const uint8_t *ephemeral, const uint8_t *cookie,
    uint8_t to[NOISE_RESPONSE_LEN], struct noise_keys *);
/* The cookie in a reply to the message that we sent last. */
bool noise_read_cookie(const struct noise *, const struct noise_peer *,
    const uint8_t message[NOISE_COOKIE_LEN], uint8_t cookie[NOISE_MAC_LEN]);

#endif /* TESTS_CLIENT_NOISE_H */
