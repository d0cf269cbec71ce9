/*
 * A client opens flows as fast as it can, from rolling ports. Its reports must
 * be few, every flow be accounted for, and the download that it then makes be
 * reported with its bytes. TCP flows are ended at once, those of UDP stay.
 */
#include "net-worker/core/flow.h"
#include "tests/lib/dataplane.h"

#define FLOWS    40000
#define A_SECOND 4000

#define SYN 0x02
#define RST 0x04
#define ACK 0x10

static int
begin(void **state)
{
	struct ipc_flow_settings on = { .enabled = true };
	struct ipc_authorization a;
	struct rig *r;

	if (set_up(state) != 0)
		return -1;
	r = *state;
	connected(r);
	a = authorization(r);
	a.expires_at = 0;
	a.filters_count = 0;
	a.flow_authorization.bytes[0] = 0xaa;
	tell(r, authorization, &a);
	tell(r, flow_settings, &on);
	settle(r);
	return 0;
}

static size_t
make_packet(uint8_t *to, uint16_t port, uint8_t protocol, uint8_t flags)
{
	tcp_packet(to, "100.64.0.2:1", "10.20.0.9:80");
	store_be16(to + 20, port);
	to[9] = protocol;
	to[33] = flags;
	if (protocol == 17) {
		store_be16(to + 24, 20); /* the UDP length */
		store_be16(to + 26, 0);
	}
	store_be16(to + 10, 0);
	store_be16(to + 10, checksum_finish(checksum_add(0, to, 20)));
	return 40;
}

static void
sends(struct rig *r, uint16_t port, uint8_t protocol, uint8_t flags)
{
	uint8_t packet[40];

	client_sends_packet(
	    r, packet, make_packet(packet, port, protocol, flags));
}

/* Whatever has been told has been stored. */
static void
store(struct rig *r)
{
	struct ipc_flow_stored stored = { .serial = r->flow.serial };

	tell(r, flow_stored, &stored);
	settle(r);
}

static void
download(struct rig *r)
{
	uint8_t data[140];

	sends(r, 65000, 6, SYN);
	tcp_packet(data, "10.20.0.9:80", "100.64.0.2:65000");
	store_be16(data + 2, sizeof(data));
	store_be16(data + 10, 0);
	store_be16(data + 10, checksum_finish(checksum_add(0, data, 20)));
	memset(data + 40, 0, sizeof(data) - 40);
	data[33] = ACK;
	from_tun(r, data, sizeof(data));
	sends(r, 65000, 6, RST);
}

static void
flood(struct rig *r, uint8_t protocol)
{
	int64_t start = r->now.ns;
	unsigned told;

	for (unsigned i = 0; i < FLOWS; i++) {
		r->now = (struct mono){ start + i * (1000000000 / A_SECOND) };
		sends(r, (uint16_t)(1 + i), protocol, SYN);
		if (protocol == 6)
			sends(r, (uint16_t)(1 + i), protocol, RST);
		if (i % 1000 == 0)
			store(r);
	}
	/* 10 seconds: a start and an end of each that there is a place for. */
	assert_true(r->flows >= FLOW_OPENINGS_BURST);
	assert_true(r->flows <=
	    2 * (FLOW_OPENINGS_BURST + 11000 / FLOW_OPENINGS_INTERVAL_MS));
	store(r);
	told = r->flows;
	download(r);
	assert_true(r->flows > told);
	assert_true(r->flow.closed);
	assert_int_equal(r->flow.source.port, 65000);
	assert_int_equal(r->flow.rx_bytes, 100);
	store(r);
	/* Those of UDP end now; then what was left out is told. */
	for (int i = 0; i < 140; i++) {
		r->now = mono_add_s(r->now, 1);
		by_hand_set_time(r->dp, r->now);
		by_hand_timeout(r->dp);
		settle(r);
		store(r);
	}
	assert_true(r->page.engine.flows_suppressed > 0);
	assert_int_equal(r->page.shard[0].counters.flows_untracked, 0);
	assert_in_range(
	    r->page.engine.flows_suppressed + r->flows / 2, FLOWS, FLOWS + 1);
}

static void
tcp_flows(void **state)
{
	flood(*state, 6);
}

static void
udp_flows(void **state)
{
	flood(*state, 17);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tcp_flows, begin, tear_down),
		cmocka_unit_test_setup_teardown(udp_flows, begin, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
