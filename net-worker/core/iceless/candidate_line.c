/* Candidate lines without ICE: see candidate_line.h. */
#include "net-worker/core/iceless/candidate_line.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/buffer.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)

struct line_kind {
	const char *name;
	uint8_t hashed;
	uint32_t priority;
};

/* To the peer, who sees them from outside, all reflexive ones are alike. */
static const struct line_kind line_kinds[] = {
	[CANDIDATE_HOST] = { "host", 0, 2130706431 },
	[CANDIDATE_PEER_REFLEXIVE] = { "srflx", 1, 1694498815 },
	[CANDIDATE_SERVER_REFLEXIVE] = { "srflx", 1, 1694498815 },
	[CANDIDATE_RELAYED] = { "relay", 2, 16777215 },
};

/* FNV-1a. */
static uint64_t
hash_bytes(uint64_t hash, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

static uint64_t
hash_endpoint(uint64_t hash, const struct endpoint *e)
{
	uint8_t port[2];

	store_be16(port, e->port);
	hash = hash_bytes(hash, e->ip.bytes, ip_size(&e->ip));
	return hash_bytes(hash, port, sizeof(port));
}

const char *
iceless_candidate_format(
    const struct candidate *candidate, char to[CANDIDATE_LINE_MAX])
{
	const struct line_kind *kind = &line_kinds[candidate->kind];
	const struct endpoint *base = candidate->kind == CANDIDATE_RELAYED
	    ? &candidate->via
	    : &candidate->base;
	uint64_t foundation = hash_endpoint(
	    hash_bytes(FNV_OFFSET, &kind->hashed, 1), &candidate->address);
	char address[ENDPOINT_TEXT_MAX], related[ENDPOINT_TEXT_MAX],
	    extension[ENDPOINT_TEXT_MAX + 32] = "";

	if (candidate->kind != CANDIDATE_HOST) {
		foundation = hash_endpoint(foundation, base);
		snprintf(extension, sizeof(extension), " raddr %s rport %u",
		    ip_format(&base->ip, related), base->port);
	}
	snprintf(to, CANDIDATE_LINE_MAX,
	    "candidate:%" PRIu64 " 1 udp %" PRIu32 " %s %u typ %s%s",
	    foundation, kind->priority,
	    ip_format(&candidate->address.ip, address), candidate->address.port,
	    kind->name, extension);
	return to;
}

bool
iceless_candidate_parse(const char *line, struct candidate *candidate)
{
	const struct endpoint *related = &candidate->related;

	if (candidate_parse(line, NULL, candidate) != CANDIDATE_OK ||
	    !candidate_address_ok(&candidate->address))
		return false;
	switch (candidate->kind) {
	case CANDIDATE_HOST:
		candidate->related = (struct endpoint){ 0 };
		return true;
	case CANDIDATE_SERVER_REFLEXIVE:
		return related->ip.family == candidate->address.ip.family;
	case CANDIDATE_RELAYED:
		return related->ip.family != IP_NONE;
	case CANDIDATE_PEER_REFLEXIVE:
		break;
	}
	return false;
}
