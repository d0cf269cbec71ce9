/*
 * Which generation of the protocol a portal is spoken to in, when that is to be
 * found out: the newest, and an older one where that is not known or refused.
 * What has worked is used again, until a day has passed or it works no more.
 */
#ifndef CONTROL_WORKER_PORTAL_GENERATION_CHOICE_H
#define CONTROL_WORKER_PORTAL_GENERATION_CHOICE_H

#include <stdbool.h>

#include "common/time.h"
#include "control-worker/portal/generation.h"

#define GENERATION_AGAIN_MS (INT64_C(24) * 60 * 60 * 1000)

struct generation_choice {
	bool automatic;
	const struct generation *chosen;
	unsigned failed; /* since the last join: bits by number */
	struct mono newest_again;
};

enum choice_result {
	CHOICE_STAYS, /* with what will be tried again later */
	CHOICE_TURNS, /* to another, which is to be tried now */
	CHOICE_ENDS,  /* the login is refused for good */
};

/* The number of the only one, or 0: to be found out. */
void choice_init(struct generation_choice *, unsigned number);
/* The portal has answered the attempt with this status of HTTP; 0: it has not.
 */
enum choice_result choice_failed(
    struct generation_choice *, struct mono now, int status);
void choice_joined(struct generation_choice *);
/* When the newest is worth another attempt; never: not now. */
struct mono choice_deadline(const struct generation_choice *);
/* Chooses the newest when its time has come. */
void choice_renew(struct generation_choice *, struct mono now);

#endif /* CONTROL_WORKER_PORTAL_GENERATION_CHOICE_H */
