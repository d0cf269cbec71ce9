/*
 * The directory where control-worker keeps flow logs, which becomes its root
 * (posternd(8), FILES). Made before privileges are cut; what is in it is
 * control-worker's alone.
 */
#ifndef PARENT_SPOOL_H
#define PARENT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define STATE_DIR "/var/lib/firezone"
#define SPOOL_MAX 256 /* bytes of its path, with its terminator */
#define STATE_DIR_MAX (SPOOL_MAX - (int)sizeof("/flow_logs"))

/* An absolute path, and not too long. */
bool spool_may_be_in(const char *state_dir);
/*
 * Makes flow_logs below the state directory, for that user; (uid_t)-1 is
 * ourselves. Without it flow logs are off: then path is the empty text, and one
 * warning says why.
 */
void spool_make(const char *state_dir, uid_t, char path[SPOOL_MAX]);

#endif /* PARENT_SPOOL_H */
