/*
 * The order in which a process gives its privileges away. Each step needs
 * something that a later one takes: namespaces and the root want
 * CAP_SYS_ADMIN, the bounding set CAP_SETPCAP, the ids CAP_SETUID and
 * CAP_SETGID; the parent-death signal and "not dumpable" are reset by a change
 * of ids; Landlock and the filter want no-new-privileges, and Landlock one free
 * descriptor, so the limits come after it.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox_internal.h"

struct ids {
	uid_t uid;
	gid_t gid;
};

static const struct {
	enum sandbox_lock lock;
	const char *name;
} lock_names[] = {
	{ SANDBOX_USER, "user" },
	{ SANDBOX_ROOT, "root" },
	{ SANDBOX_CHROOT, "chroot" },
	{ SANDBOX_NETWORK, "network" },
	{ SANDBOX_CAPABILITIES, "capabilities" },
	{ SANDBOX_NOT_DUMPABLE, "not dumpable" },
	{ SANDBOX_NO_NEW_PRIVS, "no new privileges" },
	{ SANDBOX_LANDLOCK, "landlock" },
	{ SANDBOX_SECCOMP, "seccomp" },
	{ SANDBOX_EGRESS, "egress" },
};

const char *
sandbox_describe(unsigned locks, char *to, size_t size)
{
	size_t at = 0;

	if (size > 0)
		to[0] = '\0';
	for (size_t i = 0; i < sizeof(lock_names) / sizeof(*lock_names); i++) {
		int n;

		if ((locks & lock_names[i].lock) == 0)
			continue;
		n = snprintf(to + at, size - at, "%s%s", at > 0 ? ", " : "",
		    lock_names[i].name);
		if (n < 0 || (size_t)n >= size - at)
			break;
		at += (size_t)n;
	}
	return to;
}

/* Before the root changes: the user is looked up in files. */
static struct ids
look_users_up(const struct sandbox_profile *p)
{
	struct ids ids = { getuid(), getgid() };
	const struct passwd *pw;

	if (p->user == NULL || geteuid() != 0)
		return ids;
	if ((pw = getpwnam(p->user)) == NULL)
		fatalx("%s: the user %s does not exist", p->process, p->user);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		fatalx(
		    "%s: the user %s must not have id 0", p->process, p->user);
	return (struct ids){ pw->pw_uid, pw->pw_gid };
}

static unsigned
leave_namespaces(const struct sandbox_profile *p)
{
	/* Nothing is reachable through these but what the kernel gives all. */
	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) == -1)
		log_debug(
		    "%s: keeps its ipc, uts and cgroup namespaces", p->process);
	if (!p->new_network)
		return 0;
	if (unshare(CLONE_NEWNET) == -1) {
		if (errno != EPERM && errno != EINVAL)
			fatal("%s: cannot leave the network", p->process);
		return 0;
	}
	return SANDBOX_NETWORK;
}

/* While CAP_SETPCAP is there: no capability by exec, uid 0 or ambient set. */
static void
close_ways_back(const struct sandbox_profile *p)
{
	bool root = geteuid() == 0;

	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (cap_get_bound(cap) == 1 && cap_drop_bound(cap) == -1 &&
		    root)
			fatal("%s: cannot cut its capabilities; it needs "
			      "CAP_SETPCAP",
			    p->process);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) == -1)
		fatal("%s: cannot clear its ambient capabilities", p->process);
	if (prctl(PR_SET_SECUREBITS,
		SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
		    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
		    SECBIT_NO_CAP_AMBIENT_RAISE |
		    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
		0L, 0L, 0L) == -1 &&
	    root)
		fatal("%s: cannot lock its capabilities", p->process);
}

static unsigned
change_user(const struct sandbox_profile *p, const struct ids *ids)
{
	if (p->user == NULL || geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) == -1 ||
	    setresgid(ids->gid, ids->gid, ids->gid) == -1 ||
	    setresuid(ids->uid, ids->uid, ids->uid) == -1)
		fatal("%s: cannot become %s; it needs CAP_SETUID and "
		      "CAP_SETGID",
		    p->process, p->user);
	return SANDBOX_USER;
}

static unsigned
drop_capabilities(const struct sandbox_profile *p)
{
	cap_t none = cap_init(), held;
	int same;

	if (none == NULL || cap_set_proc(none) == -1)
		fatal("%s: cannot drop its capabilities", p->process);
	if ((held = cap_get_proc()) == NULL)
		fatal("%s: cannot read its capabilities", p->process);
	same = cap_compare(none, held);
	cap_free(held);
	cap_free(none);
	if (same != 0)
		fatalx("%s: capabilities are left", p->process);
	return SANDBOX_CAPABILITIES;
}

static void
verify_user(const struct sandbox_profile *p, const struct ids *ids)
{
	if (ids->uid == 0)
		return;
	if (setresuid(0, 0, 0) != -1 || setresgid(0, 0, 0) != -1 ||
	    getuid() != ids->uid || geteuid() != ids->uid ||
	    getgid() != ids->gid || getegid() != ids->gid)
		fatalx("%s: could become root again", p->process);
}

/* A change of ids undoes both, so they come after it. */
static unsigned
bind_to_parent(const struct sandbox_profile *p, pid_t parent)
{
	if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == -1 ||
	    prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) == -1)
		fatal("%s: cannot bind itself to its parent", p->process);
	if (getppid() != parent)
		fatalx("%s: its parent is gone", p->process);
	return SANDBOX_NOT_DUMPABLE;
}

static void
limit_resource(const struct sandbox_profile *p, int resource, rlim_t value)
{
	struct rlimit l = { value, value };

	if (setrlimit((__rlimit_resource_t)resource, &l) == -1)
		fatal("%s: cannot set its resource limits", p->process);
}

/* Where we are not allowed as many, with what we have. */
static void
limit_descriptors(const struct sandbox_profile *p)
{
	rlim_t wanted = p->descriptors;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max < wanted)
		wanted = l.rlim_max;
	limit_resource(p, RLIMIT_NOFILE, wanted);
}

/*
 * Not in a build with the sanitizers, whose shadow memory is larger than any
 * limit.
 */
static void
limit_memory(const struct sandbox_profile *p)
{
#ifndef POSTERN_SANITIZE
	struct sysinfo s;
	struct rlimit l;
	uint64_t bytes = p->memory_max;

	if (bytes == 0)
		return;
	if (sysinfo(&s) == 0 && s.totalram < bytes / s.mem_unit)
		bytes = (uint64_t)s.totalram * s.mem_unit;
	if (bytes < p->memory_min)
		bytes = p->memory_min;
	/* What whoever started us allows is not more. */
	if (getrlimit(RLIMIT_AS, &l) == 0 && l.rlim_max < bytes)
		bytes = l.rlim_max;
	limit_resource(p, RLIMIT_AS, (rlim_t)bytes);
#else
	(void)p;
#endif
}

static void
set_limits(const struct sandbox_profile *p)
{
	limit_memory(p);
	limit_resource(p, RLIMIT_CORE, 0);
	limit_resource(p, RLIMIT_NPROC, 0);
	/*
	 * Beyond it the kernel kills, so not where files are to be written, nor
	 * where a sanitizer may have to.
	 */
#ifndef POSTERN_SANITIZE
	if (!p->landlock_files)
		limit_resource(p, RLIMIT_FSIZE, 0);
#endif
	limit_descriptors(p);
}

unsigned
sandbox_confine(const struct sandbox_profile *p)
{
	const struct ids ids = look_users_up(p);
	const pid_t parent = getppid();
	unsigned locks;

	locks = leave_namespaces(p);
	locks |= sandbox_change_root(p);
	close_ways_back(p);
	locks |= change_user(p, &ids);
	locks |= drop_capabilities(p);
	verify_user(p, &ids);
	locks |= bind_to_parent(p, parent);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == -1)
		fatal("%s: cannot refuse new privileges", p->process);
	locks |= SANDBOX_NO_NEW_PRIVS;
	return locks |
	    sandbox_landlock(p, (locks & (SANDBOX_ROOT | SANDBOX_CHROOT)) != 0);
}

unsigned
sandbox_close(const struct sandbox_profile *p, unsigned locks)
{
	char text[160];

	set_limits(p);
	sandbox_filter(p);
	locks |= SANDBOX_SECCOMP;
	log_info("confined: %s", sandbox_describe(locks, text, sizeof(text)));
	return locks;
}

unsigned
sandbox_enter(const struct sandbox_profile *p)
{
	return sandbox_close(p, sandbox_confine(p));
}
