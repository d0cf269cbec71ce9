/* References of authorizations that net-worker has not answered: refs.h. */
#include "tests/lib/unit.h"

#include "control-worker/portal/refs.h"

static void
keeps_so_many(void **state)
{
	static struct refs refs;
	struct ref ref = { .text = (char[]){ "first" } };
	uint64_t first = refs_keep(&refs, &ref), last = 0;

	(void)state;
	ref.text = (char[]){ "later" };
	ref.connects = true;
	for (uint16_t i = 0; i < REFS_MAX; i++) {
		memcpy(ref.client.bytes, &i, sizeof(i));
		last = refs_keep(&refs, &ref);
	}
	assert_null(refs_find(&refs, first));
	assert_null(refs_find(&refs, 0));
	assert_null(refs_find(&refs, last + 1));
	assert_null(refs_find(&refs, last + REFS_MAX));
	assert_string_equal(refs_find(&refs, last)->text, "later");
	assert_true(refs_await(&refs, &ref.client));
	refs_drop(&refs, last);
	assert_null(refs_find(&refs, last));
	refs_clear(&refs);
	assert_null(refs_find(&refs, last - 1));
	assert_false(refs_await(&refs, &ref.client));
	assert_int_equal(refs.connecting, 0);
}

/* The connection of the earlier one has been replaced by the later one's. */
static void
keeps_one_connection_of_a_client(void **state)
{
	static struct refs refs;
	struct ref ref = { .text = (char[]){ "first" }, .connects = true };
	uint64_t first = refs_keep(&refs, &ref), other, second;

	(void)state;
	ref.client.bytes[0] = 1;
	other = refs_keep(&refs, &ref);
	ref.client.bytes[0] = 0;
	ref.connects = false;
	refs_keep(&refs, &ref);
	assert_non_null(refs_find(&refs, first));
	ref.connects = true;
	second = refs_keep(&refs, &ref);
	assert_null(refs_find(&refs, first));
	assert_non_null(refs_find(&refs, second));
	assert_non_null(refs_find(&refs, other));
	assert_int_equal(refs.connecting, 2);
	refs_clear(&refs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_so_many),
		cmocka_unit_test(keeps_one_connection_of_a_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
