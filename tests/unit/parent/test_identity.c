/* parent/identity.c: which identity wins, and that it stays the same. */
#include "parent/identity.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static char directory[64], state_directory[96], state_file[128], machine_id[96],
    os_release[96], why[512];
static struct identity_paths paths;
static struct identity identity;

static int
set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/test_identity.XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(
	    state_directory, sizeof(state_directory), "%s/firezone", directory);
	snprintf(
	    state_file, sizeof(state_file), "%s/gateway_id", state_directory);
	snprintf(machine_id, sizeof(machine_id), "%s/machine-id", directory);
	snprintf(os_release, sizeof(os_release), "%s/os-release", directory);
	paths =
	    (struct identity_paths){ state_directory, machine_id, os_release };
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	(void)unlink(state_file);
	(void)rmdir(state_directory);
	(void)unlink(machine_id);
	(void)unlink(os_release);
	return rmdir(directory);
}

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int
determine(const char *id, const char *name)
{
	why[0] = '\0';
	return identity_determine(
	    &identity, &paths, id, name, why, sizeof(why));
}

static void
put_state(const char *text)
{
	(void)mkdir(state_directory, 0700);
	put(state_file, text);
}

/*
 * firezone-portal(7), Identity: the raw content, newline included, is hashed.
 */
static void
derived_from_the_machine(void **state)
{
	(void)state;
	put(machine_id, "0123456789abcdef0123456789abcdef\n");
	assert_int_equal(determine(NULL, NULL), 0);
	assert_string_equal(identity.external_id,
	    "eeefe5d1cb3807dfc3ae24794878ec31"
	    "47027390d839d1d718d8e42bcfde3336");
	put(machine_id, "0123456789abcdef0123456789abcdef");
	assert_int_equal(determine(NULL, NULL), 0);
	assert_string_not_equal(identity.external_id,
	    "eeefe5d1cb3807dfc3ae24794878ec31"
	    "47027390d839d1d718d8e42bcfde3336");
	/* Nothing is stored where it can be derived again. */
	assert_int_equal(access(state_directory, F_OK), -1);
}

static void
order_of_sources(void **state)
{
	(void)state;
	put(machine_id, "0123456789abcdef0123456789abcdef\n");
	put_state("{\"id\":\"stored\"}");
	assert_int_equal(determine(NULL, NULL), 0);
	assert_string_equal(identity.external_id, "stored");
	assert_int_equal(determine("configured", NULL), 0);
	assert_string_equal(identity.external_id, "configured");
	/* A broken file matters to nobody who has configured the id. */
	put_state("?");
	assert_int_equal(determine("configured", NULL), 0);
}

static void
made_once_and_kept(void **state)
{
	static const char *const none[] = { NULL, "", "\n", "uninitialized\n" };
	char first[IDENTITY_MAX];
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		(void)unlink(state_file);
		if (none[i] != NULL)
			put(machine_id, none[i]);
		assert_int_equal(determine(NULL, NULL), 0);
		assert_int_equal(strlen(identity.external_id), 64);
		assert_int_equal(
		    strspn(identity.external_id, "0123456789abcdef"), 64);
		if (i > 0)
			assert_string_not_equal(identity.external_id, first);
		strcpy(first, identity.external_id);
		assert_int_equal(determine(NULL, NULL), 0);
		assert_string_equal(identity.external_id, first);
	}
	assert_int_equal(stat(state_file, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);
}

static void
stored_forms(void **state)
{
	static const char *const good[] = { "{\"id\":\"x\"}",
		" {\t\"id\" :\n\"x\" } \n" };
	static const char *const bad[] = { "", "x", "{", "{}", "{\"id\"}",
		"{\"id\":}", "{\"id\":\"}", "{\"id\":\"\"}", "{\"id\":\"x\"",
		"{\"id\":\"x\"} y", "{\"id\":\"x\",\"a\":1}",
		"{\"id\":\"\\u0041\"}", "{\"id\":\"a\nb\"}", "{\"ID\":\"x\"}",
		"{\"id\":7}", "[\"id\"]",
		"753b38f9-f969-47ef-8083-802d5909a372" };
	char longest[1100] = "{\"id\":\"";

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		put_state(good[i]);
		assert_int_equal(determine(NULL, NULL), 0);
		assert_string_equal(identity.external_id, "x");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put_state(bad[i]);
		if (determine(NULL, NULL) != -1)
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(strstr(why, state_file));
	}
	memset(longest + 7, 'x', 255);
	strcpy(longest + 7 + 255, "\"}");
	put_state(longest);
	assert_int_equal(determine(NULL, NULL), 0);
	strcpy(longest + 7 + 255, "x\"}");
	put_state(longest);
	assert_int_equal(determine(NULL, NULL), -1);
	memset(longest, ' ', sizeof(longest) - 1);
	put_state(longest);
	assert_int_equal(determine(NULL, NULL), -1);
}

static void
cannot_be_kept(void **state)
{
	(void)state;
	paths.state_directory = "/proc/nowhere";
	assert_int_equal(determine(NULL, NULL), -1);
	assert_non_null(strstr(why, "FIREZONE_ID"));
}

static void
name_of_the_gateway(void **state)
{
	char host[IDENTITY_MAX];

	(void)state;
	assert_int_equal(determine("i", "Office Z\xc3\xbcrich"), 0);
	assert_string_equal(identity.name, "Office Z\xc3\xbcrich");
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_int_equal(determine("i", NULL), 0);
	if (host[0] != '\0')
		assert_string_equal(identity.name, host);
	else
		assert_int_equal(strlen(identity.name), 36);
}

static void
name_of_the_system(void **state)
{
	static const struct {
		const char *text, *os;
	} cases[] = {
		{ "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n",
		    "Debian/12" },
		{ "VERSION_ID='22.04'\nID='ubuntu'", "Ubuntu/22.04" },
		{ "ID=arch\n", "Arch/Unknown" },
		{ "VERSION_ID=3\n", "Linux/3" },
		{ "", "Linux/Unknown" },
		{ "ID=\n\n\nVERSION_ID=\"", "Linux/Unknown" },
		{ "XID=no\nIDX=no\nID=de\001b", "De?b/Unknown" },
		{ "ID=0123456789012345678901234567890123456789012345678901",
		    "01234567890123456789012345678901234567890123456/"
		    "Unknown" },
	};
	struct utsname u;

	(void)state;
	assert_int_equal(determine("i", NULL), 0); /* no such file */
	assert_string_equal(identity.os, "Linux/Unknown");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put(os_release, cases[i].text);
		assert_int_equal(determine("i", NULL), 0);
		assert_string_equal(identity.os, cases[i].os);
	}
	assert_int_equal(uname(&u), 0);
	assert_string_equal(identity.arch, u.machine);
	assert_string_equal(identity.kernel, u.release);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(derived_from_the_machine),
		TEST(order_of_sources),
		TEST(made_once_and_kept),
		TEST(stored_forms),
		TEST(cannot_be_kept),
		TEST(name_of_the_gateway),
		TEST(name_of_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
