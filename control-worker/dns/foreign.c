/* DNS messages of other people: see foreign.h. */
#include "control-worker/dns/foreign.h"

#include <string.h>

#include "common/buffer.h"

/* The flags of the header's third byte, and of the fourth: RFC 1035 4.1.1. */
#define QR          0x80
#define OPCODE_MASK 0x78
#define TC          0x02
#define RD          0x01

#define RCODE_SERVFAIL 2

/* Where they stand. */
#define FLAGS   2
#define RECORDS 6 /* the numbers of the other three sections */

#define LABEL_TYPE_MASK 0xc0
#define LABEL_POINTER   0xc0

#define RECORD_FIXED_LEN 8 /* type, class, TTL */

/*
 * A name in its place. A pointer ends it, and points to before the name: so who
 * follows it does not go round in circles. RFC 1035 4.1.4.
 */
static bool
skip_name(struct cursor *c, const uint8_t *message, bool pointers)
{
	const size_t start = (size_t)(c->at - message);
	size_t total = 0;

	for (;;) {
		uint8_t n = cursor_u8(c);

		if ((n & LABEL_TYPE_MASK) == LABEL_POINTER) {
			size_t to = (size_t)(n & ~LABEL_TYPE_MASK) << 8;

			to |= cursor_u8(c);
			return pointers && !cursor_failed(c) &&
			    to >= DNS_HEADER_LEN && to < start;
		}
		if ((n & LABEL_TYPE_MASK) != 0)
			return false;
		cursor_bytes(c, n);
		total += 1 + (size_t)n;
		if (cursor_failed(c) || total > DNS_NAME_LEN_MAX)
			return false;
		if (n == 0)
			return true;
	}
}

static bool
skip_record(struct cursor *c, const uint8_t *message)
{
	if (!skip_name(c, message, true))
		return false;
	cursor_bytes(c, RECORD_FIXED_LEN);
	cursor_bytes(c, cursor_be16(c));
	return !cursor_failed(c);
}

static size_t
head(const uint8_t *bytes, size_t len, uint8_t response)
{
	struct cursor c;
	uint16_t questions, answers;
	uint8_t flags;
	size_t n;

	cursor_init(&c, bytes, len);
	cursor_bytes(&c, FLAGS);
	flags = cursor_u8(&c);
	cursor_u8(&c);
	questions = cursor_be16(&c);
	answers = cursor_be16(&c);
	cursor_bytes(&c, 4);
	if (cursor_failed(&c) || (flags & QR) != response || questions != 1 ||
	    !skip_name(&c, bytes, false))
		return 0;
	cursor_bytes(&c, 4); /* type and class */
	if (cursor_failed(&c))
		return 0;
	n = len - c.left;
	while (answers-- > 0)
		if (!skip_record(&c, bytes))
			return 0;
	return n;
}

size_t
dns_query_head(const uint8_t *bytes, size_t len)
{
	return head(bytes, len, 0);
}

size_t
dns_answer_head(const uint8_t *bytes, size_t len)
{
	return head(bytes, len, QR);
}

void
dns_make_servfail(uint8_t *bytes)
{
	bytes[FLAGS] = (uint8_t)(QR | (bytes[FLAGS] & (OPCODE_MASK | RD)));
	bytes[FLAGS + 1] = RCODE_SERVFAIL;
	memset(bytes + RECORDS, 0, DNS_HEADER_LEN - RECORDS);
}

void
dns_make_truncated(uint8_t *answer)
{
	answer[FLAGS] |= TC;
	memset(answer + RECORDS, 0, DNS_HEADER_LEN - RECORDS);
}
