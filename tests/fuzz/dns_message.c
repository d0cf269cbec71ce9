/* Answers of a DNS server to our question. */
#include "control-worker/dns/message.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define HEADER_LEN 12

static void
check(const uint8_t *query, size_t query_len, const uint8_t *bytes, size_t len,
    enum ip_family family)
{
	struct dns_answer answer = { .count = 0 };

	if (dns_answer_parse(query, query_len, bytes, len, family, &answer) !=
	    DNS_ANSWERED)
		return;
	must(len >= query_len && memcmp(bytes, query, 2) == 0);
	must(answer.count <= DNS_ADDRESSES_MAX);
	for (size_t i = 0; i < answer.count; i++)
		must(answer.addresses[i].family == family);
}

/* The same with id and question as they should be. */
static void
check_fitted(const uint8_t *query, size_t query_len, const uint8_t *bytes,
    size_t len, enum ip_family family)
{
	size_t total = query_len + len;
	uint8_t *fitted;

	if (len < HEADER_LEN)
		return;
	fitted = malloc(total);
	must(fitted != NULL);
	memcpy(fitted, query, query_len);
	memcpy(fitted + 2, bytes + 2, HEADER_LEN - 2);
	store_be16(fitted + 4, 1);
	memcpy(fitted + query_len, bytes + HEADER_LEN, len - HEADER_LEN);
	check(query, query_len, fitted, total - HEADER_LEN, family);
	free(fitted);
}

void
fuzz_one(struct cursor *in)
{
	enum ip_family family = pick_bool(in) ? IP_V6 : IP_V4;
	uint8_t query[DNS_QUERY_MAX];
	size_t len = dns_query_build("example.com", family, 0x1234, query);
	char *name;

	must(len > 0);
	check(query, len, in->at, in->left, family);
	check_fitted(query, len, in->at, in->left, family);
	name = pick_text(in);
	must(dns_query_build(name, family, 1, query) <= DNS_QUERY_MAX);
	free(name);
}
