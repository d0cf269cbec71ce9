/*
 * control-worker/operator/http.c: what is answered to which bytes, and how readiness and
 * metrics follow the situation.
 */
#include "control-worker/operator/http.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

static struct counter_page page;
static struct situation situation;

static int
set_up(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	page.engine.relays = 1;
	situation = (struct situation){
		.url = "wss://portal",
		.online = true,
		.portal_foreign = 2,
		.has_v4 = true,
		.process = {
			[IPC_PARENT] = { .running = true },
			[IPC_NET] = { .running = true, .restarts = 2 },
			[IPC_CONTROL] = { .running = true },
		},
		.counters = &page,
	};
	return 0;
}

/* The answer, terminated, to be freed; NULL: more is wanted. */
static char *
answer(const char *bytes, size_t len)
{
	struct text t = { 0 };

	if (!http_answer(&situation, bytes, len, &t)) {
		assert_int_equal(t.len, 0);
		return NULL;
	}
	text_write(&t, "", 1);
	assert_false(t.failed);
	return t.bytes;
}

static unsigned
status_of(const char *request)
{
	char *a = answer(request, strlen(request));
	unsigned status = 0;

	if (a != NULL)
		assert_int_equal(sscanf(a, "HTTP/1.1 %3u ", &status), 1);
	free(a);
	return status;
}

#define END  "\r\n\r\n"
#define REST " HTTP/1.1\r\nHost: x" END

static void
requests(void **state)
{
	static const struct {
		const char *request;
		unsigned status;
	} cases[] = {
		{ "GET /healthz" REST, 200 },
		{ "HEAD /healthz" REST, 200 },
		{ "GET /healthz?verbose=1" REST, 200 },
		{ "GET /readyz" REST, 200 },
		{ "GET /metrics" REST, 200 },
		{ "GET /healthz HTTP/1.0" END, 200 },
		{ "GET /healthz HTTP/1.0\r\nHost: x" END, 200 },
		{ "GET /healthz HTTP/1.1\r\nHOST:x\r\nA: \tb c" END, 200 },
		{ "GET /healthz HTTP/1.1\r\nHost:" END, 200 },
		{ "GET /" REST, 404 },
		{ "GET /healthz/" REST, 404 },
		{ "GET /healthzz" REST, 404 },
		{ "GET /health" REST, 404 },
		{ "GET /HEALTHZ" REST, 404 },
		{ "GET /../etc/passwd" REST, 404 },
		{ "POST /healthz" REST, 405 },
		{ "get /healthz" REST, 405 },
		{ "GETS /healthz" REST, 405 },
		{ "GET healthz" REST, 400 },
		{ "GET http://x/healthz" REST, 400 },
		{ "GET  /healthz" REST, 400 },
		{ "GET /healthz  HTTP/1.1\r\nHost: x" END, 505 },
		{ "GET /healthz" END, 400 },
		{ "GET /healthz \r\nHost: x" END, 505 },
		{ "GET" END, 400 },
		{ END, 400 },
		{ "\r\nGET /healthz" REST, 400 },
		{ " GET /healthz" REST, 400 },
		{ "GET /health\x01z" REST, 400 },
		{ "GET /health\x7fz" REST, 400 },
		{ "G(T /healthz" REST, 400 },
		{ "GET /healthz HTTP/2.0\r\nHost: x" END, 505 },
		{ "GET /healthz HTTP/1.10\r\nHost: x" END, 505 },
		{ "GET /healthz http/1.1\r\nHost: x" END, 505 },
		{ "GET /healthz HTTP/1.1" END, 400 }, /* no host */
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y" END, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost : x" END, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\n folded" END, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\nno colon" END, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\n: a" END, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\nA: \x01" END, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\nB: c" END, 400 },
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0" END,
		    400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked" END,
		    400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned status = status_of(cases[i].request);

		if (status != cases[i].status)
			print_message("%s\n", cases[i].request);
		assert_int_equal(status, cases[i].status);
	}
}

static void
every_prefix_waits(void **state)
{
	static const char request[] =
	    "GET /readyz HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";

	(void)state;
	for (size_t len = 0; len < sizeof(request) - 1; len++) {
		char *bytes = malloc(len + 1); /* the sanitizer sees its end */

		assert_non_null(bytes);
		memcpy(bytes, request, len);
		assert_null(answer(bytes, len));
		free(bytes);
	}
	assert_int_equal(status_of(request), 200);
}

static void
length_is_bounded(void **state)
{
	char bytes[HTTP_REQUEST_MAX], *a;

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	assert_null(answer(bytes, sizeof(bytes) - 1));
	a = answer(bytes, sizeof(bytes));
	assert_non_null(a);
	assert_memory_equal(a, "HTTP/1.1 431 ", 13);
	free(a);
}

/* A NUL is no end of anything. */
static void
nul_is_refused(void **state)
{
	static const char request[] =
	    "GET /healthz\0 HTTP/1.1\r\nHost: x\r\n\r\n";
	char *a = answer(request, sizeof(request) - 1);

	(void)state;
	assert_non_null(a);
	assert_memory_equal(a, "HTTP/1.1 400 ", 13);
	free(a);
}

static void
whole_answers(void **state)
{
	char *a;

	(void)state;
	a = answer("GET /readyz" REST, strlen("GET /readyz" REST));
	assert_string_equal(a,
	    "HTTP/1.1 200 OK\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: 6\r\n"
	    "Cache-Control: no-store\r\n"
	    "Connection: close\r\n"
	    "\r\n"
	    "ready\n");
	free(a);
	a = answer("HEAD /readyz" REST, strlen("HEAD /readyz" REST));
	assert_non_null(strstr(a, "Content-Length: 6\r\n"));
	assert_string_equal(strstr(a, END), END);
	free(a);
	a = answer("PUT /readyz" REST, strlen("PUT /readyz" REST));
	assert_non_null(strstr(a, "\r\nAllow: GET, HEAD\r\n"));
	free(a);
}

static void
assert_lacks(const char *what)
{
	char *a = answer("GET /readyz" REST, strlen("GET /readyz" REST));
	char *body = strstr(a, END);

	assert_memory_equal(a, "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(body, what));
	free(a);
	assert_int_equal(status_of("GET /healthz" REST), 200);
}

static void
readiness(void **state)
{
	(void)set_up(state);
	assert_null(situation_lacks(&situation));
	situation.online = false;
	assert_lacks("portal");
	(void)set_up(state);
	situation.has_v4 = false;
	assert_lacks("tunnel");
	situation.has_v6 = true; /* one family is enough */
	assert_null(situation_lacks(&situation));
	page.engine.relays = 0;
	assert_lacks("relay");
	(void)set_up(state);
	strcpy(situation.trouble.text, "somebody removes our routes");
	assert_lacks("somebody removes our routes");
	(void)set_up(state);
	situation.process[IPC_PARENT].running = false;
	assert_lacks("just started");
	(void)set_up(state);
	situation.process[IPC_NET].running = false;
	assert_lacks("net-worker");
	(void)set_up(state);
	situation.process[IPC_NET].silent = true;
	assert_lacks("net-worker does not answer");
	(void)set_up(state);
	situation.counters = NULL;
	assert_lacks("net-worker");
}

static void
metrics(void **state)
{
	const uint64_t queries = 3, connections = 4, names = 6;
	const uint64_t outcomes[DNS_OUTCOMES] = { [DNS_OUTCOME_UNANSWERED] =
						      9 };
	char *a;

	(void)set_up(state);
	situation.dns_queries_refused = &queries;
	situation.dns_connections_refused = &connections;
	situation.names_left_out = &names;
	situation.dns_outcomes = outcomes;
	situation.connected = 2;
	situation.since = 1700000000;
	situation.generation = 3;
	situation.flows = (struct flow_figures){ 4096, 8192, 11, 12, 13, 14 };
	situation.usage[IPC_NET] = (struct ipc_process_usage){
		.cpu_us = 1500000,
		.resident_bytes = 1 << 20,
		.descriptors = 20,
	};
	page.shard[0].counters.outbound_bytes = 10;
	page.shard[COUNTER_SHARDS - 1].counters.outbound_bytes = 5;
	page.shard[1].counters.refused_inbound[REASON_INBOUND_KIND] = 7;
	page.engine.connections_direct = 3;
	histogram_observe(&page.engine.relay_round_trip, 1000);
	histogram_observe(&page.engine.relay_round_trip, 1001);
	histogram_observe(&page.engine.relay_round_trip, 5000001);
	page.io[0].counters.udp_sent = UINT64_MAX;
	a = answer("GET /metrics" REST, strlen("GET /metrics" REST));
	static const char *const lines[] = {
		"\npostern_ready 1\n",
		"\npostern_portal_connected 1\n",
		"\npostern_portal_dropped_total{kind=\"wrong\"} 0\n",
		"\npostern_portal_dropped_total{kind=\"other generation\"} 2\n",
		"\npostern_tunnel_configured{family=\"ipv6\"} 0\n",
		"\npostern_process_restarts_total{process=\"net-worker\"} 2\n",
		"\npostern_connections{path=\"direct\"} 3\n",
		"\npostern_relay_round_trip_seconds_bucket{le=\"0.001\"} 1\n",
		"\npostern_relay_round_trip_seconds_bucket{le=\"0.0025\"} 2\n",
		"\npostern_relay_round_trip_seconds_bucket{le=\"5\"} 2\n",
		"\npostern_relay_round_trip_seconds_bucket{le=\"+Inf\"} 3\n",
		"\npostern_relay_round_trip_seconds_sum 5.002002\n",
		"\npostern_relay_round_trip_seconds_count 3\n",
		"\npostern_dns_refused_total{kind=\"query\"} 3\n",
		"\npostern_dns_refused_total{kind=\"connection\"} 4\n",
		"\npostern_names_left_out_total 6\n",
		"\npostern_dns_queries_total{outcome=\"answered\"} 0\n",
		"\npostern_dns_queries_total{outcome=\"unanswered\"} 9\n",
		"\npostern_portal_connections_total 2\n",
		"\npostern_portal_changed_timestamp_seconds 1700000000\n",
		"\npostern_portal_generation 3\n",
		"\npostern_flow_spool_bytes 4096\n",
		"\npostern_flow_spool_limit_bytes 8192\n",
		"\npostern_flow_uploaded_total 11\n",
		"\npostern_flow_dropped_total 12\n",
		"\npostern_flow_lines_total{result=\"written\"} 13\n",
		"\npostern_flow_lines_total{result=\"lost\"} 14\n",
		"\npostern_process_cpu_seconds_total{process=\"net-worker\"} "
		"1.500000\n",
		"\npostern_process_resident_memory_bytes{process="
		"\"net-worker\"} 1048576\n",
		"\npostern_process_open_fds{process=\"net-worker\"} 20\n",
		"\npostern_udp_datagrams_total{direction=\"sent\"} "
		"18446744073709551615\n",
		"\npostern_client_bytes_total{direction=\"from client\"} 15\n",
		"\npostern_refused_total{direction=\"to client\","
		"reason=\"unexpected kind of packet\"} 7\n",
		"\n# TYPE postern_handshakes_total counter\n",
		"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (strstr(a, lines[i]) == NULL)
			fail_msg("missing: %s in %s", lines[i], a);
	free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(requests, set_up),
		cmocka_unit_test_setup(every_prefix_waits, set_up),
		cmocka_unit_test_setup(length_is_bounded, set_up),
		cmocka_unit_test_setup(nul_is_refused, set_up),
		cmocka_unit_test_setup(whole_answers, set_up),
		cmocka_unit_test(readiness),
		cmocka_unit_test(metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
