/* What clients of the DNS server and resolvers send it. */
#include <stdlib.h>
#include <string.h>

#include "control-worker/dns/foreign.h"
#include "tests/fuzz/fuzz.h"

static uint8_t *
copy(const uint8_t *bytes, size_t len)
{
	uint8_t *to = malloc(len > 0 ? len : 1);

	must(to != NULL);
	if (len > 0)
		memcpy(to, bytes, len);
	return to;
}

/* What is made of it is whole, and belongs to it. */
static void
check_made(const uint8_t *made, size_t head, const uint8_t *bytes)
{
	must(dns_answer_head(made, head) == head);
	must(dns_query_head(made, head) == 0);
	must(memcmp(made, bytes, 2) == 0);
	must(memcmp(made + DNS_HEADER_LEN, bytes + DNS_HEADER_LEN,
		 head - DNS_HEADER_LEN) == 0);
}

static void
check(const uint8_t *bytes, size_t len)
{
	size_t query = dns_query_head(bytes, len);
	size_t answer = dns_answer_head(bytes, len);
	size_t head = query > answer ? query : answer;
	uint8_t *made;

	must(query == 0 || answer == 0);
	if (head == 0)
		return;
	must(head > DNS_HEADER_LEN && head <= DNS_HEAD_MAX && head <= len);
	made = copy(bytes, head);
	if (query != 0)
		dns_make_servfail(made);
	else
		dns_make_truncated(made);
	check_made(made, head, bytes);
	free(made);
}

void
fuzz_one(struct cursor *in)
{
	uint8_t *bytes = copy(in->at, in->left);

	check(bytes, in->left);
	/* The same, and cut short, with one question. */
	if (in->left >= DNS_HEADER_LEN) {
		store_be16(bytes + 4, 1);
		for (size_t len = in->left; len > 0; len /= 2)
			check(bytes, len);
	}
	free(bytes);
}
