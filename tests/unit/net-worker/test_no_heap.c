/*
 * No call to the heap on the packet path: whatever packets do, from socket to
 * TUN and back, allocates and frees nothing once clients, names and policies
 * are set up, with the offloads, by a relay, with names, with the flow log, and
 * also where packets are refused or land at another thread.
 *
 * The calls of the libraries are counted as well. Threads are played by hand;
 * what a lane's thread calls is what is counted (lane_thread.c).
 */
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <sodium.h>

#include "net-worker/core/turn/channel_data.h"
#include "net-worker/dataplane/lane_state.h"
#include "net-worker/io/tun.h"
#include "net-worker/io/udp.h"
#include "tests/lib/dataplane.h"
#include "tests/lib/loopback.h"
#include "tests/lib/no_memory.h"

#define ROUNDS   200
#define WARM_UP  4 /* rounds that are not counted */
#define ROUND_MS 150
#define SEGMENTS 5
#define PAYLOAD  1000
#define HEADERS  40
#define CHANNEL  0x4001
#define PROXY    "100.96.0.1"
#define HOST     "192.0.2.80" /* that its name stands for */

static const char client_at[] = "192.0.2.7:50000";
static const char relay_at[] = "203.0.113.5:3478";

/* What a lane's thread has, and the other ends of it. */
static struct {
	struct rig *r;
	struct tun_io *tun;
	struct udp_io *udp;
	int device, peer; /* the kernel's side of the TUN; a client's socket */
	int tun_fd, udp_fd;
	struct endpoint peer_at;
	bool relayed;
	unsigned lane;   /* that packets land at */
	size_t udp_sent; /* notes that have left */
	size_t tun_written;
	unsigned long calls, since;
	unsigned glued, packets; /* that the device was given */
} w;

/* What is counted stands between these two. */

static void
enter_packet_path(void)
{
	w.since = heap_calls;
}

static void
leave_packet_path(void)
{
	w.calls += heap_calls - w.since;
}

/* Turns. */

static void
on_datagram(void *ctx, const struct arrival *arrived, uint8_t *data, size_t len)
{
	struct arrival a = *(const struct arrival *)ctx;

	a.ecn = arrived->ecn;
	lane_datagram(dataplane_lane(w.r->dp, w.lane), &a, data, len);
}

/* What lanes have given to the notebook goes on by sockets and TUN. */
static void
send_notes(void)
{
	struct rig *r = w.r;

	for (; w.tun_written < r->tun_count; w.tun_written++) {
		struct note *n = &r->tun[w.tun_written % NOTES];

		tun_io_write(w.tun, n->data, n->len);
	}
	tun_io_flush(w.tun);
	for (; w.udp_sent < r->udp_count; w.udp_sent++) {
		const struct note *n = &r->udp[w.udp_sent % NOTES];
		uint8_t *to = udp_io_reserve(
		    w.udp, &w.peer_at, &w.peer_at.ip, n->ecn, n->len);

		if (to != NULL)
			memcpy(to, n->data, n->len);
	}
	udp_io_flush(w.udp);
}

static void
take_turn(void)
{
	struct arrival a = {
		.from = at(w.relayed ? relay_at : client_at),
		.local = at("10.0.0.4:52625"),
	};
	uint8_t *packet;
	size_t len;

	by_hand_set_time(w.r->dp, w.r->now);
	enter_packet_path();
	while (udp_io_receive(w.udp, IP_V4, on_datagram, &a))
		continue;
	while ((packet = tun_io_read(w.tun, &len)) != NULL)
		lane_packet(dataplane_lane(w.r->dp, w.lane), packet, len);
	for (unsigned i = 0; i < by_hand_lanes(); i++) {
		struct lane *l = dataplane_lane(w.r->dp, i);

		while (lane_strays(l))
			continue;
		lane_timeout(l);
		lane_settle(l);
	}
	send_notes();
	leave_packet_path();
	udp_io_describe(w.udp);
	tun_io_describe(w.tun);
}

/* What goes in. */

static void
client_sends_by_socket(const uint8_t *packet, size_t len)
{
	uint8_t data[DATAGRAM_MAX], *message = data;
	size_t sealed = len + WIREGUARD_OVERHEAD, header = 0;

	if (w.relayed) {
		header = CHANNEL_DATA_OVERHEAD;
		message = channel_data_begin(data, CHANNEL, sealed);
	}
	session_seal(&w.r->session, w.r->aead, packet, len, message);
	assert_int_equal(
	    send(w.peer, data, header + sealed, 0), (ssize_t)(header + sealed));
}

static void
fix_checksums(uint8_t *packet, size_t len)
{
	struct packet p;

	store_be16(packet + 2, (uint16_t)len);
	store_be16(packet + 10, 0);
	store_be16(packet + 10, checksum_finish(checksum_add(0, packet, 20)));
	store_be16(packet + 36, 0);
	assert_int_equal(packet_parse(packet, len, &p), PACKET_OK);
	store_be16(packet + 36,
	    checksum_finish(checksum_add(
		checksum_pseudo(&p.source, &p.destination, 6, len - 20),
		packet + 20, len - 20)));
}

static void
client_sends_segments(const char *from, const char *to)
{
	uint8_t packet[HEADERS + PAYLOAD] = { 0 };

	for (uint32_t i = 0; i < SEGMENTS; i++) {
		tcp_packet(packet, from, to);
		store_be32(packet + 24, 7 + i * PAYLOAD);
		packet[33] = 0x10;
		fix_checksums(packet, sizeof(packet));
		client_sends_by_socket(packet, sizeof(packet));
	}
}

/* A super-packet, as the kernel hands it over. */
static void
device_sends(const char *from, const char *to)
{
	uint8_t super[VNET_HEADER_LEN + HEADERS + SEGMENTS * PAYLOAD] = { 0 };
	uint8_t *packet = super + VNET_HEADER_LEN;
	size_t len = sizeof(super) - VNET_HEADER_LEN;
	const struct virtio_net_hdr vnet = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = PAYLOAD,
		.hdr_len = HEADERS,
		.csum_start = 20,
		.csum_offset = 16,
	};

	memcpy(super, &vnet, VNET_HEADER_LEN);
	tcp_packet(packet, from, to);
	packet[33] = 0x10;
	store_be16(packet + 2, (uint16_t)len);
	store_be16(packet + 10, 0);
	store_be16(packet + 10, checksum_finish(checksum_add(0, packet, 20)));
	assert_int_equal(
	    send(w.device, super, sizeof(super), 0), (ssize_t)sizeof(super));
}

static void
client_sends_junk(unsigned round)
{
	uint8_t packet[CONTROL_PACKET_LEN] = { 0 };
	uint8_t junk[WIREGUARD_OVERHEAD + 16] = { 4 };

	/* Of nobody; forged; not IP; an event that nobody knows. */
	store_be32(junk + 4, 0x5a5a5a5a);
	assert_true(send(w.peer, junk, sizeof(junk), 0) > 0);
	memcpy(junk + 4, &w.r->session.remote_index, 4);
	assert_true(send(w.peer, junk, sizeof(junk), 0) > 0);
	memset(packet, (int)round, sizeof(packet));
	client_sends_by_socket(packet, sizeof(packet));
	control_packet_begin(packet, 9, 0);
	client_sends_by_socket(packet, CONTROL_PACKET_LEN);
}

/* What comes out: it has to be taken, or there is no room. */

static void
empty_ends(void)
{
	static uint8_t bytes[SUPER_PACKET_MAX];
	ssize_t n;

	while ((n = recv(w.device, bytes, sizeof(bytes), 0)) > 0) {
		w.packets++;
		w.glued += bytes[1] != VIRTIO_NET_HDR_GSO_NONE;
	}
	while (recv(w.peer, bytes, sizeof(bytes), 0) > 0)
		continue;
}

static void
play_round(unsigned round)
{
	char from[32];

	w.lane = round % by_hand_lanes();
	snprintf(from, sizeof(from), "100.64.0.2:%u", 2000 + round);
	client_sends_segments(from, "10.20.0.9:80");
	client_sends_segments(from, PROXY ":80");
	client_sends_segments(from, "10.20.0.9:81");
	client_sends_junk(round);
	take_turn();
	device_sends("10.20.0.9:80", from);
	device_sends(HOST ":80", from);
	device_sends("10.20.0.9:80", "100.64.0.99:80");
	device_sends("10.99.0.9:80", from);
	take_turn();
	empty_ends();
}

/* Set-up: everything may be allocated. */

static void
grant_name(struct rig *r)
{
	struct ipc_authorization a = authorization(r);
	struct ipc_name_resolved m = {
		.client = a.client,
		.resource = { { 0x77 } },
		.domain = "app.example.com",
		.proxies_count = 1,
		.addresses_count = 1,
		.event = 1,
		.installed = "in force",
		.refused = "refused",
	};

	a.resource = m.resource;
	a.type = RESOURCE_DNS;
	a.expires_at = 0;
	a.flow_authorization.bytes[0] = 0xab;
	memset(&a.network, 0, sizeof(a.network));
	strlcpy(a.pattern, "*.example.com", sizeof(a.pattern));
	tell(r, authorization, &a);
	m.proxies[0] = at(PROXY ":0").ip;
	m.addresses[0] = at(HOST ":0").ip;
	tell(r, name_resolved, &m);
	settle(r);
	assert_string_equal(r->told, m.installed);
}

/* From now on the shard, for its part, has the client behind the relay. */
static void
move_to_relay(struct rig *r)
{
	struct shard_command command = {
		.type = SHARD_PATH,
		.connection = CONNECTION_INDEX(r->session.remote_index),
		.path = {
			.local = at("198.51.100.9:50001"),
			.remote = at(client_at),
			.relayed = true,
			.relay = at(relay_at),
			.channel = CHANNEL,
		},
	};

	assert_true(shard_post(dataplane_lane(r->dp, 0)->shard, &command));
	by_hand_settle(r->dp);
	w.relayed = true;
}

static void
open_device(void)
{
	int ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	w.tun_fd = ends[0];
	w.device = ends[1];
	w.tun = tun_io_new(
	    w.tun_fd, COALESCE_TCP, &w.r->now, &w.r->page.io[1].counters);
	assert_non_null(w.tun);
}

static void
open_sockets(void)
{
	struct sockaddr_storage name;
	struct endpoint ours;
	socklen_t len;

	w.udp_fd = open_loopback(&ours, IP_PKTINFO);
	w.peer = open_loopback(&w.peer_at, IP_PKTINFO);
	len = endpoint_to_sockaddr(&ours, &name);
	assert_int_equal(connect(w.peer, (struct sockaddr *)&name, len), 0);
	w.udp = udp_io_new(
	    w.udp_fd, ours.port, -1, 0, &w.r->now, &w.r->page.io[1].counters);
	assert_non_null(w.udp);
}

static int
set_up_path(void **state)
{
	const struct ipc_flow_settings flows = { .enabled = true };
	struct rig *r;

	set_up(state);
	memset(&w, 0, sizeof(w));
	w.r = r = *state;
	connected(r);
	authorized_for_flows(r, 0xaa);
	tell(r, flow_settings, &flows);
	grant_name(r);
	open_device();
	open_sockets();
	w.udp_sent = r->udp_count;
	w.tun_written = r->tun_count;
	return 0;
}

static int
tear_down_path(void **state)
{
	tun_io_free(w.tun);
	udp_io_free(w.udp);
	close(w.device);
	close(w.peer);
	close(w.tun_fd);
	close(w.udp_fd);
	return tear_down(state);
}

/* Else it would be no wonder. */
static void
everything_was_done(const struct rig *r)
{
	const struct shard_counters *c = &r->page.shard[0].counters;
	const struct io_counters *io = &r->page.io[1].counters;

	assert_true(c->outbound_packets >= ROUNDS * 2 * SEGMENTS);
	assert_true(c->inbound_packets >= ROUNDS * 2 * SEGMENTS);
	assert_true(c->icmp_sent >= ROUNDS);
	assert_true(c->refused_outbound[REASON_FILTER] >= ROUNDS * SEGMENTS);
	assert_true(c->forged >= ROUNDS && c->unknown_session >= ROUNDS);
	assert_true(c->malformed_outbound > 0);
	assert_true(c->control_unknown >= ROUNDS);
	assert_true(
	    io->strays_udp > 0 || r->page.io[2].counters.strays_udp > 0);
	assert_true(r->page.io[2].counters.strays_tun > 0);
	assert_true(r->flows >= ROUNDS);
	assert_true(w.glued >= ROUNDS);
	assert_true(io->udp_sent > 0 && io->udp_segmentation_refused == 0);
}

static void
nothing_is_allocated_for_a_packet(void **state)
{
	struct rig *r = *state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		if (round == WARM_UP)
			w.calls = 0;
		if (round == ROUNDS / 2)
			move_to_relay(r);
		r->now = mono_add_ms(r->now, ROUND_MS);
		play_round(round);
		if (HEAP_IS_OURS && round >= WARM_UP && w.calls != 0)
			fail_msg("round %u: %lu calls", round, w.calls);
		/* The engine's part. */
		by_hand_timeout(r->dp);
		by_hand_settle(r->dp);
	}
	everything_was_done(r);
}

/* That the heap is watched at all, in us and in libraries. */
static void
calls_are_counted(void **state)
{
	unsigned long before = heap_calls;
	char *text;

	(void)state;
	if (!HEAP_IS_OURS)
		skip();
	assert_true(asprintf(&text, "by the C library") > 0);
	free(text);
	assert_true(heap_calls - before >= 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_counted),
		cmocka_unit_test_setup_teardown(
		    nothing_is_allocated_for_a_packet, set_up_path,
		    tear_down_path),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1 || setenv("POSTERN_TEST_LANES", "2", 1) == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
