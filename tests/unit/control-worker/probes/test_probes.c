/* Servers that are probed: see probes.h. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "control-worker/probes/probes.h"

#define LIMIT_MS 10000

static void
test_answers_at_once(void **state __attribute__((unused)))
{
	struct probe_result r = { 0 };

	assert_true(probe_result_note(&r, NULL, 300, 1000));
	assert_true(r.known && r.answers);
	assert_int_equal(r.since, 1000);
	assert_int_equal(r.connect_us, 300);
	assert_false(probe_result_note(&r, NULL, 200, 1010));
	assert_int_equal(r.since, 1000);
	assert_int_equal(r.connect_us, 200);
}

static void
test_silent_after_two(void **state __attribute__((unused)))
{
	struct probe_results all = { .count = 1 };
	struct probe_result *r = &all.of[0];

	assert_false(probe_result_note(r, "lost", 0, 1000));
	assert_false(r->known);
	assert_false(probe_results_any_silent(&all));
	assert_true(probe_result_note(r, "lost again", 0, 1010));
	assert_true(r->known && !r->answers);
	assert_true(probe_results_any_silent(&all));
	assert_int_equal(r->since, 1010);
	assert_string_equal(r->error, "lost again");
	assert_false(probe_result_note(r, "and again", 0, 1020));
	assert_int_equal(r->failed, 3);
	assert_true(probe_result_note(r, NULL, 1, 1030));
	assert_false(probe_results_any_silent(&all));
	assert_int_equal(r->since, 1030);
	assert_string_equal(r->error, "");
}

/* One that fails between two that do not is no news. */
static void
test_one_failure(void **state __attribute__((unused)))
{
	struct probe_result r = { 0 };

	probe_result_note(&r, NULL, 1, 1000);
	for (uint64_t now = 1010; now < 1100; now += 20) {
		assert_false(probe_result_note(&r, "lost", 0, now));
		assert_true(r.answers);
		assert_false(probe_result_note(&r, NULL, 1, now + 10));
	}
	assert_int_equal(r.since, 1000);
}

static int
listen_somewhere(struct endpoint *at)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_not_equal(fd, -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	assert_true(ip_parse("127.0.0.1", &at->ip));
	at->port = ntohs(sin.sin_port);
	return fd;
}

static void
on_limit(uv_timer_t *timer __attribute__((unused)))
{
	fail_msg("nothing was found in %d ms", LIMIT_MS);
}

static void
run_until(uv_loop_t *loop, const struct probe_result *r, bool answers)
{
	while (!r->known || r->answers != answers)
		uv_run(loop, UV_RUN_ONCE);
}

static void
on_news(void *ctx)
{
	++*(unsigned *)ctx;
}

/* One that goes and comes, beside one that answers all the time. */
static void
test_servers(void **state __attribute__((unused)))
{
	static struct probe_results all = { .count = 2 };
	struct endpoint again;
	struct probes *probes;
	unsigned news = 0;
	uv_timer_t limit;
	uv_loop_t loop;
	int goes, stays, on = 1;
	struct sockaddr_storage to;
	socklen_t len;

	assert_int_equal(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &limit);
	uv_timer_start(&limit, on_limit, LIMIT_MS, 0);
	goes = listen_somewhere(&all.of[0].server);
	stays = listen_somewhere(&all.of[1].server);
	probes = probes_start(&loop, &all, 20, on_news, &news);
	assert_non_null(probes);
	run_until(&loop, &all.of[0], true);
	run_until(&loop, &all.of[1], true);
	close(goes);
	run_until(&loop, &all.of[0], false);
	assert_string_equal(all.of[0].error, "Connection refused");
	assert_true(all.of[1].answers);
	again = all.of[0].server;
	goes = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
	    setsockopt(goes, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	len = endpoint_to_sockaddr(&again, &to);
	assert_int_equal(bind(goes, (struct sockaddr *)&to, len), 0);
	assert_int_equal(listen(goes, 128), 0);
	run_until(&loop, &all.of[0], true);
	assert_true(all.of[0].failed >= PROBE_FAILURES);
	assert_int_equal(all.of[1].failed, 0);
	/* One answers all the time, the other did, did not, and does. */
	assert_int_equal(news, 4);
	probes_stop(probes);
	uv_close((uv_handle_t *)&limit, NULL);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(goes);
	close(stays);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_at_once),
		cmocka_unit_test(test_silent_after_two),
		cmocka_unit_test(test_one_failure),
		cmocka_unit_test(test_servers),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
