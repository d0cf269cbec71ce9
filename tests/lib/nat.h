/*
 * A NAT table with its clock, and flows that go through it. Whatever comes out
 * has right checksums and the fields that its bytes say.
 */
#ifndef TESTS_LIB_NAT_H
#define TESTS_LIB_NAT_H

#include "tests/lib/packets.h"

#include "net-worker/core/inner/nat.h"
#include "net-worker/core/inner/translate.h"
#include "tests/lib/checksums.h"

#define FIN 0x01
#define RST 0x04

struct flow {
	struct ip_address from, to; /* a client's address, a proxy address */
	uint8_t protocol;
	uint16_t port; /* or echo id */
	uint16_t other_port;
};

enum flow_name { TCP_V4, TCP_V6, UDP_V4, UDP_V6, ECHO_V4, ECHO_V6, FLOWS };

#define CLIENT_V4                     \
	{                             \
		IP_V4,                \
		{                     \
			100, 64, 0, 9 \
		}                     \
	}
#define CLIENT_V6                                                 \
	{                                                         \
		IP_V6,                                            \
		{                                                 \
			0xfd, 0, 0x20, 0x21, 0x11, 0x11, [15] = 9 \
		}                                                 \
	}
#define PROXY_V4                         \
	{                                \
		IP_V4,                   \
		{                        \
			100, 96, 0, 0x10 \
		}                        \
	}
#define PROXY_V6                                                              \
	{                                                                     \
		IP_V6,                                                        \
		{                                                             \
			0xfd, 0, 0x20, 0x21, 0x11, 0x11, 0x80, 0, [15] = 0x10 \
		}                                                             \
	}
#define REAL_V4                     \
	{                           \
		IP_V4,              \
		{                   \
			10, 1, 2, 3 \
		}                   \
	}
#define REAL_V6                                             \
	{                                                   \
		IP_V6,                                      \
		{                                           \
			0x20, 0x01, 0x0d, 0xb8, [15] = 0x77 \
		}                                           \
	}

static const struct flow flows[FLOWS] = {
	[TCP_V4] = { CLIENT_V4, PROXY_V4, IPPROTO_TCP, 40000, 443 },
	[TCP_V6] = { CLIENT_V6, PROXY_V6, IPPROTO_TCP, 40000, 443 },
	[UDP_V4] = { CLIENT_V4, PROXY_V4, IPPROTO_UDP, 40000, 53 },
	[UDP_V6] = { CLIENT_V6, PROXY_V6, IPPROTO_UDP, 40000, 53 },
	[ECHO_V4] = { CLIENT_V4, PROXY_V4, IPPROTO_ICMP, 40000, 0 },
	[ECHO_V6] = { CLIENT_V6, PROXY_V6, IPPROTO_ICMPV6, 40000, 0 },
};

/* Of these flows. */
static const struct ip_address reals[FLOWS] = { REAL_V4, REAL_V6, REAL_V4,
	REAL_V6, REAL_V4, REAL_V6 };

struct rig {
	struct nat *nat;
	struct mono now, last_tick;
	struct ip_address real[2]; /* by family */
	uint8_t out[2048], in[2048], to[TRANSLATE_WHOLE_MAX];
};

static inline struct rig
rig_new(void **state)
{
	struct rig r = { .nat = nat_new(), .real = { REAL_V4, REAL_V6 } };

	(void)state;
	assert_non_null(r.nat);
	r.now = mono_add_ms(r.now, 1000250);
	assert_true(mono_is_never(nat_deadline(r.nat)));
	return r;
}

static inline void
rig_free(struct rig *r)
{
	nat_free(r->nat);
}

static inline void
tick(struct rig *r)
{
	nat_timeout(r->nat, r->now);
	r->last_tick = r->now;
	assert_true(mono_before(r->now, nat_deadline(r->nat)));
}

static inline void
wait_s(struct rig *r, unsigned seconds)
{
	r->now = mono_add_s(r->now, seconds);
}

static inline uint16_t
port_here(const struct packet *p)
{
	return p->kind == PACKET_ICMP_ECHO ? p->source_port
					   : p->destination_port;
}

static inline struct packet
build_flow(uint8_t *data, const struct flow *f, bool reply, uint8_t flags)
{
	const struct ip_address *from = reply ? &f->to : &f->from,
				*to = reply ? &f->from : &f->to;
	uint16_t source = reply ? f->other_port : f->port,
		 destination = reply ? f->port : f->other_port;
	uint8_t icmp[2][2] = { { 8, 0 }, { 128, 129 } };
	struct packet p;
	size_t len;

	if (f->protocol == IPPROTO_TCP || f->protocol == IPPROTO_UDP) {
		len = build_ports(
		    data, from, to, f->protocol, source, destination);
		p = parsed(data, len);
		if (p.kind == PACKET_TCP)
			data[p.transport + 13] = flags;
	} else {
		/* The data, where TCP has its flags, is not looked at. */
		uint8_t rest[8] = { [5] = flags };

		len = build_icmp(data, from, to,
		    icmp[from->family == IP_V6][reply], 0,
		    (uint32_t)f->port << 16 | 1, rest, sizeof(rest));
		p = parsed(data, len);
	}
	set_checksums(&p);
	return p;
}

static inline struct packet
make(struct rig *r, const struct flow *f, uint8_t flags)
{
	return build_flow(r->out, f, false, flags);
}

/* The result is what it says, and so is the packet. */
static inline void
check_packet(const struct packet *p, const uint8_t *before, enum nat_result got)
{
	struct packet again = parsed(p->data, p->length);

	assert_true(ip_equal(&p->source, &again.source));
	assert_true(ip_equal(&p->destination, &again.destination));
	assert_int_equal(p->source_port, again.source_port);
	assert_int_equal(p->destination_port, again.destination_port);
	assert_true(checksums_right(p));
	if (got != NAT_TRANSLATED)
		assert_memory_equal(p->data, before, p->length);
}

static inline struct packet
outbound_any(
    struct rig *r, const struct flow *f, uint8_t flags, enum nat_result *result)
{
	struct packet p = make(r, f, flags);
	uint8_t before[2048];

	memcpy(before, p.data, p.length);
	*result =
	    nat_outbound(r->nat, r->now, &p, &r->real[f->to.family == IP_V6], 0);
	check_packet(&p, before, *result);
	return p;
}

static inline struct packet
outbound(
    struct rig *r, const struct flow *f, uint8_t flags, enum nat_result want)
{
	enum nat_result result;
	struct packet p = outbound_any(r, f, flags, &result);

	assert_int_equal(result, want);
	return p;
}

/* The outside value that the flow gets. */
static inline uint16_t
value_of(struct rig *r, const struct flow *f)
{
	return outbound(r, f, 0, NAT_TRANSLATED).source_port;
}

/* A packet that comes from where the flow goes to. */
static inline struct packet
unasked(
    struct rig *r, const struct flow *f, uint8_t flags, enum nat_result *result)
{
	struct flow outside = *f;
	uint8_t before[2048];
	struct packet p;
	size_t length = 0;

	outside.to = r->real[f->to.family == IP_V6];
	p = build_flow(r->in, &outside, true, flags);
	memcpy(before, p.data, p.length);
	*result =
	    nat_inbound(r->nat, r->now, &p, &outside.from, r->to, &length);
	assert_int_equal(length, p.length);
	check_packet(&p, before, *result);
	return p;
}

/* The reply to a packet as it went out. */
static inline struct packet
inbound(struct rig *r, const struct packet *sent, uint8_t flags,
    enum nat_result want)
{
	struct flow f = { sent->source, sent->destination, sent->protocol,
		sent->source_port, sent->destination_port };
	uint8_t before[2048];
	struct packet p = build_flow(r->in, &f, true, flags);
	enum nat_result result;
	size_t length = 0;

	memcpy(before, p.data, p.length);
	result = nat_inbound(r->nat, r->now, &p, &f.from, r->to, &length);
	assert_int_equal(result, want);
	assert_int_equal(length, p.length);
	check_packet(&p, before, result);
	return p;
}

static inline struct flow
random_flow(struct dice *d)
{
	struct flow f = flows[roll(d, FLOWS)];

	f.port = (uint16_t)(roll(d, 4) == 0 ? UINT16_MAX * roll(d, 2)
					    : roll(d, 65536));
	f.other_port = (uint16_t)roll(d, 65536);
	f.to.bytes[3] ^= (uint8_t)roll(d, 16);
	return f;
}

/* To the same real address or to another one. */
static inline struct packet
send_copy(struct rig *r, const struct flow *f, bool elsewhere)
{
	struct packet p;

	r->real[f->to.family == IP_V6].bytes[2] ^= elsewhere;
	p = outbound(r, f, 0, NAT_TRANSLATED);
	r->real[f->to.family == IP_V6].bytes[2] ^= elsewhere;
	return p;
}

/* What the client gets of an error, or that error, which is not touched. */
static inline struct packet
error_in(struct rig *r, struct packet p, enum nat_result want)
{
	struct ip_address client = p.destination;
	uint8_t before[2048];
	size_t length = 0;

	memcpy(before, p.data, p.length);
	assert_int_equal(
	    nat_inbound(r->nat, r->now, &p, &client, r->to, &length), want);
	assert_memory_equal(before, p.data, p.length);
	if (want != NAT_TRANSLATED) {
		assert_int_equal(length, p.length);
		return p;
	}
	p = parsed(r->to, length);
	assert_true(checksums_right(&p));
	return p;
}

#endif /* TESTS_LIB_NAT_H */
