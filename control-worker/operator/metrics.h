/* The situation and the counter page as Prometheus text, version 0.0.4. */
#ifndef CONTROL_WORKER_OPERATOR_METRICS_H
#define CONTROL_WORKER_OPERATOR_METRICS_H

#include "control-worker/operator/situation.h"
#include "control-worker/net/text.h"

/* Label values come from fixed lists: nobody outside can add a series. */
void metrics_write(struct text *, const struct situation *);

#endif /* CONTROL_WORKER_OPERATOR_METRICS_H */
