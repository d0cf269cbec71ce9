/* DNS messages of other people: see foreign.h. */
#include "control-worker/dns/foreign.h"

#include <string.h>

#include "control-worker/dns/record.h"

/* The flags of the header's third byte, and of the fourth: RFC 1035 4.1.1. */
#define QR          0x80
#define OPCODE_MASK 0x78
#define TC          0x02
#define RD          0x01

#define RCODE_SERVFAIL 2

/* Where they stand. */
#define FLAGS   2
#define RECORDS 6 /* the numbers of the other three sections */

/* It is there in full: nothing is before it that it could point to. */
static bool
skip_question(struct cursor *c, const uint8_t *message)
{
	struct dns_name name;
	size_t left = c->left;

	if (!dns_name_read(c, message, &name) || left - c->left != name.len)
		return false;
	cursor_bytes(c, 4); /* type and class */
	return !cursor_failed(c);
}

static size_t
answer_head_length(const uint8_t *bytes, size_t len, uint8_t response)
{
	struct cursor c;
	uint16_t questions, answers;
	struct dns_record record;
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
	    !skip_question(&c, bytes))
		return 0;
	n = len - c.left;
	while (answers-- > 0)
		if (!dns_record_read(&c, bytes, &record))
			return 0;
	return n;
}

size_t
dns_query_head(const uint8_t *bytes, size_t len)
{
	return answer_head_length(bytes, len, 0);
}

size_t
dns_answer_head(const uint8_t *bytes, size_t len)
{
	return answer_head_length(bytes, len, QR);
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
