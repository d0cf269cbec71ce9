/* parent/spool.c: the folder of the flow logs, made by us or before us. */
#include "parent/spool.h"

#include <stdlib.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#define SOMEBODY 12345

static char directory[] = "/tmp/test_spool_folder.XXXXXX";
static char state_dir[64], folder[80], path[SPOOL_MAX];

static int
make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", directory);
	snprintf(folder, sizeof(folder), "%s/flow_logs", state_dir);
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	(void)rmdir(folder);
	(void)rmdir(state_dir);
	return rmdir(directory);
}

static void
expect_folder(uid_t uid, mode_t mode)
{
	struct stat st;

	assert_string_equal(path, folder);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, getegid());
	assert_int_equal(st.st_mode & 07777, mode);
}

static void
folder_is_made(void **state)
{
	(void)state;
	spool_make(state_dir, (uid_t)-1, path);
	expect_folder(geteuid(), 0700);
	if (geteuid() != 0)
		return;
	spool_make(state_dir, SOMEBODY, path);
	expect_folder(SOMEBODY, 0710);
	/* Mended, and given to another. */
	assert_int_equal(chmod(folder, 0777), 0);
	spool_make(state_dir, SOMEBODY, path);
	expect_folder(SOMEBODY, 0710);
	spool_make(state_dir, SOMEBODY + 1, path);
	expect_folder(SOMEBODY + 1, 0710);
}

static void
set_rights(cap_flag_value_t value)
{
	static const cap_value_t rights[] = { CAP_CHOWN, CAP_DAC_OVERRIDE,
		CAP_DAC_READ_SEARCH, CAP_FOWNER };
	cap_t caps = cap_get_proc();

	assert_non_null(caps);
	assert_int_equal(
	    cap_set_flag(caps, CAP_EFFECTIVE, 4, rights, value), 0);
	assert_int_equal(cap_set_proc(caps), 0);
	cap_free(caps);
}

/* As in the unit of systemd, where tmpfiles has made it. */
static void
folder_is_there_and_rights_are_not(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	spool_make(state_dir, SOMEBODY, path);
	expect_folder(SOMEBODY, 0710);
	set_rights(CAP_CLEAR);
	spool_make(state_dir, SOMEBODY, path);
	set_rights(CAP_SET);
	expect_folder(SOMEBODY, 0710);
}

static void
places_that_cannot_be(void **state)
{
	(void)state;
	spool_make("relative", (uid_t)-1, path);
	assert_string_equal(path, "");
	spool_make("/nonexistent/state", (uid_t)-1, path);
	assert_string_equal(path, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folder_is_made),
		cmocka_unit_test(folder_is_there_and_rights_are_not),
		cmocka_unit_test(places_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
