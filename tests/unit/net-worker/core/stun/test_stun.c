/*
 * net-worker/core/stun/stun.c: the vectors of RFC 5769 and of
 * firezone-tunnel(7), Check vectors and Relay vectors; each truncated at every
 * byte, and what makes a datagram "not STUN".
 */
#include "net-worker/core/stun/stun.h"
#include "tests/lib/stun_vectors.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

static const char client_password[] = "j2fqufatn7xlrrvv6fsvea";
static const char gateway_password[] = "zfjrrjdkbci42t2axyd45a";
static const char turn_username[] = "1719367575:ZQHcVGkdnfgGmcP1";
static const char turn_password[] =
    "ZWYiBeFHOJyYq0mcwAXjRpcuXIJJpzWlOXVdxwttrWg";
static const char nonce[] = "00000000-0000-0000-0000-000000000001";
static const uint8_t transaction[STUN_TRANSACTION_LEN] = { 1, 2, 3, 4, 5, 6, 7,
	8, 9, 10, 11, 12 };

/* RFC 5769 2.1, 2.2, 2.3: password VOkJxbRl1RmTxUk/WvJxBt. */
static const char rfc5769_password[] = "VOkJxbRl1RmTxUk/WvJxBt";
static const char rfc5769_request[] =
    "00010058 2112a442 b7e7a701bc34d686fa87dfae"
    "80220010 5354554e207465737420636c69656e74"
    "00240004 6e0001ff 80290008 932ff9b151263b36"
    "00060009 6576746a3a68367659202020"
    "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004 e57a3bcf";
static const char rfc5769_response_v4[] =
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220 00200008 0001a147e112a643"
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004 c07d4c96";
static const char rfc5769_response_v6[] =
    "01010048 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004 c8fb0b4c";

static const char *const vectors[] = { rfc5769_request, rfc5769_response_v4,
	rfc5769_response_v6, vector_a, vector_b, vector_c, vector_d, vector_e,
	vector_f, vector_g, vector_h, vector_i };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct endpoint
endpoint_of(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static void
assert_text(const struct stun_text *got, const char *want)
{
	assert_int_equal(got->length, strlen(want));
	assert_memory_equal(got->bytes, want, got->length);
}

static void
assert_endpoint(const struct endpoint *got, const char *want)
{
	char text[ENDPOINT_TEXT_MAX];

	assert_string_equal(endpoint_format(got, text), want);
}

static bool
verify(const struct stun_message *m, const char *password)
{
	return stun_verify(m, password, strlen(password));
}

/* Parses what text says, from a block of exactly that size. */
static bool
parse_hex(const char *text, uint8_t *block, struct stun_message *m)
{
	return stun_parse(block, unhex(text, block, STUN_MESSAGE_MAX), m);
}

static void
reads_rfc5769(void **state)
{
	uint8_t block[STUN_MESSAGE_MAX];
	struct stun_message m;

	(void)state;
	assert_true(parse_hex(rfc5769_request, block, &m));
	assert_int_equal(m.type, STUN_BINDING_REQUEST);
	assert_hex(m.transaction, 12, "b7e7a701bc34d686fa87dfae");
	assert_int_equal(m.have,
	    STUN_HAVE_USERNAME | STUN_HAVE_INTEGRITY | STUN_HAVE_PRIORITY |
		STUN_HAVE_CONTROLLED);
	assert_text(&m.username, "evtj:h6vY");
	assert_int_equal(m.priority, 0x6e0001ff);
	assert_true(m.tie_breaker == 0x932ff9b151263b36);
	assert_true(verify(&m, rfc5769_password));
	assert_false(verify(&m, client_password));

	assert_true(parse_hex(rfc5769_response_v4, block, &m));
	assert_int_equal(m.type, STUN_BINDING_SUCCESS);
	assert_endpoint(&m.mapped, "192.0.2.1:32853");
	assert_true(verify(&m, rfc5769_password));

	assert_true(parse_hex(rfc5769_response_v6, block, &m));
	assert_endpoint(
	    &m.mapped, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
	assert_true(verify(&m, rfc5769_password));
}

static void
verification_covers_every_byte(void **state)
{
	uint8_t block[STUN_MESSAGE_MAX];
	struct stun_message m;

	(void)state;
	assert_true(parse_hex(vector_g, block, &m));
	assert_int_equal(m.integrity_at, 132);
	for (size_t at = 4; at < 156; at++) {
		uint8_t key[STUN_KEY_LEN];

		assert_true(stun_long_term_key(
		    turn_username, "firezone", turn_password, key));
		assert_true(stun_verify(&m, key, sizeof(key)));
		if (at >= m.integrity_at && at < m.integrity_at + 4)
			continue; /* its own header is not covered */
		block[at] ^= 1;
		assert_false(stun_verify(&m, key, sizeof(key)));
		block[at] ^= 1;
	}
}

static void
without_integrity_nothing_verifies(void **state)
{
	uint8_t block[STUN_MESSAGE_MAX];
	struct stun_message m;

	(void)state;
	assert_true(parse_hex(vector_e, block, &m));
	assert_false(stun_verify(&m, "", 0));
}

static void
every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		uint8_t block[STUN_MESSAGE_MAX];
		size_t len = unhex(vectors[i], block, sizeof(block));
		struct stun_message m;

		assert_true(stun_parse(block, len, &m));
		for (size_t cut = 0; cut < len; cut++) {
			/* On the heap, so that ASan sees a step beyond. */
			uint8_t *copy = malloc(cut);

			if (cut > 0)
				memcpy(copy, block, cut);
			assert_false(stun_parse(copy, cut, &m));
			/* Also with a length field that fits the rest. */
			if (cut >= STUN_HEADER_LEN) {
				store_be16(copy + 2,
				    (uint16_t)(cut - STUN_HEADER_LEN));
				if (cut % 4 != 0)
					assert_false(stun_parse(copy, cut, &m));
				else
					stun_parse(copy, cut, &m);
			}
			free(copy);
		}
	}
}

/* What stands behind a header whose length field is right. */
static bool
parse_attributes(const char *text, struct stun_message *m)
{
	static uint8_t block[STUN_MESSAGE_MAX + 8];
	size_t n;

	n = unhex(text, block + STUN_HEADER_LEN, STUN_MESSAGE_MAX);
	store_be16(block, STUN_BINDING_REQUEST);
	store_be16(block + 2, (uint16_t)n);
	store_be32(block + 4, STUN_COOKIE);
	memset(block + 8, 0, STUN_TRANSACTION_LEN);
	return stun_parse(block, STUN_HEADER_LEN + n, m);
}

static void
malformed_attributes(void **state)
{
	static const char *const bad[] = {
		/* lengths one off, for each fixed size */
		"00080010 00000000000000000000000000000000",
		"00080018 000000000000000000000000000000000000000000000000",
		"00080013 0000000000000000000000000000000000000000",
		"00240003 00000000",
		"00240008 0000000000000000",
		"00250001 00000000",
		"80280003 00000000",
		"80280008 0000000000000000",
		"80290004 00000000",
		"802a0007 0000000000000000",
		"802a000c 000000000000000000000000",
		"000c0002 40000000",
		"000d0008 0000000000000000",
		/* addresses: family, and length against family */
		"00200008 0000000000000000",
		"00200008 0003000000000000",
		"00200004 00010000",
		"00200008 0002000000000000",
		"0020000c 000100000000000000000000",
		"00200014 0001000000000000000000000000000000000000",
		"00200018 000200000000000000000000000000000000000000000000",
		"00120008 0004000000000000",
		"00160008 0000000000000000",
		/* error codes 200, 799, 4100, short */
		"00090004 00000200",
		"00090004 00000763",
		"00090004 00000464",
		"00090002 00000000",
		/* structure: half a header, value or padding missing */
		"8022",
		"80220004",
		"80220001 0000",
		"80220005 00000000",
		/* a wrong FINGERPRINT length counts after integrity, too */
		"00080014 0000000000000000000000000000000000000000"
		"80280008 0000000000000000",
	};
	static const char *const good[] = {
		"",
		"80220000",
		"80220001 00000000",
		"7fff0003 00000000", /* unknown, though to be comprehended */
		"00090004 00000300",
		"00090004 00000663",
		"00200008 0001000000000000",
		"00250000",
		/* what follows integrity is not looked at */
		"00080014 0000000000000000000000000000000000000000"
		"00240008 0000000000000000",
	};
	struct stun_message m;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse_attributes(bad[i], &m))
			fail_msg("accepted: %s", bad[i]);
	for (size_t i = 0; i < COUNT(good); i++)
		if (!parse_attributes(good[i], &m))
			fail_msg("refused: %s", good[i]);
}

static void
not_stun(void **state)
{
	uint8_t block[STUN_MESSAGE_MAX + 4];
	struct stun_message m;
	struct writer w;

	(void)state;
	assert_true(parse_hex(vector_e, block, &m));
	block[4] ^= 1; /* cookie */
	assert_false(stun_parse(block, 32, &m));
	block[4] ^= 1;
	block[3] ^= 4; /* length field */
	assert_false(stun_parse(block, 32, &m));
	block[3] ^= 4;
	block[0] = 0x40; /* ChannelData */
	assert_false(stun_parse(block, 32, &m));
	/* A WireGuard initiation. */
	memset(block, 0, 148);
	block[0] = 1;
	assert_false(stun_parse(block, 148, &m));

	/* The greatest size, and one step more. */
	memset(block, 0, sizeof(block));
	writer_init(&w, block, sizeof(block));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	store_be16(block + 20, STUN_SOFTWARE);
	store_be16(block + 22, STUN_MESSAGE_MAX - 24);
	store_be16(block + 2, STUN_MESSAGE_MAX - 20);
	assert_true(stun_parse(block, STUN_MESSAGE_MAX, &m));
	store_be16(block + 22, STUN_MESSAGE_MAX - 24 + 4);
	store_be16(block + 2, STUN_MESSAGE_MAX - 20 + 4);
	assert_false(stun_parse(block, STUN_MESSAGE_MAX + 4, &m));
}

static void
first_attribute_counts(void **state)
{
	struct stun_message m;

	(void)state;
	assert_true(parse_attributes("00240004 00000001 00240004 00000002"
				     "00060001 61000000 00060001 62000000",
	    &m));
	assert_int_equal(m.priority, 1);
	assert_text(&m.username, "a");

	assert_true(
	    parse_attributes("00080014 0000000000000000000000000000000000000000"
			     "00240004 00000002 00250000 80280004 00000000",
		&m));
	assert_int_equal(m.have, STUN_HAVE_INTEGRITY);
	assert_int_equal(m.integrity_at, 20);

	assert_true(parse_attributes("00160008 00012113 2112a443"
				     "00160008 00012114 2112a444",
	    &m));
	assert_endpoint(&m.relayed[0], "0.0.0.1:1");
	assert_int_equal(m.relayed[1].ip.family, IP_NONE);
	assert_true(parse_attributes(
	    "00160014 00022114 2112a442000000000000000000000002"
	    "00160008 00012113 2112a443",
	    &m));
	assert_endpoint(&m.relayed[0], "0.0.0.1:1");
	assert_endpoint(&m.relayed[1], "[::2]:6");
	assert_int_equal(m.have, STUN_HAVE_RELAYED);
}

static void
username_length(void **state)
{
	char text[8 + 2 * (STUN_USERNAME_MAX + 4) + 1];
	struct stun_message m;

	(void)state;
	for (unsigned n = STUN_USERNAME_MAX - 1; n < STUN_USERNAME_MAX + 2;
	     n++) {
		snprintf(text, sizeof(text), "0006%04x%0*u", n,
		    (int)(2 * ((n + 3) & ~3u)), 0);
		assert_int_equal(
		    parse_attributes(text, &m), n <= STUN_USERNAME_MAX);
	}
}

static void
reads_answers(void **state)
{
	struct stun_message m;

	(void)state;
	assert_true(
	    parse_attributes("00090010 00000401 556e617574686f72697a6564"
			     "00140008 666972657a6f6e65 00150003 61626300"
			     "000c0004 4abc0000 000d0004 00000258",
		&m));
	assert_int_equal(m.have,
	    STUN_HAVE_ERROR | STUN_HAVE_REALM | STUN_HAVE_NONCE |
		STUN_HAVE_CHANNEL | STUN_HAVE_LIFETIME);
	assert_int_equal(m.error, 401);
	assert_text(&m.realm, "firezone");
	assert_text(&m.nonce, "abc");
	assert_int_equal(m.channel, 0x4abc);
	assert_int_equal(m.lifetime, 600);
}

static void
long_term_key(void **state)
{
	uint8_t key[STUN_KEY_LEN];

	(void)state;
	assert_true(
	    stun_long_term_key(turn_username, "firezone", turn_password, key));
	assert_hex(key, sizeof(key), vector_long_term_key);
}

/* The example of RFC 5389 15.4. */
static void
long_term_key_of_rfc(void **state)
{
	uint8_t key[STUN_KEY_LEN];

	(void)state;
	assert_true(stun_long_term_key("user", "realm", "pass", key));
	assert_hex(key, sizeof(key), "8493fbc53ba582fb4c044c456bdc40eb");
}

static void
begin(struct writer *w, uint8_t out[STUN_MESSAGE_MAX], uint16_t type)
{
	writer_init(w, out, STUN_MESSAGE_MAX);
	stun_begin(w, type, transaction);
}

static void
writes_checks(void **state)
{
	uint8_t out[STUN_MESSAGE_MAX];
	struct endpoint e = endpoint_of("203.0.113.7:40000");
	struct writer w;

	(void)state;
	begin(&w, out, STUN_BINDING_REQUEST);
	stun_add_text(&w, STUN_USERNAME, "hgwh:ejqt");
	stun_add_u64(&w, STUN_ICE_CONTROLLED, 0x0102030405060708);
	stun_add_u32(&w, STUN_PRIORITY, 1862270719);
	stun_add_integrity(&w, client_password, strlen(client_password));
	stun_add_fingerprint(&w);
	assert_hex(out, w.len, vector_a);

	begin(&w, out, STUN_BINDING_REQUEST);
	stun_add_text(&w, STUN_USERNAME, "ejqt:hgwh");
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 0x1112131415161718);
	stun_add_u32(&w, STUN_PRIORITY, 1862270719);
	stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	stun_add_integrity(&w, gateway_password, strlen(gateway_password));
	stun_add_fingerprint(&w);
	assert_hex(out, w.len, vector_b);

	begin(&w, out, STUN_BINDING_SUCCESS);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &e);
	stun_add_integrity(&w, gateway_password, strlen(gateway_password));
	stun_add_fingerprint(&w);
	assert_hex(out, w.len, vector_c);

	begin(&w, out, STUN_BINDING_ERROR);
	stun_add_error(&w, 487, "Role Conflict");
	stun_add_integrity(&w, gateway_password, strlen(gateway_password));
	stun_add_fingerprint(&w);
	assert_hex(out, w.len, vector_d);
	assert_false(writer_failed(&w));
}

static void
writes_turn_requests(void **state)
{
	uint8_t out[STUN_MESSAGE_MAX], key[STUN_KEY_LEN];
	struct endpoint e = endpoint_of("203.0.113.7:40000");
	struct writer w;

	(void)state;
	assert_true(
	    stun_long_term_key(turn_username, "firezone", turn_password, key));

	begin(&w, out, STUN_BINDING_REQUEST);
	stun_add_text(&w, STUN_SOFTWARE, "snownet");
	assert_hex(out, w.len, vector_e);

	begin(&w, out, STUN_ALLOCATE_REQUEST);
	stun_add_u32(&w, STUN_REQUESTED_TRANSPORT, 0x11000000);
	stun_add_u32(&w, STUN_ADDITIONAL_ADDRESS_FAMILY, 0x02000000);
	stun_add_text(&w, STUN_SOFTWARE, "snownet");
	stun_add_text(&w, STUN_USERNAME, turn_username);
	stun_add_text(&w, STUN_REALM, "firezone");
	stun_add_integrity(&w, key, sizeof(key));
	assert_hex(out, w.len, vector_f);

	begin(&w, out, STUN_CHANNEL_BIND_REQUEST);
	stun_add_address(&w, STUN_XOR_PEER_ADDRESS, &e);
	stun_add_u32(&w, STUN_CHANNEL_NUMBER, 0x40000000);
	stun_add_text(&w, STUN_SOFTWARE, "snownet");
	stun_add_text(&w, STUN_USERNAME, turn_username);
	stun_add_text(&w, STUN_REALM, "firezone");
	stun_add_text(&w, STUN_NONCE, nonce);
	stun_add_integrity(&w, key, sizeof(key));
	assert_hex(out, w.len, vector_i);
}

static void
addresses_go_there_and_back(void **state)
{
	static const char *const texts[] = { "0.0.0.0:0", "192.0.2.1:65535",
		"[2001:db8::1]:3478", "[::]:1" };
	uint8_t out[STUN_MESSAGE_MAX];
	struct stun_message m;
	struct endpoint e;
	struct writer w;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		e = endpoint_of(texts[i]);
		begin(&w, out, STUN_BINDING_SUCCESS);
		stun_add_address(&w, STUN_XOR_PEER_ADDRESS, &e);
		assert_true(stun_parse(out, w.len, &m));
		assert_true(endpoint_equal(&m.peer, &e));
	}
	e.ip.family = IP_NONE;
	begin(&w, out, STUN_BINDING_SUCCESS);
	stun_add_address(&w, STUN_XOR_PEER_ADDRESS, &e);
	assert_true(writer_failed(&w));
}

/* Every size too small for vector A fails, and writes nothing beyond. */
static void
writer_without_room(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 88; size++) {
		uint8_t *out = malloc(size);
		struct writer w;

		writer_init(&w, out, size);
		stun_begin(&w, STUN_BINDING_REQUEST, transaction);
		stun_add_text(&w, STUN_USERNAME, "hgwh:ejqt");
		stun_add_u64(&w, STUN_ICE_CONTROLLED, 0x0102030405060708);
		stun_add_u32(&w, STUN_PRIORITY, 1862270719);
		stun_add_integrity(
		    &w, client_password, strlen(client_password));
		stun_add_fingerprint(&w);
		assert_int_equal(writer_failed(&w), size < 88);
		free(out);
	}
}

static void
writer_refuses_giants(void **state)
{
	static uint8_t out[70000], value[66000];
	struct writer w;

	(void)state;
	writer_init(&w, out, sizeof(out));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_bytes(&w, STUN_SOFTWARE, value, 65536);
	assert_true(writer_failed(&w));

	writer_init(&w, out, sizeof(out));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_bytes(&w, STUN_SOFTWARE, value, STUN_MESSAGE_MAX - 24);
	assert_false(writer_failed(&w));
	stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	assert_true(writer_failed(&w));
}

static void
writer_cuts_reasons(void **state)
{
	char reason[STUN_REASON_MAX + 9];
	uint8_t out[STUN_MESSAGE_MAX];
	struct writer w;

	(void)state;
	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	begin(&w, out, STUN_BINDING_ERROR);
	stun_add_error(&w, 400, reason);
	assert_int_equal(w.len, 20 + 4 + 4 + STUN_REASON_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_rfc5769),
		cmocka_unit_test(verification_covers_every_byte),
		cmocka_unit_test(without_integrity_nothing_verifies),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(malformed_attributes),
		cmocka_unit_test(not_stun),
		cmocka_unit_test(first_attribute_counts),
		cmocka_unit_test(username_length),
		cmocka_unit_test(reads_answers),
		cmocka_unit_test(long_term_key),
		cmocka_unit_test(long_term_key_of_rfc),
		cmocka_unit_test(writes_checks),
		cmocka_unit_test(writes_turn_requests),
		cmocka_unit_test(addresses_go_there_and_back),
		cmocka_unit_test(writer_without_room),
		cmocka_unit_test(writer_refuses_giants),
		cmocka_unit_test(writer_cuts_reasons),
	};

	if (!stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
