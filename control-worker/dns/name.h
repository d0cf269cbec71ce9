/*
 * Domain names as they are on the wire: RFC 1035 3.1 and 4.1.4. A label may
 * hold any octet (RFC 2181 11). No I/O.
 */
#ifndef CONTROL_WORKER_DNS_NAME_H
#define CONTROL_WORKER_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

#define DNS_HEADER_LEN   12
#define DNS_NAME_LEN_MAX 255 /* on the wire */
/* As text, where each octet of four labels is escaped. */
#define DNS_NAME_TEXT_MAX 1024

/* Labels up to and with the root's; no pointers. */
struct dns_name {
	uint8_t bytes[DNS_NAME_LEN_MAX];
	size_t len;
};

/*
 * From text as in RFC 1035 5.1, with or without the last dot: \X and \DDD stand
 * for octets. false: it is no name.
 */
bool dns_name_parse(const char *text, struct dns_name *);
/*
 * The name at the cursor, which reads in the message and is moved behind it;
 * false: there is none. Pointers are followed.
 */
bool dns_name_read(
    struct cursor *, const uint8_t *message, struct dns_name *);
/* But for the case of its ASCII letters. */
bool dns_name_same(const struct dns_name *, const struct dns_name *);

/* Which is no name of the DNS: RFC 7686. */
bool dns_name_is_onion(const struct dns_name *);

#endif /* CONTROL_WORKER_DNS_NAME_H */
