/* Candidate lines of a peer, and that what we print can be read back. */
#include "net-worker/core/ice/candidate.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

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
	free(line);
}
