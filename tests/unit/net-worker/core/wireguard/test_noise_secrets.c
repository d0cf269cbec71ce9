/*
 * The handshake of net-worker/core/wireguard: what stays behind on the stack,
 * and what stays behind altogether when libcrypto fails.
 */
#include <dlfcn.h>
#include <openssl/evp.h>
#include <limits.h>
#include <ucontext.h>

#include "net-worker/core/wireguard/blake2s.h"
#include "net-worker/core/wireguard/cookie.h"
#include "tests/lib/wireguard_vectors.h"

static const struct mono start = { INT64_C(1000000000000) };

/* Everything that the two ends keep, and what goes to and fro. */
static struct {
	struct ends e;
	struct noise_identity another;
	struct cookie_guard guard;
	struct noise_initiation in;
	struct noise_keys ours, theirs;
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	uint8_t reply[MESSAGE_COOKIE_LEN];
} now;

/* One step on a stack of its own. */
static uint8_t stack[256 * 1024];
static const uint8_t clean[sizeof(stack)];

/*
 * Halves of what a library has given us and nobody else may know; and where it
 * was called, below which the stack is its own.
 */
static uint8_t secrets[2048][16];
static size_t secret_count;
static uintptr_t deepest; /* an offset in the stack */

static void
note_secret(const uint8_t *bytes, size_t len)
{
	uint8_t here = 0;
	uintptr_t at = (uintptr_t)&here - (uintptr_t)stack;

	if (at < deepest)
		deepest = at;
	for (size_t i = 0; i < len; i += 16) {
		assert_true(secret_count < 2048);
		memcpy(secrets[secret_count++], bytes + i, 16);
	}
}

/* One that was not there before. */
static bool
has_secret(const void *memory, size_t len, const void *before)
{
	for (size_t i = 0; i < secret_count; i++)
		if (memmem(memory, len, secrets[i], 16) != NULL &&
		    memmem(before, len, secrets[i], 16) == NULL)
			return true;
	return false;
}

static bool
left_on_stack(void)
{
	return has_secret(stack + deepest, sizeof(stack) - deepest, clean);
}

/* What a library leaves of its own on the stack is not for us to wipe. */
static __attribute__((noinline)) void
wipe_below(void)
{
	uint8_t below[4096];

	sodium_memzero(below, sizeof(below));
}

/* Calls of libcrypto that succeed, and whether what it hashes is right. */
static long calls_left = LONG_MAX;
static bool wrong_hash;

static void *
next_of(const char *name)
{
	return calls_left-- > 0 ? dlsym(RTLD_NEXT, name) : NULL;
}

/* An HMAC's key in one of its two forms, by the half that only pads it. */
static bool
is_key_block(const uint8_t *data, size_t len)
{
	for (size_t i = 33; len >= 64 && i < 64; i++)
		if (data[i] != data[32])
			return false;
	return len >= 64 && (data[32] == 0x36 || data[32] == 0x5c);
}

int
EVP_Digest(const void *data, size_t count, unsigned char *md,
    unsigned int *size, const EVP_MD *type, ENGINE *engine)
{
	int (*next)(const void *, size_t, unsigned char *, unsigned int *,
	    const EVP_MD *, ENGINE *) = next_of("EVP_Digest");
	int ok = next != NULL && next(data, count, md, size, type, engine);

	wipe_below();
	if (is_key_block(data, count))
		note_secret(data, BLAKE2S_HASH_LEN);
	if (is_key_block(data, count) && ok)
		note_secret(md, BLAKE2S_HASH_LEN);
	md[31] ^= wrong_hash;
	return ok;
}

static const uint8_t *mac_key;

int
EVP_MAC_init(EVP_MAC_CTX *mac, const unsigned char *key, size_t key_len,
    const OSSL_PARAM *params)
{
	int (*next)(EVP_MAC_CTX *, const unsigned char *, size_t,
	    const OSSL_PARAM *) = next_of("EVP_MAC_init");

	mac_key = key;
	return next != NULL && next(mac, key, key_len, params);
}

int
EVP_MAC_update(EVP_MAC_CTX *mac, const unsigned char *data, size_t len)
{
	int (*next)(EVP_MAC_CTX *, const unsigned char *, size_t) =
	    next_of("EVP_MAC_update");

	return next != NULL && next(mac, data, len);
}

int
EVP_MAC_final(EVP_MAC_CTX *mac, unsigned char *to, size_t *written, size_t size)
{
	int (*next)(EVP_MAC_CTX *, unsigned char *, size_t *, size_t) =
	    next_of("EVP_MAC_final");

	if (next == NULL || next(mac, to, written, size) != 1)
		return 0;
	wipe_below();
	if (mac_key == now.guard.secret)
		note_secret(to, NOISE_COOKIE_LEN);
	return 1;
}

int
crypto_scalarmult(
    unsigned char *to, const unsigned char *key, const unsigned char *point)
{
	if (crypto_scalarmult_curve25519(to, key, point) != 0)
		return -1;
	wipe_below();
	note_secret(to, NOISE_KEY_LEN);
	return 0;
}

int
crypto_aead_chacha20poly1305_ietf_encrypt(unsigned char *to,
    unsigned long long *to_len, const unsigned char *plain,
    unsigned long long len, const unsigned char *also,
    unsigned long long also_len, const unsigned char *none,
    const unsigned char *nonce, const unsigned char *key)
{
	int (*next)(unsigned char *, unsigned long long *,
	    const unsigned char *, unsigned long long, const unsigned char *,
	    unsigned long long, const unsigned char *, const unsigned char *,
	    const unsigned char *) =
	    dlsym(RTLD_NEXT, "crypto_aead_chacha20poly1305_ietf_encrypt");
	int r = next(to, to_len, plain, len, also, also_len, none, nonce, key);

	wipe_below();
	return r;
}

int
crypto_scalarmult_base(unsigned char *to, const unsigned char *key)
{
	int r = crypto_scalarmult_curve25519_base(to, key);

	wipe_below();
	return r;
}

int
crypto_aead_chacha20poly1305_ietf_decrypt(unsigned char *to,
    unsigned long long *to_len, unsigned char *none,
    const unsigned char *sealed, unsigned long long len,
    const unsigned char *also, unsigned long long also_len,
    const unsigned char *nonce, const unsigned char *key)
{
	int (*next)(unsigned char *, unsigned long long *, unsigned char *,
	    const unsigned char *, unsigned long long, const unsigned char *,
	    unsigned long long, const unsigned char *, const unsigned char *) =
	    dlsym(RTLD_NEXT, "crypto_aead_chacha20poly1305_ietf_decrypt");
	int r = next(to, to_len, none, sealed, len, also, also_len, nonce, key);

	wipe_below();
	return r;
}

/* The steps of two handshakes; the second after a demand of a cookie. */

static void
draw_secrets_from(uint8_t first)
{
	static uint8_t key[NOISE_KEY_LEN];

	random_counts_from(first);
	counting(first, key, sizeof(key));
	note_secret(key, sizeof(key));
}

static bool
generates_identity(void)
{
	draw_secrets_from(0x11);
	return noise_identity_generate(&now.another);
}

static bool
meets_peer(void)
{
	return noise_peer_init(&now.e.to_responder, &now.e.initiator,
	    now.e.responder.public_key, now.e.to_initiator.preshared_key);
}

static bool
initiates(void)
{
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];
	static uint32_t seconds;

	draw_secrets_from(0x31);
	noise_timestamp(++seconds, 0, timestamp);
	return noise_create_initiation(&now.e.initiator, &now.e.to_responder,
	    INITIATOR_INDEX, timestamp, start, now.first);
}

static bool
mac1_is_valid(void)
{
	return noise_mac1_valid(&now.e.responder, now.first, sizeof(now.first));
}

static const struct ip_address source = { IP_V4, { 192, 0, 2, 1 } };

static bool
demands_cookie(void)
{
	random_counts_from(0x51);
	return cookie_create_reply(&now.guard, &now.e.responder, start, &source,
	    now.first, sizeof(now.first), now.reply);
}

static bool
takes_cookie(void)
{
	return noise_consume_cookie_reply(
	    &now.e.to_responder, start, now.reply);
}

static bool
opens_initiation(void)
{
	return noise_open_initiation(&now.e.responder, now.first, &now.in);
}

static bool
accepts_initiation(void)
{
	return noise_accept_initiation(&now.e.to_initiator, &now.in);
}

static bool
responds(void)
{
	draw_secrets_from(0x71);
	return noise_create_response(&now.e.to_initiator, &now.in,
	    RESPONDER_INDEX, start, now.second, &now.theirs);
}

static bool
finishes(void)
{
	return noise_consume_response(
	    &now.e.initiator, &now.e.to_responder, now.second, &now.ours);
}

static bool
judges(void)
{
	for (int i = 0; i <= SOURCE_LIMIT_BURST; i++)
		if (cookie_judge(&now.guard, start, &source, now.first,
			sizeof(now.first)) == COOKIE_DEMAND)
			return false;
	return true;
}

static bool (*const steps[])(void) = { generates_identity, meets_peer,
	initiates, mac1_is_valid, demands_cookie, takes_cookie, initiates,
	judges, opens_initiation, accepts_initiation, responds, finishes };
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static ucontext_t here, there;
static bool (*step)(void);
static bool succeeded;

static void
take_step(void)
{
	succeeded = step();
}

static bool
on_clean_stack(bool (*what)(void))
{
	memset(stack, 0, sizeof(stack));
	/* The least that our own frames take. */
	deepest = sizeof(stack) - 256;
	step = what;
	assert_int_equal(getcontext(&there), 0);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	there.uc_link = &here;
	makecontext(&there, take_step, 0);
	assert_int_equal(swapcontext(&here, &there), 0);
	return succeeded;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&now, 0, sizeof(now));
	ends_init(&now.e);
	cookie_guard_init(&now.guard, start);
	secret_count = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	random_is_random();
	calls_left = LONG_MAX;
	return 0;
}

static void
nothing_is_left_on_the_stack(void **state)
{
	(void)state;
	for (size_t i = 0; i < STEPS; i++) {
		assert_true(on_clean_stack(steps[i]));
		if (left_on_stack())
			fail_msg("step %zu", i);
	}
	assert_true(secret_count > 50);
}

/* Each call of libcrypto in each step, without which nothing has happened. */
static void
no_step_goes_on_without_libcrypto(void **state)
{
	(void)state;
	for (size_t i = 0; i < STEPS; i++) {
		uint8_t before[sizeof(now)];
		long n;

		memcpy(before, &now, sizeof(now));
		for (n = 0;; n++) {
			secret_count = 0;
			calls_left = n;
			if (on_clean_stack(steps[i]))
				break;
			if (left_on_stack() ||
			    has_secret(&now, sizeof(now), before))
				fail_msg("step %zu, call %ld", i, n);
			memcpy(&now, before, sizeof(now));
		}
		calls_left = LONG_MAX;
	}
}

static void
warming_up_tries_all(void **state)
{
	long n = 0;

	(void)state;
	/* A hash, the three calls of a MAC, a derived key's four hashes. */
	do
		calls_left = n;
	while (!noise_crypto_warm_up() && n++ < 100);
	assert_in_range(n, 8, 99);
	calls_left = LONG_MAX;
	wrong_hash = true;
	assert_false(noise_crypto_warm_up());
	wrong_hash = false;
}

static void
inputs_are_bounded(void **state)
{
	static const struct {
		size_t a, b;
		bool fits;
	} table[] = {
		{ 128, 0, true },
		{ 129, 0, false },
		{ 0, 128, true },
		{ 0, 129, false },
		{ 64, 64, true },
		{ 64, 65, false },
		{ 128, 1, false },
	};
	uint8_t input[129] = { 0 }, hash[BLAKE2S_HASH_LEN] = { 0 };
	uint8_t *const to[] = { hash };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(
		    blake2s_hash(hash, input, table[i].a, input, table[i].b),
		    table[i].fits);
	assert_true(blake2s_kdf(to, 1, hash, input, BLAKE2S_KDF_INPUT_MAX));
	assert_false(
	    blake2s_kdf(to, 1, hash, input, BLAKE2S_KDF_INPUT_MAX + 1));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(nothing_is_left_on_the_stack),
		T(no_step_goes_on_without_libcrypto),
		T(warming_up_tries_all),
		T(inputs_are_bounded),
	};

	if (!noise_crypto_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
