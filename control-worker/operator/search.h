/*
 * The one client that an operator means by a word. All clients are looked at,
 * one after the other; the first of these rules that fits any of them decides
 * who is meant:
 *
 *	1. The word is the id, or a tunnel address.
 *	2. It is the user's e-mail address.
 *	3. It is the user's name. Then those are meant, too, whose id or
 *	   e-mail address begins with it.
 *	4. The id, the e-mail address or the name begins with it.
 *
 * Users choose their names, and may choose the id or the e-mail address of
 * another, or how these begin. That is why a name never goes before those.
 */
#ifndef CONTROL_WORKER_OPERATOR_SEARCH_H
#define CONTROL_WORKER_OPERATOR_SEARCH_H

#include "common/ipc.h"
#include "control-worker/directory/directory.h"

#define SEARCH_SHOWN_MAX 8 /* for the operator to choose from */

struct matches {
	size_t count;
	struct uuid id[SEARCH_SHOWN_MAX]; /* the first ones */
	struct ipc_query_client first;
};

struct search {
	const char *wanted;
	struct matches exact;  /* by 1 */
	struct matches email;  /* by 2 */
	struct matches called; /* by 3, if is_name */
	struct matches begin;  /* by 4 */
	bool is_name;          /* the word is somebody's name */
};

/* Looks at one more client. */
void search_look(
    struct search *, const struct directory *, const struct ipc_query_client *);
/* Which clients are meant: one, several or none. */
const struct matches *search_result(const struct search *);

#endif /* CONTROL_WORKER_OPERATOR_SEARCH_H */
