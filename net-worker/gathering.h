/*
 * When a lane's thread that packets have woken had better sleep a little
 * longer, so that more of what comes in one burst is there when it looks. Each
 * turn costs a wake-up, system calls and a way through the kernel for what it
 * sends, which are much the same for one packet and for many.
 *
 * It is tried where turns follow each other closely and bring few packets each,
 * and goes on for as long as turns bring twice as many by it. A packet that
 * comes alone is not kept waiting, nor a stream that fills the turns.
 */
#ifndef NET_WORKER_GATHERING_H
#define NET_WORKER_GATHERING_H

#include <stdbool.h>

#include "common/time.h"

/* For so long: as a burst of some tens of packets takes. */
#define GATHERING_NS 50000
/* What has been gathered already, as a super-packet, counts as so many. */
#define GATHERED 64

/* All zeros is its beginning. Turns are judged by looks at 16 of them. */
struct gathering {
	bool on;
	struct mono began; /* of this look */
	struct mono last;  /* turn */
	unsigned turns, packets;
	unsigned packets_without; /* in the look before it was tried */
	unsigned pause;           /* looks until it may be tried again */
	unsigned next_pause;
};

/* After a turn that brought so many packets. */
void gathering_note(struct gathering *, struct mono now, unsigned packets);

#endif /* NET_WORKER_GATHERING_H */
