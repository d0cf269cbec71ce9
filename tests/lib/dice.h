/* Random numbers that a seed repeats: xorshift64*. */
#ifndef TESTS_LIB_DICE_H
#define TESTS_LIB_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline struct dice
dice_new(uint64_t seed, uint64_t number)
{
	uint64_t x = seed + (number + 1) * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (struct dice){ x | 1 };
}

/* Below n, which is not 0. */
static inline uint32_t
roll(struct dice *d, uint32_t n)
{
	d->state ^= d->state >> 12;
	d->state ^= d->state << 25;
	d->state ^= d->state >> 27;
	return (uint32_t)(((d->state * 0x2545f4914f6cdd1du) >> 32) * n >> 32);
}

static inline bool
percent(struct dice *d, uint32_t n)
{
	return roll(d, 100) < n;
}

#define PICK(dice, array) \
	((array)[roll(dice, sizeof(array) / sizeof((array)[0]))])

#endif /* TESTS_LIB_DICE_H */
