/* The steps of sandbox_enter(), one file each. */
#ifndef COMMON_SANDBOX_INTERNAL_H
#define COMMON_SANDBOX_INTERNAL_H

#include "common/sandbox.h"

/* A root of its own: SANDBOX_ROOT, SANDBOX_CHROOT or 0. */
unsigned sandbox_change_root(const struct sandbox_profile *);

/*
 * Landlock: no files but those below the root the profile keeps, no TCP but
 * the ports it names, no signals and abstract sockets outside. rooted says
 * that the profile's root is "/" by now. SANDBOX_LANDLOCK, or 0 where the
 * kernel has none.
 */
unsigned sandbox_landlock(const struct sandbox_profile *, bool rooted);

#endif /* COMMON_SANDBOX_INTERNAL_H */
