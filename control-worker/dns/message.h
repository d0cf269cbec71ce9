/*
 * DNS messages as bytes: questions for addresses, and what an answer to one
 * says. RFC 1035 4.1, RFC 1034 5.3.3. No I/O.
 */
#ifndef CONTROL_WORKER_DNS_MESSAGE_H
#define CONTROL_WORKER_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "control-worker/dns/name.h"

#define DNS_QUERY_MAX     300
#define DNS_MESSAGE_MAX   65535
#define DNS_ADDRESSES_MAX 32
#define DNS_RECORDS_MAX   512 /* of an answer; the others are not read */
/* As many names behind one another that are aliases are taken for a loop. */
#define DNS_ALIASES_MAX 16

enum dns_result {
	DNS_ANSWERED,  /* with or without addresses */
	DNS_TRUNCATED, /* ask again over TCP */
	DNS_FAILED,    /* the server could not say; ask another one */
	DNS_MISMATCH,  /* not the answer to this question; go on waiting */
};

struct dns_answer {
	struct ip_address addresses[DNS_ADDRESSES_MAX];
	size_t count;
	uint32_t ttl_s; /* of the addresses and aliases; the shortest */
	/*
	 * How many aliases lead from the name that was asked for to the one
	 * that they end at. An answer that has no address for that one need not
	 * be the end of it: ask for it.
	 */
	unsigned aliases;
	struct dns_name end;
};

/* The question for the name's addresses of one family; its length. */
size_t dns_query_build(const struct dns_name *, enum ip_family, uint16_t id,
    uint8_t to[DNS_QUERY_MAX]);
enum dns_result dns_answer_parse(const uint8_t *query, size_t query_len,
    const uint8_t *bytes, size_t len, enum ip_family, struct dns_answer *);

#endif /* CONTROL_WORKER_DNS_MESSAGE_H */
