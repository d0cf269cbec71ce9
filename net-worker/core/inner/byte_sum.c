/*
 * Sums of whole packets: see byte_sum.h. One function for all processors,
 * compiled twice: the second time for those with AVX2, which take half as many
 * steps.
 */
#include "net-worker/core/inner/byte_sum.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))

#ifdef __x86_64__
#define WITH_AVX2 __attribute__((target("avx2")))
#define HAS_AVX2  __builtin_cpu_supports("avx2")
#else
#define WITH_AVX2
#define HAS_AVX2 false
#endif

/* What one step adds; without AVX2 the compiler makes two of it. */
typedef uint64_t words __attribute__((vector_size(32)));

/*
 * Of a packet's bytes in words of 64 bits, modulo 2^64, and of their upper
 * halves: so few steps as can be for each of what a packet has most of.
 */
struct sums {
	words all, upper;
};

/* to may be NULL: they are not copied. */
static ALWAYS_INLINE void
add_words(struct sums *s, uint8_t *to, const uint8_t *from, size_t at)
{
	words w;

	memcpy(&w, from + at, sizeof(w));
	if (to != NULL)
		memcpy(to + at, &w, sizeof(w));
	s->all += w;
	s->upper += w >> 32;
}

/* From at on: headers, and what is left of a payload. */
static ALWAYS_INLINE uint64_t
add_last_bytes(uint8_t *to, const uint8_t *from, size_t at, size_t len)
{
	uint64_t sum = 0;
	uint32_t word = 0;

	if (to != NULL)
		memcpy(to + at, from + at, len - at);
	for (; len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, from + at, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, from + at, len - at);
	return sum + word;
}

static ALWAYS_INLINE uint64_t
add_bytes(uint8_t *to, const uint8_t *from, size_t len)
{
	struct sums s = { 0 };
	size_t at = 0;

	for (; len - at >= 4 * sizeof(words); at += 4 * sizeof(words)) {
		add_words(&s, to, from, at);
		add_words(&s, to, from, at + sizeof(words));
		add_words(&s, to, from, at + 2 * sizeof(words));
		add_words(&s, to, from, at + 3 * sizeof(words));
	}
	for (; len - at >= sizeof(words); at += sizeof(words))
		add_words(&s, to, from, at);
	/* The lower halves are all without the upper ones. */
	s.all += s.upper - (s.upper << 32);
	return s.all[0] + s.all[1] + s.all[2] + s.all[3] +
	    add_last_bytes(to, from, at, len);
}

static WITH_AVX2 uint64_t
add_bytes_avx2(const uint8_t *from, size_t len)
{
	return add_bytes(NULL, from, len);
}

static WITH_AVX2 uint64_t
copy_bytes_avx2(uint8_t *to, const uint8_t *from, size_t len)
{
	return add_bytes(to, from, len);
}

uint64_t
byte_sum(const uint8_t *from, size_t len)
{
	if (len < 2 * sizeof(words))
		return add_last_bytes(NULL, from, 0, len);
	return HAS_AVX2 ? add_bytes_avx2(from, len)
			: add_bytes(NULL, from, len);
}

uint64_t
byte_sum_copied(uint8_t *to, const uint8_t *from, size_t len)
{
	return HAS_AVX2 ? copy_bytes_avx2(to, from, len)
			: add_bytes(to, from, len);
}

uint16_t
byte_sum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & UINT32_MAX);
	sum = (sum >> 32) + (sum & UINT32_MAX);
	sum = (sum >> 16) + (sum & UINT16_MAX);
	sum = (sum >> 16) + (sum & UINT16_MAX);
	/* It does not depend on byte order until it is folded. */
	return be16toh((uint16_t)sum);
}
