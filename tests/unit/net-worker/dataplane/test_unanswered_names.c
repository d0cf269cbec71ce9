/*
 * Names of clients of 1.3 whose packets have no answer any more: when they are
 * to be resolved again, and what becomes of their sessions (firezone-policy(7),
 * Resolution again).
 */
#include <sodium.h>

#include "common/log.h"
#include "tests/lib/older_client.h"
#include "tests/lib/packets.h"

#define CLIENT_IP "100.64.0.2"
#define PROXY_V4  "100.96.0.1"
#define PROXY_V6  "fd00:2021:1111:8000::1"
#define REAL      "10.20.0.9"
#define OTHER     "10.20.0.10"

/* Names, granted as an authorization of that kind does, and a session. */
static void
connected_as(struct rig *r, enum authorization_kind kind)
{
	struct ipc_authorization a = authorization(r);

	connected_older(r, 0);
	a.kind = (uint8_t)kind;
	a.expires_at = 0;
	a.resource.bytes[0] = 0x77;
	a.type = RESOURCE_DNS;
	a.filters_count = 0;
	memset(&a.network, 0, sizeof(a.network));
	strlcpy(a.pattern, "*.example.com", sizeof(a.pattern));
	tell(r, authorization, &a);
	settle(r);
}

/* The number-th name, with a proxy address of each family. */
static void
install_name(struct rig *r, uint8_t number, const char *address)
{
	struct ipc_name_resolved m = {
		.client = { { 0xc1 } },
		.resource = { { 0x77 } },
		.proxies = { ip(PROXY_V4), ip(PROXY_V6) },
		.proxies_count = 2,
		.addresses_count = address != NULL,
	};

	snprintf(m.domain, sizeof(m.domain), "n%u.example.com", number);
	m.proxies[0].bytes[3] += number;
	m.proxies[1].bytes[15] += number;
	if (address != NULL)
		m.addresses[0] = ip(address);
	tell(r, name_resolved, &m);
	settle(r);
}

/* Both sides have a session for the next three minutes. */
static void
pass_rekeyed(struct rig *r, int64_t seconds)
{
	pass_playing(r, seconds * 1000);
	handshake(r);
	play_client(r);
}

static void
sends(struct rig *r, uint16_t port)
{
	char from[ENDPOINT_TEXT_MAX];

	snprintf(from, sizeof(from), CLIENT_IP ":%u", port);
	client_sends(r, from, PROXY_V4 ":80");
}

/* The address that the last packet has left for. */
static void
last_went_to(struct rig *r, const char *address)
{
	struct ip_address to = ip(address);

	assert_true(r->tun_count > 0);
	assert_memory_equal(
	    r->tun[(r->tun_count - 1) % NOTES].data + 16, to.bytes, 4);
}

static bool
is_answered(struct rig *r, const char *from, uint16_t port)
{
	char source[ENDPOINT_TEXT_MAX], to[ENDPOINT_TEXT_MAX];
	size_t before = r->udp_count;
	uint8_t reply[40];
	size_t len;

	snprintf(source, sizeof(source), "%s:80", from);
	snprintf(to, sizeof(to), CLIENT_IP ":%u", port);
	len = tcp_packet(reply, source, to);
	from_tun(r, reply, len);
	if (r->udp_count == before)
		return false;
	client_sends_packet(r, NULL, 0);
	return true;
}

/* Nothing before two minutes, then once, and so on while it is asked. */
static void
is_told_after_two_minutes(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	install_name(r, 0, REAL);
	sends(r, 1000);
	assert_true(is_answered(r, REAL, 1000));
	pass_rekeyed(r, 100);
	/* An answer may come late. */
	sends(r, 1000);
	pass_playing(r, 30000);
	assert_int_equal(r->unanswered_names, 0);
	sends(r, 1000);
	pass_playing(r, 1000);
	assert_int_equal(r->unanswered_names, 0);
	pass_playing(r, 9500);
	assert_int_equal(r->unanswered_names, 1);
	assert_int_equal(r->unanswered.client.bytes[0], 0xc1);
	assert_int_equal(r->unanswered.resource.bytes[0], 0x77);
	assert_string_equal(r->unanswered.domain, "n0.example.com");
	assert_int_equal(r->unanswered.proxies_count, 2);
	assert_true(ip_equal(&r->unanswered.proxies[0],
	    &(struct ip_address){ IP_V4, { 100, 96, 0, 1 } }));
	/* Nobody resolves it, and nobody asks. */
	pass_rekeyed(r, 150);
	assert_int_equal(r->unanswered_names, 1);
	for (int i = 0; i < 20; i++) {
		sends(r, 1000);
		pass_playing(r, 1000);
	}
	assert_int_equal(r->unanswered_names, 2);
	assert_int_equal(r->page.engine.names_asked_again, 2);
}

/* Whoever asks all the time hears of it, and whoever is answered does not. */
static void
is_not_told_if_answered(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	install_name(r, 0, REAL);
	for (int i = 0; i < 3; i++) {
		pass_rekeyed(r, 99);
		sends(r, 1000);
		pass_playing(r, 6000);
		assert_true(is_answered(r, REAL, 1000));
		pass_playing(r, 12000);
		assert_int_equal(r->unanswered_names, 0);
	}
	for (int i = 0; i < 140; i++) {
		sends(r, 1000);
		pass_playing(r, 1000);
	}
	assert_int_equal(r->unanswered_names, 1);
}

/* Asked after a long silence: the answer is given the time to come. */
static void
is_not_told_at_the_first_packet(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	install_name(r, 0, REAL);
	for (int i = 0; i < 3; i++)
		pass_rekeyed(r, 100);
	sends(r, 1000);
	pass_playing(r, 9500);
	assert_int_equal(r->unanswered_names, 0);
	pass_playing(r, 11000);
	assert_int_equal(r->unanswered_names, 1);
}

/* Somebody on the way speaks, not what the name means. */
static void
errors_are_no_answer(void **state)
{
	struct ip_address router = ip("10.20.0.1"), client = ip(CLIENT_IP);
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	install_name(r, 0, REAL);
	for (int i = 0; i < 140; i++) {
		uint8_t error[INNER_PACKET_MAX], body[64] = { 3, 1 };
		size_t len, before = r->udp_count;

		if (i == 100)
			handshake(r);
		sends(r, 1000);
		memcpy(body + 8, r->tun[(r->tun_count - 1) % NOTES].data, 40);
		len = build_ip(error, &router, &client, IPPROTO_ICMP, body, 48);
		from_tun(r, error, len);
		assert_true(r->udp_count > before);
		pass_playing(r, 1000);
	}
	assert_int_equal(r->unanswered_names, 1);
}

/* What goes on without an answer goes to the new address, from any port. */
static void
sessions_without_an_answer_move(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	install_name(r, 0, REAL);
	sends(r, 1000);
	assert_true(is_answered(r, REAL, 1000));
	pass_rekeyed(r, 100);
	for (int i = 0; i < 40; i++) {
		sends(r, 1000);
		pass_playing(r, 1000);
	}
	assert_int_equal(r->unanswered_names, 1);
	install_name(r, 0, OTHER);
	sends(r, 1000);
	last_went_to(r, OTHER);
	assert_true(is_answered(r, OTHER, 1000));
	assert_false(is_answered(r, REAL, 1000));
	/* But not what is answered, whatever is resolved. */
	install_name(r, 0, REAL);
	sends(r, 1000);
	last_went_to(r, OTHER);
	sends(r, 1001);
	last_went_to(r, REAL);
}

/* It came back while the name was looked up: it stays where it is. */
static void
sessions_with_an_answer_stay(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	install_name(r, 0, REAL);
	for (int i = 0; i < 140; i++) {
		if (i == 100)
			handshake(r);
		sends(r, 1000);
		pass_playing(r, 1000);
	}
	assert_int_equal(r->unanswered_names, 1);
	assert_true(is_answered(r, REAL, 1000));
	install_name(r, 0, OTHER);
	sends(r, 1000);
	last_went_to(r, REAL);
	sends(r, 1001);
	last_went_to(r, OTHER);
}

/* Such a client cannot assign again what had no address when it did. */
static void
a_name_without_an_address_is_told(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	install_name(r, 0, NULL);
	for (int i = 0; i < 140; i++) {
		if (i == 100)
			handshake(r);
		sends(r, 1000);
		pass_playing(r, 1000);
	}
	assert_int_equal(r->tun_count, 0);
	assert_int_equal(r->unanswered_names, 1);
	install_name(r, 0, REAL);
	sends(r, 1000);
	last_went_to(r, REAL);
}

static void
newer_clients_assign_it_themselves(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_UPSERT);
	install_name(r, 0, REAL);
	for (int i = 0; i < 140; i++) {
		if (i == 100)
			handshake(r);
		sends(r, 1000);
		pass_playing(r, 1000);
	}
	assert_int_equal(r->unanswered_names, 0);
}

static void
what_is_not_granted_is_not_told(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	install_name(r, 0, REAL);
	pass_rekeyed(r, 100);
	pass_playing(r, 12000);
	sends(r, 1000);
	take_away(r, 0x77);
	pass_playing(r, 20000);
	assert_int_equal(r->unanswered_names, 0);
}

/* However many, they come by and by. */
static void
many_names_have_turns(void **state)
{
	enum { MANY = 100 };
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_ACCESS);
	for (uint8_t i = 0; i < MANY; i++)
		install_name(r, i, REAL);
	pass_rekeyed(r, 112);
	for (unsigned i = 0; i < MANY; i++) {
		char to[ENDPOINT_TEXT_MAX];

		snprintf(to, sizeof(to), "100.96.0.%u:80", 1 + i);
		client_sends(r, CLIENT_IP ":1000", to);
	}
	assert_int_equal(r->tun_count, MANY);
	while (r->unanswered_names == 0)
		pass_playing(r, 1000);
	assert_int_equal(r->unanswered_names, 8);
	for (unsigned told = 8; told < MANY; told = r->unanswered_names) {
		pass_playing(r, 5000);
		assert_int_equal(
		    r->unanswered_names, told + 8 < MANY ? told + 8 : MANY);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(is_told_after_two_minutes),
		T(is_not_told_if_answered),
		T(is_not_told_at_the_first_packet),
		T(errors_are_no_answer),
		T(sessions_without_an_answer_move),
		T(sessions_with_an_answer_stay),
		T(a_name_without_an_address_is_told),
		T(newer_clients_assign_it_themselves),
		T(what_is_not_granted_is_not_told),
		T(many_names_have_turns),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
