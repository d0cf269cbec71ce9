/*
 * Offloads change nothing: the same random traffic goes through the data plane
 * with them, from sockets that merge to a TUN that takes and gives
 * super-packets and back, and without, one packet at a time. Packet by packet
 * the same has to come out, in the same order within a flow, and what was wrong
 * has to stay wrong.
 *
 * What the kernel does with super-packets is played here, by its rules.
 */
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sodium.h>

#include "net-worker/core/turn/channel_data.h"
#include "net-worker/dataplane/lane_state.h"
#include "net-worker/io/tun.h"
#include "net-worker/io/udp.h"
#include "tests/lib/loopback.h"
#include "tests/lib/traffic.h"

#define ROUNDS     200
#define FLOWS      8
#define MERGED_MAX 60000
#define CHANNEL    0x4001

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static const char client_at[] = "192.0.2.7:50000";
static const char relay_at[] = "203.0.113.5:3478";

/* What a lane's thread has, with offloads or without. */
struct shell {
	struct tun_io *tun;
	struct udp_io *udp;
};

static struct {
	struct rig *r;
	struct lane *lane;
	struct shell shell[2], *now; /* with offloads, without */
	int device;                  /* the kernel's side of the TUN */
	int peer;                    /* the client's socket */
	int tun_fd, udp_fd;
	struct endpoint peer_at;
	bool relayed;
	uint16_t ports;
	struct flow flow[FLOWS];
	struct samples in, out[2];
	/* Else it would be no wonder. */
	unsigned merged, glued, cut, marked;
} w;

/* The shell. */

static uint8_t *
sink_udp(void *ctx, const struct endpoint *to, const struct ip_address *from,
    uint8_t ecn, size_t len)
{
	(void)ctx;
	(void)to;
	(void)from;
	return udp_io_reserve(w.now->udp, &w.peer_at, &w.peer_at.ip, ecn, len);
}

static void
sink_tun(void *ctx, uint8_t *packet, size_t len)
{
	(void)ctx;
	tun_io_write(w.now->tun, packet, len);
}

static void
on_datagram(void *ctx, const struct arrival *arrived, uint8_t *data, size_t len)
{
	struct arrival a = {
		.from = at(w.relayed ? relay_at : client_at),
		.local = at("10.0.0.4:52625"),
		.ecn = arrived->ecn,
	};

	(void)ctx;
	lane_datagram(w.lane, &a, data, len);
}

static void
take_turn(void)
{
	uint8_t *packet;
	size_t len;

	while (udp_io_receive(w.now->udp, IP_V4, on_datagram, NULL))
		tun_io_flush(w.now->tun);
	tun_io_flush(w.now->tun);
	while ((packet = tun_io_read(w.now->tun, &len)) != NULL)
		lane_packet(w.lane, packet, len);
	tun_io_flush(w.now->tun);
	udp_io_flush(w.now->udp);
}

/* What the TUN was given. */
static void
empty_device(struct samples *to)
{
	static uint8_t bytes[VNET_HEADER_LEN + SUPER_PACKET_MAX];
	struct virtio_net_hdr vnet;
	ssize_t n;

	while ((n = recv(w.device, bytes, sizeof(bytes), 0)) > 0) {
		uint8_t *packet = bytes + VNET_HEADER_LEN;
		size_t len = (size_t)n - VNET_HEADER_LEN;
		struct sample *s;

		memcpy(&vnet, bytes, sizeof(vnet));
		if (vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
			w.glued++;
			cut_super(packet, len, &vnet, to);
			continue;
		}
		assert_int_equal(vnet.flags, 0);
		assert_true(len <= INNER_PACKET_MAX);
		s = one_more(to);
		memcpy(s->bytes, packet, len);
		s->length = len;
	}
}

/* What the client was sent; more of a datagram than its packet is padding. */
static void
empty_peer(struct samples *to)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
	uint8_t bytes[DATAGRAM_MAX], *inner;
	struct iovec iov = { bytes, sizeof(bytes) };
	uint16_t channel;
	ssize_t n;
	int len;

	for (;;) {
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		size_t header = w.relayed ? CHANNEL_DATA_OVERHEAD : 0;
		size_t inside;
		struct sample *s;

		if ((n = recvmsg(w.peer, &msg, 0)) == -1)
			return;
		inside = (size_t)n;
		if (w.relayed)
			assert_int_equal(
			    channel_data_open(bytes, &inside, &channel),
			    header);
		len = session_open(&w.r->session, w.r->aead, bytes + header,
		    (size_t)n - header, &inner);
		assert_true(len >= 0);
		if (len == 0)
			continue;
		s = one_more(to);
		memcpy(s->bytes, inner, (size_t)len);
		s->length = (size_t)len;
		s->outer_ecn = (uint8_t)(*CMSG_DATA(CMSG_FIRSTHDR(&msg)) & 3);
	}
}

/* Up: from the client. */

static void
make_packets(struct samples *in)
{
	uint8_t outer_ecn = 0;
	struct flow *f = w.flow;

	for (size_t i = 0; i < FLOWS; i++)
		begin_flow(&w.flow[i], w.ports++);
	in->count = 0;
	while (in->count < PACKETS) {
		struct sample *s = one_more(in);

		/* Each of them at first: NAT has to know them. */
		if (in->count <= FLOWS)
			f = &w.flow[in->count - 1];
		else if (percent(&dice, 20))
			f = &PICK(&dice, w.flow);
		if (percent(&dice, 5))
			outer_ecn = (uint8_t)roll(&dice, 4);
		next_packet(f, s);
		s->outer_ecn = outer_ecn;
	}
}

/* As one datagram, padded or not. */
static size_t
seal(const struct sample *s, uint8_t to[static DATAGRAM_MAX])
{
	size_t header = w.relayed ? CHANNEL_DATA_OVERHEAD : 0;
	uint8_t plain[INNER_PACKET_MAX] = { 0 };
	size_t len = s->length;

	if (percent(&dice, 50))
		len = (len + 15) & ~(size_t)15;
	memcpy(plain, s->bytes, s->length);
	if (w.relayed)
		to = channel_data_begin(to, CHANNEL, len + WIREGUARD_OVERHEAD);
	session_seal(&w.r->session, w.r->aead, plain, len, to);
	return header + len + WIREGUARD_OVERHEAD;
}

static void
add_control(
    struct msghdr *msg, int level, int type, const void *value, size_t len)
{
	uint8_t *end = (uint8_t *)msg->msg_control + msg->msg_controllen;
	struct cmsghdr *c = (struct cmsghdr *)(void *)end;

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), value, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

static void
send_merged(uint8_t *bytes, size_t len, size_t segment, uint8_t ecn)
{
	_Alignas(struct cmsghdr) uint8_t control[64] = { 0 };
	struct iovec iov = { bytes, len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
	};
	uint16_t size = (uint16_t)segment;
	int tos = ecn;

	add_control(&msg, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	if (len > segment) {
		w.merged++;
		add_control(
		    &msg, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
	}
	assert_int_equal(sendmsg(w.peer, &msg, 0), (ssize_t)len);
}

/* Those that may be one for the kernel are; else each is for itself. */
static void
client_sends_all(const struct samples *in, bool merge)
{
	static uint8_t bytes[MERGED_MAX];
	uint8_t next[DATAGRAM_MAX], ecn = 0;
	size_t len = 0, segment = 0, last = 0;

	for (size_t i = 0; i < in->count; i++) {
		const struct sample *s = &in->at[i];
		size_t n = seal(s, next);

		if (len > 0 &&
		    (!merge || last < segment || n > segment ||
			s->outer_ecn != ecn || len + n > sizeof(bytes))) {
			send_merged(bytes, len, segment, ecn);
			if (!merge)
				take_turn();
			len = 0;
		}
		if (len == 0)
			segment = n;
		memcpy(bytes + len, next, n);
		len += last = n;
		ecn = s->outer_ecn;
	}
	send_merged(bytes, len, segment, ecn);
	take_turn();
}

/*
 * What may differ is the identification of what nobody takes apart (RFC 6864,
 * 4.1), and the checksum over it, which has to be right if it was.
 */
static void
forget_identification(struct sample *s)
{
	struct packet p;

	if (s->bytes[0] >> 4 != 4 ||
	    (load_be16(s->bytes + IPV4_FRAGMENT) & IPV4_DF) == 0)
		return;
	parse(s, &p);
	if (checksum_finish(checksum_add(0, s->bytes, header_length(&p))) != 0)
		return;
	store_be16(s->bytes + IPV4_IDENTIFIER, 0);
	set_header_checksum(&p);
}

static uint16_t
client_port(struct sample *s)
{
	struct packet p;

	parse(s, &p);
	return p.source_port;
}

static void
assert_same(struct sample *got, struct sample *wanted)
{
	forget_identification(got);
	forget_identification(wanted);
	assert_int_equal(got->length, wanted->length);
	assert_memory_equal(got->bytes, wanted->bytes, wanted->length);
	assert_int_equal(got->outer_ecn, wanted->outer_ecn);
}

/* Flows may overtake each other. */
static void
compare_by_flow(struct samples *got, struct samples *wanted)
{
	bool seen[2 * PACKETS] = { 0 };

	assert_int_equal(got->count, wanted->count);
	for (size_t i = 0; i < wanted->count; i++) {
		uint16_t port = client_port(&wanted->at[i]);
		size_t k = 0;

		while (k < got->count &&
		    (seen[k] || client_port(&got->at[k]) != port))
			k++;
		assert_true(k < got->count);
		seen[k] = true;
		assert_same(&got->at[k], &wanted->at[i]);
	}
}

static void
expect_marked(const struct samples *in, struct samples *out)
{
	for (size_t i = 0; i < in->count; i++) {
		struct sample wanted = in->at[i];
		struct packet p;

		parse(&wanted, &p);
		if (ip_in_proxy_range(&p.destination))
			continue;
		if (wanted.outer_ecn == 3) {
			w.marked++;
			packet_mark_ce(&p);
		}
		wanted.outer_ecn = 0;
		assert_same(&out->at[i], &wanted);
	}
}

static void
play_up(void)
{
	make_packets(&w.in);
	for (size_t plain = 0; plain < 2; plain++) {
		w.now = &w.shell[plain];
		w.out[plain].count = 0;
		client_sends_all(&w.in, plain == 0);
		empty_device(&w.out[plain]);
	}
	assert_int_equal(w.out[1].count, w.in.count);
	expect_marked(&w.in, &w.out[1]);
	compare_by_flow(&w.out[0], &w.out[1]);
}

/* Down: from the resource. */

static void
device_sends(
    const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t len)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)vnet, VNET_HEADER_LEN },
		{ (void *)(uintptr_t)packet, len },
	};

	assert_int_equal(
	    writev(w.device, iov, 2), (ssize_t)(VNET_HEADER_LEN + len));
}

/* With offloads as it is, and cut into what is sent without. */
static void
device_sends_super(const struct super *s, struct samples *in)
{
	struct virtio_net_hdr vnet = s->vnet;

	device_sends(&s->vnet, s->packet, s->length);
	w.cut += vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE;
	if (vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		vnet.gso_type = vnet.csum_offset == UDP_CHECKSUM ? UDP_L4 : 1;
		vnet.gso_size = INNER_PACKET_MAX;
	}
	cut_super(s->packet, s->length, &vnet, in);
}

/* The client is one destination, to which everything stays in order. */
static void
compare_in_order(struct samples *got, struct samples *wanted)
{
	assert_int_equal(got->count, wanted->count);
	for (size_t i = 0; i < wanted->count; i++) {
		assert_int_equal(got->at[i].length, wanted->at[i].length);
		assert_memory_equal(got->at[i].bytes, wanted->at[i].bytes,
		    wanted->at[i].length);
		assert_int_equal(got->at[i].outer_ecn, wanted->at[i].outer_ecn);
	}
}

static void
expect_unchanged(struct samples *in, const struct samples *out)
{
	for (size_t i = 0; i < in->count; i++) {
		struct packet p;

		parse(&in->at[i], &p);
		if (p.source.bytes[0] != 10 && p.source.bytes[0] != 0xfd)
			continue;
		assert_int_equal(out->at[i].outer_ecn, packet_ecn(&p));
		assert_int_equal(out->at[i].length, in->at[i].length);
		assert_memory_equal(
		    out->at[i].bytes, in->at[i].bytes, in->at[i].length);
	}
}

/* Of the flows that the client has begun. */
static void
play_down(void)
{
	static const struct virtio_net_hdr none;
	static struct super super;

	for (size_t i = 0; i < FLOWS; i++)
		continue_flow(&w.flow[i]);
	w.in.count = 0;
	w.now = &w.shell[0];
	w.out[0].count = w.out[1].count = 0;
	while (w.in.count < PACKETS) {
		struct flow *f = &PICK(&dice, w.flow);
		size_t pieces = 1 + roll(&dice, 40);

		if (pieces > PACKETS - w.in.count)
			pieces = 1;
		make_super(f, pieces, &super);
		device_sends_super(&super, &w.in);
		if (percent(&dice, 30))
			take_turn();
	}
	take_turn();
	empty_peer(&w.out[0]);
	w.now = &w.shell[1];
	for (size_t i = 0; i < w.in.count; i++) {
		device_sends(&none, w.in.at[i].bytes, w.in.at[i].length);
		take_turn();
		empty_peer(&w.out[1]);
	}
	assert_int_equal(w.out[1].count, w.in.count);
	expect_unchanged(&w.in, &w.out[1]);
	compare_in_order(&w.out[0], &w.out[1]);
}

/* Set-up. */

static void
grant(struct rig *r, uint8_t resource, const char *network, const char *pattern)
{
	struct ipc_authorization a = authorization(r);

	a.resource.bytes[0] = resource;
	a.filters_count = 0;
	a.expires_at = 0;
	memset(&a.network, 0, sizeof(a.network));
	if (network != NULL)
		assert_true(prefix_parse(network, &a.network));
	if (pattern != NULL) {
		a.type = RESOURCE_DNS;
		strlcpy(a.pattern, pattern, sizeof(a.pattern));
	}
	tell(r, authorization, &a);
	settle(r);
}

static void
resolve_name(struct rig *r)
{
	struct ipc_name_resolved m = {
		.client = authorization(r).client,
		.resource = { { 0x77 } },
		.domain = "app.example.com",
		.proxies = { at(PROXY ":0").ip, at(PROXY_V6 ":0").ip },
		.proxies_count = 2,
		.addresses = { at("192.0.2.80:0").ip,
		    at("[2001:db8::80]:0").ip },
		.addresses_count = 2,
		.event = 1,
		.installed = "in force",
		.refused = "refused",
	};

	grant(r, 0x77, NULL, "*.example.com");
	tell(r, name_resolved, &m);
	settle(r);
	assert_string_equal(r->told, m.installed);
}

static void
open_ends(void)
{
	struct sockaddr_storage name;
	struct endpoint ours;
	socklen_t len;
	int on = 1, ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	w.tun_fd = ends[0];
	w.device = ends[1];
	w.udp_fd = open_loopback(&ours, IP_RECVTOS);
	w.peer = open_loopback(&w.peer_at, IP_RECVTOS);
	len = endpoint_to_sockaddr(&ours, &name);
	assert_int_equal(connect(w.peer, (struct sockaddr *)&name, len), 0);
	assert_int_equal(
	    setsockopt(w.udp_fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
	assert_int_equal(
	    setsockopt(w.udp_fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
	for (size_t i = 0; i < 2; i++) {
		struct io_counters *c = &w.r->page.io[1].counters;
		struct shell *s = &w.shell[i];

		s->tun = tun_io_new(w.tun_fd,
		    i == 0 ? COALESCE_TCP | COALESCE_UDP : 0, &w.r->now, c);
		s->udp = udp_io_new(w.udp_fd, ours.port, -1, 0, &w.r->now, c);
		assert_non_null(s->tun);
		assert_non_null(s->udp);
	}
}

static int
set_up_shells(void **state)
{
	struct rig *r;

	set_up(state);
	memset(&w, 0, sizeof(w));
	w.r = r = *state;
	dice = dice_new(1, 0);
	w.ports = 2000;
	connected(r);
	grant(r, 0x42, "10.20.0.0/24", NULL);
	grant(r, 0x43, "fd00:20::/64", NULL);
	resolve_name(r);
	open_ends();
	w.lane = dataplane_lane(r->dp, 0);
	w.lane->sink = (struct packet_sink){ NULL, sink_udp, sink_tun };
	return 0;
}

static int
tear_down_shells(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		tun_io_free(w.shell[i].tun);
		udp_io_free(w.shell[i].udp);
	}
	close(w.device);
	close(w.peer);
	close(w.tun_fd);
	close(w.udp_fd);
	return tear_down(state);
}

/* From now on the shard, for its part, has the client behind the relay. */
static void
move_to_relay(void)
{
	struct shard_command command = {
		.type = SHARD_PATH,
		.connection = CONNECTION_INDEX(w.r->session.remote_index),
		.path = {
			.local = at("198.51.100.9:50001"),
			.remote = at(client_at),
			.relayed = true,
			.relay = at(relay_at),
			.channel = CHANNEL,
		},
	};

	assert_true(shard_post(w.lane->shard, &command));
	w.relayed = true;
}

static void
same_with_and_without(void **state)
{
	const struct io_counters *io = &w.r->page.io[1].counters;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		if (round == ROUNDS / 2)
			move_to_relay();
		w.r->now = mono_add_ms(w.r->now, 10);
		lane_set_time(w.lane, w.r->now);
		play_up();
		play_down();
	}
	assert_true(w.merged > ROUNDS && w.glued > ROUNDS);
	assert_true(w.cut > ROUNDS && w.marked > 0);
	assert_int_equal(io->udp_segmentation_refused, 0);
	assert_int_equal(io->tun_segmentation_refused, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    same_with_and_without, set_up_shells, tear_down_shells),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1 || setenv("POSTERN_TEST_LANES", "1", 1) == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
