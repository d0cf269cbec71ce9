/* parent/watched_file.c: every way in which a file becomes another. */
#include "parent/watched_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/lib/unit.h"

static char folder[64], path[96], other[96];

static void
write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int
set_up(void **state)
{
	(void)state;
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	strcpy(folder, "/tmp/watched_file.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(folder);
}

/* Whether a look finds a change, and this text. */
static bool
changes_to(struct watched_file *f, const char *text)
{
	char found[64] = "";
	bool changed;

	f->changed = false;
	watched_file_look(f);
	changed = f->changed;
	assert_true(pread(f->fd, found, sizeof(found) - 1, 0) >= 0);
	assert_string_equal(found, text);
	return changed;
}

static void
replaced_by_rename(void **state)
{
	struct watched_file f = { .path = path, .fd = -1 };

	(void)state;
	write_file(path, "one");
	assert_int_equal(watched_file_open(&f), 0);
	assert_true(f.changed);
	assert_false(changes_to(&f, "one"));
	write_file(other, "two");
	assert_int_equal(rename(other, path), 0);
	assert_true(changes_to(&f, "two"));
	assert_false(changes_to(&f, "two"));
	watched_file_close(&f);
	assert_int_equal(f.fd, -1);
}

static void
rewritten_in_place(void **state)
{
	struct watched_file f = { .path = path, .fd = -1 };

	(void)state;
	write_file(path, "one");
	assert_int_equal(watched_file_open(&f), 0);
	write_file(path, "three");
	assert_true(changes_to(&f, "three"));
	watched_file_close(&f);
}

static void
link_points_elsewhere(void **state)
{
	struct watched_file f = { .path = path, .fd = -1 };
	char third[96], fresh[96];

	(void)state;
	snprintf(third, sizeof(third), "%s/third", folder);
	snprintf(fresh, sizeof(fresh), "%s/fresh", folder);
	write_file(other, "one");
	write_file(third, "two");
	assert_int_equal(symlink("other", path), 0);
	assert_int_equal(watched_file_open(&f), 0);
	assert_false(changes_to(&f, "one"));
	assert_int_equal(symlink("third", fresh), 0);
	assert_int_equal(rename(fresh, path), 0);
	assert_true(changes_to(&f, "two"));
	/* And what it points to may be replaced as well. */
	write_file(other, "3");
	assert_int_equal(rename(other, third), 0);
	assert_true(changes_to(&f, "3"));
	unlink(third);
	watched_file_close(&f);
}

static void
gone_and_back(void **state)
{
	struct watched_file f = { .path = path, .fd = -1 };

	(void)state;
	assert_int_equal(watched_file_open(&f), -1);
	write_file(path, "one");
	assert_int_equal(watched_file_open(&f), 0);
	unlink(path);
	assert_false(changes_to(&f, "one")); /* used as it was */
	write_file(path, "back");
	assert_true(changes_to(&f, "back"));
	watched_file_close(&f);
}

static void
optional_file(void **state)
{
	struct watched_file f = { .path = path, .optional = true, .fd = -1 };

	(void)state;
	assert_int_equal(watched_file_open(&f), 0);
	assert_false(changes_to(&f, ""));
	write_file(path, "one");
	assert_true(changes_to(&f, "one"));
	unlink(path);
	assert_true(changes_to(&f, ""));
	assert_false(changes_to(&f, ""));
	watched_file_close(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(replaced_by_rename),
		TEST(rewritten_in_place),
		TEST(link_points_elsewhere),
		TEST(gone_and_back),
		TEST(optional_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
