/*
 * Who uses what: bytes and packets of each client and of each resource, as
 * series of /metrics. Only so many of them have a series of their own. What the
 * others have moved is summed as "other", so that the series always add up to
 * all that was forwarded.
 *
 * Net-worker is asked for all clients and resources, page by page, when they
 * are to be shown, but not more often than once a second.
 *
 * A series is labelled with an id. What the id is called is said by a metric of
 * its own: names change and are learnt late, and that must not make another
 * series.
 */
#ifndef CONTROL_WORKER_OPERATOR_TRAFFIC_H
#define CONTROL_WORKER_OPERATOR_TRAFFIC_H

#include <stdbool.h>

#include "common/counters.h"
#include "common/ipc.h"
#include "common/time.h"
#include "control-worker/directory/directory.h"
#include "control-worker/net/text.h"

/* Of clients, and of resources. 127 of both are some 130 KiB of text. */
#define TRAFFIC_SERIES_MAX     (METERS - 1)
/* After so long without traffic a series may be given to another. */
#define TRAFFIC_IDLE_S 600

#define TRAFFIC_FRESH_MS  1000 /* figures are shown again for so long */
#define TRAFFIC_ANSWER_MS 3000 /* answers of net-worker are awaited */

/* Set in the serials of these queries, and in no others. */
#define TRAFFIC_SERIAL (UINT64_C(1) << 63)

struct traffic;

struct traffic_config {
	unsigned series; /* 1 to TRAFFIC_SERIES_MAX */
	const struct counter_page *counters;
	const struct directory *names; /* NULL: names are not shown */
	/* Asks net-worker; false when there is none to be asked. */
	bool (*ask)(void *ctx, const struct ipc_query *);
	/* The figures are as fresh as they will be. */
	void (*done)(void *ctx);
	void *ctx;
};

/*
 * NULL without memory; to be given to free(). The bytes until now are not
 * counted.
 */
struct traffic *traffic_new(const struct traffic_config *);

/*
 * True when the figures are fresh, or cannot be had. Otherwise
 * traffic_query_end() will call done().
 */
bool traffic_refresh(struct traffic *, struct mono now);

/* Answers of net-worker; NULL is fine, and those to others are ignored. */
void traffic_client(
    struct traffic *, struct mono now, const struct ipc_query_client *);
void traffic_resource(
    struct traffic *, struct mono now, const struct ipc_query_resource *);
void traffic_query_end(
    struct traffic *, struct mono now, const struct ipc_query_end *);

enum traffic_kind { TRAFFIC_CLIENTS, TRAFFIC_RESOURCES };
enum traffic_unit { TRAFFIC_PACKETS, TRAFFIC_BYTES };

/* Writes all series of a metric. */
void traffic_write(struct traffic *, struct text *, const char *metric,
    enum traffic_kind, enum traffic_unit);

bool traffic_has_names(const struct traffic *);
/* Writes what those with a series are called, as far as that is known. */
void traffic_write_names(const struct traffic *, struct text *,
    const char *metric, enum traffic_kind);

#endif /* CONTROL_WORKER_OPERATOR_TRAFFIC_H */
