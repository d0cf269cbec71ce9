/*
 * The attributions of the authorizations that have been seen last, for the log;
 * bounded, and the oldest goes first.
 */
#ifndef CONTROL_WORKER_FLOW_ATTRIBUTION_H
#define CONTROL_WORKER_FLOW_ATTRIBUTION_H

#include "common/uuid.h"
#include "control-worker/flow/token.h"

#define ATTRIBUTIONS_MAX 4096

struct attributions;

struct attributions *attributions_new(void);   /* NULL without memory */
void attributions_free(struct attributions *); /* NULL is fine */
/* Without memory it is forgotten. */
void attributions_put(struct attributions *, const struct flow_token *);
/* NULL: not known. */
const char *attributions_get(const struct attributions *, const struct uuid *);

#endif /* CONTROL_WORKER_FLOW_ATTRIBUTION_H */
