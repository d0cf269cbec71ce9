/*
 * Messages of every type as bytes, right ones and ones with a single fault,
 * made from the table itself.
 */
#ifndef TESTS_LIB_IPC_MESSAGES_H
#define TESTS_LIB_IPC_MESSAGES_H

#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/ipc.h"
#include "tests/lib/unit.h"

/* A message in the making; the fault-th thing that can be wrong is. */
struct generator {
	struct writer w;
	bool large; /* every field as long as it may be */
	unsigned fault, places;
};

static inline bool
wrong_here(struct generator *g)
{
	return ++g->places == g->fault;
}

static inline void
gen_u8(struct generator *g, int low, int high)
{
	int v = g->large ? high : low;

	if (low > 0 && wrong_here(g))
		v = low - 1;
	if (high < 255 && wrong_here(g))
		v = high + 1;
	writer_u8(&g->w, (uint8_t)v);
}

static inline void
gen_ip(struct generator *g)
{
	uint8_t bytes[17] = { IP_NONE };

	if (g->large) {
		memset(bytes, 0xab, sizeof(bytes));
		bytes[0] = IP_V6;
	}
	if (wrong_here(g))
		bytes[0] = 5;
	if (wrong_here(g)) { /* none, with an address */
		bytes[0] = IP_NONE;
		bytes[1] = 1;
	}
	if (wrong_here(g)) { /* IPv4, with a fifth byte */
		bytes[0] = IP_V4;
		bytes[5] = 1;
	}
	writer_bytes(&g->w, bytes, sizeof(bytes));
}

static inline void
gen_prefix(struct generator *g)
{
	uint8_t bytes[18] = { IP_V4, 10, 128 };
	uint8_t *length = &bytes[17];

	*length = 9;
	if (wrong_here(g))
		*length = 33;
	if (wrong_here(g)) /* host bits */
		*length = 8;
	if (wrong_here(g)) { /* bits of no address */
		memset(bytes, 0, sizeof(bytes));
		*length = 1;
	}
	if (wrong_here(g))
		bytes[0] = 7;
	writer_bytes(&g->w, bytes, sizeof(bytes));
}

static inline void
gen_words(struct generator *g, size_t max, bool lines)
{
	static const char never[] = { '\0', '\t', '\r', 0x1f, 0x7f };
	char *text = malloc(max + 1);
	size_t len = g->large ? max : max < 4 ? max : 4;
	bool too_long = false;

	assert_non_null(text);
	memset(text, 'x', max + 1);
	if (lines)
		text[1] = '\n';
	for (size_t i = 0; i < sizeof(never); i++)
		if (wrong_here(g))
			text[len - 1] = never[i];
	if (!lines && wrong_here(g))
		text[len - 1] = '\n';
	if (wrong_here(g)) {
		too_long = true;
		len = max + 1;
	}
	writer_be16(&g->w, (uint16_t)len);
	writer_bytes(&g->w, text, len);
	assert_true(!too_long || len == max + 1);
	free(text);
}

static inline void
gen_filters(struct generator *g, size_t max)
{
	size_t count = g->large ? max : 2;
	uint8_t protocol = FILTER_ICMP;

	if (wrong_here(g))
		protocol = FILTER_TCP - 1;
	if (wrong_here(g))
		protocol = FILTER_ICMP + 1;
	if (wrong_here(g))
		count = max + 1;
	writer_be16(&g->w, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		writer_u8(&g->w, i == 1 ? protocol : FILTER_UDP);
		writer_be16(&g->w, (uint16_t)i);
		writer_be16(&g->w, 0); /* an empty range is a range */
	}
}

static inline void
gen_opaque(struct generator *g, size_t max)
{
	size_t len = g->large ? max : 3;

	if (wrong_here(g))
		len = max + 1;
	writer_be16(&g->w, (uint16_t)len);
	writer_zero(&g->w, len);
}

static inline void
gen_ips(struct generator *g, size_t max)
{
	static const uint8_t v4[17] = { IP_V4, 192, 0, 2, 1 };
	size_t count = g->large ? max : 2;
	uint8_t other[17] = { IP_V6, 0x20, 1 };

	if (wrong_here(g)) /* none is no address */
		memset(other, 0, sizeof(other));
	if (wrong_here(g))
		other[0] = 5;
	if (wrong_here(g))
		count = max + 1;
	writer_be16(&g->w, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		writer_bytes(&g->w, i == 1 ? other : v4, sizeof(v4));
}

static inline void
gen_endpoint(struct generator *g)
{
	gen_ip(g);
	writer_be16(&g->w, 3478);
}

static inline void
gen_paths(struct generator *g, size_t max)
{
	size_t count = g->large ? max : 1;

	if (wrong_here(g))
		count = max + 1;
	writer_be16(&g->w, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		gen_endpoint(g);
		gen_endpoint(g);
		writer_be64(&g->w, i);
	}
}

static inline void
gen_u16(struct generator *g)
{
	writer_be16(&g->w, 0xa1b2);
}

static inline void
gen_u32(struct generator *g)
{
	writer_be32(&g->w, 0xa1b2c3d4);
}

static inline void
gen_u64(struct generator *g)
{
	writer_be64(&g->w, 0xa1b2c3d4e5f60718);
}

static inline void
gen_flag(struct generator *g)
{
	gen_u8(g, 0, 1);
}

static inline void
gen_bytes(struct generator *g, size_t n)
{
	writer_zero(&g->w, n);
}

static inline void
gen_uuid(struct generator *g)
{
	gen_bytes(g, 16);
}

static inline void
gen_text(struct generator *g, size_t max)
{
	gen_words(g, max, false);
}

static inline void
gen_lines(struct generator *g, size_t max)
{
	gen_words(g, max, true);
}

static inline void
generate(struct generator *g, unsigned type)
{
	g->places = 0;
	switch (type) {
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	case IPC_TYPE_##NAME:                                 \
		writer_be16(&g->w, IPC_TYPE_##NAME);
#define IPC_FIELD(kind, field, ...) gen_##kind(g, ##__VA_ARGS__);
#define IPC_END(NAME, name)         break;
#include "common/ipc.def"
	default:
		fail();
	}
	assert_false(writer_failed(&g->w));
}

#endif /* TESTS_LIB_IPC_MESSAGES_H */
