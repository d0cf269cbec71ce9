/*
 * What explain says of a packet beyond the verdict: how a grant has ended that
 * had its destination, and what has come of those that passed.
 */
#include <stdlib.h>

#include "common/reason.h"
#include "control-worker/operator/status.h"
#include "tests/lib/unit.h"

#define NOW 1800000000

static struct counter_page page;
static struct explained_packet e;

static int
set_up(void **state)
{
	(void)state;
	page = (struct counter_page){ 0 };
	e = (struct explained_packet){
		.protocol = 6,
		.client = {
			.client = { { 1 } },
			.state = QUERY_STATE_CONNECTED,
		},
	};
	assert_true(endpoint_parse("10.20.0.9:80", &e.packet.destination));
	return 0;
}

/* Passes by a resource with a meter. */
static void
let_pass(void)
{
	e.packet.verdict = EXPLAINED_PASSED;
	e.packet.resource = (struct uuid){ { 7 } };
	e.packet.routes = 1;
	e.count = 1;
	e.routes[0].route.resource = e.packet.resource;
	e.routes[0].route.permits = true;
	e.routes[0].has_grant = true;
	e.routes[0].grant.resource = e.packet.resource;
	e.routes[0].grant.meter = 5;
}

static char answer[4096];

static bool
says(const struct status_format *f, const char *part)
{
	const struct situation s = { .counters = &page };
	struct text t = { 0 };
	struct status status = { .out = &t, .situation = &s };

	f->begin(&status);
	f->explained(&status, &e, NOW);
	f->end(&status, NULL);
	json_write_free(&status.json);
	text_write(&t, "", 1);
	assert_false(t.failed);
	strlcpy(answer, t.bytes, sizeof(answer));
	free(t.bytes);
	return strstr(answer, part) != NULL;
}

static void
traffic(void **state)
{
	(void)state;
	let_pass();
	assert_false(says(&status_text, "but nothing"));
	page.meters[1].meter[5].outbound_packets = 7;
	assert_true(says(&status_text,
	    "\nbut nothing comes back: none of 7 packets to "
	    "07000000-0000-0000-0000-000000000000 was answered\n"));
	page.meters[0].meter[5].inbound_packets = 1;
	assert_false(says(&status_text, "but nothing"));
	assert_true(says(&status_text,
	    "\n  traffic   7 packets of all clients to it, 1 back\n"));
	assert_true(says(
	    &status_json, "\"traffic\":{\"packets_to\":7,\"packets_back\":1}"));
}

static void
protocols(void **state)
{
	(void)state;
	let_pass();
	assert_true(says(&status_text, "allowed: tcp from "));
	e.protocol = 47;
	assert_true(says(&status_text, "allowed: protocol 47 from "));
}

/* Of what does not pass, or shares its meter with others, nothing is said. */
static void
no_traffic(void **state)
{
	(void)state;
	let_pass();
	page.meters[0].meter[5].outbound_packets = 7;
	page.meters[0].meter[0].outbound_packets = 7;
	e.packet.verdict = EXPLAINED_ANSWERED;
	assert_false(says(&status_text, "traffic"));
	e.packet.verdict = EXPLAINED_PASSED;
	e.routes[0].grant.meter = 0;
	assert_false(says(&status_text, "traffic"));
	assert_false(says(&status_text, "but nothing"));
	assert_true(says(&status_json, "\"traffic\":null"));
}

static void
ended(void **state)
{
	(void)state;
	e.packet.verdict = EXPLAINED_ANSWERED;
	e.packet.reason = REASON_NO_ROUTE;
	assert_true(says(&status_text,
	    ":80: no resource that it is granted so far has that "
	    "destination\n"));
	assert_true(says(&status_json, "\"ended\":null"));
	e.packet.ended_by = GRANT_END_EXPIRED;
	e.packet.ended = (struct uuid){ { 7 } };
	e.packet.ended_at = NOW - 125;
	assert_true(says(&status_text,
	    ":80: its grant of 07000000-0000-0000-0000-000000000000 expired "
	    "2m 5s ago\n"));
	e.packet.ended_by = GRANT_END_REVOKED;
	assert_true(says(&status_text, "00 was revoked 2m 5s ago\n"));
	assert_true(says(&status_json,
	    "\"ended\":{\"resource\":\"07000000-0000-0000-0000-000000000000\","
	    "\"name\":null,\"by\":\"revocation\",\"at\":1799999875}"));
	/* Where another one permits it or not, that is what counts. */
	e.packet.reason = REASON_FILTER;
	assert_false(says(&status_text, "its grant of"));
}

static void
ended_name(void **state)
{
	(void)state;
	e.packet.destination = (struct endpoint){ 0 };
	strcpy(e.packet.domain, "a.test");
	e.packet.reason = REASON_NO_ROUTE;
	assert_true(says(&status_text, "a.test: no resource that it is granted"));
	e.packet.ended_by = GRANT_END_REVOKED;
	assert_true(says(&status_text, " to a.test: its grant of "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(protocols, set_up),
		cmocka_unit_test_setup(traffic, set_up),
		cmocka_unit_test_setup(no_traffic, set_up),
		cmocka_unit_test_setup(ended, set_up),
		cmocka_unit_test_setup(ended_name, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
