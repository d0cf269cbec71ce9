/*
 * Translation between IPv4 and IPv6: packets that are well formed or any, in a
 * block that ends where their room does. Over there they are what they were
 * here, their checksums right if they were, and back they are the same again;
 * what errors quote fits where it goes.
 */
#include "net-worker/core/inner/translate.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/checksums.h"

static struct ip_address
pick_address(struct cursor *in, uint8_t family)
{
	struct ip_address ip = { .family = family };

	for (size_t i = 0; i < ip_size(&ip); i++)
		ip.bytes[i] = cursor_u8(in);
	return ip;
}

static uint8_t
other_family(const struct packet *p)
{
	return p->source.family == IP_V4 ? IP_V6 : IP_V4;
}

/* The packet is what it says it is. */
static void
check_fields(const struct packet *p, const uint8_t *block, size_t space)
{
	struct packet again;

	must(p->data == block + p->headroom);
	must(p->headroom + p->length + p->tailroom == space);
	/* The parser is for what fits, or is cut. */
	if (p->length > INNER_PACKET_MAX)
		return;
	must(packet_parse(p->data, p->length, &again) == PACKET_OK);
	must(ip_equal(&again.source, &p->source));
	must(ip_equal(&again.destination, &p->destination));
	must(again.kind == p->kind && again.protocol == p->protocol);
	must(again.transport == p->transport && !again.source_route);
	must(again.source_port == p->source_port);
	must(again.destination_port == p->destination_port);
}

static bool
lacks_checksum(const struct packet *p)
{
	return p->kind == PACKET_UDP &&
	    load_be16(p->data + p->transport + 6) == 0;
}

/* All behind the IP header but for what the families do not share. */
static bool
same_payload(const struct packet *p, const uint8_t *data, size_t length)
{
	const uint8_t *ours = p->data + p->transport;
	const uint8_t *checksum = checksum_field(p);
	size_t at = (size_t)(checksum - ours), after = at + 2;

	if (p->length - p->transport != length)
		return false;
	if (p->kind == PACKET_ICMP_ECHO)
		at = 0;
	return memcmp(ours, data, at) == 0 &&
	    memcmp(ours + after, data + after, length - after) == 0;
}

/*
 * As two fragments, in a copy: each is one, and together they are what was cut,
 * but for what says so.
 */
static void
cut_in_two(const struct packet *p)
{
	uint8_t *copy = malloc(8 + p->length);
	uint8_t *rest = malloc(TRANSLATE_REST_MAX);
	struct packet first = *p, part;
	size_t len, upper = p->length - 40;

	must(copy != NULL && rest != NULL);
	first.data = memcpy(copy + 8, p->data, p->length);
	first.headroom = 8;
	first.tailroom = 0;
	len = translate_cut(&first, rest);
	must((len == 0) == (p->length <= INNER_PACKET_MAX));
	if (len != 0) {
		must(p->source.family == IP_V6);
		must(first.data == copy && first.length == INNER_PACKET_MAX);
		must(first.transport == 48 && len <= TRANSLATE_REST_MAX);
		must(packet_parse(first.data, first.length, &part) ==
		    PACKET_FRAGMENT);
		must(packet_parse(rest, len, &part) == PACKET_FRAGMENT);
		must(first.length - 48 + len - 48 == upper);
		must(memcmp(first.data + 48, p->data + 40, 1232) == 0);
		must(memcmp(rest + 48, p->data + 1272, len - 48) == 0);
		must(load_be16(first.data + 42) == 1);
		must(load_be16(rest + 42) == 1232);
		must(memcmp(first.data + 44, rest + 44, 4) == 0);
	}
	free(copy);
	free(rest);
}

static void
go_there_and_back(struct cursor *in, struct packet *p, uint8_t *block)
{
	size_t space = p->headroom + p->length + p->tailroom;
	size_t length = p->length - p->transport, all = p->length;
	bool right = checksums_right(p), none = lacks_checksum(p);
	struct ip_address here[2] = { p->source, p->destination }, there[2];
	uint8_t before[INNER_PACKET_MAX];
	const uint8_t *payload = before + p->transport;
	bool fits = translate_fits(p);

	there[0] = pick_address(in, other_family(p));
	there[1] = pick_address(in, other_family(p));
	memcpy(before, p->data, all);
	if (!translate_packet(p, &there[0], &there[1], cursor_be16(in))) {
		must(p->length == all && memcmp(p->data, before, all) == 0);
		must(!fits || p->headroom + p->tailroom < 28 ||
		    (p->kind != PACKET_TCP && p->kind != PACKET_UDP &&
			p->kind != PACKET_ICMP_ECHO));
		return;
	}
	must(fits);
	cut_in_two(p);
	check_fields(p, block, space);
	must(same_payload(p, payload, length));
	must(!right || checksums_right(p));
	must(!none || p->source.family == IP_V4 || checksums_right(p));

	must(translate_packet(p, &here[0], &here[1], cursor_be16(in)));
	check_fields(p, block, space);
	must(same_payload(p, payload, length));
	must(p->data[p->transport] == payload[0]);
	must(!right || checksums_right(p));
}

static void
translate_what_is_quoted(struct cursor *in, const struct packet *error)
{
	uint8_t *to = malloc(INNER_PACKET_MAX);
	struct ip_address source, destination;
	struct packet quote;
	struct icmp_error e;
	size_t transport, length;

	must(to != NULL && packet_quote(error, &quote));
	if (translate_error(error, &e)) {
		must(e.type != 0 && e.rest <= INNER_PACKET_MAX);
		must(error->source.family == IP_V6 || e.type != 2 ||
		    e.rest == INNER_PACKET_MAX);
	}
	source = pick_address(in, other_family(&quote));
	destination = pick_address(in, other_family(&quote));
	transport = quote.transport;
	length = quote.length;
	if (translate_quote(&quote, &source, &destination, to)) {
		must(quote.data == to && quote.length <= INNER_PACKET_MAX);
		must(quote.length - quote.transport <= length - transport);
		must(ip_equal(&quote.source, &source));
		must(to[0] >> 4 == (source.family == IP_V4 ? 4 : 6));
	}
	free(to);
}

void
fuzz_one(struct cursor *in)
{
	size_t headroom = pick(in, 41), tailroom = pick(in, 41), len;
	bool mend = pick_bool(in);
	uint8_t *packet = pick_block(in, INNER_PACKET_MAX, &len);
	uint8_t *block = malloc(headroom + len + tailroom);
	struct packet p;

	must(block != NULL);
	memcpy(block + headroom, packet, len);
	free(packet);
	if (packet_parse(block + headroom, len, &p) == PACKET_OK) {
		if (mend)
			set_checksums(&p);
		p.headroom = headroom;
		p.tailroom = tailroom;
		if (p.kind == PACKET_ICMP_ERROR)
			translate_what_is_quoted(in, &p);
		go_there_and_back(in, &p, block);
	}
	free(block);
}
