/*
 * The parent's list of system calls: a worker that is made again inherits it,
 * so what the workers may do has to be in it, and what nobody may does not.
 */
#include "parent/sandbox_parent.h"

#include <fcntl.h>
#include <seccomp.h>
#include <unistd.h>

#include "control-worker/control_worker.h"
#include "net-worker/net_worker.h"
#include "tests/lib/unit.h"

static const struct sandbox_profile *const workers[] = {
	&net_worker_profile,
	&control_worker_profile,
};
static struct sandbox_rule list[PARENT_RULES_MAX];
static size_t count;

static int
set_up(void **state)
{
	(void)state;
	count = parent_rules(workers, 2, list);
	return 0;
}

static bool
same(const struct sandbox_rule *a, const struct sandbox_rule *b)
{
	for (size_t i = 0; i < SANDBOX_ARGUMENTS_MAX; i++) {
		const struct sandbox_argument *x = &a->argument[i];
		const struct sandbox_argument *y = &b->argument[i];

		if (x->index != y->index || x->op != y->op || x->a != y->a ||
		    x->b != y->b)
			return false;
	}
	return true;
}

/* Without a comparison, or with the same ones. */
static bool
allows(const struct sandbox_rule *rule)
{
	for (size_t i = 0; i < count; i++) {
		const struct sandbox_rule *l = &list[i];

		if (l->syscall == rule->syscall && l->error == 0 &&
		    (l->argument[0].index == 0 || same(l, rule)))
			return true;
	}
	return false;
}

static void
workers_can_do_what_their_lists_say(void **state)
{
	unsigned checked = 0;

	(void)state;
	for (size_t w = 0; w < 2; w++)
		for (size_t i = 0; i < workers[w]->rule_count; i++) {
			const struct sandbox_rule *r = &workers[w]->rules[i];

			if (r->error == 0 && !allows(r))
				fail_msg(
				    "%s: %s", workers[w]->process, r->reason);
			checked++;
		}
	assert_true(checked > 60);
}

static void
nothing_is_both_allowed_and_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			assert_false(list[i].syscall == list[j].syscall &&
			    list[i].error != list[j].error);
}

static void
every_line_has_a_reason(void **state)
{
	(void)state;
	assert_true(count < PARENT_RULES_MAX);
	for (size_t i = 0; i < count; i++) {
		assert_non_null(list[i].reason);
		assert_true(strlen(list[i].reason) >= 3);
	}
}

static void
what_nobody_may(void **state)
{
	static const int never[] = {
		SCMP_SYS(ptrace),
		SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev),
		SCMP_SYS(bpf),
		SCMP_SYS(perf_event_open),
		SCMP_SYS(userfaultfd),
		SCMP_SYS(io_uring_setup),
		SCMP_SYS(init_module),
		SCMP_SYS(finit_module),
		SCMP_SYS(kexec_load),
		SCMP_SYS(reboot),
		SCMP_SYS(keyctl),
		SCMP_SYS(setns),
		SCMP_SYS(mknod),
		SCMP_SYS(mknodat),
		SCMP_SYS(clone3),
#ifndef POSTERN_SANITIZE
		SCMP_SYS(personality),
#endif
		SCMP_SYS(open_by_handle_at),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		for (size_t j = 0; j < count; j++)
			assert_false(list[j].syscall == never[i] &&
			    list[j].error == 0);
}

static void
filter_can_be_made(void **state)
{
	const struct sandbox_profile profile = {
		.process = "parent",
		.rules = list,
		.rule_count = count,
	};
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(sandbox_export(&profile, fd), 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_can_do_what_their_lists_say),
		cmocka_unit_test(nothing_is_both_allowed_and_refused),
		cmocka_unit_test(every_line_has_a_reason),
		cmocka_unit_test(what_nobody_may),
		cmocka_unit_test(filter_can_be_made),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
