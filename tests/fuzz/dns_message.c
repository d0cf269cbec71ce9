/* Answers of a DNS server to our question. */
#include "control-worker/dns/message.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define HEADER_LEN 12

/* A name is read as it is written. */
static void
check_name(const struct dns_name *name)
{
	struct dns_name again;
	struct cursor c;

	cursor_init(&c, name->bytes, name->len);
	must(dns_name_read(&c, name->bytes, &again) && cursor_done(&c));
	must(dns_name_same(name, &again));
}

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
	must(answer.aliases <= DNS_ALIASES_MAX);
	check_name(&answer.end);
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
	struct dns_name name;
	uint8_t query[DNS_QUERY_MAX];
	size_t len;
	char *text;

	must(dns_name_parse("example.com", &name));
	len = dns_query_build(&name, family, 0x1234, query);
	check(query, len, in->at, in->left, family);
	check_fitted(query, len, in->at, in->left, family);
	text = pick_text(in);
	if (dns_name_parse(text, &name)) {
		must(name.len <= strlen(text) + 2);
		check_name(&name);
		len = dns_query_build(&name, family, 1, query);
		must(len == HEADER_LEN + name.len + 4);
	}
	free(text);
}
