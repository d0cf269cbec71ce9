/*
 * net-worker/core/aead*.c: every backend that runs here gives the same bytes
 * for every length, stays inside its buffers and refuses what was changed.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "net-worker/core/aead_backend.h"
#include "tests/lib/unit.h"

#define LENGTH_MAX 1400

static const struct aead_backend *const backends[] = {
	&aead_sodium,
#ifdef HAVE_IPSEC_MB
	&aead_ipsec_mb,
#endif
};
#define BACKENDS (sizeof(backends) / sizeof(backends[0]))

static struct aead *aeads[BACKENDS]; /* NULL: not on this processor */

/* The key to the initiator of firezone-tunnel(7), WireGuard vectors. */
static uint8_t key[AEAD_KEY_LEN];

static int
set_up(void **state)
{
	(void)state;
	unhex("083bdab92ffb8da7ab5063bb2d96de2b"
	      "7e09008d8e07bcf96ac25c340a778665",
	    key, sizeof(key));
	for (size_t i = 0; i < BACKENDS; i++)
		aeads[i] = aead_new_with(backends[i]);
	return aeads[0] == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < BACKENDS; i++)
		aead_free(aeads[i]);
	return 0;
}

static void
fill(uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(i * 31 + len);
}

static void
the_best_is_chosen(void **state)
{
	struct aead *aead = aead_new();

	(void)state;
	assert_non_null(aead);
	assert_string_equal(aead_name(aead),
	    aead_name(aeads[BACKENDS - 1] ? aeads[BACKENDS - 1] : aeads[0]));
	aead_free(aead);
	aead_free(NULL);
}

static void
known_packet(void **state)
{
	static const char sealed[] =
	    "6fcba6c31605a8c19e9e2f84d0caaa335c4d9f0c585a0d1b5db8e742aac36708"
	    "ba7a2d620c727e039e0e4ce7236344589f074b1b3b198f59ef0e4ba70e4fcc09";
	uint8_t plain[48] = { [0] = 0x60, [5] = 0x08, [6] = 0xff, [40] = 2 };
	uint8_t packet[64];

	(void)state;
	for (size_t i = 0; i < BACKENDS; i++) {
		if (aeads[i] == NULL)
			continue;
		aead_seal(aeads[i], key, 1, plain, sizeof(plain), packet);
		assert_hex(packet, sizeof(packet), sealed);
		assert_true(
		    aead_open(aeads[i], key, 1, packet, sizeof(plain), packet));
		assert_memory_equal(packet, plain, sizeof(plain));
	}
}

static void
backends_agree_on_every_length(void **state)
{
	uint8_t plain[LENGTH_MAX] = { 0 }, want[LENGTH_MAX + AEAD_TAG_LEN];
	uint8_t got[LENGTH_MAX + AEAD_TAG_LEN];

	(void)state;
	for (size_t len = 0; len <= LENGTH_MAX; len++) {
		uint64_t counter = len << 32 | 0xfffffff0;

		fill(plain, len);
		aead_seal(aeads[0], key, counter, plain, len, want);
		for (size_t i = 1; i < BACKENDS; i++) {
			if (aeads[i] == NULL)
				continue;
			aead_seal(aeads[i], key, counter, plain, len, got);
			assert_memory_equal(got, want, len + AEAD_TAG_LEN);
			memcpy(got, plain, len);
			aead_seal(aeads[i], key, counter, got, len, got);
			assert_memory_equal(got, want, len + AEAD_TAG_LEN);
			assert_true(
			    aead_open(aeads[i], key, counter, got, len, got));
			assert_memory_equal(got, plain, len);
			assert_true(
			    aead_open(aeads[i], key, counter, want, len, got));
			assert_memory_equal(got, plain, len);
		}
	}
}

/* Sealed and opened against the edges of a page with nothing around it. */
static void
no_byte_outside_is_touched(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *base, *at;

	(void)state;
	base =
	    mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(base, MAP_FAILED);
	assert_int_equal(
	    mprotect(base + page, page, PROT_READ | PROT_WRITE), 0);
	for (size_t i = 0; i < BACKENDS; i++) {
		for (size_t len = 0; aeads[i] && len <= LENGTH_MAX; len++) {
			at = base + page;
			aead_seal(aeads[i], key, len, at, len, at);
			at = base + 2 * page - len - AEAD_TAG_LEN;
			memset(base + page, 0xa5, page);
			aead_seal(aeads[i], key, len, at, len, at);
			assert_true(aead_open(aeads[i], key, len, at, len, at));
			assert_true(at == base + page || at[-1] == 0xa5);
			memset(base + page, 0xa5, page);
			at -= 16;
			aead_seal(aeads[i], key, len, at, len, at);
			assert_true(at[len + AEAD_TAG_LEN] == 0xa5);
			assert_true(aead_open(aeads[i], key, len, at, len, at));
			assert_true(at[len + AEAD_TAG_LEN] == 0xa5);
		}
	}
	munmap(base, 3 * page);
}

static void
every_changed_bit_is_refused(void **state)
{
	uint8_t sealed[96 + AEAD_TAG_LEN], changed[96 + AEAD_TAG_LEN];

	(void)state;
	for (size_t i = 0; i < BACKENDS; i++) {
		if (aeads[i] == NULL)
			continue;
		fill(sealed, 96);
		aead_seal(aeads[i], key, 7, sealed, 96, sealed);
		for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
			memcpy(changed, sealed, sizeof(sealed));
			changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(
			    aead_open(aeads[i], key, 7, changed, 96, changed));
		}
		for (size_t len = 0; len < 96; len++) {
			memcpy(changed, sealed, sizeof(sealed));
			assert_false(
			    aead_open(aeads[i], key, 7, changed, len, changed));
		}
	}
}

static void
other_key_or_counter_is_refused(void **state)
{
	uint8_t sealed[8 + AEAD_TAG_LEN], out[8], other[AEAD_KEY_LEN];

	(void)state;
	memcpy(other, key, sizeof(other));
	other[31] ^= 0x80;
	for (size_t i = 0; i < BACKENDS; i++) {
		if (aeads[i] == NULL)
			continue;
		fill(out, sizeof(out));
		aead_seal(aeads[i], key, 7, out, sizeof(out), sealed);
		assert_false(aead_open(aeads[i], other, 7, sealed, 8, out));
		assert_false(aead_open(aeads[i], key, 8, sealed, 8, out));
		assert_false(aead_open(
		    aeads[i], key, (uint64_t)1 << 63 | 7, sealed, 8, out));
		assert_true(aead_open(aeads[i], key, 7, sealed, 8, out));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_is_chosen),
		cmocka_unit_test(known_packet),
		cmocka_unit_test(backends_agree_on_every_length),
		cmocka_unit_test(no_byte_outside_is_touched),
		cmocka_unit_test(every_changed_bit_is_refused),
		cmocka_unit_test(other_key_or_counter_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
