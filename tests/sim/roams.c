/*
 * How long a device that talks has no answer after it, or the NAT before it,
 * has got another address, its direct path has died, it has been authorized in
 * the other mode, or a relay is lost: of that not all is over with the first
 * answer, and it is watched for a while. It is timed where nothing else is the
 * matter: it could talk before, it still could, and nothing disturbs it
 * meanwhile. Without ICE its connection has to outlive that, but for another
 * mode; with ICE there is another one.
 */
#include <string.h>

#include "tests/sim/sim.h"

#define TALKS_MS    1000 /* at least so often */
#define ANSWERED_MS 3000
#define ASKED_MS    1000 /* until it is authorized; before, others may come */
#define WATCH_MS    100000

static const char *const names[ROAM_KINDS] = {
	"a move",
	"a move without ICE",
	"another address of its NAT",
	"another address of its NAT, without ICE",
	"the death of a path",
	"the death of a path, without ICE",
	"the end of ICE",
	"the return of ICE",
	"the loss of a relay",
	"the loss of a relay, without ICE",
};

/*
 * A relay that knows the device by its former address does not tell it so, but
 * when it refreshes its allocation. Clients before 1.5.6 take no candidates
 * that came late: they find out for themselves that a path is dead. Those
 * without ICE that send to an address of the gateway's NAT that nobody was told
 * of cannot be led away from there: they leave it with their next re-key.
 */
static const int64_t bound_ms[ROAM_KINDS] = { 30000, 5000, 310000, 310000,
	20000, 150000, 15000, 15000, 5000, 4000 };

#define DIED_MS 8000 /* where the device is led away */

static struct roam {
	bool timed;
	unsigned kind;
	struct mono since;
	uint32_t number;    /* of the last packet before that */
	struct mono heard;  /* the last answer */
	int64_t longest_ms; /* without one */
} roams[DEVICES];

void
roams_begin(void)
{
	memset(roams, 0, sizeof(roams));
}

static int64_t
bound_of(unsigned d)
{
	bool led = device_is_iceless(d) ? !network_has_nat(GATEWAY)
					: device_trickles(d);

	return roams[d].kind / 2 == ROAM_DIED && led ? DIED_MS
						     : bound_ms[roams[d].kind];
}

static bool
is_well(unsigned d)
{
	struct mono since;

	return traffic_talks(d, &since) && traffic_interval_ms(d) <= TALKS_MS &&
	    network_is_clean() && check_could_connect(d);
}

void
roam_starts(unsigned d, enum roam_cause cause)
{
	roams[d].timed = is_well(d) && check_is_settled() &&
	    (cause == ROAM_REBOUND || !check_is_excused(d)) &&
	    device_has_session(d) &&
	    mono_ms_between(traffic_answered(d), world.now) < ANSWERED_MS;
	roams[d].since = roams[d].heard = world.now;
	roams[d].number = traffic_number(d);
	roams[d].longest_ms = 0;
	roams[d].kind = 2 * (unsigned)cause + device_is_iceless(d);
}

static bool
is_watched(const struct roam *r)
{
	return r->kind / 2 == ROAM_RELAY;
}

/* Whether it is still to be told; what disturbs it ends the timing. */
static bool
is_timed(unsigned d)
{
	struct roam *r = &roams[d];

	if (world.disturbed.ns != r->since.ns || !is_well(d) ||
	    (is_watched(r) &&
		(!traffic_is_granted(d) ||
		    mono_before(r->since, conn_granted(d)))))
		r->timed = false;
	return r->timed;
}

/* Whether with this answer all is over, which took so long. */
static bool
is_back(struct roam *r, int64_t *ms)
{
	*ms = mono_ms_between(r->heard, world.now);
	if (*ms > r->longest_ms)
		r->longest_ms = *ms;
	if (r->kind / 2 == ROAM_MODE && *ms < ASKED_MS)
		return false;
	if (!is_watched(r))
		return true;
	r->heard = world.now;
	*ms = r->longest_ms;
	return mono_ms_between(r->since, world.now) > WATCH_MS;
}

void
roam_answered(unsigned d, uint32_t number)
{
	struct roam_figures *f = &world.roams[roams[d].kind];
	int64_t ms;

	if (number <= roams[d].number || !is_timed(d) ||
	    !is_back(&roams[d], &ms))
		return;
	roams[d].timed = false;
	f->count++;
	f->sum_ms += ms;
	if (ms > f->slowest_ms)
		f->slowest_ms = ms;
	sim_log("device %u is back %lld ms after %s", d, (long long)ms,
	    names[roams[d].kind]);
}

void
roam_check(unsigned d)
{
	int64_t ms = mono_ms_between(roams[d].heard, world.now);

	if (is_timed(d) && ms > bound_of(d))
		sim_fail("device %u has no answer for %lld s after %s", d,
		    (long long)ms / 1000, names[roams[d].kind]);
}

void
roam_lost(unsigned d, const char *why)
{
	if (is_timed(d) && roams[d].kind % 2 != 0 &&
	    roams[d].kind / 2 != ROAM_MODE)
		sim_fail("device %u loses its connection in %s: %s", d,
		    names[roams[d].kind], why);
}

const char *
roam_name(unsigned kind)
{
	return names[kind];
}
