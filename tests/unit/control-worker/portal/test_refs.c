/* References of authorizations that net-worker has not answered: refs.h. */
#include "tests/lib/unit.h"

#include "common/uuid.h"

/* What it costs is counted, not timed: so it is compiled in here. */
static unsigned comparisons;
#define uuid_compare(a, b) (comparisons++, uuid_compare(a, b))
#define uuid_equal(a, b)   (comparisons++, uuid_equal(a, b))
#include "control-worker/portal/refs.c"

static struct uuid
client_of(uint16_t number)
{
	return (struct uuid){ { (uint8_t)(number >> 8), (uint8_t)number } };
}

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
	assert_true(refs_await(&refs, &ref.client));
	refs_drop(&refs, other);
	assert_true(refs_await(&refs, &ref.client));
	refs_drop(&refs, second);
	assert_false(refs_await(&refs, &ref.client));
	refs_clear(&refs);
}

static void
on_released(void *ctx, const struct uuid *client)
{
	unsigned *released = ctx;

	released[client->bytes[1]]++;
}

/* However it ends. */
static void
tells_who_is_not_awaited(void **state)
{
	static struct refs refs;
	unsigned released[3] = { 0 };
	struct ref ref = { .text = (char[]){ "x" }, .connects = true };
	uint64_t serial;

	(void)state;
	refs.released = on_released;
	refs.ctx = released;
	ref.client = client_of(0);
	serial = refs_keep(&refs, &ref);
	ref.client = client_of(1);
	refs_keep(&refs, &ref);
	ref.client = client_of(2);
	refs_keep(&refs, &ref);
	assert_int_equal(released[0] + released[1] + released[2], 0);
	refs_drop(&refs, serial);
	assert_int_equal(released[0], 1);
	/* Enough of others, which nobody waits for, to forget it. */
	ref.connects = false;
	for (unsigned i = 0; i < REFS_MAX - 1; i++)
		refs_keep(&refs, &ref);
	assert_int_equal(released[1], 1);
	assert_int_equal(released[2], 0);
	refs_clear(&refs);
	assert_int_equal(released[0] + released[1] + released[2], 3);
}

/* A name may take longer than others need for as many authorizations. */
static void
does_not_forget_who_is_naming(void **state)
{
	static struct refs refs;
	struct ref ref = { .text = (char[]){ "names" }, .connects = true };
	uint64_t first, last = 0;

	(void)state;
	ref.names = calloc(1, sizeof(*ref.names));
	first = refs_keep(&refs, &ref);
	refs_begin_naming(&refs, refs_find(&refs, first));
	ref = (struct ref){ .text = (char[]){ "other" } };
	for (unsigned i = 0; i < 3 * REFS_MAX; i++)
		last = refs_keep(&refs, &ref);
	assert_non_null(refs_find(&refs, first));
	assert_string_equal(refs_find(&refs, first)->text, "names");
	assert_true(refs_find(&refs, first)->is_naming);
	assert_true(refs_await(&refs, &ref.client));
	refs_drop(&refs, first);
	assert_null(refs_find(&refs, first));
	assert_false(refs_await(&refs, &ref.client));
	/* Another connection of the client replaces it; and the end of all. */
	for (int i = 0; i < 2; i++) {
		ref.names = calloc(1, sizeof(*ref.names));
		ref.connects = true;
		last = refs_keep(&refs, &ref);
		refs_begin_naming(&refs, refs_find(&refs, last));
	}
	assert_null(refs_find(&refs, last - 1));
	refs_clear(&refs);
	assert_null(refs_find(&refs, last));
	assert_false(refs_await(&refs, &ref.client));
}

/* Asked for each of the candidates that net-worker has found. */
static void
is_not_searched_from_end_to_end(void **state)
{
	static struct refs refs;
	struct ref ref = { .text = (char[]){ "x" }, .connects = true };
	struct uuid client;

	(void)state;
	comparisons = 0;
	for (uint16_t i = 0; i < REFS_MAX; i++) {
		ref.client = client_of(i);
		refs_keep(&refs, &ref);
	}
	print_message("%u comparisons to keep %d\n", comparisons, REFS_MAX);
	assert_in_range(comparisons, 1, REFS_MAX * 50);
	comparisons = 0;
	for (uint16_t i = 0; i < REFS_MAX; i++) {
		client = client_of(i);
		assert_true(refs_await(&refs, &client));
		client = client_of(i + REFS_MAX);
		assert_false(refs_await(&refs, &client));
	}
	print_message("%u to look for %d\n", comparisons, 2 * REFS_MAX);
	assert_in_range(comparisons, 1, REFS_MAX * 50);
	refs_clear(&refs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_so_many),
		cmocka_unit_test(keeps_one_connection_of_a_client),
		cmocka_unit_test(tells_who_is_not_awaited),
		cmocka_unit_test(does_not_forget_who_is_naming),
		cmocka_unit_test(is_not_searched_from_end_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
