/* The end that an operator has asked for: see drain.h. */
#include "parent/drain.h"

#include "common/drain.h"

static void
begin_drain(struct drain *d, struct mono now, uint32_t within)
{
	uint32_t held;

	if (within > DRAIN_WITHIN_MAX)
		within = DRAIN_WITHIN_MAX;
	d->on = true;
	d->until = mono_add_s(now, within);
	if (log_allow(&d->lines, now.ns, &held))
		log_info("an operator wants posternd to end when no client is "
			 "connected, or in %u s",
		    within);
}

bool
drain_order(struct drain *d, struct mono now, const struct ipc_drain *m)
{
	uint32_t held;

	switch ((enum drain_order)m->order) {
	case DRAIN_BEGIN:
		begin_drain(d, now, m->within);
		return true;
	case DRAIN_CANCEL:
		if (d->on && log_allow(&d->lines, now.ns, &held))
			log_info("an operator wants posternd to go on");
		d->on = false;
		return true;
	case DRAIN_DONE:
		break;
	}
	if (!d->on)
		return false;
	if (!d->over)
		log_info("ending: no client is connected any more");
	d->over = true;
	return true;
}

struct mono
drain_deadline(const struct drain *d)
{
	return d->on && !d->over ? d->until : MONO_NEVER;
}

void
drain_turn(struct drain *d, struct mono now)
{
	if (!mono_due(drain_deadline(d), now))
		return;
	log_info("ending: the time that an operator gave clients is over");
	d->over = true;
}

uint32_t
drain_left(const struct drain *d, struct mono now)
{
	const int64_t ms = mono_ms_between(now, d->until);

	return ms < 1000 ? 1 : (uint32_t)(ms / 1000);
}

int
drain_hand_over(
    const struct drain *d, struct mono now, struct ipc_channel *control)
{
	struct ipc_control_draining m = { 0 };

	if (!d->on)
		return 0;
	m.left = drain_left(d, now);
	return ipc_send_control_draining(control, &m);
}
