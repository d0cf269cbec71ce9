/*
 * Lines for tables that were full. The packet path only counts; here the counts
 * are looked at now and then, and what has grown is said, not too often.
 */
#ifndef NET_WORKER_FULL_TABLES_H
#define NET_WORKER_FULL_TABLES_H

#include "common/counters.h"
#include "common/log.h"
#include "common/time.h"

#define FULL_TABLES 4

struct full_tables {
	uint64_t said[FULL_TABLES]; /* the counts */
	struct log_limit limit[FULL_TABLES];
};

/* What was counted so far is not said any more. */
void full_tables_init(struct full_tables *, const struct counter_page *);
void full_tables_say(
    struct full_tables *, struct mono now, const struct counter_page *);

#endif /* NET_WORKER_FULL_TABLES_H */
