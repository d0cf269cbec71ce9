/* Bases that the peer is led away from: see left_bases.h. */
#include "net-worker/core/ice/left_bases.h"

#define LEAVE_S 30
/*
 * A peer that has given up the path has to hear of our candidates anew, so they
 * are withdrawn for a moment.
 */
#define AGAIN_LEAVE_S 1
#define AGAIN_MIN_S   120
#define AGAIN_MAX_S   1920

static bool
base_is_free(const struct left_base *b)
{
	return b->base.ip.family == IP_NONE;
}

static struct left_base *
find_left_base(const struct left_bases *lb, const struct endpoint *base)
{
	for (size_t i = 0; i < LEFT_BASES_MAX; i++)
		if (endpoint_equal(&lb->list[i].base, base))
			return (struct left_base *)&lb->list[i];
	return NULL;
}

/* Its place, or a new one; of those that only wait the longest gives way. */
static struct left_base *
make_left_base(struct left_bases *lb, const struct endpoint *base)
{
	struct left_base *b = find_left_base(lb, base), *other;

	if (b != NULL)
		return b;
	for (size_t i = 0; i < LEFT_BASES_MAX; i++) {
		other = &lb->list[i];
		if (base_is_free(other)) {
			b = other;
			break;
		}
		if (!other->left && !other->told &&
		    (b == NULL || other->gap_s > b->gap_s))
			b = other;
	}
	if (b != NULL)
		*b = (struct left_base){ .base = *base, .gap_s = AGAIN_MIN_S };
	return b;
}

bool
left_bases_have(const struct left_bases *lb, const struct endpoint *base)
{
	const struct left_base *b = find_left_base(lb, base);

	return b != NULL && b->left;
}

void
left_bases_leave(
    struct left_bases *lb, struct mono now, const struct endpoint *base)
{
	struct left_base *b = make_left_base(lb, base);

	if (b == NULL)
		return;
	b->left = true;
	b->until = mono_add_s(now, LEAVE_S);
}

void
left_bases_undo(struct left_bases *lb)
{
	for (size_t i = 0; i < LEFT_BASES_MAX; i++)
		if (lb->list[i].left && !lb->list[i].told)
			lb->list[i] = (struct left_base){ 0 };
}

/* The next time is later. */
static void
await_next_time(struct left_base *b, struct mono now)
{
	b->until = mono_add_s(now, b->gap_s);
	if (b->gap_s < AGAIN_MAX_S)
		b->gap_s *= 2;
}

void
left_bases_await(
    struct left_bases *lb, struct mono now, const struct endpoint *base)
{
	struct left_base *b;

	if (find_left_base(lb, base) == NULL &&
	    (b = make_left_base(lb, base)) != NULL)
		await_next_time(b, now);
}

void
left_bases_forget(struct left_bases *lb, const struct endpoint *base)
{
	struct left_base *b = find_left_base(lb, base);

	if (b == NULL || b->left)
		return;
	/* The peer has yet to be told that it is offered. */
	if (b->told)
		b->until = MONO_NEVER;
	else
		*b = (struct left_base){ 0 };
}

struct mono
left_bases_deadline(const struct left_bases *lb)
{
	struct mono deadline = MONO_NEVER;

	for (size_t i = 0; i < LEFT_BASES_MAX; i++)
		if (!base_is_free(&lb->list[i]))
			deadline = mono_min(deadline, lb->list[i].until);
	return deadline;
}

bool
left_bases_try(struct left_bases *lb, struct mono now,
    const struct endpoint *in_use, struct endpoint *base)
{
	for (size_t i = 0; i < LEFT_BASES_MAX; i++) {
		struct left_base *b = &lb->list[i];

		if (base_is_free(b) || !mono_due(b->until, now))
			continue;
		if (b->left) {
			b->left = false;
			await_next_time(b, now);
			*base = b->base;
			return true;
		}
		if (in_use == NULL || endpoint_equal(in_use, &b->base)) {
			await_next_time(b, now);
			continue;
		}
		b->left = true;
		b->until = mono_add_s(now, AGAIN_LEAVE_S);
	}
	return false;
}

bool
left_bases_event(struct left_bases *lb, struct endpoint *base, bool *withdrawn)
{
	for (size_t i = 0; i < LEFT_BASES_MAX; i++) {
		struct left_base *b = &lb->list[i];

		if (b->left == b->told)
			continue;
		b->told = b->left;
		*base = b->base;
		*withdrawn = b->told;
		if (!b->left && mono_is_never(b->until))
			*b = (struct left_base){ 0 };
		return true;
	}
	return false;
}
