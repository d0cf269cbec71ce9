/*
 * Resource records as they stand in DNS messages: RFC 1035 3.2 and 4.1.3. No
 * I/O.
 */
#ifndef CONTROL_WORKER_DNS_RECORD_H
#define CONTROL_WORKER_DNS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"
#include "control-worker/dns/name.h"

#define DNS_TYPE_A     1
#define DNS_TYPE_CNAME 5
#define DNS_TYPE_AAAA  28 /* RFC 3596 */
#define DNS_CLASS_IN   1

struct dns_record {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl_s;
	struct cursor data;
};

/* The record at the cursor, which goes on behind it. False when it is none. */
bool dns_record_read(
    struct cursor *, const uint8_t *message, struct dns_record *);

#endif /* CONTROL_WORKER_DNS_RECORD_H */
