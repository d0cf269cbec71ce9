/*
 * parent/operator_sockets.c: the counter page that one can write and the other
 * only read, and the listeners, where their places are free, stale or taken.
 */
#include "parent/operator_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/bounds.h"
#include "common/counters.h"
#include "tests/lib/unit.h"

/* Whoever control-worker is; only root can make sockets for others. */
#define OWNER (geteuid() == 0 ? 65534 : geteuid())

static char folder[] = "/tmp/window.XXXXXX", path[128];
static struct options options;
static bool no_names;
static struct operator_sockets window;

static int
set_up(void **state)
{
	char why[128];

	(void)state;
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/new/ctl.sock", folder);
	options = (struct options){
		.ctl_socket = path,
		.no_names = no_names,
		.health = { ip_v4(127, 0, 0, 1), 0 },
	};
	return operator_sockets_open(&window, &options, OWNER, why, sizeof(why));
}

static int
tear_down(void **state)
{
	(void)state;
	operator_sockets_close(&window);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	return rmdir(folder);
}

static void *
map(int fd, int protection)
{
	return mmap(
	    NULL, sizeof(struct counter_page), protection, MAP_SHARED, fd, 0);
}

static void
counter_page_is_shared(void **state)
{
	struct counter_page *page =
	    map(window.counters, PROT_READ | PROT_WRITE);
	const struct counter_page *seen =
	    map(window.counters_to_read, PROT_READ);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_ptr_not_equal(seen, MAP_FAILED);
	page->shard[COUNTER_SHARDS - 1].counters.outbound_bytes = 77;
	assert_int_equal(
	    counter_read(
		&seen->shard[COUNTER_SHARDS - 1].counters.outbound_bytes),
	    77);
	munmap(page, sizeof(*page));
	munmap((void *)(uintptr_t)seen, sizeof(*seen));
}

static void
reader_cannot_write(void **state)
{
	void *page = map(window.counters_to_read, PROT_READ);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_ptr_equal(
	    map(window.counters_to_read, PROT_READ | PROT_WRITE), MAP_FAILED);
	assert_int_equal(
	    mprotect(page, sizeof(struct counter_page), PROT_READ | PROT_WRITE),
	    -1);
	assert_int_equal(write(window.counters_to_read, "x", 1), -1);
	munmap(page, sizeof(struct counter_page));
}

/* A page that got shorter would end its readers by SIGBUS. */
static void
nobody_can_resize(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(ftruncate(window.counters, 0), -1);
	assert_int_equal(ftruncate(window.counters, 1 << 20), -1);
	assert_int_equal(
	    fcntl(window.counters, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	assert_int_equal(fstat(window.counters, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static int
connect_to(const char *to)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	strlcpy(address.sun_path, to, sizeof(address.sun_path));
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return r;
}

static void
socket_comes_and_goes(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(connect_to(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(st.st_gid, window.ctl_gid);
	operator_sockets_close(&window);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(window.health, -1);
}

/* The packet filter knows the user of the socket by its owner. */
static void
health_is_of_control_worker(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(fstat(window.health, &st), 0);
	assert_int_equal(st.st_uid, OWNER);
	assert_int_equal(fstat(window.ctl, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
}

/* Somebody listens there: the second one goes without. */
static void
socket_of_another(void **state)
{
	struct operator_sockets second;
	char why[128];

	(void)state;
	assert_int_equal(
	    operator_sockets_open(&second, &options, OWNER, why, sizeof(why)), 0);
	assert_int_equal(second.ctl, -1);
	assert_true(second.counters != -1 && second.health != -1);
	operator_sockets_close(&second);
	assert_int_equal(connect_to(path), 0);
}

static void
socket_of_the_dead(void **state)
{
	struct operator_sockets second;
	char why[128];

	(void)state;
	close(window.ctl);
	window.ctl = -1;
	assert_int_equal(connect_to(path), -1);
	assert_int_equal(
	    operator_sockets_open(&second, &options, OWNER, why, sizeof(why)), 0);
	assert_int_not_equal(second.ctl, -1);
	assert_int_equal(connect_to(path), 0);
	operator_sockets_close(&second);
}

static void
no_socket(void **state)
{
	char file[160], longer[sizeof(struct sockaddr_un) + 64] = "/tmp/",
							    why[128];
	const char *const places[] = { file, longer, folder,
		"/nowhere/at/all/ctl.sock" };
	struct operator_sockets second;
	struct stat st;

	(void)state;
	snprintf(file, sizeof(file), "%s/file", folder);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	memset(longer + 5, 'x', sizeof(longer) - 6);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		options.ctl_socket = places[i];
		assert_int_equal(
		    operator_sockets_open(&second, &options, OWNER, why, sizeof(why)), 0);
		assert_int_equal(second.ctl, -1);
		operator_sockets_close(&second);
	}
	assert_int_equal(stat(file, &st), 0);
	unlink(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* It keeps its size, and who gets it can write; there is none without names. */
static void
memory_for_names(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(fstat(window.names, &st), 0);
	assert_int_equal(st.st_size, NAMES_MEMORY);
	assert_int_equal(ftruncate(window.names, 0), -1);
	assert_int_equal(ftruncate(window.names, NAMES_MEMORY + 1), -1);
	assert_int_equal(pwrite(window.names, "x", 1, NAMES_MEMORY - 1), 1);
	tear_down(NULL);
	no_names = true;
	assert_int_equal(set_up(NULL), 0);
	assert_int_equal(window.names, -1);
	no_names = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counter_page_is_shared),
		TEST(reader_cannot_write),
		TEST(nobody_can_resize),
		TEST(health_is_of_control_worker),
		TEST(socket_comes_and_goes),
		TEST(socket_of_another),
		TEST(socket_of_the_dead),
		TEST(no_socket),
		TEST(memory_for_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
