/* Who clients are and what resources are called: see directory.h. */
#include "control-worker/directory/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "common/bounds.h"
#include "control-worker/directory/label.h"

#define PARTS_MAX 6 /* strings of one entry */
/* All of a client's, or of a resource's, each with its NUL. */
#define CLIENT_STRINGS_MAX   (EMAIL_MAX + 1 + (PARTS_MAX - 1) * (LABEL_MAX + 1))
#define RESOURCE_STRINGS_MAX (LABEL_MAX + 1)

/* How many bytes each of them may have. */
static const size_t client_parts[PARTS_MAX] = { LABEL_MAX, EMAIL_MAX, LABEL_MAX,
	LABEL_MAX, LABEL_MAX, LABEL_MAX };
static const size_t resource_parts[] = { LABEL_MAX };

/* The strings of an entry one after the other, each with its NUL. */
struct listed {
	RB_ENTRY(listed) by_id;
	TAILQ_ENTRY(listed) by_age;
	struct uuid id;
	uint16_t slot; /* where it is kept */
	size_t size;   /* of the strings */
	char strings[];
};

/*
 * The same in the memory that outlives us. Whoever is killed while it is being
 * written leaves the order 0, which is no entry.
 */
struct kept {
	uint64_t order; /* rises from one that is learnt to the next */
	struct uuid id;
	uint16_t size;
	char strings[];
};

#define ORDER_MAX     (UINT64_C(1) << 60) /* it never comes so far */
#define CLIENT_SLOT   480
#define RESOURCE_SLOT 96

_Static_assert(
    offsetof(struct kept, strings) + CLIENT_STRINGS_MAX <= CLIENT_SLOT &&
	offsetof(struct kept, strings) + RESOURCE_STRINGS_MAX <=
	    RESOURCE_SLOT &&
	DIRECTORY_CLIENTS_MAX * CLIENT_SLOT +
		DIRECTORY_RESOURCES_MAX * RESOURCE_SLOT ==
	    NAMES_MEMORY,
    "all of them are kept");

RB_HEAD(listed_tree, listed);

struct listing {
	struct listed_tree tree;
	TAILQ_HEAD(, listed) oldest_first;
	size_t count, max;
	const size_t *parts;
	size_t part_count;
	/* Where it is kept; NULL: nowhere. */
	char *memory;
	size_t slot_size;
	uint64_t order;   /* of the last one */
	uint16_t *unused; /* slots, a stack */
	size_t unused_count;
};

struct directory {
	struct listing clients, resources;
};

static int
compare_listed(const struct listed *a, const struct listed *b)
{
	return uuid_compare(&a->id, &b->id);
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#define __unused __attribute__((__unused__))
RB_GENERATE_STATIC(listed_tree, listed, by_id, compare_listed)

static struct kept *
kept_at(const struct listing *l, uint16_t slot)
{
	return (struct kept *)(void *)(l->memory + slot * l->slot_size);
}

static void
remove_listed(struct listing *l, struct listed *one)
{
	RB_REMOVE(listed_tree, &l->tree, one);
	TAILQ_REMOVE(&l->oldest_first, one, by_age);
	l->count--;
	if (l->memory != NULL)
		l->unused[l->unused_count++] = one->slot;
	free(one);
}

static const struct listed *
find_listed(const struct listing *l, const struct uuid *id)
{
	struct listed key = { .id = *id };

	/* It only reads; sys/tree.h does not say so. */
	return RB_FIND(
	    listed_tree, (struct listed_tree *)(uintptr_t)&l->tree, &key);
}

/*
 * Lists strings in place of what was listed under that id. If there is no room,
 * the oldest entry makes some.
 */
static struct listed *
list_strings(
    struct listing *l, const struct uuid *id, const char *strings, size_t size)
{
	struct listed *one = malloc(sizeof(*one) + size), *before;

	if (one == NULL)
		return NULL;
	one->id = *id;
	one->size = size;
	memcpy(one->strings, strings, size);
	before = RB_FIND(listed_tree, &l->tree, one);
	if (before == NULL && l->count == l->max)
		before = TAILQ_FIRST(&l->oldest_first);
	if (before != NULL)
		remove_listed(l, before);
	RB_INSERT(listed_tree, &l->tree, one);
	TAILQ_INSERT_TAIL(&l->oldest_first, one, by_age);
	l->count++;
	return one;
}

/* Writes an entry to the memory, over the one that made room, if one did. */
static void
keep_listed(struct listing *l, struct listed *one)
{
	struct kept *k;

	one->slot = l->unused[--l->unused_count];
	k = kept_at(l, one->slot);
	k->order = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	k->id = one->id;
	k->size = (uint16_t)one->size;
	memcpy(k->strings, one->strings, one->size);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	k->order = ++l->order;
}

static void
learn_strings(
    struct listing *l, const struct uuid *id, const char *strings, size_t size)
{
	struct listed *one = list_strings(l, id, strings, size);

	if (one != NULL && l->memory != NULL)
		keep_listed(l, one);
}

static void
listing_init(
    struct listing *l, size_t max, const size_t *parts, size_t part_count)
{
	RB_INIT(&l->tree);
	TAILQ_INIT(&l->oldest_first);
	l->max = max;
	l->parts = parts;
	l->part_count = part_count;
}

static void
listing_clear(struct listing *l)
{
	while (!TAILQ_EMPTY(&l->oldest_first))
		remove_listed(l, TAILQ_FIRST(&l->oldest_first));
	free(l->unused);
}

struct directory *
directory_new(void)
{
	struct directory *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	listing_init(
	    &d->clients, DIRECTORY_CLIENTS_MAX, client_parts, PARTS_MAX);
	listing_init(&d->resources, DIRECTORY_RESOURCES_MAX, resource_parts, 1);
	return d;
}

void
directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	listing_clear(&d->clients);
	listing_clear(&d->resources);
	free(d);
}

/* Appends a string, cleaned and at most max bytes long, and its NUL. */
static void
add_string(
    char *strings, size_t *size, const struct told_text *told, size_t max)
{
	*size += 1 +
	    label_clean(strings + *size, max + 1, told->text,
		told->text == NULL ? 0 : told->len);
}

void
directory_learn_client(struct directory *d, const struct client_description *c)
{
	const struct told_text parts[PARTS_MAX] = { c->actor, c->email,
		c->system, c->system_version, c->serial, c->city };
	char strings[CLIENT_STRINGS_MAX];
	size_t size = 0;

	if (d == NULL)
		return;
	for (size_t i = 0; i < PARTS_MAX; i++)
		add_string(strings, &size, &parts[i], client_parts[i]);
	/* Without any text it replaces neither what is known nor others. */
	if (size > PARTS_MAX)
		learn_strings(&d->clients, &c->client, strings, size);
}

void
directory_learn_resource(
    struct directory *d, const struct resource_description *r)
{
	char name[LABEL_MAX + 1];
	size_t size = 0;

	if (d == NULL)
		return;
	add_string(name, &size, &r->name, LABEL_MAX);
	if (size > 1)
		learn_strings(&d->resources, &r->resource, name, size);
}

/* What another directory has left. */

struct found {
	uint64_t order;
	uint16_t slot;
};

static int
compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

/* False where there is no entry; it may have been written by anybody. */
static bool
read_kept(const struct listing *l, uint16_t slot, struct uuid *id,
    char *strings, size_t *size)
{
	const struct kept *k = kept_at(l, slot);
	const size_t all = k->size,
		     room = l->slot_size - offsetof(struct kept, strings);
	size_t at = 0;

	*id = k->id;
	*size = 0;
	for (size_t i = 0; i < l->part_count; i++) {
		struct told_text part = { .text = k->strings + at };

		if (all > room || at >= all)
			return false;
		part.len = strnlen(part.text, all - at);
		at += part.len + 1;
		add_string(strings, size, &part, l->parts[i]);
	}
	return at == all && *size > l->part_count;
}

/* The entries in the order in which they were learnt; all else is unused. */
static size_t
find_kept(struct listing *l, struct found *found)
{
	size_t n = 0;

	for (size_t i = l->max; i-- > 0;) {
		const uint16_t slot = (uint16_t)i;
		const uint64_t order = kept_at(l, slot)->order;

		if (order == 0 || order > ORDER_MAX)
			l->unused[l->unused_count++] = slot;
		else
			found[n++] = (struct found){ order, slot };
	}
	qsort(found, n, sizeof(*found), compare_found);
	if (n > 0)
		l->order = found[n - 1].order;
	return n;
}

static size_t
keep_listing(struct listing *l, char *memory, size_t slot_size)
{
	struct found *found = calloc(l->max, sizeof(*found));
	char strings[CLIENT_STRINGS_MAX];
	struct listed *one;
	struct uuid id;
	size_t n, size;

	l->unused = calloc(l->max, sizeof(*l->unused));
	if (found == NULL || l->unused == NULL) {
		free(found);
		return 0;
	}
	l->memory = memory;
	l->slot_size = slot_size;
	n = find_kept(l, found);
	for (size_t i = 0; i < n; i++) {
		const uint16_t slot = found[i].slot;

		one = read_kept(l, slot, &id, strings, &size)
		    ? list_strings(l, &id, strings, size)
		    : NULL;
		if (one != NULL)
			one->slot = slot;
		else
			l->unused[l->unused_count++] = slot;
	}
	free(found);
	return l->count;
}

size_t
directory_keep(struct directory *d, void *memory)
{
	char *resources = (char *)memory + DIRECTORY_CLIENTS_MAX * CLIENT_SLOT;

	return keep_listing(&d->clients, memory, CLIENT_SLOT) +
	    keep_listing(&d->resources, resources, RESOURCE_SLOT);
}

static const char *
take_string(const char *strings, char *to, size_t size)
{
	strlcpy(to, strings, size);
	return strings + strlen(strings) + 1;
}

bool
directory_client(
    const struct directory *d, const struct uuid *id, struct client_entry *to)
{
	const struct listed *one =
	    d == NULL ? NULL : find_listed(&d->clients, id);
	const char *s;

	*to = (struct client_entry){ 0 };
	if (one == NULL)
		return false;
	s = take_string(one->strings, to->actor, sizeof(to->actor));
	s = take_string(s, to->email, sizeof(to->email));
	s = take_string(s, to->system, sizeof(to->system));
	s = take_string(s, to->system_version, sizeof(to->system_version));
	s = take_string(s, to->serial, sizeof(to->serial));
	take_string(s, to->city, sizeof(to->city));
	return true;
}

const char *
directory_resource(const struct directory *d, const struct uuid *id)
{
	const struct listed *one =
	    d == NULL ? NULL : find_listed(&d->resources, id);

	return one == NULL ? NULL : one->strings;
}

const char *
client_user(const struct client_entry *c)
{
	return c->email[0] != '\0' ? c->email : c->actor;
}

const char *
client_system(const struct client_entry *c, char to[SYSTEM_MAX + 1])
{
	const bool versioned =
	    c->system[0] != '\0' && c->system_version[0] != '\0';

	snprintf(to, SYSTEM_MAX + 1, "%s%s%s", c->system, versioned ? " " : "",
	    versioned ? c->system_version : "");
	return to;
}

const char *
directory_who(
    const struct directory *d, const struct uuid *id, char to[WHO_MAX + 1])
{
	struct client_entry c;
	char system[SYSTEM_MAX + 1];
	const char *user;

	directory_client(d, id, &c);
	user = client_user(&c);
	client_system(&c, system);
	snprintf(to, WHO_MAX + 1, "%s%s%s", user,
	    user[0] != '\0' && system[0] != '\0' ? ", " : "", system);
	return to;
}
