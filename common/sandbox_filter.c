/*
 * The list of allowed system calls, by libseccomp. What the list does not name
 * ends the process, never only the thread: a process that lost one thread would
 * run on half dead.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>

#include "common/log.h"

#ifdef POSTERN_SANITIZE
/* What the run-time libraries of sanitizers call; never in a release. */
static const struct sandbox_rule sanitizer_rules[] = {
	{ .syscall = SCMP_SYS(mmap), .reason = "shadow memory" },
	{ .syscall = SCMP_SYS(munmap), .reason = "shadow memory" },
	{ .syscall = SCMP_SYS(mprotect), .reason = "shadow memory" },
	{ .syscall = SCMP_SYS(mremap), .reason = "shadow memory" },
	{ .syscall = SCMP_SYS(madvise), .reason = "shadow memory" },
	{ .syscall = SCMP_SYS(brk), .reason = "allocator" },
	{ .syscall = SCMP_SYS(getpid), .reason = "reports" },
	{ .syscall = SCMP_SYS(gettid), .reason = "reports" },
	{ .syscall = SCMP_SYS(write), .reason = "reports" },
	{ .syscall = SCMP_SYS(futex), .reason = "locks" },
	{ .syscall = SCMP_SYS(sigaltstack), .reason = "exit of a thread" },
	{ .syscall = SCMP_SYS(sched_yield), .reason = "locks" },
	{ .syscall = SCMP_SYS(sched_getaffinity), .reason = "allocator" },
	{ .syscall = SCMP_SYS(getrandom), .reason = "allocator" },
	{ .syscall = SCMP_SYS(clock_gettime), .reason = "reports" },
	{ .syscall = SCMP_SYS(rt_sigaction), .reason = "handlers" },
	{ .syscall = SCMP_SYS(rt_sigprocmask), .reason = "handlers" },
	{ .syscall = SCMP_SYS(prctl), .reason = "names of mappings" },
	{ .syscall = SCMP_SYS(exit_group), .reason = "reports" },
	{ .syscall = SCMP_SYS(rseq), .reason = "thread of its own, begins" },
	{ .syscall = SCMP_SYS(set_robust_list), .reason = "the same" },
	{ .syscall = SCMP_SYS(nanosleep), .reason = "thread of its own" },
	{ .syscall = SCMP_SYS(clock_nanosleep), .reason = "the same" },
	{ .syscall = SCMP_SYS(open), .reason = "maps", .error = EACCES },
	{ .syscall = SCMP_SYS(openat), .reason = "maps", .error = EACCES },
	{ .syscall = SCMP_SYS(readlink), .reason = "maps", .error = EACCES },
	{ .syscall = SCMP_SYS(ioctl), .reason = "reports", .error = ENOTTY },
	{ .syscall = SCMP_SYS(unlink), .reason = "reports", .error = EACCES },
};
#endif

static int
add_call_rule(scmp_filter_ctx ctx, const struct sandbox_rule *rule)
{
	struct scmp_arg_cmp compare[SANDBOX_ARGUMENTS_MAX];
	unsigned n = 0;

	for (size_t i = 0; i < SANDBOX_ARGUMENTS_MAX; i++) {
		const struct sandbox_argument *a = &rule->argument[i];

		if (a->index == 0)
			continue;
		compare[n++] = (struct scmp_arg_cmp){
			.arg = a->index - 1u,
			.op = (enum scmp_compare)a->op,
			.datum_a = a->a,
			.datum_b = a->b,
		};
	}
	return seccomp_rule_add_array(ctx,
	    rule->error == 0 ? SCMP_ACT_ALLOW
			     : SCMP_ACT_ERRNO((uint16_t)rule->error),
	    rule->syscall, n, compare);
}

#ifdef POSTERN_SANITIZE
static int
add_sanitizer_rules(scmp_filter_ctx ctx, const struct sandbox_profile *p)
{
	for (size_t i = 0;
	     i < sizeof(sanitizer_rules) / sizeof(*sanitizer_rules); i++) {
		bool known = false;
		int r;

		/* A refusal does not mix with the profile's own rule. */
		for (size_t j = 0; j < p->rule_count; j++)
			if (p->rules[j].syscall == sanitizer_rules[i].syscall)
				known = true;
		if (known && sanitizer_rules[i].error != 0)
			continue;
		r = add_call_rule(ctx, &sanitizer_rules[i]);
		if (r != 0 && r != -EEXIST)
			return r;
	}
	return 0;
}
#endif

/* The profile's filter, not yet loaded; NULL with errno. */
static scmp_filter_ctx
build_filter(const struct sandbox_profile *p)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (ctx == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	if ((r = seccomp_attr_set(
		 ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)) != 0 ||
	    (r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0)) != 0 ||
	    (r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1)) != 0 ||
	    (r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2)) != 0)
		goto fail;
	for (size_t i = 0; i < p->rule_count; i++)
		if ((r = add_call_rule(ctx, &p->rules[i])) != 0)
			goto fail;
#ifdef POSTERN_SANITIZE
	if ((r = add_sanitizer_rules(ctx, p)) != 0)
		goto fail;
#endif
	return ctx;
fail:
	seccomp_release(ctx);
	errno = -r;
	return NULL;
}

/* Calls go on as they were, but for one that fails as on an old kernel. */
static int
hide_io_uring(scmp_filter_ctx ctx)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(io_uring_setup), 0);
	return r == 0 ? seccomp_load(ctx) : r;
}

void
sandbox_hide_io_uring(const char *process)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (ctx == NULL)
		fatalx("%s: no memory", process);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == -1)
		fatal("%s: cannot refuse new privileges", process);
	if ((r = hide_io_uring(ctx)) != 0) {
		errno = -r;
		fatal("%s: cannot load a system call filter; the kernel needs "
		      "CONFIG_SECCOMP_FILTER",
		    process);
	}
	seccomp_release(ctx);
}

void
sandbox_filter(const struct sandbox_profile *p)
{
	scmp_filter_ctx ctx = build_filter(p);
	int r;

	if (ctx == NULL)
		fatal("%s: cannot make the system call filter", p->process);
	if ((r = seccomp_load(ctx)) != 0) {
		errno = -r;
		fatal("%s: cannot load the system call filter; the kernel "
		      "needs CONFIG_SECCOMP_FILTER",
		    p->process);
	}
	seccomp_release(ctx);
}

int
sandbox_export(const struct sandbox_profile *p, int fd)
{
	scmp_filter_ctx ctx = build_filter(p);
	int r;

	if (ctx == NULL)
		return -1;
	r = seccomp_export_pfc(ctx, fd);
	seccomp_release(ctx);
	if (r != 0) {
		errno = -r;
		return -1;
	}
	return 0;
}
