/* A list for each resource that anybody has: see holders.h. */
#include "net-worker/core/policy/holders.h"

#include <stdlib.h>

struct held_resource {
	struct key_entry by_id;
	struct uuid id;
	TAILQ_HEAD(, holder) list; /* never empty */
};

bool
holders_init(struct holders *h, uint32_t expected)
{
	return key_map_init(&h->resources, expected);
}

void
holders_free(struct holders *h)
{
	key_map_free(&h->resources);
}

static struct held_resource *
resource_of_id(struct holders *h, const struct uuid *id)
{
	struct held_resource *r = key_map_get(&h->resources, id, sizeof(*id));

	if (r != NULL || (r = calloc(1, sizeof(*r))) == NULL)
		return r;
	r->id = *id;
	TAILQ_INIT(&r->list);
	key_map_add(&h->resources, &r->by_id, &r->id, sizeof(r->id), r);
	return r;
}

bool
holders_add(
    struct holders *h, struct holder *one, const struct uuid *id, void *client)
{
	struct held_resource *r = resource_of_id(h, id);

	if (r == NULL)
		return false;
	*one = (struct holder){ .resource = r, .client = client };
	TAILQ_INSERT_TAIL(&r->list, one, entry);
	return true;
}

void
holders_remove(struct holders *h, struct holder *one)
{
	struct held_resource *r = one->resource;

	if (r == NULL)
		return;
	TAILQ_REMOVE(&r->list, one, entry);
	*one = (struct holder){ 0 };
	if (TAILQ_EMPTY(&r->list)) {
		key_map_remove(&h->resources, &r->by_id);
		free(r);
	}
}

struct holder *
holders_first(const struct holders *h, const struct uuid *id)
{
	struct held_resource *r = key_map_get(&h->resources, id, sizeof(*id));

	return r == NULL ? NULL : TAILQ_FIRST(&r->list);
}

struct holder *
holders_next(const struct holder *one)
{
	return TAILQ_NEXT(one, entry);
}
