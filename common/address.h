/*
 * IP addresses, endpoints and networks as values of their own: no padding, no
 * scope, comparable, and the same on both sides of a message between processes.
 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <endian.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum ip_family {
	IP_NONE = 0,
	IP_V4 = 4,
	IP_V6 = 6,
};

struct ip_address {
	uint8_t family;    /* enum ip_family */
	uint8_t bytes[16]; /* network order; IPv4 in the first 4, rest zero */
};

/* What ICE and TURN call a transport address; UDP throughout. */
struct endpoint {
	struct ip_address ip;
	uint16_t port; /* host order */
};

struct ip_prefix {
	struct ip_address ip; /* host bits are zero */
	uint8_t length;       /* bits */
};

/* Room for the text of an IPv6 endpoint "[...]:65535" and its terminator. */
#define ENDPOINT_TEXT_MAX 56

struct ip_address ip_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
struct ip_address ip_from_bytes(enum ip_family, const uint8_t *bytes);
/* 4 or 16; 0 for IP_NONE. */
size_t ip_size(const struct ip_address *);
int ip_compare(const struct ip_address *, const struct ip_address *);
/* Strict dotted quad or RFC 4291 text without zone and brackets. */
bool ip_parse(const char *text, struct ip_address *);
/* RFC 5952 text into to, which is returned; "none" for IP_NONE. */
const char *ip_format(const struct ip_address *, char to[ENDPOINT_TEXT_MAX]);

bool ip_is_unspecified(const struct ip_address *);
bool ip_is_loopback(const struct ip_address *);
bool ip_is_multicast(const struct ip_address *);
bool ip_is_link_local(const struct ip_address *);
bool ip_is_broadcast(const struct ip_address *);

bool endpoint_equal(const struct endpoint *, const struct endpoint *);
/* "192.0.2.1:3478" or "[2001:db8::1]:3478". */
bool endpoint_parse(const char *text, struct endpoint *);
const char *endpoint_format(const struct endpoint *, char to[ENDPOINT_TEXT_MAX]);
bool endpoint_from_sockaddr(const struct sockaddr *, struct endpoint *);
/* Returns the length for bind(2) and sendto(2); 0 for IP_NONE. */
socklen_t endpoint_to_sockaddr(const struct endpoint *,
    struct sockaddr_storage *);

/* "10.0.0.0/8"; host bits must be zero, a bare address is a /32 or /128. */
bool prefix_parse(const char *text, struct ip_prefix *);
/* Whether all of the other is in it. */
bool prefix_covers(const struct ip_prefix *, const struct ip_prefix *other);

/* Both are asked several times for each packet. */

static inline bool
ip_equal(const struct ip_address *a, const struct ip_address *b)
{
	return a->family == b->family &&
	    memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline bool
prefix_contains(const struct ip_prefix *p, const struct ip_address *ip)
{
	unsigned first = p->length < 64 ? p->length : 64;
	unsigned bits[2] = { first, p->length - first };
	uint64_t a[2], b[2], differ = 0;

	memcpy(a, p->ip.bytes, sizeof(a));
	memcpy(b, ip->bytes, sizeof(b));
	for (int i = 0; i < 2; i++)
		if (bits[i] != 0)
			differ |= be64toh(a[i] ^ b[i]) >> (64 - bits[i]);
	return p->ip.family == ip->family && p->ip.family != IP_NONE &&
	    differ == 0;
}

#endif /* COMMON_ADDRESS_H */
