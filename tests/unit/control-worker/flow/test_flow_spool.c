/* The spool: spec/policy.md 10.5, 10.7 (prune), 11.9 (47, 48). */
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "control-worker/flow/spool.h"
#include "tests/lib/flow.h"

#define HOME "responder/" FLOW_AUTHORIZATION

static char root[64], jwt[16384];
static struct spool *s;
static const struct spool_dir dir = { FLOW_RESPONDER, FLOW_AUTHORIZATION };

static const char *
path(const char *name)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s/%s", root, name);
	return text;
}

static bool
exists(const char *name)
{
	return access(path(name), F_OK) == 0;
}

static void
write_text(const char *name, const char *text)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_flow_spool.XXXXXX");
	assert_non_null(mkdtemp(root));
	s = spool_open(root, 100);
	assert_non_null(s);
	return 0;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	spool_close(s);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void
reopen(size_t max)
{
	spool_close(s);
	s = spool_open(root, max);
	assert_non_null(s);
}

static void
put_token(const char *claims)
{
	struct flow_token t;

	flow_jwt(FLOW_HEADER, claims, jwt);
	assert_true(flow_token_parse(jwt, strlen(jwt), &t));
	spool_put_token(s, &t, jwt);
}

/* Flow number n, in the order of age. */
static struct ipc_flow
flow(unsigned n, bool closed)
{
	struct ipc_flow f = flow_report(closed);

	f.started_at += n * UINT64_C(1000000000);
	return f;
}

static void
put(unsigned n, bool closed)
{
	struct ipc_flow f = flow(n, closed);

	spool_put_report(s, &f);
}

static size_t
count_names(void)
{
	size_t n;

	free(spool_names(s, &dir, &n));
	return n;
}

static void
layout(void **state)
{
	char name[FLOW_NAME_MAX], file[128], text[FLOW_PAYLOAD_MAX + 1];
	char wanted[FLOW_PAYLOAD_MAX + 1], token[FLOW_TOKEN_MAX + 1];
	struct ipc_flow f = flow(0, false);
	struct stat st;

	(void)state;
	put_token(FLOW_CLAIMS);
	put(0, false);
	put(1, true);
	assert_true(exists(HOME "/token"));
	snprintf(file, sizeof(file), HOME "/%s", flow_name_format(&f, name));
	assert_int_equal(stat(path(file), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(path(HOME), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	/* Two directories, the token, two reports. */
	assert_int_equal(spool_count(s), 5);
	assert_int_equal(spool_get_report(s, &dir, name, text),
	    flow_payload_format(&f, wanted));
	assert_string_equal(text, wanted);
	assert_int_equal(spool_get_token(s, &dir, token), strlen(jwt));
	assert_string_equal(token, jwt);
	assert_int_equal(
	    spool_find_token(s, &f.authorization, token), strlen(jwt));
	assert_false(exists(HOME "/new"));
	reopen(100);
	assert_int_equal(spool_count(s), 5);
}

static void
nothing_without_a_token(void **state)
{
	(void)state;
	put(0, true);
	assert_int_equal(spool_count(s), 0);
	assert_int_equal(mkdir(path("responder"), 0700), 0);
	assert_int_equal(mkdir(path(HOME), 0700), 0);
	put(0, true);
	assert_int_equal(count_names(), 0);
	put_token(FLOW_CLAIMS);
	put(0, true);
	assert_int_equal(count_names(), 1);
}

static void
either_role(void **state)
{
	const struct spool_dir initiator = { FLOW_INITIATOR,
		FLOW_AUTHORIZATION };
	size_t n;

	(void)state;
	put_token(FLOW_CLAIMS_WITHOUT(
	    FLOW_AUTHORIZATION, "initiator", "true", "1") "}");
	put(0, true);
	assert_int_equal(count_names(), 0);
	free(spool_names(s, &initiator, &n));
	assert_int_equal(n, 1);
}

/* Told again, also to another process, it is the same file. */
static void
told_again(void **state)
{
	(void)state;
	put_token(FLOW_CLAIMS);
	for (int i = 0; i < 3; i++) {
		put(0, false);
		put(1, true);
		put_token(FLOW_CLAIMS);
		assert_int_equal(spool_count(s), 5);
		assert_int_equal(count_names(), 2);
		reopen(100);
	}
}

/* As a process before us may have left it. */
static void
put_both(unsigned n)
{
	struct ipc_flow f = flow(n, false);
	char name[FLOW_NAME_MAX], start[128];

	snprintf(start, sizeof(start), HOME "/%s", flow_name_format(&f, name));
	put(n, true);
	write_text(start, "x");
}

static void
an_end_replaces_its_start(void **state)
{
	struct ipc_flow f = flow(1, true);
	char name[FLOW_NAME_MAX];
	spool_name *names;
	size_t n;

	(void)state;
	put_token(FLOW_CLAIMS);
	put(1, false);
	assert_int_equal(spool_count(s), 4);
	put(1, true);
	put(1, false);
	assert_int_equal(spool_count(s), 4);
	names = spool_names(s, &dir, &n);
	assert_int_equal(n, 1);
	assert_string_equal(names[0], flow_name_format(&f, name));
	free(names);
	reopen(100);
	assert_int_equal(spool_count(s), 4);
}

static void
a_start_is_skipped_when_its_end_is_there(void **state)
{
	char name[FLOW_NAME_MAX];
	struct ipc_flow f;
	spool_name *names;
	size_t n;

	(void)state;
	put_token(FLOW_CLAIMS);
	put(3, true);
	put_both(1);
	put(2, false);
	put_both(0);
	reopen(100);
	names = spool_names(s, &dir, &n);
	assert_int_equal(n, 4);
	for (unsigned i = 0; i < 4; i++) {
		f = flow(i, i != 2);
		assert_string_equal(names[i], flow_name_format(&f, name));
	}
	/* With the end goes the start. */
	spool_remove(s, &dir, names[1]);
	free(names);
	assert_int_equal(count_names(), 3);
	assert_int_equal(spool_count(s), 3 + 4);
}

static void
damaged_reports_go(void **state)
{
	char name[FLOW_NAME_MAX], text[FLOW_PAYLOAD_MAX + 1], file[128];
	struct ipc_flow f = flow(0, true);

	(void)state;
	put_token(FLOW_CLAIMS);
	put(0, true);
	snprintf(file, sizeof(file), HOME "/%s", flow_name_format(&f, name));
	write_text(file, "{\"checksum\":1,\"payload\":{}}");
	assert_int_equal(spool_get_report(s, &dir, name, text), 0);
	assert_false(exists(file));
	assert_int_equal(spool_count(s), 3);
	/* One that is no ordinary file is left alone. */
	assert_int_equal(symlink("/etc/passwd", path(file)), 0);
	assert_int_equal(spool_get_report(s, &dir, name, text), 0);
	unlink(path(file));
	assert_int_equal(mkfifo(path(file), 0600), 0);
	assert_int_equal(spool_get_report(s, &dir, name, text), 0);
	assert_true(exists(file));
}

/* After a failure of the machine each of them may be. */
static void
many_damaged_reports_cause_few_lines(void **state)
{
	char name[FLOW_NAME_MAX], text[FLOW_PAYLOAD_MAX + 1], file[128];
	int log[2], lines = 0;

	(void)state;
	put_token(FLOW_CLAIMS);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, log), 0);
	log_init_worker(log[1], LOG_LEVEL_WARN);
	for (unsigned n = 0; n < 50; n++) {
		struct ipc_flow f = flow(n, true);

		snprintf(
		    file, sizeof(file), HOME "/%s", flow_name_format(&f, name));
		write_text(file, "{");
		assert_int_equal(spool_get_report(s, &dir, name, text), 0);
		assert_false(exists(file));
	}
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	while (recv(log[0], text, sizeof(text), 0) > 0)
		lines++;
	assert_in_range(lines, 1, 10);
	close(log[0]);
	close(log[1]);
}

static void
foreign_names_are_ignored(void **state)
{
	size_t n;

	(void)state;
	put_token(FLOW_CLAIMS);
	put(0, true);
	write_text(HOME "/x.json", "x");
	assert_int_equal(mkdir(path("responder/x"), 0700), 0);
	assert_int_equal(mkdir(path("responder/"
				    "5f1a3c6e0b1d4c579d6d2b8f0c9e7a11"),
			     0700),
	    0);
	free(spool_dirs(s, &n));
	assert_int_equal(n, 1);
	assert_int_equal(count_names(), 1);
}

/* A directory of another's making is not followed out of the spool. */
static void
links_are_not_followed(void **state)
{
	char outside[] = "/tmp/test_flow_outside.XXXXXX";
	char token[FLOW_TOKEN_MAX + 1];

	(void)state;
	assert_non_null(mkdtemp(outside));
	assert_int_equal(mkdir(path("responder"), 0700), 0);
	assert_int_equal(symlink(outside, path(HOME)), 0);
	put_token(FLOW_CLAIMS);
	put(0, true);
	assert_int_equal(spool_dropped(s), 1);
	assert_int_equal(rmdir(outside), 0); /* is empty */
	unlink(path(HOME));
	put_token(FLOW_CLAIMS);
	unlink(path(HOME "/token"));
	assert_int_equal(symlink("/etc/passwd", path(HOME "/token")), 0);
	assert_int_equal(spool_get_token(s, &dir, token), 0);
}

static void
names_that_are_no_directories(void **state)
{
	static const char *const bad[] = { "", "..", "../../../etc",
		"5f1a3c6e-0b1d-4c57-9d6d-2b8f0c9e7a1/" };
	char token[FLOW_TOKEN_MAX + 1];
	struct spool_dir d = { .role = FLOW_RESPONDER };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		strcpy(d.id, bad[i]);
		assert_int_equal(spool_get_token(s, &d, token), 0);
		assert_false(spool_prune(s, &d, UINT64_MAX));
	}
}

static void
age(const char *name, time_t seconds)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - seconds },
		{ .tv_sec = time(NULL) - seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path(name), times, 0), 0);
}

static void
prune(void **state)
{
	const uint64_t now = (uint64_t)time(NULL);

	(void)state;
	/* By the end of the token, which is the second 2000. */
	put_token(FLOW_CLAIMS);
	put(0, true);
	assert_false(spool_prune(s, &dir, 1999));
	assert_int_equal(count_names(), 1);
	assert_true(spool_prune(s, &dir, 2000));
	assert_false(exists(HOME));
	assert_int_equal(spool_count(s), 1);
	/* Without a token, by its age. */
	put_token(FLOW_CLAIMS);
	unlink(path(HOME "/token"));
	assert_false(spool_prune(s, &dir, now));
	age(HOME, 59);
	assert_false(spool_prune(s, &dir, now));
	age(HOME, 70);
	assert_true(spool_prune(s, &dir, now));
	/* With one that is none, by a great age. */
	put_token(FLOW_CLAIMS);
	write_text(HOME "/token", "torn");
	age(HOME, 70);
	assert_false(spool_prune(s, &dir, now));
	age(HOME, SPOOL_UNREADABLE_S + 10);
	assert_true(spool_prune(s, &dir, now));
}

#define ENDS 1769904000 /* 2026-02-01T00:00:00Z */

/* Tokens outlive their authorizations by far. */
static void
prune_what_has_ended(void **state)
{
	static const char claims[] = FLOW_CLAIMS_WITHOUT(
	    FLOW_AUTHORIZATION, "responder", "true", "2000000000") "}";
	const struct timespec long_ago[2] = { { .tv_sec = 1000 },
		{ .tv_sec = 1000 } };
	spool_name *names;
	size_t n;

	(void)state;
	put_token(claims);
	put(0, true);
	utimensat(AT_FDCWD, path(HOME), long_ago, 0);
	assert_false(spool_prune(s, &dir, ENDS + SPOOL_ENDED_S + 1));
	names = spool_names(s, &dir, &n);
	spool_remove(s, &dir, names[0]);
	free(names);
	/* It has just been changed. */
	assert_false(spool_prune(s, &dir, (uint64_t)time(NULL)));
	utimensat(AT_FDCWD, path(HOME), long_ago, 0);
	assert_false(spool_prune(s, &dir, ENDS + SPOOL_ENDED_S));
	assert_true(spool_prune(s, &dir, ENDS + SPOOL_ENDED_S + 1));
}

static void
full(void **state)
{
	(void)state;
	reopen(64);
	put_token(FLOW_CLAIMS);
	for (unsigned i = 0; i < 30; i++)
		put(i, true);
	assert_int_equal(count_names(), 19);
	assert_int_equal(spool_count(s), 3 + 19);
	assert_int_equal(spool_dropped(s), 11);
	/* What is there already costs nothing, and room that is made counts. */
	put(0, true);
	assert_int_equal(spool_dropped(s), 11);
	for (size_t n = 0; n < 1; n++) {
		spool_name *names = spool_names(s, &dir, &n);

		spool_remove(s, &dir, names[0]);
		free(names);
	}
	put(40, true);
	assert_int_equal(count_names(), 19);
	assert_int_equal(spool_dropped(s), 11);
	put(41, true);
	assert_int_equal(spool_dropped(s), 12);
}

#define OTHER "77777777-0b1d-4c57-9d6d-2b8f0c9e7a11"

/* Files that are none of any authorization's, so many that count is reached. */
static void
fill_up_to(size_t count)
{
	char name[64];

	assert_int_equal(mkdir(path("initiator"), 0700), 0);
	assert_int_equal(mkdir(path("initiator/x"), 0700), 0);
	for (size_t i = spool_count(s) + 2; i < count; i++) {
		snprintf(name, sizeof(name), "initiator/x/%zu", i);
		write_text(name, "x");
	}
	reopen(64);
	assert_int_equal(spool_count(s), count);
}

/* Whatever one authorization has, another one can have some. */
static void
room_for_others(void **state)
{
	struct ipc_flow f = flow(0, false);

	(void)state;
	reopen(64);
	put_token(FLOW_CLAIMS);
	put_token(FLOW_CLAIMS_WITHOUT(OTHER, "responder", "true", "2000") "}");
	for (unsigned i = 0; i < 64; i++)
		put(i, false);
	assert_true(spool_dropped(s) > 0);
	assert_true(uuid_parse(OTHER, &f.authorization));
	for (unsigned i = 0; i < 5; i++) {
		size_t before = spool_count(s);

		f.started_at++;
		spool_put_report(s, &f);
		assert_int_equal(spool_count(s), before + 1);
	}
}

/* Starts, then ends of unknown flows, then tokens; known ones end always. */
static void
room_for_ends_and_tokens(void **state)
{
	(void)state;
	reopen(64);
	put_token(FLOW_CLAIMS);
	put(0, false);
	fill_up_to(64 - 64 / SPOOL_ENDS);
	put(1, false);
	assert_int_equal(count_names(), 1);
	put(0, true);
	assert_int_equal(spool_count(s), 56);
	for (unsigned i = 2; i < 10; i++)
		put(i, true);
	assert_true(count_names() > 1);
	assert_true(spool_count(s) <= 64 - 64 / SPOOL_TOKENS);
	put_token(FLOW_CLAIMS_WITHOUT(OTHER, "responder", "true", "2000") "}");
	assert_true(exists("responder/" OTHER "/token"));
}

/* Nothing is written any more, and nothing but a line of the log says so. */
static void
a_broken_disk(void **state)
{
	(void)state;
	put_token(FLOW_CLAIMS);
	assert_int_equal(mkdir(path(HOME "/new"), 0700), 0);
	put(0, true);
	assert_int_equal(spool_dropped(s), 1);
	assert_int_equal(count_names(), 0);
	assert_int_equal(rmdir(path(HOME "/new")), 0);
	/* The rest of one that was left in the middle is in nobody's way. */
	write_text(HOME "/new", "a long text that is not the end of anything");
	put(0, true);
	assert_int_equal(count_names(), 1);
	assert_null(spool_open("/nonexistent", 1));
}

static void
settings(void **state)
{
	struct flow_settings in = { "https://x/", 60, 5 }, out;

	(void)state;
	assert_false(spool_get_settings(s, &out));
	spool_put_settings(s, &in);
	assert_true(exists("upload.json"));
	assert_true(spool_get_settings(s, &out));
	assert_memory_equal(&in, &out, sizeof(in));
	write_text("upload.json", "{");
	assert_false(spool_get_settings(s, &out));
	in.interval_s = 0;
	spool_put_settings(s, &in);
	assert_false(exists("upload.json"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(layout),
		TEST(nothing_without_a_token),
		TEST(either_role),
		TEST(told_again),
		TEST(an_end_replaces_its_start),
		TEST(a_start_is_skipped_when_its_end_is_there),
		TEST(damaged_reports_go),
		TEST(many_damaged_reports_cause_few_lines),
		TEST(foreign_names_are_ignored),
		TEST(links_are_not_followed),
		TEST(names_that_are_no_directories),
		TEST(prune),
		TEST(prune_what_has_ended),
		TEST(full),
		TEST(room_for_others),
		TEST(room_for_ends_and_tokens),
		TEST(a_broken_disk),
		TEST(settings),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
