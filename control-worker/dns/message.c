/* DNS messages: see message.h. */
#include "control-worker/dns/message.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include <ares.h>
#include <arpa/nameser.h>

#include "common/buffer.h"

#define HEADER_LEN 12

/* RFC 1035 4.1.1 */
#define FLAG_RESPONSE  0x8000
#define FLAG_TRUNCATED 0x0200
#define OPCODE_MASK    0x7800
#define RCODE_MASK     0x000f

#define RCODE_NOERROR  0
#define RCODE_NXDOMAIN 3

size_t
dns_query_build(const char *name, enum ip_family family, uint16_t id,
    uint8_t to[DNS_QUERY_MAX])
{
	unsigned char *query = NULL;
	int len = 0, r;

	r = ares_create_query(name, ns_c_in,
	    family == IP_V4 ? ns_t_a : ns_t_aaaa, id, 1, &query, &len, 0);
	if (r != ARES_SUCCESS || len <= HEADER_LEN || len > DNS_QUERY_MAX)
		len = 0;
	else
		memcpy(to, query, (size_t)len);
	ares_free_string(query);
	return (size_t)len;
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
keep_shortest(struct dns_answer *answer, int ttl_s)
{
	uint32_t ttl = ttl_s > 0 ? (uint32_t)ttl_s : 0;

	if (ttl < answer->ttl_s)
		answer->ttl_s = ttl;
}

static void
take_v4(const uint8_t *bytes, size_t len, struct dns_answer *answer)
{
	struct ares_addrttl found[DNS_ADDRESSES_MAX];
	int n = DNS_ADDRESSES_MAX;

	if (ares_parse_a_reply(bytes, (int)len, NULL, found, &n) !=
	    ARES_SUCCESS)
		return;
	for (int i = 0; i < n; i++) {
		answer->addresses[answer->count++] =
		    ip_from_bytes(IP_V4, (const uint8_t *)&found[i].ipaddr);
		keep_shortest(answer, found[i].ttl);
	}
}

static void
take_v6(const uint8_t *bytes, size_t len, struct dns_answer *answer)
{
	struct ares_addr6ttl found[DNS_ADDRESSES_MAX];
	int n = DNS_ADDRESSES_MAX;

	if (ares_parse_aaaa_reply(bytes, (int)len, NULL, found, &n) !=
	    ARES_SUCCESS)
		return;
	for (int i = 0; i < n; i++) {
		answer->addresses[answer->count++] =
		    ip_from_bytes(IP_V6, (const uint8_t *)&found[i].ip6addr);
		keep_shortest(answer, found[i].ttl);
	}
}

enum dns_result
dns_answer_parse(const uint8_t *query, size_t query_len, const uint8_t *bytes,
    size_t len, enum ip_family family, struct dns_answer *answer)
{
	uint16_t id, flags, questions;
	struct cursor c;

	answer->count = 0;
	answer->ttl_s = UINT32_MAX;
	cursor_init(&c, bytes, len);
	id = cursor_be16(&c);
	flags = cursor_be16(&c);
	questions = cursor_be16(&c);
	cursor_bytes(&c, HEADER_LEN - 6);
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
	if (family == IP_V4)
		take_v4(bytes, len, answer);
	else
		take_v6(bytes, len, answer);
	return DNS_ANSWERED;
}
