/*
 * The reports of one authorization in its directory, and what is remembered of
 * them so that no file is read to know which there are. They lie in segments
 * (segment.h); a directory that was filled before there were any has files of
 * one report each (record.h), which are read and removed like the others.
 *
 * A new segment is begun when the last one is large enough, when a pass of the
 * uploader finds it a block long, by each new process and after a failure:
 * nothing is written behind what may have been torn. It goes with the last
 * report in it that is of any use.
 *
 * dir is a descriptor of the directory, in which nobody else writes.
 */
#ifndef CONTROL_WORKER_FLOW_REPORTS_H
#define CONTROL_WORKER_FLOW_REPORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "control-worker/flow/record.h"

/* What is taken of the disk, and asked of for a file however small. */
#define SPOOL_BLOCK 4096
/* Kept for the end of each flow whose start is here. */
#define REPORTS_END_ROOM 1024

typedef char spool_name[FLOW_NAME_MAX];

struct reports;

/* NULL without memory. */
struct reports *reports_load(int dir);
void reports_free(struct reports *); /* NULL is fine */

/*
 * Blocks that the files take, and with those that ends are kept room in;
 * reports_dir_blocks() counts the files without loading anything.
 */
size_t reports_disk_blocks(const struct reports *);
size_t reports_blocks(const struct reports *);
size_t reports_dir_blocks(int dir);
/* Lines and files that were found damaged since the last call. */
size_t reports_damaged(struct reports *);

enum reports_known {
	REPORTS_NEW,
	REPORTS_STARTED, /* the end of a flow whose start is here */
	REPORTS_KNOWN,   /* told before, or what makes it needless */
};

enum reports_known reports_known(const struct reports *, const char *name);
/* How many blocks a report of that size would take, beyond those held. */
size_t reports_need(const struct reports *, size_t len);
/*
 * One that is not known; the end of a flow takes the place of its start. False
 * with errno when it cannot be written.
 */
bool reports_put(struct reports *, int dir, const char *name,
    const char *payload, size_t len);

/* The names in the order of age, to be freed; NULL: none, or no memory. */
spool_name *reports_names(struct reports *, size_t *count);
/*
 * The payload, which is terminated; 0 when it cannot be read. One that is not
 * what was written is removed.
 */
size_t reports_get(
    struct reports *, int dir, const char *name, char to[FLOW_PAYLOAD_MAX + 1]);
/* Those that are still as they are named. */
void reports_remove(
    struct reports *, int dir, const spool_name *names, size_t count);

#endif /* CONTROL_WORKER_FLOW_REPORTS_H */
