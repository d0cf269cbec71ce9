/*
 * DNS messages of other people, which are passed on as they are: whether one is
 * a query or an answer, and the few words of our own. firezone-policy(7),
 * Accepted queries and DNS answers; RFC 1035 4.1. No I/O.
 */
#ifndef CONTROL_WORKER_DNS_FOREIGN_H
#define CONTROL_WORKER_DNS_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control-worker/dns/name.h"

/* Header and question: what an answer without records consists of. */
#define DNS_HEAD_MAX (DNS_HEADER_LEN + DNS_NAME_LEN_MAX + 4)
/* A longer answer does not go by UDP through the tunnel. */
#define DNS_TUNNEL_MAX 1200

/*
 * The length of header and question of what is a query, or an answer: exactly
 * one question, and an answer section that can be read. 0: it is none.
 */
size_t dns_query_head(const uint8_t *bytes, size_t len);
size_t dns_answer_head(const uint8_t *bytes, size_t len);

/* The head of a query becomes the answer that there is none: SERVFAIL. */
void dns_make_servfail(uint8_t *head);
/* An answer becomes its head alone, and says that it is cut short. */
void dns_make_truncated(uint8_t *answer);

#endif /* CONTROL_WORKER_DNS_FOREIGN_H */
