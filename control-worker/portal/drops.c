/* Messages that are dropped: see drops.h. */
#include "control-worker/portal/drops.h"

#include "control-worker/portal/generation.h"

enum portal_drop
drops_wrong(
    struct drops *d, struct mono now, const char *event, const char *what)
{
	uint32_t held;

	if (log_allow(&d->log_limit, now.ns, &held))
		log_warnx("portal: message %s was dropped: %s (%u more before)",
		    event, what, held);
	return PORTAL_DROP_WRONG;
}

enum portal_drop
drops_unknown(struct drops *d, struct mono now, const struct generation *g,
    const char *event)
{
	int foreign = generation_foreign(g, event);

	if (foreign == -1) {
		(void)drops_wrong(d, now, event, "unknown");
		return PORTAL_DROP_UNKNOWN;
	}
	/* Once is enough: such a portal says it again and again. */
	if ((d->foreign_told & 1u << foreign) == 0)
		log_warnx("portal: message %s is not one of generation %u: "
			  "such messages are dropped",
		    event, g->number);
	d->foreign_told |= 1u << foreign;
	return PORTAL_DROP_FOREIGN;
}
