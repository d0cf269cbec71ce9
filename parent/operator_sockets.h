/*
 * What the parent opens so that operators can look in, and hands to the
 * workers: the counter page, memory for names and the listeners for health and
 * for posternctl.
 * Without a listener the daemon works all the same.
 */
#ifndef PARENT_OPERATOR_SOCKETS_H
#define PARENT_OPERATOR_SOCKETS_H

#include <stddef.h>
#include <sys/types.h>

#include "parent/options.h"

#define CTL_GROUP "postern" /* may use posternctl, where it exists */

struct operator_sockets {
	int counters;         /* to be written by net-worker */
	int counters_to_read; /* the same page, read-only */
	int names;            /* what control-worker keeps; -1: nothing */
	int health;           /* TCP; -1: none */
	int ctl;              /* -1: none */
	int ctl_folder;       /* that the socket lies in */
	const char *ctl_name; /* in the folder */
	uid_t ctl_uid;        /* who may use it, beside root */
	gid_t ctl_gid;
};

#define OPERATOR_SOCKETS_CLOSED \
	((struct operator_sockets){ -1, -1, -1, -1, -1, -1, NULL, 0, 0 })

/*
 * -1 with why when there is no counter page, or no memory; the rest is warned
 * about. The listener for health is made in the name of control-worker's user.
 */
int operator_sockets_open(struct operator_sockets *, const struct options *,
    uid_t control_uid, char *why, size_t why_size);
/* Takes the socket out of its folder. */
void operator_sockets_close(struct operator_sockets *);

#endif /* PARENT_OPERATOR_SOCKETS_H */
