/*
 * Candidate lines of a peer, with ICE and without, and that what we print can
 * be read back.
 */
#include "net-worker/core/ice/candidate.h"
#include "net-worker/core/iceless/candidate_line.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void
line_without_ice(const char *line)
{
	char printed[CANDIDATE_LINE_MAX];
	struct candidate c, again;

	if (!iceless_candidate_parse(line, &c))
		return;
	must(c.kind != CANDIDATE_PEER_REFLEXIVE);
	must(candidate_address_ok(&c.address));
	must(c.kind == CANDIDATE_HOST || c.related.ip.family != IP_NONE);
	c.base = c.via = c.related;
	iceless_candidate_format(&c, printed);
	must(strlen(printed) < sizeof(printed) - 1);
	must(iceless_candidate_parse(printed, &again));
	must(again.kind == c.kind);
	must(endpoint_equal(&again.address, &c.address));
	must(endpoint_equal(&again.related, &c.related));
}

void
fuzz_one(struct cursor *in)
{
	char *line = pick_text(in), printed[CANDIDATE_LINE_MAX];
	struct candidate c, again;

	if (candidate_parse(line, "clie", &c) == CANDIDATE_OK) {
		must(c.kind >= CANDIDATE_HOST && c.kind <= CANDIDATE_RELAYED);
		must(c.address.ip.family != IP_NONE);
		(void)candidate_address_ok(&c.address);
		c.base = c.address;
		candidate_format(&c, "clie", printed);
		must(strlen(printed) < sizeof(printed));
		must(candidate_parse(printed, "clie", &again) == CANDIDATE_OK);
		must(again.kind == c.kind && again.priority == c.priority);
		must(endpoint_equal(&again.address, &c.address));
		must(candidate_parse(printed, "other", &again) ==
		    CANDIDATE_NOT_FOR_US);
	}
	line_without_ice(line);
	free(line);
}
