/*
 * The portal's references of authorizations that net-worker has not answered
 * yet, by the serial under which they were handed to it. Bounded: the oldest
 * is forgotten, since the portal's clients stop waiting after 15 s.
 */
#ifndef CONTROL_WORKER_PORTAL_REFS_H
#define CONTROL_WORKER_PORTAL_REFS_H

#include <stdbool.h>
#include <stdint.h>

#define REFS_MAX     2048
#define REF_TEXT_MAX 4096

struct refs {
	uint64_t next_serial;
	char *text[REFS_MAX]; /* at serial % REFS_MAX */
	const char *reply[REFS_MAX];
	uint64_t serial[REFS_MAX];
};

/*
 * Keeps a copy, and the event that is to be said when net-worker has answered,
 * a constant; the serial, or 0 without memory.
 */
uint64_t refs_keep(struct refs *, const char *text, const char *reply);
/* Takes the reference out, to be freed by the caller; NULL when unknown. */
char *refs_take(struct refs *, uint64_t serial, const char **reply);
void refs_clear(struct refs *);

#endif /* CONTROL_WORKER_PORTAL_REFS_H */
