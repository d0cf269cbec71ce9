/*
 * The end that an operator has asked for: no new clients, and an end when none
 * is connected any more, or after a time. See DRAIN in ipc.def.
 */
#ifndef COMMON_DRAIN_H
#define COMMON_DRAIN_H

enum drain_order {
	DRAIN_CANCEL,
	DRAIN_BEGIN,
	DRAIN_DONE, /* nobody is connected */
};

/* Seconds. */
#define DRAIN_WITHIN_DEFAULT 3600
#define DRAIN_WITHIN_MAX     604800

#endif /* COMMON_DRAIN_H */
