/* What the spool takes of the disk, and what there is when it is full. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/lib/spool.h"

/* Files are counted by their blocks, of which each holds several reports. */
static void
full(void **state)
{
	spool_name *names;
	size_t n;

	(void)state;
	reopen(64);
	put_token(FLOW_CLAIMS);
	for (unsigned i = 0; i < 400; i++)
		put(i, true);
	assert_in_range(count_names(), 19 * 4, 399);
	assert_int_equal(spool_blocks(s), 3 + 19);
	assert_int_equal(spool_dropped(s), 400 - count_names());
	/* What is there already costs nothing, and room that is made counts. */
	put(0, true);
	assert_int_equal(spool_dropped(s), 400 - count_names());
	names = spool_names(s, &dir, &n);
	spool_remove(s, &dir, names, n);
	free(names);
	assert_int_equal(spool_blocks(s), 3);
	for (unsigned i = 0; i < 4; i++)
		put(500 + i, true);
	assert_int_equal(count_names(), 4);
	assert_int_equal(spool_dropped(s), 400 - n);
}

#define OTHER "77777777-0b1d-4c57-9d6d-2b8f0c9e7a11"

/* Files that are none of any authorization's, so many that count is reached. */
static void
fill_up_to(size_t count)
{
	char name[64];

	reopen(64);
	assert_int_equal(mkdir(path("initiator"), 0700), 0);
	assert_int_equal(mkdir(path("initiator/x"), 0700), 0);
	for (size_t i = spool_blocks(s) + 2; i < count; i++) {
		snprintf(name, sizeof(name), "initiator/x/%zu", i);
		write_text(name, "x");
	}
	reopen(64);
	assert_int_equal(spool_blocks(s), count);
}

/* Whatever one authorization has, another one can have some. */
static void
room_for_others(void **state)
{
	const struct spool_dir other = { FLOW_RESPONDER, OTHER };
	struct ipc_flow f = flow(0, false);
	size_t n;

	(void)state;
	reopen(64);
	put_token(FLOW_CLAIMS);
	put_token(FLOW_CLAIMS_WITHOUT(OTHER, "responder", "true", "2000") "}");
	for (unsigned i = 0; i < 400; i++)
		put(i, false);
	assert_true(spool_dropped(s) > 0);
	assert_true(uuid_parse(OTHER, &f.authorization));
	for (unsigned i = 0; i < 5; i++) {
		f.started_at++;
		spool_put_report(s, &f);
	}
	free(spool_names(s, &other, &n));
	assert_int_equal(n, 5);
}

/* The id of authorization n, and its token, of that client. */
static struct uuid
put_token_of(const char *client, unsigned n)
{
	char claims[1024], id[UUID_TEXT_LEN + 1], *device;
	struct uuid u;

	snprintf(id, sizeof(id), "%08x-0b1d-4c57-9d6d-2b8f0c9e7a11", n);
	assert_true(uuid_parse(id, &u));
	snprintf(claims, sizeof(claims),
	    FLOW_CLAIMS_WITHOUT("%s", "responder", "true", "2000") "}", id);
	assert_non_null(device = strstr(claims, "\"d1\""));
	memcpy(device + 1, client, 2);
	put_token(claims);
	return u;
}

/* Whatever one client has, by however many authorizations, another has some. */
static void
room_for_other_clients(void **state)
{
	struct ipc_flow f = flow(0, true);
	size_t before, after;

	(void)state;
	reopen(256);
	for (unsigned n = 0; n < 20; n++) {
		f.authorization = put_token_of("c1", n);
		for (unsigned i = 0; i < 400; i++, f.started_at++)
			spool_put_report(s, &f);
	}
	f.authorization = put_token_of("c2", 20);
	before = spool_blocks(s);
	for (unsigned i = 0; i < 400; i++, f.started_at++)
		spool_put_report(s, &f);
	after = spool_blocks(s);
	assert_in_range(after - before, 25, 60);
	/* The same after a start, once all have been looked at. */
	reopen(256);
	for (unsigned n = 0; n < 21; n++) {
		struct spool_dir d = { .role = FLOW_RESPONDER };
		size_t count;

		snprintf(
		    d.id, sizeof(d.id), "%08x-0b1d-4c57-9d6d-2b8f0c9e7a11", n);
		free(spool_names(s, &d, &count));
	}
	assert_int_equal(spool_blocks(s), after);
	f.authorization = put_token_of("c1", 21);
	before = spool_blocks(s);
	for (unsigned i = 0; i < 400; i++, f.started_at++)
		spool_put_report(s, &f);
	assert_int_equal(spool_blocks(s), before);
}

/* However full it has become meanwhile. */
static void
ends_have_their_room(void **state)
{
	(void)state;
	reopen(64);
	put_token(FLOW_CLAIMS);
	for (unsigned i = 0; i < 30; i++)
		put(i, false);
	assert_int_equal(spool_dropped(s), 0);
	for (unsigned i = 0; spool_dropped(s) == 0; i++)
		(void)put_token_of("c1", i);
	for (unsigned i = 0; i < 30; i++)
		put(i, true);
	assert_int_equal(spool_dropped(s), 1);
	assert_int_equal(count_names(), 30);
	assert_true(spool_blocks(s) <= 64);
	reopen(64);
	assert_int_equal(count_names(), 30);
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
	assert_int_equal(spool_blocks(s), 56);
	for (unsigned i = 2; i < 10; i++)
		put(i, true);
	assert_true(count_names() > 1);
	assert_true(spool_blocks(s) <= 64 - 64 / SPOOL_TOKENS);
	put_token(FLOW_CLAIMS_WITHOUT(OTHER, "responder", "true", "2000") "}");
	assert_true(exists("responder/" OTHER "/token"));
}

/* From now on no file may be longer; returns the limit that there was. */
static struct rlimit
limit_files(rlim_t size)
{
	struct rlimit old, limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	return old;
}

/* Nothing is written any more, and nothing but a line of the log says so. */
static void
a_broken_disk(void **state)
{
	struct rlimit old;

	(void)state;
	put_token(FLOW_CLAIMS);
	old = limit_files(0);
	put(0, true);
	put(1, true);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(spool_dropped(s), 2);
	assert_int_equal(count_names(), 0);
	assert_int_equal(spool_blocks(s), 3);
	assert_false(exists(SEGMENT(0)) || exists(SEGMENT(1)));
	/* The rest of a token that was left in the middle is in nobody's way.
	 */
	write_text(HOME "/new", "a long text that is not the end of anything");
	put_token(FLOW_CLAIMS);
	assert_false(exists(HOME "/new"));
	put(0, true);
	assert_int_equal(count_names(), 1);
	assert_null(spool_open("/nonexistent", 1));
}

/* Nor is what has the name of a segment and is none. */
static void
a_segment_that_is_none(void **state)
{
	(void)state;
	put_token(FLOW_CLAIMS);
	assert_int_equal(mkdir(path(SEGMENT(7)), 0700), 0);
	put(0, true);
	assert_true(exists(SEGMENT(8)));
	assert_int_equal(count_names(), 1);
	reopen(100);
	assert_int_equal(count_names(), 1);
}

/* A limit in the middle of a line: all before it, and all after it, is kept. */
static void
a_full_disk(void **state)
{
	struct rlimit old;
	size_t n = 0;

	(void)state;
	put_token(FLOW_CLAIMS);
	old = limit_files(3000);
	while (spool_dropped(s) == 0)
		put((unsigned)n++, true);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(count_names(), n - 1);
	put(1000, true);
	assert_int_equal(count_names(), n);
	assert_true(exists(SEGMENT(1)));
	reopen(100);
	assert_int_equal(count_names(), n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(full),
		TEST(room_for_others),
		TEST(room_for_other_clients),
		TEST(ends_have_their_room),
		TEST(room_for_ends_and_tokens),
		TEST(a_broken_disk),
		TEST(a_segment_that_is_none),
		TEST(a_full_disk),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
