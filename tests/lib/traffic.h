/*
 * Random traffic of TCP and UDP between a client and its site, as packets and
 * as the kernel's super-packets, and what the kernel makes of these: anything
 * may change within a flow, and some packets have wrong checksums.
 */
#ifndef TESTS_LIB_TRAFFIC_H
#define TESTS_LIB_TRAFFIC_H

#include <linux/virtio_net.h>
#include <netinet/in.h>

#include "net-worker/core/inner/headers.h"
#include "net-worker/core/inner/offload.h"
#include "tests/lib/checksums.h"
#include "tests/lib/dataplane.h"
#include "tests/lib/dice.h"

#define PROXY    "100.96.0.1"
#define PROXY_V6 "[fd00:2021:1111:8000::1]"
#define UDP_L4   5  /* VIRTIO_NET_HDR_GSO_UDP_L4, of newer headers */
#define PACKETS  60 /* of a round; fewer than sockets hold */

static struct dice dice;

struct sample {
	uint8_t bytes[INNER_PACKET_MAX];
	size_t length;
	uint8_t outer_ecn;
};

/* Of one way, up or down, in a round. */
struct samples {
	struct sample at[2 * PACKETS];
	size_t count;
};

struct flow {
	bool v6, udp, proxy;
	uint16_t port; /* the client's */
	/* The headers that the next packet has as well, and their length. */
	uint8_t ip[IPV4_HEADER_LEN + 40], transport[60];
	size_t ip_len, transport_len;
	size_t payload;
};

static inline struct sample *
one_more(struct samples *s)
{
	assert_true(s->count < 2 * PACKETS);
	s->at[s->count].outer_ecn = 0;
	return &s->at[s->count++];
}

static inline void
parse(struct sample *s, struct packet *p)
{
	assert_int_equal(packet_parse(s->bytes, s->length, p), PACKET_OK);
}

static inline void
set_length(struct sample *s)
{
	if (s->bytes[0] >> 4 == 6)
		store_be16(s->bytes + IPV6_PAYLOAD, (uint16_t)(s->length - 40));
	else
		store_be16(s->bytes + IPV4_TOTAL, (uint16_t)s->length);
}

/* Flows. */

static inline void
fill(uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)roll(&dice, 256);
}

static inline const char *
site_address(const struct flow *f, bool up)
{
	if (!f->proxy)
		return f->v6 ? "[fd00:20::9]:80" : "10.20.0.9:80";
	if (up)
		return f->v6 ? PROXY_V6 ":80" : PROXY ":80";
	return f->v6 ? "[2001:db8::80]:80" : "192.0.2.80:80";
}

static inline void
begin_ip(struct flow *f, bool up)
{
	struct endpoint site = at(site_address(f, up)),
			client = at(
			    f->v6 ? "[fd00:2021:1111::2]:0" : "100.64.0.2:0");
	struct ip_address *from = up ? &client.ip : &site.ip;
	struct ip_address *to = up ? &site.ip : &client.ip;
	size_t size = f->v6 ? 16 : 4, options = 4 * roll(&dice, 4);
	uint8_t *ip = f->ip;

	fill(ip, sizeof(f->ip));
	memcpy(ip + (f->v6 ? IPV6_SOURCE : IPV4_SOURCE), from->bytes, size);
	memcpy(ip + (f->v6 ? IPV6_DESTINATION : IPV4_DESTINATION), to->bytes,
	    size);
	if (f->v6) {
		ip[0] = (uint8_t)(0x60 | (ip[0] & 0x0f));
		ip[IPV6_NEXT] = f->udp ? IPPROTO_UDP : IPPROTO_TCP;
		ip[7] |= 0x20;
		f->ip_len = IPV6_HEADER_LEN;
		return;
	}
	/* Options, which are no-operations, are rare. */
	if (f->proxy || !percent(&dice, 10))
		options = 0;
	memset(ip + IPV4_HEADER_LEN, 1, options);
	f->ip_len = IPV4_HEADER_LEN + options;
	ip[0] = (uint8_t)(0x40 | f->ip_len / 4);
	store_be16(ip + IPV4_FRAGMENT, percent(&dice, 50) ? IPV4_DF : 0);
	ip[8] |= 0x20;
	ip[IPV4_PROTOCOL] = f->udp ? IPPROTO_UDP : IPPROTO_TCP;
}

static inline void
begin_flow(struct flow *f, uint16_t port)
{
	f->v6 = percent(&dice, 50);
	f->udp = percent(&dice, 50);
	f->proxy = percent(&dice, 20);
	f->port = port;
	begin_ip(f, true);
	fill(f->transport, sizeof(f->transport));
	store_be16(f->transport, f->port);
	store_be16(f->transport + 2, 80);
	f->transport_len =
	    f->udp ? UDP_HEADER_LEN : TCP_HEADER_LEN + 4 * roll(&dice, 11);
	f->transport[TCP_OFFSET] =
	    (uint8_t)(f->udp ? 0 : f->transport_len << 2 | roll(&dice, 2));
	f->transport[TCP_FLAGS] = TCP_ACK;
	f->payload = 1 +
	    roll(&dice,
		(uint32_t)(INNER_PACKET_MAX - f->ip_len - f->transport_len -
		    (f->proxy ? 100 : 0)));
}

/* The same, the other way. */
static inline void
continue_flow(struct flow *f)
{
	begin_ip(f, false);
	store_be16(f->transport, 80);
	store_be16(f->transport + 2, f->port);
}

/* Now and then something changes that must not be lost by gluing. */
static inline void
change_flow(struct flow *f)
{
	/* Acknowledgement, window and urgent pointer. */
	static const uint8_t others[] = { 11, 15, 19 };
	uint8_t *h = f->transport;

	if (percent(&dice, 5))
		f->ip[1] ^= (uint8_t)(1 << roll(&dice, 8));
	if (percent(&dice, 3))
		f->ip[f->v6 ? 7 : 8] ^= 1;
	if (!f->v6 && percent(&dice, 5))
		store_be16(
		    f->ip + IPV4_IDENTIFIER, (uint16_t)roll(&dice, 65536));
	if (f->udp)
		return;
	h[TCP_FLAGS] = TCP_ACK;
	if (percent(&dice, 5))
		h[TCP_FLAGS] |= TCP_PSH;
	/* NAT shall not see the end of it, which is not what this is about. */
	if (percent(&dice, 5))
		h[TCP_FLAGS] = (uint8_t)roll(&dice, 256) &
		    (f->proxy ? (uint8_t) ~(TCP_FIN | TCP_SYN | TCP_RST)
			      : UINT8_MAX);
	if (percent(&dice, 3))
		h[PICK(&dice, others)] ^= 4;
	if (f->transport_len > TCP_HEADER_LEN && percent(&dice, 3))
		h[f->transport_len - 1] ^= 1;
	if (percent(&dice, 3))
		store_be32(h + TCP_SEQUENCE, roll(&dice, 1u << 31));
}

static inline size_t
some_payload(const struct flow *f)
{
	switch (roll(&dice, 20)) {
	case 0:
		return 0;
	case 1:
		return 1 + roll(&dice, (uint32_t)f->payload);
	default:
		return f->payload;
	}
}

/* One of its checksums, or both, are not right. */
static inline void
spoil(const struct flow *f, struct sample *s)
{
	if (percent(&dice, 3))
		s->bytes[f->ip_len + (f->udp ? UDP_CHECKSUM : TCP_CHECKSUM)] ^=
		    0x10;
	if (!f->v6 && percent(&dice, 3))
		s->bytes[IPV4_CHECKSUM] ^= 0x10;
}

/* The next packet of a flow, checksums included. */
static inline void
next_packet(struct flow *f, struct sample *s)
{
	size_t payload = some_payload(f), header = f->ip_len + f->transport_len;
	uint8_t *h = s->bytes + f->ip_len;
	struct packet p;

	change_flow(f);
	memcpy(s->bytes, f->ip, f->ip_len);
	memcpy(h, f->transport, f->transport_len);
	fill(s->bytes + header, payload);
	s->length = header + payload;
	set_length(s);
	if (f->udp)
		store_be16(h + UDP_LENGTH, (uint16_t)(8 + payload));
	parse(s, &p);
	set_checksums(&p);
	if (f->udp && !f->v6 && percent(&dice, 3))
		store_be16(h + UDP_CHECKSUM, 0);
	spoil(f, s);
	if (!f->v6)
		store_be16(f->ip + IPV4_IDENTIFIER,
		    (uint16_t)(load_be16(f->ip + IPV4_IDENTIFIER) + 1));
	if (!f->udp)
		store_be32(f->transport + TCP_SEQUENCE,
		    load_be32(f->transport + TCP_SEQUENCE) + (uint32_t)payload);
}

/* What the device hands over. */

struct super {
	struct virtio_net_hdr vnet;
	uint8_t packet[SUPER_PACKET_MAX];
	size_t length;
};

/* A super-packet, or one whose checksum is left to us. */
static inline void
make_super(struct flow *f, size_t pieces, struct super *s)
{
	size_t header = f->ip_len + f->transport_len;
	size_t payload =
	    (pieces - 1) * f->payload + 1 + roll(&dice, (uint32_t)f->payload);
	size_t field = f->udp ? UDP_CHECKSUM : TCP_CHECKSUM;
	uint8_t *h = s->packet + f->ip_len;
	struct ip_address from = { .family = f->v6 ? IP_V6 : IP_V4 }, to = from;
	size_t size = ip_size(&from);

	change_flow(f);
	memcpy(s->packet, f->ip, f->ip_len);
	memcpy(h, f->transport, f->transport_len);
	fill(s->packet + header, payload);
	s->length = header + payload;
	memcpy(from.bytes, f->ip + (f->v6 ? IPV6_SOURCE : IPV4_SOURCE), size);
	memcpy(to.bytes, f->ip + (f->v6 ? IPV6_DESTINATION : IPV4_DESTINATION),
	    size);
	if (f->udp)
		store_be16(h + UDP_LENGTH, (uint16_t)(8 + payload));
	store_be16(h + field,
	    (uint16_t)~checksum_finish(checksum_pseudo(&from, &to,
		f->udp ? IPPROTO_UDP : IPPROTO_TCP, s->length - f->ip_len)));
	if (f->v6) {
		store_be16(
		    s->packet + IPV6_PAYLOAD, (uint16_t)(s->length - 40));
	} else {
		store_be16(s->packet + IPV4_TOTAL, (uint16_t)s->length);
		store_be16(s->packet + IPV4_CHECKSUM, 0);
		store_be16(s->packet + IPV4_CHECKSUM,
		    checksum_finish(checksum_add(0, s->packet, f->ip_len)));
	}
	s->vnet = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = pieces == 1 ? VIRTIO_NET_HDR_GSO_NONE
		    : f->udp            ? UDP_L4
		    : f->v6             ? VIRTIO_NET_HDR_GSO_TCPV6
					: VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)header,
		.gso_size = pieces == 1 ? 0 : (uint16_t)f->payload,
		.csum_start = (uint16_t)f->ip_len,
		.csum_offset = (uint16_t)field,
	};
}

/* As the kernel cuts it. */
static inline void
cut_super(const uint8_t *packet, size_t len, const struct virtio_net_hdr *vnet,
    struct samples *to)
{
	size_t transport = vnet->csum_start, segment = vnet->gso_size;
	bool udp = vnet->gso_type == UDP_L4;
	size_t header = transport +
	    (udp ? UDP_HEADER_LEN : (packet[transport + 12] >> 4) * 4u);

	for (size_t at = header, n = 0; at < len; at += segment, n++) {
		size_t left = len - at,
		       payload = left < segment ? left : segment;
		struct sample *s = one_more(to);
		uint8_t *h = s->bytes + transport;
		struct packet p;

		memcpy(s->bytes, packet, header);
		memcpy(s->bytes + header, packet + at, payload);
		s->length = header + payload;
		set_length(s);
		if (packet[0] >> 4 == 4)
			store_be16(s->bytes + IPV4_IDENTIFIER,
			    (uint16_t)(load_be16(packet + IPV4_IDENTIFIER) +
				n));
		if (udp) {
			store_be16(h + UDP_LENGTH, (uint16_t)(8 + payload));
		} else {
			store_be32(h + TCP_SEQUENCE,
			    load_be32(h + TCP_SEQUENCE) +
				(uint32_t)(at - header));
			h[TCP_FLAGS] &= left > segment
			    ? (uint8_t) ~(TCP_FIN | TCP_PSH)
			    : UINT8_MAX;
			h[TCP_FLAGS] &= n > 0 ? (uint8_t)~TCP_CWR : UINT8_MAX;
		}
		parse(s, &p);
		set_checksums(&p);
	}
}

#endif /* TESTS_LIB_TRAFFIC_H */
