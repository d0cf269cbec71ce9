/*
 * MAC1 and MAC2, by which a receiver tells messages that are worth an X25519
 * from others: see macs.h. Who gets a cookie for MAC2 is in cookie.c.
 */
#include "net-worker/core/wireguard/macs.h"

#include <openssl/crypto.h>
#include <string.h>

#include "net-worker/core/wireguard/blake2s.h"

bool
macs_derive_keys(uint8_t mac1_key[NOISE_KEY_LEN],
    uint8_t cookie_key[NOISE_KEY_LEN], const uint8_t public_key[NOISE_KEY_LEN])
{
	return blake2s_hash(
		   mac1_key, "mac1----", 8, public_key, NOISE_KEY_LEN) &&
	    blake2s_hash(cookie_key, "cookie--", 8, public_key, NOISE_KEY_LEN);
}

bool
macs_append(
    struct noise_peer *peer, struct mono now, uint8_t *message, size_t mac1_at)
{
	size_t mac2_at = mac1_at + BLAKE2S_MAC_LEN;

	if (!blake2s_mac(message + mac1_at, peer->mac1_key, NOISE_KEY_LEN,
		message, mac1_at))
		return false;
	memset(message + mac2_at, 0, BLAKE2S_MAC_LEN);
	if (mono_before(now, peer->cookie_until) &&
	    !blake2s_mac(message + mac2_at, peer->cookie, NOISE_COOKIE_LEN,
		message, mac2_at))
		return false;
	memcpy(peer->last_mac1, message + mac1_at, BLAKE2S_MAC_LEN);
	peer->mac1_sent = true;
	return true;
}

static bool
make_mac1(const struct noise_identity *identity, enum message_type type,
    uint8_t mac1[BLAKE2S_MAC_LEN], const uint8_t *message, size_t len)
{
	const size_t begun = sizeof(uint32_t); /* its type */

	if (type == MESSAGE_INITIATION && identity->mac1 != NULL)
		return blake2s_go_on(
		    identity->mac1, mac1, message + begun, len - begun);
	return blake2s_mac(
	    mac1, identity->mac1_key, NOISE_KEY_LEN, message, len);
}

bool
noise_mac1_valid(
    const struct noise_identity *identity, const uint8_t *message, size_t len)
{
	enum message_type type = message_classify(message, len);
	uint8_t mac1[BLAKE2S_MAC_LEN];
	size_t at;

	switch (type) {
	case MESSAGE_INITIATION:
		at = MESSAGE_INITIATION_MAC1;
		break;
	case MESSAGE_RESPONSE:
		at = MESSAGE_RESPONSE_MAC1;
		break;
	default:
		return false;
	}
	return make_mac1(identity, type, mac1, message, at) &&
	    CRYPTO_memcmp(mac1, message + at, sizeof(mac1)) == 0;
}
