/*
 * The net-worker's threads: they are started when it has given up all but its
 * system calls, and then the door is closed for those as well. An earlier one
 * has to be confined like the first, and able to work; that none comes later is
 * among the attempts.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "net-worker/net_worker.h"
#include "tests/sandbox/escape.h"

static struct {
	pthread_t id;
	sem_t runs, begin;
	int (*make)(void);
	int result, error;
} thread;

/* What it tries, when the door is closed. */
struct deed {
	const char *what;
	int (*make)(void); /* 0, or -1 with errno */
	int filtered;      /* what has to come of it */
	int unfiltered;    /* likewise; NOT_ASKED */
};

struct thread_trial {
	const struct deed *deed;
	enum role role; /* NOBODY, NET or NET_UNFILTERED */
};

static void *
early_thread(void *ctx)
{
	sem_post(&thread.runs);
	while (sem_wait(&thread.begin) == -1)
		continue;
	errno = 0;
	thread.result = thread.make();
	thread.error = errno;
	return ctx;
}

static void
confine_around_thread(const void *ctx)
{
	const struct thread_trial *t = ctx;
	struct sandbox_profile p = net_worker_profile;
	unsigned locks = 0;

	log_init_worker(outside.log[1], LOG_LEVEL_ERROR);
	if (t->role == NET_UNFILTERED)
		lists_open(&p);
	if (t->role != NOBODY)
		locks = sandbox_confine(&p);
	thread.make = t->deed->make;
	if (sem_init(&thread.runs, 0, 0) == -1 ||
	    sem_init(&thread.begin, 0, 0) == -1 ||
	    pthread_create(&thread.id, NULL, early_thread, NULL) != 0)
		fatalx("cannot start a thread");
	/* Until then it makes calls of the C library's. */
	while (sem_wait(&thread.runs) == -1)
		continue;
	if (t->role != NOBODY)
		sandbox_close(&p, locks);
}

static int
let_thread_try(const void *ctx)
{
	(void)ctx;
	if (sem_post(&thread.begin) == -1 || pthread_join(thread.id, NULL) != 0)
		return -1;
	errno = thread.error;
	return thread.result;
}

/* Deeds. */

static int
end_by_itself(void)
{
	return 0;
}

static int
see_the_parent(void)
{
	return getppid() > 0 ? 0 : -1;
}

/* Of this thread alone: the C library would ask all of them. */
static int
become_root_alone(void)
{
	return (int)syscall(SYS_setresuid, 0, 0, 0);
}

static int
see_a_file_of_the_host(void)
{
	return access("/etc/passwd", F_OK);
}

static int
open_another_descriptor(void)
{
	return dup(outside.udp) == -1 ? -1 : 0;
}

static void *
idle_thread(void *ctx)
{
	return ctx;
}

static int
start_another(void)
{
	pthread_t id;

	errno = pthread_create(&id, NULL, idle_thread, NULL);
	return errno == 0 ? 0 : -1;
}

static const struct deed deeds[] = {
	{ "ends", end_by_itself, DONE, DONE },
	{ "asks for the parent", see_the_parent, KILLED, NOT_ASKED },
	{ "becomes root", become_root_alone, KILLED, EPERM },
	{ "sees a file of the host", see_a_file_of_the_host, KILLED, ENOENT },
	{ "has one more descriptor", open_another_descriptor, KILLED, EMFILE },
	{ "starts another thread", start_another, KILLED, EAGAIN },
};

static int
thread_tries(
    const struct deed *deed, enum role role, const char *whose, int outcome)
{
	const struct thread_trial t = { deed, role };
	char how[64];
	int got;

	if (outcome == NOT_ASKED)
		return 0;
	got = in_child(confine_around_thread, let_thread_try, &t);
	snprintf(how, sizeof(how), " (%s)",
	    got > 0             ? strerrorname_np(got)
		: got == DONE   ? "done"
		: got == KILLED ? "ended by the filter"
				: "ended in another way");
	return report(got == outcome, whose, deed->what, how);
}

int
threads_try(void)
{
	int bad = 0;

	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		bad += thread_tries(
		    &deeds[i], NOBODY, "a thread, unconfined", DONE);
		bad += thread_tries(&deeds[i], NET,
		    "an earlier thread of net-worker", deeds[i].filtered);
		bad += thread_tries(&deeds[i], NET_UNFILTERED,
		    "an earlier thread of net-worker without its filter",
		    deeds[i].unfiltered);
	}
	return bad;
}
