/* A worker's share of the log: see log_budget.h. */
#include "common/log_budget.h"

#define ESCAPED 6 /* bytes of one that does not print, in the worst case */

enum share {
	SHARE_ERRORS,
	SHARE_WARNINGS,
	SHARE_INFO,
	SHARE_DETAILS,
};

static enum share
level_share(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return SHARE_ERRORS;
	case LOG_LEVEL_WARN:
		return SHARE_WARNINGS;
	case LOG_LEVEL_INFO:
		return SHARE_INFO;
	default:
		return SHARE_DETAILS;
	}
}

static size_t
line_cost(const unsigned char *text, size_t len)
{
	size_t cost = LOG_BUDGET_LINE_COST;

	for (size_t i = 0; i < len; i++)
		cost += text[i] >= 0x20 && text[i] < 0x7f ? 1 : ESCAPED;
	return cost;
}

bool
log_budget_take(struct log_budget *b, struct mono now, enum log_level level,
    bool verbose, const void *text, size_t len)
{
	const enum share share = level_share(level);
	const int64_t rate =
	    LOG_BUDGET_PER_S * (verbose ? LOG_BUDGET_VERBOSE : 1);
	const int64_t burst = LOG_BUDGET_BURST *
	    (verbose || share == SHARE_DETAILS ? LOG_BUDGET_VERBOSE : 1);
	const int64_t ns_per_byte = 1000000000 / rate;
	struct mono full = mono_add_ns(mono_max(b->full[share], now),
	    (int64_t)line_cost(text, len) * ns_per_byte);

	if (mono_before(mono_add_ns(now, burst * ns_per_byte), full)) {
		b->dropped++;
		return false;
	}
	b->full[share] = full;
	return true;
}
