/* The decisions about answers: see upload_rules.h. */
#include "control-worker/flow/upload_rules.h"

#include <string.h>

enum upload_action
upload_classify(int status)
{
	switch (status) {
	case 413:
		return UPLOAD_SPLIT;
	case 429:
		return UPLOAD_LATER;
	case 408:
		return UPLOAD_RETRY;
	case 301:
	case 302:
	case 307:
	case 308:
		return UPLOAD_REDIRECT;
	default:
		if (status >= 200 && status <= 299)
			return UPLOAD_STORED;
		return status >= 500 && status <= 599 ? UPLOAD_RETRY
						      : UPLOAD_KEEP;
	}
}

int64_t
upload_later_ms(const char *text)
{
	int64_t ms = 0;

	if (text == NULL || *text == '\0' ||
	    strspn(text, "0123456789") != strlen(text))
		return UPLOAD_LATER_DEFAULT_MS;
	for (; *text != '\0' && ms < UPLOAD_LATER_MAX_MS; text++)
		ms = ms * 10 + (*text - '0') * 1000;
	if (ms < UPLOAD_LATER_MIN_MS)
		return UPLOAD_LATER_MIN_MS;
	return ms < UPLOAD_LATER_MAX_MS ? ms : UPLOAD_LATER_MAX_MS;
}

void
upload_backoff_init(struct upload_backoff *b)
{
	*b = (struct upload_backoff){ .base_ms = UPLOAD_BACKOFF_BASE_MS };
}

void
upload_backoff_again(struct upload_backoff *b)
{
	b->base_ms = UPLOAD_BACKOFF_BASE_MS;
}

int64_t
upload_backoff_next(struct upload_backoff *b, uint32_t random)
{
	/* From half of the base to one and a half of it. */
	int64_t delay = b->base_ms / 2 + (b->base_ms * (int64_t)random >> 32);
	int64_t grown = b->base_ms * 3 / 2;

	if (delay > UPLOAD_BACKOFF_BUDGET_MS - b->spent_ms)
		return -1;
	b->spent_ms += delay;
	b->base_ms =
	    grown < UPLOAD_BACKOFF_CAP_MS ? grown : UPLOAD_BACKOFF_CAP_MS;
	return delay;
}

void
upload_ranges_init(struct upload_ranges *r, size_t count)
{
	r->depth = 0;
	if (count > 0)
		r->stack[r->depth++] = (struct upload_range){ 0, count };
}

bool
upload_ranges_next(struct upload_ranges *r, struct upload_range *next)
{
	if (r->depth == 0)
		return false;
	*next = r->stack[--r->depth];
	return true;
}

bool
upload_ranges_split(struct upload_ranges *r, const struct upload_range *whole)
{
	size_t half = whole->count / 2;

	if (half == 0 || r->depth + 2 > UPLOAD_RANGES_MAX)
		return false;
	r->stack[r->depth++] =
	    (struct upload_range){ whole->first + half, whole->count - half };
	r->stack[r->depth++] = (struct upload_range){ whole->first, half };
	return true;
}
