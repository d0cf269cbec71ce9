/* ICE candidates, their priorities and their text: see candidate.h. */
#include "net-worker/core/ice/candidate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	enum candidate_kind kind;
	uint32_t type_preference;
	int first_local_preference;
} kinds[] = {
	{ "host", CANDIDATE_HOST, 126, 65535 },
	{ "prflx", CANDIDATE_PEER_REFLEXIVE, 110, 49151 },
	{ "srflx", CANDIDATE_SERVER_REFLEXIVE, 100, 32767 },
	{ "relay", CANDIDATE_RELAYED, 2, 16383 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
/*
 * Keeps relayed traffic in one address family (firezone-tunnel(7), Candidate
 * priorities).
 */
#define CROSS_FAMILY 1000

static size_t
kind_index(enum candidate_kind kind)
{
	size_t i = 0;

	while (i < KINDS - 1 && kinds[i].kind != kind)
		i++;
	return i;
}

bool
candidate_address_ok(const struct endpoint *address)
{
	const struct ip_address *ip = &address->ip;

	if (ip->family == IP_NONE || address->port == 0)
		return false;
	if (ip_is_unspecified(ip) || ip_is_multicast(ip))
		return false;
	return ip->family != IP_V4 ||
	    !(ip_is_link_local(ip) || ip_is_broadcast(ip));
}

uint16_t
candidate_local_preference(enum candidate_kind kind, enum ip_family address,
    enum ip_family via, unsigned added_before)
{
	int64_t preference = kinds[kind_index(kind)].first_local_preference;

	if (address == IP_V4)
		preference--;
	if (kind == CANDIDATE_RELAYED && via != IP_NONE && via != address)
		preference -= CROSS_FAMILY;
	preference -= 2 * (int64_t)added_before;
	return preference < 0 ? 0 : (uint16_t)preference;
}

uint32_t
candidate_priority(enum candidate_kind kind, uint16_t local_preference)
{
	/* 256 minus the component, which is 1. */
	return kinds[kind_index(kind)].type_preference << 24 |
	    (uint32_t)local_preference << 8 | 255;
}

const char *
candidate_format(const struct candidate *candidate, const char *ufrag,
    char to[CANDIDATE_LINE_MAX])
{
	char address[ENDPOINT_TEXT_MAX];
	const char *related = "";

	/* The real base is nobody's business; its place has to be filled. */
	if (candidate->kind == CANDIDATE_SERVER_REFLEXIVE ||
	    candidate->kind == CANDIDATE_RELAYED)
		related = candidate->address.ip.family == IP_V6
		    ? " raddr :: rport 0"
		    : " raddr 0.0.0.0 rport 0";
	/*
	 * The peer makes no use of the foundation. The priority is one that
	 * differs between candidates and tells nothing about their base.
	 */
	snprintf(to, CANDIDATE_LINE_MAX,
	    "candidate:%08" PRIx32 " 1 udp %" PRIu32 " %s %u typ %s%s%s%s",
	    candidate->priority, candidate->priority,
	    ip_format(&candidate->address.ip, address), candidate->address.port,
	    kinds[kind_index(candidate->kind)].name, related,
	    ufrag == NULL ? "" : " ufrag ", ufrag == NULL ? "" : ufrag);
	return to;
}

/* The next word of a line that is consumed on the way, or NULL. */
static char *
next_candidate_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " \t\r\n\v\f");
	while (word != NULL && *word == '\0');
	return word;
}

static bool
next_number(char **rest, uint32_t max, uint32_t *to)
{
	const char *word = next_candidate_word(rest), *error = NULL;

	if (word == NULL)
		return false;
	*to = (uint32_t)strtonum(word, 0, max, &error);
	return error == NULL;
}

static bool
next_ip(char **rest, struct ip_address *to)
{
	const char *word = next_candidate_word(rest);

	return word != NULL && ip_parse(word, to);
}

static bool
next_transport(char **rest, bool *udp)
{
	static const char *const others[] = { "tcp", "ssltcp", "tls" };
	const char *word = next_candidate_word(rest);

	if (word == NULL)
		return false;
	*udp = strcasecmp(word, "udp") == 0;
	if (*udp)
		return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcasecmp(word, others[i]) == 0)
			return true;
	return false;
}

static bool
next_kind(char **rest, enum candidate_kind *to)
{
	const char *word = next_candidate_word(rest);

	if (word == NULL || strcmp(word, "typ") != 0)
		return false;
	word = next_candidate_word(rest);
	for (size_t i = 0; word != NULL && i < KINDS; i++) {
		if (strcmp(word, kinds[i].name) == 0) {
			*to = kinds[i].kind;
			return true;
		}
	}
	return false;
}

/* What follows the kind: pairs of key and value in any order. */
static bool
parse_extensions(char *rest, struct endpoint *related, const char **ufrag)
{
	struct ip_address raddr = { 0 };
	bool have_rport = false;
	uint32_t rport = 0;
	const char *key;

	while ((key = next_candidate_word(&rest)) != NULL) {
		if (strcmp(key, "raddr") == 0) {
			if (!next_ip(&rest, &raddr))
				return false;
		} else if (strcmp(key, "rport") == 0) {
			if (!next_number(&rest, UINT16_MAX, &rport))
				return false;
			have_rport = true;
		} else {
			const char *value = next_candidate_word(&rest);

			if (value == NULL)
				return false;
			if (strcmp(key, "ufrag") == 0)
				*ufrag = value;
		}
	}
	if (raddr.family != IP_NONE && have_rport)
		*related = (struct endpoint){ raddr, (uint16_t)rport };
	return true;
}

enum candidate_parse_result
candidate_parse(
    const char *line, const char *ufrag, struct candidate *candidate)
{
	static const char prefix[] = "candidate:";
	char copy[CANDIDATE_LINE_MAX];
	char *rest = copy;
	const char *foundation, *named = NULL;
	uint32_t component, port;
	bool udp;

	memset(candidate, 0, sizeof(*candidate));
	if (strlcpy(copy, line, sizeof(copy)) >= sizeof(copy))
		return CANDIDATE_MALFORMED;
	foundation = strsep(&rest, " \t\r\n\v\f");
	if (strncmp(foundation, prefix, strlen(prefix)) != 0 ||
	    foundation[strlen(prefix)] == '\0')
		return CANDIDATE_MALFORMED;
	if (!next_number(&rest, UINT16_MAX, &component) ||
	    !next_transport(&rest, &udp) ||
	    !next_number(&rest, UINT32_MAX, &candidate->priority) ||
	    !next_ip(&rest, &candidate->address.ip) ||
	    !next_number(&rest, UINT16_MAX, &port) ||
	    !next_kind(&rest, &candidate->kind) ||
	    !parse_extensions(rest, &candidate->related, &named))
		return CANDIDATE_MALFORMED;
	candidate->address.port = (uint16_t)port;
	if (component != 1 || !udp ||
	    (named != NULL && ufrag != NULL && strcmp(named, ufrag) != 0))
		return CANDIDATE_NOT_FOR_US;
	return CANDIDATE_OK;
}
