/* control-worker/directory/directory.c: what is known of whom, and how much. */
#include "control-worker/directory/directory.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/bounds.h"
#include "tests/lib/unit.h"

static struct directory *d;

static int
set_up(void **state)
{
	(void)state;
	d = directory_new();
	assert_non_null(d);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	directory_free(d);
	return 0;
}

static struct told_text
told(const char *text)
{
	return (struct told_text){ text, text == NULL ? 0 : strlen(text) };
}

static struct uuid
id(uint32_t n)
{
	struct uuid u = { { 0xcc } };

	memcpy(u.bytes + 4, &n, sizeof(n));
	return u;
}

static void
learn(uint32_t n, const char *actor, const char *email, const char *system,
    const char *version)
{
	const struct client_description c = {
		.client = id(n),
		.actor = told(actor),
		.email = told(email),
		.system = told(system),
		.system_version = told(version),
	};

	directory_learn_client(d, &c);
}

static void
learn_resource(uint32_t n, const char *name)
{
	const struct resource_description r = { id(n), told(name) };

	directory_learn_resource(d, &r);
}

static const char *
who(uint32_t n)
{
	static char text[WHO_MAX + 1];
	const struct uuid client = id(n);

	return directory_who(d, &client, text);
}

static const char *
resource(uint32_t n)
{
	const struct uuid r = id(n);

	return directory_resource(d, &r);
}

static void
who_it_is(void **state)
{
	(void)state;
	learn(1, "Jane", "jane@acme.com", "macOS", "15.5");
	assert_string_equal(who(1), "jane@acme.com, macOS 15.5");
	learn(2, "Jane", NULL, "macOS", NULL);
	assert_string_equal(who(2), "Jane, macOS");
	learn(3, NULL, NULL, "macOS", "15.5");
	assert_string_equal(who(3), "macOS 15.5");
	learn(4, "Jane", "", NULL, "15.5");
	assert_string_equal(who(4), "Jane");
	assert_string_equal(who(5), "");
}

/* A client of which everything is told. */
static void
learn_all(uint32_t n)
{
	const struct client_description c = {
		.client = id(n),
		.actor = told("Jane"),
		.email = told("jane@acme.com"),
		.system = told("macOS"),
		.system_version = told("15.5"),
		.serial = told("C02X"),
		.city = told("Austin"),
	};

	directory_learn_client(d, &c);
}

static void
expect_all(uint32_t n)
{
	const struct uuid client = id(n);
	struct client_entry e;

	assert_true(directory_client(d, &client, &e));
	assert_string_equal(e.actor, "Jane");
	assert_string_equal(e.email, "jane@acme.com");
	assert_string_equal(e.system, "macOS");
	assert_string_equal(e.system_version, "15.5");
	assert_string_equal(e.serial, "C02X");
	assert_string_equal(e.city, "Austin");
}

static void
all_of_a_client(void **state)
{
	(void)state;
	learn_all(1);
	expect_all(1);
}

/* A later message without names says nothing; one with others does. */
static void
learnt_again(void **state)
{
	(void)state;
	learn(1, "Jane", NULL, "macOS", "15.5");
	learn(1, NULL, NULL, NULL, NULL);
	assert_string_equal(who(1), "Jane, macOS 15.5");
	learn(1, "John", NULL, NULL, NULL);
	assert_string_equal(who(1), "John");
	learn_resource(1, "Office");
	learn_resource(1, NULL);
	assert_string_equal(resource(1), "Office");
	learn_resource(1, "Home");
	assert_string_equal(resource(1), "Home");
	assert_null(resource(2));
}

static void
hostile_and_long(void **state)
{
	char text[4096];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	learn(1, text, text, text, text);
	assert_int_equal(strlen(who(1)), WHO_MAX - 1);
	learn_resource(1, text);
	assert_int_equal(strlen(resource(1)), LABEL_MAX);
	learn(2, "\x1b[2J\xe2\x80\xaeJ\nane", NULL, NULL, NULL);
	assert_string_equal(who(2), "[2JJ ane");
	/* Of which nothing is left: as if it had not been told. */
	learn(2, "\xe2\x80\xae\xff", NULL, NULL, NULL);
	assert_string_equal(who(2), "[2JJ ane");
}

/* Whoever was told of for the longest time gives way. */
static void
bounded(void **state)
{
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < DIRECTORY_CLIENTS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		learn(i, name, NULL, NULL, NULL);
		learn_resource(i, name);
	}
	learn(0, "again", NULL, NULL, NULL);
	learn_resource(0, "again");
	learn(DIRECTORY_CLIENTS_MAX, "one more", NULL, NULL, NULL);
	learn_resource(DIRECTORY_RESOURCES_MAX, "one more");
	assert_string_equal(who(0), "again");
	assert_string_equal(who(1), "");
	assert_string_equal(who(2), "n2");
	assert_string_equal(who(DIRECTORY_CLIENTS_MAX), "one more");
	assert_string_equal(resource(0), "again");
	assert_null(resource(1));
	assert_string_equal(resource(2), "n2");
}

static void
without_a_directory(void **state)
{
	struct client_entry e;
	const struct uuid client = id(1);

	(void)state;
	directory_free(d);
	d = NULL;
	learn(1, "Jane", NULL, NULL, NULL);
	learn_resource(1, "Office");
	assert_string_equal(who(1), "");
	assert_null(resource(1));
	assert_false(directory_client(d, &client, &e));
}

/* Another directory, on the memory of the one before. */
static size_t
start_again(char *memory)
{
	directory_free(d);
	d = directory_new();
	assert_non_null(d);
	return directory_keep(d, memory);
}

static char *
new_memory(void)
{
	char *memory = calloc(1, NAMES_MEMORY);

	assert_non_null(memory);
	return memory;
}

static void
kept_for_a_successor(void **state)
{
	char *memory = new_memory();

	(void)state;
	assert_int_equal(directory_keep(d, memory), 0);
	learn(1, "Jim", NULL, NULL, NULL);
	learn(1, "John", NULL, "Linux", NULL);
	learn_all(7);
	learn_resource(1, "Office");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(start_again(memory), 3);
		assert_string_equal(who(1), "John, Linux");
		expect_all(7);
		assert_string_equal(resource(1), "Office");
		assert_null(resource(7));
	}
	learn_resource(1, "Home");
	assert_int_equal(start_again(memory), 3);
	assert_string_equal(resource(1), "Home");
	free(memory);
}

/* A full one is kept whole, and its oldest are still the oldest. */
static void
kept_in_order(void **state)
{
	char *memory = new_memory();

	(void)state;
	(void)directory_keep(d, memory);
	for (uint32_t i = 0; i < DIRECTORY_RESOURCES_MAX + 5; i++)
		learn_resource(i, i < 10 ? "few" : "many");
	learn_resource(5, "again");
	assert_int_equal(start_again(memory), DIRECTORY_RESOURCES_MAX);
	assert_null(resource(4));
	assert_string_equal(resource(5), "again");
	assert_string_equal(resource(6), "few");
	learn_resource(1, "new");
	assert_null(resource(6));
	assert_string_equal(resource(5), "again");
	assert_int_equal(start_again(memory), DIRECTORY_RESOURCES_MAX);
	assert_null(resource(6));
	assert_string_equal(resource(1), "new");
	free(memory);
}

/* Killed between the two: the entry is not there, the others are. */
static void
torn_entry(void **state)
{
	char *memory = new_memory();

	(void)state;
	(void)directory_keep(d, memory);
	learn(1, "Jane", NULL, NULL, NULL);
	learn(2, "John", NULL, NULL, NULL);
	memset(memory, 0, sizeof(uint64_t)); /* its order */
	assert_int_equal(start_again(memory), 1);
	assert_string_equal(who(1), "");
	assert_string_equal(who(2), "John");
	learn(1, "Jane", NULL, NULL, NULL);
	assert_int_equal(start_again(memory), 2);
	free(memory);
}

/* Whatever stands there, names are clean, and there is room for others. */
static void
hostile_memory(void **state)
{
	static const char dirty[] = "\x1b[2J\xe2\x80\xaeJ\nane";
	char *memory = new_memory(), *at;

	(void)state;
	(void)directory_keep(d, memory);
	learn(1, "0123456789", NULL, NULL, NULL);
	at = memmem(memory, NAMES_MEMORY, "0123456789", 10);
	assert_non_null(at);
	memcpy(at, "\x1b[2J\xff\n\xe2\x80\xaeK", 10);
	assert_int_equal(start_again(memory), 1);
	assert_string_equal(who(1), "[2J K");

	for (unsigned seed = 1; seed < 20; seed++) {
		srandom(seed);
		for (size_t i = 0; i < NAMES_MEMORY; i += 4) {
			uint32_t word = (uint32_t)random();

			/* Orders that are taken, and sizes that may fit. */
			if (random() % 3 != 0)
				word &= 0x1ff01ff;
			memcpy(memory + i, &word, sizeof(word));
		}
		(void)start_again(memory);
		learn(1, dirty, NULL, NULL, NULL);
		learn_resource(1, "Office");
		assert_string_equal(who(1), "[2JJ ane");
		(void)start_again(memory);
		assert_string_equal(resource(1), "Office");
	}
	free(memory);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_it_is),
		T(all_of_a_client),
		T(learnt_again),
		T(hostile_and_long),
		T(bounded),
		T(without_a_directory),
		T(kept_for_a_successor),
		T(kept_in_order),
		T(torn_entry),
		T(hostile_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
