/*
 * control-worker/operator/netcheck_portal.c, netcheck_paths.c and finding.c:
 * what is said of which facts.
 */
#include "control-worker/operator/netcheck.h"

#include <stdlib.h>

#include "tests/lib/addresses.h"

#define NOW 1800000000 /* 2027-01-15 08:00 UTC */

static struct netcheck_facts facts;
static struct findings findings;
static struct situation situation;
static struct portal_attempt attempt;
static struct counter_page page;

static struct ipc_query_relay
relay(uint8_t id, const char *address, const char *mapped)
{
	return (struct ipc_query_relay){
		.relay = { { id } },
		.v4 = at(address),
		.relayed_v4 = at("192.0.2.1:50000"),
		.answers = true,
		.rtt_v4_us = 12345,
		.local_v4 = at("10.0.0.4:52625"),
		.mapped_v4 = at(mapped),
	};
}

/* All is well, with two relays, and no IPv6. */
static int
set_up(void **state)
{
	(void)state;
	page.io[0].counters.udp_segmentation_v4 = OFFLOAD_IN_USE;
	page.io[0].counters.tun_segmentation = OFFLOAD_IN_USE;
	attempt = (struct portal_attempt){
		.step = PORTAL_STEP_CHANNEL,
		.at = NOW - 12,
		.peer = at("203.0.113.1:443"),
		.tls = { "TLSv1.3", true, "Some CA, R1", NOW - 1000,
		    NOW + 100000 },
	};
	situation = (struct situation){
		.url = "wss://portal.test",
		.online = true,
		.generation = 3,
		.since = NOW - 125,
		.attempt = &attempt,
		.clock = { .known = true, .ahead_ms = 10 },
		.counters = &page,
	};
	facts = (struct netcheck_facts){
		.situation = &situation,
		.now = NOW,
		.host = "portal.test",
		.name = { { ip("203.0.113.1") }, 1, true },
		.dns = { { { at("10.0.0.1:53"), DNS_CHECK_ANSWERED, 1234 } },
		    1 },
		.relays_known = true,
		.relay = {
			relay(1, "198.51.100.1:3478", "203.0.113.9:52625"),
			relay(2, "198.51.100.2:3478", "203.0.113.9:52625"),
		},
		.relay_count = 2,
		.relay_route = {
			{ { true, ip("10.0.0.4"), 1500, "" } },
			{ { true, ip("10.0.0.4"), 0, "" } },
		},
		.out = { { true, ip("10.0.0.4"), 1500, "" },
		    { .error = "Network is unreachable" } },
	};
	return 0;
}

static void
judge(void)
{
	memset(&findings, 0, sizeof(findings));
	netcheck_judge_portal(&facts, &findings);
	netcheck_judge_paths(&facts, &findings);
}

/* All that there is of the check: each verdict, as a sign, and its text. */
static const char *
said_of(const char *check, enum ip_family family)
{
	static const char signs[] = { '+', '-', '?' };
	static char text[2048];
	size_t len = 0;

	judge();
	text[0] = '\0';
	for (size_t i = 0; i < findings.count; i++) {
		const struct finding *f = &findings.of[i];

		if (strcmp(f->check, check) == 0 && f->family == family)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
			    "%s%c%s", len > 0 ? "|" : "", signs[f->verdict],
			    f->text);
	}
	return text;
}

static char *
written(enum ctl_form form)
{
	struct text t = { 0 };

	judge();
	findings_write(&findings, &t, form, NOW);
	text_write(&t, "", 1);
	assert_false(t.failed);
	return t.bytes;
}

static void
all_is_well(void **state)
{
	char *got;

	(void)state;
	got = written(CTL_TEXT);
	assert_string_equal(got,
	    "nothing is found wrong by 13 checks\n"
	    "ok      name        portal.test is 203.0.113.1\n"
	    "ok      connection  TCP to 203.0.113.1:443\n"
	    "ok      tls         TLSv1.3, by a certificate of \"Some CA, R1\" "
	    "until 2027-01-16\n"
	    "                    11:46 UTC\n"
	    "ok      login       online for 2m 5s, generation 3\n"
	    "ok      clock       as the portal's\n"
	    "ok      dns         10.0.0.1 answers in 1.2 ms\n"
	    "ok      direct IPv4 packets leave from 10.0.0.4:52625, which "
	    "others see as\n"
	    "                    203.0.113.9:52625\n"
	    "ok      direct IPv6 the host has no route, and clients come by "
	    "the other family\n"
	    "ok      nat IPv4    all 2 relays see 203.0.113.9:52625 "
	    "(endpoint-independent\n"
	    "                    mapping), so that direct paths work\n"
	    "ok      relay IPv4  198.51.100.1:3478 answers in 12.3 ms, MTU "
	    "1500\n"
	    "ok      relay IPv4  198.51.100.2:3478 answers in 12.3 ms\n"
	    "ok      host        nothing of its network set-up is in the "
	    "way\n"
	    "ok      offloads    segmentation of UDP IPv4 in use, IPv6 none, "
	    "of the TUN in\n"
	    "                    use\n");
	free(got);
	got = written(CTL_JSON);
	assert_ptr_equal(
	    strstr(got,
		"{\"now\":1800000000,\"ok\":true,\"checks\":[{\"check\":"
		"\"name\",\"family\":null,\"verdict\":\"ok\",\"text\":"),
	    got);
	assert_non_null(strstr(got,
	    "\"version\":\"TLSv1.3\",\"issuer\":\"Some CA, R1\","
	    "\"not_before\":1799999000,\"not_after\":1800100000}"));
	assert_non_null(
	    strstr(got, "\"kind\":\"endpoint-independent\",\"relays\":2}"));
	assert_non_null(strstr(got,
	    "\"address\":\"198.51.100.1:3478\",\"rtt_us\":12345,"
	    "\"mtu\":1500}"));
	free(got);
}

/* What is not reached is not said to be wrong. */
static void
fails_at(enum portal_step step, const char *reason)
{
	situation.online = false;
	situation.clock.known = false;
	attempt.step = step;
	attempt.failed = true;
	strlcpy(attempt.reason, reason, sizeof(attempt.reason));
}

static void
no_name(void **state)
{
	(void)state;
	fails_at(PORTAL_STEP_NAME, "no answer from DNS for portal.test");
	facts.name = (struct lookup_result){ .complete = false };
	facts.dns.of[0].outcome = DNS_CHECK_SILENT;
	assert_string_equal(said_of("name", IP_NONE),
	    "-no server of resolv.conf tells the address of portal.test: see "
	    "dns below");
	assert_string_equal(said_of("dns", IP_NONE),
	    "-10.0.0.1 does not answer: see to it and to UDP port 53 on the "
	    "way, or take it out of resolv.conf");
	assert_string_equal(said_of("connection", IP_NONE),
	    "?it comes after what has failed above");
	assert_string_equal(
	    said_of("login", IP_NONE), "?it comes after what has failed above");
	facts.name.complete = true;
	assert_memory_equal(said_of("name", IP_NONE), "-no server", 10);
	facts.dns.of[0].outcome = DNS_CHECK_FAILED;
	assert_memory_equal(
	    said_of("name", IP_NONE), "-portal.test has no address:", 28);
	assert_memory_equal(said_of("dns", IP_NONE),
	    "-10.0.0.1 answers in 1.2 ms, but fails or refuses", 49);
	facts.host = NULL;
	assert_string_equal(said_of("name", IP_NONE), "");
}

static void
no_connection(void **state)
{
	(void)state;
	fails_at(PORTAL_STEP_CONNECT, "203.0.113.1:443: Connection refused");
	assert_string_equal(said_of("connection", IP_NONE),
	    "-203.0.113.1:443: Connection refused, 12s ago: is that the "
	    "portal's host and port?");
	assert_memory_equal(said_of("tls", IP_NONE), "?it comes after", 15);
	fails_at(PORTAL_STEP_CONNECT, "no TCP connection within 5 s");
	assert_string_equal(said_of("connection", IP_NONE),
	    "-no TCP connection within 5 s, 12s ago: is that TCP port open on "
	    "the way out?");
	attempt.failed = false;
	assert_string_equal(
	    said_of("connection", IP_NONE), "?it is being tried just now");
	attempt.step = PORTAL_STEP_NONE;
	assert_string_equal(
	    said_of("connection", IP_NONE), "?an attempt has only just begun");
}

static void
no_tls(void **state)
{
	(void)state;
	fails_at(PORTAL_STEP_TLS, "certificate has expired");
	assert_string_equal(
	    said_of("connection", IP_NONE), "+TCP to 203.0.113.1:443");
	assert_string_equal(
	    said_of("tls", IP_NONE), "-certificate has expired, 12s ago");
	assert_memory_equal(said_of("clock", IP_NONE), "?", 1);
	attempt.tls.not_after = NOW - 86400;
	assert_string_equal(said_of("tls", IP_NONE),
	    "-certificate has expired; it is valid from 2027-01-15 07:43 UTC "
	    "until 2027-01-14 08:00 UTC, and this host's clock says "
	    "2027-01-15 08:00 UTC, 12s ago");
	assert_memory_equal(said_of("clock", IP_NONE), "-it is not within", 17);
	situation.url = "ws://portal.test";
	assert_memory_equal(
	    said_of("tls", IP_NONE), "-ws://portal.test is without:", 29);
}

/* It was seen when the connection was made. */
static void
old_certificate(void **state)
{
	(void)state;
	attempt.tls.not_after = NOW + 86399;
	assert_memory_equal(said_of("tls", IP_NONE), "?the certificate", 16);
	attempt.tls.not_after = NOW + 86400;
	assert_memory_equal(said_of("tls", IP_NONE), "+TLSv1.3", 8);
}

static void
no_login(void **state)
{
	(void)state;
	fails_at(PORTAL_STEP_LOGIN, "the portal answered with \x1b[2J 503");
	assert_string_equal(said_of("login", IP_NONE),
	    "-the portal answered with ?[2J 503, 12s ago");
	fails_at(PORTAL_STEP_CHANNEL, "the join was not answered within 5 s");
	assert_string_equal(said_of("login", IP_NONE),
	    "-the join was not answered within 5 s, 12s ago");
	attempt.failed = false;
	assert_memory_equal(
	    said_of("login", IP_NONE), "?the portal has taken the token", 31);
	situation.draining = true;
	assert_string_equal(
	    said_of("login", IP_NONE), "+left, since posternd drains");
	fails_at(PORTAL_STEP_CHANNEL, "the join was not answered within 5 s");
	assert_memory_equal(said_of("login", IP_NONE), "-the join was", 13);
}

static void
wrong_clock(void **state)
{
	(void)state;
	situation.clock.ahead_ms = 3600000;
	assert_memory_equal(said_of("clock", IP_NONE),
	    "-3600.0 s ahead of the portal's, so that grants end too early",
	    61);
	situation.clock.ahead_ms = -3600000;
	assert_memory_equal(said_of("clock", IP_NONE), "-3600.0 s behind", 16);
}

static void
kinds_of_nat(void **state)
{
	(void)state;
	facts.relay[1].mapped_v4 = at("203.0.113.9:1024");
	assert_string_equal(said_of("nat", IP_V4),
	    "-one relay sees 203.0.113.9:52625 and another 203.0.113.9:1024 "
	    "(address-dependent mapping), so that most clients need relays: "
	    "have UDP port 52625 forwarded to this host");
	/* Another socket's, or another way out: it says nothing of the NAT. */
	facts.relay[1].local_v4 = at("10.9.0.4:52625");
	assert_memory_equal(said_of("nat", IP_V4), "?unknown: one relay;", 20);
	facts.relay_count = 1;
	assert_memory_equal(said_of("nat", IP_V4), "?unknown: one relay;", 20);
	facts.relay[0].mapped_v4 = facts.relay[0].local_v4;
	assert_string_equal(
	    said_of("nat", IP_V4), "+none: our own address is what others see");
	facts.relay_count = 0;
	assert_string_equal(said_of("nat", IP_V4), "");
}

static void
relays_that_are_silent(void **state)
{
	struct ipc_query_relay *r = facts.relay;

	(void)state;
	r[0].rtt_v4_us = r[1].rtt_v4_us = 0;
	r[0].mapped_v4.ip.family = r[1].mapped_v4.ip.family = IP_NONE;
	assert_memory_equal(
	    said_of("relay", IP_V4), "-198.51.100.1:3478 does not answer:", 35);
	assert_string_equal(said_of("direct", IP_V4),
	    "-packets would leave from 10.0.0.4, but no relay answers: is UDP "
	    "port 3478 open on the way out?");
	situation.since = NOW - 9;
	assert_memory_equal(said_of("relay", IP_V4),
	    "?198.51.100.1:3478 has not answered yet", 39);
	assert_memory_equal(said_of("direct", IP_V4),
	    "?packets would leave from 10.0.0.4; no relay tells", 50);
	facts.relay_route[0][0].exists = facts.relay_route[1][0].exists = false;
	assert_string_equal(said_of("relay", IP_V4), "");
	facts.out[0] = (struct route){ .error = "No route" };
	assert_string_equal(said_of("direct", IP_V4),
	    "-the host has no route to the Internet: No route");
}

static void
relays_that_do_not_serve(void **state)
{
	(void)state;
	facts.relay_route[0][0].mtu = 1343;
	facts.relay[1].relayed_v4.ip.family = IP_NONE;
	assert_string_equal(said_of("relay", IP_V4),
	    "-198.51.100.1:3478 answers in 12.3 ms, but the MTU to there is "
	    "1343 and full packets take 1344: they go in fragments, which "
	    "firewalls drop|-198.51.100.2:3478 answers in 12.3 ms, but has "
	    "given no allocation: its clock and secret have to agree with the "
	    "portal's");
	facts.relay_route[0][0].mtu = 1344;
	assert_memory_equal(said_of("relay", IP_V4), "+198.51.100.1:3478", 18);
}

static void
no_relays(void **state)
{
	(void)state;
	facts.relay_count = 0;
	assert_memory_equal(
	    said_of("relay", IP_NONE), "-the portal has named none", 26);
	situation.online = false;
	assert_memory_equal(
	    said_of("relay", IP_NONE), "?there is none before", 21);
	facts.relays_known = false;
	assert_string_equal(said_of("relay", IP_NONE),
	    "?net-worker does not answer, which knows them");
}

static void
the_host(void **state)
{
	(void)state;
	strlcpy(situation.trouble.text, "a chain drops", 64);
	assert_string_equal(said_of("host", IP_NONE), "-a chain drops");
	page.io[1].counters.tun_segmentation = OFFLOAD_REFUSED;
	assert_memory_equal(said_of("offloads", IP_NONE), "-", 1);
	page.io[1].counters.tun_segmentation = OFFLOAD_NONE;
	situation.counters = NULL;
	assert_memory_equal(said_of("offloads", IP_NONE), "?", 1);
}

/* Many relays are many lines, and no more than there is room for. */
static void
no_room(void **state)
{
	(void)state;
	memset(&findings, 0, sizeof(findings));
	for (int i = 0; i <= FINDINGS_MAX; i++)
		finding_add_number(
		    findings_add(&findings, "x", IP_NONE, VERDICT_OK, "y"), "n",
		    i);
	assert_int_equal(findings.count, FINDINGS_MAX);
	assert_int_equal(
	    findings.of[FINDINGS_MAX - 1].member[0].number, FINDINGS_MAX - 1);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_is_well),
		TEST(no_name),
		TEST(no_connection),
		TEST(no_tls),
		TEST(old_certificate),
		TEST(no_login),
		TEST(wrong_clock),
		TEST(kinds_of_nat),
		TEST(relays_that_are_silent),
		TEST(relays_that_do_not_serve),
		TEST(no_relays),
		TEST(the_host),
		TEST(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
