/*
 * Draining, which an operator asks for: posternd takes no new clients, and ends
 * when none is connected any more, or after a time at the latest. See DRAIN in
 * ipc.def.
 */
#ifndef COMMON_DRAIN_H
#define COMMON_DRAIN_H

enum drain_order {
	DRAIN_CANCEL,
	DRAIN_BEGIN,
	DRAIN_DONE, /* nobody is connected any more */
};

/* How long it may take, in seconds. */
#define DRAIN_WITHIN_DEFAULT 3600
#define DRAIN_WITHIN_MAX     604800

#endif /* COMMON_DRAIN_H */
