/*
 * BLAKE2s in the four forms that WireGuard knows, by libcrypto's one-shot
 * functions: a handshake is rare, and no state has to be kept for the next.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <sodium.h>
#include <string.h>

#include "net-worker/core/wireguard/blake2s.h"

bool
blake2s_hash(uint8_t to[BLAKE2S_HASH_LEN], const void *a, size_t a_len,
    const void *b, size_t b_len)
{
	uint8_t input[BLAKE2S_INPUT_MAX];
	int ok;

	if (a_len > sizeof(input) || b_len > sizeof(input) - a_len)
		return false;
	memcpy(input, a, a_len);
	if (b_len > 0)
		memcpy(input + a_len, b, b_len);
	ok = EVP_Digest(input, a_len + b_len, to, NULL, EVP_blake2s256(), NULL);
	sodium_memzero(input, sizeof(input));
	return ok == 1;
}

bool
blake2s_mac(uint8_t to[BLAKE2S_MAC_LEN], const uint8_t *key, size_t key_len,
    const uint8_t *input, size_t len)
{
	size_t size = BLAKE2S_MAC_LEN, written = 0;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};

	if (EVP_Q_mac(NULL, OSSL_MAC_NAME_BLAKE2SMAC, NULL, NULL, params, key,
		key_len, input, len, to, size, &written) == NULL)
		return false;
	return written == BLAKE2S_MAC_LEN;
}

static bool
hmac_blake2s(uint8_t to[BLAKE2S_HASH_LEN], const uint8_t key[BLAKE2S_HASH_LEN],
    const uint8_t *input, size_t len)
{
	return HMAC(EVP_blake2s256(), key, BLAKE2S_HASH_LEN, input, len, to,
		   NULL) != NULL;
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
