/*
 * The spool: reports on disk until the server has them. For the layout of its
 * directories see firezone-policy(7), Spool; the reports of an authorization
 * lie in files of many: see reports.h.
 *
 * A report is written as soon as it is put, and once only: telling it again
 * changes nothing. Nothing is flushed to the disk here, because the loop that
 * also serves the portal and DNS would stand still meanwhile. What has been put
 * survives the death of any process of ours in any way; a failure of the
 * machine may take the reports of the last half minute with it, and what was
 * left half written by one is known by its checksum and left out.
 *
 * There is a limit to what the spool takes of the disk, beyond which nothing
 * new is accepted; neither it nor a full or broken disk is an error for anybody
 * but the reader of the log.
 */
#ifndef CONTROL_WORKER_FLOW_SPOOL_H
#define CONTROL_WORKER_FLOW_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ipc.h"
#include "common/uuid.h"
#include "control-worker/flow/reports.h"
#include "control-worker/flow/settings.h"
#include "control-worker/flow/token.h"

/*
 * A quarter of a GiB in blocks of SPOOL_BLOCK; each file and each directory has
 * one at least. Half a million reports, of which less than 100 bytes each are
 * kept in memory.
 */
#define SPOOL_BLOCKS_MAX 65536
/*
 * Of which the last of so many equal parts is kept for tokens, and the last of
 * these for tokens and the ends of flows. An authorization may have one in
 * SPOOL_SHARE, and a client with all of its, one in SPOOL_CLIENT_SHARE of what
 * is left by all, so that there is room for one more. With the start of a flow
 * goes room for its end, which is always accepted.
 */
#define SPOOL_TOKENS       16
#define SPOOL_ENDS         8
#define SPOOL_SHARE        2
#define SPOOL_CLIENT_SHARE 1
/* An authorization without a token for so long is one that nobody writes. */
#define SPOOL_ORPHAN_S 60
/*
 * Nor is one that ended so long ago and has no report left: tokens live for a
 * month longer (firezone-portal(7), Ingest token), and would fill the spool
 * meanwhile.
 */
#define SPOOL_ENDED_S 3600
/* A token that cannot be read is none of ours, or torn; after this it goes. */
#define SPOOL_UNREADABLE_S (30 * 86400)

struct spool;

/* The directory of an authorization. */
struct spool_dir {
	enum flow_role role;
	char id[UUID_TEXT_LEN + 1];
};

/* NULL with errno when the directory cannot be used. */
struct spool *spool_open(const char *root, size_t blocks_max);
void spool_close(struct spool *); /* NULL is fine */
/* Blocks that are taken or promised. */
size_t spool_blocks(const struct spool *);
uint64_t spool_dropped(const struct spool *);

/*
 * The token under which an authorization's reports are uploaded: before the
 * first of them.
 */
void spool_put_token(
    struct spool *, const struct flow_token *, const char *jwt);
/*
 * Nothing is written for an authorization that has no token here, nor beyond
 * its share and that of its client. The end of a flow takes the place of its
 * start.
 */
void spool_put_report(struct spool *, const struct ipc_flow *);
/* upload.json; removed when nothing is to be uploaded. */
void spool_put_settings(struct spool *, const struct flow_settings *);
/* False when there are none. */
bool spool_get_settings(struct spool *, struct flow_settings *);

/*
 * The token of an authorization with its terminator; 0 or its length. The other
 * form looks in either role.
 */
size_t spool_get_token(
    struct spool *, const struct spool_dir *, char to[FLOW_TOKEN_MAX + 1]);
size_t spool_find_token(
    struct spool *, const struct uuid *, char to[FLOW_TOKEN_MAX + 1]);

/* The authorizations, in any order, to be freed; NULL: none, or no memory. */
struct spool_dir *spool_dirs(struct spool *, size_t *count);
/*
 * Removes what nobody needs any more: firezone-policy(7), Upload (step 1), and
 * those that ended and are empty. True when it is gone.
 */
bool spool_prune(struct spool *, const struct spool_dir *, uint64_t now);

/*
 * The names of the reports in the order of age, to be freed; a start whose end
 * is there as well is left out.
 */
spool_name *spool_names(
    struct spool *, const struct spool_dir *, size_t *count);
/*
 * The payload of a report. 0 when it cannot be read; one that is not what was
 * written is removed.
 */
size_t spool_get_report(struct spool *, const struct spool_dir *,
    const char *name, char to[FLOW_PAYLOAD_MAX + 1]);
/* What the server has taken. */
void spool_remove(struct spool *, const struct spool_dir *,
    const spool_name *names, size_t count);

#endif /* CONTROL_WORKER_FLOW_SPOOL_H */
