/* DNS messages: see message.h. */
#include "control-worker/dns/message.h"

#include <ctype.h>
#include <string.h>

#include "common/buffer.h"
#include "control-worker/dns/name.h"

#define HEADER_LEN 12

/* RFC 1035 4.1.1 */
#define FLAG_RESPONSE  0x8000
#define FLAG_TRUNCATED 0x0200
#define FLAG_RECURSION_DESIRED 0x0100
#define OPCODE_MASK    0x7800
#define RCODE_MASK     0x000f

#define RCODE_NOERROR  0
#define RCODE_NXDOMAIN 3

#define TYPE_A     1
#define TYPE_CNAME 5
#define TYPE_AAAA  28 /* RFC 3596 */
#define CLASS_IN   1

#define ALIASES_MAX 16 /* in a row */

/* Which are no names of the DNS: RFC 7686. */
static bool
is_onion(const struct dns_name *name)
{
	static const struct dns_name onion = { "\5onion", 7 };
	struct dns_name last = { .len = 0 };

	for (size_t at = 0; name->bytes[at] != 0; at += 1u + name->bytes[at])
		last.len = name->len - at;
	memcpy(last.bytes, name->bytes + name->len - last.len, last.len);
	return dns_name_same(&last, &onion);
}

size_t
dns_query_build(const char *text, enum ip_family family, uint16_t id,
    uint8_t to[DNS_QUERY_MAX])
{
	struct dns_name name;
	struct writer w;

	if (!dns_name_parse(text, &name) || is_onion(&name))
		return 0;
	writer_init(&w, to, DNS_QUERY_MAX);
	writer_be16(&w, id);
	writer_be16(&w, FLAG_RECURSION_DESIRED);
	writer_be16(&w, 1);  /* question */
	writer_zero(&w, 6); /* records of the other sections */
	writer_bytes(&w, name.bytes, name.len);
	writer_be16(&w, family == IP_V4 ? TYPE_A : TYPE_AAAA);
	writer_be16(&w, CLASS_IN);
	return writer_failed(&w) ? 0 : w.len;
}

/* The question comes back as it was asked, but for the case of its letters. */
static bool
same_question(const uint8_t *query, size_t query_len, struct cursor *c)
{
	size_t len = query_len - HEADER_LEN;
	const uint8_t *question = cursor_bytes(c, len);

	if (question == NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		if (tolower(question[i]) != tolower(query[HEADER_LEN + i]))
			return false;
	return true;
}

struct record {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl_s;
	struct cursor data;
	struct dns_name target; /* of a CNAME */
};

static bool
record_read(struct cursor *c, const uint8_t *message, struct record *r)
{
	if (!dns_name_read(c, message, &r->owner))
		return false;
	r->type = cursor_be16(c);
	r->class = cursor_be16(c);
	r->ttl_s = cursor_be32(c);
	/* RFC 2181 8: what would be negative is none. */
	if (r->ttl_s > INT32_MAX)
		r->ttl_s = 0;
	r->data = cursor_sub(c, cursor_be16(c));
	if (r->type == TYPE_CNAME && r->class == CLASS_IN) {
		struct cursor target = r->data;

		return dns_name_read(&target, message, &r->target);
	}
	return !cursor_failed(c);
}

/* Those of the answer section. */
struct records {
	const uint8_t *message;
	struct cursor first;
	unsigned count;
};

static bool
records_are_whole(const struct records *records)
{
	struct cursor c = records->first;
	struct record r;

	for (unsigned i = 0; i < records->count; i++)
		if (!record_read(&c, records->message, &r))
			return false;
	return true;
}

static void
keep_shortest(struct dns_answer *answer, const struct record *r)
{
	if (r->ttl_s < answer->ttl_s)
		answer->ttl_s = r->ttl_s;
}

/* The name becomes what it is an alias of; false: of nothing. */
static bool
follow_alias(const struct records *records, struct dns_name *name,
    struct dns_answer *answer)
{
	struct cursor c = records->first;
	struct record r;

	for (unsigned i = 0; i < records->count &&
	     record_read(&c, records->message, &r);
	     i++) {
		if (r.type != TYPE_CNAME || r.class != CLASS_IN ||
		    !dns_name_same(&r.owner, name))
			continue;
		*name = r.target;
		keep_shortest(answer, &r);
		return true;
	}
	return false;
}

static void
take_addresses(const struct records *records, const struct dns_name *name,
    enum ip_family family, struct dns_answer *answer)
{
	const size_t len = family == IP_V4 ? 4 : 16;
	struct cursor c = records->first;
	struct record r;

	for (unsigned i = 0; i < records->count &&
	     answer->count < DNS_ADDRESSES_MAX &&
	     record_read(&c, records->message, &r);
	     i++) {
		if (r.type != (family == IP_V4 ? TYPE_A : TYPE_AAAA) ||
		    r.class != CLASS_IN || r.data.left != len ||
		    !dns_name_same(&r.owner, name))
			continue;
		answer->addresses[answer->count++] =
		    ip_from_bytes(family, r.data.at);
		keep_shortest(answer, &r);
	}
}

/* What counts is the set of records, not their order: RFC 2181 5. */
static void
take_answer(const struct records *records, const uint8_t *query,
    size_t query_len, enum ip_family family, struct dns_answer *answer)
{
	struct dns_name name;
	struct cursor c;
	unsigned steps = 0;

	cursor_init(&c, query + HEADER_LEN, query_len - HEADER_LEN);
	if (!dns_name_read(&c, query, &name))
		return;
	while (follow_alias(records, &name, answer))
		if (++steps == ALIASES_MAX)
			return;
	take_addresses(records, &name, family, answer);
}

enum dns_result
dns_answer_parse(const uint8_t *query, size_t query_len, const uint8_t *bytes,
    size_t len, enum ip_family family, struct dns_answer *answer)
{
	uint16_t id, flags, questions, answers;
	struct records records;
	struct cursor c;

	answer->count = 0;
	answer->ttl_s = UINT32_MAX;
	cursor_init(&c, bytes, len);
	id = cursor_be16(&c);
	flags = cursor_be16(&c);
	questions = cursor_be16(&c);
	answers = cursor_be16(&c);
	cursor_bytes(&c, 4); /* numbers of other records */
	if (cursor_failed(&c) || len > DNS_MESSAGE_MAX ||
	    id != load_be16(query) || (flags & FLAG_RESPONSE) == 0 ||
	    (flags & OPCODE_MASK) != 0)
		return DNS_MISMATCH;
	/* A server that cannot read the question may leave it out. */
	if (questions == 0 && (flags & RCODE_MASK) != RCODE_NOERROR)
		return DNS_FAILED;
	if (questions != 1 || !same_question(query, query_len, &c))
		return DNS_MISMATCH;
	if (flags & FLAG_TRUNCATED)
		return DNS_TRUNCATED;
	if ((flags & RCODE_MASK) == RCODE_NXDOMAIN)
		return DNS_ANSWERED;
	if ((flags & RCODE_MASK) != RCODE_NOERROR)
		return DNS_FAILED;
	records = (struct records){ bytes, c, answers };
	if (records_are_whole(&records))
		take_answer(&records, query, query_len, family, answer);
	return DNS_ANSWERED;
}
