/*
 * Prints /metrics as it is when everything has a value, for the tests beside
 * that look at the text as a whole.
 */
#include "control-worker/operator/metrics.h"

#include <stdio.h>

#include "control-worker/operator/traffic.h"

static struct counter_page page;

static struct ipc_query asked;

/* Nobody frees it: it is looked for at the end. */
static struct traffic *volatile to_the_end;

static bool
note_question(void *ctx, const struct ipc_query *q)
{
	(void)ctx;
	asked = *q;
	return true;
}

static void
ignore_done(void *ctx)
{
	(void)ctx;
}

/* Three clients for two series. */
static void
play_round(struct traffic *t)
{
	const struct mono now = { 1 };
	struct ipc_query_client client = { 0 };
	struct ipc_query_resource resource = { .meter = 1 };
	struct ipc_query_end end = { 0 };

	(void)traffic_refresh(t, now);
	client.serial = end.serial = asked.serial;
	for (uint8_t i = 0; i < 3; i++) {
		client.client.bytes[0] = i;
		traffic_client(t, now, &client);
	}
	traffic_query_end(t, now, &end);
	resource.serial = end.serial = asked.serial;
	traffic_resource(t, now, &resource);
	traffic_query_end(t, now, &end);
}

/* As hostile as they may be after they have been cleaned. */
static struct directory *
make_names(void)
{
	static const char text[] = "\\\"x\\\\\" {}=,\xc3\xa4\n\\";
	const struct told_text told = { text, sizeof(text) - 1 };
	const struct client_description client = {
		.actor = told,
		.system = told,
	};
	const struct resource_description resource = { .name = told };
	struct directory *names = directory_new();

	directory_learn_client(names, &client);
	directory_learn_resource(names, &resource);
	return names;
}

int
main(void)
{
	static const uint64_t some = 3;
	static const uint64_t outcomes[DNS_OUTCOMES] = { 1, 2, 3, 4 };
	struct situation s = {
		.url = "wss://portal",
		.online = true,
		.clock = { .known = true, .ahead_ms = -1500 },
		.probes = { .count = 1,
		    .of = { { .known = true, .answers = true } } },
		.withdraws = true,
		.counters = &page,
		.dns_queries_refused = &some,
		.dns_connections_refused = &some,
		.names_left_out = &some,
		.dns_outcomes = outcomes,
	};
	struct text t = { 0 };
	const struct traffic_config traffic = {
		.series = 2,
		.counters = &page,
		.names = make_names(),
		.ask = note_question,
		.done = ignore_done,
	};

	bool failed;

	(void)endpoint_parse("10.20.0.2:80", &s.probes.of[0].server);
	if ((s.traffic = traffic_new(&traffic)) == NULL)
		return 1;
	to_the_end = s.traffic;
	play_round(s.traffic);
	for (size_t i = 0; i < 3; i++)
		s.usage[i] = (struct ipc_process_usage){
			.cpu_us = 1500000,
			.resident_bytes = 1 << 20,
			.descriptors = 20,
		};
	metrics_write(&t, &s);
	failed = t.failed || fwrite(t.bytes, 1, t.len, stdout) != t.len ||
	    fflush(stdout) != 0;
	text_free(&t);
	return failed;
}
