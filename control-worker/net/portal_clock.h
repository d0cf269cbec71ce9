/*
 * How far the host's clock is from the portal's, by the Date of the answer to
 * the WebSocket's request. The portal says by its clock when grants end, and we
 * end them by ours.
 *
 * No I/O but the log.
 */
#ifndef CONTROL_WORKER_NET_PORTAL_CLOCK_H
#define CONTROL_WORKER_NET_PORTAL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/wall.h"

/* Below it, it is the granularity of Date and the way of the answer. */
#define PORTAL_CLOCK_OFF_MS 2000

/* What the portal's answer said, and when it was asked and answered. */
struct portal_date {
	bool present;
	int64_t date; /* unix seconds */
	struct clock_reading asked, answered;
};

struct portal_clock {
	bool known;
	int64_t ahead_ms; /* of our clock now; negative: behind */

	int64_t doubt_ms;     /* half of what the answer took */
	int64_t behind_of_ns; /* the portal's unix time less monotonic time */
	bool told;            /* that it is off, */
	int64_t told_ms;      /* by so much */
};

/* A new connection: what is off is logged, even if it was before. */
void portal_clock_compare(struct portal_clock *, const struct portal_date *);
/* Our clock now, which may have been set: a change is logged. */
void portal_clock_look(struct portal_clock *, const struct clock_reading *);

static inline bool
portal_clock_is_off(const struct portal_clock *c)
{
	return c->known &&
	    llabs(c->ahead_ms) - c->doubt_ms > PORTAL_CLOCK_OFF_MS;
}

#endif /* CONTROL_WORKER_NET_PORTAL_CLOCK_H */
