/*
 * HASH, MAC, HMAC and KDF of the WireGuard paper (5.4), all on BLAKE2s, by
 * libcrypto. They fail only when libcrypto has no memory, and for an input that
 * is too long. Before warming up only one thread may call them.
 */
#ifndef NET_WORKER_CORE_WIREGUARD_BLAKE2S_H
#define NET_WORKER_CORE_WIREGUARD_BLAKE2S_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLAKE2S_HASH_LEN 32
#define BLAKE2S_MAC_LEN  16
/* The most that one call hashes, both parts together. */
#define BLAKE2S_INPUT_MAX 128
/* The most that a key is derived from. */
#define BLAKE2S_KDF_INPUT_MAX 64

/* HASH(a || b). "to" may be a or b; b may be NULL where it has no length. */
bool blake2s_hash(uint8_t to[BLAKE2S_HASH_LEN], const void *a, size_t a_len,
    const void *b, size_t b_len);
/* Keyed BLAKE2s of 16 bytes; the key has 16 or 32. */
bool blake2s_mac(uint8_t to[BLAKE2S_MAC_LEN], const uint8_t *key,
    size_t key_len, const uint8_t *input, size_t len);
/*
 * The same for many inputs that begin alike, each given from there on: making a
 * key ready and hashing its block is half of the work for a short one. Any
 * thread may go on, several at once. NULL without memory.
 */
struct blake2s_begun;
struct blake2s_begun *blake2s_begin(
    const uint8_t *key, size_t key_len, const uint8_t *beginning, size_t len);
void blake2s_begun_free(struct blake2s_begun *); /* wipes; NULL is fine */
bool blake2s_go_on(const struct blake2s_begun *, uint8_t to[BLAKE2S_MAC_LEN],
    const uint8_t *rest, size_t len);
/*
 * The first count (1 to 3) outputs of KDF(key, input) to the places in "to",
 * any of which may be the key.
 */
bool blake2s_kdf(uint8_t *const to[], size_t count,
    const uint8_t key[BLAKE2S_HASH_LEN], const uint8_t *input, size_t len);
/*
 * Has libcrypto load what the functions above need, and checks the results;
 * later it may open no file. Afterwards any thread may call them, several
 * at once.
 */
bool blake2s_warm_up(void);

#endif /* NET_WORKER_CORE_WIREGUARD_BLAKE2S_H */
