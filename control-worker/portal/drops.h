/*
 * Messages of the portal that are not acted upon, and what the log says of
 * them.
 */
#ifndef CONTROL_WORKER_PORTAL_DROPS_H
#define CONTROL_WORKER_PORTAL_DROPS_H

#include <stdint.h>

#include "common/log.h"
#include "common/time.h"

struct generation;

/* Why; to be counted. */
enum portal_drop {
	PORTAL_DROP_WRONG,
	PORTAL_DROP_UNKNOWN,
	PORTAL_DROP_FOREIGN, /* of another generation */
};

struct drops {
	struct log_limit log_limit;
	uint32_t foreign_told; /* bits of generation_foreign() */
};

enum portal_drop drops_wrong(
    struct drops *, struct mono now, const char *event, const char *what);
/* An event that the generation does not have. */
enum portal_drop drops_unknown(struct drops *, struct mono now,
    const struct generation *, const char *event);

#endif /* CONTROL_WORKER_PORTAL_DROPS_H */
