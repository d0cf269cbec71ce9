/*
 * NAT: sessions, their values and their ends. Errors are in test_nat_errors,
 * sessions drawn by dice in test_nat_chance.
 */
#include "tests/lib/nat.h"

static void
translates_both_ways(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		struct flow f = flows[i];
		struct packet p;

		p = outbound(&r, &f, 0, NAT_TRANSLATED);
		assert_true(ip_equal(&p.destination, &reals[i]));
		assert_true(ip_equal(&p.source, &f.from));
		assert_int_equal(p.source_port, f.port);
		p = inbound(&r, &p, 0, NAT_TRANSLATED);
		assert_true(ip_equal(&p.source, &f.to));
		assert_true(ip_equal(&p.destination, &f.from));
		assert_int_equal(port_here(&p), f.port);
	}
	rig_free(&r);
}

/* Nothing is known of what nobody has asked for. */
static void
knows_no_other_reply(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		struct packet p = make(&r, &flows[i], 0), other;

		inbound(&r, &p, 0, NAT_NONE);
		p = outbound(&r, &flows[i], 0, NAT_TRANSLATED);
		other = p;
		other.destination.bytes[3] ^= 1;
		inbound(&r, &other, 0, NAT_NONE);
		other = p;
		other.source_port ^= 1;
		inbound(&r, &other, 0, NAT_NONE);
		inbound(&r, &p, 0, NAT_TRANSLATED);
	}
	rig_free(&r);
}

static void
takes_the_port_if_it_is_free(void **state)
{
	struct rig r = rig_new(state);
	struct flow f = flows[UDP_V4];

	f.port = 65534;
	assert_int_equal(value_of(&r, &f), 65534);
	f.to.bytes[3]++;
	assert_int_equal(value_of(&r, &f), 65535);
	f.to.bytes[3]++;
	assert_int_equal(value_of(&r, &f), 1);
	f.to.bytes[3]++;
	assert_int_equal(value_of(&r, &f), 2);
	/* Another real address has ports of its own, and so has TCP. */
	f.to.bytes[3]++;
	r.real[0].bytes[3]++;
	assert_int_equal(value_of(&r, &f), 65534);
	r.real[0].bytes[3]--;
	f.protocol = IPPROTO_TCP;
	assert_int_equal(value_of(&r, &f), 65534);
	rig_free(&r);
}

static void
uses_0_only_for_0(void **state)
{
	struct rig r = rig_new(state);
	struct flow f = flows[ECHO_V6];

	f.port = 65535;
	assert_int_equal(value_of(&r, &f), 65535);
	f.to.bytes[15]++;
	assert_int_equal(value_of(&r, &f), 1);
	f.to.bytes[15]++;
	f.port = 0;
	assert_int_equal(value_of(&r, &f), 0);
	f.to.bytes[15]++;
	assert_int_equal(value_of(&r, &f), 2);
	rig_free(&r);
}

/* The other port is no part of it; a session keeps its real address. */
static void
keeps_a_session(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		struct flow f = flows[i];
		struct packet p = outbound(&r, &f, 0, NAT_TRANSLATED);

		f.other_port ^= 0x1234;
		r.real[i % 2].bytes[2]++;
		p = outbound(&r, &f, 0, NAT_TRANSLATED);
		assert_true(ip_equal(&p.destination, &reals[i]));
		assert_int_equal(p.source_port, f.port);
		r.real[i % 2].bytes[2]--;
	}
	rig_free(&r);
}

static void
tries_so_many_values(void **state)
{
	struct rig r = rig_new(state);
	struct flow f = flows[TCP_V4], g;
	uint16_t first = 65000, port = first;

	/* All of 65000 to 65535 and 1 to 487 through one proxy. */
	for (unsigned i = 0; i < NAT_PROBES_MAX - 1; i++) {
		f.port = port;
		assert_int_equal(value_of(&r, &f), port);
		port = port == UINT16_MAX ? 1 : port + 1u;
	}
	g = f;
	g.to.bytes[3]++;
	g.port = first;
	assert_int_equal(value_of(&r, &g), port);
	g.to.bytes[3]++;
	outbound(&r, &g, 0, NAT_EXHAUSTED);
	g.port++;
	assert_int_equal(value_of(&r, &g), port + 1);
	/* One that ends makes room. */
	f.port = 65001;
	outbound(&r, &f, RST, NAT_TRANSLATED);
	g.port = first;
	assert_int_equal(value_of(&r, &g), 65001);
	rig_free(&r);
}

/* A client cannot have us search for ever for what it has hidden itself. */
static void
limits_long_searches(void **state)
{
	struct rig r = rig_new(state);
	struct flow f = flows[TCP_V4];
	enum nat_result result;

	for (uint16_t base = 1000; base <= 50000; base += 49000) {
		for (unsigned i = 0; i < NAT_PROBES_AT_ONCE; i++) {
			f.port = (uint16_t)(base + i);
			assert_int_equal(value_of(&r, &f), f.port);
		}
	}
	f.port = 1000;
	f.to.bytes[1]++;
	for (unsigned i = 0; i < NAT_SEARCH_BURST; i++) {
		f.to.bytes[2] = (uint8_t)(i >> 8);
		f.to.bytes[3] = (uint8_t)i;
		outbound_any(&r, &f, 0, &result);
	}
	f.to.bytes[1]++;
	f.port = 50000;
	outbound(&r, &f, 0, NAT_EXHAUSTED);
	f.port = 50001;
	assert_int_equal(
	    value_of(&r, &f), 50000 + NAT_PROBES_AT_ONCE); /* a short one */
	r.now = mono_add_ms(r.now, NAT_SEARCH_INTERVAL_MS);
	f.port = 50000;
	assert_int_equal(value_of(&r, &f), 50000 + NAT_PROBES_AT_ONCE + 1);
	rig_free(&r);
}

/* The i-th of many. */
static struct flow
numbered(unsigned i)
{
	struct flow f = flows[UDP_V4];

	f.port = (uint16_t)(1000 + i);
	return f;
}

static void
holds_so_many_sessions(void **state)
{
	struct rig r = rig_new(state);
	struct flow f;

	for (unsigned i = 0; i < NAT_SESSIONS_MAX; i++) {
		f = numbered(i);
		assert_int_equal(value_of(&r, &f), f.port);
	}
	f = numbered(NAT_SESSIONS_MAX);
	outbound(&r, &f, 0, NAT_EXHAUSTED);
	/* Those that there are do not suffer. */
	f = numbered(7);
	r.now = mono_add_ms(r.now, NAT_UNANSWERED_S * 1000 - 1);
	outbound(&r, &f, 0, NAT_TRANSLATED);
	f = numbered(NAT_SESSIONS_MAX);
	outbound(&r, &f, 0, NAT_EXHAUSTED);
	r.now = mono_add_ms(r.now, 1);
	assert_int_equal(value_of(&r, &f), f.port);
	f = numbered(7);
	outbound(&r, &f, 0, NAT_TRANSLATED);
	rig_free(&r);
}

/*
 * A table full of answered sessions: the one that has been idle longest makes
 * room, of whichever protocol; one in use never does.
 */
static void
idle_ones_make_room(void **state)
{
	struct rig r = rig_new(state);
	struct flow idle = flows[TCP_V4], busy = flows[TCP_V4], f;
	struct packet idle_sent, busy_sent, sent;

	idle.port = 77;
	busy.port = 78;
	idle_sent = outbound(&r, &idle, 0, NAT_TRANSLATED);
	inbound(&r, &idle_sent, 0, NAT_TRANSLATED);
	wait_s(&r, 1);
	busy_sent = outbound(&r, &busy, 0, NAT_TRANSLATED);
	inbound(&r, &busy_sent, 0, NAT_TRANSLATED);
	for (unsigned i = 2; i < NAT_SESSIONS_MAX; i++) {
		f = numbered(i);
		sent = outbound(&r, &f, 0, NAT_TRANSLATED);
		inbound(&r, &sent, 0, NAT_TRANSLATED);
	}
	r.now = mono_add_ms(r.now, (NAT_IDLE_S - 1) * 1000 - 1);
	f = numbered(NAT_SESSIONS_MAX);
	outbound(&r, &f, 0, NAT_EXHAUSTED);
	outbound(&r, &busy, 0, NAT_TRANSLATED);
	r.now = mono_add_ms(r.now, 1);
	outbound(&r, &f, 0, NAT_TRANSLATED);
	inbound(&r, &idle_sent, 0, NAT_EXPIRED);
	inbound(&r, &busy_sent, 0, NAT_TRANSLATED);
	/* And so on, while one goes on: it stays. */
	for (unsigned i = 1; i < 1000; i++) {
		wait_s(&r, 1);
		outbound(&r, &busy, 0, NAT_TRANSLATED);
		f = numbered(NAT_SESSIONS_MAX + i);
		outbound(&r, &f, 0, NAT_TRANSLATED);
	}
	inbound(&r, &busy_sent, 0, NAT_TRANSLATED);
	rig_free(&r);
}

static void
remembers_so_many_expired(void **state)
{
	struct rig r = rig_new(state);
	struct packet sent[NAT_EXPIRED_MAX + 2];
	size_t count = NAT_EXPIRED_MAX + 2;
	struct flow f;

	for (unsigned i = 0; i < count; i++) {
		f = numbered(i);
		sent[i] = outbound(&r, &f, 0, NAT_TRANSLATED);
		r.now = mono_add_ns(r.now, 1);
	}
	wait_s(&r, 60);
	inbound(&r, &sent[0], 0, NAT_NONE);
	inbound(&r, &sent[1], 0, NAT_NONE);
	for (unsigned i = 2; i < count; i++)
		inbound(&r, &sent[i], 0, NAT_EXPIRED);
	/* One that lives again is none of them, and makes room. */
	f = numbered(5);
	outbound(&r, &f, 0, NAT_TRANSLATED);
	f = numbered(1);
	outbound(&r, &f, 0, NAT_TRANSLATED);
	wait_s(&r, 60);
	inbound(&r, &sent[1], 0, NAT_EXPIRED);
	inbound(&r, &sent[2], 0, NAT_NONE);
	inbound(&r, &sent[3], 0, NAT_EXPIRED);
	rig_free(&r);
}

struct life {
	const char *what;
	enum flow_name flow;
	uint8_t out, in; /* TCP flags of one packet each, after the first */
	bool answered;
	unsigned seconds;
};

static const struct life lives[] = {
	{ "TCP", TCP_V4, 0, 0, true, 7440 },
	{ "TCP, IPv6", TCP_V6, 0, 0, true, 7440 },
	{ "UDP", UDP_V4, 0, 0, true, 120 },
	{ "UDP, IPv6", UDP_V6, 0, 0, true, 120 },
	{ "ICMP", ECHO_V4, 0, 0, true, 120 },
	{ "ICMPv6", ECHO_V6, 0, 0, true, 120 },
	{ "TCP, no answer", TCP_V4, 0, 0, false, 60 },
	{ "UDP, no answer", UDP_V6, 0, 0, false, 60 },
	{ "ICMP, no answer", ECHO_V4, 0, 0, false, 60 },
	{ "FIN, no answer", TCP_V4, FIN, 0, false, 60 },
	{ "FIN of the client", TCP_V4, FIN, 0, true, 7440 },
	{ "FIN of the resource", TCP_V6, 0, FIN, true, 7440 },
	{ "FIN of both", TCP_V4, FIN, FIN, true, 5 },
	{ "RST of the client", TCP_V4, RST, 0, false, 0 },
	{ "RST of the resource", TCP_V6, 0, RST, true, 0 },
	{ "FIN and RST", TCP_V4, FIN, FIN | RST, true, 0 },
};

/* Of a late packet. */
static enum nat_result
afterwards(const struct life *l)
{
	return l->seconds <= 5 ? NAT_CLOSED : NAT_EXPIRED;
}

/* The flow, from a port so much higher. */
static struct flow
flow_of(const struct life *l, uint16_t more)
{
	struct flow f = flows[l->flow];

	f.port += more;
	return f;
}

/* A session of that kind, and its last packet as it went out. */
static struct packet
live(struct rig *r, const struct life *l, uint16_t more)
{
	struct flow copy = flow_of(l, more), *f = &copy;
	struct packet p = outbound(r, f, 0, NAT_TRANSLATED);

	wait_s(r, 1);
	p = outbound(r, f, l->out, NAT_TRANSLATED);
	if (l->answered) {
		wait_s(r, 1);
		inbound(r, &p, l->in, NAT_TRANSLATED);
	}
	return p;
}

static void
ends_in_time(void **state)
{
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		const struct life *l = &lives[i];
		struct rig r = rig_new(state);
		struct packet p = live(&r, l, 0);
		struct mono end = mono_add_s(r.now, l->seconds);

		print_message("%s\n", l->what);
		/* It wants to be told within a second. */
		tick(&r);
		if (l->seconds > 0) {
			assert_true(mono_before(
			    nat_deadline(r.nat), mono_add_s(end, 1)));
			r.now = mono_add_ns(end, -1);
			tick(&r);
			inbound(&r, &p, 0, NAT_TRANSLATED);
		}
		rig_free(&r);

		r = rig_new(state);
		p = live(&r, l, 0);
		wait_s(&r, l->seconds);
		inbound(&r, &p, 0, afterwards(l));
		/* It was, and can be again. */
		r.now = mono_add_s(end, NAT_EXPIRED_S);
		r.now = mono_add_ns(r.now, -1);
		inbound(&r, &p, 0, afterwards(l));
		r.now = mono_add_ns(r.now, 1);
		inbound(&r, &p, 0, NAT_NONE);
		rig_free(&r);
	}
}

/* Whatever else there is, and when that will end. */
static void
ends_by_itself(void **state)
{
	const size_t count = sizeof(lives) / sizeof(lives[0]);

	for (size_t i = 0; i < count * count; i++) {
		const struct life *l = &lives[i / count];
		const struct life *other = &lives[i % count];
		struct rig r = rig_new(state);
		struct packet p = live(&r, l, 0), q;
		struct mono end = mono_add_s(r.now, l->seconds), other_end;

		q = live(&r, other, 1);
		other_end = mono_add_s(r.now, other->seconds);
		if (mono_before(r.now, end))
			r.now = end;
		inbound(&r, &p, 0, afterwards(l));
		if (mono_due(mono_add_s(other_end, NAT_EXPIRED_S), r.now))
			inbound(&r, &q, 0, NAT_NONE);
		else if (mono_due(other_end, r.now))
			inbound(&r, &q, 0, afterwards(other));
		else
			inbound(&r, &q, 0, NAT_TRANSLATED);
		rig_free(&r);
	}
}

/* The oldest of the expired is the one that ended first, of whatever kind. */
static void
expires_in_order(void **state)
{
	struct rig r = rig_new(state);
	struct packet old = outbound(&r, &flows[UDP_V6], 0, NAT_TRANSLATED);
	struct packet first = old;
	struct flow f;

	inbound(&r, &old, 0, NAT_TRANSLATED);
	wait_s(&r, 61); /* it ends a second before the others */
	for (unsigned i = 0; i < NAT_EXPIRED_MAX; i++) {
		f = numbered(i);
		old = outbound(&r, &f, 0, NAT_TRANSLATED);
	}
	wait_s(&r, 100);
	inbound(&r, &first, 0, NAT_NONE);
	f = numbered(0);
	f.to = r.real[0];
	old.source_port = f.port;
	inbound(&r, &old, 0, NAT_EXPIRED);
	rig_free(&r);
}

/* Every packet, of either side, is the last one for the time being. */
static void
goes_on_with_each_packet(void **state)
{
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		struct rig r = rig_new(state);
		struct packet p = live(&r, &lives[i], 0);
		const struct flow *f = &flows[lives[i].flow];
		unsigned seconds = lives[i].seconds;

		for (unsigned n = 0; n < 10 && seconds > 0; n++) {
			wait_s(&r, seconds - 1);
			if (lives[i].answered && n % 2 == 1)
				inbound(&r, &p, 0, NAT_TRANSLATED);
			else
				outbound(&r, f, 0, NAT_TRANSLATED);
		}
		wait_s(&r, seconds);
		inbound(&r, &p, 0, afterwards(&lives[i]));
		rig_free(&r);
	}
}

/* The flags of the packet that makes a session are of what was before. */
static void
begins_in_spite_of_flags(void **state)
{
	static const uint8_t flags[] = { FIN, RST, FIN | RST };

	for (size_t i = 0; i < sizeof(flags); i++) {
		struct rig r = rig_new(state);
		struct packet p =
		    outbound(&r, &flows[TCP_V4], flags[i], NAT_TRANSLATED);

		wait_s(&r, 59);
		inbound(&r, &p, FIN, NAT_TRANSLATED);
		wait_s(&r, 7439);
		inbound(&r, &p, 0, NAT_TRANSLATED);
		rig_free(&r);
	}
}

/* In the data of a datagram there are no flags. */
static void
looks_for_flags_in_tcp_only(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < FLOWS; i++) {
		struct packet p;

		if (flows[i].protocol == IPPROTO_TCP)
			continue;
		outbound(&r, &flows[i], 0, NAT_TRANSLATED);
		p = outbound(&r, &flows[i], RST, NAT_TRANSLATED);
		inbound(&r, &p, RST, NAT_TRANSLATED);
		inbound(&r, &p, 0, NAT_TRANSLATED);
	}
	rig_free(&r);
}

static void
begins_again(void **state)
{
	struct rig r = rig_new(state);
	struct flow f = flows[TCP_V4], g;
	struct packet p, q;

	p = outbound(&r, &f, 0, NAT_TRANSLATED);
	outbound(&r, &f, RST, NAT_TRANSLATED);
	inbound(&r, &p, 0, NAT_CLOSED);
	/* The same values by another proxy: they are its replies now. */
	g = f;
	g.to.bytes[3]++;
	q = outbound(&r, &g, 0, NAT_TRANSLATED);
	assert_int_equal(q.source_port, f.port);
	q = inbound(&r, &q, 0, NAT_TRANSLATED);
	assert_true(ip_equal(&q.source, &g.to));
	/* And what has to make way gets other ones. */
	q = outbound(&r, &f, 0, NAT_TRANSLATED);
	assert_int_equal(q.source_port, f.port + 1);
	q = inbound(&r, &q, 0, NAT_TRANSLATED);
	assert_true(ip_equal(&q.source, &f.to));
	assert_int_equal(q.destination_port, f.port);
	rig_free(&r);
}

static void
forgets(void **state)
{
	struct rig r = rig_new(state);
	struct packet p, q;

	p = outbound(&r, &flows[TCP_V4], 0, NAT_TRANSLATED);
	outbound(&r, &flows[TCP_V4], RST, NAT_TRANSLATED);
	q = outbound(&r, &flows[UDP_V6], 0, NAT_TRANSLATED);
	nat_forget(r.nat);
	assert_true(mono_is_never(nat_deadline(r.nat)));
	inbound(&r, &p, 0, NAT_NONE);
	inbound(&r, &q, 0, NAT_NONE);
	q = outbound(&r, &flows[UDP_V6], 0, NAT_TRANSLATED);
	inbound(&r, &q, 0, NAT_TRANSLATED);
	rig_free(&r);
	nat_free(NULL);
}

static bool
is_other(const void *ctx, const struct ip_address *proxy,
    const struct ip_address *real, bool moved)
{
	assert_true(ip_equal(real, &reals[proxy->family == IP_V6]));
	assert_false(moved);
	return !ip_equal(ctx, proxy);
}

/* Those through one proxy address end, in whatever phase; the rest goes on. */
static void
retains(void **state)
{
	struct rig r = rig_new(state);
	struct flow kept[FLOWS];
	struct packet gone[FLOWS], rest[FLOWS];

	for (size_t i = 0; i < FLOWS; i++) {
		kept[i] = flows[i];
		kept[i].to.bytes[3] ^= 0x40;
		gone[i] = outbound(&r, &flows[i], 0, NAT_TRANSLATED);
		rest[i] = outbound(&r, &kept[i], 0, NAT_TRANSLATED);
		if (i % 2 == 0)
			inbound(&r, &gone[i], 0, NAT_TRANSLATED);
	}
	nat_retain(r.nat, r.now, is_other, &flows[TCP_V4].to);
	nat_retain(r.nat, r.now, is_other, &flows[TCP_V6].to);
	for (size_t i = 0; i < FLOWS; i++) {
		inbound(&r, &gone[i], 0, NAT_EXPIRED);
		inbound(&r, &rest[i], 0, NAT_TRANSLATED);
		outbound(&r, &flows[i], 0, NAT_TRANSLATED);
	}
	rig_free(&r);
}

/* Echoes in the direction in which they are less to be expected. */
static void
counts_the_sessions_of_a_name(void **state)
{
	struct rig r = rig_new(state);
	struct name_use *use = name_use_new();
	int64_t last = r.now.ns;

	assert_non_null(use);
	nat_count_in(r.nat, use);
	outbound(&r, &flows[TCP_V4], 0, NAT_TRANSLATED);
	outbound(&r, &flows[UDP_V4], 0, NAT_TRANSLATED);
	assert_int_equal(use->of[0].sessions, 2);
	wait_s(&r, 2 * 7440);
	tick(&r);
	assert_false(name_in_use(use, 0));
	assert_int_equal(name_last_use(use, 0).ns, last);
	outbound(&r, &flows[TCP_V4], 0, NAT_TRANSLATED);
	nat_forget(r.nat);
	assert_false(name_in_use(use, 0));
	rig_free(&r);
	name_use_release(use);
}

static void
takes_either_echo(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = ECHO_V4; i <= ECHO_V6; i++) {
		bool v4 = i == ECHO_V4;
		struct packet p = make(&r, &flows[i], 0);

		r.out[p.transport] = v4 ? 0 : 129;
		p = parsed(r.out, p.length);
		set_checksums(&p);
		assert_int_equal(nat_outbound(r.nat, r.now, &p, &r.real[i % 2], 0),
		    NAT_TRANSLATED);
		assert_true(checksums_right(&p));
		p = inbound(&r, &p, 0, NAT_TRANSLATED);
		assert_int_equal(p.source_port, flows[i].port);
	}
	rig_free(&r);
}

static void
refuses_other_kinds(void **state)
{
	struct rig r = rig_new(state);

	for (size_t i = 0; i < 2; i++) {
		const struct flow *f = &flows[UDP_V4 + i];
		uint8_t data[2048], copy[2048];
		size_t len;

		for (unsigned n = 0; n < 5; n++) {
			struct packet p;

			if (n < 3)
				len = build_ip(data, &f->from, &f->to,
				    (uint8_t[]){ 47, 50, 132 }[n], "12345678",
				    8);
			else
				len = build_icmp(data, &f->from, &f->to,
				    n == 3 ? 13 : 135, 0, 0, NULL, 0);
			p = parsed(data, len);
			memcpy(copy, data, len);
			assert_int_equal(
			    nat_outbound(r.nat, r.now, &p, &r.real[i], 0),
			    NAT_UNUSABLE);
			assert_int_equal(
			    nat_inbound(r.nat, r.now, &p, &f->from, r.to, &len),
			    NAT_UNUSABLE);
			assert_int_equal(len, p.length);
			assert_memory_equal(data, copy, len);
		}
	}
	assert_true(mono_is_never(nat_deadline(r.nat)));
	rig_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translates_both_ways),
		cmocka_unit_test(knows_no_other_reply),
		cmocka_unit_test(takes_the_port_if_it_is_free),
		cmocka_unit_test(uses_0_only_for_0),
		cmocka_unit_test(keeps_a_session),
		cmocka_unit_test(tries_so_many_values),
		cmocka_unit_test(limits_long_searches),
		cmocka_unit_test(holds_so_many_sessions),
		cmocka_unit_test(idle_ones_make_room),
		cmocka_unit_test(remembers_so_many_expired),
		cmocka_unit_test(ends_in_time),
		cmocka_unit_test(ends_by_itself),
		cmocka_unit_test(expires_in_order),
		cmocka_unit_test(goes_on_with_each_packet),
		cmocka_unit_test(begins_in_spite_of_flags),
		cmocka_unit_test(looks_for_flags_in_tcp_only),
		cmocka_unit_test(begins_again),
		cmocka_unit_test(forgets),
		cmocka_unit_test(retains),
		cmocka_unit_test(counts_the_sessions_of_a_name),
		cmocka_unit_test(takes_either_echo),
		cmocka_unit_test(refuses_other_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
