/* parent/check.c: what --check finds beyond the options themselves. */
#include "parent/check.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static struct options o;
static struct problems problems;

static bool
is_told(const char *part)
{
	for (size_t i = 0; i < problems.count; i++)
		if (strstr(problems.text[i], part) != NULL)
			return true;
	return false;
}

/* With one flag more, and the token in the variable. */
static void
check_with(const char *flag, const char *token)
{
	static char program[] = "posternd", config[] = "--config=", word[512];
	char *argv[4] = { program, config, word };

	clearenv();
	snprintf(word, sizeof(word), "%s", flag);
	assert_int_equal(setenv("FIREZONE_TOKEN", token, 1), 0);
	assert_int_equal(options_parse(&o, 3, argv, &problems), OPTIONS_RUN);
	check_start(&o, &problems);
	assert_null(o.token);
	assert_null(getenv("FIREZONE_TOKEN"));
}

static void
token_is_checked(void **state)
{
	(void)state;
	check_with("--check", "good");
	assert_false(is_told("token"));
	check_with("--check", "");
	assert_true(is_told("the token in FIREZONE_TOKEN is empty"));
}

static void
files_are_checked(void **state)
{
	(void)state;
	check_with("--ca-file=/etc/ssl/certs/ca-certificates.crt", "good");
	assert_false(is_told("/etc/ssl"));
	check_with("--ca-file=/etc/passwd", "good");
	assert_true(is_told("/etc/passwd has no certificate in PEM"));
	check_with("--ca-file=/etc", "good");
	assert_true(is_told("cannot read /etc: Is a directory"));
	check_with("--flow-log=file:/nonexistent/log", "good");
	assert_true(is_told("cannot open the flow log /nonexistent/log"));
	check_with("--ca-file=/nonexistent/ca", "good");
	assert_true(is_told("cannot read /nonexistent/ca: No such file"));
}

static void
paths_are_checked(void **state)
{
	char flag[320] = "--ctl-socket=/";

	(void)state;
	check_with("--state-dir=/var/x", "good");
	assert_false(is_told("state-dir"));
	check_with("--state-dir=x", "good");
	assert_true(is_told("state-dir must be an absolute path"));

	memset(flag + 14, 'x', 106);
	check_with(flag, "good");
	assert_false(is_told("ctl-socket"));
	flag[14 + 106] = 'x';
	check_with(flag, "good");
	assert_true(is_told("ctl-socket is longer"));

	snprintf(flag, sizeof(flag), "--state-dir=/");
	memset(flag + 13, 'x', 244);
	check_with(flag, "good");
	assert_false(is_told("state-dir"));
	flag[13 + 244] = 'x';
	check_with(flag, "good");
	assert_true(is_told("state-dir"));
}

static void
users_are_checked(void **state)
{
	uid_t uid = 0;
	gid_t gid = 0;
	char why[PROBLEM_TEXT_MAX];

	(void)state;
	assert_true(find_worker_user("nobody", &uid, &gid, why, sizeof(why)));
	assert_true(uid != 0 && gid != 0);
	assert_false(find_worker_user("root", &uid, &gid, why, sizeof(why)));
	assert_non_null(strstr(why, "must not have id 0"));
	assert_false(
	    find_worker_user("_nobodyhere", &uid, &gid, why, sizeof(why)));
	assert_non_null(strstr(why, "systemd-sysusers"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_is_checked),
		cmocka_unit_test(files_are_checked),
		cmocka_unit_test(paths_are_checked),
		cmocka_unit_test(users_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
