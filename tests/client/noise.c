/* Noise_IKpsk2 as WireGuard uses it: see noise.h. */
#include "tests/client/noise.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <string.h>

#include "common/buffer.h"

#define TAG_LEN 16

/* Places in the messages. */
#define INITIATION_MAC1 116
#define RESPONSE_MAC1   60

enum message_type {
	INITIATION = 1,
	RESPONSE = 2,
	COOKIE_REPLY = 3,
};

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
static const char label_mac1[] = "mac1----";
static const char label_cookie[] = "cookie--";

/* HASH() of two parts, of which the second may be empty. */
static bool
hash(const void *a, size_t a_len, const void *b, size_t b_len,
    uint8_t to[NOISE_KEY_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL &&
	    EVP_DigestInit_ex(ctx, EVP_blake2s256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, a, a_len) == 1 &&
	    EVP_DigestUpdate(ctx, b, b_len) == 1 &&
	    EVP_DigestFinal_ex(ctx, to, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

/* MAC(): keyed BLAKE2s of 16 bytes. */
static bool
mac(const uint8_t *key, size_t key_len, const void *data, size_t len,
    uint8_t to[NOISE_MAC_LEN])
{
	size_t size = NOISE_MAC_LEN;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *method = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_BLAKE2SMAC, NULL);
	EVP_MAC_CTX *ctx = method != NULL ? EVP_MAC_CTX_new(method) : NULL;
	bool ok = ctx != NULL && EVP_MAC_init(ctx, key, key_len, params) == 1 &&
	    EVP_MAC_update(ctx, data, len) == 1 &&
	    EVP_MAC_final(ctx, to, &size, NOISE_MAC_LEN) == 1;

	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(method);
	return ok;
}

static bool
hmac(const uint8_t key[NOISE_KEY_LEN], const void *data, size_t len,
    uint8_t to[NOISE_KEY_LEN])
{
	unsigned size = NOISE_KEY_LEN;

	return HMAC(EVP_blake2s256(), key, NOISE_KEY_LEN, data, len, to,
		   &size) != NULL;
}

/* KDF1 to KDF3: as many outputs as there are pointers; may be in place. */
static bool
kdf(const uint8_t key[NOISE_KEY_LEN], const void *input, size_t len,
    uint8_t *t1, uint8_t *t2, uint8_t *t3)
{
	uint8_t *outputs[] = { t1, t2, t3 };
	uint8_t secret[NOISE_KEY_LEN], block[NOISE_KEY_LEN + 1];
	size_t block_len = 0;

	if (!hmac(key, input, len, secret))
		return false;
	for (uint8_t i = 0; i < 3 && outputs[i] != NULL; i++) {
		block[block_len] = (uint8_t)(i + 1);
		if (!hmac(secret, block, block_len + 1, outputs[i]))
			return false;
		memcpy(block, outputs[i], NOISE_KEY_LEN);
		block_len = NOISE_KEY_LEN;
	}
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(block, sizeof(block));
	return true;
}

static bool
mix_hash(struct noise *n, const void *data, size_t len)
{
	return hash(n->hash, sizeof(n->hash), data, len, n->hash);
}

static bool
mix_key(struct noise *n, const void *input, size_t len, uint8_t *key)
{
	return kdf(n->chaining_key, input, len, n->chaining_key, key, NULL);
}

/* As mix_key() of DH(private, public). */
static bool
mix_dh(struct noise *n, const uint8_t *private_key, const uint8_t *public_key,
    uint8_t *key)
{
	uint8_t shared[NOISE_KEY_LEN];
	bool ok = crypto_scalarmult(shared, private_key, public_key) == 0 &&
	    mix_key(n, shared, sizeof(shared), key);

	sodium_memzero(shared, sizeof(shared));
	return ok;
}

/* As mix_hash() and mix_key() of an ephemeral public key. */
static bool
mix_ephemeral(struct noise *n, const uint8_t *public_key)
{
	return mix_key(n, public_key, NOISE_KEY_LEN, NULL) &&
	    mix_hash(n, public_key, NOISE_KEY_LEN);
}

/* psk2: the key of the response's empty payload. */
static bool
mix_psk(struct noise *n, const uint8_t *psk, uint8_t *key)
{
	uint8_t tau[NOISE_KEY_LEN];

	return kdf(n->chaining_key, psk, NOISE_KEY_LEN, n->chaining_key, tau,
		   key) &&
	    mix_hash(n, tau, sizeof(tau));
}

/* Encrypts with the hash as associated data, and mixes in the result. */
static bool
seal(struct noise *n, const uint8_t *key, const void *plain, size_t len,
    uint8_t *to)
{
	static const uint8_t nonce[12];

	crypto_aead_chacha20poly1305_ietf_encrypt(
	    to, NULL, plain, len, n->hash, sizeof(n->hash), NULL, nonce, key);
	return mix_hash(n, to, len + TAG_LEN);
}

static bool
open_sealed(struct noise *n, const uint8_t *key, const uint8_t *sealed,
    size_t len, uint8_t *to)
{
	static const uint8_t nonce[12];

	return crypto_aead_chacha20poly1305_ietf_decrypt(to, NULL, NULL, sealed,
		   len + TAG_LEN, n->hash, sizeof(n->hash), nonce, key) == 0 &&
	    mix_hash(n, sealed, len + TAG_LEN);
}

static bool
begin(struct noise *n, const uint8_t *responder_key)
{
	return hash(construction, strlen(construction), NULL, 0,
		   n->chaining_key) &&
	    hash(n->chaining_key, NOISE_KEY_LEN, identifier, strlen(identifier),
		n->hash) &&
	    mix_hash(n, responder_key, NOISE_KEY_LEN);
}

/* MAC1 of the bytes before it, made for the holder of public_key. */
static bool
compute_mac1(const uint8_t *public_key, const uint8_t *message, size_t at,
    uint8_t to[NOISE_MAC_LEN])
{
	uint8_t key[NOISE_KEY_LEN];

	return hash(label_mac1, strlen(label_mac1), public_key, NOISE_KEY_LEN,
		   key) &&
	    mac(key, sizeof(key), message, at, to);
}

static bool
write_macs(struct noise *n, const struct noise_peer *peer,
    const uint8_t *cookie, uint8_t *message, size_t at)
{
	uint8_t *mac1 = message + at, *mac2 = mac1 + NOISE_MAC_LEN;

	if (!compute_mac1(peer->public_key, message, at, mac1))
		return false;
	memcpy(n->mac1, mac1, NOISE_MAC_LEN);
	if (cookie == NULL) {
		memset(mac2, 0, NOISE_MAC_LEN);
		return true;
	}
	return mac(cookie, NOISE_MAC_LEN, message, at + NOISE_MAC_LEN, mac2);
}

static bool
mac1_is_right(const struct noise_peer *peer, const uint8_t *message, size_t at)
{
	uint8_t want[NOISE_MAC_LEN];

	return compute_mac1(peer->us.public_key, message, at, want) &&
	    sodium_memcmp(want, message + at, sizeof(want)) == 0;
}

/* The transport keys, as the initiator has them. */
static bool
split(struct noise *n, struct noise_keys *keys)
{
	bool ok =
	    kdf(n->chaining_key, NULL, 0, keys->sending, keys->receiving, NULL);

	sodium_memzero(n->chaining_key, sizeof(n->chaining_key));
	sodium_memzero(&n->ephemeral, sizeof(n->ephemeral));
	return ok;
}

bool
noise_identity(struct noise_identity *id, const uint8_t *private_key)
{
	memcpy(id->private_key, private_key, NOISE_KEY_LEN);
	return crypto_scalarmult_base(id->public_key, id->private_key) == 0;
}

bool
noise_peer(struct noise_peer *peer, const struct noise_identity *us,
    const uint8_t *public_key, const uint8_t *psk)
{
	memset(peer, 0, sizeof(*peer));
	peer->us = *us;
	memcpy(peer->public_key, public_key, NOISE_KEY_LEN);
	memcpy(peer->psk, psk, NOISE_KEY_LEN);
	return crypto_scalarmult(
		   peer->static_static, us->private_key, public_key) == 0;
}

bool
noise_write_initiation(struct noise *n, const struct noise_peer *peer,
    const uint8_t *ephemeral, const uint8_t *timestamp, const uint8_t *cookie,
    uint8_t to[NOISE_INITIATION_LEN])
{
	struct writer w;
	uint8_t key[NOISE_KEY_LEN];
	uint8_t *sealed;

	writer_init(&w, to, NOISE_INITIATION_LEN);
	if (!noise_identity(&n->ephemeral, ephemeral) ||
	    !begin(n, peer->public_key))
		return false;
	writer_le32(&w, INITIATION);
	writer_le32(&w, n->our_index);
	writer_bytes(&w, n->ephemeral.public_key, NOISE_KEY_LEN);
	if (!mix_ephemeral(n, n->ephemeral.public_key) ||
	    !mix_dh(n, n->ephemeral.private_key, peer->public_key, key))
		return false;
	sealed = writer_reserve(&w, NOISE_KEY_LEN + TAG_LEN);
	if (!seal(n, key, peer->us.public_key, NOISE_KEY_LEN, sealed) ||
	    !mix_key(n, peer->static_static, NOISE_KEY_LEN, key))
		return false;
	sealed = writer_reserve(&w, NOISE_TIMESTAMP_LEN + TAG_LEN);
	if (!seal(n, key, timestamp, NOISE_TIMESTAMP_LEN, sealed))
		return false;
	return write_macs(n, peer, cookie, to, INITIATION_MAC1);
}

bool
noise_read_initiation(struct noise *n, struct noise_peer *peer,
    const uint8_t message[NOISE_INITIATION_LEN])
{
	struct cursor c;
	uint8_t key[NOISE_KEY_LEN], static_key[NOISE_KEY_LEN];
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];
	const uint8_t *ephemeral;

	cursor_init(&c, message, NOISE_INITIATION_LEN);
	if (cursor_le32(&c) != INITIATION ||
	    !mac1_is_right(peer, message, INITIATION_MAC1) ||
	    !begin(n, peer->us.public_key))
		return false;
	n->their_index = cursor_le32(&c);
	ephemeral = cursor_bytes(&c, NOISE_KEY_LEN);
	memcpy(n->ephemeral.public_key, ephemeral, NOISE_KEY_LEN);
	if (!mix_ephemeral(n, ephemeral) ||
	    !mix_dh(n, peer->us.private_key, ephemeral, key) ||
	    !open_sealed(n, key, cursor_bytes(&c, NOISE_KEY_LEN + TAG_LEN),
		NOISE_KEY_LEN, static_key) ||
	    memcmp(static_key, peer->public_key, NOISE_KEY_LEN) != 0 ||
	    !mix_key(n, peer->static_static, NOISE_KEY_LEN, key) ||
	    !open_sealed(n, key,
		cursor_bytes(&c, NOISE_TIMESTAMP_LEN + TAG_LEN),
		NOISE_TIMESTAMP_LEN, timestamp) ||
	    memcmp(timestamp, peer->last_timestamp, sizeof(timestamp)) <= 0)
		return false;
	memcpy(peer->last_timestamp, timestamp, sizeof(timestamp));
	return true;
}

bool
noise_write_response(struct noise *n, const struct noise_peer *peer,
    const uint8_t *ephemeral, const uint8_t *cookie,
    uint8_t to[NOISE_RESPONSE_LEN], struct noise_keys *keys)
{
	struct writer w;
	struct noise_keys theirs;
	uint8_t key[NOISE_KEY_LEN], initiator[NOISE_KEY_LEN];

	memcpy(initiator, n->ephemeral.public_key, NOISE_KEY_LEN);
	writer_init(&w, to, NOISE_RESPONSE_LEN);
	if (!noise_identity(&n->ephemeral, ephemeral))
		return false;
	writer_le32(&w, RESPONSE);
	writer_le32(&w, n->our_index);
	writer_le32(&w, n->their_index);
	writer_bytes(&w, n->ephemeral.public_key, NOISE_KEY_LEN);
	if (!mix_ephemeral(n, n->ephemeral.public_key) ||
	    !mix_dh(n, n->ephemeral.private_key, initiator, NULL) ||
	    !mix_dh(n, n->ephemeral.private_key, peer->public_key, NULL) ||
	    !mix_psk(n, peer->psk, key) ||
	    !seal(n, key, NULL, 0, writer_reserve(&w, TAG_LEN)) ||
	    !write_macs(n, peer, cookie, to, RESPONSE_MAC1) ||
	    !split(n, &theirs))
		return false;
	memcpy(keys->sending, theirs.receiving, NOISE_KEY_LEN);
	memcpy(keys->receiving, theirs.sending, NOISE_KEY_LEN);
	sodium_memzero(&theirs, sizeof(theirs));
	return true;
}

bool
noise_read_response(struct noise *n, const struct noise_peer *peer,
    const uint8_t message[NOISE_RESPONSE_LEN], struct noise_keys *keys)
{
	struct noise attempt = *n; /* a forged one must not spoil ours */
	struct cursor c;
	uint8_t key[NOISE_KEY_LEN], nothing[1];
	const uint8_t *ephemeral;

	cursor_init(&c, message, NOISE_RESPONSE_LEN);
	if (cursor_le32(&c) != RESPONSE ||
	    !mac1_is_right(peer, message, RESPONSE_MAC1))
		return false;
	attempt.their_index = cursor_le32(&c);
	if (cursor_le32(&c) != n->our_index)
		return false;
	ephemeral = cursor_bytes(&c, NOISE_KEY_LEN);
	if (!mix_ephemeral(&attempt, ephemeral) ||
	    !mix_dh(&attempt, n->ephemeral.private_key, ephemeral, NULL) ||
	    !mix_dh(&attempt, peer->us.private_key, ephemeral, NULL) ||
	    !mix_psk(&attempt, peer->psk, key) ||
	    !open_sealed(
		&attempt, key, cursor_bytes(&c, TAG_LEN), 0, nothing) ||
	    !split(&attempt, keys))
		return false;
	*n = attempt;
	return true;
}

bool
noise_read_cookie(const struct noise *n, const struct noise_peer *peer,
    const uint8_t message[NOISE_COOKIE_LEN], uint8_t cookie[NOISE_MAC_LEN])
{
	struct cursor c;
	uint8_t key[NOISE_KEY_LEN];
	const uint8_t *nonce;

	cursor_init(&c, message, NOISE_COOKIE_LEN);
	if (cursor_le32(&c) != COOKIE_REPLY || cursor_le32(&c) != n->our_index)
		return false;
	nonce = cursor_bytes(&c, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	return hash(label_cookie, strlen(label_cookie), peer->public_key,
		   NOISE_KEY_LEN, key) &&
	    crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL,
		cursor_bytes(&c, NOISE_MAC_LEN + TAG_LEN),
		NOISE_MAC_LEN + TAG_LEN, n->mac1, NOISE_MAC_LEN, nonce,
		key) == 0;
}
