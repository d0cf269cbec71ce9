/*
 * The control-worker's dispatchers and its connection to the portal, with the
 * parent, net-worker and the portal hostile. Network, clock and loop are the
 * input's. What it says to either process has to be what that one takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/counters.h"
#include "control-worker/json/json.h"
#include "control-worker/portal/transport.h"
#include "control-worker/worker.h"
#include "tests/fuzz/messages.h"

#define STEPS_MAX 96
#define TIMERS    4
#define FRAME_MAX 4096
#define NAMES_MAX 128 /* look-ups of clients' names, more than there may be */

struct rig {
	struct control_worker w;
	struct hostile parent, net;
	struct cursor *in;
	bool over;
};

/* What stands in for the libraries and the network. */
static struct {
	struct timespec clock;
	uv_timer_t *timer[TIMERS]; /* running */
	uv_timer_cb timer_cb[TIMERS];
	uint64_t timer_ms[TIMERS];
	lookup_done lookup;
	void *lookup_ctx;
	struct {
		lookup_done done; /* NULL: none */
		void *ctx;
	} names[NAMES_MAX];
	const struct transport_events *events;
	void *events_ctx;
	bool open, closing, blocked;
	int64_t date; /* of the answer; 0: none */
	char *text; /* the next message */
	size_t text_len;
	unsigned long long last_ref; /* of what was sent */
} world;

static uv_loop_t loop;
static struct counter_page counters;

/* Clock and timers. */

int __wrap_clock_gettime(clockid_t, struct timespec *);
int __wrap_uv_timer_init(uv_loop_t *, uv_timer_t *);
int __wrap_uv_timer_start(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);
int __wrap_uv_timer_stop(uv_timer_t *);
void __wrap_uv_close(uv_handle_t *, uv_close_cb);
void __wrap_setproctitle(const char *fmt, ...);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	*ts = world.clock;
	return 0;
}

int
__wrap_uv_timer_init(uv_loop_t *l, uv_timer_t *timer)
{
	(void)l;
	(void)timer;
	return 0;
}

int
__wrap_uv_timer_stop(uv_timer_t *timer)
{
	for (size_t i = 0; i < TIMERS; i++)
		if (world.timer[i] == timer)
			world.timer[i] = NULL;
	return 0;
}

int
__wrap_uv_timer_start(
    uv_timer_t *timer, uv_timer_cb cb, uint64_t ms, uint64_t repeat)
{
	size_t i;

	must(repeat == 0);
	__wrap_uv_timer_stop(timer);
	for (i = 0; i < TIMERS && world.timer[i] != NULL; i++)
		;
	must(i < TIMERS);
	world.timer[i] = timer;
	world.timer_cb[i] = cb;
	world.timer_ms[i] = ms;
	return 0;
}

void
__wrap_uv_close(uv_handle_t *handle, uv_close_cb cb)
{
	__wrap_uv_timer_stop((uv_timer_t *)handle);
	cb(handle);
}

void
__wrap_setproctitle(const char *fmt, ...)
{
	must(fmt != NULL);
}

/* The DNS server on the tunnel. */

void __wrap_dns_server_set_servers(
    struct dns_server *, const struct resolv_conf *);
void __wrap_dns_server_listen(
    struct dns_server *, enum ip_family, bool tcp, int fd);
void __wrap_dns_server_close(struct dns_server *, enum ip_family);

void
__wrap_dns_server_set_servers(
    struct dns_server *s, const struct resolv_conf *conf)
{
	must(s == NULL && conf->server_count > 0);
}

void
__wrap_dns_server_listen(
    struct dns_server *s, enum ip_family family, bool tcp, int fd)
{
	must(s == NULL && (family == IP_V4 || family == IP_V6));
	must(fd != -1);
	(void)tcp;
	close(fd);
}

void
__wrap_dns_server_close(struct dns_server *s, enum ip_family family)
{
	must(s == NULL && (family == IP_V4 || family == IP_V6));
}

static void
pass(int64_t ms)
{
	world.clock.tv_sec += ms / 1000;
	world.clock.tv_nsec += ms % 1000 * 1000000;
	if (world.clock.tv_nsec >= 1000000000) {
		world.clock.tv_nsec -= 1000000000;
		world.clock.tv_sec++;
	}
}

/* Time goes on to one of the timers that run. */
static void
fire_timer(struct cursor *in)
{
	size_t first = pick(in, TIMERS);

	for (size_t i = 0; i < TIMERS; i++) {
		size_t n = (first + i) % TIMERS;
		uv_timer_t *timer = world.timer[n];

		if (timer == NULL)
			continue;
		world.timer[n] = NULL;
		pass((int64_t)(world.timer_ms[n] % 86400000));
		world.timer_cb[n](timer);
		return;
	}
}

/* Resolver and transport. */

struct lookup *__wrap_resolver_lookup(
    struct resolver *, const char *name, lookup_done, void *ctx);
struct lookup *__wrap_resolver_lookup_cached(
    struct resolver *, const char *name, lookup_done, void *ctx);
void __wrap_lookup_cancel(struct lookup *);

struct lookup *
__wrap_resolver_lookup(
    struct resolver *r, const char *name, lookup_done done, void *ctx)
{
	must(r != NULL && name[0] != '\0' && world.lookup == NULL);
	world.lookup = done;
	world.lookup_ctx = ctx;
	return (struct lookup *)&world;
}

struct lookup *
__wrap_resolver_lookup_cached(
    struct resolver *r, const char *name, lookup_done done, void *ctx)
{
	size_t i = 0;

	must(r != NULL && name[0] != '\0');
	while (i < NAMES_MAX && world.names[i].done != NULL)
		i++;
	must(i < NAMES_MAX);
	world.names[i].done = done;
	world.names[i].ctx = ctx;
	return (struct lookup *)&world.names[i];
}

void
__wrap_lookup_cancel(struct lookup *l)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (l != (struct lookup *)&world.names[i])
			continue;
		must(world.names[i].done != NULL);
		world.names[i].done = NULL;
		return;
	}
	must(l == (struct lookup *)&world && world.lookup != NULL);
	world.lookup = NULL;
}

struct transport *
transport_start(const struct transport_config *config,
    const struct transport_events *events, void *ctx)
{
	must(config->address_count > 0 && config->request->target[0] == '/');
	must(world.events == NULL);
	world.events = events;
	world.events_ctx = ctx;
	world.open = world.closing = false;
	return (struct transport *)&world;
}

void
transport_free(struct transport *t)
{
	if (t == NULL)
		return;
	must(world.events != NULL);
	world.events = NULL;
	world.open = false;
}

char *
transport_next(struct transport *t, size_t *len)
{
	char *text = world.text;

	must(t != NULL && world.open);
	*len = world.text_len;
	world.text = NULL;
	return text;
}

void
transport_free_message(char *text, size_t len)
{
	(void)len;
	free(text);
}

void
transport_describe(const struct transport *t, struct portal_attempt *attempt)
{
	must(t != NULL && attempt != NULL);
}

struct portal_date
transport_date(const struct transport *t)
{
	must(t != NULL && world.open);
	return (struct portal_date){
		.present = world.date != 0,
		.date = world.date,
		.asked = clock_read(),
		.answered = clock_read(),
	};
}

bool
transport_can_send(const struct transport *t)
{
	must(t != NULL);
	return world.open && !world.blocked;
}

/* All that we write is JSON. */
void
transport_send(struct transport *t, const char *text)
{
	const struct json_value *ref;
	struct json_document *d;

	must(t != NULL && world.open && !world.blocked);
	must(json_parse(&d, text, strlen(text)) == JSON_OK);
	ref = json_get(json_root(d), "ref");
	must(json_is(json_get(json_root(d), "topic"), JSON_STRING));
	must(json_is(json_get(json_root(d), "event"), JSON_STRING));
	if (json_is(ref, JSON_UNSIGNED))
		world.last_ref = ref->number;
	json_free(d);
}

void
transport_close(struct transport *t, uint16_t code)
{
	must(t != NULL && code == 1000);
	world.open = false;
	world.closing = true;
}

/* What comes in. */

static void
message(struct rig *r, struct hostile *h)
{
	hostile_send(h, r->in);
	ipc_control_read(&r->w, h->victim);
	r->over = !hostile_check(h);
	if (r->net.ours != NULL)
		hostile_follow(&r->net, r->w.epoch);
}

static void
answer_lookup(struct cursor *in, lookup_done *at, void *ctx)
{
	struct lookup_result result = { .complete = pick_bool(in) };
	lookup_done done = *at;

	result.count = pick(in, 3);
	for (size_t i = 0; i < result.count; i++)
		result.addresses[i] = pick_endpoint(in, NULL, 0).ip;
	*at = NULL;
	done(ctx, &result);
}

static void
resolved(struct cursor *in)
{
	if (world.lookup != NULL)
		answer_lookup(in, &world.lookup, world.lookup_ctx);
}

static void
name_resolved(struct cursor *in)
{
	size_t first = pick(in, NAMES_MAX);

	for (size_t n = 0; n < NAMES_MAX; n++) {
		size_t i = (first + n) % NAMES_MAX;

		if (world.names[i].done == NULL)
			continue;
		answer_lookup(in, &world.names[i].done, world.names[i].ctx);
		return;
	}
}

static void
failed(struct cursor *in)
{
	static const int statuses[] = { 0, 401, 409, 429, 500, 503 };
	struct transport_failure f = {
		.reason = "reason",
		.status = statuses[pick(in, 6)],
		.retry_after_ms = (int64_t)cursor_be16(in) - 1,
	};

	if (pick_bool(in))
		snprintf(
		    f.problem.code, sizeof(f.problem.code), "invalid_token");
	if (world.events != NULL)
		world.events->failed(world.events_ctx, &f);
}

static void
opened(struct cursor *in)
{
	if (world.events == NULL || world.open || world.closing)
		return;
	world.open = true;
	world.date = cursor_be32(in);
	world.events->open(world.events_ctx);
}

/* A message of the portal: any text, or a frame around any payload. */
static void
portal_says(struct cursor *in)
{
	static const char *const events[] = { "create_authorization", "init",
		"ice_candidates", "invalidate_ice_candidates", "reject_access",
		"relays_presence", "resource_updated", "phx_error", "phx_close",
		"disconnect", "authorize_flow", "request_connection",
		"allow_access", "access_authorization_expiry_updated" };
	char frame[FRAME_MAX + 256];
	size_t len, kind = pick(in, 16);
	char *payload = (char *)pick_block(in, FRAME_MAX, &len);
	int n = (int)len;

	if (kind < 10 || kind > 12)
		n = snprintf(frame, sizeof(frame),
		    "{\"topic\":\"gateway\",\"event\":\"%s\",\"payload\":%.*s,"
		    "\"ref\":null}",
		    events[kind < 10 ? kind : kind - 3], n, payload);
	else if (kind == 10)
		n = snprintf(frame, sizeof(frame),
		    "{\"topic\":\"gateway\",\"event\":\"phx_reply\",\"payload\""
		    ":{\"status\":\"ok\",\"response\":{}},\"ref\":%llu}",
		    world.last_ref);
	else if (kind == 11)
		n = snprintf(frame, sizeof(frame),
		    "{\"topic\":\"gateway\",\"event\":\"phx_reply\",\"payload\""
		    ":%.*s,\"ref\":%llu}",
		    n, payload, world.last_ref);
	else if (len > 0)
		memcpy(frame, payload, len);
	free(payload);
	if (!world.open || world.events == NULL)
		return;
	free(world.text);
	world.text = malloc((size_t)n + 1);
	must(world.text != NULL);
	memcpy(world.text, frame, (size_t)n);
	world.text[n] = '\0';
	world.text_len = (size_t)n;
	world.events->activity(world.events_ctx);
}

static void
step(struct rig *r)
{
	switch (pick(r->in, 13)) {
	case 0:
		message(r, &r->parent);
		break;
	case 1:
	case 2:
	case 3:
		message(r, &r->net);
		break;
	case 4:
		pass(cursor_be16(r->in));
		break;
	case 5:
		fire_timer(r->in);
		break;
	case 6:
		resolved(r->in);
		break;
	case 7:
		failed(r->in);
		break;
	case 8:
		opened(r->in);
		break;
	case 12:
		name_resolved(r->in);
		break;
	case 9:
		world.blocked = pick_bool(r->in);
		if (world.open && world.events != NULL)
			world.events->activity(world.events_ctx);
		break;
	default:
		portal_says(r->in);
	}
	hostile_listen(&r->parent);
	hostile_listen(&r->net);
}

/* As main.c does after the parent has said START. */
static void
make_connection(struct rig *r)
{
	struct control_worker *w = &r->w;
	const struct assignments_host names = ipc_control_names(w);
	const struct lookups cached = ipc_control_lookups(w, true);
	struct portal_events events = ipc_control_events();
	struct portal_driver_config c = {
		.loop = &loop,
		.lookups = ipc_control_lookups(w, false),
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
		},
	};
	struct login_url *login = &c.connection.login;
	const char *what;

	if (login_url_parse(w->identity.api_url, login, &what) == -1)
		must(login_url_parse("wss://api.firezone.dev/", login, &what) ==
		    0);
	url_host_format(&login->host, w->host, sizeof(w->host));
	w->portal = portal_driver_new(&c, &events, w);
	w->assignments = assignments_new(&names, &cached);
	w->flow.host = ipc_control_flows(w);
	must(w->portal != NULL && w->assignments != NULL);
	w->connection = portal_driver_connection(w->portal);
}

static void
run(void *ctx)
{
	struct rig *r = ctx;
	struct control_worker *w = &r->w;

	for (size_t n = pick(r->in, 9); n > 0 && !r->over; n--)
		message(r, &r->parent);
	if (r->over)
		return;
	/* That end was the parent's; ours is another. */
	ipc_close(w->net);
	hostile_open(&r->net, IPC_CONTROL, IPC_NET);
	w->net = r->net.victim;
	if (w->epoch == 0)
		w->epoch = 1;
	ipc_set_epoch(w->net, w->epoch);
	hostile_follow(&r->net, w->epoch);
	make_connection(r);
	hostile_set_running(&r->parent);
	hostile_set_running(&r->net);
	for (int i = 0; more(r->in) && !r->over && !w->stop && i < STEPS_MAX;
	     i++)
		step(r);
}

/* What the real one keeps until it ends. */
static void
close_handed_over(struct control_worker *w)
{
	if (w->health_fd != -1)
		close(w->health_fd);
	if (w->ctl_fd != -1)
		close(w->ctl_fd);
	if (w->flow.sink.kind != FLOW_SINK_NONE)
		close(w->flow.sink.fd);
	if (w->names_memory != NULL)
		munmap(w->names_memory, NAMES_MEMORY);
	if (w->situation.counters != &counters)
		munmap(
		    (void *)(uintptr_t)w->situation.counters, sizeof(counters));
}

void
fuzz_init(void)
{
	must(uv_loop_init(&loop) == 0);
}

void
fuzz_one(struct cursor *in)
{
	static struct rig r;
	bool survived;

	memset(&r, 0, sizeof(r));
	memset(&world, 0, sizeof(world));
	world.clock.tv_sec = 1000;
	r.in = in;
	r.w.health_fd = r.w.ctl_fd = -1;
	r.w.situation.counters = &counters;
	descriptors_remember();
	r.w.resolver = resolver_new(&loop);
	must(r.w.resolver != NULL);
	hostile_open(&r.parent, IPC_CONTROL, IPC_PARENT);
	r.w.parent = r.parent.victim;
	r.w.egress.host = ipc_control_egress(&r.w);
	survived = survives(run, &r);
	assignments_free(r.w.assignments);
	portal_driver_free(r.w.portal);
	resolver_free(r.w.resolver);
	free(r.w.ca);
	free(r.w.egress.text);
	close_handed_over(&r.w);
	free(world.text);
	if (r.net.ours == NULL)
		ipc_close(r.w.net);
	hostile_close(&r.net);
	hostile_close(&r.parent);
	descriptors_check(survived);
}
