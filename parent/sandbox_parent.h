/* What the parent gives up when its workers are ready. */
#ifndef PARENT_SANDBOX_PARENT_H
#define PARENT_SANDBOX_PARENT_H

#include "common/sandbox.h"

/* Room for all rules. */
#define PARENT_RULES_MAX 256

/*
 * The list of system calls: the parent's own, and the workers', because a
 * worker that is made again inherits the parent's filter, below its own.
 * Returns how many there are.
 */
size_t parent_rules(const struct sandbox_profile *const workers[], size_t count,
    struct sandbox_rule to[PARENT_RULES_MAX]);

/*
 * Cuts the capabilities to those of posternd(8), as far as they are held,
 * and loads the filter. Logs the locks and returns them (enum sandbox_lock);
 * fatal() on what must hold.
 */
unsigned parent_confine(
    const struct sandbox_profile *const workers[], size_t count);

#endif /* PARENT_SANDBOX_PARENT_H */
