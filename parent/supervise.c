/* The parent's loop: see supervise.h. */
#include "parent/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/log.h"

/* Measured in the time a slow machine needs, not a good one. */
#define START_MS 30000
#define STOP_MS  2000
#define LOST_MS  1000
/* A worker cannot keep the parent from its other work. */
#define RECORDS_PER_TURN  64
#define MESSAGES_PER_TURN 64
/* More than the sockets of a dead worker hold. */
#define LEFT_BEHIND_MAX 4096

enum phase {
	STARTING,
	RUNNING,
	STOPPING,
};

struct supervisor {
	struct service *service;
	int signals;
	enum phase phase;
	struct mono deadline; /* of the phase */
	struct mono lost;     /* a worker without channel must have ended */
	int status;
};

int
supervise_signals(void)
{
	struct sigaction hup;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
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
stop(struct supervisor *s, int status)
{
	if (s->phase == STOPPING)
		return;
	s->phase = STOPPING;
	s->status = status;
	s->deadline = mono_add_ms(mono_now(), STOP_MS);
	stop_worker(&s->service->net);
	stop_worker(&s->service->control);
}

static void
kill_both(struct supervisor *s)
{
	worker_kill(&s->service->net);
	worker_kill(&s->service->control);
}

static void
punish(struct supervisor *s, struct worker *w, const char *what)
{
	log_error("%s breaks the rules and is ended: %s", worker_name(w), what);
	worker_kill(w);
	stop(s, 1);
	s->status = 1;
}

static void
close_channel(struct worker *w)
{
	ipc_close(w->channel);
	w->channel = NULL;
}

static void
receive(struct supervisor *s, struct worker *w, unsigned max)
{
	while (max-- > 0 && w->channel != NULL) {
		switch (service_dispatch(s->service, w)) {
		case IPC_HANDLED:
			break;
		case IPC_EMPTY:
			return;
		case IPC_CLOSED:
			/* Its end, if that is it, is told by the kernel. */
			close_channel(w);
			s->lost = mono_add_ms(mono_now(), LOST_MS);
			return;
		case IPC_VIOLATION:
			punish(s, w, ipc_violation(w->channel));
			close_channel(w);
			return;
		}
	}
}

static void
relay_log(struct supervisor *s, struct worker *w, unsigned max)
{
	if (!worker_relay_log(w, max))
		punish(s, w, "malformed log record");
}

static void
report_end(struct supervisor *s, const struct worker *w, int status)
{
	char text[WORKER_END_MAX];
	bool expected = w->killed || (s->phase == STOPPING && status == 0);

	if (worker_violated_sandbox(status)) {
		log_error("sandbox violation in %s: it made a system call that "
			  "its filter forbids; an audit log has its number",
		    worker_name(w));
		s->status = 1;
	} else if (expected)
		log_debug(
		    "%s %s", worker_name(w), worker_describe_end(status, text));
	else if (s->phase == STOPPING)
		log_warnx("%s %s while it was ending", worker_name(w),
		    worker_describe_end(status, text));
	else
		log_error(
		    "%s %s", worker_name(w), worker_describe_end(status, text));
}

/* What it said last comes before what became of it. */
static void
bury(struct supervisor *s, struct worker *w, int status)
{
	relay_log(s, w, LEFT_BEHIND_MAX);
	receive(s, w, LEFT_BEHIND_MAX);
	report_end(s, w, status);
	worker_close(w);
	if (s->phase != STOPPING)
		stop(s,
		    s->service->fatal_status != 0 ? s->service->fatal_status
						  : 1);
}

static void
reap(struct supervisor *s, bool wait)
{
	struct worker *workers[] = { &s->service->net, &s->service->control };
	int status;

	for (size_t i = 0; i < 2; i++)
		if (worker_reap(workers[i], wait, &status))
			bury(s, workers[i], status);
}

static void
on_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			reap(s, false);
			continue;
		}
		if (s->phase == STOPPING) {
			log_info("another signal: ending at once");
			kill_both(s);
			continue;
		}
		log_info("ending on signal %u", info.ssi_signo);
		stop(s, 0);
	}
}

static bool
is_ready(const struct worker *w)
{
	return w->channel != NULL && ipc_is_running(w->channel);
}

static void
on_deadline(struct supervisor *s)
{
	if (s->phase == STARTING) {
		log_error("%s has not become ready",
		    is_ready(&s->service->net)
			? worker_name(&s->service->control)
			: worker_name(&s->service->net));
		stop(s, 1);
		kill_both(s);
	} else if (s->phase == STOPPING) {
		log_warnx("the workers take too long to end and are killed");
		kill_both(s);
		reap(s, true);
	}
	s->deadline = MONO_NEVER;
}

/* A worker that nobody can talk to any more is no use. */
static void
on_lost(struct supervisor *s)
{
	struct worker *workers[] = { &s->service->net, &s->service->control };

	s->lost = MONO_NEVER;
	for (size_t i = 0; i < 2 && s->phase != STOPPING; i++)
		if (workers[i]->pid != 0 && workers[i]->channel == NULL)
			punish(s, workers[i], "it closed its channel");
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
serve(struct supervisor *s, struct worker *w, const struct pollfd *channel,
    const struct pollfd *log)
{
	if (log->revents != 0)
		relay_log(s, w, RECORDS_PER_TURN);
	if (channel->revents & POLLOUT && w->channel != NULL)
		(void)ipc_flush(w->channel);
	if (channel->revents & (POLLIN | POLLHUP | POLLERR))
		receive(s, w, MESSAGES_PER_TURN);
}

static int
timeout_ms(const struct supervisor *s)
{
	struct mono until = mono_min(
	    mono_min(s->deadline, s->lost), service_deadline(s->service));
	int64_t ms;

	if (mono_is_never(until))
		return -1;
	/* Rounded up, so as not to wake before it is due. */
	ms = mono_ms_between(mono_now(), until) + 1;
	return ms < 0 ? 0 : ms > START_MS ? START_MS : (int)ms;
}

static void
turn(struct supervisor *s)
{
	struct service *v = s->service;
	struct pollfd fds[] = {
		channel_poll(&v->net),
		{ .fd = v->net.log_fd, .events = POLLIN },
		channel_poll(&v->control),
		{ .fd = v->control.log_fd, .events = POLLIN },
		{ .fd = s->signals, .events = POLLIN },
	};
	struct mono now;

	if (poll(fds, sizeof(fds) / sizeof(*fds), timeout_ms(s)) == -1) {
		if (errno != EINTR)
			fatal("poll");
		return;
	}
	serve(s, &v->net, &fds[0], &fds[1]);
	serve(s, &v->control, &fds[2], &fds[3]);
	if (fds[4].revents != 0)
		on_signals(s);
	now = mono_now();
	if (s->phase != STOPPING)
		service_turn(v, now);
	if (v->fatal_status != 0)
		stop(s, v->fatal_status);
	if (mono_due(s->deadline, now))
		on_deadline(s);
	if (mono_due(s->lost, now))
		on_lost(s);
}

int
supervise(struct service *service, int signals, void (*ready)(void))
{
	struct supervisor s = {
		.service = service,
		.signals = signals,
		.phase = STARTING,
		.deadline = mono_add_ms(mono_now(), START_MS),
		.lost = MONO_NEVER,
	};

	while (service->net.pid != 0 || service->control.pid != 0) {
		turn(&s);
		if (s.phase == STARTING && is_ready(&service->net) &&
		    is_ready(&service->control)) {
			s.phase = RUNNING;
			s.deadline = MONO_NEVER;
			ready();
		}
	}
	return s.status;
}
