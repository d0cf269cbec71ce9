/* parent/token.c, trusted_file.c: the token in a file, and which one counts. */
#include "parent/option_table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static struct options o;
static struct problems problems;
static char directory[] = "/tmp/test_token_file.XXXXXX";
static char token_path[64], config_path[64], credential_path[64];
static char why[512];

static int
make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(token_path, sizeof(token_path), "%s/token", directory);
	snprintf(config_path, sizeof(config_path), "%s/conf", directory);
	snprintf(credential_path, sizeof(credential_path), "%s/FIREZONE_TOKEN",
	    directory);
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	(void)unlink(token_path);
	(void)unlink(config_path);
	(void)unlink(credential_path);
	return rmdir(directory);
}

static void
write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
write_token(const char *text, mode_t mode)
{
	write_file(token_path, text, strlen(text), mode);
}

/* Up to two words, of which NULL is none; the environment as it is. */
static int
take_with(const char *first, const char *second)
{
	static char program[] = "posternd", words[2][128];
	char *argv[4] = { program };
	int argc = 1;

	assert_int_equal(setenv("POSTERN_CONFIG", config_path, 1), 0);
	snprintf(words[0], sizeof(words[0]), "%s", first ? first : "");
	snprintf(words[1], sizeof(words[1]), "%s", second ? second : "");
	if (first != NULL)
		argv[argc++] = words[0];
	if (second != NULL)
		argv[argc++] = words[1];
	assert_int_equal(options_parse(&o, argc, argv, &problems), OPTIONS_RUN);
	why[0] = '\0';
	return options_take_token(&o, why, sizeof(why));
}

static int
take_file(void)
{
	char flag[128];

	clearenv();
	write_file(config_path, "", 0, 0600);
	snprintf(flag, sizeof(flag), "--token-file=%s", token_path);
	return take_with(flag, NULL);
}

static void
expect_token(const char *token)
{
	assert_string_equal(o.token, token);
	assert_non_null(strstr(o.token_from,
	    strcmp(token, "file") == 0           ? token_path
		: strcmp(token, "variable") == 0 ? "the variable FIREZONE_TOKEN"
		: strcmp(token, "argument") == 0 ? "the argument"
		: strcmp(token, "credential") == 0
		? "the systemd credential FIREZONE_TOKEN"
		: ""));
	options_wipe_token(&o);
}

static void
token_of_a_file(void **state)
{
	(void)state;
	write_token("  .SFM yN\n", 0400);
	assert_int_equal(take_file(), 0);
	expect_token(".SFMyN");
	write_token("group", 0440);
	assert_int_equal(take_file(), 0);
	expect_token("group");
}

static void
files_that_others_reach(void **state)
{
	static const mode_t modes[] = { 0444, 0644, 0404, 0602, 0620, 0601 };

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		write_token("secret", modes[i]);
		assert_int_equal(take_file(), -1);
		assert_non_null(strstr(why, "chmod"));
		assert_non_null(strstr(why, token_path));
		assert_null(o.token);
	}
	if (geteuid() == 0) {
		write_token("secret", 0400);
		assert_int_equal(chown(token_path, 12345, 0), 0);
		assert_int_equal(take_file(), -1);
		assert_non_null(strstr(why, "chown root"));
	}
}

static void
files_without_a_token(void **state)
{
	static char text[TOKEN_MAX + 300];

	(void)state;
	write_token(" \n", 0400);
	assert_int_equal(take_file(), -1);
	assert_non_null(strstr(why, "is empty"));
	write_token("/etc/postern/token", 0400);
	assert_int_equal(take_file(), -1);
	write_file(token_path, "a\0b", 3, 0400);
	assert_int_equal(take_file(), -1);
	assert_non_null(strstr(why, "malformed"));
	memset(text, 'x', sizeof(text) - 1);
	write_token(text, 0400);
	assert_int_equal(take_file(), -1);
	assert_non_null(strstr(why, "too long"));
	text[TOKEN_MAX] = '\0';
	write_token(text, 0400);
	assert_int_equal(take_file(), 0);
	expect_token(text);
	(void)unlink(token_path);
	assert_int_equal(take_file(), -1);
	assert_non_null(strstr(why, "No such file"));
}

/* Four places that each have one, given one after the other. */
static void
nearer_place_counts(void **state)
{
	char text[128], flag[128];

	(void)state;
	clearenv();
	write_file(config_path, "", 0, 0600);
	write_file(credential_path, "credential", 10, 0400);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", directory, 1), 0);
	assert_int_equal(take_with(NULL, NULL), 0);
	expect_token("credential");

	write_token("file", 0400);
	snprintf(text, sizeof(text), "token-file %s\n", token_path);
	write_file(config_path, text, strlen(text), 0600);
	assert_int_equal(take_with(NULL, NULL), 0);
	expect_token("file");

	assert_int_equal(setenv("FIREZONE_TOKEN", "variable", 1), 0);
	assert_int_equal(take_with(NULL, NULL), 0);
	expect_token("variable");

	assert_int_equal(setenv("FIREZONE_TOKEN", "variable", 1), 0);
	snprintf(flag, sizeof(flag), "--token-file=%s", token_path);
	assert_int_equal(take_with(flag, NULL), 0);
	expect_token("file");
	/* Not used, but not left behind either. */
	assert_null(getenv("FIREZONE_TOKEN"));

	assert_int_equal(take_with("argument", NULL), 0);
	expect_token("argument");
}

static void
two_in_one_place(void **state)
{
	char flag[128];

	(void)state;
	clearenv();
	write_token("file", 0400);
	snprintf(flag, sizeof(flag), "--token-file=%s", token_path);
	assert_int_equal(take_with(flag, "argument"), -1);
	assert_non_null(strstr(why, "twice"));
	assert_int_equal(setenv("POSTERN_TOKEN_FILE", token_path, 1), 0);
	assert_int_equal(take_with(NULL, NULL), 0);
	expect_token("file");
	assert_int_equal(setenv("FIREZONE_TOKEN", "variable", 1), 0);
	assert_int_equal(take_with(NULL, NULL), -1);
	assert_non_null(strstr(why, "twice"));
	assert_null(getenv("FIREZONE_TOKEN"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_of_a_file),
		cmocka_unit_test(files_that_others_reach),
		cmocka_unit_test(files_without_a_token),
		cmocka_unit_test(nearer_place_counts),
		cmocka_unit_test(two_in_one_place),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
