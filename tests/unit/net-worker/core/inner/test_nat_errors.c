/*
 * NAT: ICMP errors that quote what has been sent: firezone-policy(7), Rebuilt
 * ICMP errors.
 */
#include "tests/lib/nat.h"

#include "net-worker/core/inner/icmp.h"

static const struct ip_address routers[2] = {
	{ IP_V4, { 192, 0, 2, 1 } },
	{ IP_V6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
};

/* From a router, about the first n bytes of the packet; as it arrives. */
static struct packet
error_about(struct rig *r, const struct packet *sent, size_t n, uint8_t type,
    uint8_t code, uint32_t rest)
{
	const struct ip_address *router =
	    &routers[sent->source.family == IP_V6];
	struct packet p;

	p = parsed(r->in,
	    build_icmp(
		r->in, router, &sent->source, type, code, rest, sent->data, n));
	set_checksums(&p);
	return p;
}

static struct packet
unreachable(struct rig *r, const struct packet *sent)
{
	return error_about(
	    r, sent, sent->length, sent->source.family == IP_V4 ? 3 : 1, 3, 0);
}

static struct packet
translated_in(struct rig *r, struct packet p)
{
	p = error_in(r, p, NAT_TRANSLATED);
	assert_int_equal(p.kind, PACKET_ICMP_ERROR);
	return p;
}

/* An error as a router of the client's network would have made it. */
static void
check_error(const struct rig *r, const struct packet *p, const struct flow *f,
    const struct packet *original, size_t n, uint32_t rest)
{
	bool v4 = f->to.family == IP_V4;
	const uint8_t *received = r->in + (v4 ? 20 : 40);
	struct icmp_error e = {
		.source = f->to,
		.destination = f->from,
		.type = received[0],
		.code = received[1],
		.rest = rest,
		.quote = original->data,
		.quote_len = n,
	};
	uint8_t want[INNER_PACKET_MAX];

	assert_int_equal(icmp_write(&e, want), p->length);
	assert_memory_equal(want, p->data, p->length);
}

/* The packet as the client sends it, and as it goes on. */
static void
sent_by(struct rig *r, const struct flow *f, uint8_t original[2048],
    struct packet *before, struct packet *after)
{
	*before = build_flow(original, f, false, 0);
	*after = outbound(r, f, 0, NAT_TRANSLATED);
}

/* The client sees the packet that it has sent, checksums and all. */
static void
translates_what_is_quoted(void **state)
{
	struct rig r = rig_new(state);
	uint8_t original[2048];
	struct packet before, after, p;

	for (size_t i = 0; i < FLOWS; i++) {
		struct flow f = flows[i];

		outbound(&r, &f, 0, NAT_TRANSLATED);
		f.to.bytes[3]++; /* so that its port changes, too */
		sent_by(&r, &f, original, &before, &after);
		assert_int_equal(after.source_port, f.port + 1);
		p = translated_in(&r, unreachable(&r, &after));
		check_error(&r, &p, &f, &before, before.length, 0);
	}
	rig_free(&r);
}

static void
keeps_type_and_code(void **state)
{
	static const struct {
		enum flow_name flow;
		uint8_t type, code;
		uint32_t rest, kept;
	} table[] = {
		{ UDP_V4, 3, 0, 0, 0 },
		{ UDP_V4, 3, 1, 0x11223344, 0 },
		{ UDP_V4, 3, 3, 0x00050000, 0 }, /* RFC 4884: a length */
		{ TCP_V4, 3, 4, 0x00000500, 0x0500 },
		{ TCP_V4, 3, 4, 0xabcdffff, 0xffff },
		{ TCP_V4, 3, 13, 0xffffffff, 0 },
		{ ECHO_V4, 3, 255, 0, 0 },
		{ ECHO_V4, 11, 0, 0x00050000, 0 },
		{ ECHO_V4, 11, 1, 0, 0 },
		{ ECHO_V4, 11, 4, 0x0500, 0 },
		{ UDP_V6, 1, 0, 0, 0 },
		{ UDP_V6, 1, 4, 0x05000000, 0 },
		{ TCP_V6, 2, 0, 1280, 1280 },
		{ TCP_V6, 2, 0, 0xabcdef01, 0xabcdef01 },
		{ ECHO_V6, 3, 0, 0xffffffff, 0 },
		{ ECHO_V6, 3, 1, 0, 0 },
	};
	struct rig r = rig_new(state);
	uint8_t original[2048];
	struct packet before, after, p;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct flow *f = &flows[table[i].flow];

		sent_by(&r, f, original, &before, &after);
		p = error_about(&r, &after, after.length, table[i].type,
		    table[i].code, table[i].rest);
		p = translated_in(&r, p);
		check_error(&r, &p, f, &before, before.length, table[i].kept);
	}
	rig_free(&r);
}

static void
takes_quotes_cut_short(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		const struct flow *f = &flows[i];
		bool ports = i < ECHO_V4;
		struct packet after = outbound(&r, f, 0, NAT_TRANSLATED), p, q;

		for (size_t n = 0; n <= after.length; n++) {
			bool enough = n >= after.transport + (ports ? 4 : 8);

			p = error_about(
			    &r, &after, n, f->to.family == IP_V4 ? 3 : 1, 1, 0);
			if (!enough) {
				error_in(&r, p, NAT_UNUSABLE);
				continue;
			}
			p = translated_in(&r, p);
			assert_true(packet_quote(&p, &q));
			assert_int_equal(q.length, n);
			assert_true(ip_equal(&q.destination, &f->to));
			assert_int_equal(q.source_port, f->port);
		}
	}
	rig_free(&r);
}

/* With what follows it: RFC 4884. */
static void
takes_the_longest_quote(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		const struct flow *f = &flows[i];
		bool v4 = f->to.family == IP_V4;
		size_t max = INNER_PACKET_MAX - (v4 ? 28 : 48);
		struct packet after = outbound(&r, f, 0, NAT_TRANSLATED), p;

		memset(r.out + after.length, 0x5a, max - after.length);
		p = error_about(&r, &after, max, v4 ? 3 : 1, 1, 0);
		assert_int_equal(p.length, INNER_PACKET_MAX);
		p = translated_in(&r, p);
		assert_int_equal(p.length, INNER_PACKET_MAX);
		assert_memory_equal(p.data + p.length - max + after.length,
		    r.out + after.length, max - after.length);
	}
	rig_free(&r);
}

/* Options and extensions of the error are not passed on. */
static void
makes_a_plain_header(void **state)
{
	struct rig r = rig_new(state);
	struct packet after = outbound(&r, &flows[UDP_V4], 0, NAT_TRANSLATED);
	struct packet p = unreachable(&r, &after);
	size_t len = p.length;

	memmove(r.in + 24, r.in + 20, len - 20);
	memset(r.in + 20, 1, 4);
	r.in[0] = 0x46;
	store_be16(r.in + 2, (uint16_t)(len + 4));
	p = translated_in(&r, parsed(r.in, len + 4));
	assert_int_equal(p.length, len);

	after = outbound(&r, &flows[UDP_V6], 0, NAT_TRANSLATED);
	p = unreachable(&r, &after);
	len = p.length;
	memmove(r.in + 48, r.in + 40, len - 40);
	memset(r.in + 40, 0, 8);
	r.in[40] = IPPROTO_ICMPV6;
	r.in[6] = 60; /* destination options */
	store_be16(r.in + 4, (uint16_t)(len - 32));
	p = translated_in(&r, parsed(r.in, len + 8));
	assert_int_equal(p.length, len);
	rig_free(&r);
}

/* Of a client's own traffic, or of nobody's. */
static void
knows_no_other_error(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		struct packet sent = make(&r, &flows[i], 0);

		error_in(&r, unreachable(&r, &sent), NAT_NONE);
		sent = outbound(&r, &flows[i], 0, NAT_TRANSLATED);
		/* The source port counts, not the other one. */
		if (i < ECHO_V4)
			r.out[sent.transport + 3] ^= 1;
		translated_in(&r, unreachable(&r, &sent));
		r.out[sent.transport + (i < ECHO_V4 ? 1 : 5)] ^= 1;
		error_in(&r, unreachable(&r, &sent), NAT_NONE);
	}
	rig_free(&r);
}

static void
refuses_a_quote_of_another_family(void **state)
{
	struct rig r = rig_new(state);
	struct packet v4 = outbound(&r, &flows[UDP_V4], 0, NAT_TRANSLATED), p;
	uint8_t other[2048];
	struct packet v6 = build_flow(other, &flows[UDP_V6], false, 0);

	v6.data = v4.data;
	p = error_about(&r, &v6, v4.length, 1, 3, 0);
	assert_int_equal(p.kind, PACKET_ICMP_ERROR);
	error_in(&r, p, NAT_UNUSABLE);
	rig_free(&r);
}

/* An echo reply of the client may go out, but no error speaks of it. */
static void
refuses_a_quoted_reply(void **state)
{
	struct rig r = rig_new(state);
	struct packet sent = outbound(&r, &flows[ECHO_V4], 0, NAT_TRANSLATED);

	r.out[sent.transport] = 0;
	error_in(&r, unreachable(&r, &sent), NAT_UNUSABLE);
	rig_free(&r);
}

static void
lets_no_error_out(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		struct packet sent = make(&r, &flows[i], 0),
			      p = unreachable(&r, &sent);

		assert_int_equal(p.kind, PACKET_ICMP_ERROR);
		assert_int_equal(nat_outbound(r.nat, r.now, &p, &r.real[i % 2], 0),
		    NAT_UNUSABLE);
	}
	rig_free(&r);
}

/* It is an answer; what it quotes is none. */
static void
keeps_a_session_alive(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		unsigned idle = i <= TCP_V6 ? 7440 : 120;
		struct packet sent = outbound(&r, &flows[i], 0, NAT_TRANSLATED);
		struct packet error;

		if (i <= TCP_V6)
			r.out[sent.transport + 13] = FIN | RST;
		error = unreachable(&r, &sent);
		wait_s(&r, 59);
		translated_in(&r, error);
		wait_s(&r, idle - 1);
		translated_in(&r, error);
		wait_s(&r, idle);
		error_in(&r, error, NAT_EXPIRED);
		wait_s(&r, NAT_EXPIRED_S);
		error_in(&r, error, NAT_NONE);
	}
	rig_free(&r);
}

/* One packet through the table, and what has become of it, in hex. */
static void
check_vector(struct rig *r, bool outwards, const char *given, const char *want)
{
	const struct ip_address real = ip_v4(10, 0, 0, 5);
	const struct ip_address client = ip_v4(100, 64, 0, 1);
	size_t len = unhex(given, r->out, sizeof(r->out));
	struct packet p = parsed(r->out, len);
	enum nat_result got = outwards
	    ? nat_outbound(r->nat, r->now, &p, &real, 0)
	    : nat_inbound(r->nat, r->now, &p, &client, r->to, &len);

	assert_int_equal(got, NAT_TRANSLATED);
	assert_hex(p.kind == PACKET_ICMP_ERROR ? r->to : p.data, len, want);
}

/* firezone-policy(7), NAT vectors. */
static void
makes_the_published_vectors(void **state)
{
	struct rig r = rig_new(state);

	check_vector(&r, true,
	    "45000021000000004011b22a644000016460000103e80007000def70"
	    "68656c6c6f",
	    "450000210000000040110c87644000010a00000503e80007000d49cd"
	    "68656c6c6f");
	check_vector(&r, false,
	    "450000210000000040110c870a00000564400001000703e8000d49cd"
	    "68656c6c6f",
	    "45000021000000004011b22a6460000164400001000703e8000def70"
	    "68656c6c6f");
	check_vector(&r, true,
	    "45000021000000004011b229644000016460000203e80007000def6f"
	    "68656c6c6f",
	    "450000210000000040110c87644000010a00000503e90007000d49cc"
	    "68656c6c6f");
	check_vector(&r, false,
	    "450000380000000040010c840a000001644000010304aa82000004b0"
	    "450000210000000040110c87644000010a00000503e90007000d49cc",
	    "45000038000000001401de226460000264400001030404e0000004b0"
	    "45000021000000004011b229644000016460000203e80007000def6f");
	rig_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translates_what_is_quoted),
		cmocka_unit_test(keeps_type_and_code),
		cmocka_unit_test(takes_quotes_cut_short),
		cmocka_unit_test(takes_the_longest_quote),
		cmocka_unit_test(makes_a_plain_header),
		cmocka_unit_test(knows_no_other_error),
		cmocka_unit_test(refuses_a_quote_of_another_family),
		cmocka_unit_test(refuses_a_quoted_reply),
		cmocka_unit_test(lets_no_error_out),
		cmocka_unit_test(keeps_a_session_alive),
		cmocka_unit_test(makes_the_published_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
