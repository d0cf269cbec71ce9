/*
 * One WireGuard session: transport keys, counters and the replay window
 * (firezone-tunnel(7), Data packets and Replay window). Belongs to one shard;
 * plain data, no pointers, so that it can be handed over.
 */
#ifndef NET_WORKER_CORE_WIREGUARD_SESSION_H
#define NET_WORKER_CORE_WIREGUARD_SESSION_H

#include "common/time.h"
#include "net-worker/core/aead.h"
#include "net-worker/core/wireguard/constants.h"
#include "net-worker/core/wireguard/noise.h"

struct replay_window {
	uint64_t next; /* one above the highest counter seen */
	uint64_t bitmap[REPLAY_WINDOW / 64];
};

/* Whether the counter is neither too old nor seen. */
bool replay_acceptable(const struct replay_window *, uint64_t counter);
/* Marks it seen; to be called after the packet was authenticated. */
void replay_mark(struct replay_window *, uint64_t counter);

struct session {
	uint32_t local_index;
	uint32_t remote_index;
	uint8_t send_key[AEAD_KEY_LEN];
	uint8_t receive_key[AEAD_KEY_LEN];
	uint64_t send_counter;
	struct replay_window replay;
	struct mono established;
	bool initiator; /* we were */
};

void session_init(struct session *, const struct noise_keys *, struct mono now);
void session_wipe(struct session *);
/* When it ends: REJECT_AFTER_TIME after it was established. */
struct mono session_end(const struct session *);
/* From then on it neither sends nor receives. */
bool session_expired(const struct session *, struct mono now);
/* Whether it may send: 180 s, 170 s where we were the initiator. */
bool session_may_send(const struct session *, struct mono now);

/*
 * Writes header, ciphertext and tag (len + 32 bytes) to "to". The plaintext may
 * lie at to + MESSAGE_DATA_HEADER_LEN already (then it is encrypted in place);
 * it is not looked at when len is 0, which makes a keepalive.
 */
void session_seal(struct session *, struct aead *, const uint8_t *plain,
    size_t len, uint8_t *to);

/*
 * Opens a data message (len >= MESSAGE_DATA_MIN, receiver index ours) in
 * place. On success *plain points into message and the length of the
 * plaintext, padding included, is returned; -1 when it is forged, replayed
 * or too old.
 */
int session_open(struct session *, struct aead *, uint8_t *message, size_t len,
    uint8_t **plain);

/*
 * The length of the IP packet at the start of a plaintext, padding cut off; 0
 * for a keepalive; -1 when it is no IP packet or says it is longer.
 */
int session_inner_length(const uint8_t *plain, size_t len);

#endif /* NET_WORKER_CORE_WIREGUARD_SESSION_H */
