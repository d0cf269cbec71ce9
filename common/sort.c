/* Heapsort: see sort.h. */
#include "common/sort.h"

#include <stdint.h>
#include <string.h>

static void
swap_elements(uint8_t *a, uint8_t *b, size_t size)
{
	uint8_t kept[64];

	while (size > 0) {
		size_t n = size < sizeof(kept) ? size : sizeof(kept);

		memcpy(kept, a, n);
		memcpy(a, b, n);
		memcpy(b, kept, n);
		a += n;
		b += n;
		size -= n;
	}
}

/* Lets the element at i sink to where no child of it is greater. */
static void
sink_element(uint8_t *base, size_t i, size_t count, size_t size,
    int (*compare)(const void *, const void *))
{
	/* The last one with a child is the one before count / 2. */
	while (i < count / 2) {
		size_t child = 2 * i + 1;

		if (child + 1 < count &&
		    compare(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (compare(base + i * size, base + child * size) >= 0)
			return;
		swap_elements(base + i * size, base + child * size, size);
		i = child;
	}
}

void
sort(void *base, size_t count, size_t size,
    int (*compare)(const void *, const void *))
{
	for (size_t i = count / 2; i-- > 0;)
		sink_element(base, i, count, size, compare);
	for (size_t end = count; end > 1; end--) {
		swap_elements(base, (uint8_t *)base + (end - 1) * size, size);
		sink_element(base, 0, end - 1, size, compare);
	}
}
