/* DNS messages: see message.h. */
#include "control-worker/dns/message.h"

#include <ctype.h>

#include "common/buffer.h"
#include "control-worker/dns/record.h"

/* RFC 1035 4.1.1 */
#define FLAG_RESPONSE  0x8000
#define FLAG_RECURSION 0x0100
#define FLAG_TRUNCATED 0x0200
#define OPCODE_MASK    0x7800
#define RCODE_MASK     0x000f

#define RCODE_NOERROR  0
#define RCODE_NXDOMAIN 3

#define HEADER_LEN DNS_HEADER_LEN

size_t
dns_query_build(const struct dns_name *name, enum ip_family family, uint16_t id,
    uint8_t to[DNS_QUERY_MAX])
{
	struct writer w;

	_Static_assert(
	    DNS_QUERY_MAX >= HEADER_LEN + DNS_NAME_LEN_MAX + 4, "it fits");
	writer_init(&w, to, DNS_QUERY_MAX);
	writer_be16(&w, id);
	writer_be16(&w, FLAG_RECURSION);
	writer_be16(&w, 1); /* question */
	writer_zero(&w, 6); /* records */
	writer_bytes(&w, name->bytes, name->len);
	writer_be16(&w, family == IP_V4 ? DNS_TYPE_A : DNS_TYPE_AAAA);
	writer_be16(&w, DNS_CLASS_IN);
	return w.len;
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

static void
keep_shortest(struct dns_answer *answer, uint32_t ttl_s)
{
	if (ttl_s < answer->ttl_s)
		answer->ttl_s = ttl_s;
}

/* What the records of an answer are: a set, in whatever order they come. */
struct records {
	const uint8_t *message;
	struct cursor first;
	uint16_t count;
};

static bool
read_target_name(
    const struct records *all, const struct dns_record *r, struct dns_name *to)
{
	struct cursor c = r->data;

	return dns_name_read(&c, all->message, to);
}

/* What is broken in one place is not to be trusted in another. */
static bool
records_are_whole(const struct records *all)
{
	struct cursor c = all->first;
	struct dns_name target;
	struct dns_record r;

	for (uint16_t i = 0; i < all->count; i++)
		if (!dns_record_read(&c, all->message, &r) ||
		    (r.type == DNS_TYPE_CNAME && r.class == DNS_CLASS_IN &&
			!read_target_name(all, &r, &target)))
			return false;
	return true;
}

/* The next of the owner's records of the type. False when there is none. */
static bool
next_record_of_owner(const struct records *all, struct cursor *c,
    uint16_t *left, const struct dns_name *owner, uint16_t type,
    struct dns_record *r)
{
	while (*left > 0) {
		--*left;
		if (dns_record_read(c, all->message, r) && r->type == type &&
		    r->class == DNS_CLASS_IN && dns_name_same(&r->owner, owner))
			return true;
	}
	return false;
}

/* What the name is an alias of, if it is one. */
static bool
take_alias(const struct records *all, struct dns_answer *answer)
{
	struct cursor c = all->first;
	uint16_t left = all->count;
	struct dns_record r;
	struct dns_name name;

	if (!next_record_of_owner(
		all, &c, &left, &answer->end, DNS_TYPE_CNAME, &r) ||
	    !read_target_name(all, &r, &name))
		return false;
	answer->end = name;
	keep_shortest(answer, r.ttl_s);
	return true;
}

static void
take_addresses(const struct records *all, enum ip_family family,
    struct dns_answer *answer)
{
	uint16_t type = family == IP_V4 ? DNS_TYPE_A : DNS_TYPE_AAAA;
	struct ip_address none = { .family = family };
	struct cursor c = all->first;
	uint16_t left = all->count;
	struct dns_record r;

	while (answer->count < DNS_ADDRESSES_MAX &&
	    next_record_of_owner(all, &c, &left, &answer->end, type, &r)) {
		if (r.data.left != ip_size(&none))
			continue;
		answer->addresses[answer->count++] =
		    ip_from_bytes(family, r.data.at);
		keep_shortest(answer, r.ttl_s);
	}
}

static void
read_records(const struct records *all, enum ip_family family,
    struct dns_answer *answer)
{
	while (take_alias(all, answer))
		if (++answer->aliases == DNS_ALIASES_MAX)
			return;
	take_addresses(all, family, answer);
}

enum dns_result
dns_answer_parse(const uint8_t *query, size_t query_len, const uint8_t *bytes,
    size_t len, enum ip_family family, struct dns_answer *answer)
{
	struct records all = { .message = bytes };
	uint16_t id, flags, questions;
	struct cursor c, asked;

	answer->count = 0;
	answer->aliases = 0;
	answer->ttl_s = UINT32_MAX;
	cursor_init(&c, bytes, len);
	id = cursor_be16(&c);
	flags = cursor_be16(&c);
	questions = cursor_be16(&c);
	all.count = cursor_be16(&c); /* answers */
	cursor_bytes(&c, HEADER_LEN - 8);
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
	cursor_init(&asked, query + HEADER_LEN, query_len - HEADER_LEN);
	if (!dns_name_read(&asked, query, &answer->end))
		return DNS_FAILED;
	if ((flags & RCODE_MASK) == RCODE_NXDOMAIN)
		return DNS_ANSWERED;
	if ((flags & RCODE_MASK) != RCODE_NOERROR)
		return DNS_FAILED;
	if (all.count > DNS_RECORDS_MAX)
		all.count = DNS_RECORDS_MAX;
	all.first = c;
	if (records_are_whole(&all))
		read_records(&all, family, answer);
	return DNS_ANSWERED;
}
