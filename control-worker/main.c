/*
 * control-worker: the process that talks to the portal.
 *
 * It holds the portal token, and in transit pre-shared keys and the passwords
 * of ICE and relays; its ends of the channels to the parent and to net-worker;
 * the sockets it opens itself, and the listeners that it is given. It parses
 * what the portal and DNS servers send, and what clients ask of the DNS server
 * on the tunnel: TLS, HTTP, WebSocket, JSON, DNS.
 *
 * It may open IPv4 and IPv6 sockets and connect to the portal and to DNS
 * servers, which it names to the parent beforehand (egress.c), and to the
 * servers that the operator has named to be probed. It must never
 * see a TUN descriptor, a WireGuard private key or a packet, and cannot start a
 * thread or a process or become anybody else: no capabilities, a filter
 * (sandbox_control.c), and for its root the spool of the flow logs, the only
 * files that it can open. Those it needs beside come as descriptors from the
 * parent.
 *
 * Its life: take over what the parent sends, start the libraries, confine
 * itself, say READY, wait for net-worker's public key, then keep the connection
 * to the portal (portal/connection.c) and pass on what either side says
 * (ipc_control.c). It ends when the parent says so or is gone.
 */
#include "control-worker/control_worker.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control-worker/operator/http.h"
#include "control-worker/operator/traffic.h"
#include "control-worker/portal/generation.h"
#include "control-worker/probes/probes.h"
#include "control-worker/sandbox_control.h"
#include "control-worker/worker.h"

#define CLOCK_EVERY_MS 1000

/* Whoever signals the whole group means the parent, which tells us. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE,
		SIGUSR1 };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
}

/*
 * Whatever the libraries read, open or ask for once, they do here: later the
 * filter would end us (house rules: "What glibc calls behind your back").
 */
static void
warm_up(struct control_worker *w)
{
	time_t now = time(NULL);
	struct tm tm;
	uint8_t byte;

	/* Proxies and key logs are nobody's business here. */
	if (clearenv() != 0)
		fatalx("the environment cannot be cleared");
	tzset();
	gmtime_r(&now, &tm);
	if (sodium_init() == -1)
		fatalx("libsodium cannot start");
	randombytes_buf(&byte, sizeof(byte));
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		fatalx("libcurl cannot start");
	sandbox_hide_io_uring("control-worker");
	if (uv_loop_init(&w->loop) != 0)
		fatalx("libuv cannot start");
}

static void
wait_for_parent(struct control_worker *w)
{
	struct pollfd pfd = { .fd = IPC_FD_PARENT, .events = POLLIN };

	if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
		fatal("poll");
	ipc_control_read(w, w->parent);
}

/* With what was known to the one before us. */
static void
make_directory(struct control_worker *w)
{
	size_t known;

	if ((w->directory = directory_new()) == NULL)
		fatalx("no memory");
	if (w->names_memory == NULL)
		return;
	known = directory_keep(w->directory, w->names_memory);
	if (known > 0)
		log_info("%zu names of clients and resources are known from "
			 "before",
		    known);
}

/* Reads until all has been handed over. */
static void
take_over(struct control_worker *w)
{
	w->parent = ipc_open(IPC_FD_PARENT, IPC_CONTROL, IPC_PARENT);
	w->resolver = resolver_new(&w->loop);
	w->dns = dns_server_new(&w->loop);
	if (w->parent == NULL || w->resolver == NULL || w->dns == NULL)
		fatalx("no memory");
	w->egress.host = ipc_control_egress(w);
	while (!w->start)
		wait_for_parent(w);
	if (!w->identity.no_names)
		make_directory(w);
	w->flow.sink.names = w->directory;
	if (w->net == NULL || w->ca == NULL || w->token[0] == '\0' ||
	    w->identity.api_url[0] == '\0')
		fatalx("the parent did not hand over all that is needed");
}

static void
prepare_flow_logs(struct control_worker *w, const char *user_agent)
{
	const struct flow_control_host host = ipc_control_flows(w);
	const struct poster_config c = {
		.loop = &w->loop,
		.lookups = ipc_control_lookups(w, false),
		.dialler = { &w->egress, egress_announce },
		.ca = w->ca,
		.ca_len = w->ca_len,
		.user_agent = user_agent,
	};

	flow_control_prepare(&w->flow, &host, &c, w->flow_logs.log);
}

/* Under confinement, where the spool may have become the root. */
static void
start_flow_logs(struct control_worker *w, unsigned locks)
{
	const char *spool = w->flow_logs.spool;

	if (spool[0] == '\0')
		spool = NULL;
	else if (locks & (SANDBOX_ROOT | SANDBOX_CHROOT))
		spool = "/";
	flow_control_start(&w->flow, spool);
}

/* False when the API URL is none; the parent has been told. */
static bool
make_connection(struct control_worker *w, struct login_url *login)
{
	const struct assignments_host names = ipc_control_names(w);
	const struct lookups cached = ipc_control_lookups(w, true);
	struct portal_events events = ipc_control_events();
	char user_agent[USER_AGENT_MAX], reason[256];
	struct portal_driver_config c = {
		.loop = &w->loop,
		.lookups = ipc_control_lookups(w, false),
		.dialler = { &w->egress, egress_announce },
		.connection = {
			.identity = {
				.external_id = w->identity.external_id,
				.name = w->identity.name,
				.token = w->token,
				.token_source = w->token_source,
				.os = w->identity.os,
				.arch = w->identity.arch,
				.kernel = w->identity.kernel,
			},
			.generation = w->identity.portal_generation,
			.max_partition_ms = w->identity.max_partition_ms,
			.resumed = w->identity.resumed,
		},
	};
	const char *what;

	if (login_url_parse(w->identity.api_url, login, &what) == -1) {
		snprintf(reason, sizeof(reason),
		    "FIREZONE_API_URL cannot be used: %s", what);
		ipc_control_fatal(w, 2, reason);
		return false;
	}
	url_host_format(&login->host, w->host, sizeof(w->host));
	if (login->host.literal.family == IP_NONE)
		url_host_name(&login->host, w->portal_name);
	login_url_display(login, w->url, sizeof(w->url));
	/* Flow logs go by the newest generation only. */
	user_agent_format(generation_newest(), &c.connection.identity,
	    user_agent, sizeof(user_agent));
	w->curl = curl_loop_new(&w->loop, w->ca, w->ca_len);
	c.curl = w->curl;
	c.connection.login = *login;
	w->assignments = assignments_new(&names, &cached);
	if (w->curl == NULL || w->assignments == NULL ||
	    (w->portal = portal_driver_new(&c, &events, w)) == NULL)
		fatalx("no memory");
	w->connection = portal_driver_connection(w->portal);
	prepare_flow_logs(w, user_agent);
	explicit_bzero(w->token, sizeof(w->token));
	return true;
}

static void
on_parent(uv_poll_t *handle, int status, int events)
{
	struct control_worker *w = handle->data;

	(void)status;
	if (events & UV_WRITABLE)
		ipc_flush(w->parent);
	if (events & (UV_READABLE | UV_DISCONNECT))
		ipc_control_read(w, w->parent);
}

static void
on_net(uv_poll_t *handle, int status, int events)
{
	struct control_worker *w = handle->data;

	(void)status;
	if ((events & UV_WRITABLE) && ipc_flush(w->net) == -1)
		w->net_closed = true;
	if (events & (UV_READABLE | UV_DISCONNECT))
		ipc_control_read(w, w->net);
	if (w->net_was_full && ipc_backlog(w->net) == 0) {
		w->net_was_full = false;
		assignments_resume(w->assignments);
		portal_driver_resume(w->portal);
	}
}

/* Waits for room to write only while something waits to be written. */
static void
watch_channel(uv_poll_t *handle, int *watched, const struct ipc_channel *ch,
    uv_poll_cb cb)
{
	int events = UV_READABLE | UV_DISCONNECT;

	if (ipc_backlog(ch) > 0)
		events |= UV_WRITABLE;
	if (events != *watched)
		uv_poll_start(handle, events, cb);
	*watched = events;
}

/* Before the loop sleeps: what the channels are waited for. */
static void
on_loop_prepare(uv_prepare_t *prepare)
{
	struct control_worker *w = prepare->data;

	watch_channel(
	    &w->poll_parent, &w->watched_parent, w->parent, on_parent);
	if (w->net_closed) {
		uv_poll_stop(&w->poll_net);
		w->watched_net = 0;
	} else
		watch_channel(&w->poll_net, &w->watched_net, w->net, on_net);
	if (w->stop)
		uv_stop(&w->loop);
}

/* Nobody tells us that the host's clock was set, or how full a disk is. */
static void
on_clock_timer(uv_timer_t *timer)
{
	struct control_worker *w = timer->data;
	const struct clock_reading now = clock_read();

	portal_clock_look(&w->situation.clock, &now);
	flow_control_figures(&w->flow, &w->situation.flows);
	ipc_control_look_at_drain(w);
}

static void
make_loop(struct control_worker *w)
{
	if (uv_poll_init(&w->loop, &w->poll_parent, ipc_fd(w->parent)) != 0 ||
	    uv_poll_init(&w->loop, &w->poll_net, ipc_fd(w->net)) != 0)
		fatalx("libuv does not take the channels");
	uv_prepare_init(&w->loop, &w->prepare);
	w->poll_parent.data = w->poll_net.data = w->prepare.data = w;
	uv_prepare_start(&w->prepare, on_loop_prepare);
	uv_timer_init(&w->loop, &w->clock_timer);
	w->clock_timer.data = w;
	uv_timer_start(
	    &w->clock_timer, on_clock_timer, CLOCK_EVERY_MS, CLOCK_EVERY_MS);
}

/* What others may look at: the listeners that we were given. */
static void
open_window(struct control_worker *w)
{
	const struct ctl_config ctl = {
		.fd = w->ctl_fd,
		.uid = w->ctl_uid,
		.gid = w->ctl_gid,
		.situation = &w->situation,
		.names = w->directory,
		.options = w->options,
		.netcheck = {
			.host = w->portal_name[0] == '\0' ? NULL
							  : w->portal_name,
			.lookups = ipc_control_lookups(w, false),
			.dns = ipc_control_dns_checker(w),
		},
		.ask = ipc_control_ask,
		.explain = ipc_control_explain,
		.drain = ipc_control_drain,
		.log_level = ipc_control_log_level,
		.ctx = w,
	};

	const struct traffic_config traffic = {
		.series = w->series,
		.counters = w->situation.counters,
		.names = w->metrics_names ? w->directory : NULL,
		.ask = ipc_control_ask,
		.done = ipc_control_traffic,
		.ctx = w,
	};

	w->situation.url = w->url;
	w->situation.attempt = portal_driver_attempt(w->portal);
	w->situation.dns_queries_refused =
	    &dns_server_refusals(w->dns)->queries;
	w->situation.dns_connections_refused =
	    &dns_server_refusals(w->dns)->connections;
	w->situation.dns_outcomes = dns_server_outcomes(w->dns);
	w->situation.names_left_out = assignments_left_out(w->assignments);
	w->situation.since = (uint64_t)time(NULL);
	if (w->health_fd != -1 && w->series > 0 && traffic.counters != NULL &&
	    (w->situation.traffic = traffic_new(&traffic)) == NULL)
		fatalx("no memory");
	if (w->health_fd != -1)
		w->http = http_serve(&w->loop, w->health_fd, &w->situation);
	if (w->ctl_fd != -1)
		w->ctl = ctl_serve(&w->loop, &ctl);
	if ((w->health_fd != -1 && w->http == NULL) ||
	    (w->ctl_fd != -1 && w->ctl == NULL))
		fatalx("no memory");
}

static void
say_ready(struct control_worker *w, unsigned locks)
{
	struct ipc_control_ready ready = { .locks = locks };

	if (ipc_send_control_ready(w->parent, &ready) == -1)
		fatal("the parent does not take our READY");
	ipc_set_running(w->parent);
	ipc_set_running(w->net);
}

static unsigned
confine(struct control_worker *w, uint16_t portal_port)
{
	const struct probe_results *probes = &w->situation.probes;
	uint16_t ports[PROBES_MAX + 1];
	size_t count = 0;

	ports[count++] = portal_port;
	for (size_t i = 0; i < probes->count; i++)
		ports[count++] = probes->of[i].server.port;
	return sandbox_control_enter(ports, count, w->flow_logs.spool);
}

int
control_worker_main(enum log_level level)
{
	static struct control_worker worker = { .health_fd = -1, .ctl_fd = -1 };
	struct control_worker *w = &worker;
	struct login_url login;
	unsigned locks;

	log_init_worker(IPC_FD_LOG, level);
	ignore_signals();
	warm_up(w);
	take_over(w);
	/* The parent ends a worker that has told it of a fatal error. */
	if (!make_connection(w, &login))
		for (;;)
			wait_for_parent(w);
	egress_start(&w->egress, login.port);
	while (egress_is_awaited(&w->egress))
		wait_for_parent(w);
	make_loop(w);
	setproctitle("control-worker [connecting %s]", w->host);
	open_window(w);
	locks = confine(w, login.port);
	start_flow_logs(w, locks);
	if (w->situation.probes.count > 0 &&
	    (w->probes = probes_start(&w->loop, &w->situation.probes,
		 (uint64_t)w->probing.interval * 1000, ipc_control_probed,
		 w)) == NULL)
		fatalx("no memory");
	ipc_control_draining(w);
	say_ready(w, locks);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	if (w->probes != NULL)
		probes_stop(w->probes);
	assignments_free(w->assignments);
	directory_free(w->directory);
	portal_driver_free(w->portal);
	ipc_close(w->net);
	ipc_close(w->parent);
	return w->status;
}
