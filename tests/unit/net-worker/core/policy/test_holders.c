/* Who has a resource, however grants come and go. */
#include "tests/lib/packets.h"

#include "net-worker/core/policy/grants.h"

#define CLIENTS   6
#define RESOURCES 5
#define STEPS     20000

struct world {
	struct holders holders;
	struct grants *clients[CLIENTS]; /* NULL: not there */
	struct mono now;
};

static struct uuid
id(size_t last)
{
	return (struct uuid){ { [15] = (uint8_t)last } };
}

static void
client_comes(struct world *w, size_t i)
{
	struct ip_address v4 = ip("100.64.0.1"), v6 = ip("fd00:2021:1111::1");
	struct uuid client = id(200 + i);

	w->clients[i] = grants_new(&client, &v4, &v6);
	assert_non_null(w->clients[i]);
	grants_index(w->clients[i], &w->holders, &w->clients[i]);
}

static void
client_goes(struct world *w, size_t i)
{
	grants_free(w->clients[i]);
	w->clients[i] = NULL;
}

static enum grant_result
grant(struct world *w, size_t client, size_t resource, struct mono expires)
{
	struct grant g = {
		.resource = id(resource),
		.type = RESOURCE_INTERNET,
		.expires = expires,
	};

	return grants_add(w->clients[client], &g);
}

static bool
is_granted(struct world *w, size_t client, size_t resource)
{
	struct uuid wanted = id(resource);
	const struct grant *g;

	if (w->clients[client] == NULL)
		return false;
	for (size_t i = 0; (g = grants_get(w->clients[client], i)) != NULL; i++)
		if (uuid_equal(&g->resource, &wanted))
			return true;
	return false;
}

/* Each that has it once, and nobody else. */
static void
assert_true_index(struct world *w)
{
	for (size_t r = 0; r < RESOURCES; r++) {
		struct uuid resource = id(r);
		const struct holder *h = holders_first(&w->holders, &resource);
		bool found[CLIENTS] = { false };

		for (; h != NULL; h = holders_next(h)) {
			struct grants **client = h->client;

			assert_false(found[client - w->clients]);
			found[client - w->clients] = true;
		}
		for (size_t i = 0; i < CLIENTS; i++)
			assert_int_equal(found[i], is_granted(w, i, r));
	}
}

static void
world_begin(struct world *w)
{
	*w = (struct world){ .now = { 1 } };
	assert_true(holders_init(&w->holders, 1));
	for (size_t i = 0; i < CLIENTS; i++)
		client_comes(w, i);
}

static void
world_end(struct world *w)
{
	for (size_t i = 0; i < CLIENTS; i++)
		client_goes(w, i);
	assert_true_index(w);
	holders_free(&w->holders);
}

static void
expires(struct world *w, size_t client)
{
	struct uuid gone;

	while (grants_expire(w->clients[client], w->now, &gone))
		;
}

/* Filters that are too many: the grant is withdrawn. */
static void
loses_by_filters(struct world *w, size_t client, size_t resource)
{
	static const struct filter many[FILTERS_MAX + 1];
	struct uuid it = id(resource);

	grants_update_filters(
	    w->clients[client], &it, RESOURCE_CIDR, many, FILTERS_MAX + 1);
}

static void
ends_by_revocation(struct world *w)
{
	struct uuid it = id(1);

	assert_true(grants_revoke(w->clients[0], &it));
}

static void
ends_by_expiry(struct world *w)
{
	w->now.ns = 1000;
	expires(w, 0);
}

static void
ends_by_filters(struct world *w)
{
	struct grant g = { .resource = id(1), .type = RESOURCE_CIDR };
	struct uuid it = id(1);

	assert_true(prefix_parse("10.0.0.0/8", &g.network));
	assert_true(grants_revoke(w->clients[0], &it));
	assert_int_equal(grants_add(w->clients[0], &g), GRANT_NEW);
	assert_true_index(w);
	loses_by_filters(w, 0, 1);
}

static void
ends_with_the_client(struct world *w)
{
	client_goes(w, 0);
}

static void
an_end_of_any_kind_is_seen(void **state)
{
	static void (*const ends[])(struct world *) = {
		ends_by_revocation,
		ends_by_expiry,
		ends_by_filters,
		ends_with_the_client,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct uuid resource = id(1);
		struct world w;

		world_begin(&w);
		grant(&w, 0, 1, (struct mono){ 1000 });
		grant(&w, 1, 1, MONO_NEVER);
		grant(&w, 0, 2, MONO_NEVER);
		assert_true_index(&w);
		ends[i](&w);
		assert_false(is_granted(&w, 0, 1));
		assert_true_index(&w);
		assert_ptr_equal(holders_first(&w.holders, &resource)->client,
		    &w.clients[1]);
		world_end(&w);
	}
}

static void
anything(struct world *w, struct dice *d)
{
	size_t client = roll(d, CLIENTS), resource = roll(d, RESOURCES);
	struct mono until = { w->now.ns + 1 + roll(d, 50) };
	struct uuid it = id(resource);

	w->now.ns++;
	if (w->clients[client] == NULL) {
		client_comes(w, client);
		return;
	}
	switch (roll(d, 8)) {
	case 0:
		grants_revoke(w->clients[client], &it);
		break;
	case 1:
		expires(w, client);
		break;
	case 2:
		if (roll(d, 5) == 0)
			client_goes(w, client);
		break;
	case 3:
		grants_update_filters(
		    w->clients[client], &it, RESOURCE_INTERNET, NULL, 0);
		break;
	default:
		grant(
		    w, client, resource, roll(d, 5) == 0 ? MONO_NEVER : until);
	}
}

static void
agrees_with_the_grants(void **state)
{
	struct dice d = dice_new();
	struct world w;

	(void)state;
	world_begin(&w);
	for (unsigned i = 0; i < STEPS; i++) {
		anything(&w, &d);
		assert_true_index(&w);
	}
	world_end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_of_any_kind_is_seen),
		cmocka_unit_test(agrees_with_the_grants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
