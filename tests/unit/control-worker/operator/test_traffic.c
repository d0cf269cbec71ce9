/* control-worker/operator/traffic.c: what the series of /metrics say. */
#include "control-worker/operator/traffic.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

#define SERIES 3

static struct counter_page page;
static struct traffic *traffic;
static struct ipc_query asked;
static unsigned questions, dones;
static bool somebody_there;
static struct mono now;

static bool
ask(void *ctx, const struct ipc_query *q)
{
	(void)ctx;
	questions++;
	asked = *q;
	return somebody_there;
}

static void
done(void *ctx)
{
	(void)ctx;
	dones++;
}

static int
set_up(void **state)
{
	const struct traffic_config c = {
		.series = SERIES,
		.counters = &page,
		.ask = ask,
		.done = done,
	};

	(void)state;
	memset(&page, 0, sizeof(page));
	page.shard[1].counters.inbound_bytes = 1000; /* before our time */
	now = (struct mono){ 1000000000 };
	questions = dones = 0;
	somebody_there = true;
	traffic = traffic_new(&c);
	assert_non_null(traffic);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(traffic);
	return 0;
}

static void
pass_s(int64_t s)
{
	now = mono_add_s(now, s);
}

static void
tell_client(uint8_t id, uint64_t bytes)
{
	const struct ipc_query_client m = {
		.serial = asked.serial,
		.client = { { [15] = id } },
		.sent_packets = bytes / 100,
		.sent_bytes = bytes,
	};

	traffic_client(traffic, now, &m);
}

/* before: bytes from clients that are others'. */
static void
tell_resource(uint8_t id, uint8_t meter, uint64_t before)
{
	const struct ipc_query_resource m = {
		.serial = asked.serial,
		.meter = meter,
		.resource = { { [15] = id } },
		.outbound_bytes = before,
	};

	traffic_resource(traffic, now, &m);
}

static void
end_page(bool more, uint32_t next)
{
	const struct ipc_query_end m = {
		.serial = asked.serial,
		.more = more,
		.next = next,
	};

	traffic_query_end(traffic, now, &m);
}

/* One round: the bytes to each client, of which all together say so many. */
static void
play_round(const uint64_t *bytes, uint8_t count, uint64_t all)
{
	page.shard[0].counters.inbound_bytes = all;
	pass_s(2);
	assert_false(traffic_refresh(traffic, now));
	for (uint8_t i = 0; i < count; i++)
		if (bytes[i] != UINT64_MAX)
			tell_client((uint8_t)(i + 1), bytes[i]);
	end_page(false, 0);
	end_page(false, 0);
}

/* What the series of that id says; UINT64_MAX: there is none. */
static uint64_t
series_of(enum traffic_kind kind, const char *id, const char *way)
{
	struct text t = { 0 };
	uint64_t value = UINT64_MAX;
	char line[128], *found;

	traffic_write(traffic, &t, "x_total", kind, TRAFFIC_BYTES);
	text_write(&t, "", 1);
	snprintf(line, sizeof(line),
	    "postern_x_total{%s=\"%s\",direction=\"%s\"} ",
	    kind == TRAFFIC_CLIENTS ? "client" : "resource", id, way);
	if ((found = strstr(t.bytes, line)) != NULL)
		value = strtoull(found + strlen(line), NULL, 10);
	text_free(&t);
	return value;
}

static uint64_t
client(uint8_t id)
{
	char text[64];

	snprintf(
	    text, sizeof(text), "00000000-0000-0000-0000-0000000000%02x", id);
	return series_of(TRAFFIC_CLIENTS, text, "to client");
}

static uint64_t
other(void)
{
	return series_of(TRAFFIC_CLIENTS, "other", "to client");
}

static void
a_round(void **state)
{
	(void)state;
	assert_int_equal(other(), 0);
	assert_false(traffic_refresh(traffic, now));
	assert_int_equal(asked.kind, QUERY_KIND_CLIENTS);
	assert_int_equal(asked.from, 0);
	assert_true((asked.serial & TRAFFIC_SERIAL) != 0);
	end_page(true, 70);
	assert_int_equal(asked.kind, QUERY_KIND_CLIENTS);
	assert_int_equal(asked.from, 70);
	/* Who comes meanwhile waits for the same. */
	assert_false(traffic_refresh(traffic, now));
	assert_int_equal(questions, 2);
	end_page(false, 0);
	assert_int_equal(asked.kind, QUERY_KIND_RESOURCES);
	assert_int_equal(dones, 0);
	end_page(false, 0);
	assert_int_equal(dones, 1);
	/* It is fresh for a second. */
	assert_true(traffic_refresh(traffic, now));
	now = mono_add_ms(now, TRAFFIC_FRESH_MS - 1);
	assert_true(traffic_refresh(traffic, now));
	now = mono_add_ms(now, 1);
	assert_false(traffic_refresh(traffic, now));
}

static void
no_answer(void **state)
{
	(void)state;
	somebody_there = false;
	assert_true(traffic_refresh(traffic, now));
	assert_int_equal(questions, 1);
	assert_true(traffic_refresh(traffic, now));
	assert_int_equal(questions, 1);
	somebody_there = true;
	pass_s(2);
	assert_false(traffic_refresh(traffic, now));
	/* Another one than was asked is not heard. */
	const uint64_t serial = asked.serial;
	asked.serial = 5;
	tell_client(1, 100);
	end_page(false, 0);
	assert_int_equal(client(1), UINT64_MAX);
	asked.serial = serial;
	/* Who never answers is asked again. */
	now = mono_add_ms(now, TRAFFIC_ANSWER_MS - 1);
	assert_false(traffic_refresh(traffic, now));
	assert_int_equal(asked.serial, serial);
	now = mono_add_ms(now, 1);
	assert_false(traffic_refresh(traffic, now));
	assert_int_not_equal(asked.serial, serial);
	/* One that is gone in the middle ends the round. */
	somebody_there = false;
	end_page(true, 3);
	assert_int_equal(dones, 1);
}

/* The series together are all that was forwarded, whoever has one. */
static void
sums(void **state)
{
	(void)state;
	play_round((uint64_t[]){ 100, 200, 300, 50 }, 4, 650);
	/* A series counts from its beginning. */
	assert_int_equal(client(1), 0);
	assert_int_equal(other(), 650);
	play_round((uint64_t[]){ 110, 250, 300, 150 }, 4, 810);
	assert_int_equal(client(1), 10);
	assert_int_equal(client(2), 50);
	assert_int_equal(client(3), 0);
	assert_int_equal(client(4), UINT64_MAX);
	assert_int_equal(other(), 750);
	/* One leaves, and the other gets its series; nothing falls or jumps. */
	play_round((uint64_t[]){ 110, UINT64_MAX, 300, 250 }, 4, 910);
	assert_int_equal(client(2), UINT64_MAX);
	assert_int_equal(client(4), 0);
	assert_int_equal(other(), 850);
	/* Another net-worker counts from 0; what is forwarded goes on. */
	play_round((uint64_t[]){ 5, UINT64_MAX, 0, 30 }, 4, 945);
	assert_int_equal(client(1), 15);
	assert_int_equal(client(3), 0);
	assert_int_equal(client(4), 30);
	assert_int_equal(other(), 850);
	/* What is counted after the round began is nobody's yet. */
	page.shard[0].counters.inbound_bytes = 960;
	assert_int_equal(other(), 850);
	play_round((uint64_t[]){ 20, UINT64_MAX, 0, 30 }, 4, 960);
	assert_int_equal(client(1), 30);
	assert_int_equal(other(), 850);
}

/* Of those without one the busiest comes before who does nothing. */
static void
idle(void **state)
{
	(void)state;
	play_round((uint64_t[]){ 1, 1, 1, 10, 20 }, 5, 33);
	for (int i = 0; i < TRAFFIC_IDLE_S / 2 + 1; i++)
		play_round(
		    (uint64_t[]){ 2 + (uint64_t)i, 1, 2 + (uint64_t)i, 10, 20 },
		    5, 33);
	assert_int_not_equal(client(1), UINT64_MAX);
	assert_int_equal(client(2), UINT64_MAX);
	assert_int_not_equal(client(3), UINT64_MAX);
	assert_int_equal(client(4), UINT64_MAX);
	assert_int_not_equal(client(5), UINT64_MAX);
}

static void
resources(void **state)
{
	static const char id[] = "00000000-0000-0000-0000-000000000009";

	(void)state;
	for (int i = 0; i < 3; i++) {
		pass_s(2);
		assert_false(traffic_refresh(traffic, now));
		end_page(false, 0);
		tell_resource(9, 7, 0);
		end_page(false, 0);
		page.meters[0].meter[7].outbound_bytes += 40;
		page.meters[3].meter[7].outbound_bytes += 2;
		page.shard[0].counters.outbound_bytes += 50;
	}
	assert_int_equal(series_of(TRAFFIC_RESOURCES, id, "from client"), 84);
	assert_int_equal(series_of(TRAFFIC_RESOURCES, id, "to client"), 0);
	assert_int_equal(
	    series_of(TRAFFIC_RESOURCES, "other", "from client"), 16);
}

/* A resource that is granted again, where others were counted. */
static void
another_meter(void **state)
{
	static const char id[] = "00000000-0000-0000-0000-000000000009";

	(void)state;
	page.meters[0].meter[8].outbound_bytes = 1000;
	for (uint8_t i = 0; i < 4; i++) {
		pass_s(2);
		assert_false(traffic_refresh(traffic, now));
		end_page(false, 0);
		tell_resource(9, i < 2 ? 7 : 8, i < 2 ? 0 : 1000);
		end_page(false, 0);
		page.meters[0].meter[i < 1 ? 7 : 8].outbound_bytes += 40;
	}
	assert_int_equal(
	    series_of(TRAFFIC_RESOURCES, id, "from client"), 40 + 40 + 40);
	/* More than there is, of somebody who says what he likes. */
	pass_s(2);
	assert_false(traffic_refresh(traffic, now));
	end_page(false, 0);
	tell_resource(9, 8, UINT64_MAX);
	end_page(false, 0);
	assert_int_equal(
	    series_of(TRAFFIC_RESOURCES, id, "from client"), 40 + 40 + 40);
}

static struct told_text
told(const char *text)
{
	return (struct told_text){ text, strlen(text) };
}

/* The names of a kind as text, to be freed. */
static char *
names_of(enum traffic_kind kind)
{
	struct text t = { 0 };
	char *text;

	traffic_write_names(traffic, &t, "info", kind);
	assert_false(t.failed);
	text = strndup(t.len == 0 ? "" : t.bytes, t.len);
	assert_non_null(text);
	text_free(&t);
	return text;
}

/* Of those that have a series and are known, escaped as labels are. */
static void
names(void **state)
{
	const struct client_description c = {
		.client = { { [15] = 1 } },
		.email = told("a\"b\\c"),
		.system = told("macOS"),
		.system_version = told("15.5"),
	};
	const struct client_description without_series = {
		.client = { { [15] = 5 } },
		.actor = told("nobody"),
	};
	const struct resource_description r = { { { [15] = 9 } },
		told("The \"Office\"") };
	const struct traffic_config config = {
		.series = SERIES,
		.counters = &page,
		.names = directory_new(),
		.ask = ask,
		.done = done,
	};
	struct directory *d = (struct directory *)(uintptr_t)config.names;
	char *text;

	(void)state;
	assert_false(traffic_has_names(traffic));
	free(traffic);
	traffic = traffic_new(&config);
	assert_non_null(traffic);
	assert_true(traffic_has_names(traffic));
	directory_learn_client(d, &c);
	directory_learn_client(d, &without_series);
	directory_learn_resource(d, &r);
	text = names_of(TRAFFIC_CLIENTS);
	assert_string_equal(text, "");
	free(text);
	play_round((uint64_t[]){ 1, 1 }, 2, 2);
	pass_s(2);
	assert_false(traffic_refresh(traffic, now));
	tell_client(1, 1);
	end_page(false, 0);
	tell_resource(9, 7, 0);
	end_page(false, 0);
	text = names_of(TRAFFIC_CLIENTS);
	assert_string_equal(text,
	    "postern_info{client=\"00000000-0000-0000-0000-000000000001\","
	    "user=\"a\\\"b\\\\c\",system=\"macOS 15.5\"} 1\n");
	free(text);
	text = names_of(TRAFFIC_RESOURCES);
	assert_string_equal(text,
	    "postern_info{resource=\"00000000-0000-0000-0000-000000000009\","
	    "name=\"The \\\"Office\\\"\"} 1\n");
	free(text);
	directory_free(d);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_round),
		T(no_answer),
		T(sums),
		T(idle),
		T(resources),
		T(another_meter),
		T(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
