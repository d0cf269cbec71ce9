/*
 * The lists of system calls. Each is printed for the golden one, and then every
 * system call that there is gets made under each filter as the kernel has it: a
 * call that the list does not name has to end the process, and one that it
 * names has to reach the kernel, which refuses its senseless arguments.
 */
#include <err.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/sandbox_parent.h"
#include "tests/sandbox/escape.h"

#define CALLS_MAX 600

static struct sandbox_rule parents[PARENT_RULES_MAX];

/* The role's rules as a profile; false when there is no such role. */
static bool
profile_of(const char *role, struct sandbox_profile *p)
{
	for (size_t i = 0; i < 2; i++)
		if (strcmp(role, workers[i]->process) == 0) {
			*p = *workers[i];
			return true;
		}
	*p = (struct sandbox_profile){
		.process = "parent",
		.rules = parents,
		.rule_count = parent_rules(workers, 2, parents),
	};
	return strcmp(role, p->process) == 0;
}

/* To be freed; NULL: no such call on this machine. */
static char *
call_name(int number)
{
	return seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
}

static void
print_argument(const struct sandbox_argument *a)
{
	if (a->index == 0)
		return;
	if (a->op == SCMP_CMP_MASKED_EQ)
		printf(" (arg%d & %#llx) == %#llx", a->index - 1,
		    (unsigned long long)a->a, (unsigned long long)a->b);
	else if (a->op == SCMP_CMP_EQ)
		printf(
		    " arg%d == %#llx", a->index - 1, (unsigned long long)a->a);
	else
		errx(1, "a comparison that this test cannot print");
}

static void
print_rule(const struct sandbox_rule *rule)
{
	char *name = call_name(rule->syscall);

	/* Some machines lack some calls: libseccomp has numbers below zero. */
	if (name == NULL)
		errx(1, "no system call %d", rule->syscall);
	printf("%s", name);
	free(name);
	for (size_t i = 0; i < SANDBOX_ARGUMENTS_MAX; i++)
		print_argument(&rule->argument[i]);
	if (rule->error != 0)
		printf(" -> %s", strerrorname_np(rule->error));
	printf("\n");
}

int
lists_print(const char *role)
{
	struct sandbox_profile p;

	if (!profile_of(role, &p))
		errx(2, "no such role: %s", role);
	for (size_t i = 0; i < p.rule_count; i++)
		print_rule(&p.rules[i]);
	return 0;
}

void
lists_open(struct sandbox_profile *p)
{
	static struct sandbox_rule all[CALLS_MAX];
	size_t n = 0;

	for (int number = 0; number < CALLS_MAX; number++) {
		char *name = call_name(number);

		if (name != NULL)
			all[n++].syscall = number;
		free(name);
	}
	p->rules = all;
	p->rule_count = n;
}

/* Every system call. */

struct call {
	const struct sandbox_profile *profile;
	int number;
};

static void
filter(const void *ctx)
{
	const struct call *c = ctx;

	log_init_worker(outside.log[1], LOG_LEVEL_ERROR);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == -1)
		fatal("no new privileges");
	sandbox_filter(c->profile);
}

static int
call(const void *ctx)
{
	/* For every one of them no descriptor, address, process or flag. */
	return syscall(((const struct call *)ctx)->number, -1L, -1L, -1L, -1L,
		   -1L, -1L) == -1
	    ? -1
	    : 0;
}

enum mention {
	ABSENT,
	BY_ARGUMENTS, /* escape attempts look into those */
	NAMED,
};

static enum mention
mention(const struct sandbox_profile *p, int number)
{
	enum mention found = ABSENT;

	for (size_t i = 0; i < p->rule_count; i++)
		if (p->rules[i].syscall == number) {
			if (p->rules[i].argument[0].index == 0)
				return NAMED;
			found = BY_ARGUMENTS;
		}
	return found;
}

/* The kernel's own return from a probe, which no filter is asked about. */
static bool
is_filtered(const char *name)
{
	return strcmp(name, "uretprobe") != 0;
}

/* These do not come back, or not to where they were called. */
static bool
returns(int number)
{
	return number != SYS_exit && number != SYS_exit_group &&
	    number != SYS_rt_sigreturn;
}

static int
try_list(const struct sandbox_profile *p)
{
	unsigned reached = 0, ended = 0;
	char text[64];
	int bad = 0;

	for (int number = 0; number < CALLS_MAX; number++) {
		const struct call c = { p, number };
		enum mention m = mention(p, number);
		char *name = call_name(number);
		int r;

		if (name != NULL && is_filtered(name) && m != BY_ARGUMENTS &&
		    (m == ABSENT || returns(number))) {
			r = in_child(filter, call, &c);
			if (r == KILLED)
				ended++;
			else if (r != ODD)
				reached++;
			if (r == ODD || (m == ABSENT) != (r == KILLED))
				bad += report(false, p->process, name,
				    m == ABSENT ? " reaches the kernel"
						: " does not");
		}
		free(name);
	}
	snprintf(text, sizeof(text), ": %u reach the kernel, %u end it",
	    reached, ended);
	return bad +
	    report(bad == 0 && reached > 10 && ended > 100, p->process,
		"every system call", text);
}

int
lists_try(void)
{
	static const char *const roles[] = { "parent", "net-worker",
		"control-worker" };
	struct sandbox_profile p;
	int bad = 0;

	for (size_t i = 0; i < 3; i++) {
		if (!profile_of(roles[i], &p))
			errx(1, "no such role: %s", roles[i]);
		bad += try_list(&p);
	}
	return bad;
}
