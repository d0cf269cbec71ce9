/*
 * What is to be done about an answer of the server, and when: the decisions,
 * without any I/O: firezone-policy(7), Upload responses.
 */
#ifndef CONTROL_WORKER_FLOW_UPLOAD_RULES_H
#define CONTROL_WORKER_FLOW_UPLOAD_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum upload_action {
	UPLOAD_STORED, /* the server has them: remove */
	UPLOAD_SPLIT,  /* too much at once: halves */
	UPLOAD_LATER,  /* once more when it says so, however often */
	UPLOAD_RETRY, /* once more after a while, as long as that makes sense */
	UPLOAD_REDIRECT, /* once more at its Location */
	UPLOAD_KEEP,     /* not in this pass */
};

/* Of an HTTP status. */
enum upload_action upload_classify(int status);

#define UPLOAD_REDIRECTS_MAX 5 /* in one pass */

#define UPLOAD_LATER_DEFAULT_MS 1000
#define UPLOAD_LATER_MIN_MS     1000 /* or it would keep us busy */
#define UPLOAD_LATER_MAX_MS     3600000
/* Retry-After, of which only whole seconds count; NULL: there is none. */
int64_t upload_later_ms(const char *retry_after);

#define UPLOAD_BACKOFF_BASE_MS   500
#define UPLOAD_BACKOFF_CAP_MS    60000
#define UPLOAD_BACKOFF_BUDGET_MS 300000

struct upload_backoff {
	int64_t base_ms, spent_ms;
};

void upload_backoff_init(struct upload_backoff *);
/* Short delays again, but the same budget. */
void upload_backoff_again(struct upload_backoff *);
/* random is uniform over all values; -1 when the budget is used up. */
int64_t upload_backoff_next(struct upload_backoff *, uint32_t random);

/*
 * The parts of a batch that are still to be sent, first to last. Each half is
 * at most half of what it came from, so the depth is bounded by the size.
 */
struct upload_range {
	size_t first, count;
};

#define UPLOAD_RANGES_MAX 40

struct upload_ranges {
	struct upload_range stack[UPLOAD_RANGES_MAX];
	size_t depth;
};

void upload_ranges_init(struct upload_ranges *, size_t count);
/* The next one; false when all have been sent. */
bool upload_ranges_next(struct upload_ranges *, struct upload_range *);
/* Two halves instead of the one that was too large; false for a single one. */
bool upload_ranges_split(struct upload_ranges *, const struct upload_range *);

#endif /* CONTROL_WORKER_FLOW_UPLOAD_RULES_H */
