/*
 * Sessions and timers of the client in both modes (firezone-tunnel(7),
 * WireGuard timers). The rest of the client is played here, and so is the
 * gateway; the clock is our own. Handshakes by timers come up to 333 ms late.
 */
#include <sodium.h>

#include "common/buffer.h"
#include "tests/client/client.h"

#include "tests/lib/unit.h"

#define JITTER_MS 334
#define SENT_MAX  256

static struct client c;
static struct noise_identity gateway_identity;
static struct noise_peer gateway;
static struct noise_keys gateway_keys;
static uint32_t client_index; /* of the session */

static struct {
	struct path path;
	struct mono at;
	size_t length;
	uint8_t bytes[NOISE_INITIATION_LEN];
} sent[SENT_MAX];
static size_t n_sent;
static char lost[32];
static size_t received;

static struct path path, other;

/* What the tunnel asks of the client. */

void
client_send_path(struct client *client __attribute__((unused)),
    const struct path *to, const void *bytes, size_t len)
{
	assert_true(n_sent < SENT_MAX && len <= sizeof(sent[0].bytes));
	sent[n_sent].path = *to;
	sent[n_sent].at = c.now;
	sent[n_sent].length = len;
	memcpy(sent[n_sent++].bytes, bytes, len);
}

void
client_lost(struct client *client, const char *reason)
{
	snprintf(lost, sizeof(lost), "%s", reason);
	tunnel_stop(client);
}

void
client_session(struct client *client __attribute__((unused)),
    bool first __attribute__((unused)))
{
}

void
client_tunnel_packet(struct client *client __attribute__((unused)),
    const struct path *from __attribute__((unused)),
    uint8_t *packet __attribute__((unused)), size_t len)
{
	received += len;
}

uint8_t *
io_room(struct client *client __attribute__((unused)))
{
	static uint8_t room[IO_DATAGRAM_MAX];

	return room;
}

void
event(const char *format __attribute__((unused)), ...)
{
}

/* Copies of one initiation are the agent's affair. */
static void
send_handshake(void *context __attribute__((unused)), const struct path *to,
    const void *bytes, size_t len)
{
	if (len == NOISE_RESPONSE_LEN || n_sent == 0 ||
	    memcmp(sent[n_sent - 1].bytes, bytes, len) != 0)
		client_send_path(&c, to, bytes, len);
}

static void
take_primary(void *context __attribute__((unused)), const struct path *primary,
    bool relayed __attribute__((unused)))
{
	c.path = *primary;
}

static const struct iceless_output output = {
	.send = send_handshake,
	.primary = take_primary,
};

/* The clock. */

static void
pass(int64_t ms)
{
	for (int64_t end = ms / 10; end-- > 0;) {
		c.now = mono_add_ms(c.now, 10);
		tunnel_timer(&c);
	}
}

static void
begin(bool iceless)
{
	struct noise_identity us;
	uint8_t key[NOISE_KEY_LEN], psk[NOISE_KEY_LEN] = { 7 };

	memset(&c, 0, sizeof(c));
	randombytes_buf(key, sizeof(key));
	assert_true(noise_identity(&us, key));
	randombytes_buf(key, sizeof(key));
	assert_true(noise_identity(&gateway_identity, key));
	assert_true(
	    noise_peer(&gateway, &gateway_identity, us.public_key, psk));
	c.now = (struct mono){ 1000000000 };
	c.habits = *habits_of_release(habits_newest);
	c.agreed.iceless = iceless;
	assert_true(endpoint_parse("10.0.0.2:5000", &path.local));
	assert_true(endpoint_parse("10.9.0.2:52625", &path.remote));
	other = path;
	other.remote.port++;
	c.iceless.output = &output;
	iceless_start(&c.iceless);
	iceless_add_local(&c.iceless,
	    &(struct iceless_candidate){ ICELESS_HOST, path.local, path.local },
	    c.now);
	iceless_add_remote(&c.iceless,
	    &(struct iceless_candidate){
		ICELESS_RELAY, path.remote, path.local },
	    c.now);
	if (!iceless)
		c.path = path;
	n_sent = received = 0;
	lost[0] = '\0';
	assert_true(tunnel_start(&c, &us, gateway_identity.public_key, psk));
	tunnel_handshake(&c);
	iceless_timer(&c.iceless, c.now);
}

/* The gateway. */

static void
answer(const uint8_t *initiation, const struct path *from)
{
	struct noise n = { .our_index = 0x100 };
	uint8_t response[NOISE_RESPONSE_LEN], ephemeral[NOISE_KEY_LEN];

	randombytes_buf(ephemeral, sizeof(ephemeral));
	assert_true(noise_read_initiation(&n, &gateway, initiation));
	client_index = n.their_index;
	assert_true(noise_write_response(
	    &n, &gateway, ephemeral, NULL, response, &gateway_keys));
	assert_true(tunnel_input(&c, from, response, sizeof(response)));
}

static void
gateway_sends(uint64_t counter)
{
	uint8_t message[16 + 40 + 16], plain[40] = { 0x60 }, nonce[12] = { 0 };

	store_le32(message, 4);
	store_le32(message + 4, client_index);
	store_le64(message + 8, counter);
	store_le64(nonce + 4, counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(message + 16, NULL, plain,
	    sizeof(plain), NULL, 0, NULL, nonce, gateway_keys.sending);
	assert_true(tunnel_input(&c, &path, message, sizeof(message)));
}

static void
begin_session(bool iceless)
{
	begin(iceless);
	assert_int_equal(n_sent, 1);
	answer(sent[0].bytes, &path);
	assert_true(tunnel_ready(&c));
	/* The keepalive lets the gateway switch to the session. */
	assert_int_equal(n_sent, 2);
	assert_int_equal(sent[1].length, TUNNEL_OVERHEAD);
	n_sent = 0;
}

static void
client_sends(void)
{
	uint8_t packet[40] = { 0x60 };

	tunnel_send(&c, packet, sizeof(packet));
}

/* The gap, but for the chance in it and the step of our clock. */
static void
assert_after(struct mono from, struct mono to, int64_t ms)
{
	assert_in_range(mono_ms_between(from, to), ms, ms + JITTER_MS + 20);
}

static void
check_retries(bool iceless, int64_t gap_ms, int64_t attempt_ms)
{
	struct mono start, until;

	begin(iceless);
	start = c.now;
	pass(attempt_ms - 20);
	assert_string_equal(lost, "");
	until = c.now;
	pass(40);
	assert_string_equal(lost, "handshake");
	assert_true((int64_t)n_sent > attempt_ms / (gap_ms + JITTER_MS + 20));
	assert_true(mono_ms_between(start, until) >= attempt_ms - 20);
	for (size_t i = 1; i < n_sent; i++)
		assert_after(sent[i - 1].at, sent[i].at, gap_ms);
}

static void
test_retries(void **state __attribute__((unused)))
{
	check_retries(true, 2000, 90000);
	check_retries(false, 5000, 20000);
}

static void
check_keepalive(bool iceless, bool late, int64_t after_ms)
{
	begin_session(iceless);
	c.habits.late_keepalive = late;
	gateway_sends(0);
	pass(1000);
	gateway_sends(1);
	pass(after_ms - 1020);
	assert_int_equal(n_sent, 0);
	pass(40);
	assert_int_equal(n_sent, 1);
	assert_int_equal(sent[0].length, TUNNEL_OVERHEAD);
	assert_int_equal(received, 80);
}

static void
test_keepalives(void **state __attribute__((unused)))
{
	check_keepalive(true, false, 5000);
	check_keepalive(false, false, 10000);
	check_keepalive(true, true, 6000);
	check_keepalive(false, true, 11000);
}

static void
check_silence(bool iceless, int64_t after_ms)
{
	begin_session(iceless);
	client_sends();
	pass(1000);
	client_sends(); /* counted from the first one */
	n_sent = 0;
	pass(after_ms - 1020);
	assert_int_equal(n_sent, 0);
	pass(JITTER_MS + 40);
	assert_int_equal(n_sent, 1);
	assert_int_equal(sent[0].length, NOISE_INITIATION_LEN);
}

static void
test_silence(void **state __attribute__((unused)))
{
	check_silence(true, 7000);
	check_silence(false, 15000);
}

/* Only data was received: the session is renewed before it ends. */
static void
check_renewal(bool iceless, int64_t after_ms)
{
	begin_session(iceless);
	gateway_sends(0);
	pass(after_ms - 20);
	for (size_t i = 0; i < n_sent; i++)
		assert_int_equal(sent[i].length, TUNNEL_OVERHEAD);
	n_sent = 0;
	pass(JITTER_MS + 40);
	assert_int_equal(n_sent, 1);
	assert_int_equal(sent[0].length, NOISE_INITIATION_LEN);
}

static void
test_renewal(void **state __attribute__((unused)))
{
	check_renewal(true, 173000);
	check_renewal(false, 165000);
}

/* Handshakes of the gateway are answered where they came from. */
static void
check_answer(bool iceless, const struct path *want)
{
	struct noise n = { .our_index = 0x200 };
	uint8_t message[NOISE_INITIATION_LEN];
	uint8_t ephemeral[NOISE_KEY_LEN] = { 5 };
	uint8_t stamp[NOISE_TIMESTAMP_LEN] = { 9 };

	begin_session(iceless);
	assert_true(noise_write_initiation(
	    &n, &gateway, ephemeral, stamp, NULL, message));
	for (size_t i = 0; i < 2; i++) /* a copy gets the same again */
		assert_true(tunnel_input(&c, &other, message, sizeof(message)));
	assert_int_equal(n_sent, iceless ? 2 : 1);
	for (size_t i = 0; i < n_sent; i++) {
		assert_int_equal(sent[i].length, NOISE_RESPONSE_LEN);
		assert_true(
		    endpoint_equal(&sent[i].path.remote, &want->remote));
		assert_memory_equal(
		    sent[i].bytes, sent[0].bytes, NOISE_RESPONSE_LEN);
	}
}

static void
test_answers(void **state __attribute__((unused)))
{
	check_answer(true, &other);
	check_answer(false, &path);
}

/* A round trip may be longer than the time to the next try. */
static void
test_late_response(void **state __attribute__((unused)))
{
	begin(true);
	pass(2000 + JITTER_MS + 20);
	assert_int_equal(n_sent, 2);
	answer(sent[0].bytes, &path);
	assert_true(tunnel_ready(&c));
	begin(true);
	pass(2 * (2000 + JITTER_MS + 20));
	assert_int_equal(n_sent, 3);
	answer(sent[0].bytes, &path);
	assert_false(tunnel_ready(&c)); /* it knows two */
	answer(sent[2].bytes, &path);
	assert_true(tunnel_ready(&c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retries),
		cmocka_unit_test(test_keepalives),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_late_response),
	};

	assert_true(sodium_init() != -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
