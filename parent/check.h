/* What a start takes beyond the options, and --check looks at. */
#ifndef PARENT_CHECK_H
#define PARENT_CHECK_H

#include <sys/types.h>

#include "parent/options.h"
#include "parent/problems.h"

/* The users of the workers, and what is read at start. */
#define NET_USER     "_posternnet"
#define CONTROL_USER "_posternctl"
#define RESOLV_CONF  "/etc/resolv.conf"
#define HOSTS        "/etc/hosts"

/*
 * The ids of a worker's user and of its group. False, with why, when a worker
 * cannot be that user, because there is none, or it is root.
 */
bool find_worker_user(
    const char *name, uid_t *uid, gid_t *gid, char *why, size_t why_size);
/*
 * The same of both workers, who must not be the same user. False when something
 * was added.
 */
bool find_worker_users(uid_t *net, uid_t *control, struct problems *);
/* That we may set up the network, unless --no-check; likewise. */
bool check_privileges(const struct options *, struct problems *);

/*
 * Adds what would keep us from starting with these options: token, users,
 * files, the kernel. Changes nothing, but takes the token and wipes it.
 */
void check_start(struct options *, struct problems *);

#endif /* PARENT_CHECK_H */
