/* What the parent gives up when its workers are ready. */
#ifndef PARENT_SANDBOX_PARENT_H
#define PARENT_SANDBOX_PARENT_H

#include "common/sandbox.h"

/*
 * Cuts the capabilities to those of design section 1, as far as they are held,
 * and loads the filter. Logs the locks; fatal() on what must hold.
 */
void parent_confine(void);

extern const struct sandbox_profile parent_profile;

#endif /* PARENT_SANDBOX_PARENT_H */
