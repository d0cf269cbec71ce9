/*
 * parent/flow_relay.c: what control-worker sends becomes a line about a flow,
 * or nothing, whoever control-worker is.
 */
#include "parent/flow_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_output.h"
#include "tests/lib/unit.h"

static char folder[64], path[128], got[65536];
static struct flow_log_options options;
static struct flow_log sink;
static struct flow_relay relay;
static int reader, worker; /* of syslog's socket; the worker's end */
static struct mono now;

static int
set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/postern-flow-relay.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/flows", folder);
	reader = worker = -1;
	now = mono_now();
	return 0;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	if (worker != -1)
		close(worker);
	if (reader != -1)
		close(reader);
	flow_relay_close(&relay);
	flow_log_close(&sink);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void
open_worker(void)
{
	worker = flow_relay_open(&relay);
	assert_int_not_equal(worker, -1);
}

static void
begin(enum flow_sink_kind kind, bool json)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char why[256];

	options = (struct flow_log_options){ .kind = kind, .path = path };
	if (kind != FLOW_SINK_FILE) {
		reader = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		strcpy(address.sun_path, path);
		assert_int_equal(
		    bind(reader, (struct sockaddr *)&address, sizeof(address)),
		    0);
	}
	assert_int_equal(flow_log_open(&sink, &options, why, sizeof(why)), 0);
	flow_relay_init(&relay, &sink, json);
	open_worker();
}

static bool
send_record(const char *bytes, size_t len)
{
	return send(worker, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	    (ssize_t)len;
}

static bool
relay_string(const char *record)
{
	assert_true(send_record(record, strlen(record)));
	return flow_relay_turn(&relay, now);
}

/* All that has been written. */
static const char *
written(void)
{
	int fd = reader;
	ssize_t n, len = 0;

	if (options.kind == FLOW_SINK_FILE)
		fd = open(path, O_RDONLY);
	while ((n = read(fd, got + len, sizeof(got) - 1 - (size_t)len)) > 0)
		len += n;
	got[len] = '\0';
	if (fd != reader)
		close(fd);
	return got;
}

static void
a_line_of_each_kind(void **state)
{
	static const struct {
		enum flow_sink_kind kind;
		const char *record, *want;
	} rows[] = {
		{ FLOW_SINK_FILE, "\"a\":1", "{\"a\":1}\n" },
		{ FLOW_SINK_SYSLOG, "\"a\":1", "<30>posternd-flow: {\"a\":1}" },
		{ FLOW_SINK_JOURNAL, "\"a\":1\nA=1\nB=x=y",
		    "PRIORITY=6\nSYSLOG_IDENTIFIER=posternd-flow\n"
		    "POSTERN_A=1\nPOSTERN_B=x=y\nMESSAGE={\"a\":1}\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		begin(rows[i].kind, false);
		assert_int_equal(
		    fcntl(flow_relay_fd(&relay), F_GETFD), FD_CLOEXEC);
		assert_true(relay_string(rows[i].record));
		assert_string_equal(written(), rows[i].want);
		assert_true(mono_is_never(flow_relay_deadline(&relay)));
		tear_down(state);
		set_up(state);
	}
}

/* Beside the log: a line is told from the log's own in either form. */
static void
standard_output(void **state)
{
	static const char *const want[] = {
		"{\"a\":1}\n",
		"{\"flow\":{\"a\":1}}\n",
	};
	int saved, pair[2];

	(void)state;
	for (int json = 0; json < 2; json++) {
		char text[64] = "";

		fflush(stdout);
		assert_int_equal(pipe(pair), 0);
		saved = dup(STDOUT_FILENO);
		assert_int_equal(dup2(pair[1], STDOUT_FILENO), STDOUT_FILENO);
		options = (struct flow_log_options){ .kind = FLOW_SINK_STREAM };
		assert_int_equal(flow_log_open(&sink, &options, text, 0), 0);
		flow_relay_init(&relay, &sink, json);
		open_worker();
		assert_true(relay_string("\"a\":1"));
		assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
		assert_int_equal(
		    read(pair[0], text, sizeof(text) - 1), strlen(want[json]));
		assert_string_equal(text, want[json]);
		close(saved);
		close(pair[0]);
		close(pair[1]);
		close(worker);
	}
	worker = -1;
}

/*
 * What somebody who has broken into control-worker would write, to speak in
 * another's name or to a terminal: nothing of it gets through.
 */
static void
forgeries(void **state)
{
	static const struct {
		enum flow_sink_kind kind;
		const char *record;
	} rows[] = {
		/* A second line, as of the parent's. */
		{ FLOW_SINK_FILE, "\"a\":1}\n{\"a\":2" },
		{ FLOW_SINK_FILE, "\"a\":1\n2026-01-01 ERROR parent: x" },
		{ FLOW_SINK_FILE, "\"a\":1\r" },
		/* Out of the object, to be one of the log's. */
		{ FLOW_SINK_FILE, "\"a\":1},\"level\":\"error\"" },
		{ FLOW_SINK_FILE, "\"a\":{\"b\":1}" },
		/* A terminal's, and text that is turned around. */
		{ FLOW_SINK_FILE, "\"\x1b[2J\":1" },
		{ FLOW_SINK_FILE, "\"\xc2\x9b\":1" },
		{ FLOW_SINK_FILE, "\"\xe2\x80\xae\":1" },
		{ FLOW_SINK_FILE, "\"\xff\":1" },
		{ FLOW_SINK_SYSLOG, "\"a\":1\nA=1" },
		/* Fields of the journal that are its own. */
		{ FLOW_SINK_JOURNAL, "\"a\":1\nB" },
		{ FLOW_SINK_JOURNAL, "\"a\":1\n\nMESSAGE=x" },
		{ FLOW_SINK_JOURNAL, "\"a\":1\nA=\x07" },
		{ FLOW_SINK_JOURNAL, "\nPRIORITY=0" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		begin(rows[i].kind, false);
		assert_false(relay_string(rows[i].record));
		assert_string_equal(written(), "");
		tear_down(state);
		set_up(state);
	}
}

static void
lengths(void **state)
{
	static char record[FLOW_RECORD_MAX + 1];

	(void)state;
	begin(FLOW_SINK_FILE, false);
	memset(record, 'x', sizeof(record));
	assert_true(send_record(record, FLOW_RECORD_MAX));
	assert_true(flow_relay_turn(&relay, now));
	assert_int_equal(strlen(written()), FLOW_RECORD_MAX + 3);
	assert_true(send_record(record, FLOW_RECORD_MAX + 1));
	assert_false(flow_relay_turn(&relay, now));
	assert_int_equal(strlen(written()), FLOW_RECORD_MAX + 3);
	/* Names of fields that would take more room than they have. */
	flow_relay_close(&relay);
	close(worker);
	flow_log_close(&sink);
	(void)unlink(path);
	begin(FLOW_SINK_JOURNAL, false);
	for (size_t i = 1; i < FLOW_RECORD_MAX; i++)
		record[i] = i % 2 == 0 ? '=' : '\n';
	assert_true(send_record(record, FLOW_RECORD_MAX));
	assert_false(flow_relay_turn(&relay, now));
}

/* The worker gets a pair's end: nothing can be reached by it but the parent. */
static void
what_the_worker_has(void **state)
{
	struct sockaddr_un elsewhere = { .sun_family = AF_UNIX };
	int type, pair[2];
	socklen_t len = sizeof(type);
	char text[8];

	(void)state;
	begin(FLOW_SINK_SYSLOG, false);
	strcpy(elsewhere.sun_path, path);
	assert_int_equal(
	    getsockopt(worker, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	assert_int_equal(type, SOCK_SEQPACKET);
	assert_int_equal(
	    connect(worker, (struct sockaddr *)&elsewhere, sizeof(elsewhere)),
	    -1);
	(void)sendto(worker, "x", 1, MSG_DONTWAIT,
	    (struct sockaddr *)&elsewhere, sizeof(elsewhere));
	assert_int_equal(recv(reader, text, sizeof(text), 0), -1);
	/* It has come to the parent, if anywhere. */
	assert_true(flow_relay_turn(&relay, now));
	if (recv(reader, text, sizeof(text), 0) != -1)
		assert_memory_equal(text, "<30>post", sizeof(text));
	/* The other way nothing comes: it is a way out, not in. */
	assert_int_equal(recv(worker, text, sizeof(text), MSG_DONTWAIT), -1);
	/* The test can see it: a socket of the log's would do. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	assert_int_equal(sendto(pair[0], "x", 1, MSG_DONTWAIT,
			     (struct sockaddr *)&elsewhere, sizeof(elsewhere)),
	    1);
	assert_int_equal(recv(reader, text, sizeof(text), 0), 1);
	close(pair[0]);
	close(pair[1]);
}

/* Turns that fill all the room there is for this worker, at one time. */
static size_t
flood(void)
{
	static char record[1000];
	size_t sent = 0;

	memset(record, 'x', sizeof(record));
	for (int i = 0; i < 100000; i++) {
		if (send_record(record, sizeof(record)))
			sent += sizeof(record);
		else if (!mono_is_never(flow_relay_deadline(&relay)))
			break;
		else
			assert_true(flow_relay_turn(&relay, now));
	}
	return sent;
}

/* Who writes too much finds no room; what was taken is written. */
static void
too_much(void **state)
{
	struct stat st;
	size_t sent;

	(void)state;
	begin(FLOW_SINK_FILE, false);
	/* The shortest line costs more than its bytes: it takes time, too. */
	assert_true(relay_string("x"));
	assert_true(mono_before(
	    mono_add_ns(now, INT64_C(50000000000) / FLOW_RELAY_PER_S),
	    relay.full));
	sent = flood();
	assert_in_range(sent, FLOW_RELAY_BURST / 2, 2 * FLOW_RELAY_BURST);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(
	    st.st_size, FLOW_RELAY_BURST / 2, FLOW_RELAY_BURST + 2000);
	assert_int_equal(flow_relay_fd(&relay), -1);
	/* Later there is more room, as much as it was time. */
	now = mono_add_s(now, 2);
	assert_true(mono_due(flow_relay_deadline(&relay), now));
	while (flow_relay_turn(&relay, now) &&
	    mono_is_never(flow_relay_deadline(&relay)) && flood() > 0)
		continue;
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, FLOW_RELAY_BURST + FLOW_RELAY_PER_S,
	    FLOW_RELAY_BURST + 2 * FLOW_RELAY_PER_S + 4000);
}

/* A reader that does not read: the line that is in hand comes first after. */
static void
no_room(void **state)
{
	char text[64];
	int lines = 0, taken = 0;

	(void)state;
	begin(FLOW_SINK_SYSLOG, false);
	while (mono_is_never(flow_relay_deadline(&relay))) {
		snprintf(text, sizeof(text), "\"n\":%d", lines++);
		assert_true(relay_string(text));
	}
	assert_int_equal(flow_relay_fd(&relay), -1);
	now = mono_add_ms(now, 100);
	assert_true(mono_due(flow_relay_deadline(&relay), now));
	for (ssize_t n; lines > taken; taken++) {
		if ((n = recv(reader, got, sizeof(got) - 1, 0)) == -1) {
			assert_true(flow_relay_turn(&relay, now));
			n = recv(reader, got, sizeof(got) - 1, 0);
		}
		assert_int_not_equal(n, -1);
		got[n] = '\0';
		snprintf(
		    text, sizeof(text), "<30>posternd-flow: {\"n\":%d}", taken);
		assert_string_equal(got, text);
	}
	assert_true(mono_is_never(flow_relay_deadline(&relay)));
}

/* What the turn at that time logs. */
static const char *
told(int seconds)
{
	static char text[512];
	int saved, pair[2];
	ssize_t n;

	fflush(stdout);
	assert_int_equal(pipe2(pair, O_NONBLOCK), 0);
	saved = dup(STDOUT_FILENO);
	assert_int_equal(dup2(pair[1], STDOUT_FILENO), STDOUT_FILENO);
	assert_true(flow_relay_turn(&relay, mono_add_s(now, seconds)));
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	n = read(pair[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(saved);
	close(pair[0]);
	close(pair[1]);
	return text;
}

static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* As on a full disk: once, after some time, and when it goes again. */
static void
no_room_for_long(void **state)
{
	(void)state;
	log_init_sink("test", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	signal(SIGXFSZ, SIG_IGN);
	begin(FLOW_SINK_FILE, false);
	limit_files(3);
	assert_true(send_record("\"n\":1", 5));
	assert_string_equal(told(0), "");
	assert_string_equal(told(9), "");
	assert_non_null(strstr(told(10), "takes no line (File too large): "));
	assert_string_equal(told(11), "");
	limit_files(RLIM_INFINITY);
	assert_non_null(strstr(told(12), "/flows is written again"));
	assert_string_equal(written(), "{\"n\":1}\n");
	assert_true(send_record("\"n\":2", 5));
	assert_string_equal(told(13), "");
	/* Not long. */
	limit_files(3);
	assert_true(send_record("\"n\":3", 5));
	assert_string_equal(told(14), "");
	limit_files(RLIM_INFINITY);
	assert_string_equal(told(15), "");
}

/* What a dead worker has left is there before its successor's first line. */
static void
a_successor(void **state)
{
	int before;

	(void)state;
	begin(FLOW_SINK_FILE, false);
	assert_true(send_record("\"n\":1", 5));
	before = worker;
	open_worker();
	assert_string_equal(written(), "{\"n\":1}\n");
	assert_false(send(before, "x", 1, MSG_NOSIGNAL) == 1);
	close(before);
	assert_true(relay_string("\"n\":2"));
	assert_true(send_record("\"n\":3", 5));
	flow_relay_close(&relay);
	assert_string_equal(written(), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
	close(worker);
	/* Its end alone is no line, and no mistake. */
	open_worker();
	close(worker);
	worker = -1;
	assert_true(flow_relay_turn(&relay, now));
	assert_int_equal(flow_relay_fd(&relay), -1);
	assert_true(mono_is_never(flow_relay_deadline(&relay)));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_line_of_each_kind),
		T(standard_output),
		T(forgeries),
		T(lengths),
		T(what_the_worker_has),
		T(too_much),
		T(no_room),
		T(no_room_for_long),
		T(a_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
