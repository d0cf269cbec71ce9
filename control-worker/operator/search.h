/*
 * The one client that an operator means: by its id or the beginning of that, by
 * the e-mail address or the name of who uses it or the beginning of those, or
 * by a tunnel address. All clients are looked at, one after the other.
 *
 * People choose what they are called, which may be just how another is named by
 * its id or its e-mail address, or how these begin. So an id or a tunnel
 * address goes before all else, then a whole e-mail address; a name never goes
 * before the beginning of an id or an e-mail address, but before that of a
 * name. Where several clients match alike, they are all meant.
 */
#ifndef CONTROL_WORKER_OPERATOR_SEARCH_H
#define CONTROL_WORKER_OPERATOR_SEARCH_H

#include "common/ipc.h"
#include "control-worker/directory/directory.h"

#define SEARCH_SHOWN_MAX 8 /* of those that match, to choose from */

struct matches {
	size_t count;
	struct uuid id[SEARCH_SHOWN_MAX]; /* the first ones */
	struct ipc_query_client first;
};

struct search {
	const char *wanted;
	struct matches exact;  /* id or tunnel address */
	struct matches email;  /* all of it */
	struct matches called; /* all of the name, or an id or e-mail begins */
	struct matches begin;  /* likewise, or the name begins */
	bool is_name;          /* of called, one is by its name */
};

void search_look(
    struct search *, const struct directory *, const struct ipc_query_client *);
/* One, or several, or none. */
const struct matches *search_result(const struct search *);

#endif /* CONTROL_WORKER_OPERATOR_SEARCH_H */
