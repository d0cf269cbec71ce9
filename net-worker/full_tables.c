/* Lines for full tables: see full_tables.h. */
#include "net-worker/full_tables.h"

#include <stddef.h>

static const struct {
	size_t offset; /* of the counter */
	const char *line;
} tables[FULL_TABLES] = {
	{ offsetof(struct shard_counters,
	      refused_outbound[REASON_NAT_EXHAUSTED]),
	    "packets to names found no session of NAT: their client has all "
	    "that it may in use" },
	{ offsetof(struct shard_counters, flows_untracked),
	    "packets belong to no flow that is logged: their client has all "
	    "that it may have, or there are too many in all" },
	{ offsetof(struct shard_counters, control_lost),
	    "control packets were left out: their client sends too many" },
	{ offsetof(struct shard_counters, events_lost),
	    "events of the data path were lost: the machine is too slow" },
};

static uint64_t
refusals_of(const struct counter_page *page, size_t i)
{
	return counter_sum(page->shard, COUNTER_SHARDS, tables[i].offset);
}

void
full_tables_init(struct full_tables *f, const struct counter_page *page)
{
	for (size_t i = 0; i < FULL_TABLES; i++)
		f->said[i] = refusals_of(page, i);
}

void
full_tables_say(
    struct full_tables *f, struct mono now, const struct counter_page *page)
{
	for (size_t i = 0; i < FULL_TABLES; i++) {
		uint64_t count = refusals_of(page, i);
		uint32_t held;

		if (count == f->said[i] ||
		    !log_allow(&f->limit[i], now.ns, &held))
			continue;
		log_warnx("%llu %s",
		    (unsigned long long)(count - f->said[i]), tables[i].line);
		f->said[i] = count;
	}
}
