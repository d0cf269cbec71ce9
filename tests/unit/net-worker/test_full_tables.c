/* net-worker/full_tables.c: what has grown is said, with how much, not often.
 */
#include "net-worker/full_tables.h"

#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static struct counter_page page;
#define counters page.shard[1].counters
static struct full_tables tables;
static struct mono now;
static int log_fd[2];

/* The lines since the last call, one after the other. */
static unsigned
say(char text[LOG_TEXT_MAX + 2])
{
	unsigned lines = 0;
	ssize_t n;

	full_tables_say(&tables, now, &page);
	while ((n = recv(log_fd[0], text, LOG_TEXT_MAX + 1, 0)) > 0) {
		text[n] = '\0';
		lines++;
	}
	return lines;
}

static void
says_what_has_grown(void **state)
{
	char text[LOG_TEXT_MAX + 2];
	unsigned lines = 0;

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, log_fd), 0);
	log_init_worker(log_fd[1], LOG_LEVEL_WARN);
	now = (struct mono){ 1000000000 };
	counters.refused_outbound[REASON_NAT_EXHAUSTED] = 5;
	full_tables_init(&tables, &page);
	assert_int_equal(say(text), 0);
	counters.refused_outbound[REASON_NAT_EXHAUSTED] = 12;
	assert_int_equal(say(text), 1);
	assert_non_null(strstr(text, "7 packets to names"));
	counters.flows_untracked = 1;
	counters.events_lost = 1;
	assert_int_equal(say(text), 2);
	for (int s = 0; s < 100; s++) {
		now = mono_add_s(now, 1);
		counters.refused_outbound[REASON_NAT_EXHAUSTED]++;
		lines += say(text);
	}
	assert_in_range(lines, 1, 50);
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	close(log_fd[0]);
	close(log_fd[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_has_grown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
