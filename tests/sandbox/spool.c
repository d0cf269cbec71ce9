/*
 * Which files control-worker can open as it really confines itself: those of
 * its spool where something keeps it in there, and else none at all. Without
 * one it has nothing to write to, either.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "control-worker/control_worker.h"
#include "control-worker/sandbox_control.h"
#include "tests/sandbox/escape.h"

struct trial {
	const char *what;
	bool root;        /* started as root, else as its user */
	bool no_landlock; /* the kernel does not know it */
	bool spool;       /* it is given one */
	const char *path;
	int outcome;
};

/* A file of the spool has no path in it when the spool is not the root. */
#define IN_SPOOL NULL
/* No file, but write(2) to what it has. */
#define WRITING ""

static const struct trial trials[] = {
	{ "as root: its spool", true, false, true, "/", DONE },
	{ "as root: another file", true, false, true, "/etc/passwd", ENOENT },
	{ "as root, no Landlock: its spool", true, true, true, "/", DONE },
	{ "as root, no spool: a file", true, false, false, "/etc/passwd",
	    KILLED },
	{ "as root: write(2)", true, false, true, WRITING, DONE },
	{ "as root, no spool: write(2)", true, false, false, WRITING, KILLED },
	{ "as a user: its spool", false, false, true, IN_SPOOL, DONE },
	{ "as a user: another file", false, false, true, "/etc/passwd",
	    EACCES },
	{ "as a user, no spool: a file", false, false, false, "/etc/passwd",
	    KILLED },
	{ "as a user, no Landlock: its spool", false, true, true, IN_SPOOL,
	    KILLED },
	{ "as a user, no Landlock: another file", false, true, true,
	    "/etc/passwd", KILLED },
};

static void
hide_landlock(void)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);

	if (c == NULL ||
	    seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS),
		SCMP_SYS(landlock_create_ruleset), 0) != 0 ||
	    seccomp_load(c) != 0)
		fatalx("cannot hide Landlock");
	seccomp_release(c);
}

static void
become_user(void)
{
	const struct passwd *pw = getpwnam(control_worker_profile.user);

	if (pw == NULL || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		fatal("cannot become the user");
}

static void
confine(const void *ctx)
{
	const struct trial *t = ctx;
	const uint16_t port = 443;
	char spool[sizeof(outside.spool)] = "";

	log_init_worker(outside.log[1], LOG_LEVEL_ERROR);
	if (t->spool)
		strcpy(spool, outside.spool);
	if (t->no_landlock)
		hide_landlock();
	if (!t->root)
		become_user();
	(void)sandbox_control_enter(&port, 1, spool);
}

static int
open_it(const void *ctx)
{
	const struct trial *t = ctx;
	const char *path = t->path == IN_SPOOL ? outside.spool : t->path;

	if (*path == '\0')
		return write(outside.log[1], "\4x", 2) == 2 ? 0 : -1;
	return open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) == -1 ? -1 : 0;
}

int
spool_try(void)
{
	int bad = 0;

	for (size_t i = 0; i < sizeof(trials) / sizeof(*trials); i++) {
		const struct trial *t = &trials[i];
		int got = in_child(confine, open_it, t);

		bad += report(got == t->outcome, "control-worker", t->what,
		    got == DONE         ? " is done"
			: got == KILLED ? " ends it"
			: got == ODD    ? " ends in another way"
					: " is out of reach");
	}
	return bad;
}
