/*
 * Noise_IKpsk2 as WireGuard uses it. The names hash and chaining key are those
 * of the WireGuard paper's H and C; the order of the steps is its 5.4.2-5.4.4.
 */
#include <sodium.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/wireguard/blake2s.h"
#include "net-worker/core/wireguard/macs.h"
#include "net-worker/core/wireguard/noise.h"

#define TAG_LEN crypto_aead_chacha20poly1305_ietf_ABYTES
/* TAI64's label of 1970, and how far TAI is ahead of UTC. */
#define TAI64_EPOCH UINT64_C(0x4000000000000000)
#define TAI_OFFSET  37

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

bool
noise_crypto_warm_up(void)
{
	return sodium_init() != -1 && blake2s_warm_up();
}

bool
noise_identity_from_private(
    struct noise_identity *identity, const uint8_t private_key[NOISE_KEY_LEN])
{
	identity->mac1 = NULL;
	memcpy(identity->private_key, private_key, NOISE_KEY_LEN);
	if (crypto_scalarmult_base(identity->public_key, private_key) == 0 &&
	    macs_derive_keys(
		identity->mac1_key, identity->cookie_key, identity->public_key))
		return true;
	noise_identity_wipe(identity);
	return false;
}

bool
noise_identity_generate(struct noise_identity *identity)
{
	uint8_t private_key[NOISE_KEY_LEN];
	bool ok;

	randombytes_buf(private_key, sizeof(private_key));
	ok = noise_identity_from_private(identity, private_key);
	sodium_memzero(private_key, sizeof(private_key));
	return ok;
}

bool
noise_identity_make_ready(struct noise_identity *identity)
{
	uint8_t type[sizeof(uint32_t)];

	store_le32(type, MESSAGE_INITIATION);
	identity->mac1 = blake2s_begin(
	    identity->mac1_key, NOISE_KEY_LEN, type, sizeof(type));
	return identity->mac1 != NULL;
}

void
noise_identity_wipe(struct noise_identity *identity)
{
	blake2s_begun_free(identity->mac1);
	sodium_memzero(identity, sizeof(*identity));
}

bool
noise_peer_init(struct noise_peer *peer, const struct noise_identity *identity,
    const uint8_t public_key[NOISE_KEY_LEN],
    const uint8_t preshared_key[NOISE_KEY_LEN])
{
	memset(peer, 0, sizeof(*peer));
	memcpy(peer->public_key, public_key, NOISE_KEY_LEN);
	memcpy(peer->preshared_key, preshared_key, NOISE_KEY_LEN);
	if (crypto_scalarmult(
		peer->static_static, identity->private_key, public_key) == 0 &&
	    macs_derive_keys(peer->mac1_key, peer->cookie_key, public_key))
		return true;
	noise_peer_wipe(peer);
	return false;
}

void
noise_peer_wipe(struct noise_peer *peer)
{
	sodium_memzero(peer, sizeof(*peer));
}

/* The state both roles share: H and C, and the steps that change them. */

static bool
mix_hash(uint8_t hash[NOISE_HASH_LEN], const void *data, size_t len)
{
	return blake2s_hash(hash, hash, NOISE_HASH_LEN, data, len);
}

/* key may be NULL where the message has nothing to encrypt yet. */
static bool
mix_key(uint8_t chaining_key[NOISE_HASH_LEN], uint8_t *key,
    const uint8_t *input, size_t len)
{
	uint8_t *const to[] = { chaining_key, key };

	return blake2s_kdf(to, key == NULL ? 1 : 2, chaining_key, input, len);
}

static bool
mix_dh(uint8_t chaining_key[NOISE_HASH_LEN], uint8_t *key,
    const uint8_t private_key[NOISE_KEY_LEN],
    const uint8_t public_key[NOISE_KEY_LEN])
{
	uint8_t shared[NOISE_KEY_LEN];
	bool ok;

	ok = crypto_scalarmult(shared, private_key, public_key) == 0 &&
	    mix_key(chaining_key, key, shared, sizeof(shared));
	sodium_memzero(shared, sizeof(shared));
	return ok;
}

static bool
mix_ephemeral(uint8_t hash[NOISE_HASH_LEN],
    uint8_t chaining_key[NOISE_HASH_LEN],
    const uint8_t public_key[NOISE_KEY_LEN])
{
	return mix_key(chaining_key, NULL, public_key, NOISE_KEY_LEN) &&
	    mix_hash(hash, public_key, NOISE_KEY_LEN);
}

/* key becomes the one of the response's empty payload. */
static bool
mix_preshared(uint8_t hash[NOISE_HASH_LEN],
    uint8_t chaining_key[NOISE_HASH_LEN], uint8_t key[NOISE_KEY_LEN],
    const uint8_t preshared_key[NOISE_KEY_LEN])
{
	uint8_t temporary[NOISE_HASH_LEN];
	uint8_t *const to[] = { chaining_key, temporary, key };
	bool ok;

	ok = blake2s_kdf(to, 3, chaining_key, preshared_key, NOISE_KEY_LEN) &&
	    mix_hash(hash, temporary, sizeof(temporary));
	sodium_memzero(temporary, sizeof(temporary));
	return ok;
}

/* Every key seals one message only, so that the nonce is always zero. */
static const uint8_t zero_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

/* Writes len bytes and the tag. */
static bool
seal_and_hash(uint8_t hash[NOISE_HASH_LEN], const uint8_t key[NOISE_KEY_LEN],
    const void *plain, size_t len, uint8_t *to)
{
	return crypto_aead_chacha20poly1305_ietf_encrypt(to, NULL, plain, len,
		   hash, NOISE_HASH_LEN, NULL, zero_nonce, key) == 0 &&
	    mix_hash(hash, to, len + TAG_LEN);
}

/* Opens len bytes and the tag behind them. */
static bool
open_and_hash(uint8_t hash[NOISE_HASH_LEN], const uint8_t key[NOISE_KEY_LEN],
    const uint8_t *sealed, size_t len, void *to)
{
	return crypto_aead_chacha20poly1305_ietf_decrypt(to, NULL, NULL, sealed,
		   len + TAG_LEN, hash, NOISE_HASH_LEN, zero_nonce, key) == 0 &&
	    mix_hash(hash, sealed, len + TAG_LEN);
}

static bool
start_transcript(uint8_t hash[NOISE_HASH_LEN],
    uint8_t chaining_key[NOISE_HASH_LEN],
    const uint8_t responder_public[NOISE_KEY_LEN])
{
	return blake2s_hash(chaining_key, construction,
		   sizeof(construction) - 1, NULL, 0) &&
	    blake2s_hash(hash, chaining_key, NOISE_HASH_LEN, identifier,
		sizeof(identifier) - 1) &&
	    mix_hash(hash, responder_public, NOISE_KEY_LEN);
}

static bool
derive_transport(
    const uint8_t chaining_key[NOISE_HASH_LEN], struct noise_keys *keys)
{
	uint8_t *const to[] = {
		keys->initiator ? keys->send : keys->receive,
		keys->initiator ? keys->receive : keys->send,
	};

	return blake2s_kdf(to, 2, chaining_key, (const uint8_t *)"", 0);
}

bool
noise_open_initiation(const struct noise_identity *identity,
    const uint8_t message[MESSAGE_INITIATION_LEN],
    struct noise_initiation *initiation)
{
	uint8_t sealed_static[NOISE_KEY_LEN + TAG_LEN], key[NOISE_KEY_LEN];
	struct noise_initiation *in = initiation;
	struct cursor c;
	bool ok;

	cursor_init(&c, message, MESSAGE_INITIATION_MAC1);
	(void)cursor_le32(&c);
	in->remote_index = cursor_le32(&c);
	cursor_copy(&c, in->remote_ephemeral, sizeof(in->remote_ephemeral));
	cursor_copy(&c, sealed_static, sizeof(sealed_static));
	cursor_copy(&c, in->sealed_timestamp, sizeof(in->sealed_timestamp));

	ok = cursor_done(&c) &&
	    start_transcript(
		in->hash, in->chaining_key, identity->public_key) &&
	    mix_ephemeral(in->hash, in->chaining_key, in->remote_ephemeral) &&
	    mix_dh(in->chaining_key, key, identity->private_key,
		in->remote_ephemeral) &&
	    open_and_hash(
		in->hash, key, sealed_static, NOISE_KEY_LEN, in->remote_static);
	sodium_memzero(key, sizeof(key));
	if (!ok)
		sodium_memzero(in, sizeof(*in));
	return ok;
}

static void
forget_pending(struct noise_peer *peer, size_t from)
{
	size_t count = sizeof(peer->pending) / sizeof(peer->pending[0]);

	for (; from < count; from++)
		sodium_memzero(&peer->pending[from], sizeof(peer->pending[0]));
}

bool
noise_accept_initiation(
    struct noise_peer *peer, struct noise_initiation *initiation)
{
	uint8_t timestamp[NOISE_TIMESTAMP_LEN], key[NOISE_KEY_LEN];
	struct noise_initiation *in = initiation;
	bool ok;

	ok = sodium_memcmp(
		 in->remote_static, peer->public_key, NOISE_KEY_LEN) == 0 &&
	    mix_key(
		in->chaining_key, key, peer->static_static, NOISE_KEY_LEN) &&
	    open_and_hash(in->hash, key, in->sealed_timestamp,
		sizeof(timestamp), timestamp) &&
	    memcmp(timestamp, peer->last_timestamp, sizeof(timestamp)) > 0;
	sodium_memzero(key, sizeof(key));
	if (!ok) {
		sodium_memzero(in, sizeof(*in));
		return false;
	}
	memcpy(peer->last_timestamp, timestamp, sizeof(timestamp));
	forget_pending(peer, 0);
	return true;
}

/* The response up to its MACs, and the transport keys. */
static bool
write_response(const struct noise_peer *peer, struct noise_initiation *in,
    uint8_t *message, struct noise_keys *keys)
{
	uint8_t private_key[NOISE_KEY_LEN], public_key[NOISE_KEY_LEN];
	uint8_t key[NOISE_KEY_LEN], nothing[TAG_LEN];
	struct writer w;
	bool ok;

	randombytes_buf(private_key, sizeof(private_key));
	ok = crypto_scalarmult_base(public_key, private_key) == 0 &&
	    mix_ephemeral(in->hash, in->chaining_key, public_key) &&
	    mix_dh(in->chaining_key, NULL, private_key, in->remote_ephemeral) &&
	    mix_dh(in->chaining_key, NULL, private_key, in->remote_static) &&
	    mix_preshared(
		in->hash, in->chaining_key, key, peer->preshared_key) &&
	    seal_and_hash(in->hash, key, NULL, 0, nothing) &&
	    derive_transport(in->chaining_key, keys);
	sodium_memzero(private_key, sizeof(private_key));
	sodium_memzero(key, sizeof(key));

	writer_init(&w, message, MESSAGE_RESPONSE_MAC1);
	writer_le32(&w, MESSAGE_RESPONSE);
	writer_le32(&w, keys->local_index);
	writer_le32(&w, keys->remote_index);
	writer_bytes(&w, public_key, sizeof(public_key));
	writer_bytes(&w, nothing, sizeof(nothing));
	return ok && !writer_failed(&w);
}

bool
noise_create_response(struct noise_peer *peer,
    struct noise_initiation *initiation, uint32_t local_index, struct mono now,
    uint8_t message[MESSAGE_RESPONSE_LEN], struct noise_keys *keys)
{
	bool ok;

	*keys = (struct noise_keys){
		.local_index = local_index,
		.remote_index = initiation->remote_index,
		.initiator = false,
	};
	ok = write_response(peer, initiation, message, keys) &&
	    macs_append(peer, now, message, MESSAGE_RESPONSE_MAC1);
	sodium_memzero(initiation, sizeof(*initiation));
	if (!ok)
		sodium_memzero(keys, sizeof(*keys));
	return ok;
}

/* The initiation up to its MACs, and what the response will need. */
static bool
write_initiation(const struct noise_identity *identity,
    const struct noise_peer *peer, const uint8_t timestamp[NOISE_TIMESTAMP_LEN],
    uint8_t *message, struct noise_pending *pending)
{
	uint8_t public_key[NOISE_KEY_LEN], key[NOISE_KEY_LEN];
	uint8_t sealed_static[NOISE_KEY_LEN + TAG_LEN];
	uint8_t sealed_timestamp[NOISE_TIMESTAMP_LEN + TAG_LEN];
	struct noise_pending *p = pending;
	struct writer w;
	bool ok;

	randombytes_buf(p->ephemeral_private, sizeof(p->ephemeral_private));
	ok = crypto_scalarmult_base(public_key, p->ephemeral_private) == 0 &&
	    start_transcript(p->hash, p->chaining_key, peer->public_key) &&
	    mix_ephemeral(p->hash, p->chaining_key, public_key) &&
	    mix_dh(
		p->chaining_key, key, p->ephemeral_private, peer->public_key) &&
	    seal_and_hash(p->hash, key, identity->public_key, NOISE_KEY_LEN,
		sealed_static) &&
	    mix_key(p->chaining_key, key, peer->static_static, NOISE_KEY_LEN) &&
	    seal_and_hash(
		p->hash, key, timestamp, NOISE_TIMESTAMP_LEN, sealed_timestamp);
	sodium_memzero(key, sizeof(key));

	writer_init(&w, message, MESSAGE_INITIATION_MAC1);
	writer_le32(&w, MESSAGE_INITIATION);
	writer_le32(&w, p->local_index);
	writer_bytes(&w, public_key, sizeof(public_key));
	writer_bytes(&w, sealed_static, sizeof(sealed_static));
	writer_bytes(&w, sealed_timestamp, sizeof(sealed_timestamp));
	return ok && !writer_failed(&w);
}

bool
noise_create_initiation(const struct noise_identity *identity,
    struct noise_peer *peer, uint32_t local_index,
    const uint8_t timestamp[NOISE_TIMESTAMP_LEN], struct mono now,
    uint8_t message[MESSAGE_INITIATION_LEN])
{
	struct noise_pending pending = {
		.valid = true,
		.local_index = local_index,
	};
	bool ok;

	ok = write_initiation(identity, peer, timestamp, message, &pending) &&
	    macs_append(peer, now, message, MESSAGE_INITIATION_MAC1);
	if (ok) {
		peer->pending[1] = peer->pending[0];
		peer->pending[0] = pending;
	}
	sodium_memzero(&pending, sizeof(pending));
	return ok;
}

/* Whether the response answers this initiation of ours. */
static bool
complete_handshake(const struct noise_identity *identity,
    const struct noise_peer *peer, const struct noise_pending *pending,
    const uint8_t remote_ephemeral[NOISE_KEY_LEN],
    const uint8_t nothing[TAG_LEN], struct noise_keys *keys)
{
	struct noise_pending p = *pending;
	uint8_t key[NOISE_KEY_LEN];
	bool ok;

	ok = mix_ephemeral(p.hash, p.chaining_key, remote_ephemeral) &&
	    mix_dh(
		p.chaining_key, NULL, p.ephemeral_private, remote_ephemeral) &&
	    mix_dh(p.chaining_key, NULL, identity->private_key,
		remote_ephemeral) &&
	    mix_preshared(p.hash, p.chaining_key, key, peer->preshared_key) &&
	    open_and_hash(p.hash, key, nothing, 0, NULL) &&
	    derive_transport(p.chaining_key, keys);
	sodium_memzero(&p, sizeof(p));
	sodium_memzero(key, sizeof(key));
	return ok;
}

bool
noise_consume_response(const struct noise_identity *identity,
    struct noise_peer *peer, const uint8_t message[MESSAGE_RESPONSE_LEN],
    struct noise_keys *keys)
{
	const uint8_t *ephemeral, *nothing;
	struct cursor c;

	*keys = (struct noise_keys){ .initiator = true };
	cursor_init(&c, message, MESSAGE_RESPONSE_MAC1);
	(void)cursor_le32(&c);
	keys->remote_index = cursor_le32(&c);
	keys->local_index = cursor_le32(&c);
	ephemeral = cursor_bytes(&c, NOISE_KEY_LEN);
	nothing = cursor_bytes(&c, TAG_LEN);
	for (size_t i = 0; cursor_done(&c) && i < 2; i++) {
		const struct noise_pending *pending = &peer->pending[i];

		if (!pending->valid ||
		    pending->local_index != keys->local_index)
			continue;
		if (complete_handshake(
			identity, peer, pending, ephemeral, nothing, keys)) {
			forget_pending(peer, i);
			return true;
		}
	}
	sodium_memzero(keys, sizeof(*keys));
	return false;
}

void
noise_timestamp(uint64_t unix_seconds, uint32_t nanoseconds,
    uint8_t timestamp[NOISE_TIMESTAMP_LEN])
{
	store_be64(timestamp, TAI64_EPOCH + TAI_OFFSET + unix_seconds);
	store_be32(timestamp + 8, nanoseconds);
}

bool
noise_consume_cookie_reply(struct noise_peer *peer, struct mono now,
    const uint8_t message[MESSAGE_COOKIE_LEN])
{
	const uint8_t *nonce, *sealed;
	uint8_t cookie[NOISE_COOKIE_LEN];
	struct cursor c;

	if (!peer->mac1_sent)
		return false;
	cursor_init(&c, message, MESSAGE_COOKIE_LEN);
	(void)cursor_le64(&c); /* type and receiver */
	nonce = cursor_bytes(&c, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	sealed = cursor_bytes(&c, NOISE_COOKIE_LEN + TAG_LEN);
	if (!cursor_done(&c) ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL,
		sealed, NOISE_COOKIE_LEN + TAG_LEN, peer->last_mac1,
		sizeof(peer->last_mac1), nonce, peer->cookie_key) != 0)
		return false;
	memcpy(peer->cookie, cookie, sizeof(cookie));
	sodium_memzero(cookie, sizeof(cookie));
	peer->cookie_until = mono_add_s(now, COOKIE_LIFETIME);
	peer->mac1_sent = false;
	return true;
}
