/*
 * ChaCha20-Poly1305 by libsodium: everywhere, without state.
 */
#include <sodium.h>

#include "net-worker/core/aead_backend.h"

static bool
libsodium_state_new(void **state)
{
	*state = NULL;
	return true;
}

static void
libsodium_state_free(void *state)
{
	(void)state;
}

static void
libsodium_seal(void *state, const uint8_t *key, const uint8_t *nonce,
    const uint8_t *from, size_t len, uint8_t *to)
{
	(void)state;
	(void)crypto_aead_chacha20poly1305_ietf_encrypt(
	    to, NULL, from, len, NULL, 0, NULL, nonce, key);
}

static bool
libsodium_open(void *state, const uint8_t *key, const uint8_t *nonce,
    const uint8_t *from, size_t len, uint8_t *to)
{
	(void)state;
	return crypto_aead_chacha20poly1305_ietf_decrypt(to, NULL, NULL, from,
		   len + AEAD_TAG_LEN, NULL, 0, nonce, key) == 0;
}

const struct aead_backend aead_sodium = {
	.name = "libsodium",
	.open_state = libsodium_state_new,
	.close_state = libsodium_state_free,
	.seal = libsodium_seal,
	.open = libsodium_open,
};
