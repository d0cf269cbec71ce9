/*
 * What one datagram of a stranger, one message of the portal and one turn of
 * the clock cost must not depend on how many clients there are: the figures are
 * printed for 100, 1000 and 10 000 clients, and compared.
 *
 * Time is the thread's own, and of several rounds the quickest counts, so that
 * a busy machine changes nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "tests/lib/dataplane.h"

#define CLIENTS_MAX 10000
#define CALLS       10 /* in a round */
#define ROUNDS      10
/* A walk over all makes it 10 to 600; caches that have grown cold, below 3. */
#define RATIO_MAX 4.0
/* A machine's own jitter, which no ratio of two tiny figures may be made of. */
#define NOISE_US 3.0

static double
thread_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct ipc_authorization
authorization_of(const struct rig *r, uint32_t number)
{
	struct ipc_authorization a = authorization(r);

	store_be32(a.client.bytes + 12, number);
	store_be32(a.client_v4.bytes, 0x64400000 + 2 + number);
	store_be32(a.client_v6.bytes + 12, 2 + number);
	snprintf(a.local_username, sizeof(a.local_username), "%05x", number);
	store_be32(a.public_key, number);
	/* In one year, so that no grant is over by then, and none of two. */
	a.expires_at = UNIX_NOW + 31536000 + number;
	return a;
}

static void
authorize(struct rig *r, uint32_t number)
{
	struct ipc_authorization a = authorization_of(r, number);
	struct ipc_remote_candidates line = { .client = a.client };

	tell(r, authorization, &a);
	settle(r);
	r->added[0] = '\0';
	assert_int_equal(r->refused, 0);
	/* One that is for another session: seen, but nothing to be checked. */
	strlcpy(line.lines, "candidate:1 1 udp 2130706175 192.0.2.7 50000 "
	    "typ host ufrag none\n", sizeof(line.lines));
	tell(r, remote_candidates, &line);
	settle(r);
}

static void
revoke_client(struct rig *r, uint32_t number)
{
	struct ipc_authorization a = authorization_of(r, number);
	struct ipc_revocation gone = {
		.client = a.client,
		.resource = a.resource,
	};

	tell(r, revocation, &gone);
	settle(r);
}

/* One call of each kind; the second argument tells calls apart. */

static void
stranger_checks(struct rig *r, uint32_t call)
{
	static const uint8_t transaction[12] = { 1, 2, 3 };
	uint8_t check[128];
	struct writer w;

	(void)call;
	writer_init(&w, check, sizeof(check));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, "nobody:here");
	stun_add_fingerprint(&w);
	receive(r, "192.0.2.9:4000", "10.0.0.4:52625", check, w.len);
}

static struct noise_identity stranger;
static struct noise_peer gateway;

static void
stranger_initiates(struct rig *r, uint32_t call)
{
	static uint8_t message[MESSAGE_INITIATION_LEN];
	uint8_t timestamp[NOISE_TIMESTAMP_LEN] = { 0 };
	char from[ENDPOINT_TEXT_MAX];

	/* So many a second, from so many, that nobody is asked for a cookie. */
	r->now = mono_add_ms(r->now, 10);
	snprintf(from, sizeof(from), "198.18.0.%u:4000", call);
	if (call == 0 && !noise_create_initiation(&stranger, &gateway, 1,
		timestamp, r->now, message))
		fail();
	receive(r, from, "10.0.0.4:52625", message, sizeof(message));
}

static void
portal_authorizes(struct rig *r, uint32_t call)
{
	authorize(r, CLIENTS_MAX + call);
}

static void
portal_revokes(struct rig *r, uint32_t call)
{
	revoke_client(r, CLIENTS_MAX + call);
}

static void
clock_turns(struct rig *r, uint32_t call)
{
	(void)call;
	r->now = mono_add_ms(r->now, 11);
	by_hand_set_time(r->dp, r->now);
	by_hand_timeout(r->dp);
	settle(r);
}

/* The last full page, which a walk from the first client would be long for. */
static uint32_t last_page;

static void
operator_asks(struct rig *r, uint32_t call)
{
	const struct ipc_query q = {
		.kind = QUERY_KIND_CLIENTS,
		.from = last_page,
	};

	(void)call;
	ask_query(r, &q);
	assert_int_equal(r->client_count, PAGE_MAX);
}

static void
find_last_page(struct rig *r)
{
	struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };

	for (ask_query(r, &q); r->end.more; ask_query(r, &q)) {
		last_page = q.from;
		q.from = r->end.next;
	}
}

/* One more relay comes and goes, which no connection is on. */
static void
relay_changes(struct rig *r, uint32_t call)
{
	struct ipc_relay_present relay = {
		.relay = { { 2 } },
		.v4 = at("203.0.113.6:3478"),
		.username = "u",
		.password = "p",
	};
	struct ipc_relay_removed gone = { .relay = relay.relay };

	(void)call;
	tell(r, relays_begin, NULL);
	tell(r, relay_present, &relay);
	tell(r, relays_commit, NULL);
	tell(r, relays_begin, NULL);
	tell(r, relay_removed, &gone);
	tell(r, relays_commit, NULL);
	settle(r);
}

static const struct cost {
	const char *what;
	void (*call)(struct rig *, uint32_t);
} costs[] = {
	{ "a stranger's STUN request", stranger_checks },
	{ "a stranger's initiation", stranger_initiates },
	{ "one authorization", portal_authorizes },
	{ "one revocation", portal_revokes },
	{ "one turn of the clock", clock_turns },
	{ "a page of a query", operator_asks },
	{ "a relay that comes and goes", relay_changes },
};

#define COSTS (sizeof(costs) / sizeof(costs[0]))

static void
measure(struct rig *r, double us[COSTS])
{
	for (size_t i = 0; i < COSTS; i++)
		us[i] = 1e9;
	/* Authorizations and revocations alternate: their number is even. */
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < COSTS; i++) {
			double start = thread_us(), each;

			for (uint32_t call = 0; call < CALLS; call++)
				costs[i].call(r, call);
			each = (thread_us() - start) / CALLS;
			us[i] = each < us[i] ? each : us[i];
		}
}

static void
costs_do_not_grow_with_clients(void **state)
{
	static const uint32_t counts[] = { 100, 1000, CLIENTS_MAX };
	double us[3][COSTS];
	struct rig *r = *state;
	uint32_t clients = 0;

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	with_relay(r);
	assert_true(noise_identity_generate(&stranger));
	assert_true(noise_peer_init(&gateway, &stranger,
	    dataplane_public_key(r->dp), (uint8_t[32]){ 0 }));
	for (size_t n = 0; n < 3; n++) {
		while (clients < counts[n])
			authorize(r, clients++);
		assert_int_equal(r->page.engine.clients, counts[n]);
		find_last_page(r);
		measure(r, us[n]);
	}
	printf("us a call, clients: %18u %8u %8u\n", counts[0], counts[1],
	    counts[2]);
	for (size_t i = 0; i < COSTS; i++)
		printf("%-28s %8.2f %8.2f %8.2f\n", costs[i].what, us[0][i],
		    us[1][i], us[2][i]);
	for (size_t i = 0; i < COSTS; i++)
		assert_true(us[2][i] < RATIO_MAX * us[0][i] + NOISE_US);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    costs_do_not_grow_with_clients, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
