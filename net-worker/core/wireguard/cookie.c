/*
 * Cookies need no memory of who has one: a cookie is a MAC over the sender's
 * address and the current period.
 */
#include <sodium.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/wireguard/blake2s.h"
#include "net-worker/core/wireguard/cookie.h"

#define HANDSHAKES_PER_WINDOW 100
#define WINDOW                1 /* second */
#define TAG_LEN               crypto_aead_xchacha20poly1305_ietf_ABYTES
#define NONCE_LEN             crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

void
cookie_guard_init(struct cookie_guard *guard, struct mono now)
{
	*guard = (struct cookie_guard){ .start = now };
	randombytes_buf(guard->secret, sizeof(guard->secret));
	source_limit_init(&guard->proven);
	source_limit_init(&guard->unproven);
}

void
cookie_guard_wipe(struct cookie_guard *guard)
{
	sodium_memzero(guard, sizeof(*guard));
}

/* The two MACs end an initiation and a response alike. */
static bool
find_macs(const uint8_t *message, size_t len, size_t *mac1_at, size_t *mac2_at)
{
	enum message_type type = message_classify(message, len);

	if (type != MESSAGE_INITIATION && type != MESSAGE_RESPONSE)
		return false;
	*mac2_at = len - BLAKE2S_MAC_LEN;
	*mac1_at = *mac2_at - BLAKE2S_MAC_LEN;
	return true;
}

static bool
make_cookie(const struct cookie_guard *guard, struct mono now,
    const struct ip_address *source, uint8_t cookie[NOISE_COOKIE_LEN])
{
	int64_t period = mono_ms_between(guard->start, now) / COOKIE_PERIOD_MS;
	uint8_t input[sizeof(uint64_t) + sizeof(source->bytes)];

	store_le64(input, (uint64_t)period);
	memcpy(input + sizeof(uint64_t), source->bytes, sizeof(source->bytes));
	return blake2s_mac(
	    cookie, guard->secret, sizeof(guard->secret), input, sizeof(input));
}

static bool
mac2_valid(const struct cookie_guard *guard, struct mono now,
    const struct ip_address *source, const uint8_t *message, size_t mac2_at)
{
	uint8_t cookie[NOISE_COOKIE_LEN], mac2[BLAKE2S_MAC_LEN];
	bool valid;

	valid = make_cookie(guard, now, source, cookie) &&
	    blake2s_mac(mac2, cookie, sizeof(cookie), message, mac2_at) &&
	    sodium_memcmp(mac2, message + mac2_at, sizeof(mac2)) == 0;
	sodium_memzero(cookie, sizeof(cookie));
	return valid;
}

static bool
handshakes_within_limit(struct cookie_guard *guard, struct mono now)
{
	if (mono_due(guard->window_until, now)) {
		guard->window_until = mono_add_s(now, WINDOW);
		guard->admitted = 0;
	}
	if (guard->admitted == HANDSHAKES_PER_WINDOW)
		return false;
	guard->admitted++;
	return true;
}

enum cookie_verdict
cookie_judge(struct cookie_guard *guard, struct mono now,
    const struct ip_address *source, const uint8_t *message, size_t len)
{
	size_t mac1_at, mac2_at;

	if (!find_macs(message, len, &mac1_at, &mac2_at))
		return COOKIE_REFUSE;
	if (source->family == IP_NONE)
		return handshakes_within_limit(guard, now) ? COOKIE_ADMIT
							   : COOKIE_REFUSE;
	/* Who has no cookie says so, and pays for no MAC. */
	if (!sodium_is_zero(message + mac2_at, BLAKE2S_MAC_LEN) &&
	    mac2_valid(guard, now, source, message, mac2_at))
		return source_limit_take(&guard->proven, now, source) ||
			bucket_take(&guard->shared, now, COOKIE_SHARED_BURST,
			    COOKIE_SHARED_INTERVAL_MS)
		    ? COOKIE_ADMIT
		    : COOKIE_REFUSE;
	return source_limit_take(&guard->unproven, now, source) &&
		handshakes_within_limit(guard, now)
	    ? COOKIE_ADMIT
	    : COOKIE_DEMAND;
}

bool
cookie_create_reply(const struct cookie_guard *guard,
    const struct noise_identity *identity, struct mono now,
    const struct ip_address *source, const uint8_t *message, size_t len,
    uint8_t reply[MESSAGE_COOKIE_LEN])
{
	uint8_t cookie[NOISE_COOKIE_LEN], sealed[NOISE_COOKIE_LEN + TAG_LEN];
	uint8_t nonce[NONCE_LEN];
	size_t mac1_at, mac2_at;
	struct writer w;
	bool ok;

	if (!find_macs(message, len, &mac1_at, &mac2_at))
		return false;
	randombytes_buf(nonce, sizeof(nonce));
	ok = make_cookie(guard, now, source, cookie) &&
	    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, cookie,
		sizeof(cookie), message + mac1_at, BLAKE2S_MAC_LEN, NULL, nonce,
		identity->cookie_key) == 0;
	sodium_memzero(cookie, sizeof(cookie));

	writer_init(&w, reply, MESSAGE_COOKIE_LEN);
	writer_le32(&w, MESSAGE_COOKIE);
	/* To its sender's index, which comes right after the type. */
	writer_bytes(&w, message + 4, sizeof(uint32_t));
	writer_bytes(&w, nonce, sizeof(nonce));
	writer_bytes(&w, sealed, sizeof(sealed));
	return ok && !writer_failed(&w);
}
