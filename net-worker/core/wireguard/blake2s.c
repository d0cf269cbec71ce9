/*
 * BLAKE2s in the four forms that WireGuard knows, by libcrypto. What a call
 * needs is its own or its caller's, so that no state has to be kept for the
 * next; only the algorithms are fetched once, as looking one up by its name
 * costs more than using it. Nobody writes to them after warming up.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "net-worker/core/wireguard/blake2s.h"

#define BLOCK_LEN 64

static EVP_MD *digest_algorithm;
static EVP_MAC *mac_algorithm;

struct blake2s_begun {
	EVP_MAC_CTX *mac;
};

static bool
fetch_algorithms(void)
{
	if (digest_algorithm == NULL)
		digest_algorithm = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
	if (mac_algorithm == NULL)
		mac_algorithm =
		    EVP_MAC_fetch(NULL, OSSL_MAC_NAME_BLAKE2SMAC, NULL);
	return digest_algorithm != NULL && mac_algorithm != NULL;
}

bool
blake2s_hash(uint8_t to[BLAKE2S_HASH_LEN], const void *a, size_t a_len,
    const void *b, size_t b_len)
{
	uint8_t input[BLAKE2S_INPUT_MAX];
	int ok;

	if (!fetch_algorithms() || a_len > sizeof(input) ||
	    b_len > sizeof(input) - a_len)
		return false;
	memcpy(input, a, a_len);
	if (b_len > 0)
		memcpy(input + a_len, b, b_len);
	ok = EVP_Digest(input, a_len + b_len, to, NULL, digest_algorithm, NULL);
	sodium_memzero(input, sizeof(input));
	return ok == 1;
}

static bool
start_mac(EVP_MAC_CTX *mac, const uint8_t *key, size_t key_len)
{
	size_t size = BLAKE2S_MAC_LEN;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};

	return mac != NULL && EVP_MAC_init(mac, key, key_len, params) == 1;
}

static bool
finish_mac(EVP_MAC_CTX *mac, uint8_t to[BLAKE2S_MAC_LEN], const uint8_t *input,
    size_t len)
{
	size_t written = 0;

	return EVP_MAC_update(mac, input, len) == 1 &&
	    EVP_MAC_final(mac, to, &written, BLAKE2S_MAC_LEN) == 1 &&
	    written == BLAKE2S_MAC_LEN;
}

bool
blake2s_mac(uint8_t to[BLAKE2S_MAC_LEN], const uint8_t *key, size_t key_len,
    const uint8_t *input, size_t len)
{
	EVP_MAC_CTX *mac;
	bool ok;

	if (!fetch_algorithms())
		return false;
	mac = EVP_MAC_CTX_new(mac_algorithm);
	ok = start_mac(mac, key, key_len) && finish_mac(mac, to, input, len);
	EVP_MAC_CTX_free(mac);
	return ok;
}

struct blake2s_begun *
blake2s_begin(
    const uint8_t *key, size_t key_len, const uint8_t *beginning, size_t len)
{
	struct blake2s_begun *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	if (fetch_algorithms())
		b->mac = EVP_MAC_CTX_new(mac_algorithm);
	if (!start_mac(b->mac, key, key_len) ||
	    EVP_MAC_update(b->mac, beginning, len) != 1) {
		blake2s_begun_free(b);
		return NULL;
	}
	return b;
}

void
blake2s_begun_free(struct blake2s_begun *b)
{
	if (b == NULL)
		return;
	EVP_MAC_CTX_free(b->mac);
	free(b);
}

bool
blake2s_go_on(const struct blake2s_begun *b, uint8_t to[BLAKE2S_MAC_LEN],
    const uint8_t *rest, size_t len)
{
	EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(b->mac);
	bool ok = mac != NULL && finish_mac(mac, to, rest, len);

	EVP_MAC_CTX_free(mac);
	return ok;
}

/* HMAC's key in one of its two forms, which takes a whole block. */
static void
pad_key(
    uint8_t block[BLOCK_LEN], const uint8_t key[BLAKE2S_HASH_LEN], uint8_t pad)
{
	memset(block, pad, BLOCK_LEN);
	for (size_t i = 0; i < BLAKE2S_HASH_LEN; i++)
		block[i] ^= key[i];
}

/* RFC 2104; libcrypto's own looks both algorithms up each time. */
static bool
hmac_blake2s(uint8_t to[BLAKE2S_HASH_LEN], const uint8_t key[BLAKE2S_HASH_LEN],
    const uint8_t *input, size_t len)
{
	uint8_t inner_block[BLOCK_LEN], outer_block[BLOCK_LEN];
	uint8_t inner[BLAKE2S_HASH_LEN];
	bool ok;

	pad_key(inner_block, key, 0x36);
	pad_key(outer_block, key, 0x5c);
	ok = blake2s_hash(inner, inner_block, BLOCK_LEN, input, len) &&
	    blake2s_hash(to, outer_block, BLOCK_LEN, inner, sizeof(inner));
	sodium_memzero(inner_block, sizeof(inner_block));
	sodium_memzero(outer_block, sizeof(outer_block));
	sodium_memzero(inner, sizeof(inner));
	return ok;
}

bool
blake2s_kdf(uint8_t *const to[], size_t count,
    const uint8_t key[BLAKE2S_HASH_LEN], const uint8_t *input, size_t len)
{
	/* The output before, if any, and the number of this one. */
	uint8_t chain[BLAKE2S_HASH_LEN + 1];
	uint8_t secret[BLAKE2S_HASH_LEN];
	bool ok;

	ok = hmac_blake2s(secret, key, input, len);
	for (size_t i = 0; ok && i < count; i++) {
		size_t before = i == 0 ? 0 : BLAKE2S_HASH_LEN;

		chain[before] = (uint8_t)(i + 1);
		ok = hmac_blake2s(chain, secret, chain, before + 1);
		if (ok)
			memcpy(to[i], chain, BLAKE2S_HASH_LEN);
	}
	sodium_memzero(chain, sizeof(chain));
	sodium_memzero(secret, sizeof(secret));
	return ok;
}

bool
blake2s_warm_up(void)
{
	/* RFC 7693, appendix B. */
	static const uint8_t abc[BLAKE2S_HASH_LEN] = { 0x50, 0x8c, 0x5e, 0x8c,
		0x32, 0x7c, 0x14, 0xe2, 0xe1, 0xa7, 0x2b, 0xa3, 0x4e, 0xeb,
		0x45, 0x2f, 0x37, 0x45, 0x8b, 0x20, 0x9e, 0xd6, 0x3a, 0x29,
		0x4d, 0x99, 0x9b, 0x4c, 0x86, 0x67, 0x59, 0x82 };
	uint8_t hash[BLAKE2S_HASH_LEN], mac[BLAKE2S_MAC_LEN];
	uint8_t *const to[] = { hash };

	return blake2s_hash(hash, "a", 1, "bc", 2) &&
	    memcmp(hash, abc, sizeof(abc)) == 0 &&
	    blake2s_mac(mac, abc, sizeof(abc), hash, sizeof(hash)) &&
	    blake2s_kdf(to, 1, abc, hash, sizeof(hash));
}
