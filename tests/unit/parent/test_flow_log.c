/* parent/flow_log.c: a file is renamed in time, and opened anew when it is. */
#include "parent/flow_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static char folder[64], path[128], why[256];
static struct flow_log_options options;
static struct flow_log f;

static int
set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/postern-flow-log.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/flows", folder);
	options = (struct flow_log_options){
		.kind = FLOW_SINK_FILE,
		.path = path,
		.bytes_max = 10,
		.keep = 2,
	};
	f.fd = -1;
	return 0;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	flow_log_close(&f);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* Whether it has been opened since this was last asked. */
static bool
is_another(void)
{
	static int before = -1;
	bool another = flow_log_fd(&f) != before;

	before = flow_log_fd(&f);
	return another;
}

static void
put(const char *text)
{
	assert_int_equal(flow_log_write(&f, text, strlen(text)), strlen(text));
}

/* What is in flows, flows.1 and so on; "-" where there is none. */
static void
assert_there(const char *const wanted[4])
{
	for (int i = 0; i < 4; i++) {
		char name[160], text[32] = "-";
		ssize_t n;
		int fd;

		snprintf(name, sizeof(name), i == 0 ? "%s" : "%s.%d", path, i);
		if ((fd = open(name, O_RDONLY)) != -1) {
			n = read(fd, text, sizeof(text) - 1);
			assert_int_not_equal(n, -1);
			text[n] = '\0';
			close(fd);
		}
		assert_string_equal(text, wanted[i]);
	}
}

#define THERE(...) assert_there((const char *const[4]){ __VA_ARGS__ })

/* It says what flow_log_open() would, and leaves no trace. */
static void
checked(void **state)
{
	char link[160];

	(void)state;
	assert_int_equal(flow_log_check(&options, why, sizeof(why)), 0);
	THERE("-", "-", "-", "-");
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), 0);
	put("kept");
	assert_int_equal(flow_log_check(&options, why, sizeof(why)), 0);
	THERE("kept", "-", "-", "-");
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink(path, link), 0);
	options.path = link;
	assert_int_equal(flow_log_check(&options, why, sizeof(why)), -1);
	options.path = folder;
	assert_int_equal(flow_log_check(&options, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "cannot open the flow log /tmp/"));
	options.path = "/nonexistent/flows";
	assert_int_equal(flow_log_check(&options, why, sizeof(why)), -1);
	assert_string_equal(why,
	    "cannot open the flow log /nonexistent/flows: No such file or "
	    "directory");
	options.path = "/dev/null";
	assert_int_equal(flow_log_check(&options, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "it is no file"));
	options.kind = FLOW_SINK_SYSLOG;
	options.path = path;
	assert_int_equal(flow_log_check(&options, why, sizeof(why)), -1);
	options.kind = FLOW_SINK_NONE;
	assert_int_equal(flow_log_check(&options, why, sizeof(why)), 0);
}

static void
size(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), 0);
	assert_true(is_another());
	assert_int_equal(fstat(f.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)is_another();
	put("first.123");
	flow_log_look(&f);
	assert_false(is_another());
	put("4");
	flow_log_look(&f);
	assert_true(is_another());
	THERE("", "first.1234", "-", "-");
	put("second.1234");
	flow_log_look(&f);
	put("third.12345");
	flow_log_look(&f);
	put("now");
	/* The first is gone: two are kept. */
	THERE("now", "third.12345", "second.1234", "-");
	options.bytes_max = 0;
	put("however long it is");
	flow_log_look(&f);
	THERE("nowhowever long it is", "third.12345", "second.1234", "-");
}

static void
age(void **state)
{
	(void)state;
	options.bytes_max = 0;
	options.every_s = 1;
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), 0);
	(void)is_another();
	/* An empty one is not renamed. */
	for (int i = 0; i < 25; i++) {
		usleep(100000);
		flow_log_look(&f);
	}
	THERE("", "-", "-", "-");
	put("old");
	flow_log_look(&f);
	THERE("", "old", "-", "-");
}

/* As logrotate(8) does; and what is there before. */
static void
moved(void **state)
{
	char other[160];

	(void)state;
	options.bytes_max = 0;
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), 0);
	put("a");
	flow_log_close(&f);
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), 0);
	put("b");
	THERE("ab", "-", "-", "-");
	(void)is_another();
	snprintf(other, sizeof(other), "%s.1", path);
	assert_int_equal(rename(path, other), 0);
	flow_log_again(&f);
	assert_true(is_another());
	put("c");
	THERE("c", "ab", "-", "-");
	/* Without a signal it is found out. */
	(void)is_another();
	flow_log_look(&f);
	assert_false(is_another());
	assert_int_equal(unlink(path), 0);
	flow_log_look(&f);
	assert_true(is_another());
	put("d");
	THERE("d", "ab", "-", "-");
}

static void
no_file(void **state)
{
	(void)state;
	options.path = folder;
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), -1);
	assert_non_null(strstr(why, folder));
	options.path = "/dev/null";
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), -1);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	options.path = path;
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), -1);
	options.kind = FLOW_SINK_NONE;
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), 0);
	assert_int_equal(f.fd, -1);
	flow_log_look(&f);
	flow_log_again(&f);
	assert_int_equal(f.fd, -1);
}

static int
listen_at_path(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	(void)unlink(path);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A log daemon that is started again has another socket at its path. */
static void
socket_of_syslog(void **state)
{
	char text[8];
	int before = listen_at_path(), after;

	(void)state;
	options.kind = FLOW_SINK_SYSLOG;
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), 0);
	put("one");
	assert_int_equal(recv(before, text, sizeof(text), 0), 3);
	(void)is_another();
	flow_log_look(&f);
	assert_false(is_another());
	/* Another inode: the first is still open. */
	after = listen_at_path();
	flow_log_look(&f);
	assert_true(is_another());
	put("two");
	assert_int_equal(recv(after, text, sizeof(text), 0), 3);
	close(before);
	close(after);
}

/* What cannot be opened any more is used as it was. */
static void
no_second_time(void **state)
{
	char away[128];
	int fd;

	(void)state;
	assert_int_equal(flow_log_open(&f, &options, why, sizeof(why)), 0);
	(void)is_another();
	fd = f.fd;
	snprintf(away, sizeof(away), "%s-away", folder);
	assert_int_equal(rename(folder, away), 0);
	flow_log_look(&f);
	flow_log_again(&f);
	assert_false(is_another());
	assert_int_equal(f.fd, fd);
	put("still");
	assert_int_equal(rename(away, folder), 0);
	THERE("still", "-", "-", "-");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(checked),
		T(size),
		T(age),
		T(moved),
		T(no_file),
		T(no_second_time),
		T(socket_of_syslog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
