/* control-worker/flow/line.c and sink.c: lines about flows, and where they go.
 */
#include "control-worker/flow/line.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/reason.h"
#include "control-worker/flow/sink.h"
#include "tests/lib/addresses.h"

static struct ipc_flow
report(bool closed)
{
	return (struct ipc_flow){
		.closed = closed,
		.client = { { [15] = 1 } },
		.resource = { { [15] = 2 } },
		.authorization = { { [15] = 3 } },
		.protocol = IPPROTO_TCP,
		.source = at("100.64.0.1:1234"),
		.destination = at("10.0.0.5:443"),
		.started_at = 1700000000000000000,
		.ended_at = closed ? 1700000002500000000 : 0,
		.last_packet_at = closed ? 1700000002000000000 : 0,
		.tx_packets = 3,
		.tx_bytes = 4,
		.rx_packets = 5,
		.rx_bytes = 6,
		.paths_count = 2,
		.paths = { { at("192.0.2.1:1"), at("192.0.2.2:2"), 1 },
		    { at("198.51.100.7:40000"), at("192.0.2.2:52625"), 2 } },
	};
}

#define ID(last) "00000000-0000-0000-0000-00000000000" last
#define OPENED                                                                 \
	"\"time\":\"2023-11-14T22:13:20Z\",\"event\":\"opened\",\"client\":"   \
	"\"" ID("1") "\",\"resource\":\"" ID(                                  \
	    "2") "\",\"authorization\":\"" ID("3") "\",\"protocol\":\"tcp\","  \
						   "\"source_ip\":\"100.64.0." \
						   "1\","                      \
						   "\"source_port\":1234,"     \
						   "\"destination_ip\":\"10."  \
						   "0.0.5\","                  \
						   "\"destination_port\":443," \
						   "\"path_from\":\"198.51."   \
						   "100.7:40000\","            \
						   "\"path_to\":\"192.0.2.2:"  \
						   "52625\""

static void
reports(void **state)
{
	struct ipc_flow f = report(false);
	char line[FLOW_LINE_SIZE];
	size_t len = flow_line_report(FLOW_SINK_FILE, NULL, &f, line);

	(void)state;
	assert_string_equal(line, OPENED);
	assert_int_equal(len, strlen(line));
	f = report(true);
	f.protocol = IPPROTO_UDP;
	f.authorization = f.resource; /* there is none */
	strcpy(f.domain, "a\"b\xc2\x9b{}.example");
	len = flow_line_report(FLOW_SINK_STREAM, NULL, &f, line);
	assert_string_equal(line,
	    "\"time\":\"2023-11-14T22:13:22.500Z\",\"event\":\"closed\","
	    "\"client\":\"" ID("1") "\",\"resource\":\"" ID(
		"2") "\","
		     "\"protocol\":\"udp\",\"source_ip\":\"100.64.0.1\","
		     "\"source_port\":1234,\"destination_ip\":\"10.0.0.5\","
		     "\"destination_port\":443,\"domain\":\"a\\\"b?\?()."
		     "example\","
		     "\"path_from\":\"198.51.100.7:40000\","
		     "\"path_to\":\"192.0.2.2:52625\","
		     "\"start\":\"2023-11-14T22:13:20Z\","
		     "\"last_packet\":\"2023-11-14T22:13:22Z\","
		     "\"from_client_packets\":3,\"from_client_bytes\":4,"
		     "\"to_client_packets\":5,\"to_client_bytes\":6");
	assert_int_equal(len, strlen(line));
}

static void
denied(void **state)
{
	const struct ipc_denied d = {
		.client = { { [15] = 1 } },
		.outbound = true,
		.protocol = IPPROTO_ICMPV6,
		.source = at("[fd00:2021:1111::1]:0"),
		.destination = at("[2001:db8::1]:0"),
		.reason = REASON_NO_ROUTE,
	};
	char line[FLOW_LINE_SIZE];

	(void)state;
	assert_true(flow_line_denied(FLOW_SINK_FILE, NULL, &d,
			1700000000000000000, line) > 0);
	assert_string_equal(line,
	    "\"time\":\"2023-11-14T22:13:20Z\",\"event\":\"denied\","
	    "\"direction\":\"from client\",\"reason\":\"no resource\","
	    "\"client\":\"" ID("1") "\",\"protocol\":\"icmp\","
				    "\"source_ip\":\"fd00:2021:1111::1\","
				    "\"destination_ip\":\"2001:db8::1\"");
}

static void
journal(void **state)
{
	struct ipc_flow f = report(false);
	char line[FLOW_LINE_SIZE];

	(void)state;
	assert_true(flow_line_report(FLOW_SINK_JOURNAL, NULL, &f, line) > 0);
	assert_memory_equal(line, OPENED "\n", sizeof(OPENED));
	assert_non_null(strstr(line, "\nEVENT=opened\n"));
	assert_non_null(strstr(line, "\nSOURCE_PORT=1234\n"));
	/* The last one has no end of its own. */
	assert_string_equal(strrchr(line, '\n'), "\nPATH_TO=192.0.2.2:52625");
}

static struct told_text
told(const char *text)
{
	return (struct told_text){ text, strlen(text) };
}

static struct directory *
names_of(const char *user, const char *system, const char *resource)
{
	const struct client_description c = {
		.client = { { [15] = 1 } },
		.email = told(user),
		.system = told(system),
		.system_version = told("15.5"),
	};
	const struct resource_description r = { { { [15] = 2 } },
		told(resource) };
	struct directory *names = directory_new();

	assert_non_null(names);
	directory_learn_client(names, &c);
	directory_learn_resource(names, &r);
	return names;
}

#define WHOSE                                  \
	"\"client\":\"" ID(                    \
	    "1") "\",\"user\":\"j@acme.com\"," \
		 "\"system\":\"macOS 15.5\","  \
		 "\"resource\":\"" ID(         \
		     "2") "\","                \
			  "\"resource_name\":\"The \\\"Office\\\"\","

/* As far as they are known, beside the ids. */
static void
names_of_both(void **state)
{
	struct directory *names =
	    names_of("j@acme.com", "macOS", "The \"Office\"");
	struct ipc_flow f = report(true);
	struct ipc_denied d = {
		.client = f.client,
		.resource = f.resource,
		.source = f.source,
		.destination = f.destination,
		.reason = REASON_FILTER,
	};
	char line[FLOW_LINE_SIZE];

	(void)state;
	assert_true(flow_line_report(FLOW_SINK_FILE, names, &f, line) > 0);
	assert_non_null(strstr(line, WHOSE));
	assert_true(flow_line_denied(FLOW_SINK_FILE, names, &d, 1, line) > 0);
	assert_non_null(strstr(line, WHOSE));
	assert_true(flow_line_report(FLOW_SINK_JOURNAL, names, &f, line) > 0);
	assert_non_null(strstr(line, "\nUSER=j@acme.com\n"));
	assert_non_null(strstr(line, "\nSYSTEM=macOS 15.5\n"));
	assert_non_null(strstr(line, "\nRESOURCE_NAME=The \"Office\"\n"));
	/* Of others nothing. */
	f.client.bytes[0] = f.resource.bytes[0] = 1;
	assert_true(flow_line_report(FLOW_SINK_FILE, names, &f, line) > 0);
	assert_null(strstr(line, "user"));
	assert_null(strstr(line, "system"));
	assert_null(strstr(line, "resource_name"));
	directory_free(names);
}

/* The longest line there can be has room. */
static void
longest(void **state)
{
	struct ipc_flow f = report(true);
	char line[FLOW_LINE_SIZE], quotes[EMAIL_MAX + 1];
	struct directory *names;

	(void)state;
	memset(f.domain, '"', sizeof(f.domain) - 1);
	memset(quotes, '"', sizeof(quotes) - 1);
	quotes[sizeof(quotes) - 1] = '\0';
	names = names_of(quotes, quotes, quotes);
	f.source = f.destination =
	    at("[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
	f.paths[1] = (struct flow_path){ f.source, f.source, 1 };
	f.tx_packets = f.tx_bytes = f.rx_packets = f.rx_bytes = INT64_MAX;
	f.started_at = f.ended_at = f.last_packet_at = INT64_MAX;
	for (int k = FLOW_SINK_FILE; k <= FLOW_SINK_JOURNAL; k++)
		assert_true(flow_line_report(
				(enum flow_sink_kind)k, names, &f, line) > 0);
	directory_free(names);
}

/* Nobody reads: nobody waits either, and lines are whole. */
static void
sinks(void **state)
{
	const struct ipc_flow f = report(false);
	struct flow_sink s = { 0 };
	char text[4096];
	uint64_t lines = 0;
	int fds[2];
	ssize_t n;

	(void)state;
	flow_sink_report(&s, &f); /* nowhere */
	assert_int_equal(s.written + s.lost, 0);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	flow_sink_use(&s, FLOW_SINK_SYSLOG, fds[1]);
	while (s.lost == 0)
		flow_sink_report(&s, &f);
	flow_sink_report(&s, &f);
	assert_int_equal(s.lost, 2);
	while ((n = recv(fds[0], text, sizeof(text), 0)) > 0) {
		assert_int_equal(n, strlen(OPENED));
		assert_memory_equal(text, OPENED, (size_t)n);
		lines++;
	}
	assert_int_equal(lines, s.written);
	close(fds[0]);
	flow_sink_report(&s, &f);
	assert_int_equal(s.lost, 3);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports),
		cmocka_unit_test(denied),
		cmocka_unit_test(journal),
		cmocka_unit_test(names_of_both),
		cmocka_unit_test(longest),
		cmocka_unit_test(sinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
