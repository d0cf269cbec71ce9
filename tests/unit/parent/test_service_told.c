/*
 * parent/service.c: what it tells the workers: what they work with, and
 * what becomes of the other processes and of the host's network.
 */
#include "tests/lib/service.h"

/* The messages of a hand-over, as words. */
static char story[2048];

#define TELL(name, word)                                       \
	static void tell_##name(void *c, struct ipc_##name *m) \
	{                                                      \
		(void)c;                                       \
		(void)m;                                       \
		strcat(story, word " ");                       \
	}
TELL(net_log_level, "level")
TELL(control_log_level, "level")
TELL(net_peer, "peer")
TELL(net_start, "start")
TELL(net_counters, "counters")
TELL(net_homes, "homes")
TELL(site_networks_begin, "site")
TELL(site_network, "one")
TELL(site_networks_commit, "all")
TELL(control_ca_bundle, "ca")
TELL(control_resolv_conf, "resolv")
TELL(control_hosts, "hosts")
TELL(control_peer, "peer")
TELL(control_draining, "draining")
TELL(control_start, "start")
TELL(control_counters, "counters")
TELL(control_names, "names")
TELL(net_shutdown, "shutdown")
TELL(control_shutdown, "shutdown")

static void
tell_settings(void *ctx, struct ipc_net_settings *m)
{
	(void)ctx;
	assert_int_equal(m->port_v4, 52625);
	assert_int_equal(m->port_v6, 0);
	assert_true(m->expose_host && m->tun_offload && !m->tun_uso);
	strcat(story, "settings ");
}

static void
tell_tun(void *ctx, struct ipc_net_tun *m)
{
	(void)ctx;
	strcat(story, m->queue == 0 ? "tun0 " : "tun1 ");
}

static void
tell_udp(void *ctx, struct ipc_net_udp *m)
{
	(void)ctx;
	assert_int_equal(m->family, IP_V4);
	strcat(story, m->socket == 0 ? "udp0 " : "udp1 ");
}

static void
tell_identity(void *ctx, struct ipc_control_identity *m)
{
	(void)ctx;
	assert_string_equal(m->api_url, "wss://x");
	assert_string_equal(m->external_id, "id");
	assert_string_equal(m->name, "na?me?");
	assert_string_equal(m->os, "Debian/12");
	assert_string_equal(m->arch, "x86_64");
	assert_string_equal(m->kernel, "6.1");
	assert_int_equal(m->max_partition_ms, 5);
	assert_int_equal(m->portal_generation, 2);
	strcat(story, "identity ");
}

static void
tell_options(void *ctx, struct ipc_control_options *m)
{
	(void)ctx;
	assert_non_null(strstr(m->text, "\n# the token: the?\nargument\n"));
	assert_null(strstr(m->text, "secret"));
	strcat(story, "options ");
}

static void
tell_token(void *ctx, struct ipc_control_token *m)
{
	(void)ctx;
	assert_string_equal(m->token, "secret");
	/* Where it is, is as a command line has it. */
	assert_string_equal(m->source, "the??argument");
	strcat(story, "token ");
}

static void
tell_health(void *ctx, struct ipc_control_health *m)
{
	(void)ctx;
	assert_int_equal(m->series, 7);
	assert_true(m->names);
	strcat(story, "health ");
}

static void
tell_ctl(void *ctx, struct ipc_control_ctl *m)
{
	(void)ctx;
	assert_int_equal(m->uid, 1);
	assert_int_equal(m->gid, 2);
	strcat(story, "ctl ");
}

static void
tell_flow_logs(void *ctx, struct ipc_control_flow_logs *m)
{
	(void)ctx;
	assert_string_equal(m->spool, "/spool");
	assert_true(m->log);
	strcat(story, "flow_logs ");
}

static void
tell_probes(void *ctx, struct ipc_control_probes *m)
{
	(void)ctx;
	assert_int_equal(m->interval, 90);
	assert_true(m->needed && m->withdraw);
	strcat(story, "probes ");
}

static void
tell_probe(void *ctx, struct ipc_control_probe *m)
{
	char server[ENDPOINT_TEXT_MAX];

	(void)ctx;
	strcat(story, endpoint_format(&m->server, server));
	strcat(story, " ");
}

static void
tell_flow_sink(void *ctx, struct ipc_control_flow_sink *m)
{
	(void)ctx;
	assert_int_equal(m->kind, FLOW_SINK_JOURNAL);
	strcat(story, "sink ");
}

static void
tell_process(void *ctx, struct ipc_process_status *m)
{
	char text[64];

	(void)ctx;
	snprintf(text, sizeof(text), "%s:%s:%u:%u ",
	    ipc_process_name((enum ipc_process)m->process),
	    m->silent        ? "hangs"
		: m->running ? "runs"
			     : "starts",
	    m->locks, m->restarts);
	strcat(story, text);
}

static void
tell_trouble(void *ctx, struct ipc_network_trouble *m)
{
	(void)ctx;
	strcat(story, m->text[0] == '\0' ? "no trouble" : m->text);
	strcat(story, ". ");
}

static void
tell_no_overlaps(void *ctx, struct ipc_overlaps_begin *m)
{
	(void)ctx;
	(void)m;
	strcat(story, "overlaps ");
}

static void
tell_overlap(void *ctx, struct ipc_overlap *m)
{
	char text[PREFIX_TEXT_MAX];

	(void)ctx;
	strcat(story, prefix_format(&m->network, text));
	strcat(story, " ");
}

static void
tell_pulse(uint32_t serial)
{
	char text[32];

	snprintf(text, sizeof(text), "pulse%u ", serial);
	strcat(story, text);
}

static void
tell_net_pulse(void *ctx, struct ipc_net_pulse *m)
{
	(void)ctx;
	tell_pulse(m->serial);
}

static void
tell_control_pulse(void *ctx, struct ipc_control_pulse *m)
{
	(void)ctx;
	tell_pulse(m->serial);
}

static const struct ipc_handlers telling = {
	.net_pulse = tell_net_pulse,
	.control_pulse = tell_control_pulse,
	.overlaps_begin = tell_no_overlaps,
	.overlap = tell_overlap,
	.network_trouble = tell_trouble,
	.net_log_level = tell_net_log_level,
	.control_log_level = tell_control_log_level,
	.net_settings = tell_settings,
	.net_tun = tell_tun,
	.net_udp = tell_udp,
	.net_peer = tell_net_peer,
	.net_counters = tell_net_counters,
	.net_homes = tell_net_homes,
	.site_networks_begin = tell_site_networks_begin,
	.site_network = tell_site_network,
	.site_networks_commit = tell_site_networks_commit,
	.net_start = tell_net_start,
	.net_shutdown = tell_net_shutdown,
	.control_identity = tell_identity,
	.control_options = tell_options,
	.control_token = tell_token,
	.control_ca_bundle = tell_control_ca_bundle,
	.control_resolv_conf = tell_control_resolv_conf,
	.control_hosts = tell_control_hosts,
	.control_peer = tell_control_peer,
	.control_counters = tell_control_counters,
	.control_names = tell_control_names,
	.control_health = tell_health,
	.control_ctl = tell_ctl,
	.control_flow_logs = tell_flow_logs,
	.control_probes = tell_probes,
	.control_probe = tell_probe,
	.control_flow_sink = tell_flow_sink,
	.process_status = tell_process,
	.control_draining = tell_control_draining,
	.control_start = tell_control_start,
	.control_shutdown = tell_control_shutdown,
};

static const char *
story_of(struct ipc_channel *ch)
{
	story[0] = '\0';
	while (ipc_dispatch(ch, &telling, NULL) == IPC_HANDLED)
		continue;
	return story;
}

static void
what_is_handed_over(void **state)
{
	struct options o = {
		.api_url = "wss://x",
		.config_file = "",
		.expose_host = true,
		.flow_logs = true,
		.flow_log.kind = FLOW_SINK_JOURNAL,
		.probe = { { .port = 80 }, { .port = 81 } },
		.probe_count = 2,
		.probe_interval_ms = 90000,
		.probe_needed = true,
		.withdraw = true,
		.metrics_series = 7,
		.metrics_names = true,
		.max_partition_ms = 5,
		.portal_generation = 2,
	};
	const struct identity i = { "id", "na\x1bme\n", "Debian/12", "x86_64",
		"6.1" };
	const struct tun tun = {
		.queue = { 0, 0 }, .queues = 2, .offload = true
	};
	const struct udp_sockets udp = {
		.v4 = { 0, 0 }, .v6 = { -1, -1 }, .count = 2, .port_v4 = 52625
	};
	char token[] = "secret";
	const struct operator_sockets window = {
		.health = 0,
		.ctl = 0,
		.ctl_uid = 1,
		.ctl_gid = 2,
	};
	const struct net_hand_over n = { &o, &tun, &udp, 0, &window };
	struct watched_file resolv_conf = { .changed = true };
	struct watched_file hosts = { .changed = true };
	const struct control_hand_over c = { &o, &i, "/spool", 0, &resolv_conf,
		&hosts, 0, &window, 0 };

	(void)state;
	o.token = token;
	strlcpy(o.token_from, "the\x1b\nargument", sizeof(o.token_from));
	assert_true(ip_parse("1.2.3.4", &o.probe[0].ip));
	assert_true(ip_parse("::1", &o.probe[1].ip));
	service.drain.on = true;
	/* Before there is somebody who would have to hear of it. */
	site_networks_close(&service.site);
	assert_int_equal(service_hand_over_net(&service, &n), 0);
	assert_int_equal(service_hand_over_control(&service, &c), 0);
	assert_false(resolv_conf.changed || hosts.changed);
	assert_string_equal(story_of(net),
	    "level settings tun0 tun1 udp0 udp1 peer counters homes site one "
	    "one all "
	    "start ");
	assert_string_equal(story_of(control),
	    "level identity options token ca resolv hosts peer flow_logs "
	    "probes "
	    "1.2.3.4:80 "
	    "[::1]:81 sink draining counters names health ctl start ");
	become_ready();
	(void)story_of(control);
	service_site(&service, &service.site);
	assert_string_equal(story_of(net), "");
	service_site(&service, &site_networks_none);
	assert_string_equal(story_of(net), "site all ");
	assert_true(service_shut_down(&service.net));
	assert_true(service_shut_down(&service.control));
	assert_string_equal(story_of(net), "shutdown ");
	assert_string_equal(story_of(control), "shutdown ");
}

/* control-worker knows at any time which processes there are. */
static void
processes_are_told(void **state)
{
	(void)state;
	become_ready();
	assert_string_equal(story_of(control),
	    "control-worker:runs:0:0 parent:starts:0:0 net-worker:runs:512:0 ");
	service_is_running(&service, IPC_PARENT, 1, 8);
	assert_string_equal(story_of(control), "parent:runs:8:0 ");
	service_forget(&service, &service.net);
	assert_string_equal(story_of(control), "net-worker:starts:512:0 ");
	service_is_running(&service, IPC_NET, 2, 3);
	assert_string_equal(story_of(control), "net-worker:runs:3:1 ");
}

/* Who is silent is told, until it answers or is dead. */
static void
silence_is_told(void **state)
{
	const struct ipc_net_alive alive = { 1 };
	struct mono now = { INT64_C(1000000000000) };

	(void)state;
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	become_ready();
	(void)story_of(control);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(service_pulse(&service, &service.net, now));
		assert_true(service_pulse(&service, &service.control, now));
		now = pulse_deadline(&service.net.pulse);
	}
	assert_string_equal(story_of(net), "pulse1 pulse2 ");
	assert_string_equal(story_of(control),
	    "pulse1 net-worker:hangs:512:0 pulse2 "
	    "control-worker:hangs:0:0 ");
	assert_int_equal(ipc_send_net_alive(net, &alive), 0);
	assert_int_equal(service_dispatch(&service, &service.net), IPC_HANDLED);
	assert_string_equal(story_of(control), "net-worker:runs:512:0 ");
	for (unsigned i = 0; service_pulse(&service, &service.net, now); i++) {
		assert_in_range(i, 0, PULSE_UNANSWERED_MAX);
		now = mono_add_ms(now, PULSE_INTERVAL_MS);
	}
	(void)story_of(net);
	assert_string_equal(story_of(control), "net-worker:hangs:512:0 ");
	service_forget(&service, &service.net);
	assert_string_equal(story_of(control), "net-worker:starts:512:0 ");
	assert_string_equal(service.accused_net, "");
}

/* A sign of life that was not asked for, or was given before. */
static void
unwanted_pulses_are_accused(void **state)
{
	const struct ipc_net_alive net_alive = { 1 };
	const struct ipc_control_alive control_alive = { 1 };
	const struct mono now = { INT64_C(1000000000000) };

	(void)state;
	become_ready();
	assert_int_equal(ipc_send_net_alive(net, &net_alive), 0);
	assert_int_equal(service_dispatch(&service, &service.net), IPC_HANDLED);
	assert_string_not_equal(service.accused_net, "");
	assert_true(service_pulse(&service, &service.control, now));
	for (int i = 0; i < 2; i++) {
		assert_string_equal(service.accused_control, "");
		assert_int_equal(
		    ipc_send_control_alive(control, &control_alive), 0);
		assert_int_equal(
		    service_dispatch(&service, &service.control), IPC_HANDLED);
	}
	assert_string_not_equal(service.accused_control, "");
}

/* All sources together, when it is news, and to whoever comes later. */
static void
troubles_are_told(void **state)
{
	char longest[2 * TROUBLE_TEXT_MAX];

	(void)state;
	service_trouble(&service, TROUBLE_SETTINGS, "first");
	assert_string_equal(story_of(control), "");
	become_ready();
	assert_non_null(strstr(story_of(control), " first. "));
	service_trouble(&service, TROUBLE_SETTINGS, "first");
	assert_string_equal(story_of(control), "");
	service_trouble(&service, TROUBLE_ROUTING, "second");
	assert_string_equal(story_of(control), "second; first. ");
	service_trouble(&service, TROUBLE_SETTINGS, "");
	assert_string_equal(story_of(control), "second. ");
	service_trouble(&service, TROUBLE_ROUTING, "");
	assert_string_equal(story_of(control), "no trouble. ");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int i = 0; i < TROUBLE_SOURCES; i++)
		service_trouble(&service, (enum trouble_source)i, longest);
	assert_true(strlen(story_of(control)) >
	    (size_t)TROUBLE_SOURCES * (TROUBLE_TEXT_MAX - 1));
}

static void
overlaps_are_told(void **state)
{
	struct overlaps o = { .count = 2 };

	(void)state;
	become_ready();
	(void)story_of(control);
	assert_true(prefix_parse("100.70.1.0/24", &o.network[0]));
	assert_true(prefix_parse("fd00:2021:1111::/112", &o.network[1]));
	service_overlaps(&service, &o);
	assert_string_equal(story_of(control),
	    "overlaps 100.70.1.0/24 fd00:2021:1111::/112 ");
	service_overlaps(&service, &o);
	assert_string_equal(story_of(control), "");
	o.count = 0;
	service_overlaps(&service, &o);
	assert_string_equal(story_of(control), "overlaps ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_handed_over),
		TEST(processes_are_told),
		TEST(silence_is_told),
		TEST(unwanted_pulses_are_accused),
		TEST(troubles_are_told),
		TEST(overlaps_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
