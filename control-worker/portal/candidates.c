/* Candidates held for later: see candidates.h. */
#include "control-worker/portal/candidates.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/tree.h>

struct line {
	TAILQ_ENTRY(line) entry;
	bool withdrawn;
	char text[];
};

struct held {
	RB_ENTRY(held) entry;
	TAILQ_ENTRY(held) due; /* unless it is put aside */
	bool aside;
	struct uuid client;
	TAILQ_HEAD(, line) lines;
	size_t count;
};

RB_HEAD(held_tree, held);

struct candidates {
	struct held_tree clients;
	TAILQ_HEAD(, held) due; /* to be taken, the first that came first */
	size_t count;
};

static int
held_compare(const struct held *a, const struct held *b)
{
	return uuid_compare(&a->client, &b->client);
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#define __unused __attribute__((__unused__))
RB_GENERATE_STATIC(held_tree, held, entry, held_compare)

struct candidates *
candidates_new(void)
{
	struct candidates *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	RB_INIT(&c->clients);
	TAILQ_INIT(&c->due);
	return c;
}

static void
line_remove(struct held *h, struct line *l)
{
	TAILQ_REMOVE(&h->lines, l, entry);
	h->count--;
	free(l);
}

static void
held_free(struct candidates *c, struct held *h)
{
	struct line *l;

	while ((l = TAILQ_FIRST(&h->lines)) != NULL)
		line_remove(h, l);
	RB_REMOVE(held_tree, &c->clients, h);
	if (!h->aside)
		TAILQ_REMOVE(&c->due, h, due);
	c->count--;
	free(h);
}

void
candidates_clear(struct candidates *c)
{
	struct held *h;

	while ((h = RB_ROOT(&c->clients)) != NULL)
		held_free(c, h);
}

void
candidates_free(struct candidates *c)
{
	if (c == NULL)
		return;
	candidates_clear(c);
	free(c);
}

static struct held *
find_held(const struct candidates *c, const struct uuid *client)
{
	struct held key = { .client = *client };

	/* The macros do not know const, but a search changes nothing. */
	return RB_FIND(
	    held_tree, (struct held_tree *)(uintptr_t)&c->clients, &key);
}

static struct held *
find_or_add_held(struct candidates *c, const struct uuid *client)
{
	struct held *h = find_held(c, client);

	if (h != NULL || c->count >= HELD_CLIENTS_MAX ||
	    (h = calloc(1, sizeof(*h))) == NULL)
		return h;
	h->client = *client;
	TAILQ_INIT(&h->lines);
	RB_INSERT(held_tree, &c->clients, h);
	TAILQ_INSERT_TAIL(&c->due, h, due);
	c->count++;
	return h;
}

/* What a withdrawal matches by: address, kind and raddr. */
static const char *
identity_of(const char *line, size_t *len)
{
	static const char fragment[] = " ufrag ";
	const char *from = line, *end = line + *len, *at;

	for (int field = 0; field < 4 && from != NULL; field++)
		if ((from = memchr(from, ' ', (size_t)(end - from))) != NULL)
			from++;
	if (from == NULL)
		return line;
	at = memmem(from, (size_t)(end - from), fragment, strlen(fragment));
	*len = (size_t)((at == NULL ? end : at) - from);
	return from;
}

static bool
same_candidate(const char *a, size_t a_len, const char *b, size_t b_len)
{
	a = identity_of(a, &a_len);
	b = identity_of(b, &b_len);
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/*
 * One of the other kind that says otherwise of the same candidate: what comes
 * last counts, in whatever order the two kinds are told.
 */
static void
drop_outdated(struct held *h, bool withdrawn, const char *text, size_t len)
{
	struct line *l, *next;

	TAILQ_FOREACH_SAFE(l, &h->lines, entry, next)
		if (l->withdrawn != withdrawn &&
		    same_candidate(l->text, strlen(l->text), text, len))
			line_remove(h, l);
}

static bool
hold_line(struct held *h, bool withdrawn, const char *text, size_t len)
{
	struct line *l;

	TAILQ_FOREACH(l, &h->lines, entry) {
		if (strlen(l->text) != len || memcmp(l->text, text, len) != 0)
			continue;
		if (l->withdrawn != withdrawn)
			line_remove(h, l);
		return true;
	}
	drop_outdated(h, withdrawn, text, len);
	if (len > HELD_LINE_MAX || h->count >= HELD_LINES_MAX ||
	    (l = malloc(sizeof(*l) + len + 1)) == NULL)
		return false;
	l->withdrawn = withdrawn;
	memcpy(l->text, text, len);
	l->text[len] = '\0';
	TAILQ_INSERT_TAIL(&h->lines, l, entry);
	h->count++;
	return true;
}

bool
candidates_hold(struct candidates *c, const struct uuid *client, bool withdrawn,
    const char *lines)
{
	struct held *h = find_or_add_held(c, client);
	bool complete = true;

	if (h == NULL)
		return false;
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");

		if (len > 0 && !hold_line(h, withdrawn, lines, len))
			complete = false;
		lines += len;
		lines += *lines == '\n';
	}
	if (h->count == 0)
		held_free(c, h);
	return complete;
}

void
candidates_forget(struct candidates *c, const struct uuid *client)
{
	struct held *h = find_held(c, client);

	if (h != NULL)
		held_free(c, h);
}

bool
candidates_holds(const struct candidates *c, const struct uuid *client)
{
	return find_held(c, client) != NULL;
}

/* Moves the lines of one kind out, as one text. */
static char *
take_lines(struct held *h, bool withdrawn)
{
	char *text = calloc(HELD_LINES_MAX, HELD_LINE_MAX + 2), *at = text;
	struct line *l, *next;

	if (text == NULL)
		return NULL;
	TAILQ_FOREACH_SAFE(l, &h->lines, entry, next) {
		size_t len = strlen(l->text);

		if (l->withdrawn != withdrawn)
			continue;
		memcpy(at, l->text, len);
		at[len] = '\n';
		at += len + 1;
		line_remove(h, l);
	}
	return text;
}

char *
candidates_take(struct candidates *c, struct uuid *client, bool *withdrawn,
    bool (*waits)(const void *ctx, const struct uuid *client), const void *ctx)
{
	struct held *h;
	char *text;

	while ((h = TAILQ_FIRST(&c->due)) != NULL && waits(ctx, &h->client)) {
		TAILQ_REMOVE(&c->due, h, due);
		h->aside = true;
	}
	if (h == NULL)
		return NULL;
	*client = h->client;
	*withdrawn = TAILQ_FIRST(&h->lines)->withdrawn;
	text = take_lines(h, *withdrawn);
	if (h->count == 0)
		held_free(c, h);
	return text;
}

void
candidates_release(struct candidates *c, const struct uuid *client)
{
	struct held *h = find_held(c, client);

	if (h == NULL || !h->aside)
		return;
	h->aside = false;
	TAILQ_INSERT_TAIL(&c->due, h, due);
}
