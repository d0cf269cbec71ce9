/*
 * What is wrong with the network set-up of the host at this moment. Whoever
 * looks after a part of it tells what he found, as often as he likes; together
 * it is the reason for not being ready. The log is theirs, too.
 */
#ifndef PARENT_TROUBLE_H
#define PARENT_TROUBLE_H

#include <stdbool.h>

#include "common/bounds.h"

#define TROUBLE_TEXT_MAX 250 /* of one source, with its end */
#define TROUBLES_MAX     (TROUBLES_TEXT_MAX + 1) /* of all together */

enum trouble_source {
	TROUBLE_ROUTING,  /* device, addresses, routes, rules */
	TROUBLE_SETTINGS, /* sysctls */
	TROUBLE_FILTERS,  /* chains of other programs */
	TROUBLE_SOURCES,
};

struct troubles {
	char text[TROUBLE_SOURCES][TROUBLE_TEXT_MAX];
};

/*
 * What is wrong there, in one sentence without an end mark and without control
 * characters; empty: nothing. Returns whether that is news.
 */
bool trouble_set(struct troubles *, enum trouble_source, const char *text);
bool trouble_is_there(const struct troubles *);
/* All of it as one text; empty when there is none. Returns it. */
const char *trouble_describe(const struct troubles *, char to[TROUBLES_MAX]);

#endif /* PARENT_TROUBLE_H */
