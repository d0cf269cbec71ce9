/*
 * DNS messages as bytes: questions for addresses, and what an answer to one
 * says, which counts only when it belongs to the question. No I/O.
 */
#ifndef CONTROL_WORKER_DNS_MESSAGE_H
#define CONTROL_WORKER_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"

#define DNS_QUERY_MAX     300
#define DNS_MESSAGE_MAX   65535
#define DNS_UDP_MAX       512 /* without EDNS */
#define DNS_ADDRESSES_MAX 32

enum dns_result {
	DNS_ANSWERED,  /* with or without addresses */
	DNS_TRUNCATED, /* ask again over TCP */
	DNS_FAILED,    /* the server could not say; ask another one */
	DNS_MISMATCH,  /* not the answer to this question; go on waiting */
};

struct dns_answer {
	struct ip_address addresses[DNS_ADDRESSES_MAX];
	size_t count;
	uint32_t ttl_s; /* of the addresses and their aliases; the shortest */
};

/*
 * The question for the name's addresses of one family; its length, or 0 when
 * the name is none.
 */
size_t dns_query_build(
    const char *name, enum ip_family, uint16_t id, uint8_t to[DNS_QUERY_MAX]);
enum dns_result dns_answer_parse(const uint8_t *query, size_t query_len,
    const uint8_t *bytes, size_t len, enum ip_family, struct dns_answer *);

#endif /* CONTROL_WORKER_DNS_MESSAGE_H */
