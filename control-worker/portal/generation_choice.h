/*
 * Which generation of the protocol a portal is spoken to in, when that is to be
 * found out: the newest, and an older one where that is not known or refused.
 *
 * Older logins tell the token in the URL, which proxies log. So one answer that
 * there is no such path, which may be that of a proxy or of a portal that is
 * being replaced, does not turn to them: it takes two in a row, some time
 * apart. What has worked is used again until it works no more; the newest comes
 * first again at the attempts after a while, which doubles each time in vain,
 * and is worth the end of a connection after a day.
 *
 * A status by which portals refuse one login, but not an older one, says so
 * only of one that has not worked: else who sends it may be a proxy, for a
 * while, and by an older login the gateway would be another one, for other
 * clients. Neither does one end for it whose gateways did.
 */
#ifndef CONTROL_WORKER_PORTAL_GENERATION_CHOICE_H
#define CONTROL_WORKER_PORTAL_GENERATION_CHOICE_H

#include <stdbool.h>

#include "common/time.h"
#include "control-worker/portal/generation.h"

#define GENERATION_CONFIRM_MS    5000 /* from the first to the second */
#define GENERATION_AGAIN_MS      (INT64_C(10) * 60 * 1000)
#define GENERATION_INTERRUPTS_MS (INT64_C(24) * 60 * 60 * 1000)

struct generation_choice {
	bool automatic;
	const struct generation *chosen;
	unsigned failed; /* since the last join: bits by number */
	/* When the newest was first absent; never: it was not the last time. */
	struct mono absent_at;
	bool
	    is_older; /* it was absent twice, and none of it has worked since */
	const struct generation *worked; /* the last time; NULL: none has */
	struct mono newest_again; /* is to be tried, where one is */
	struct mono interrupts;   /* what is open, for the newest */
	int64_t pause_ms;         /* until newest_again, the next time */
};

enum choice_result {
	CHOICE_STAYS,  /* with what will be tried again later */
	CHOICE_DOUBTS, /* the same, in GENERATION_CONFIRM_MS or later */
	CHOICE_TURNS,  /* to another, which is to be tried now */
	CHOICE_ENDS,   /* the login is refused for good */
};

/* The number of the only one, or 0: to be found out. */
void choice_init(struct generation_choice *, unsigned number);
/* The portal has answered the attempt with this status of HTTP; 0: it has not.
 */
enum choice_result choice_failed(
    struct generation_choice *, struct mono now, int status);
/*
 * What the operator is told beside the status of a failed attempt that will be
 * repeated, "" or from "; " on.
 */
const char *choice_advice(
    const struct generation_choice *, enum choice_result, int status);
void choice_joined(struct generation_choice *);
/* When an open connection is to end for the newest; never: not now. */
struct mono choice_deadline(const struct generation_choice *);
/* Before each attempt: chooses the newest, and says so, if its time has come.
 */
bool choice_renew(struct generation_choice *, struct mono now);

#endif /* CONTROL_WORKER_PORTAL_GENERATION_CHOICE_H */
