/*
 * Phoenix channel: firezone-portal(7), CHANNEL and Transport cases (3, 4, 7, 8,
 * 16).
 */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "control-worker/portal/phoenix.h"

static const struct mono start = { 1000000000 };
static const struct phoenix_rules rules = {
	.heartbeat_ms = 10000,
	.unanswered_max = 3,
};

static struct mono
at_ms(int64_t ms)
{
	return mono_add_ms(start, ms);
}

static void
expect_frame(struct phoenix *p, struct mono now, const char *want)
{
	char *text = phoenix_next(p, now);

	if (want == NULL)
		assert_null(text);
	else
		assert_string_equal(text, want);
	free(text);
}

static struct phoenix_frame
receive(struct phoenix *p, struct mono now, const char *text)
{
	struct json_document *d;
	struct phoenix_frame f;

	assert_int_equal(json_parse(&d, text, strlen(text)), JSON_OK);
	phoenix_receive(p, json_root(d), now, &f);
	json_free(d);
	f.payload = NULL;
	return f;
}

static void
join(struct phoenix *p)
{
	struct phoenix_frame f;

	phoenix_init(p, start, &rules);
	expect_frame(p, start,
	    "{\"topic\":\"gateway\",\"event\":\"phx_join\",\"payload\":null,"
	    "\"ref\":0}");
	f = receive(p, start,
	    "{\"event\":\"phx_reply\",\"ref\":0,\"topic\":\"gateway\","
	    "\"payload\":{\"status\":\"ok\",\"response\":{}}}");
	assert_int_equal(f.type, PHOENIX_JOINED);
}

static void
test_join_comes_first(void **state)
{
	struct phoenix p;

	(void)state;
	phoenix_init(&p, start, &rules);
	assert_true(phoenix_send(&p, "no_relays", strdup("{}")));
	expect_frame(&p, start,
	    "{\"topic\":\"gateway\",\"event\":\"phx_join\",\"payload\":null,"
	    "\"ref\":0}");
	expect_frame(&p, start, NULL);
	/* Not ours: another reference, another topic. */
	receive(&p, start,
	    "{\"event\":\"phx_reply\",\"ref\":1,\"topic\":"
	    "\"gateway\",\"payload\":{\"status\":\"ok\"}}");
	receive(&p, start,
	    "{\"event\":\"phx_reply\",\"ref\":0,\"topic\":"
	    "\"phoenix\",\"payload\":{\"status\":\"ok\"}}");
	assert_false(p.joined);
	receive(&p, start,
	    "{\"event\":\"phx_reply\",\"ref\":0,\"topic\":"
	    "\"gateway\",\"payload\":{\"status\":\"ok\"}}");
	expect_frame(&p, start,
	    "{\"topic\":\"gateway\",\"event\":\"no_relays\",\"payload\":{},"
	    "\"ref\":1}");
	phoenix_clear(&p);
}

static void
test_join_timeout(void **state)
{
	struct phoenix_frame f;
	struct phoenix p;

	(void)state;
	phoenix_init(&p, start, &rules);
	free(phoenix_next(&p, at_ms(100)));
	phoenix_tick(&p, at_ms(5099), &f);
	assert_int_equal(f.type, PHOENIX_NOTHING);
	assert_int_equal(phoenix_deadline(&p).ns, at_ms(5100).ns);
	phoenix_tick(&p, at_ms(5100), &f);
	assert_int_equal(f.type, PHOENIX_LOST);
	phoenix_clear(&p);
	/* One that cannot even be written. */
	phoenix_init(&p, start, &rules);
	phoenix_tick(&p, at_ms(5000), &f);
	assert_int_equal(f.type, PHOENIX_LOST);
	phoenix_clear(&p);
}

static void
test_same_message_waits_once(void **state)
{
	struct phoenix p;

	(void)state;
	join(&p);
	for (int i = 0; i < 4; i++)
		assert_true(phoenix_send(&p, "no_relays", strdup("{}")));
	assert_true(phoenix_send(&p, "other", strdup("{}")));
	free(phoenix_next(&p, start));
	assert_true(phoenix_send(&p, "no_relays", strdup("{}")));
	expect_frame(&p, start,
	    "{\"topic\":\"gateway\",\"event\":\"other\","
	    "\"payload\":{},\"ref\":2}");
	expect_frame(&p, start,
	    "{\"topic\":\"gateway\",\"event\":\"no_relays\","
	    "\"payload\":{},\"ref\":3}");
	expect_frame(&p, start, NULL);
	assert_false(phoenix_send(&p, "no_relays", NULL));
	phoenix_clear(&p);
}

static void
test_outbox_is_bounded(void **state)
{
	struct phoenix p;
	char *big;

	(void)state;
	join(&p);
	for (int i = 0; i < OUTBOX_MESSAGES_MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%d", i);
		assert_true(phoenix_send(&p, "e", strdup(text)));
	}
	assert_false(phoenix_send(&p, "e", strdup("one more")));
	phoenix_clear(&p);
	join(&p);
	big = malloc(OUTBOX_BYTES_MAX + 1);
	memset(big, '1', OUTBOX_BYTES_MAX);
	big[OUTBOX_BYTES_MAX] = '\0';
	assert_true(phoenix_send(&p, "e", big));
	assert_false(phoenix_send(&p, "e", strdup("x")));
	phoenix_clear(&p);
}

/* Fires every heartbeat until the given time; how many frames were written. */
static int
run_until(struct phoenix *p, int64_t *ms, int64_t end, struct phoenix_frame *f)
{
	int frames = 0;
	char *text;

	for (; *ms <= end; *ms += 1000) {
		phoenix_tick(p, at_ms(*ms), f);
		if (f->type == PHOENIX_LOST)
			return frames;
		if ((text = phoenix_next(p, at_ms(*ms))) != NULL)
			frames++;
		free(text);
	}
	return frames;
}

static void
test_lost_after_unanswered_heartbeats(void **state)
{
	struct phoenix_frame f;
	struct phoenix p;
	int64_t ms = 0;

	(void)state;
	join(&p);
	assert_int_equal(run_until(&p, &ms, 9000, &f), 0);
	phoenix_tick(&p, at_ms(10000), &f);
	expect_frame(&p, at_ms(10000),
	    "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},"
	    "\"ref\":1}");
	/* Wrong references do not count. */
	receive(&p, start,
	    "{\"event\":\"phx_reply\",\"ref\":9,\"topic\":"
	    "\"phoenix\",\"payload\":{\"status\":\"ok\"}}");
	ms = 11000;
	assert_int_equal(run_until(&p, &ms, 60000, &f), 2);
	assert_int_equal(f.type, PHOENIX_LOST);
	assert_int_equal(ms, 40000);
	phoenix_clear(&p);
}

static void
test_answered_heartbeats_go_on(void **state)
{
	struct phoenix_frame f;
	struct phoenix p;

	(void)state;
	join(&p);
	for (int i = 1; i < 100; i++) {
		char reply[128];

		phoenix_tick(&p, at_ms(i * 10000), &f);
		assert_int_equal(f.type, PHOENIX_NOTHING);
		free(phoenix_next(&p, at_ms(i * 10000)));
		snprintf(reply, sizeof(reply),
		    "{\"event\":\"phx_reply\",\"ref\":%d,\"topic\":\"phoenix\","
		    "\"payload\":{\"status\":\"ok\",\"response\":{}}}",
		    i);
		receive(&p, start, reply);
		assert_int_equal(p.unanswered_count, 0);
	}
	phoenix_clear(&p);
}

static void
test_heartbeats_that_cannot_be_written(void **state)
{
	struct phoenix_frame f;
	struct phoenix p;
	int i;

	(void)state;
	join(&p);
	for (i = 1; i < 10; i++) {
		phoenix_tick(&p, at_ms(i * 10000), &f);
		if (f.type == PHOENIX_LOST)
			break;
	}
	assert_int_equal(i, 4);
	phoenix_clear(&p);
}

static const struct {
	const char *text;
	enum phoenix_event type;
	const char *reason;
} frames[] = {
	{ "{\"event\":\"init\",\"topic\":\"gateway\",\"ref\":null,\"payload\":"
	  "{}}",
	    PHOENIX_PUSH, "" },
	{ "{\"event\":\"init\",\"topic\":\"gateway\",\"payload\":{},"
	  "\"join_ref\":\"1\",\"x\":[]}",
	    PHOENIX_PUSH, "" },
	{ "{\"event\":\"init\",\"topic\":\"other\",\"ref\":null,\"payload\":{}"
	  "}",
	    PHOENIX_MALFORMED, "another topic" },
	{ "{\"event\":\"init\",\"topic\":\"gateway\",\"ref\":\"1\"}",
	    PHOENIX_MALFORMED, "its reference is no number" },
	{ "{\"event\":\"init\",\"topic\":\"gateway\",\"ref\":-1}",
	    PHOENIX_MALFORMED, "its reference is no number" },
	{ "{\"event\":5,\"topic\":\"gateway\"}", PHOENIX_MALFORMED,
	    "no topic or event" },
	{ "{\"event\":\"init\"}", PHOENIX_MALFORMED, "no topic or event" },
	{ "{\"topic\":\"gateway\",\"event\":\"a\",\"event\":\"b\"}",
	    PHOENIX_MALFORMED, "no topic or event" },
	{ "[]", PHOENIX_MALFORMED, "no topic or event" },
	{ "null", PHOENIX_MALFORMED, "no topic or event" },
	{ "{\"event\":\"phx_close\",\"topic\":\"gateway\",\"ref\":null,"
	  "\"payload\":{}}",
	    PHOENIX_LOST, "the portal stopped the channel" },
	{ "{\"event\":\"phx_error\",\"topic\":\"gateway\",\"ref\":null,"
	  "\"payload\":{}}",
	    PHOENIX_NOTHING, "" },
	{ "{\"event\":\"disconnect\",\"topic\":\"gateway\",\"ref\":null,"
	  "\"payload\":{\"reason\":\"token_expired\"}}",
	    PHOENIX_TOKEN_EXPIRED, "" },
	{ "{\"event\":\"disconnect\",\"topic\":\"gateway\",\"ref\":null,"
	  "\"payload\":{\"reason\":\"certificate_revoked\"}}",
	    PHOENIX_NOTHING, "" },
	{ "{\"event\":\"disconnect\",\"topic\":\"gateway\",\"ref\":null}",
	    PHOENIX_NOTHING, "" },
	{ "{\"event\":\"phx_reply\",\"topic\":\"gateway\",\"payload\":"
	  "{\"status\":\"ok\"}}",
	    PHOENIX_MALFORMED, "a reply without reference" },
	{ "{\"event\":\"phx_reply\",\"topic\":\"gateway\",\"ref\":5,"
	  "\"payload\":{}}",
	    PHOENIX_MALFORMED, "a reply without status" },
	{ "{\"event\":\"phx_reply\",\"topic\":\"gateway\",\"ref\":5,"
	  "\"payload\":{\"status\":\"error\",\"response\":{\"reason\":"
	  "\"invalid_ref\"}}}",
	    PHOENIX_NOTHING, "" },
	{ "{\"event\":\"phx_reply\",\"topic\":\"gateway\",\"ref\":5,"
	  "\"payload\":{\"status\":\"error\",\"response\":null}}",
	    PHOENIX_NOTHING, "" },
	{ "{\"event\":\"phx_reply\",\"topic\":\"gateway\",\"ref\":null,"
	  "\"payload\":{\"status\":\"error\",\"response\":{\"reason\":"
	  "\"disabled\"}}}",
	    PHOENIX_MALFORMED, "a reply without reference" },
};

static void
test_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		struct phoenix_frame f;
		struct phoenix p;

		join(&p);
		f = receive(&p, start, frames[i].text);
		assert_int_equal(f.type, frames[i].type);
		assert_string_equal(f.reason, frames[i].reason);
		assert_true(p.joined);
		phoenix_clear(&p);
	}
}

static void
test_join_refused(void **state)
{
	struct phoenix_frame f;
	struct phoenix p;

	(void)state;
	phoenix_init(&p, start, &rules);
	free(phoenix_next(&p, start));
	f = receive(&p, start,
	    "{\"event\":\"phx_reply\",\"topic\":\"gateway\",\"ref\":0,"
	    "\"payload\":{\"status\":\"error\",\"response\":{\"reason\":"
	    "\"invalid_version\"}}}");
	assert_int_equal(f.type, PHOENIX_JOIN_REFUSED);
	assert_string_equal(f.reason, "invalid_version");
	phoenix_clear(&p);
}

static void
test_unmatched_topic_joins_again(void **state)
{
	static const char unmatched[] =
	    "{\"event\":\"phx_reply\",\"topic\":\"gateway\",\"ref\":7,"
	    "\"payload\":{\"status\":\"error\",\"response\":{\"reason\":"
	    "\"unmatched topic\"}}}";
	struct phoenix_frame f;
	struct phoenix p;

	(void)state;
	join(&p);
	f = receive(&p, at_ms(1000), unmatched);
	assert_int_equal(f.type, PHOENIX_NOTHING);
	assert_true(phoenix_send(&p, "no_relays", strdup("{}")));
	expect_frame(&p, at_ms(1000),
	    "{\"topic\":\"gateway\",\"event\":\"phx_join\",\"payload\":null,"
	    "\"ref\":1}");
	/* A second complaint about the same does not make a second join. */
	receive(&p, at_ms(1000), unmatched);
	expect_frame(&p, at_ms(1000), NULL);
	f = receive(&p, at_ms(1000),
	    "{\"event\":\"phx_reply\",\"ref\":1,\"topic\":\"gateway\","
	    "\"payload\":{\"status\":\"ok\",\"response\":{}}}");
	assert_int_equal(f.type, PHOENIX_JOINED);
	phoenix_clear(&p);
}

#define BROKEN_CHANNEL                                              \
	"{\"event\":\"phx_error\",\"topic\":\"gateway\",\"ref\":0," \
	"\"payload\":{}}"

static void
test_broken_channel_is_left(void **state)
{
	struct phoenix_frame f;
	struct phoenix p;

	(void)state;
	join(&p);
	f = receive(&p, at_ms(1000), BROKEN_CHANNEL);
	assert_int_equal(f.type, PHOENIX_NOTHING);
	/* It does not get better by being said again. */
	receive(&p, at_ms(2000), BROKEN_CHANNEL);
	assert_int_equal(mono_ms_between(start, phoenix_deadline(&p)), 6000);
	phoenix_tick(&p, at_ms(5999), &f);
	assert_int_equal(f.type, PHOENIX_NOTHING);
	phoenix_tick(&p, at_ms(6000), &f);
	assert_int_equal(f.type, PHOENIX_LOST);
	assert_non_null(strstr(f.reason, "did not close"));
	phoenix_clear(&p);
}

static void
test_broken_channel_that_is_joined_again(void **state)
{
	struct phoenix_frame f;
	struct phoenix p;

	(void)state;
	join(&p);
	receive(&p, at_ms(1000), BROKEN_CHANNEL);
	receive(&p, at_ms(1000),
	    "{\"event\":\"phx_reply\",\"topic\":\"gateway\",\"ref\":7,"
	    "\"payload\":{\"status\":\"error\",\"response\":{\"reason\":"
	    "\"unmatched topic\"}}}");
	expect_frame(&p, at_ms(1000),
	    "{\"topic\":\"gateway\",\"event\":\"phx_join\",\"payload\":null,"
	    "\"ref\":1}");
	f = receive(&p, at_ms(2000),
	    "{\"event\":\"phx_reply\",\"ref\":1,\"topic\":\"gateway\","
	    "\"payload\":{\"status\":\"ok\",\"response\":{}}}");
	assert_int_equal(f.type, PHOENIX_JOINED);
	phoenix_tick(&p, at_ms(6000), &f);
	assert_int_equal(f.type, PHOENIX_NOTHING);
	phoenix_clear(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join_comes_first),
		cmocka_unit_test(test_join_timeout),
		cmocka_unit_test(test_same_message_waits_once),
		cmocka_unit_test(test_outbox_is_bounded),
		cmocka_unit_test(test_lost_after_unanswered_heartbeats),
		cmocka_unit_test(test_answered_heartbeats_go_on),
		cmocka_unit_test(test_heartbeats_that_cannot_be_written),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_join_refused),
		cmocka_unit_test(test_unmatched_topic_joins_again),
		cmocka_unit_test(test_broken_channel_is_left),
		cmocka_unit_test(test_broken_channel_that_is_joined_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
