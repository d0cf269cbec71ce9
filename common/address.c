/* Addresses, endpoints and networks: see address.h. */
#include "common/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ip_address
ip_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct ip_address) { IP_V4, { a, b, c, d } };
}

struct ip_address
ip_from_bytes(enum ip_family family, const uint8_t *bytes)
{
	struct ip_address ip = { .family = (uint8_t)family };

	memcpy(ip.bytes, bytes, ip_size(&ip));
	return ip;
}

size_t
ip_size(const struct ip_address *ip)
{
	switch (ip->family) {
	case IP_V4:
		return 4;
	case IP_V6:
		return 16;
	default:
		return 0;
	}
}

int
ip_compare(const struct ip_address *a, const struct ip_address *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool
ip_parse(const char *text, struct ip_address *ip)
{
	memset(ip, 0, sizeof(*ip));
	if (inet_pton(AF_INET, text, ip->bytes) == 1)
		ip->family = IP_V4;
	else if (inet_pton(AF_INET6, text, ip->bytes) == 1)
		ip->family = IP_V6;
	return ip->family != IP_NONE;
}

const char *
ip_format(const struct ip_address *ip, char to[ENDPOINT_TEXT_MAX])
{
	int af = ip->family == IP_V4 ? AF_INET : AF_INET6;

	if (ip->family == IP_NONE)
		snprintf(to, ENDPOINT_TEXT_MAX, "none");
	else
		inet_ntop(af, ip->bytes, to, ENDPOINT_TEXT_MAX);
	return to;
}

bool
ip_is_unspecified(const struct ip_address *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->bytes, zero, sizeof(zero)) == 0;
}

bool
ip_is_loopback(const struct ip_address *ip)
{
	static const uint8_t v6[16] = { [15] = 1 };

	if (ip->family == IP_V4)
		return ip->bytes[0] == 127;
	return memcmp(ip->bytes, v6, sizeof(v6)) == 0;
}

bool
ip_is_multicast(const struct ip_address *ip)
{
	if (ip->family == IP_V4)
		return (ip->bytes[0] & 0xf0) == 0xe0;
	return ip->bytes[0] == 0xff;
}

bool
ip_is_link_local(const struct ip_address *ip)
{
	if (ip->family == IP_V4)
		return ip->bytes[0] == 169 && ip->bytes[1] == 254;
	return ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

bool
ip_is_broadcast(const struct ip_address *ip)
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };

	return ip->family == IP_V4 && memcmp(ip->bytes, ones, 4) == 0;
}

bool
endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && ip_equal(&a->ip, &b->ip);
}

static bool
port_parse(const char *text, uint16_t *port)
{
	unsigned long n = 0;

	if (*text == '\0' || strlen(text) > 5)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned long)(*text - '0');
	}
	if (n > UINT16_MAX)
		return false;
	*port = (uint16_t)n;
	return true;
}

bool
endpoint_parse(const char *text, struct endpoint *e)
{
	char host[INET6_ADDRSTRLEN];
	const char *start = text, *end = strrchr(text, ':'), *port;
	bool bracketed = text[0] == '[';

	if (end == NULL)
		return false;
	port = end + 1;
	if (bracketed) {
		start++;
		if (end == start || *--end != ']')
			return false;
	}
	if ((size_t)(end - start) >= sizeof(host))
		return false;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	return ip_parse(host, &e->ip) &&
	    bracketed == (e->ip.family == IP_V6) && port_parse(port, &e->port);
}

const char *
endpoint_format(const struct endpoint *e, char to[ENDPOINT_TEXT_MAX])
{
	char ip[ENDPOINT_TEXT_MAX];

	ip_format(&e->ip, ip);
	if (e->ip.family == IP_V6)
		snprintf(to, ENDPOINT_TEXT_MAX, "[%.45s]:%u", ip, e->port);
	else
		snprintf(to, ENDPOINT_TEXT_MAX, "%.45s:%u", ip, e->port);
	return to;
}

bool
endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *e)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(e, 0, sizeof(*e));
	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&in, sa, sizeof(in));
		e->ip = ip_from_bytes(IP_V4, (const uint8_t *)&in.sin_addr);
		e->port = ntohs(in.sin_port);
		return true;
	case AF_INET6:
		memcpy(&in6, sa, sizeof(in6));
		e->ip = ip_from_bytes(IP_V6, in6.sin6_addr.s6_addr);
		e->port = ntohs(in6.sin6_port);
		return true;
	default:
		return false;
	}
}

socklen_t
endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	switch (e->ip.family) {
	case IP_V4:
		in->sin_family = AF_INET;
		in->sin_port = htons(e->port);
		memcpy(&in->sin_addr, e->ip.bytes, 4);
		return sizeof(*in);
	case IP_V6:
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(e->port);
		memcpy(&in6->sin6_addr, e->ip.bytes, 16);
		return sizeof(*in6);
	default:
		return 0;
	}
}

bool
prefix_covers(const struct ip_prefix *p, const struct ip_prefix *other)
{
	return p->length <= other->length && prefix_contains(p, &other->ip);
}

bool
prefix_parse(const char *text, struct ip_prefix *p)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
	struct ip_prefix whole;
	uint16_t bits;

	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (!ip_parse(host, &p->ip))
		return false;
	bits = (uint16_t)(ip_size(&p->ip) * 8);
	if (slash != NULL) {
		uint16_t given;

		if (!port_parse(slash + 1, &given) || given > bits)
			return false;
		bits = given;
	}
	p->length = (uint8_t)bits;

	/* Host bits are zero iff masking them changes nothing. */
	whole = *p;
	for (size_t i = bits; i < ip_size(&p->ip) * 8; i++)
		whole.ip.bytes[i / 8] &= (uint8_t)~(0x80u >> (i % 8));
	return ip_equal(&whole.ip, &p->ip);
}
