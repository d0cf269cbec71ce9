/*
 * Sorting without asking anyone: qsort(3) may allocate, and asks the system how
 * much memory there is, which a confined process must not; heapsort(3bsd)
 * allocates and so can fail. Never worse than n log n, whoever has chosen the
 * order; not stable.
 */
#ifndef COMMON_SORT_H
#define COMMON_SORT_H

#include <stddef.h>

void sort(void *base, size_t count, size_t size,
    int (*compare)(const void *, const void *));

#endif /* COMMON_SORT_H */
