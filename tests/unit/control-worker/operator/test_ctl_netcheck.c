/*
 * control-worker/operator/ctl.c, ctl_orders.c and netcheck.c: netcheck, drain,
 * config and metrics on a real socket. The network and net-worker are played
 * here.
 */
#include "control-worker/operator/ctl.h"

#include <time.h>

#include "tests/lib/ctl.h"

static struct situation situation;
static const struct portal_attempt attempt; /* none yet */

/* Whether net-worker is there, and what it has been asked. */
static bool absent;
static unsigned queries;
static uint64_t pending;

/* Whether the name and the servers of DNS are being asked for, and by whom. */
static lookup_done name_done;
static dns_check_done dns_done;
static void *name_ctx, *dns_ctx;

static bool
on_ask(void *ctx, const struct ipc_query *q)
{
	(void)ctx;
	assert_int_equal(q->kind, QUERY_KIND_RELAYS);
	if (absent)
		return false;
	queries++;
	pending = q->serial;
	return true;
}

static bool
on_drain(void *ctx, uint32_t within)
{
	(void)ctx;
	situation.draining = within > 0;
	situation.drain_ends_at = (uint64_t)time(NULL) + within;
	return !absent;
}

static struct lookup *
on_lookup(void *resolver, const char *name, lookup_done done, void *ctx)
{
	(void)resolver;
	assert_string_equal(name, "portal.test");
	name_done = done;
	name_ctx = ctx;
	return (struct lookup *)&name_done;
}

static void
on_lookup_cancel(struct lookup *l)
{
	(void)l;
	name_done = NULL;
}

static struct dns_check *
on_dns_check(void *resolver, const char *name, dns_check_done done, void *ctx)
{
	(void)resolver;
	assert_string_equal(name, "portal.test");
	dns_done = done;
	dns_ctx = ctx;
	return (struct dns_check *)&dns_done;
}

static void
on_dns_check_cancel(struct dns_check *c)
{
	(void)c;
	dns_done = NULL;
}

/* net-worker has one relay. */
static void
answer_query(void)
{
	const struct ipc_query_relay relay = { .serial = pending };
	const struct ipc_query_end end = { .serial = pending };

	if (pending == 0)
		return;
	pending = 0;
	ctl_relay(ctl, &relay);
	ctl_query_end(ctl, &end);
}

static char options[OPTIONS_TEXT_MAX + 1];

static int
set_up(void **state)
{
	const struct ctl_config config = {
		.situation = &situation,
		.options = options,
		.netcheck = {
			.host = "portal.test",
			.lookups = { NULL, on_lookup, on_lookup_cancel },
			.dns = { NULL, on_dns_check, on_dns_check_cancel },
		},
		.ask = on_ask,
		.drain = on_drain,
	};

	(void)state;
	situation = (struct situation){
		.url = "wss://portal.test",
		.attempt = &attempt,
	};
	absent = false;
	queries = 0;
	pending = 0;
	name_done = NULL;
	dns_done = NULL;
	serve_ctl(config, answer_query);
	return 0;
}

/* DNS is silent, or has the name. */
static void
answer_checks(bool dns_answers)
{
	const struct lookup_result name = { { ip_v4(192, 0, 2, 1) }, 1, true };
	const struct dns_check_result dns = {
		.of = { { .outcome = dns_answers ? DNS_CHECK_ANSWERED
						 : DNS_CHECK_SILENT } },
		.count = 1,
	};
	dns_check_done done = dns_done;

	dns_done = NULL;
	done(dns_ctx, &dns);
	/* A look-up that nobody can answer has been given up. */
	assert_int_equal(name_done != NULL, dns_answers);
	if (name_done != NULL)
		name_done(name_ctx, &name);
}

/* The exit status. */
static int
ask_for_netcheck(const char *line, bool dns_answers)
{
	int fd = request(line);

	while (dns_done == NULL)
		uv_run(&loop, UV_RUN_ONCE);
	answer_checks(dns_answers);
	assert_true(read_answer(fd));
	return exit_status;
}

static void
network_checks(void **state)
{
	(void)state;
	assert_int_equal(ask_for_netcheck("netcheck text\n", true), 0);
	assert_non_null(strstr(answer, "portal.test is 192.0.2.1\n"));
	assert_int_equal(queries, 1);
	assert_int_equal(ask_for_netcheck("netcheck json\n", false), 3);
	assert_non_null(strstr(answer, "\"check\":\"dns\""));
	assert_memory_equal(answer, "{\"now\":", 7);
	absent = true;
	assert_int_equal(ask_for_netcheck("netcheck wide\n", true), 0);
	assert_non_null(
	    strstr(answer, "net-worker does not answer, which knows them\n"));
}

/* What is under way when the process ends leaves nothing behind. */
static void
network_checks_are_given_up(void **state)
{
	int fd = request("netcheck text\n");

	(void)state;
	while (dns_done == NULL)
		uv_run(&loop, UV_RUN_ONCE);
	end_ctl(state);
	assert_null(dns_done);
	assert_null(name_done);
	close(fd);
}

static void
plain_texts(void **state)
{
	(void)state;
	/* As many as the parent tells of. */
	memset(options, 'x', sizeof(options) - 1);
	assert_true(ask("config text\n"));
	assert_int_equal(exit_status, 0);
	assert_string_equal(answer, options);
	assert_true(ask("metrics text\n"));
	assert_int_equal(exit_status, 0);
	assert_non_null(strstr(answer, "\n# TYPE "));
}

/* Carried out, and then answered. */
static void
drains(void **state)
{
	(void)state;
	assert_true(ask("drain text 86400\n"));
	assert_int_equal(exit_status, 0);
	assert_true(situation.draining);
	assert_memory_equal(
	    answer, "draining: 0 clients are connected; posternd ends", 48);
	assert_true(ask("drain json cancel\n"));
	assert_int_equal(exit_status, 0);
	assert_false(situation.draining);
	assert_string_equal(answer,
	    "{\"draining\":false,\"connections\":0,\"ends_at\":null}\n");
	assert_true(ask("drain text 0\n"));
	assert_int_equal(exit_status, 2);
	absent = true;
	assert_true(ask("drain text 1\n"));
	assert_int_equal(exit_status, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, end_ctl)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(network_checks),
		TEST(drains),
		TEST(plain_texts),
		cmocka_unit_test_setup(network_checks_are_given_up, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
