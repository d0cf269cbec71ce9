/* Candidate lines without ICE: see iceless_line.h. */
#include "tests/client/iceless_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* 64-bit FNV-1a. */
#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static const struct kind {
	const char *name;
	uint32_t priority;
} kinds[] = {
	[ICELESS_HOST] = { "host", 2130706431 },
	[ICELESS_SRFLX] = { "srflx", 1694498815 },
	[ICELESS_RELAY] = { "relay", 16777215 },
};

bool
iceless_candidate_equal(
    const struct iceless_candidate *a, const struct iceless_candidate *b)
{
	return a->kind == b->kind && endpoint_equal(&a->address, &b->address) &&
	    endpoint_equal(&a->base, &b->base);
}

static uint64_t
hash_byte(uint64_t hash, uint8_t byte)
{
	return (hash ^ byte) * FNV_PRIME;
}

static uint64_t
hash_endpoint(uint64_t hash, const struct endpoint *e)
{
	for (size_t i = 0; i < ip_size(&e->ip); i++)
		hash = hash_byte(hash, e->ip.bytes[i]);
	hash = hash_byte(hash, (uint8_t)(e->port >> 8));
	return hash_byte(hash, (uint8_t)e->port);
}

static uint64_t
foundation_of(const struct iceless_candidate *l)
{
	uint64_t hash = hash_byte(FNV_START, (uint8_t)l->kind);

	hash = hash_endpoint(hash, &l->address);
	return l->kind == ICELESS_HOST ? hash : hash_endpoint(hash, &l->base);
}

void
iceless_line_format(
    const struct iceless_candidate *l, char to[ICELESS_LINE_SIZE])
{
	char address[ENDPOINT_TEXT_MAX], base[ENDPOINT_TEXT_MAX];
	char related[ENDPOINT_TEXT_MAX + 32] = "";

	if (l->kind != ICELESS_HOST)
		snprintf(related, sizeof(related), " raddr %s rport %u",
		    ip_format(&l->base.ip, base), l->base.port);
	snprintf(to, ICELESS_LINE_SIZE,
	    "candidate:%" PRIu64 " 1 udp %" PRIu32 " %s %u typ %s%s",
	    foundation_of(l), kinds[l->kind].priority,
	    ip_format(&l->address.ip, address), l->address.port,
	    kinds[l->kind].name, related);
}

static bool
parse_endpoint(const char *ip, unsigned port, struct endpoint *e)
{
	e->port = (uint16_t)port;
	return port != 0 && port <= UINT16_MAX && ip_parse(ip, &e->ip) &&
	    !ip_is_unspecified(&e->ip) && !ip_is_multicast(&e->ip) &&
	    (e->ip.family != IP_V4 ||
		(!ip_is_link_local(&e->ip) && !ip_is_broadcast(&e->ip)));
}

static bool
parse_kind(const char *name, enum iceless_kind *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0) {
			*kind = (enum iceless_kind)i;
			return true;
		}
	return false;
}

bool
iceless_line_parse(const char *line, struct iceless_candidate *r)
{
	char transport[8], ip[64], kind[8], base_ip[64];
	unsigned component, priority, port, base_port;
	int used = 0, all = 0;

	memset(r, 0, sizeof(*r));
	if (sscanf(line, "candidate:%*s %u %7s %u %63s %u typ %7s%n",
		&component, transport, &priority, ip, &port, kind,
		&used) != 6 ||
	    component != 1 || strcmp(transport, "udp") != 0 ||
	    !parse_kind(kind, &r->kind) ||
	    !parse_endpoint(ip, port, &r->address))
		return false;
	r->base = r->address;
	if (r->kind == ICELESS_HOST)
		return line[used] == '\0';
	return sscanf(line + used, " raddr %63s rport %u%n", base_ip,
		   &base_port, &all) == 2 &&
	    line[used + all] == '\0' &&
	    parse_endpoint(base_ip, base_port, &r->base) &&
	    (r->kind == ICELESS_RELAY ||
		r->base.ip.family == r->address.ip.family);
}
