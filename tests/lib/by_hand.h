/*
 * The data plane with all its threads played by one: each in its turn, until
 * none has anything left to do. What comes in lands at each of them in turn,
 * as if the kernel steered nothing. How many lanes there are may be chosen by
 * POSTERN_TEST_LANES; a test that does not care has one.
 */
#ifndef TESTS_LIB_BY_HAND_H
#define TESTS_LIB_BY_HAND_H

#include <stdlib.h>

#include "net-worker/dataplane/dataplane.h"

static inline unsigned
by_hand_lanes(void)
{
	const char *lanes = getenv("POSTERN_TEST_LANES");

	return lanes == NULL ? 1 : (unsigned)atoi(lanes);
}

/* Nobody sleeps. */
static inline void
by_hand_wake(void *ctx, unsigned thread)
{
	(void)ctx;
	(void)thread;
}

static inline void
by_hand_set_time(struct dataplane *d, struct mono now)
{
	dataplane_set_time(d, now);
	for (unsigned i = 0; i < by_hand_lanes(); i++)
		lane_set_time(dataplane_lane(d, i), now);
}

static inline void
by_hand_settle(struct dataplane *d)
{
	bool quiet;

	do {
		quiet = true;
		dataplane_settle(d);
		for (unsigned i = 0; i < by_hand_lanes(); i++) {
			while (lane_strays(dataplane_lane(d, i)))
				continue;
			lane_settle(dataplane_lane(d, i));
		}
		for (unsigned i = 0; i < by_hand_lanes(); i++)
			quiet = lane_lies_down(dataplane_lane(d, i)) && quiet;
		quiet = dataplane_lies_down(d) && quiet;
	} while (!quiet);
}

static inline void
by_hand_datagram(
    struct dataplane *d, const struct arrival *a, uint8_t *data, size_t len)
{
	static unsigned thread;
	unsigned lanes = by_hand_lanes();

	thread = lanes == 1 ? 0 : (thread + 1) % (lanes + 1);
	if (thread < lanes)
		lane_datagram(dataplane_lane(d, thread), a, data, len);
	else
		(void)dataplane_datagram(d, a, data, len);
	by_hand_settle(d);
}

static inline void
by_hand_packet(struct dataplane *d, uint8_t *packet, size_t len)
{
	static unsigned lane;

	lane = (lane + 1) % by_hand_lanes();
	lane_packet(dataplane_lane(d, lane), packet, len);
	by_hand_settle(d);
}

static inline void
by_hand_timeout(struct dataplane *d)
{
	dataplane_timeout(d);
	for (unsigned i = 0; i < by_hand_lanes(); i++)
		lane_timeout(dataplane_lane(d, i));
}

static inline struct mono
by_hand_deadline(struct dataplane *d)
{
	struct mono next = dataplane_deadline(d);

	for (unsigned i = 0; i < by_hand_lanes(); i++)
		next = mono_min(next, lane_deadline(dataplane_lane(d, i)));
	return next;
}

#endif /* TESTS_LIB_BY_HAND_H */
