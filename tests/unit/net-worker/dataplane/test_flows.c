/*
 * Flows from the packet to control-worker: what is told of them, and that it is
 * told until it is stored (firezone-policy(7), FLOW LOGS).
 */
#include <sodium.h>

#include "tests/lib/dataplane.h"

#define CLIENT   "100.64.0.2:1234"
#define RESOURCE "10.20.0.9:80"

static void
flows_wanted(struct rig *r, bool wanted)
{
	struct ipc_flow_settings settings = { .enabled = wanted };

	tell(r, flow_settings, &settings);
	settle(r);
}

static void
flows_stored(struct rig *r, uint64_t serial)
{
	struct ipc_flow_stored stored = { .serial = serial };

	tell(r, flow_stored, &stored);
}

static void
connected_for_flows(struct rig *r)
{
	connected(r);
	authorized_for_flows(r, 0xaa);
	flows_wanted(r, true);
}

/* That many, from ports of their own, which end at once or not. */
static void
open_flows(struct rig *r, unsigned first, unsigned count, bool end)
{
	char from[ENDPOINT_TEXT_MAX];

	for (unsigned i = first; i < first + count; i++) {
		snprintf(from, sizeof(from), "100.64.0.2:%u", 2000 + i);
		client_opens(r, from, RESOURCE, false);
		if (end)
			client_opens(r, from, RESOURCE, true);
	}
}

/* In nanoseconds since the start. */
static int64_t
at_of(uint64_t unix_ns)
{
	return (int64_t)(unix_ns - UNIX_NOW * UINT64_C(1000000000));
}

static void
tells_opening_and_closing(void **state)
{
	struct rig *r = *state;
	uint8_t packet[40];
	int64_t opened;

	connected_for_flows(r);
	opened = r->now.ns - 1000000000;
	client_opens(r, CLIENT, RESOURCE, false);
	assert_int_equal(r->flows, 1);
	assert_int_equal(r->flow.serial, 1);
	assert_false(r->flow.closed);
	assert_int_equal(r->flow.authorization.bytes[0], 0xaa);
	assert_int_equal(r->flow.protocol, 6);
	assert_string_equal(r->flow.domain, "");
	assert_true(endpoint_equal(
	    &r->flow.source, &(struct endpoint){ at(CLIENT).ip, 1234 }));
	assert_true(endpoint_equal(
	    &r->flow.destination, &(struct endpoint){ at(RESOURCE).ip, 80 }));
	assert_int_equal(r->flow.paths_count, 1);
	assert_true(endpoint_equal(&r->flow.paths[0].from,
	    &(struct endpoint){ at("192.0.2.7:0").ip, 50000 }));
	assert_true(endpoint_equal(&r->flow.paths[0].local,
	    &(struct endpoint){ at("10.0.0.4:0").ip, 52625 }));
	assert_int_equal(at_of(r->flow.started_at), opened);
	assert_int_equal(r->flow.paths[0].at, r->flow.started_at);
	assert_int_equal(r->flow.ended_at, 0);
	assert_int_equal(r->flow.last_packet_at, 0);

	pass(r, 1000);
	from_tun(r, packet, tcp_packet(packet, RESOURCE, CLIENT));
	client_sends(r, CLIENT, RESOURCE);
	client_opens(r, CLIENT, RESOURCE, true);
	pass(r, 2000);
	assert_int_equal(r->flows, 2);
	assert_int_equal(r->flow.serial, 2);
	assert_true(r->flow.closed);
	assert_int_equal(r->flow.tx_packets, 3);
	assert_int_equal(r->flow.rx_packets, 1);
	assert_int_equal(at_of(r->flow.started_at), opened);
	assert_int_equal(
	    r->flow.last_packet_at - r->flow.started_at, UINT64_C(1000000000));
	assert_in_range(r->flow.ended_at, r->flow.last_packet_at,
	    r->flow.last_packet_at + UINT64_C(3000000000));
	assert_int_equal(r->page.engine.flow_reports, 2);
}

static void
tells_only_what_is_wanted(void **state)
{
	struct rig *r = *state;

	connected(r);
	open_flows(r, 0, 1, false); /* the grant says nothing of logs */
	flows_wanted(r, true);
	open_flows(r, 1, 1, false);
	assert_int_equal(r->flows, 0);
	authorized_for_flows(r, 0xaa);
	open_flows(r, 2, 1, false);
	assert_int_equal(r->flows, 1);
	flows_wanted(r, false);
	open_flows(r, 3, 1, false);
	assert_int_equal(r->flows, 1);
	flows_wanted(r, true);
	open_flows(r, 4, 1, false);
	assert_int_equal(r->flows, 2);
}

/* Nobody sends, and no NAT: the flow's own deadline ends it. */
static void
ends_idle_flows(void **state)
{
	struct rig *r = *state;

	connected_for_flows(r);
	open_flows(r, 0, 1, false);
	pass(r, 120000);
	assert_int_equal(r->flows, 1);
	pass(r, 2000);
	assert_int_equal(r->flows, 2);
	assert_true(r->flow.closed);
}

/* The resource's RST ends one as well, and soon. */
static void
ends_what_the_resource_ends(void **state)
{
	struct rig *r = *state;
	uint8_t packet[40];
	size_t len = tcp_packet(packet, RESOURCE, CLIENT);

	connected_for_flows(r);
	client_opens(r, CLIENT, RESOURCE, false);
	packet[33] = 0x04;
	from_tun(r, packet, len);
	pass(r, 3000);
	assert_int_equal(r->flows, 2);
	assert_true(r->flow.closed);
	assert_int_equal(r->flow.rx_packets, 1);
}

static void
ends_what_both_sides_have_finished(void **state)
{
	struct rig *r = *state;
	uint8_t out[40], in[40];

	connected_for_flows(r);
	client_opens(r, CLIENT, RESOURCE, false);
	tcp_packet(out, CLIENT, RESOURCE);
	tcp_packet(in, RESOURCE, CLIENT);
	out[33] = in[33] = 0x11;
	client_sends_packet(r, out, sizeof(out));
	from_tun(r, in, sizeof(in));
	pass(r, 3000);
	assert_int_equal(r->flows, 2);
	assert_true(r->flow.closed);
}

/* What has not been stored is told to the next control-worker. */
static void
repeats_reports(void **state)
{
	struct rig *r = *state;

	connected_for_flows(r);
	r->deaf = true;
	open_flows(r, 0, 3, false);
	assert_int_equal(r->flows, 0);
	r->deaf = false;
	dataplane_control_started(r->dp);
	assert_int_equal(r->flows, 3);
	assert_int_equal(r->flow.source.port, 2002);
	flows_stored(r, 1);
	dataplane_control_started(r->dp);
	assert_int_equal(r->flows, 5);
	/* It has what its predecessor was told. */
	flows_stored(r, 3);
	r->deaf = true;
	open_flows(r, 3, 2, false);
	flows_stored(r, 4);
	r->deaf = false;
	settle(r);
	assert_int_equal(r->flows, 6);
	assert_int_equal(r->flow.source.port, 2004);
}

/* What it would not take is offered again, once. */
static void
offers_reports_again(void **state)
{
	struct rig *r = *state;

	connected_for_flows(r);
	r->deaf = true;
	open_flows(r, 0, 1, false);
	settle(r);
	assert_int_equal(r->flows, 0);
	r->deaf = false;
	settle(r);
	settle(r);
	assert_int_equal(r->flows, 1);
}

static void
shutdown_ends_flows(void **state)
{
	struct rig *r = *state;

	connected_for_flows(r);
	client_opens(r, CLIENT, RESOURCE, false);
	assert_false(dataplane_has_ended(r->dp));
	dataplane_shutdown(r->dp);
	settle(r);
	assert_int_equal(r->flows, 2);
	assert_true(r->flow.closed);
	/* What is under way still passes, and opens no more. */
	client_opens(r, CLIENT, RESOURCE, false);
	flows_wanted(r, false);
	flows_wanted(r, true);
	client_opens(r, CLIENT, RESOURCE, false);
	assert_int_equal(r->tun_count, 3);
	assert_int_equal(r->flows, 2);
	/* It ends once all is stored, or a second later. */
	assert_false(dataplane_has_ended(r->dp));
	flows_stored(r, 1);
	assert_false(dataplane_has_ended(r->dp));
	flows_stored(r, 2);
	assert_true(dataplane_has_ended(r->dp));
}

static void
shutdown_does_not_wait_for_ever(void **state)
{
	struct rig *r = *state;

	connected_for_flows(r);
	client_opens(r, CLIENT, RESOURCE, false);
	dataplane_shutdown(r->dp);
	settle(r);
	pass(r, 990);
	dataplane_shutdown(r->dp); /* told twice is told once */
	assert_false(dataplane_has_ended(r->dp));
	assert_true(mono_ms_between(r->now, by_hand_deadline(r->dp)) <= 10);
	pass(r, 10);
	assert_true(dataplane_has_ended(r->dp));
}

/* Of a client that opens too many the operator hears, not the portal. */
static void
suppresses_reports(void **state)
{
	struct rig *r = *state;
	uint64_t suppressed;
	unsigned told;

	connected_for_flows(r);
	overhear(r);
	open_flows(r, 0, 3000, true);
	pass(r, 20000);
	told = r->flows;
	suppressed = r->page.engine.flows_suppressed;
	assert_in_range(suppressed, 900, 1000);
	assert_int_equal(told, 2 * (3000 - suppressed));
	assert_int_equal(r->page.engine.flow_reports, told);
	assert_int_equal(logged(r,
			     "client c1000000-0000-0000-0000-000000000000 "
			     "opens too many flows"),
	    1);
}

/* In this program's place a control-worker that stores nothing. */
static void
waiting_reports_are_bounded(void **state)
{
	struct rig *r = *state;

	connected_for_flows(r);
	r->deaf = true;
	/* As fast as a client may. */
	open_flows(r, 0, 2000, true);
	for (unsigned i = 0; i < 60; i++) {
		pass(r, 2000);
		open_flows(r, 0, 40, true);
	}
	assert_int_equal(r->page.engine.flow_reports, 8192);
	r->deaf = false;
	settle(r);
	assert_int_equal(r->flows, 8192);
	flows_stored(r, 1);
	settle(r);
	assert_int_equal(r->flows, 8193);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(tells_opening_and_closing),
		T(tells_only_what_is_wanted),
		T(ends_idle_flows),
		T(ends_what_the_resource_ends),
		T(ends_what_both_sides_have_finished),
		T(repeats_reports),
		T(offers_reports_again),
		T(shutdown_ends_flows),
		T(shutdown_does_not_wait_for_ever),
		T(suppresses_reports),
		T(waiting_reports_are_bounded),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
