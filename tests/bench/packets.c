/*
 * What a packet costs in posternd itself: lane, gluing, cutting and batches, as
 * a thread of the data path calls them, with one client, one flow and nothing
 * behind. The cipher is a part of it.
 *
 *	bench_packets [ROUNDS [ROW]]
 *
 * Counted by instructions, where a processor cannot do that:
 *
 *	valgrind --tool=callgrind --toggle-collect=play_row \
 *	    bench_packets 50 0
 */
#include <linux/virtio_net.h>
#include <sodium.h>
#include <time.h>

#include "net-worker/core/inner/offload.h"
#include "net-worker/dataplane/lane_state.h"
#include "net-worker/io/tun.h"
#include "net-worker/io/udp.h"
#include "tests/lib/checksums.h"
#include "tests/lib/dataplane.h"

#define BATCH  64
#define UDP_L4 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, of newer headers */

struct row {
	const char *name;
	bool up, tcp, super;
	size_t payload, packets;
};

static const struct row rows[] = {
	{ "UDP, 64 bytes, to", true, false, false, 64, BATCH },
	{ "UDP, 64 bytes, from", false, false, false, 64, BATCH },
	{ "UDP, 64 bytes, from, as super-packets", false, false, true, 64,
	    BATCH },
	{ "TCP, to", true, true, false, 1228, 48 },
	{ "TCP, from, as super-packets", false, true, true, 1228, 48 },
};

static struct {
	struct rig *r;
	struct lane *lane;
	struct tun_io *tun;
	struct udp_io *udp;
	struct arrival arrival;
	uint8_t packet[BATCH][INNER_PACKET_MAX];
	uint8_t datagram[BATCH][DATAGRAM_MAX];
	size_t length; /* of each */
	uint8_t vnet[VNET_HEADER_LEN], super[SUPER_PACKET_MAX];
	size_t super_length;
	uint8_t room[INNER_PACKET_MAX];
} b;

static uint8_t *
sink_udp(void *ctx, const struct endpoint *to, const struct ip_address *from,
    uint8_t ecn, size_t len)
{
	(void)ctx;
	return udp_io_reserve(b.udp, to, from, ecn, len);
}

static void
sink_tun(void *ctx, uint8_t *packet, size_t len)
{
	(void)ctx;
	tun_io_write(b.tun, packet, len);
}

/* The n-th packet of the flow. */
static void
make_packet(const struct row *row, size_t n)
{
	size_t header = row->tcp ? 32 : 8;
	uint8_t *to = b.packet[n];
	struct packet p;

	b.length = 20 + header + row->payload;
	memset(to, (int)n, b.length);
	memset(to + 40, 1, 12);
	tcp_packet(to, row->up ? "100.64.0.2:1234" : "10.20.0.9:80",
	    row->up ? "10.20.0.9:80" : "100.64.0.2:1234");
	store_be16(to + 2, (uint16_t)b.length);
	store_be16(to + 4, (uint16_t)n);
	store_be32(to + 24, (uint32_t)(n * row->payload));
	to[9] = row->tcp ? 6 : 17;
	to[32] = 0x80;
	to[33] = 0x10;
	if (!row->tcp)
		store_be16(to + 24, (uint16_t)(8 + row->payload));
	assert_int_equal(packet_parse(to, b.length, &p), PACKET_OK);
	set_checksums(&p);
}

/* Of all of them; the checksum that it leaves to us does not matter. */
static void
make_super(const struct row *row)
{
	size_t header = b.length - row->payload;
	struct virtio_net_hdr vnet = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = row->tcp ? VIRTIO_NET_HDR_GSO_TCPV4 : UDP_L4,
		.gso_size = (uint16_t)row->payload,
		.hdr_len = (uint16_t)header,
		.csum_start = 20,
		.csum_offset = row->tcp ? 16 : 6,
	};

	memcpy(b.vnet, &vnet, sizeof(vnet));
	memcpy(b.super, b.packet[0], header);
	for (size_t i = 0; i < row->packets; i++)
		memcpy(b.super + header + i * row->payload,
		    b.packet[i] + header, row->payload);
	b.super_length = header + row->packets * row->payload;
	store_be16(b.super + 2, (uint16_t)b.super_length);
}

static void
prepare(const struct row *row)
{
	for (size_t i = 0; row->up && i < row->packets; i++)
		session_seal(&b.r->session, b.r->aead, b.packet[i], b.length,
		    b.datagram[i]);
}

/* What is measured: a turn of a lane. */
static __attribute__((noinline)) void
play_row(const struct row *row)
{
	struct segmenter cut;
	uint8_t *packet;
	size_t len;

	if (row->up)
		for (size_t i = 0; i < row->packets; i++)
			lane_datagram(b.lane, &b.arrival, b.datagram[i],
			    b.length + WIREGUARD_OVERHEAD);
	else if (!row->super)
		for (size_t i = 0; i < row->packets; i++)
			lane_packet(b.lane, b.packet[i], b.length);
	else if (segmenter_init(&cut, b.vnet, b.super, b.super_length))
		while ((packet = segmenter_next(&cut, b.room, &len)) != NULL)
			lane_packet(b.lane, packet, len);
	tun_io_flush(b.tun);
	lane_timeout(b.lane);
	lane_left(b.lane, false, false);
	lane_settle(b.lane);
	udp_io_flush(b.udp);
}

static double
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
measure(const struct row *row, unsigned rounds)
{
	const struct shard_counters *c = &b.r->page.shard[0].counters;
	uint64_t passed = c->outbound_packets + c->inbound_packets;
	double spent = 0, began;

	for (size_t i = 0; i < row->packets; i++)
		make_packet(row, i);
	make_super(row);
	for (unsigned i = 0; i < rounds; i++) {
		b.r->now = mono_add_ns(b.r->now, 100000);
		lane_set_time(b.lane, b.r->now);
		prepare(row);
		began = cpu_ns();
		play_row(row);
		spent += cpu_ns() - began;
		by_hand_settle(b.r->dp);
	}
	passed = c->outbound_packets + c->inbound_packets - passed;
	assert_int_equal(passed, rounds * row->packets);
	printf("| %s | %.0f |\n", row->name, spent / (double)passed);
}

static void
set_up_path(struct rig *r)
{
	struct ipc_authorization a = authorization(r);
	struct io_counters *io = &r->page.io[1].counters;

	connected(r);
	a.filters_count = 0;
	a.expires_at = 0;
	tell(r, authorization, &a);
	settle(r);
	b.r = r;
	b.arrival = (struct arrival){
		.from = at("192.0.2.7:50000"),
		.local = at("10.0.0.4:52625"),
	};
	/* Neither is there: a call of the kernel costs next to nothing. */
	b.tun = tun_io_new(-1, COALESCE_TCP | COALESCE_UDP, &r->now, io);
	b.udp = udp_io_new(-1, 0, -1, 0, &r->now, io);
	b.lane = dataplane_lane(r->dp, 0);
	b.lane->sink = (struct packet_sink){ NULL, sink_udp, sink_tun };
}

int
main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 2000;
	size_t count = sizeof(rows) / sizeof(rows[0]);
	void *state;

	log_init_sink("bench", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1 || setenv("POSTERN_TEST_LANES", "1", 1) == -1)
		return 1;
	set_up(&state);
	set_up_path(state);
	printf("| a packet, with its cipher | ns |\n|---|---:|\n");
	for (size_t i = 0; i < count; i++)
		if (argc < 3 || (size_t)atoi(argv[2]) == i)
			measure(&rows[i], rounds);
	tun_io_free(b.tun);
	udp_io_free(b.udp);
	return tear_down(&state);
}
