/*
 * Channels that the relay refuses for a while, of a connection without ICE:
 * before there is one the client cannot be heard by the relay, and so nothing
 * asks for it again but we ourselves, or the client that tells its candidate
 * again (firezone-tunnel(7), Channel bindings).
 */
#include "tests/lib/dataplane.h"

#include "net-worker/core/turn/allocation.h"

#define LOCAL   "10.0.0.4:52625"
#define RELAY   "203.0.113.5:3478"
#define RELAYED "203.0.113.9:50001"

static uint8_t relay_key[STUN_KEY_LEN];
static size_t heard; /* of what the gateway has sent */
static bool refuses;
static unsigned asked, bound;

static int
begin(void **state)
{
	assert_true(stun_long_term_key("u", TURN_REALM, "p", relay_key));
	heard = asked = bound = 0;
	refuses = false;
	return set_up(state);
}

static void
write_answer(struct writer *w, const struct stun_message *m)
{
	struct endpoint relayed = at(RELAYED), mapped = at("198.51.100.1:4000");
	bool binds = m->type == STUN_CHANNEL_BIND_REQUEST;

	asked += binds;
	bound += binds && !refuses;
	stun_begin(w,
	    (uint16_t)(m->type | (binds && refuses ? 0x0110 : 0x0100)),
	    m->transaction);
	if (m->type == STUN_BINDING_REQUEST)
		stun_add_address(w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	else if (m->type == STUN_ALLOCATE_REQUEST)
		stun_add_address(w, STUN_XOR_RELAYED_ADDRESS, &relayed);
	if (binds && refuses)
		stun_add_error(w, 508, "full");
	else if (m->type != STUN_BINDING_REQUEST)
		stun_add_u32(w, STUN_LIFETIME, 600);
	stun_add_integrity(w, relay_key, sizeof(relay_key));
}

static void
pass_playing(struct rig *r, int64_t ms)
{
	struct endpoint relay = at(RELAY);

	for (; ms >= 0; ms -= 10) {
		for (; heard < r->udp_count; heard++) {
			struct note n = r->udp[heard % NOTES];
			struct stun_message m;
			uint8_t answer[256];
			struct writer w;

			assert_true(r->udp_count - heard <= NOTES);
			if (!endpoint_equal(&n.to, &relay) ||
			    !stun_parse(n.data, n.len, &m))
				continue;
			writer_init(&w, answer, sizeof(answer));
			write_answer(&w, &m);
			receive(r, RELAY, LOCAL, answer, w.len);
		}
		pass(r, 10);
	}
}

static void
tell_candidate(struct rig *r)
{
	struct ipc_remote_candidates m = {
		.client = { { 0xc1 } },
		.lines = "candidate:1 1 udp 16777215 198.51.100.9 50001 typ "
			 "relay raddr 192.0.2.7 rport 50000\n",
	};

	tell(r, remote_candidates, &m);
	settle(r);
}

static void
refused_one(struct rig *r)
{
	struct ipc_authorization a = authorization(r);

	with_relay(r);
	pass_playing(r, 100);
	a.use_iceless = true;
	a.expires_at = UNIX_NOW + 86400;
	tell(r, authorization, &a);
	settle(r);
	refuses = true;
	tell_candidate(r);
	pass_playing(r, 100);
	assert_int_equal(asked, 1);
}

static void
asks_again(void **state)
{
	struct rig *r = *state;

	refused_one(r);
	pass_playing(r, 5000);
	refuses = false;
	pass_playing(r, 5000);
	assert_int_equal(bound, 1);
	pass_playing(r, 60000);
	assert_int_equal(bound, 1);
	assert_in_range(asked, 3, 5);
}

static void
asks_when_told_again(void **state)
{
	struct rig *r = *state;

	refused_one(r);
	pass_playing(r, 300000);
	assert_in_range(asked, 8, 10);
	refuses = false;
	pass_playing(r, 60000);
	assert_int_equal(bound, 0);
	tell_candidate(r);
	pass_playing(r, 100);
	assert_int_equal(bound, 1);
	/* It has one now. */
	tell_candidate(r);
	pass_playing(r, 100);
	assert_int_equal(bound, 1);
	assert_int_equal(r->closed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, tear_down)
		T(asks_again),
		T(asks_when_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
