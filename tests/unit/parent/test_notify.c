/* parent/notify.c: what a service manager hears. */
#include "parent/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static struct notifier n;
static char heard[2048];

/* A manager's socket of that name; '@' for an abstract one. */
static int
listen_at(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd != -1);
	memcpy(a.sun_path, name, len + 1);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
		    (name[0] == '/'))),
	    0);
	return fd;
}

static const char *
hear(int fd)
{
	ssize_t len = recv(fd, heard, sizeof(heard) - 1, 0);

	heard[len < 0 ? 0 : len] = '\0';
	return heard;
}

static void
talk(const char *name)
{
	int fd = listen_at(name);

	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	assert_int_equal(setenv("WATCHDOG_USEC", "1", 1), 0);
	notify_open(&n);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	notify_ready(&n);
	assert_string_equal(hear(fd), "READY=1\n");
	notify_status(&n, "2 workers");
	assert_string_equal(hear(fd), "STATUS=2 workers\n");
	notify_status(&n, "2 workers"); /* no news */
	assert_string_equal(hear(fd), "");
	notify_status(&n, "1 worker");
	assert_string_equal(hear(fd), "STATUS=1 worker\n");
	notify_alive(&n);
	assert_string_equal(hear(fd), "WATCHDOG=1\n");
	notify_stopping(&n);
	assert_string_equal(hear(fd), "STOPPING=1\nSTATUS=ending\n");
	close(fd);
	notify_alive(&n); /* to nobody: no signal ends us */
	notify_close(&n);
	notify_close(&n);
}

static void
manager_at_a_path(void **state)
{
	char directory[] = "/tmp/test_notify.XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/notify", directory);
	talk(path);
	unlink(path);
	rmdir(directory);
}

static void
manager_at_a_name(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@test_notify.%ld", (long)getpid());
	talk(name);
}

static void
no_manager(void **state)
{
	static const char *const names[] = { "", "/", "relative",
		"/nonexistent/notify", "vsock:2:3" };
	char longest[200];

	(void)state;
	clearenv();
	notify_open(&n);
	assert_int_equal(n.fd, -1);
	notify_ready(&n);
	notify_status(&n, "x");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		notify_open(&n);
		assert_int_equal(n.fd, -1);
	}
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", longest, 1), 0);
	notify_open(&n);
	assert_int_equal(n.fd, -1);
}

static void
no_watchdog(void **state)
{
	char name[64];
	int fd;

	(void)state;
	clearenv();
	snprintf(name, sizeof(name), "@test_notify.%ld", (long)getpid());
	fd = listen_at(name);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	notify_open(&n);
	notify_alive(&n);
	assert_string_equal(hear(fd), "");
	close(fd);
	notify_close(&n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manager_at_a_path),
		cmocka_unit_test(manager_at_a_name),
		cmocka_unit_test(no_manager),
		cmocka_unit_test(no_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
