/* Segmentation at the TUN: see offload.h. */
#include "net-worker/core/inner/offload.h"

#include <endian.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/inner/byte_sum.h"
#include "net-worker/core/inner/headers.h"

/* Newer than the reference system's headers: Linux 6.2. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

_Static_assert(sizeof(struct virtio_net_hdr) == VNET_HEADER_LEN,
    "the vnet header is the legacy one");

/* The pseudo-header's part, from the packet's own addresses; not folded. */
static uint64_t
add_pseudo(const uint8_t *ip, bool v6, uint8_t protocol, size_t transport_len)
{
	uint64_t sum =
	    v6 ? byte_sum(ip + IPV6_SOURCE, 32) : byte_sum(ip + IPV4_SOURCE, 8);

	return sum + htobe32((uint32_t)transport_len) + htobe16(protocol);
}

/* Of TCP or UDP of a packet, len bytes of that sum. */
static uint16_t
transport_checksum(
    const uint8_t *ip, bool v6, uint8_t protocol, size_t len, uint64_t sum)
{
	return byte_sum_checksum(add_pseudo(ip, v6, protocol, len) + sum);
}

static void
set_ip_length(uint8_t *ip, bool v6, size_t total)
{
	if (v6) {
		store_be16(
		    ip + IPV6_PAYLOAD, (uint16_t)(total - IPV6_HEADER_LEN));
		return;
	}
	store_be16(ip + IPV4_TOTAL, (uint16_t)total);
	store_be16(ip + IPV4_CHECKSUM, 0);
	store_be16(ip + IPV4_CHECKSUM,
	    byte_sum_checksum(byte_sum(ip, (ip[0] & 0x0fu) * 4u)));
}

/* Cutting. */

/* A checksum that the kernel left to us: RFC 1071 over what it covers. */
static bool
complete_checksum(
    const struct virtio_net_hdr *vnet, uint8_t *packet, size_t len)
{
	size_t start = vnet->csum_start, at = start + vnet->csum_offset;
	uint16_t sum;

	if (at + 2 > len || start > len)
		return false;
	/* The field holds the pseudo-header's sum already. */
	sum = byte_sum_checksum(byte_sum(packet + start, len - start));
	store_be16(packet + at, sum);
	return true;
}

/*
 * The length of the transport header, or 0 when the kind does not fit, or the
 * packet is too short for it.
 */
static size_t
transport_header(struct segmenter *s, uint8_t kind)
{
	const uint8_t *header = s->packet + s->transport;
	size_t left = s->length - s->transport;

	if (kind == VIRTIO_NET_HDR_GSO_UDP_L4) {
		s->udp = true;
		return left < UDP_HEADER_LEN ? 0 : UDP_HEADER_LEN;
	}
	if (kind !=
		(s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4) ||
	    left < TCP_HEADER_LEN ||
	    header[TCP_OFFSET] >> 4 < TCP_HEADER_LEN / 4)
		return 0;
	return (size_t)(header[TCP_OFFSET] >> 4) * 4;
}

static bool
init_cut(struct segmenter *s, const struct virtio_net_hdr *vnet)
{
	uint8_t kind = vnet->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	size_t ip_len = s->v6 ? IPV6_HEADER_LEN : (s->packet[0] & 0x0fu) * 4u,
	       len;

	s->transport = vnet->csum_start;
	if (s->transport < ip_len || s->transport > s->length ||
	    (len = transport_header(s, kind)) == 0)
		return false;
	s->header = s->transport + len;
	s->segment = vnet->gso_size;
	s->at = s->header;
	s->cut = true;
	return s->header < s->length && s->segment > 0 &&
	    s->header + s->segment <= INNER_PACKET_MAX;
}

bool
segmenter_init(struct segmenter *s, const uint8_t vnet_bytes[VNET_HEADER_LEN],
    uint8_t *packet, size_t len)
{
	struct virtio_net_hdr vnet;

	memcpy(&vnet, vnet_bytes, sizeof(vnet));
	memset(s, 0, sizeof(*s));
	if (len < IPV4_HEADER_LEN)
		return false;
	s->packet = packet;
	s->length = len;
	s->v6 = packet[0] >> 4 == 6;
	if (vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return len >= (s->v6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN) &&
		    init_cut(s, &vnet);
	if (vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return complete_checksum(&vnet, packet, len);
	return true;
}

static void
finish_tcp(const struct segmenter *s, uint8_t *tcp, bool last)
{
	uint32_t sent = (uint32_t)(s->at - s->header);

	store_be32(tcp + TCP_SEQUENCE, load_be32(tcp + TCP_SEQUENCE) + sent);
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (s->number > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

static void
finish_checksum(
    const struct segmenter *s, uint8_t *to, size_t len, uint64_t sum_of_payload)
{
	uint8_t *header = to + s->transport;
	uint8_t *field = header + (s->udp ? UDP_CHECKSUM : TCP_CHECKSUM);
	uint16_t sum;

	store_be16(field, 0);
	sum = transport_checksum(to, s->v6, s->udp ? IPPROTO_UDP : IPPROTO_TCP,
	    len, byte_sum(header, s->header - s->transport) + sum_of_payload);
	/* Of UDP zero would mean that there is none (RFC 768). */
	store_be16(field, s->udp && sum == 0 ? 0xffff : sum);
}

static void
finish_segment(const struct segmenter *s, uint8_t *to, size_t total,
    uint64_t sum_of_payload, bool last)
{
	uint8_t *header = to + s->transport;
	size_t len = total - s->transport;

	if (!s->v6)
		store_be16(to + IPV4_IDENTIFIER,
		    (uint16_t)(load_be16(to + IPV4_IDENTIFIER) + s->number));
	set_ip_length(to, s->v6, total);
	if (s->udp)
		store_be16(header + UDP_LENGTH, (uint16_t)len);
	else
		finish_tcp(s, header, last);
	finish_checksum(s, to, len, sum_of_payload);
}

uint8_t *
segmenter_next(struct segmenter *s, uint8_t room[INNER_PACKET_MAX], size_t *len)
{
	size_t payload = s->length - s->at;
	bool last = payload <= s->segment;
	uint64_t sum;

	if (s->at >= s->length)
		return NULL;
	if (!s->cut) {
		s->at = s->length;
		*len = s->length;
		return s->packet;
	}
	if (!last)
		payload = s->segment;
	memcpy(room, s->packet, s->header);
	sum = byte_sum_copied(room + s->header, s->packet + s->at, payload);
	finish_segment(s, room, s->header + payload, sum, last);
	s->at += payload;
	s->number++;
	*len = s->header + payload;
	return room;
}

/* Gluing. */

/* Where a packet that may be glued has its parts. */
struct piece_view {
	unsigned kind;
	bool v6;
	size_t transport, header_len, payload;
	const uint8_t *header; /* of TCP or UDP */
};

static uint8_t
protocol_of(unsigned kind)
{
	return kind == COALESCE_TCP ? IPPROTO_TCP : IPPROTO_UDP;
}

/* Only acknowledged data. */
static bool
view_tcp(size_t len, struct piece_view *v)
{
	size_t tcp_len;

	if (len < TCP_HEADER_LEN)
		return false;
	tcp_len = (size_t)(v->header[TCP_OFFSET] >> 4) * 4;
	v->header_len = v->transport + tcp_len;
	return tcp_len >= TCP_HEADER_LEN && tcp_len < len &&
	    (v->header[TCP_FLAGS] & ~TCP_PSH) == TCP_ACK;
}

/* An empty datagram would be lost among others: they are told by length. */
static bool
view_udp(size_t len, struct piece_view *v)
{
	v->header_len = v->transport + UDP_HEADER_LEN;
	return len > UDP_HEADER_LEN &&
	    load_be16(v->header + UDP_LENGTH) == len &&
	    load_be16(v->header + UDP_CHECKSUM) != 0;
}

/*
 * Only without IP options or extension headers, and with right checksums: the
 * super-packet's are made anew, and must not make good what was bad, or none.
 */
static bool
view_piece(
    const uint8_t *packet, size_t len, unsigned kinds, struct piece_view *v)
{
	uint8_t protocol;

	v->v6 = packet[0] >> 4 == 6;
	v->transport = v->v6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN;
	if (len < v->transport || (!v->v6 && packet[0] != 0x45))
		return false;
	protocol = packet[v->v6 ? IPV6_NEXT : IPV4_PROTOCOL];
	v->kind = protocol == IPPROTO_TCP ? COALESCE_TCP
	    : protocol == IPPROTO_UDP     ? COALESCE_UDP
					  : 0;
	v->header = packet + v->transport;
	len -= v->transport;
	if ((v->kind & kinds) == 0 ||
	    !(v->kind == COALESCE_TCP ? view_tcp(len, v) : view_udp(len, v)))
		return false;
	v->payload = v->transport + len - v->header_len;
	if (!v->v6 && byte_sum_checksum(byte_sum(packet, IPV4_HEADER_LEN)) != 0)
		return false;
	return transport_checksum(
		   packet, v->v6, protocol, len, byte_sum(v->header, len)) == 0;
}

/* Whether its ports lie behind something, if there are any. */
static bool
ports_hidden(const uint8_t *packet)
{
	if (packet[0] >> 4 != 6)
		return packet[0] != 0x45;
	return packet[IPV6_NEXT] != IPPROTO_TCP &&
	    packet[IPV6_NEXT] != IPPROTO_UDP &&
	    packet[IPV6_NEXT] != IPPROTO_ICMPV6;
}

/*
 * Whether it must not overtake what is glued: of these addresses and ports, or
 * it may be.
 */
static bool
same_flow(const struct coalescer *c, const uint8_t *packet, size_t len)
{
	bool v6 = packet[0] >> 4 == 6;
	size_t from = v6 ? IPV6_SOURCE : IPV4_SOURCE,
	       ports = v6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN;

	if (v6 != c->v6 || len < ports ||
	    memcmp(c->header + from, packet + from, ports - from) != 0)
		return false;
	if (ports_hidden(packet))
		return true;
	return packet[v6 ? IPV6_NEXT : IPV4_PROTOCOL] == protocol_of(c->kind) &&
	    len >= ports + PORTS_LEN &&
	    memcmp(c->header + ports, packet + ports, PORTS_LEN) == 0;
}

/*
 * The kernel counts the identification up from the first packet's. That may be
 * seen only where none needs to be its own: nobody takes the packet apart
 * (RFC 6864, 4.1).
 */
static bool
ipv4_matches(const struct coalescer *c, const uint8_t *packet)
{
	const uint8_t *ours = c->header;
	uint16_t next =
	    (uint16_t)(load_be16(ours + IPV4_IDENTIFIER) + c->count);

	return ours[1] == packet[1] && ours[8] == packet[8] &&
	    memcmp(ours + IPV4_FRAGMENT, packet + IPV4_FRAGMENT, 2) == 0 &&
	    ((load_be16(packet + IPV4_FRAGMENT) & IPV4_DF) != 0 ||
		load_be16(packet + IPV4_IDENTIFIER) == next);
}

/* Traffic class, flow label and hop limit. */
static bool
ipv6_matches(const struct coalescer *c, const uint8_t *packet)
{
	return memcmp(c->header, packet, 4) == 0 && c->header[7] == packet[7];
}

/* Acknowledgement, window, urgent pointer and options. */
static bool
tcp_matches(const struct coalescer *c, const struct piece_view *v)
{
	const uint8_t *ours = c->header + c->transport;

	return load_be32(v->header + TCP_SEQUENCE) == c->next_sequence &&
	    memcmp(ours + TCP_ACKNOWLEDGEMENT, v->header + TCP_ACKNOWLEDGEMENT,
		5) == 0 &&
	    memcmp(ours + 14, v->header + 14, 2) == 0 &&
	    memcmp(ours + 18, v->header + 18,
		v->header_len - v->transport - 18) == 0;
}

/* Everything but lengths, push and checksums, of a packet of the flow. */
static bool
headers_match(const struct coalescer *c, const uint8_t *packet,
    const struct piece_view *v)
{
	return c->header_len == v->header_len &&
	    (v->v6 ? ipv6_matches(c, packet) : ipv4_matches(c, packet)) &&
	    (v->kind == COALESCE_UDP || tcp_matches(c, v));
}

static void
append_piece(struct coalescer *c, uint8_t *packet, const struct piece_view *v)
{
	c->pieces[2 + c->count++] =
	    (struct iovec){ packet + v->header_len, v->payload };
	c->payload += v->payload;
	if (v->payload < c->segment)
		c->sealed = true;
	if (v->kind != COALESCE_TCP)
		return;
	c->next_sequence += (uint32_t)v->payload;
	if (v->header[TCP_FLAGS] & TCP_PSH)
		c->sealed = true;
	c->header[c->transport + TCP_FLAGS] |= v->header[TCP_FLAGS];
}

bool
coalesce_start(struct coalescer *c, uint8_t *packet, size_t len, unsigned kinds)
{
	struct piece_view v;

	c->count = 0;
	if (len < IPV4_HEADER_LEN || !view_piece(packet, len, kinds, &v))
		return false;
	memcpy(c->header, packet, v.header_len);
	c->kind = v.kind;
	c->v6 = v.v6;
	c->sealed = false;
	c->transport = v.transport;
	c->header_len = v.header_len;
	c->payload = 0;
	c->segment = v.payload;
	if (v.kind == COALESCE_TCP)
		c->next_sequence = load_be32(v.header + TCP_SEQUENCE);
	append_piece(c, packet, &v);
	return true;
}

enum coalesce_result
coalesce_add(struct coalescer *c, uint8_t *packet, size_t len)
{
	struct piece_view v;

	if (c->count == 0 || len < IPV4_HEADER_LEN ||
	    !same_flow(c, packet, len))
		return COALESCE_OTHER;
	if (c->sealed || c->count == COALESCE_PIECES ||
	    c->header_len + c->payload + len > SUPER_PACKET_MAX ||
	    !view_piece(packet, len, c->kind, &v) || v.payload > c->segment ||
	    !headers_match(c, packet, &v))
		return COALESCE_SAME_FLOW;
	append_piece(c, packet, &v);
	return COALESCE_JOINED;
}

static uint8_t
gso_type(const struct coalescer *c)
{
	if (c->kind == COALESCE_UDP)
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	return c->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

/* The headers say the length of the whole, and the kernel adds the sum. */
static void
finish_super_packet(struct coalescer *c, struct virtio_net_hdr *vnet)
{
	size_t total = c->header_len + c->payload, len = total - c->transport;
	uint8_t *header = c->header + c->transport;

	vnet->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet->gso_type = gso_type(c);
	vnet->hdr_len = (uint16_t)c->header_len;
	vnet->gso_size = (uint16_t)c->segment;
	vnet->csum_start = (uint16_t)c->transport;
	vnet->csum_offset =
	    c->kind == COALESCE_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	set_ip_length(c->header, c->v6, total);
	if (c->kind == COALESCE_UDP)
		store_be16(header + UDP_LENGTH, (uint16_t)len);
	/* Folded but not inverted. */
	store_be16(header + vnet->csum_offset,
	    byte_sum_fold(
		add_pseudo(c->header, c->v6, protocol_of(c->kind), len)));
}

const struct iovec *
coalesce_finish(struct coalescer *c, int *count)
{
	struct virtio_net_hdr vnet = { 0 };

	if (c->count > 1)
		finish_super_packet(c, &vnet);
	memcpy(c->vnet, &vnet, sizeof(vnet));
	c->pieces[0] = (struct iovec){ c->vnet, sizeof(c->vnet) };
	c->pieces[1] = (struct iovec){ c->header, c->header_len };
	*count = (int)(2 + c->count);
	c->count = 0;
	return c->pieces;
}

/* Payloads lie where their packets are, behind their own headers. */
uint8_t *
coalesce_packet(const struct coalescer *c, int count, size_t i, size_t *len)
{
	const struct iovec *payload = &c->pieces[2 + i];

	if (i + 2 >= (size_t)count)
		return NULL;
	*len = c->header_len + payload->iov_len;
	return (uint8_t *)payload->iov_base - c->header_len;
}
