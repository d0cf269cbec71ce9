/*
 * Keeps what the tunnel needs of the host's network as it was set up: device,
 * addresses, routes, rules and forwarding switches. Whoever removes it finds it
 * put back; whoever does so again and again is left the field for a while, and
 * the gateway is not ready meanwhile.
 */
#ifndef PARENT_UPKEEP_H
#define PARENT_UPKEEP_H

#include "common/time.h"
#include "parent/netlink.h"
#include "parent/quarrel.h"
#include "parent/trouble.h"

/*
 * Of a mending, for quarrel.h: less than that of a rule in a chain, since an
 * administrator takes several steps.
 */
#define UPKEEP_WEIGHT 2
/* What failed is tried again, unless it is to be left alone. */
#define UPKEEP_AGAIN_MS 1000
/* As far apart are lines of the log about it, beyond the first few. */
#define UPKEEP_LINE_MS   60000
#define UPKEEP_LINES_MAX 10

/* Lines that may be written, and when there is one more. */
struct upkeep_lines {
	unsigned left;
	struct mono next;
};

struct upkeep {
	struct network *network;
	struct quarrel quarrel;
	struct mono again; /* what failed; MONO_NEVER: nothing */
	struct upkeep_lines mendings, failures;
	char failure[TROUBLE_TEXT_MAX]; /* as it was last said */
};

void upkeep_init(struct upkeep *, struct network *, struct mono now);
/* What is wrong, in the sense of trouble.h. */
struct upkeep_troubles {
	char routing[TROUBLE_TEXT_MAX];
	char settings[TROUBLE_TEXT_MAX];
};

/*
 * Looks, and puts back what is missing; says what is wrong then, unless it is
 * to be left alone, when the troubles stay as they were. -1 when the device is
 * gone: only a new start helps.
 */
int upkeep_look(struct upkeep *, struct mono now, struct upkeep_troubles *);
/* When to look in any case. */
struct mono upkeep_deadline(const struct upkeep *);

#endif /* PARENT_UPKEEP_H */
