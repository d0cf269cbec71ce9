/*
 * ICE candidates that wait until the portal can take them: while it is away,
 * and while more is queued for it than it takes. An addition and a withdrawal
 * of the same candidate cancel each other, or the last one counts where they
 * name it differently. firezone-portal(7), Portal outage.
 */
#ifndef CONTROL_WORKER_PORTAL_CANDIDATES_H
#define CONTROL_WORKER_PORTAL_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/uuid.h"

#define HELD_CLIENTS_MAX 8192
#define HELD_LINES_MAX   64 /* of one client, either way */
#define HELD_LINE_MAX    512

struct candidates;

struct candidates *candidates_new(void);
void candidates_free(struct candidates *);

/* Holds lines that end in '\n'; false when there is no room for all of them. */
bool candidates_hold(struct candidates *, const struct uuid *client,
    bool withdrawn, const char *lines);
void candidates_forget(struct candidates *, const struct uuid *client);
void candidates_clear(struct candidates *);
bool candidates_holds(const struct candidates *, const struct uuid *client);

/*
 * Takes one client's lines, either the added or the withdrawn ones, in the
 * form they were given; the caller frees them. A client that waits() is true
 * of is put aside until it is released. NULL when nothing else is held.
 */
char *candidates_take(struct candidates *, struct uuid *client, bool *withdrawn,
    bool (*waits)(const void *ctx, const struct uuid *client), const void *ctx);
/* It does not wait any more. */
void candidates_release(struct candidates *, const struct uuid *client);

#endif /* CONTROL_WORKER_PORTAL_CANDIDATES_H */
