/*
 * A heap that is used up when the test says so, and that counts what it is
 * asked for. Not where the sanitizers have one of their own. What is tried must
 * not fail assertions on the way, which need memory to be told.
 */
#ifndef TESTS_LIB_NO_MEMORY_H
#define TESTS_LIB_NO_MEMORY_H

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tests/lib/unit.h"

#ifdef __SANITIZE_ADDRESS__
#define HEAP_IS_OURS false
#else
#define HEAP_IS_OURS true
#endif

static long allocations_left = LONG_MAX, allocations_live;
/* Of any kind. */
static unsigned long heap_calls __attribute__((unused));

#ifndef __SANITIZE_ADDRESS__

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

static void *
counted(void *p)
{
	allocations_live += p != NULL;
	return p;
}

void *
malloc(size_t size)
{
	heap_calls++;
	return allocations_left-- > 0 ? counted(__libc_malloc(size)) : NULL;
}

void *
calloc(size_t count, size_t size)
{
	heap_calls++;
	return allocations_left-- > 0 ? counted(__libc_calloc(count, size))
				      : NULL;
}

void *
realloc(void *p, size_t size)
{
	if (p == NULL)
		return malloc(size);
	heap_calls++;
	return allocations_left-- > 0 ? __libc_realloc(p, size) : NULL;
}

void
free(void *p)
{
	heap_calls++;
	allocations_live -= p != NULL;
	__libc_free(p);
}

#endif

/*
 * Tries with room for no allocation, for one, and so on until it succeeds; what
 * fails must have given back all it took. Returns how many it needed.
 */
static inline long
fail_each_allocation(bool (*attempt)(void))
{
	for (long n = 0;; n++) {
		long live = allocations_live;
		bool succeeded;

		allocations_left = n;
		succeeded = attempt();
		allocations_left = LONG_MAX;
		if (succeeded)
			return n;
		assert_int_equal(allocations_live, live);
	}
}

#endif /* TESTS_LIB_NO_MEMORY_H */
