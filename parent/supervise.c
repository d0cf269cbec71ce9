/* The parent's loop: see supervise.h. */
#include "parent/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/restart.h"
#include "parent/violation.h"

/* Measured in the time a slow machine needs, not a good one. */
#define START_MS 30000
#define STOP_MS  2000
#define LOST_MS  1000
/* A worker cannot keep the parent from its other work. */
#define RECORDS_PER_TURN  64
#define MESSAGES_PER_TURN 64
/* More than the sockets of a dead worker hold. */
#define LEFT_BEHIND_MAX 4096

#define LOOKOUTS_AT 5 /* in what is polled: behind workers and signals */

enum phase {
	STARTING, /* for the first time */
	RUNNING,
	STOPPING,
};

/* A worker, and what is to become of it. */
struct post {
	struct worker *worker;
	struct restart restart;
	struct mono ready_by; /* MONO_NEVER: it is, or there is none */
	struct mono lost;     /* without channel, it must have ended */
};

struct supervisor {
	const struct supervision *how;
	struct service *service;
	enum phase phase;
	struct mono deadline; /* of the end */
	struct mono tick;     /* the next; MONO_NEVER before all is ready */
	unsigned ready;       /* workers */
	int status;
	struct post posts[2];
};

#define FOREACH_POST(p, s) \
	for (struct post *p = (s)->posts; p < (s)->posts + 2; p++)

int
supervise_signals(void)
{
	struct sigaction hup;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	/* nohup(1) wants it ignored; a closed terminal is an orderly end. */
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
		sigaddset(&set, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
stop_worker(struct worker *w)
{
	if (!service_shut_down(w))
		worker_kill(w);
}

/* The first reason to end is the one that counts. */
static void
stop_workers(struct supervisor *s, int status)
{
	if (s->phase == STOPPING)
		return;
	s->phase = STOPPING;
	s->status = status;
	s->deadline = mono_add_ms(mono_now(), STOP_MS);
	s->tick = MONO_NEVER;
	FOREACH_POST(p, s)
	stop_worker(p->worker);
}

static void
kill_workers(struct supervisor *s)
{
	FOREACH_POST(p, s)
	worker_kill(p->worker);
}

static void
close_channel(struct worker *w)
{
	ipc_close(w->channel);
	w->channel = NULL;
}

/* It is not listened to any more; the rest follows from its death. */
static void
punish_worker(struct supervisor *s, struct worker *w, const char *what)
{
	if (w->killed)
		return;
	log_error("%s breaks the rules and is ended: %s", worker_name(w), what);
	worker_kill(w);
	close_channel(w);
	s->status = 1;
}

static void
receive_messages(struct supervisor *s, struct post *p, unsigned max)
{
	struct worker *w = p->worker;

	while (max-- > 0 && w->channel != NULL) {
		switch (service_dispatch(s->service, w)) {
		case IPC_HANDLED:
			break;
		case IPC_EMPTY:
			return;
		case IPC_CLOSED:
			/* Its end, if that is it, is told by the kernel. */
			close_channel(w);
			p->lost = mono_add_ms(mono_now(), LOST_MS);
			return;
		case IPC_EARLY:
		case IPC_VIOLATION:
			punish_worker(s, w, ipc_violation(w->channel));
			return;
		}
	}
}

static void
relay_log(struct supervisor *s, struct worker *w, unsigned max)
{
	if (!worker_relay_log(w, max))
		punish_worker(s, w, "malformed log record");
}

static void
report_violation(struct supervisor *s, const struct worker *w, pid_t pid)
{
	int number = violation_syscall(s->how->kernel_log, pid);

	s->status = 1;
	if (number == -1)
		log_error("sandbox violation in %s (an audit log may have the "
			  "number of the syscall)",
		    worker_name(w));
	else
		log_error("sandbox violation in %s (syscall %d)",
		    worker_name(w), number);
}

static void
report_end(struct supervisor *s, const struct worker *w, pid_t pid, int status)
{
	char text[WORKER_END_MAX];
	bool expected = w->killed || (s->phase == STOPPING && status == 0);

	if (worker_violated_sandbox(status))
		report_violation(s, w, pid);
	else if (expected)
		log_debug(
		    "%s %s", worker_name(w), worker_describe_end(status, text));
	else if (s->phase == STOPPING)
		log_warnx("%s %s while it was ending", worker_name(w),
		    worker_describe_end(status, text));
	else
		log_error(
		    "%s %s", worker_name(w), worker_describe_end(status, text));
}

/* It is dead: when there shall be another one. */
static void
plan_restart(struct supervisor *s, struct post *p)
{
	struct mono now = mono_now();

	p->ready_by = p->lost = MONO_NEVER;
	if (!restart_died(&p->restart, now)) {
		log_error("%s has died %d times in a row: giving up",
		    worker_name(p->worker), RESTART_DEATHS_MAX);
		stop_workers(s, 1);
		return;
	}
	if (mono_due(p->restart.at, now))
		log_info("starting %s again", worker_name(p->worker));
	else
		log_info("starting %s again in %lld s", worker_name(p->worker),
		    (long long)(mono_ms_between(now, p->restart.at) / 1000));
}

/* What it said last comes before what became of it. */
static void
bury_worker(struct supervisor *s, struct post *p, pid_t pid, int status)
{
	struct worker *w = p->worker;

	relay_log(s, w, LEFT_BEHIND_MAX);
	receive_messages(s, p, LEFT_BEHIND_MAX);
	report_end(s, w, pid, status);
	worker_close(w);
	service_forget(s->service, w);
	if (s->service->fatal_status != 0)
		stop_workers(s, s->service->fatal_status);
	else if (s->phase == STARTING)
		stop_workers(s, 1);
	if (s->phase != STOPPING)
		plan_restart(s, p);
}

static void
reap_workers(struct supervisor *s, bool wait)
{
	int status;

	FOREACH_POST(p, s)
	{
		const pid_t pid = p->worker->pid;

		if (worker_reap(p->worker, wait, &status))
			bury_worker(s, p, pid, status);
	}
}

static void
on_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->how->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			reap_workers(s, false);
			continue;
		}
		if (info.ssi_signo == SIGUSR1) {
			s->how->reopen(s->how->ctx);
			continue;
		}
		if (s->phase == STOPPING) {
			log_info("another signal: ending at once");
			kill_workers(s);
			continue;
		}
		log_info("ending on signal %u", info.ssi_signo);
		stop_workers(s, 0);
	}
}

static bool
worker_is_ready(const struct worker *w)
{
	return w->channel != NULL && ipc_is_running(w->channel);
}

/* It is to answer when it is asked whether it turns. */
static bool
has_pulse(const struct worker *w)
{
	return worker_is_ready(w) && !w->killed;
}

static void
on_stop_deadline(struct supervisor *s)
{
	s->deadline = MONO_NEVER;
	log_warnx("the workers take too long to end and are killed");
	kill_workers(s);
	reap_workers(s, true);
}

static void
make_worker_again(struct supervisor *s, struct post *p)
{
	const struct worker *w = p->worker;

	restart_started(&p->restart);
	if (s->how->start(s->how->ctx, w->role) == -1) {
		log_warn("cannot start %s again", worker_name(w));
		plan_restart(s, p);
	} else
		p->ready_by = mono_add_ms(mono_now(), START_MS);
}

/* One that hangs is dead but for the kernel, which has to be told. */
static void
check_pulse(struct supervisor *s, struct worker *w, struct mono now)
{
	if (!has_pulse(w) || service_pulse(s->service, w, now))
		return;
	log_error("%s has not answered for %d s: killed, to be started again",
	    worker_name(w), PULSE_LOST_MS / 1000);
	worker_kill(w);
}

static void
check_post(struct supervisor *s, struct post *p, struct mono now)
{
	struct worker *w = p->worker;
	char *accused = w->role == IPC_NET ? s->service->accused_net
					   : s->service->accused_control;

	if (mono_due(p->restart.at, now))
		make_worker_again(s, p);
	if (accused[0] != '\0' && w->pid != 0)
		punish_worker(s, w, accused);
	accused[0] = '\0';
	if (!mono_is_never(p->ready_by) && worker_is_ready(w)) {
		p->ready_by = MONO_NEVER;
		restart_ready(&p->restart, now);
	}
	check_pulse(s, w, now);
	if (mono_due(p->ready_by, now)) {
		p->ready_by = MONO_NEVER;
		log_error("%s has not become ready", worker_name(w));
		worker_kill(w);
	}
	/* A worker that nobody can talk to any more is no use. */
	if (mono_due(p->lost, now)) {
		p->lost = MONO_NEVER;
		if (w->pid != 0 && w->channel == NULL)
			punish_worker(s, w, "it closed its channel");
	}
}

static void
count_ready_workers(struct supervisor *s)
{
	unsigned ready = 0;

	FOREACH_POST(p, s)
	ready += worker_is_ready(p->worker);
	if (s->phase == STARTING && ready == 2) {
		s->phase = RUNNING;
		s->tick = mono_add_ms(mono_now(), TICK_MS);
		s->how->ready(s->how->ctx);
	}
	if (s->phase == RUNNING && ready != s->ready)
		s->how->changed(s->how->ctx, ready);
	s->ready = ready;
}

static struct pollfd
channel_poll(const struct worker *w)
{
	if (w->channel == NULL)
		return (struct pollfd){ .fd = -1 };
	return (struct pollfd){
		.fd = ipc_fd(w->channel),
		.events =
		    ipc_backlog(w->channel) > 0 ? POLLIN | POLLOUT : POLLIN,
	};
}

static void
serve_post(struct supervisor *s, struct post *p, const struct pollfd fds[2])
{
	struct worker *w = p->worker;

	if (fds[1].revents != 0)
		relay_log(s, w, RECORDS_PER_TURN);
	if (fds[0].revents & POLLOUT && w->channel != NULL)
		(void)ipc_flush(w->channel);
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
		receive_messages(s, p, MESSAGES_PER_TURN);
}

/* Nobody looks after what is to be taken back. */
static bool
is_lookout_open(const struct supervisor *s, const struct lookout *l)
{
	return s->phase != STOPPING || l->to_the_end;
}

static struct pollfd
lookout_poll(const struct supervisor *s, const struct lookout *l)
{
	return (struct pollfd){
		.fd = is_lookout_open(s, l) ? l->fd(l->ctx) : -1,
		.events = POLLIN,
	};
}

static void
serve_lookouts(struct supervisor *s, const struct pollfd *fds)
{
	for (size_t i = 0; i < s->how->lookout_count; i++) {
		const struct lookout *l = &s->how->lookouts[i];
		const struct mono now = mono_now();

		if (is_lookout_open(s, l) &&
		    (fds[i].revents != 0 || mono_due(l->deadline(l->ctx), now)))
			l->turn(l->ctx, fds[i].revents != 0, now);
	}
}

static int
timeout_ms(struct supervisor *s)
{
	struct mono until = mono_min(s->deadline, service_deadline(s->service));
	int64_t ms;

	until = mono_min(until, s->tick);
	for (size_t i = 0; i < s->how->lookout_count; i++) {
		const struct lookout *l = &s->how->lookouts[i];

		if (is_lookout_open(s, l))
			until = mono_min(until, l->deadline(l->ctx));
	}
	FOREACH_POST(p, s)
	{
		until = mono_min(mono_min(until, p->restart.at),
		    mono_min(p->ready_by, p->lost));
		if (s->phase != STOPPING && has_pulse(p->worker))
			until =
			    mono_min(until, pulse_deadline(&p->worker->pulse));
	}
	if (mono_is_never(until))
		return -1;
	/* Rounded up, so as not to wake before it is due. */
	ms = mono_ms_between(mono_now(), until) + 1;
	return ms < 0 ? 0 : ms > START_MS ? START_MS : (int)ms;
}

static void
supervise_once(struct supervisor *s)
{
	struct service *v = s->service;
	struct pollfd fds[LOOKOUTS_AT + LOOKOUTS_MAX] = {
		channel_poll(&v->net),
		{ .fd = v->net.log_fd, .events = POLLIN },
		channel_poll(&v->control),
		{ .fd = v->control.log_fd, .events = POLLIN },
		{ .fd = s->how->signals, .events = POLLIN },
	};
	const size_t lookouts = s->how->lookout_count;
	struct mono now;

	for (size_t i = 0; i < lookouts; i++)
		fds[LOOKOUTS_AT + i] = lookout_poll(s, &s->how->lookouts[i]);
	if (poll(fds, LOOKOUTS_AT + lookouts, timeout_ms(s)) == -1) {
		if (errno != EINTR)
			fatal("poll");
		return;
	}
	serve_post(s, &s->posts[0], &fds[0]);
	serve_post(s, &s->posts[1], &fds[2]);
	if (fds[4].revents != 0)
		on_signals(s);
	serve_lookouts(s, fds + LOOKOUTS_AT);
	now = mono_now();
	if (s->phase != STOPPING)
		service_turn(v, now);
	if (s->phase == RUNNING && mono_due(s->tick, now)) {
		s->tick = mono_add_ms(now, TICK_MS);
		s->how->tick(s->how->ctx);
	}
	if (v->fatal_status != 0)
		stop_workers(s, v->fatal_status);
	else if (v->drain.over)
		stop_workers(s, 0);
	if (s->phase != STOPPING)
		FOREACH_POST(p, s)
	check_post(s, p, now);
	count_ready_workers(s);
	if (mono_due(s->deadline, now))
		on_stop_deadline(s);
}

int
supervise(const struct supervision *how)
{
	struct service *v = how->service;
	struct supervisor s = {
		.how = how,
		.service = v,
		.phase = STARTING,
		.deadline = MONO_NEVER,
		.tick = MONO_NEVER,
		.posts = { { .worker = &v->net }, { .worker = &v->control } },
	};

	FOREACH_POST(p, &s)
	{
		restart_init(&p->restart);
		p->ready_by = mono_add_ms(mono_now(), START_MS);
		p->lost = MONO_NEVER;
	}
	while (s.phase != STOPPING || v->net.pid != 0 || v->control.pid != 0)
		supervise_once(&s);
	return s.status;
}
