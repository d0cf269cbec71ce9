/*
 * Plays seeds, each in a process of its own, so that one that crashes does not
 * end the others and each starts with the same memory.
 *
 *	sim [-j JOBS] [-h HOURS] [-n SEEDS] [-s FIRST] [-fx]
 *	sim -v [-h HOURS] -s SEED
 *
 * HOURS of simulated time a seed; -x plays each seed twice and compares, -f
 * ends with the first fault. -v plays one seed and tells what happens. The exit
 * status is 0 when no seed finds a fault. Figures are printed at the end,
 * faults as they are found.
 */
#include <err.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "net-worker/core/stun/stun.h"
#include "net-worker/dataplane/dataplane.h"
#include "tests/sim/sim.h"

#define JOBS_MAX 16
#define STUCK_S  100 /* of a processor, for one seed */

struct outcome {
	char fault[512];
	uint64_t trace, steps, datagrams, answers, incidents;
	struct roam_figures roams[ROAM_KINDS];
	double at;
};

static struct outcome *outcomes; /* shared, one for each job */
static struct outcome *mine;
static bool first_only; /* fault */

static void
tell_outcome(const char *fault)
{
	snprintf(mine->fault, sizeof(mine->fault), "%s", fault);
	mine->trace = world.trace;
	mine->steps = world.steps;
	mine->datagrams = world.datagrams;
	mine->answers = world.answers;
	mine->incidents = world.incidents;
	memcpy(mine->roams, world.roams, sizeof(mine->roams));
	mine->at = sim_seconds(world.now);
}

static void
on_fault(const char *what)
{
	tell_outcome(what);
	fflush(stdout);
	_exit(1);
}

static void
play_seed(uint64_t seed, int64_t hours)
{
	const struct itimerval stuck = { .it_value.tv_sec = STUCK_S };

	setitimer(ITIMER_PROF, &stuck, NULL);
	world.failed = on_fault;
	sim_begin(seed, NULL, 0);
	sim_run(hours);
	tell_outcome("");
}

static pid_t
start_seed(size_t job, uint64_t seed, int64_t hours)
{
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid != 0)
		return pid;
	mine = &outcomes[job];
	memset(mine, 0, sizeof(*mine));
	play_seed(seed, hours);
	_exit(0);
}

struct totals {
	uint64_t seeds, steps, datagrams, answers, incidents, faults;
	struct roam_figures roams[ROAM_KINDS];
	double seconds;
};

static void
add_outcome(
    struct totals *t, uint64_t seed, const struct outcome *o, int status)
{
	t->seeds++;
	t->steps += o->steps;
	t->datagrams += o->datagrams;
	t->answers += o->answers;
	t->incidents += o->incidents;
	t->seconds += o->at;
	for (size_t i = 0; i < ROAM_KINDS; i++) {
		t->roams[i].count += o->roams[i].count;
		t->roams[i].sum_ms += o->roams[i].sum_ms;
		if (o->roams[i].slowest_ms > t->roams[i].slowest_ms)
			t->roams[i].slowest_ms = o->roams[i].slowest_ms;
	}
	if (status == 0)
		return;
	t->faults++;
	if (WIFSIGNALED(status))
		printf("seed %llu: ended by signal %d\n",
		    (unsigned long long)seed, WTERMSIG(status));
	else
		printf("seed %llu: after %.3f s: %s\n",
		    (unsigned long long)seed, o->at,
		    o->fault[0] == '\0' ? "ended" : o->fault);
	fflush(stdout);
}

struct job {
	pid_t pid;
	uint64_t seed;
	bool again;
	uint64_t trace; /* of the first time */
};

static size_t
job_of(const struct job *jobs, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (jobs[i].pid == pid)
			return i;
	errx(1, "a stranger's child");
}

static void
play_seeds(uint64_t first, uint64_t count, size_t jobs_count, int64_t hours,
    bool twice, struct totals *t)
{
	struct job jobs[JOBS_MAX] = { 0 };
	uint64_t next = first;
	size_t running = 0;

	for (;;) {
		int status;
		size_t i;

		while (running < jobs_count && next < first + count &&
		    (!first_only || t->faults == 0)) {
			i = job_of(jobs, jobs_count, 0);
			jobs[i] = (struct job){
				.pid = start_seed(i, next, hours),
				.seed = next,
			};
			next++;
			running++;
		}
		if (running == 0)
			return;
		i = job_of(jobs, jobs_count, wait(&status));
		if (jobs[i].again && outcomes[i].trace != jobs[i].trace) {
			snprintf(outcomes[i].fault, sizeof(outcomes[i].fault),
			    "it goes another way the second time");
			status = 1 << 8;
		}
		if (twice && !jobs[i].again && status == 0) {
			jobs[i].again = true;
			jobs[i].trace = outcomes[i].trace;
			jobs[i].pid = start_seed(i, jobs[i].seed, hours);
			continue;
		}
		add_outcome(t, jobs[i].seed, &outcomes[i], status);
		jobs[i].pid = 0;
		running--;
	}
}

static int
tell_totals(const struct totals *t)
{
	for (unsigned i = 0; i < ROAM_KINDS; i++) {
		const struct roam_figures *f = &t->roams[i];

		if (f->count > 0)
			printf("answers are back after %s, of %llu: on average "
			       "%.1f s, at most %.1f s\n",
			    roam_name(i), (unsigned long long)f->count,
			    (double)f->sum_ms / (double)f->count / 1000,
			    (double)f->slowest_ms / 1000);
	}
	printf("%.0f simulated hours, %llu seeds, %llu incidents, %llu steps, "
	       "%llu datagrams, %llu answers, %llu faults\n",
	    t->seconds / 3600, (unsigned long long)t->seeds,
	    (unsigned long long)t->incidents, (unsigned long long)t->steps,
	    (unsigned long long)t->datagrams, (unsigned long long)t->answers,
	    (unsigned long long)t->faults);
	return t->faults != 0;
}

static void
bad_usage(void)
{
	fprintf(stderr,
	    "usage: sim [-j JOBS] [-h HOURS] [-n SEEDS] [-s FIRST] [-fx]\n"
	    "       sim -v [-h HOURS] -s SEED\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	uint64_t first = 1, count = 1, jobs = 1;
	struct totals totals = { 0 };
	bool verbose = false, twice = false;
	int64_t hours = 10;
	int ch;

	while ((ch = getopt(argc, argv, "fj:h:n:s:vx")) != -1) {
		unsigned long long n =
		    optarg == NULL ? 0 : strtoull(optarg, NULL, 10);

		switch (ch) {
		case 'f':
			first_only = true;
			break;
		case 'j':
			jobs = n;
			break;
		case 'h':
			hours = (int64_t)n;
			break;
		case 'n':
			count = n;
			break;
		case 's':
			first = n;
			break;
		case 'v':
			verbose = true;
			break;
		case 'x':
			twice = true;
			break;
		default:
			bad_usage();
		}
	}
	if (jobs < 1 || jobs > JOBS_MAX || hours < 1 || optind != argc)
		bad_usage();
	log_init_sink("gateway", verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
	    LOG_FORMAT_HUMAN);
	world.verbose = verbose;
	if (sodium_init() == -1 || !dataplane_warm_up() || !stun_warm_up())
		errx(1, "the cryptography");
	outcomes = mmap(NULL, JOBS_MAX * sizeof(*outcomes),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcomes == MAP_FAILED)
		err(1, "mmap");
	play_seeds(first, verbose ? 1 : count, jobs, hours, twice, &totals);
	return tell_totals(&totals);
}
