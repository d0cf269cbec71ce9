/* The host's clock against the portal's: see portal_clock.h. */
#include "control-worker/net/portal_clock.h"

#include <stdlib.h>

#include "common/log.h"

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static void
tell_difference(struct portal_clock *c)
{
	if (portal_clock_is_off(c))
		log_warnx("the host's clock is %.1f s %s the portal's: grants "
			  "end so much too %s; set it, or see to its time "
			  "server",
		    (double)llabs(c->ahead_ms) / 1e3,
		    c->ahead_ms > 0 ? "ahead of" : "behind",
		    c->ahead_ms > 0 ? "early" : "late");
	else if (c->told)
		log_info("the host's clock agrees with the portal's again");
	c->told = portal_clock_is_off(c);
	c->told_ms = c->ahead_ms;
}

static void
note_reading(struct portal_clock *c, const struct clock_reading *now)
{
	c->ahead_ms =
	    (now->wall.ns - now->mono.ns - c->behind_of_ns) / NS_PER_MS;
}

void
portal_clock_compare(struct portal_clock *c, const struct portal_date *d)
{
	const int64_t took = d->answered.mono.ns - d->asked.mono.ns;

	c->known = d->present && d->date > 0 &&
	    d->date < INT64_MAX / NS_PER_S - 1;
	if (!c->known)
		return;
	/* Date was cut to a second, somewhere on the way there and back. */
	c->doubt_ms = took / 2 / NS_PER_MS;
	c->behind_of_ns = d->date * NS_PER_S + NS_PER_S / 2 -
	    (d->asked.mono.ns + took / 2);
	note_reading(c, &d->answered);
	tell_difference(c);
}

void
portal_clock_look(struct portal_clock *c, const struct clock_reading *now)
{
	if (!c->known)
		return;
	note_reading(c, now);
	if (portal_clock_is_off(c) != c->told ||
	    (c->told && llabs(c->ahead_ms - c->told_ms) > PORTAL_CLOCK_OFF_MS))
		tell_difference(c);
}
