/*
 * The uploader: passes over the spool that post what is there and remove what
 * the server has taken. firezone-policy(7), Upload.
 */
#ifndef CONTROL_WORKER_FLOW_UPLOAD_H
#define CONTROL_WORKER_FLOW_UPLOAD_H

#include "control-worker/flow/post.h"
#include "control-worker/flow/settings.h"
#include "control-worker/flow/spool.h"

struct upload;

/* Takes the poster over; the spool is not ours. NULL without memory. */
struct upload *upload_new(uv_loop_t *, struct poster *, struct spool *);

/* A pass at once, then one each interval; or none any more. */
void upload_configure(struct upload *, const struct flow_settings *);
/* Reports that the server has taken. */
uint64_t upload_stored(const struct upload *);
/*
 * One last pass, in which nothing is tried twice; done is called from the loop,
 * perhaps before this returns.
 */
void upload_flush(struct upload *, void (*done)(void *ctx), void *ctx);

#endif /* CONTROL_WORKER_FLOW_UPLOAD_H */
