/* The spool: firezone-policy(7), Spool, Upload and Flow scenarios (47, 48). */
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/lib/spool.h"

static void
layout(void **state)
{
	char name[FLOW_NAME_MAX], text[FLOW_PAYLOAD_MAX + 1];
	char wanted[FLOW_PAYLOAD_MAX + 1], token[FLOW_TOKEN_MAX + 1];
	char line[SEGMENT_LINE_MAX + 1];
	struct ipc_flow f = flow(0, false);
	struct stat st;
	size_t len;

	(void)state;
	put_token(FLOW_CLAIMS);
	put(0, false);
	put(1, true);
	assert_true(exists(HOME "/token"));
	assert_int_equal(stat(path(SEGMENT(0)), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(path(HOME), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	/* Two directories, the token, a segment, room for an end. */
	assert_int_equal(spool_blocks(s), 5);
	flow_name_format(&f, name);
	len = flow_payload_format(&f, wanted);
	assert_int_equal(spool_get_report(s, &dir, name, text), len);
	assert_string_equal(text, wanted);
	len = segment_line_format(name, wanted, len, line);
	assert_memory_equal(read_text(SEGMENT(0)), line, len);
	assert_int_equal(spool_get_token(s, &dir, token), strlen(jwt));
	assert_string_equal(token, jwt);
	assert_int_equal(
	    spool_find_token(s, &f.authorization, token), strlen(jwt));
	assert_false(exists(HOME "/new"));
	reopen(100);
	/* What is promised is known when it has been looked at. */
	assert_int_equal(spool_blocks(s), 4);
	assert_int_equal(count_names(), 2);
	assert_int_equal(spool_blocks(s), 5);
}

static void
nothing_without_a_token(void **state)
{
	(void)state;
	put(0, true);
	assert_int_equal(spool_blocks(s), 0);
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

/* Told again, also to another process, it is the same report. */
static void
told_again(void **state)
{
	(void)state;
	put_token(FLOW_CLAIMS);
	for (int i = 0; i < 3; i++) {
		put(0, false);
		put(1, true);
		put_token(FLOW_CLAIMS);
		assert_int_equal(spool_blocks(s), 5);
		assert_int_equal(count_names(), 2);
		reopen(100);
	}
}

/* As a gateway before there were segments has left it. */
static void
put_old(unsigned n, bool closed)
{
	char name[FLOW_NAME_MAX], file[128], payload[FLOW_PAYLOAD_MAX + 1];
	char text[FLOW_FILE_MAX + 1];
	struct ipc_flow f = flow(n, closed);
	size_t len = flow_payload_format(&f, payload);

	snprintf(file, sizeof(file), HOME "/%s", flow_name_format(&f, name));
	text[flow_file_format(payload, len, text)] = '\0';
	write_text(file, text);
}

static size_t
count_old(void)
{
	char command[256];
	size_t n;
	FILE *p;

	snprintf(
	    command, sizeof(command), "ls %s/" HOME "/*.json | wc -l", root);
	assert_non_null(p = popen(command, "r"));
	assert_int_equal(fscanf(p, "%zu", &n), 1);
	assert_int_equal(pclose(p), 0);
	return n;
}

/* That there are reports of exactly these flows, in their order. */
static void
assert_flows(const unsigned *numbers, const bool *closed, size_t count)
{
	char name[FLOW_NAME_MAX], text[FLOW_PAYLOAD_MAX + 1];
	char wanted[FLOW_PAYLOAD_MAX + 1];
	struct ipc_flow f;
	size_t n;
	spool_name *names = spool_names(s, &dir, &n);

	assert_int_equal(n, count);
	for (size_t i = 0; i < count; i++) {
		f = flow(numbers[i], closed[i]);
		assert_string_equal(names[i], flow_name_format(&f, name));
		assert_int_equal(spool_get_report(s, &dir, name, text),
		    flow_payload_format(&f, wanted));
		assert_string_equal(text, wanted);
	}
	free(names);
}

static void
reads_files_of_one_report(void **state)
{
	static const unsigned numbers[] = { 0, 1, 2, 3, 4 };
	static const bool closed[] = { true, true, false, true, true };
	char name[FLOW_NAME_MAX];
	struct ipc_flow f = flow(3, true);

	(void)state;
	put_token(FLOW_CLAIMS);
	put_old(3, true);
	put_old(1, false);
	put_old(1, true);
	put_old(2, false);
	put_old(0, true);
	put_old(4, false);
	reopen(100);
	assert_int_equal(spool_blocks(s), 3 + 6);
	/* New ones come beside them, or in their place. */
	put(4, true);
	put(2, false);
	put(1, false);
	assert_flows(numbers, closed, 5);
	assert_int_equal(count_old(), 4);
	assert_int_equal(spool_blocks(s), 3 + 4 + 1 + 1);
	reopen(100);
	assert_flows(numbers, closed, 5);
	/* They go like all others. */
	remove_one(flow_name_format(&f, name));
	assert_int_equal(count_old(), 3);
	assert_int_equal(count_names(), 4);
	reopen(100);
	assert_int_equal(count_names(), 4);
}

static void
an_end_replaces_its_start(void **state)
{
	static const unsigned one[] = { 1 };
	static const bool closed[] = { true };

	(void)state;
	put_token(FLOW_CLAIMS);
	put(1, false);
	assert_int_equal(spool_blocks(s), 5);
	put(1, true);
	put(1, false);
	assert_int_equal(spool_blocks(s), 4);
	assert_flows(one, closed, 1);
	reopen(100);
	assert_flows(one, closed, 1);
	assert_int_equal(spool_blocks(s), 4);
}

/* Also when they lie in two segments, of which the end's goes first. */
static void
an_end_replaces_a_start_of_before(void **state)
{
	static const unsigned numbers[] = { 0, 1 };
	static const bool closed[] = { true, true };
	char name[FLOW_NAME_MAX];
	struct ipc_flow f = flow(1, true);

	(void)state;
	put_token(FLOW_CLAIMS);
	put(0, true);
	put(1, false);
	reopen(100);
	put(1, true);
	assert_true(exists(SEGMENT(0)) && exists(SEGMENT(1)));
	assert_flows(numbers, closed, 2);
	remove_one(flow_name_format(&f, name));
	assert_false(exists(SEGMENT(1)));
	assert_flows(numbers, closed, 1);
	reopen(100);
	assert_flows(numbers, closed, 1);
}

static void
what_was_taken_stays_away(void **state)
{
	static const unsigned left[] = { 1, 3 };
	static const bool closed[] = { true, false };
	char name[FLOW_NAME_MAX];
	struct ipc_flow f;

	(void)state;
	put_token(FLOW_CLAIMS);
	for (unsigned n = 0; n < 4; n++)
		put(n, n < 3);
	f = flow(2, true);
	remove_one(flow_name_format(&f, name));
	f = flow(0, true);
	remove_one(flow_name_format(&f, name));
	/* One that it is not any more, and one that never was. */
	f = flow(1, false);
	remove_one(flow_name_format(&f, name));
	f = flow(7, true);
	remove_one(flow_name_format(&f, name));
	assert_flows(left, closed, 2);
	reopen(100);
	assert_flows(left, closed, 2);
	/* The file goes with the last one. */
	f = flow(1, true);
	remove_one(flow_name_format(&f, name));
	assert_true(exists(SEGMENT(0)));
	f = flow(3, false);
	remove_one(flow_name_format(&f, name));
	assert_false(exists(SEGMENT(0)));
	assert_int_equal(spool_blocks(s), 3);
	assert_int_equal(count_names(), 0);
	/* Told again it is a new one. */
	put(2, true);
	assert_int_equal(count_names(), 1);
}

/* Many in a file, not too many, and a pass of the uploader begins a new one. */
static void
segments_are_bounded(void **state)
{
	struct stat st;
	unsigned n = 0;
	size_t count;

	(void)state;
	reopen(1000);
	put_token(FLOW_CLAIMS);
	while (!exists(SEGMENT(1))) {
		put(n++, true);
		assert_true(n < 2000);
	}
	assert_in_range(n, 200, 2000);
	assert_int_equal(stat(path(SEGMENT(0)), &st), 0);
	assert_in_range(st.st_size, SEGMENT_MAX - 1000, SEGMENT_MAX);
	/* Less than a block of it is no reason for another. */
	assert_int_equal(count_names(), n);
	put(n++, true);
	assert_false(exists(SEGMENT(2)));
	for (count = n + 20; n < count; n++)
		put(n, true);
	assert_int_equal(count_names(), n);
	put(n++, true);
	assert_true(exists(SEGMENT(2)));
	assert_int_equal(count_names(), n);
	reopen(1000);
	assert_int_equal(count_names(), n);
}

/* Whatever was cut off, the rest is there, and nothing is written behind it. */
static void
cut_at_any_place(void **state)
{
	char *text, *copy, name[FLOW_NAME_MAX];
	size_t len, whole = 0;

	(void)state;
	put_token(FLOW_CLAIMS);
	for (unsigned n = 0; n < 3; n++)
		put(n, true);
	len = strlen(text = read_text(SEGMENT(0)));
	assert_non_null(copy = strdup(text));
	for (size_t cut = 0; cut <= len; cut++) {
		struct ipc_flow f = flow(9, true);

		copy[cut] = '\0';
		spool_close(s);
		write_text(SEGMENT(0), copy);
		assert_non_null(s = spool_open(root, 100));
		whole = 0;
		for (const char *at = copy; (at = strchr(at, '\n')) != NULL;
		     at++)
			whole++;
		assert_int_equal(count_names(), whole);
		put(9, true);
		assert_int_equal(count_names(), whole + 1);
		reopen(100);
		assert_int_equal(count_names(), whole + 1);
		remove_one(flow_name_format(&f, name));
		if (cut < len)
			copy[cut] = text[cut];
	}
	assert_int_equal(whole, 3);
	free(copy);
}

/* One bit of one report: the others are not touched by it. */
static void
damaged_reports_go(void **state)
{
	char name[FLOW_NAME_MAX], text[FLOW_PAYLOAD_MAX + 1], *file;
	struct ipc_flow f;
	size_t len;

	(void)state;
	put_token(FLOW_CLAIMS);
	for (unsigned n = 0; n < 3; n++)
		put(n, true);
	file = read_text(SEGMENT(0));
	len = strlen(file) / 2;
	file[len] ^= 1;
	write_text(SEGMENT(0), file);
	/* Found when it is read, and not told again to the next process. */
	f = flow(1, true);
	assert_int_equal(
	    spool_get_report(s, &dir, flow_name_format(&f, name), text), 0);
	assert_int_equal(count_names(), 2);
	reopen(100);
	assert_int_equal(count_names(), 2);
	f = flow(2, true);
	assert_true(
	    spool_get_report(s, &dir, flow_name_format(&f, name), text) > 0);
	/* The file is gone. */
	unlink(path(SEGMENT(0)));
	assert_int_equal(spool_get_report(s, &dir, name, text), 0);
	assert_int_equal(count_names(), 1);
}

static void
damaged_files_of_one_report_go(void **state)
{
	char name[FLOW_NAME_MAX], text[FLOW_PAYLOAD_MAX + 1], file[128];
	struct ipc_flow f = flow(0, true);

	(void)state;
	put_token(FLOW_CLAIMS);
	snprintf(file, sizeof(file), HOME "/%s", flow_name_format(&f, name));
	write_text(file, "{\"checksum\":1,\"payload\":{}}");
	reopen(100);
	assert_int_equal(spool_blocks(s), 4);
	assert_int_equal(spool_get_report(s, &dir, name, text), 0);
	assert_false(exists(file));
	assert_int_equal(spool_blocks(s), 3);
	/* One that is no ordinary file is left alone. */
	assert_int_equal(symlink("/etc/passwd", path(file)), 0);
	reopen(100);
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
	char text[FLOW_PAYLOAD_MAX + 1], name[FLOW_NAME_MAX], *file;
	int log[2], lines = 0;

	(void)state;
	put_token(FLOW_CLAIMS);
	for (unsigned n = 0; n < 50; n++)
		put(n, true);
	file = read_text(SEGMENT(0));
	for (char *at = file; (at = strchr(at, '\n')) != NULL; at++)
		at[-1] = ' ';
	write_text(SEGMENT(0), file);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, log), 0);
	log_init_worker(log[1], LOG_LEVEL_WARN);
	for (unsigned n = 0; n < 50; n++) {
		struct ipc_flow f = flow(n, true);

		assert_int_equal(
		    spool_get_report(s, &dir, flow_name_format(&f, name), text),
		    0);
	}
	assert_false(exists(SEGMENT(0)));
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
	assert_int_equal(spool_blocks(s), 1);
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
	spool_remove(s, &dir, names, 1);
	free(names);
	/* It has just been changed. */
	assert_false(spool_prune(s, &dir, (uint64_t)time(NULL)));
	utimensat(AT_FDCWD, path(HOME), long_ago, 0);
	assert_false(spool_prune(s, &dir, ENDS + SPOOL_ENDED_S));
	assert_true(spool_prune(s, &dir, ENDS + SPOOL_ENDED_S + 1));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(layout),
		TEST(nothing_without_a_token),
		TEST(either_role),
		TEST(told_again),
		TEST(an_end_replaces_its_start),
		TEST(an_end_replaces_a_start_of_before),
		TEST(reads_files_of_one_report),
		TEST(what_was_taken_stays_away),
		TEST(segments_are_bounded),
		TEST(cut_at_any_place),
		TEST(damaged_reports_go),
		TEST(damaged_files_of_one_report_go),
		TEST(many_damaged_reports_cause_few_lines),
		TEST(foreign_names_are_ignored),
		TEST(links_are_not_followed),
		TEST(names_that_are_no_directories),
		TEST(prune),
		TEST(prune_what_has_ended),
		TEST(settings),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
