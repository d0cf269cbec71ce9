/* UUIDs as sixteen bytes in network order (RFC 9562). */
#ifndef COMMON_UUID_H
#define COMMON_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define UUID_TEXT_LEN 36

struct uuid {
	uint8_t bytes[16];
};

/*
 * Accepts every form that the reference's parser does, in either case:
 * hyphenated, 32 plain digits, "{...}" and "urn:uuid:...".
 */
bool uuid_parse(const char *text, struct uuid *);
/* Writes the hyphenated lower-case form and returns to. */
const char *uuid_format(const struct uuid *, char to[UUID_TEXT_LEN + 1]);

static inline int
uuid_compare(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static inline bool
uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return uuid_compare(a, b) == 0;
}

#endif /* COMMON_UUID_H */
