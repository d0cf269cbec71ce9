/*
 * The choice of a ChaCha20-Poly1305: the fastest library that this processor
 * can run and that agrees with libsodium on a few packets.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/aead_backend.h"

struct aead {
	const struct aead_backend *backend;
	void *state;
};

/* Fastest first. */
static const struct aead_backend *const backends[] = {
#ifdef HAVE_IPSEC_MB
	&aead_ipsec_mb,
#endif
	&aead_sodium,
};

static void
make_nonce(uint8_t nonce[AEAD_NONCE_LEN], uint64_t counter)
{
	memset(nonce, 0, 4);
	store_le64(nonce + 4, counter);
}

/* A packet of len bytes, sealed like libsodium does it, and opened again. */
static bool
backend_agrees(struct aead *aead, size_t len)
{
	static const uint8_t key[AEAD_KEY_LEN] =
	    "thirty-two bytes that are no key";
	static const uint64_t counter = 0x0102030405060708;
	uint8_t plain[1500], want[1500 + AEAD_TAG_LEN];
	uint8_t got[1500 + AEAD_TAG_LEN], nonce[AEAD_NONCE_LEN];

	for (size_t i = 0; i < len; i++)
		plain[i] = (uint8_t)(i * 7 + len);
	make_nonce(nonce, counter);
	if (crypto_aead_chacha20poly1305_ietf_encrypt(
		want, NULL, plain, len, NULL, 0, NULL, nonce, key) != 0)
		return false;
	memcpy(got, plain, len);
	aead_seal(aead, key, counter, got, len, got);
	if (memcmp(got, want, len + AEAD_TAG_LEN) != 0)
		return false;
	if (!aead_open(aead, key, counter, got, len, got) ||
	    memcmp(got, plain, len) != 0)
		return false;
	want[len] ^= 1;
	return !aead_open(aead, key, counter, want, len, want);
}

static bool
backend_self_test(struct aead *aead)
{
	static const size_t lengths[] = { 0, 1, 63, 64, 255, 1280 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		if (!backend_agrees(aead, lengths[i]))
			return false;
	return true;
}

struct aead *
aead_new_with(const struct aead_backend *backend)
{
	struct aead *aead;

	if (sodium_init() == -1 || (aead = calloc(1, sizeof(*aead))) == NULL)
		return NULL;
	if (!backend->open_state(&aead->state)) {
		free(aead);
		return NULL;
	}
	aead->backend = backend;
	if (!backend_self_test(aead)) {
		aead_free(aead);
		return NULL;
	}
	return aead;
}

struct aead *
aead_new(void)
{
	struct aead *aead = NULL;

	for (size_t i = 0;
	     i < sizeof(backends) / sizeof(backends[0]) && aead == NULL; i++)
		aead = aead_new_with(backends[i]);
	return aead;
}

void
aead_free(struct aead *aead)
{
	if (aead == NULL)
		return;
	aead->backend->close_state(aead->state);
	free(aead);
}

const char *
aead_name(const struct aead *aead)
{
	return aead->backend->name;
}

void
aead_seal(struct aead *aead, const uint8_t key[AEAD_KEY_LEN], uint64_t counter,
    const uint8_t *from, size_t len, uint8_t *to)
{
	uint8_t nonce[AEAD_NONCE_LEN];

	make_nonce(nonce, counter);
	aead->backend->seal(aead->state, key, nonce, from, len, to);
}

bool
aead_open(struct aead *aead, const uint8_t key[AEAD_KEY_LEN], uint64_t counter,
    const uint8_t *from, size_t len, uint8_t *to)
{
	uint8_t nonce[AEAD_NONCE_LEN];

	make_nonce(nonce, counter);
	return aead->backend->open(aead->state, key, nonce, from, len, to);
}
