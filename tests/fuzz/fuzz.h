/*
 * What every fuzz target is made of. A target defines fuzz_one() and reads its
 * input through a cursor, which yields zeroes at its end, so that every input
 * means something; main() is libFuzzer's.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buffer.h"
#include "common/uuid.h"

/* The target: random bytes begin anew before each call. */
void fuzz_one(struct cursor *in);
/* Once, before the first; fuzz.c has an empty one. */
void fuzz_init(void);

/* What must hold of every input; a violation is a finding. */
#define must(condition) \
	((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))
void fuzz_broken(const char *condition, const char *file, int line)
    __attribute__((__noreturn__));

/* Whether the input has more to say. */
bool more(const struct cursor *in);
/* Pieces of the input as values. */
size_t pick(struct cursor *in, size_t n); /* below n, at most 256 */
bool pick_bool(struct cursor *in);
/*
 * The next bytes, as many as the two before them say, but no more than max and
 * than there are, in a block of exactly that size, to be freed.
 */
uint8_t *pick_block(struct cursor *in, size_t max, size_t *len);
/* All that is left, terminated, in a block of exactly that size. */
char *pick_text(struct cursor *in);
/* One of a few, or any. */
struct endpoint pick_endpoint(
    struct cursor *in, const struct endpoint *few, size_t count);

/* An endpoint that a target names in its source. */
struct endpoint endpoint_of(const char *text);

#endif /* TESTS_FUZZ_FUZZ_H */
