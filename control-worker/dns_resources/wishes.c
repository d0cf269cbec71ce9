/* The table of assignments on their way: see wishes.h. */
#include "control-worker/dns_resources/wishes.h"

#include <stdlib.h>

#include "common/share.h"

static int
compare_wishes(const struct wish *a, const struct wish *b)
{
	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

static int
compare_wishers(const struct wisher *a, const struct wisher *b)
{
	return uuid_compare(&a->client, &b->client);
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#define __unused __attribute__((__unused__))
RB_GENERATE_STATIC(wish_tree, wish, by_serial, compare_wishes)
RB_GENERATE_STATIC(wisher_tree, wisher, entry, compare_wishers)

void
wishes_init(struct wishes *ws)
{
	*ws = (struct wishes){ .count = 0 };
	RB_INIT(&ws->by_serial);
	RB_INIT(&ws->wishers);
	TAILQ_INIT(&ws->waiting);
}

static struct wisher *
find_wisher(const struct wishes *ws, const struct uuid *client)
{
	struct wisher key = { .client = *client };

	/* The macros do not know const, but a search changes nothing. */
	return RB_FIND(
	    wisher_tree, (struct wisher_tree *)(uintptr_t)&ws->wishers, &key);
}

bool
wishes_have_room(const struct wishes *ws, const struct uuid *client)
{
	const struct wisher *of = find_wisher(ws, client);
	size_t count = of == NULL ? 0 : of->count;

	return count < ASSIGNMENTS_OF_CLIENT &&
	    share_allows(count, ASSIGNMENTS_MAX - ws->count, ASSIGNMENTS_LEFT);
}

static struct wisher *
find_or_add_wisher(struct wishes *ws, const struct uuid *client)
{
	struct wisher *of = find_wisher(ws, client);

	if (of != NULL || (of = calloc(1, sizeof(*of))) == NULL)
		return of;
	of->client = *client;
	RB_INSERT(wisher_tree, &ws->wishers, of);
	return of;
}

struct wish *
wishes_add(struct wishes *ws, const struct assigned_ips *ips)
{
	struct wish *w = calloc(1, sizeof(*w));

	if (w == NULL ||
	    (w->wisher = find_or_add_wisher(ws, &ips->names.client)) == NULL) {
		free(w);
		return NULL;
	}
	w->ips = *ips;
	w->serial = ++ws->serial;
	w->step = STEP_ASKED;
	RB_INSERT(wish_tree, &ws->by_serial, w);
	w->wisher->count++;
	ws->count++;
	return w;
}

struct wish *
wishes_find(const struct wishes *ws, uint64_t serial)
{
	struct wish key = { .serial = serial };

	return RB_FIND(
	    wish_tree, (struct wish_tree *)(uintptr_t)&ws->by_serial, &key);
}

struct wish *
wishes_oldest(const struct wishes *ws)
{
	return RB_MIN(wish_tree, (struct wish_tree *)(uintptr_t)&ws->by_serial);
}

void
wishes_wait(struct wishes *ws, struct wish *w)
{
	w->step = STEP_WAITING;
	TAILQ_INSERT_TAIL(&ws->waiting, w, waiting);
}

void
wishes_resolve(struct wishes *ws, struct wish *w)
{
	TAILQ_REMOVE(&ws->waiting, w, waiting);
	w->step = STEP_RESOLVING;
}

void
wishes_remove(struct wishes *ws, struct wish *w)
{
	struct wisher *of = w->wisher;

	if (w->step == STEP_WAITING)
		TAILQ_REMOVE(&ws->waiting, w, waiting);
	RB_REMOVE(wish_tree, &ws->by_serial, w);
	ws->count--;
	free(w);
	if (--of->count > 0)
		return;
	RB_REMOVE(wisher_tree, &ws->wishers, of);
	free(of);
}
