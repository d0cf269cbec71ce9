/*
 * A table that clients share: what one of them may hold depends on what is
 * left. However many take all they can get, each in turn gets a part of the
 * rest, and one more finds room; who is alone gets 1 / (parts + 1) of it all.
 */
#ifndef COMMON_SHARE_H
#define COMMON_SHARE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether one that holds so many may have one more of the places left. */
static inline bool
share_allows(size_t held, size_t left, size_t parts)
{
	return held == 0 ? left > 0 : held < left / parts;
}

#endif /* COMMON_SHARE_H */
