/*
 * NAT: sessions whose real address is of the other family than the proxy
 * address: firezone-policy(7), Translation between families.
 */
#include "tests/lib/nat.h"

#include "net-worker/core/inner/icmp.h"

#define ROOM 16 /* on each side of an outbound packet */

static const struct ip_address clients[2] = { CLIENT_V4, CLIENT_V6 };

/* Proxies of each family stand for the other one's real address. */
static struct rig
crossing_rig(void **state)
{
	struct rig r = rig_new(state);

	r.real[0] = (struct ip_address)REAL_V6;
	r.real[1] = (struct ip_address)REAL_V4;
	nat_set_client(r.nat, &clients[0], &clients[1]);
	return r;
}

static struct packet
build_outbound(struct rig *r, const struct flow *f, uint8_t flags)
{
	struct packet p = build_flow(r->out + ROOM, f, false, flags);

	p.headroom = p.tailroom = ROOM;
	return p;
}

static struct packet
leaves(struct rig *r, const struct flow *f, uint8_t flags, enum nat_result want)
{
	struct packet p = build_outbound(r, f, flags);
	uint8_t before[2048];
	enum nat_result got;

	memcpy(before, p.data, p.length);
	got = nat_outbound(
	    r->nat, r->now, &p, &r->real[f->to.family == IP_V6], 0);
	assert_int_equal(got, want);
	check_packet(&p, before, got);
	return p;
}

static struct flow
outside_of(const struct packet *sent)
{
	return (struct flow){ sent->source, sent->destination, sent->protocol,
		sent->source_port, sent->destination_port };
}

/* The answer to a packet as it went out, with that much room around it. */
static struct packet
answered(struct rig *r, const struct packet *sent, uint8_t flags, size_t room,
    enum nat_result want)
{
	struct flow f = outside_of(sent);
	struct packet p = build_flow(r->in + ROOM, &f, true, flags);
	uint8_t before[2048];
	enum nat_result got;
	size_t length = 0;

	p.headroom = p.tailroom = room;
	memcpy(before, p.data, p.length);
	got = nat_inbound(r->nat, r->now, &p, &f.from, r->to, &length);
	assert_int_equal(got, want);
	assert_int_equal(length, p.length);
	check_packet(&p, before, got);
	return p;
}

static bool
lies_in(const uint8_t *at, const uint8_t *from, size_t size)
{
	return at >= from && at < from + size;
}

/* The client's flow, as the other side of the client sees it. */
static void
check_answer(const struct flow *f, const struct packet *p)
{
	assert_true(ip_equal(&p->source, &f->to));
	assert_true(ip_equal(&p->destination, &f->from));
	assert_int_equal(p->protocol, f->protocol);
	assert_int_equal(port_here(p), f->port);
	if (p->kind != PACKET_ICMP_ECHO)
		assert_int_equal(p->source_port, f->other_port);
	else
		assert_true(packet_is_echo_reply(p));
}

static void
goes_over_and_comes_back(void **state)
{
	struct rig r = crossing_rig(state);
	struct packet p;

	for (size_t i = 0; i < FLOWS; i++) {
		const struct flow *f = &flows[i];
		bool v6 = f->to.family == IP_V6;

		p = leaves(&r, f, 0, NAT_TRANSLATED);
		assert_true(ip_equal(&p.source, &clients[!v6]));
		assert_true(ip_equal(&p.destination, &r.real[v6]));
		assert_int_equal(p.source_port, f->port);
		assert_int_equal(p.destination_port, f->other_port);
		assert_true(lies_in(p.data, r.out, ROOM + 20 + 1));
		p = answered(&r, &p, 0, 0, NAT_TRANSLATED);
		check_answer(f, &p);
		/* What grows is made where it has room. */
		assert_true(
		    v6 ? p.data == r.to : lies_in(p.data, r.in, sizeof(r.in)));
		p = leaves(&r, f, 0, NAT_TRANSLATED);
		p = answered(&r, &p, 0, ROOM, NAT_TRANSLATED);
		check_answer(f, &p);
		assert_true(lies_in(p.data, r.in, sizeof(r.in)));
	}
	rig_free(&r);
}

/* One table of ports for all that goes to a real address. */
static void
shares_ports_with_what_does_not_cross(void **state)
{
	struct rig r = crossing_rig(state);

	for (size_t i = 0; i < FLOWS; i += 2) {
		struct ip_address crossed[2];
		struct packet straight, p;

		memcpy(crossed, r.real, sizeof(crossed));
		r.real[0] = (struct ip_address)REAL_V4;
		straight = leaves(&r, &flows[i], 0, NAT_TRANSLATED);
		assert_int_equal(straight.source_port, 40000);
		straight.data = memcpy(r.in + 1024, straight.data,
		    straight.length); /* the next one takes its place */
		memcpy(r.real, crossed, sizeof(crossed));
		p = leaves(&r, &flows[i + 1], 0, NAT_TRANSLATED);
		assert_true(ip_equal(&p.destination, &straight.destination));
		assert_int_equal(p.source_port, 40001);
		assert_int_equal(p.protocol, straight.protocol);
		p = answered(&r, &p, 0, 0, NAT_TRANSLATED);
		check_answer(&flows[i + 1], &p);
		p = answered(&r, &straight, 0, 0, NAT_TRANSLATED);
		check_answer(&flows[i], &p);
	}
	rig_free(&r);
}

static void
needs_addresses_of_both_families(void **state)
{
	static const struct ip_address none;
	struct rig r = crossing_rig(state);

	nat_set_client(r.nat, &clients[0], &none);
	leaves(&r, &flows[TCP_V4], 0, NAT_UNUSABLE);
	leaves(&r, &flows[TCP_V6], 0, NAT_TRANSLATED);
	nat_set_client(r.nat, &none, &clients[1]);
	leaves(&r, &flows[UDP_V4], 0, NAT_TRANSLATED);
	leaves(&r, &flows[UDP_V6], 0, NAT_UNUSABLE);
	rig_free(&r);

	r = rig_new(state);
	r.real[0] = (struct ip_address)REAL_V6;
	leaves(&r, &flows[TCP_V4], 0, NAT_UNUSABLE);
	rig_free(&r);
}

static void
needs_room_to_grow(void **state)
{
	struct rig r = crossing_rig(state);

	for (size_t room = 18; room <= 21; room++) {
		struct packet p = build_outbound(&r, &flows[TCP_V4], 0);

		p.headroom = room / 2;
		p.tailroom = room - room / 2;
		assert_int_equal(nat_outbound(r.nat, r.now, &p, &r.real[0], 0),
		    room < 20 ? NAT_UNUSABLE : NAT_TRANSLATED);
		assert_int_equal(p.source.family, room < 20 ? IP_V4 : IP_V6);
	}
	rig_free(&r);
}

/* RFC 6864: for what may be cut, in the order that it is sent. */
static void
numbers_what_becomes_ipv4(void **state)
{
	struct rig r = crossing_rig(state);
	struct packet p;
	uint16_t first;

	p = leaves(&r, &flows[UDP_V6], 0, NAT_TRANSLATED);
	first = load_be16(p.data + 4);
	p = leaves(&r, &flows[TCP_V6], 0, NAT_TRANSLATED);
	assert_int_equal(load_be16(p.data + 4), (uint16_t)(first + 1));
	p = leaves(&r, &flows[TCP_V4], 0, NAT_TRANSLATED);
	p = answered(&r, &p, 0, 0, NAT_TRANSLATED);
	assert_int_equal(p.source.family, IP_V4);
	assert_int_equal(load_be16(p.data + 4), (uint16_t)(first + 3));
	rig_free(&r);
}

/* The UDP datagram of the flow, with data until it is so long. */
static struct packet
lengthened(uint8_t *data, const struct flow *f, bool reply, size_t length)
{
	struct packet p = build_flow(data, f, reply, 0);
	size_t upper = length - p.transport;

	memset(data + p.length, 0, length - p.length);
	if (p.source.family == IP_V4)
		store_be16(data + 2, (uint16_t)length);
	else
		store_be16(data + 4, (uint16_t)upper);
	store_be16(data + p.transport + 4, (uint16_t)upper);
	p = parsed(data, length);
	set_checksums(&p);
	return p;
}

/* With DF; without, it may become longer than a packet, and is to be cut. */
static void
refuses_what_would_be_too_long(void **state)
{
	struct rig r = crossing_rig(state);
	struct packet p, sent = leaves(&r, &flows[UDP_V6], 0, NAT_TRANSLATED);
	struct flow f = flows[UDP_V4], g = outside_of(&sent);
	uint8_t before[2048];
	size_t length;

	for (size_t i = 0; i < 8; i++) {
		bool df = i >= 4;
		size_t n = 1259 + i % 4;
		bool fits = n <= 1260 || !df;
		enum nat_result want = fits ? NAT_TRANSLATED : NAT_TOO_LONG;

		p = lengthened(r.out + ROOM, &f, false, n);
		p.headroom = p.tailroom = ROOM;
		p.data[6] = df ? 0x40 : 0;
		set_checksums(&p);
		memcpy(before, p.data, n);
		assert_int_equal(
		    nat_outbound(r.nat, r.now, &p, &r.real[0], 0), want);
		assert_int_equal(p.length, fits ? n + 20 : n);
		assert_true(checksums_right(&p));
		assert_int_equal(p.data[0] >> 4, fits ? 6 : 4);

		p = lengthened(r.in, &g, true, n);
		p.data[6] = df ? 0x40 : 0;
		set_checksums(&p);
		memcpy(before, p.data, n);
		assert_int_equal(
		    nat_inbound(r.nat, r.now, &p, &g.from, r.to, &length),
		    want);
		assert_int_equal(p.length, fits ? n + 20 : n);
		assert_int_equal(p.length, length);
		assert_true(checksums_right(&p));
		if (!fits)
			assert_memory_equal(before, p.data, n);
	}
	rig_free(&r);
}

static void
ends_as_any_session_does(void **state)
{
	struct rig r = crossing_rig(state);
	struct packet p;

	p = leaves(&r, &flows[TCP_V4], 0, NAT_TRANSLATED);
	answered(&r, &p, RST, 0, NAT_TRANSLATED);
	answered(&r, &p, 0, 0, NAT_CLOSED);
	p = leaves(&r, &flows[ECHO_V6], 0, NAT_TRANSLATED);
	wait_s(&r, 59);
	answered(&r, &p, 0, 0, NAT_TRANSLATED);
	wait_s(&r, 119);
	answered(&r, &p, 0, 0, NAT_TRANSLATED);
	wait_s(&r, 120);
	answered(&r, &p, 0, 0, NAT_EXPIRED);
	rig_free(&r);
}

/* The name has addresses of the family now, or none any more. */
static void
stays_where_it_is(void **state)
{
	struct rig r = crossing_rig(state);
	struct ip_address straight = REAL_V4;
	struct packet p = leaves(&r, &flows[UDP_V4], 0, NAT_TRANSLATED);
	struct flow other = flows[UDP_V4];

	r.real[0] = straight;
	p = leaves(&r, &flows[UDP_V4], 0, NAT_TRANSLATED);
	assert_int_equal(p.destination.family, IP_V6);
	other.port++;
	p = leaves(&r, &other, 0, NAT_TRANSLATED);
	assert_true(ip_equal(&p.destination, &straight));
	r.real[0] = (struct ip_address)REAL_V6;
	p = leaves(&r, &other, 0, NAT_TRANSLATED);
	assert_true(ip_equal(&p.destination, &straight));
	rig_free(&r);
}

/* Errors. */

static const struct ip_address routers[2] = {
	{ IP_V4, { 192, 0, 2, 1 } },
	{ IP_V6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
};

static struct packet
error_about(struct rig *r, const struct packet *sent, size_t n, uint8_t type,
    uint8_t code, uint32_t rest)
{
	struct packet p = parsed(r->in,
	    build_icmp(r->in, &routers[sent->source.family == IP_V6],
		&sent->source, type, code, rest, sent->data, n));

	set_checksums(&p);
	return p;
}

static const struct {
	enum flow_name flow;
	uint8_t type, code;
	uint32_t rest;
	uint8_t to_type, to_code;
	uint32_t to_rest;
} errors[] = {
	{ UDP_V4, 1, 0, 0xffffffff, 3, 1, 0 },
	{ UDP_V4, 1, 4, 0, 3, 3, 0 },
	{ TCP_V4, 1, 1, 0, 3, 10, 0 },
	{ TCP_V4, 2, 0, 1280, 3, 4, 1260 },
	{ TCP_V4, 2, 0, 1270, 3, 4, 1250 },
	{ ECHO_V4, 3, 0, 0, 11, 0, 0 },
	{ ECHO_V4, 3, 1, 0, 11, 1, 0 },
	{ UDP_V6, 3, 1, 0xffffffff, 1, 0, 0 },
	{ UDP_V6, 3, 3, 0, 1, 4, 0 },
	{ TCP_V6, 3, 2, 0, 4, 1, 6 },
	{ TCP_V6, 3, 4, 1200, 2, 0, 1280 },
	{ TCP_V6, 3, 4, 0, 2, 0, 1280 },
	{ TCP_V6, 3, 13, 0, 1, 1, 0 },
	{ ECHO_V6, 11, 0, 0, 3, 0, 0 },
	{ ECHO_V6, 3, 0, 0, 1, 0, 0 },
};

/* As it would come from the proxy address about what the client has sent. */
static void
translates_errors(void **state)
{
	struct rig r = crossing_rig(state);

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct flow f = flows[errors[i].flow];
		struct packet first, sent, p;
		uint8_t original[2048], want[INNER_PACKET_MAX];
		struct icmp_error e = {
			.type = errors[i].to_type,
			.code = errors[i].to_code,
			.rest = errors[i].to_rest,
			.quote = original,
		};

		/* So that its port changes, too. */
		leaves(&r, &f, 0, NAT_TRANSLATED);
		f.to.bytes[3]++;
		first = build_flow(original, &f, false, 0);
		sent = leaves(&r, &f, 0, NAT_TRANSLATED);
		assert_int_equal(sent.source_port, f.port + 1);
		p = error_in(&r,
		    error_about(&r, &sent, sent.length, errors[i].type,
			errors[i].code, errors[i].rest),
		    NAT_TRANSLATED);
		e.source = f.to;
		e.destination = f.from;
		e.quote_len = first.length;
		assert_int_equal(icmp_write(&e, want), p.length);
		assert_memory_equal(want, p.data, p.length);
		nat_forget(r.nat);
	}
	rig_free(&r);
}

static void
drops_errors_that_the_other_family_lacks(void **state)
{
	struct rig r = crossing_rig(state);
	struct packet sent = leaves(&r, &flows[UDP_V4], 0, NAT_TRANSLATED);

	error_in(
	    &r, error_about(&r, &sent, sent.length, 1, 5, 0), NAT_UNUSABLE);
	sent = leaves(&r, &flows[UDP_V6], 0, NAT_TRANSLATED);
	error_in(
	    &r, error_about(&r, &sent, sent.length, 3, 14, 0), NAT_UNUSABLE);
	/* It says that it is shorter than its header. */
	store_be16(sent.data + 2, 19);
	error_in(
	    &r, error_about(&r, &sent, sent.length, 3, 1, 0), NAT_UNUSABLE);
	rig_free(&r);
}

/* RFC 1812, 4.3.2.3 and RFC 4443, 2.4 (c). */
static void
quotes_no_more_than_fits(void **state)
{
	struct rig r = crossing_rig(state);
	struct flow f = flows[UDP_V4];
	struct packet p, error;

	p = lengthened(r.out + ROOM, &f, false, 1000);
	p.headroom = p.tailroom = ROOM;
	assert_int_equal(
	    nat_outbound(r.nat, r.now, &p, &r.real[0], 0), NAT_TRANSLATED);
	for (size_t n = 566; n <= 570; n++) {
		error = error_in(
		    &r, error_about(&r, &p, n, 1, 4, 0), NAT_TRANSLATED);
		assert_int_equal(error.length, n <= 568 ? 28 + n - 20 : 576);
	}
	f = flows[UDP_V6];
	p = lengthened(r.out, &f, false, 1280);
	assert_int_equal(
	    nat_outbound(r.nat, r.now, &p, &r.real[1], 0), NAT_TRANSLATED);
	for (size_t n = 1210; n <= 1214; n++) {
		error = error_in(
		    &r, error_about(&r, &p, n, 3, 3, 0), NAT_TRANSLATED);
		assert_int_equal(error.length, n <= 1212 ? 48 + n + 20 : 1280);
	}
	rig_free(&r);
}

/* Errors count as answers. */
static void
keeps_a_session_by_its_errors(void **state)
{
	struct rig r = crossing_rig(state);
	struct packet sent = leaves(&r, &flows[UDP_V6], 0, NAT_TRANSLATED);

	wait_s(&r, 59);
	error_in(
	    &r, error_about(&r, &sent, sent.length, 3, 1, 0), NAT_TRANSLATED);
	wait_s(&r, 119);
	error_in(
	    &r, error_about(&r, &sent, sent.length, 3, 1, 0), NAT_TRANSLATED);
	wait_s(&r, 120);
	error_in(&r, error_about(&r, &sent, sent.length, 3, 1, 0), NAT_EXPIRED);
	rig_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_over_and_comes_back),
		cmocka_unit_test(shares_ports_with_what_does_not_cross),
		cmocka_unit_test(needs_addresses_of_both_families),
		cmocka_unit_test(needs_room_to_grow),
		cmocka_unit_test(numbers_what_becomes_ipv4),
		cmocka_unit_test(refuses_what_would_be_too_long),
		cmocka_unit_test(ends_as_any_session_does),
		cmocka_unit_test(stays_where_it_is),
		cmocka_unit_test(translates_errors),
		cmocka_unit_test(drops_errors_that_the_other_family_lacks),
		cmocka_unit_test(quotes_no_more_than_fits),
		cmocka_unit_test(keeps_a_session_by_its_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
