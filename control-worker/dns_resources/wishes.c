/* The table of assignments on their way: see wishes.h. */
#include "control-worker/dns_resources/wishes.h"

#include <stdlib.h>
#include <string.h>

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
	TAILQ_INIT(&ws->resolved);
	TAILQ_INIT(&ws->kept);
	for (size_t i = 0; i <= ASSIGNMENTS_OF_CLIENT; i++)
		TAILQ_INIT(&ws->turns[i]);
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

bool
wishes_have_room_to_keep(const struct wishes *ws, const struct uuid *client)
{
	const struct wisher *of = find_wisher(ws, client);
	size_t count = of == NULL ? 0 : of->kept_count;

	return count < ASSIGNMENTS_KEPT_OF_CLIENT &&
	    share_allows(count, ASSIGNMENTS_KEPT_MAX - ws->kept_count,
		ASSIGNMENTS_KEPT_LEFT);
}

bool
wishes_keep_some(const struct wishes *ws, const struct uuid *client)
{
	const struct wisher *of = find_wisher(ws, client);

	return of != NULL && of->kept_count > 0;
}

static struct wisher *
find_or_add_wisher(struct wishes *ws, const struct uuid *client)
{
	struct wisher *of = find_wisher(ws, client);

	if (of != NULL || (of = calloc(1, sizeof(*of))) == NULL)
		return of;
	of->client = *client;
	TAILQ_INIT(&of->kept);
	RB_INSERT(wisher_tree, &ws->wishers, of);
	return of;
}

/* What it has has changed: its turn comes with others that have as many. */
static void
place_wisher(struct wishes *ws, struct wisher *of)
{
	struct wisher_list *to =
	    of->kept_count == 0 ? NULL : &ws->turns[of->count];

	if (of->turns != to && of->turns != NULL)
		TAILQ_REMOVE(of->turns, of, turn);
	if (of->turns != to && to != NULL)
		TAILQ_INSERT_TAIL(to, of, turn);
	of->turns = to;
	if (of->count > 0 || of->kept_count > 0)
		return;
	RB_REMOVE(wisher_tree, &ws->wishers, of);
	free(of);
}

static void
count_wish_in(struct wishes *ws, struct wish *w)
{
	struct wisher *of = w->wisher;

	if (w->step == STEP_KEPT) {
		TAILQ_INSERT_TAIL(&of->kept, w, entry);
		TAILQ_INSERT_TAIL(&ws->kept, w, kept);
		of->kept_count++;
		ws->kept_count++;
	} else {
		of->count++;
		ws->count++;
	}
}

/* place_wisher() is to follow. */
static void
count_wish_out(struct wishes *ws, struct wish *w)
{
	struct wisher *of = w->wisher;

	if (w->step == STEP_KEPT) {
		TAILQ_REMOVE(&of->kept, w, entry);
		TAILQ_REMOVE(&ws->kept, w, kept);
		of->kept_count--;
		ws->kept_count--;
	} else {
		of->count--;
		ws->count--;
	}
}

struct wish *
wishes_add(struct wishes *ws, enum step step, const struct assigned_ips *ips)
{
	struct wish *w = calloc(1, sizeof(*w));

	if (w == NULL ||
	    (w->wisher = find_or_add_wisher(ws, &ips->names.client)) == NULL) {
		free(w);
		return NULL;
	}
	w->ips = *ips;
	w->serial = ++ws->serial;
	w->step = step;
	RB_INSERT(wish_tree, &ws->by_serial, w);
	count_wish_in(ws, w);
	place_wisher(ws, w->wisher);
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

struct wish *
wishes_next_kept(const struct wishes *ws)
{
	const struct wisher *of = NULL;
	size_t count = 0;

	/* Who has most of what is allowed may not have more. */
	for (; of == NULL && count < ASSIGNMENTS_OF_CLIENT; count++)
		of = TAILQ_FIRST(&ws->turns[count]);
	if (of == NULL || !wishes_have_room(ws, &of->client))
		return NULL;
	return TAILQ_FIRST(&of->kept);
}

void
wishes_ask(struct wishes *ws, struct wish *w)
{
	count_wish_out(ws, w);
	w->step = STEP_ASKED;
	count_wish_in(ws, w);
	place_wisher(ws, w->wisher);
}

void
wishes_wait(struct wishes *ws, struct wish *w)
{
	w->step = STEP_WAITING;
	TAILQ_INSERT_TAIL(&ws->waiting, w, entry);
}

void
wishes_resolve(struct wishes *ws, struct wish *w)
{
	TAILQ_REMOVE(&ws->waiting, w, entry);
	w->step = STEP_RESOLVING;
}

bool
wishes_hold_result(
    struct wishes *ws, struct wish *w, const struct lookup_result *result)
{
	if ((w->result = malloc(sizeof(*result))) == NULL)
		return false;
	memcpy(w->result, result, sizeof(*result));
	w->step = STEP_RESOLVED;
	TAILQ_INSERT_TAIL(&ws->resolved, w, entry);
	return true;
}

void
wishes_remove(struct wishes *ws, struct wish *w)
{
	if (w->step == STEP_WAITING)
		TAILQ_REMOVE(&ws->waiting, w, entry);
	if (w->step == STEP_RESOLVED)
		TAILQ_REMOVE(&ws->resolved, w, entry);
	RB_REMOVE(wish_tree, &ws->by_serial, w);
	count_wish_out(ws, w);
	place_wisher(ws, w->wisher);
	free(w->result);
	free(w);
}
