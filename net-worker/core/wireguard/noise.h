/*
 * The WireGuard handshake, Noise_IKpsk2 (the WireGuard paper, 5.4), both roles,
 * with MAC1, MAC2 and cookies; firezone-tunnel(7), WIREGUARD.
 *
 * Everything is a function of its arguments: ephemeral keys come from
 * libsodium, time and indexes from the caller. Whatever returns a bool also
 * fails when libcrypto has no memory, and then leaves no secret behind.
 */
#ifndef NET_WORKER_CORE_WIREGUARD_NOISE_H
#define NET_WORKER_CORE_WIREGUARD_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/time.h"
#include "net-worker/core/wireguard/message.h"

#define NOISE_KEY_LEN       32
#define NOISE_HASH_LEN      32
#define NOISE_TIMESTAMP_LEN 12 /* TAI64N */
#define NOISE_COOKIE_LEN    16

/* Our static key pair and what is derived from it once. */
struct noise_identity {
	uint8_t private_key[NOISE_KEY_LEN];
	uint8_t public_key[NOISE_KEY_LEN];
	uint8_t mac1_key[NOISE_KEY_LEN];   /* HASH("mac1----" || public) */
	uint8_t cookie_key[NOISE_KEY_LEN]; /* HASH("cookie--" || public) */
	struct blake2s_begun *mac1; /* of initiations; NULL: not made ready */
};

/*
 * Once per process, before it gives up its files: the libraries load what they
 * will need, and their results are checked.
 */
bool noise_crypto_warm_up(void);

bool noise_identity_generate(struct noise_identity *);
bool noise_identity_from_private(
    struct noise_identity *, const uint8_t private_key[NOISE_KEY_LEN]);
/* For many initiations: noise_mac1_valid() costs less from now on. */
bool noise_identity_make_ready(struct noise_identity *);
void noise_identity_wipe(struct noise_identity *); /* all zero is fine */

/* An initiation of ours that waits for its response. */
struct noise_pending {
	bool valid;
	uint32_t local_index;
	uint8_t ephemeral_private[NOISE_KEY_LEN];
	uint8_t hash[NOISE_HASH_LEN];
	uint8_t chaining_key[NOISE_HASH_LEN];
};

/* The remote end, one per connection. */
struct noise_peer {
	uint8_t public_key[NOISE_KEY_LEN];
	uint8_t preshared_key[NOISE_KEY_LEN];
	uint8_t static_static[NOISE_KEY_LEN]; /* DH(our static, theirs) */
	uint8_t mac1_key[NOISE_KEY_LEN];      /* for messages to the peer */
	uint8_t cookie_key[NOISE_KEY_LEN];
	uint8_t last_timestamp[NOISE_TIMESTAMP_LEN]; /* of an initiation */
	struct noise_pending pending[2];     /* ours: newest, the one before */
	uint8_t last_mac1[NOISE_COOKIE_LEN]; /* of our last message */
	bool mac1_sent;
	uint8_t cookie[NOISE_COOKIE_LEN];
	struct mono cookie_until; /* {0} or past: no cookie */
};

/* False when the public key is of low order. */
bool noise_peer_init(struct noise_peer *, const struct noise_identity *,
    const uint8_t public_key[NOISE_KEY_LEN],
    const uint8_t preshared_key[NOISE_KEY_LEN]);
void noise_peer_wipe(struct noise_peer *);

/* The result of a handshake, to become a session; to be wiped after that. */
struct noise_keys {
	uint32_t local_index;
	uint32_t remote_index;
	uint8_t send[NOISE_KEY_LEN];
	uint8_t receive[NOISE_KEY_LEN];
	bool initiator; /* we were */
};

/* An initiation opened as far as its sender's static key. */
struct noise_initiation {
	uint32_t remote_index;
	uint8_t remote_static[NOISE_KEY_LEN];
	uint8_t remote_ephemeral[NOISE_KEY_LEN];
	uint8_t hash[NOISE_HASH_LEN];
	uint8_t chaining_key[NOISE_HASH_LEN];
	uint8_t sealed_timestamp[NOISE_TIMESTAMP_LEN + 16];
};

/* MAC1 of an initiation or response to us; checked before any X25519. */
bool noise_mac1_valid(
    const struct noise_identity *, const uint8_t *message, size_t len);

/* Opens the sender's static key ("anonymous parse"). */
bool noise_open_initiation(const struct noise_identity *,
    const uint8_t message[MESSAGE_INITIATION_LEN], struct noise_initiation *);
/*
 * Checks that the initiation is the peer's and newer than its last one, and
 * forgets our own pending ones (firezone-tunnel(7), WireGuard timers). The
 * initiation is wiped when it is refused.
 */
bool noise_accept_initiation(struct noise_peer *, struct noise_initiation *);
/* Answers an accepted initiation. The initiation is wiped. */
bool noise_create_response(struct noise_peer *, struct noise_initiation *,
    uint32_t local_index, struct mono now,
    uint8_t message[MESSAGE_RESPONSE_LEN], struct noise_keys *);

/* timestamp: TAI64N, see noise_timestamp(). */
bool noise_create_initiation(const struct noise_identity *, struct noise_peer *,
    uint32_t local_index, const uint8_t timestamp[NOISE_TIMESTAMP_LEN],
    struct mono now, uint8_t message[MESSAGE_INITIATION_LEN]);
/*
 * Accepts the response to either of the two last initiations; what is older
 * than the answered one is forgotten with it.
 */
bool noise_consume_response(const struct noise_identity *, struct noise_peer *,
    const uint8_t message[MESSAGE_RESPONSE_LEN], struct noise_keys *);
void noise_timestamp(uint64_t unix_seconds, uint32_t nanoseconds,
    uint8_t timestamp[NOISE_TIMESTAMP_LEN]);

/*
 * Stores the cookie for two minutes. One reply is taken for each of our
 * messages.
 */
bool noise_consume_cookie_reply(struct noise_peer *, struct mono now,
    const uint8_t message[MESSAGE_COOKIE_LEN]);

#endif /* NET_WORKER_CORE_WIREGUARD_NOISE_H */
