/*
 * What every unit test needs: cmocka with its includes in the order it wants,
 * and byte strings written as hexadecimal text.
 */
#ifndef TESTS_LIB_UNIT_H
#define TESTS_LIB_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Decodes text, in which white space is ignored, into to; returns the length. */
static inline size_t
unhex(const char *text, uint8_t *to, size_t size)
{
	size_t n = 0;
	int taken;
	unsigned byte;

	while (sscanf(text, " %2x%n", &byte, &taken) == 1) {
		assert_true(n < size);
		to[n++] = (uint8_t)byte;
		text += taken;
	}
	return n;
}

static inline void
assert_hex(const void *got, size_t len, const char *want)
{
	uint8_t bytes[4096];
	size_t n = unhex(want, bytes, sizeof(bytes));

	assert_int_equal(len, n);
	assert_memory_equal(got, bytes, n);
}

#endif /* TESTS_LIB_UNIT_H */
