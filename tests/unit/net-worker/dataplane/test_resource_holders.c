/*
 * New filters of a resource are for those clients that have it: nobody else is
 * asked, and in no way does one that lost it remain (firezone-policy(7),
 * GRANTS). Between the engine and the grants the test counts.
 */
#include "net-worker/core/policy/grants.h"
#include "tests/lib/dataplane.h"

#define BYSTANDERS 20

bool __real_grants_update_filters(struct grants *, const struct uuid *,
    enum resource_type, const struct filter *, size_t);
bool __wrap_grants_update_filters(struct grants *, const struct uuid *,
    enum resource_type, const struct filter *, size_t);

static unsigned asked;

bool
__wrap_grants_update_filters(struct grants *g, const struct uuid *resource,
    enum resource_type type, const struct filter *filters, size_t count)
{
	asked++;
	return __real_grants_update_filters(g, resource, type, filters, count);
}

/* How many clients new filters of that resource concern. */
static unsigned
asked_about(struct rig *r, uint8_t resource)
{
	const struct ipc_resource_update u = {
		.resource = { { resource } },
		.type = RESOURCE_CIDR,
	};

	asked = 0;
	tell(r, resource_update, &u);
	settle(r);
	return asked;
}

static struct ipc_authorization
access_of(struct rig *r, uint8_t client, uint8_t resource, uint64_t expires_at)
{
	struct ipc_authorization a = authorization(r);

	a.client.bytes[0] = client;
	a.client_v4.bytes[3] = client + 1; /* 1 is ours */
	a.client_v6.bytes[15] = client + 1;
	a.public_key[0] = client;
	a.resource.bytes[0] = resource;
	a.expires_at = expires_at;
	return a;
}

static void
grant(struct rig *r, uint8_t client, uint8_t resource, uint64_t expires_at)
{
	struct ipc_authorization a = access_of(r, client, resource, expires_at);

	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->refused, 0);
}

static void
take_from(struct rig *r, uint8_t client, uint8_t resource)
{
	const struct ipc_revocation gone = { .client = { { client } },
		.resource = { { resource } } };

	tell(r, revocation, &gone);
	settle(r);
}

static void
ends_by_revocation(struct rig *r)
{
	take_from(r, 1, 0x50);
}

static void
ends_by_expiry(struct rig *r)
{
	r->now = mono_add_ms(r->now, 3000);
	serve_deadlines(r);
}

static void
ends_by_the_list(struct rig *r)
{
	tell(r, grants_begin, NULL);
	for (uint8_t client = 1; client <= BYSTANDERS; client++) {
		const struct ipc_grants_entry e = { .client = { { client } },
			.resource = { { 0x51 } } };

		tell(r, grants_entry, &e);
	}
	tell(r, grants_commit, NULL);
	settle(r);
}

static void
ends_with_all_of_the_client(struct rig *r)
{
	take_from(r, 1, 0x51);
	take_from(r, 1, 0x50);
}

/* Another under the same id, without the grants of the former. */
static void
ends_with_the_addresses(struct rig *r)
{
	struct ipc_authorization a = access_of(r, 1, 0x51, 0);

	a.client_v4.bytes[3] = a.client_v6.bytes[15] = 200;
	tell(r, authorization, &a);
	settle(r);
}

static void
ends_with_the_heir(struct rig *r)
{
	struct ipc_authorization a = access_of(r, 1, 0x51, 0);

	a.client.bytes[0] = 200;
	tell(r, authorization, &a);
	settle(r);
}

static void
ends_with_our_own_address(struct rig *r)
{
	const struct ipc_authorization a = access_of(r, 1, 0x51, 0);
	const struct ipc_interface own = { a.client_v4, a.client_v6 };

	tell(r, interface, &own);
	settle(r);
}

static const struct {
	void (*end)(struct rig *);
	unsigned others; /* with the other resource, then */
} ends[] = {
	{ ends_by_revocation, BYSTANDERS },
	{ ends_by_expiry, BYSTANDERS },
	{ ends_by_the_list, BYSTANDERS },
	{ ends_with_all_of_the_client, BYSTANDERS - 1 },
	{ ends_with_the_addresses, BYSTANDERS },
	{ ends_with_the_heir, BYSTANDERS },
	{ ends_with_our_own_address, BYSTANDERS - 1 },
};

static void
only_who_has_it_is_asked(void **state)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct rig *r;

		assert_int_equal(set_up(state), 0);
		r = *state;
		with_relay(r);
		for (uint8_t client = 1; client <= BYSTANDERS; client++)
			grant(r, client, 0x51, 0);
		assert_int_equal(asked_about(r, 0x50), 0);
		grant(r, 1, 0x50, UNIX_NOW + 4);
		grant(r, 1, 0x50, UNIX_NOW + 3);
		assert_int_equal(asked_about(r, 0x50), 1);
		assert_int_equal(asked_about(r, 0x51), BYSTANDERS);
		ends[i].end(r);
		assert_int_equal(asked_about(r, 0x50), 0);
		assert_int_equal(asked_about(r, 0x51), ends[i].others);
		assert_int_equal(r->page.engine.clients, ends[i].others);
		grant(r, 2, 0x50, 0);
		assert_int_equal(asked_about(r, 0x50), 1);
		assert_int_equal(tear_down(state), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_has_it_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
