/*
 * Who uses what: bytes and packets of each client and of each resource, as
 * series of /metrics. Of both there are only so many with a series of their
 * own; what the rest moved is summed as "other", so that the series together
 * are always all that was forwarded.
 *
 * Net-worker is asked for all clients and resources, page by page, when they
 * are to be shown, but no more than once a second however often that is.
 *
 * Series are told by id. What an id is called stands in a metric of its own, as
 * names change, and are learnt late, and a series must not become another.
 */
#ifndef CONTROL_WORKER_OPERATOR_TRAFFIC_H
#define CONTROL_WORKER_OPERATOR_TRAFFIC_H

#include <stdbool.h>

#include "common/counters.h"
#include "common/ipc.h"
#include "common/time.h"
#include "control-worker/directory/directory.h"
#include "control-worker/net/text.h"

/* Of each kind. 127 of both are some 130 KiB of text. */
#define TRAFFIC_SERIES_MAX     (METERS - 1)
#define TRAFFIC_SERIES_DEFAULT 50
/* Who has moved nothing for so long gives its series to one that has none. */
#define TRAFFIC_IDLE_S 600

/* The figures are fresh for so long, and the answers awaited. */
#define TRAFFIC_FRESH_MS  1000
#define TRAFFIC_ANSWER_MS 3000

/* Serials of our queries have this bit, others have not. */
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
 * True: they are fresh, or cannot be had; else done() will be called, from
 * traffic_query_end().
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

/* The series of a metric. */
void traffic_write(struct traffic *, struct text *, const char *metric,
    enum traffic_kind, enum traffic_unit);

bool traffic_has_names(const struct traffic *);
/* What those with a series are called, as far as that is known. */
void traffic_write_names(const struct traffic *, struct text *,
    const char *metric, enum traffic_kind);

#endif /* CONTROL_WORKER_OPERATOR_TRAFFIC_H */
