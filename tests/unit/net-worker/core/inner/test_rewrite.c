/* Rewritten packets, whose checksums stay what they were: right or wrong. */
#include "tests/lib/packets.h"

#include "net-worker/core/inner/rewrite.h"
#include "tests/lib/checksums.h"

#define CASES 20000

enum change {
	SOURCE,
	DESTINATION,
	SOURCE_PORT,
	DESTINATION_PORT,
	ECHO_ID,
	CHANGES,
};

static struct ip_address
random_ip(struct dice *d, enum ip_family family)
{
	struct ip_address a = { .family = (uint8_t)family };

	/* Zeroes and ones are where the arithmetic could go wrong. */
	for (size_t i = 0; i < ip_size(&a); i++)
		a.bytes[i] = (uint8_t)(roll(d, 3) == 0 ? 0xff * roll(d, 2)
						       : roll(d, 256));
	return a;
}

static uint16_t
random_value(struct dice *d)
{
	return (uint16_t)(roll(d, 4) == 0 ? UINT16_MAX * roll(d, 2)
					  : roll(d, 65536));
}

/* TCP, UDP, echo or another ICMP message, with data, of either family. */
static struct packet
random_packet(struct dice *d, uint8_t *data)
{
	enum ip_family family = roll(d, 2) == 0 ? IP_V4 : IP_V6;
	struct ip_address from = random_ip(d, family),
			  to = random_ip(d, family);
	uint8_t icmp = family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint8_t protocol = (uint8_t[]){ 6, 17, icmp, icmp }[roll(d, 4)];
	uint8_t segment[256];
	size_t len = 20 + roll(d, 200);
	struct packet p;

	for (size_t i = 0; i < len; i++)
		segment[i] = (uint8_t)roll(d, 256);
	if (protocol == 6)
		segment[12] = 5 << 4;
	else if (protocol == 17)
		store_be16(segment + 4, (uint16_t)len);
	else
		memcpy(segment, family == IP_V4 ? "\x08" : "\x80", 2);
	if (protocol == icmp && roll(d, 4) == 0)
		segment[0] = 13; /* a timestamp, and not assigned */
	p = parsed(data, build_ip(data, &from, &to, protocol, segment, len));
	set_checksums(&p);
	assert_true(checksums_right(&p));
	return p;
}

static bool
applies(const struct packet *p, enum change change)
{
	switch (change) {
	case SOURCE_PORT:
	case DESTINATION_PORT:
		return p->kind == PACKET_TCP || p->kind == PACKET_UDP;
	case ECHO_ID:
		return p->kind == PACKET_ICMP_ECHO;
	default:
		return true;
	}
}

static void
apply(struct packet *p, enum change change, const struct ip_address *ip,
    uint16_t value)
{
	switch (change) {
	case SOURCE:
		rewrite_source(p, ip);
		assert_true(ip_equal(&p->source, ip));
		break;
	case DESTINATION:
		rewrite_destination(p, ip);
		assert_true(ip_equal(&p->destination, ip));
		break;
	case SOURCE_PORT:
		rewrite_source_port(p, value);
		assert_int_equal(p->source_port, value);
		break;
	case DESTINATION_PORT:
		rewrite_destination_port(p, value);
		assert_int_equal(p->destination_port, value);
		break;
	default:
		rewrite_echo_id(p, value);
		assert_int_equal(p->source_port, value);
	}
}

/* The fields of the packet say what its bytes say. */
static void
check_fields(const struct packet *p)
{
	struct packet again = parsed(p->data, p->length);

	assert_true(ip_equal(&p->source, &again.source));
	assert_true(ip_equal(&p->destination, &again.destination));
	assert_int_equal(p->source_port, again.source_port);
	assert_int_equal(p->destination_port, again.destination_port);
	assert_int_equal(p->kind, again.kind);
}

/* Takes out what the change may have changed. */
static void
blank(struct packet *p, enum change change)
{
	static const uint8_t addresses[2][2] = { { 12, 16 }, { 8, 24 } };
	size_t size = ip_size(&p->source);

	if (size == 4)
		memset(p->data + 10, 0, 2);
	memset(checksum_field(p), 0, 2);
	if (change <= DESTINATION)
		memset(p->data + addresses[size == 16][change], 0, size);
	else if (change == ECHO_ID)
		memset(p->data + p->transport + 4, 0, 2);
	else
		memset(
		    p->data + p->transport + 2 * (change - SOURCE_PORT), 0, 2);
}

static void
keeps_checksums_right(void **state)
{
	struct dice d = dice_new();
	uint8_t data[2048], before[2048];

	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		struct packet p = random_packet(&d, data), old = p;
		enum change change = (enum change)roll(&d, CHANGES);
		struct ip_address ip = random_ip(&d, p.source.family);

		if (!applies(&p, change))
			continue;
		memcpy(before, data, p.length);
		old.data = before;
		apply(&p, change, &ip, random_value(&d));
		assert_true(checksums_right(&p));
		check_fields(&p);
		blank(&p, change);
		blank(&old, change);
		assert_memory_equal(data, before, p.length);
	}
}

static void
keeps_them_right_in_any_order(void **state)
{
	struct dice d = dice_new();
	uint8_t data[2048];

	(void)state;
	for (size_t i = 0; i < CASES / 10; i++) {
		struct packet p = random_packet(&d, data);

		for (unsigned n = 0; n < 10; n++) {
			enum change change = (enum change)roll(&d, CHANGES);
			struct ip_address ip = random_ip(&d, p.source.family);

			if (applies(&p, change))
				apply(&p, change, &ip, random_value(&d));
		}
		assert_true(checksums_right(&p));
		check_fields(&p);
	}
}

/* And wrong by as much as it was. */
static void
keeps_a_wrong_one_wrong(void **state)
{
	struct dice d = dice_new();
	uint8_t data[2048];

	(void)state;
	for (size_t i = 0; i < CASES / 10; i++) {
		struct packet p = random_packet(&d, data);
		struct ip_address ip = random_ip(&d, p.source.family);
		uint8_t *field = checksum_field(&p);
		uint16_t error = (uint16_t)(1 + roll(&d, 65534));
		uint32_t sum;

		sum = load_be16(field) + error;
		store_be16(field, (uint16_t)(sum + (sum >> 16)));
		if (load_be16(field) == 0 && p.protocol == 17)
			continue;
		rewrite_source(&p, &ip);
		assert_false(checksums_right(&p));
		assert_true(sum_right(transport_sum(&p) + UINT16_MAX - error));
	}
}

static void
leaves_no_udp_checksum(void **state)
{
	static const char *const pairs[][2] = {
		{ "100.64.0.1", "10.0.0.1" },
		{ "fd00:2021:1111::1", "2001:db8::1" },
	};
	uint8_t data[256];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ip_address a = ip(pairs[i][0]), b = ip(pairs[i][1]);
		struct packet p =
		    parsed(data, build_ports(data, &a, &a, 17, 1, 2));

		rewrite_source(&p, &b);
		rewrite_destination(&p, &b);
		rewrite_source_port(&p, 3);
		rewrite_destination_port(&p, 4);
		assert_int_equal(load_be16(checksum_field(&p)), 0);
		assert_true(checksums_right(&p));
	}
}

/* A sum that comes out as nothing is written as all ones. */
static void
writes_no_zero(void **state)
{
	struct ip_address a = ip("10.0.0.1");
	uint8_t data[256];
	struct packet p;

	(void)state;
	p = parsed(data, build_ports(data, &a, &a, 17, 0, 80));
	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		set_checksums(&p);
		rewrite_source_port(&p, (uint16_t)port);
		assert_int_not_equal(load_be16(checksum_field(&p)), 0);
		assert_true(checksums_right(&p));
	}
}

static void
icmpv4_has_no_addresses(void **state)
{
	struct ip_address a = ip("10.0.0.1"), b = ip("10.9.8.7");
	uint8_t data[256];
	struct packet p;
	uint16_t before;

	(void)state;
	p = parsed(data, build_icmp(data, &a, &a, 8, 0, 0x12345678, NULL, 0));
	set_checksums(&p);
	before = load_be16(checksum_field(&p));
	rewrite_source(&p, &b);
	rewrite_destination(&p, &b);
	assert_int_equal(load_be16(checksum_field(&p)), before);
	assert_true(checksums_right(&p));
}

/* A quote of every length, in a block that ends with it. */
static void
rewrites_what_a_quote_has(void **state)
{
	struct dice d = dice_new();
	uint8_t whole[2048], data[2048], *error;

	(void)state;
	for (size_t i = 0; i < CASES / 200; i++) {
		struct packet p = random_packet(&d, whole), e, q;
		bool v4 = p.source.family == IP_V4;
		struct ip_address real = random_ip(&d, p.source.family);
		size_t header = v4 ? 28 : 48;

		for (size_t n = p.length; n >= p.transport + 4; n--) {
			size_t len = build_icmp(
			    data, &real, &p.source, v4 ? 3 : 1, 3, 0, whole, n);

			error = malloc(len);
			memcpy(error, data, len);
			e = parsed(error, len);
			if (!packet_quote(&e, &q)) {
				free(error);
				continue;
			}
			rewrite_destination(&q, &real);
			if (q.kind == PACKET_ICMP_ECHO)
				rewrite_echo_id(&q, 4711);
			else
				rewrite_source_port(&q, 4711);
			assert_memory_equal(error, data, header);
			assert_true(packet_quote(&e, &q));
			assert_int_equal(q.source_port, 4711);
			assert_true(ip_equal(&q.destination, &real));
			if (n == p.length)
				assert_true(checksums_right(&q));
			free(error);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_checksums_right),
		cmocka_unit_test(keeps_them_right_in_any_order),
		cmocka_unit_test(keeps_a_wrong_one_wrong),
		cmocka_unit_test(leaves_no_udp_checksum),
		cmocka_unit_test(writes_no_zero),
		cmocka_unit_test(icmpv4_has_no_addresses),
		cmocka_unit_test(rewrites_what_a_quote_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
