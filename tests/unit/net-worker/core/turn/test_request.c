/*
 * net-worker/core/turn/request.c: the requests of firezone-tunnel(7), Relay
 * vectors; byte for byte, and the times of firezone-tunnel(7), Retransmission.
 */
#include "net-worker/core/turn/request.h"
#include "tests/lib/stun_vectors.h"
#include "tests/lib/unit.h"

static const struct endpoint server = { { IP_V4, { 192, 0, 2, 1 } }, 3478 };
static const struct endpoint other = { { IP_V4, { 192, 0, 2, 2 } }, 3478 };
static struct credentials credentials;
static struct server_traits traits;
static struct requests requests;

static struct mono
at_ms(int64_t ms)
{
	return (struct mono){ (1000000 + ms) * 1000000 };
}

static struct stun_text
text(const char *s)
{
	return (struct stun_text){ (const uint8_t *)s, strlen(s) };
}

static int
set_up(void **state)
{
	struct stun_text realm = text("firezone");

	(void)state;
	memset(&credentials, 0, sizeof(credentials));
	memset(&traits, 0, sizeof(traits));
	credentials.username = "1719367575:ZQHcVGkdnfgGmcP1";
	credentials.password = "ZWYiBeFHOJyYq0mcwAXjRpcuXIJJpzWlOXVdxwttrWg";
	requests_init(&requests);
	return credentials_set_realm(&credentials, &realm) ? 0 : -1;
}

static void
set_nonce(void)
{
	struct stun_text nonce = text("00000000-0000-0000-0000-000000000001");

	assert_true(credentials_set_nonce(&credentials, &nonce));
}

/* What is written for the kind, with the transaction id of the vectors. */
static void
assert_written(enum request_kind kind, enum request_form form, const char *want)
{
	struct request r = { .kind = kind, .to = server, .unsent = true };
	struct datagram d;

	for (uint8_t i = 0; i < STUN_TRANSACTION_LEN; i++)
		r.transaction[i] = (uint8_t)(i + 1);
	r.channel = 0x4000;
	assert_true(endpoint_parse("203.0.113.7:40000", &r.peer));
	assert_true(request_write(&r, &credentials, &traits, &d));
	assert_hex(d.data, d.length, want);
	assert_true(endpoint_equal(&d.to, &server));
	assert_int_equal(d.from.family, IP_NONE);
	assert_int_equal(r.form, form);
	assert_false(r.unsent);
}

static void
vectors(void **state)
{
	(void)state;
	assert_written(REQUEST_BINDING, FORM_BARE, vector_e);
	assert_written(REQUEST_ALLOCATE, FORM_BLIND, vector_f);
	set_nonce();
	assert_written(REQUEST_BINDING, FORM_BARE, vector_e);
	assert_written(REQUEST_ALLOCATE, FORM_SIGNED, vector_g);
	assert_written(REQUEST_DELETE, FORM_SIGNED, vector_h);
	assert_written(REQUEST_CHANNEL_BIND, FORM_SIGNED, vector_i);
}

static void
standard_server(void **state)
{
	(void)state;
	traits.standard = true;
	assert_written(REQUEST_ALLOCATE, FORM_BARE,
	    "000300242112a4420102030405060708090a0b0c"
	    "0019000411000000 8000000402000000 8032000402000000"
	    "80220007736e6f776e657400");
	assert_written(REQUEST_DELETE, FORM_BARE,
	    "000400142112a4420102030405060708090a0b0c"
	    "80220007736e6f776e657400 000d000400000000");
	traits.single_family = true;
	assert_written(REQUEST_ALLOCATE, FORM_BARE,
	    "000300142112a4420102030405060708090a0b0c"
	    "0019000411000000 80220007736e6f776e657400");
}

/* The longest of all parts still fits a datagram, for every kind. */
static void
longest_request(void **state)
{
	static char username[513], realm[TURN_REALM_MAX + 2],
	    nonce[TURN_NONCE_MAX + 2];
	struct request r = { .to = server, .channel = 0x4000 };
	struct stun_text t;
	struct datagram d;

	(void)state;
	memset(username, 'u', sizeof(username) - 1);
	memset(realm, 'r', sizeof(realm) - 1);
	memset(nonce, 'n', sizeof(nonce) - 1);
	credentials.username = username;
	t = text(realm);
	assert_false(credentials_set_realm(&credentials, &t));
	t = text(realm + 1);
	assert_true(credentials_set_realm(&credentials, &t));
	assert_true(credentials_same_realm(&credentials, &t));
	t.length--;
	assert_false(credentials_same_realm(&credentials, &t));
	t = text(nonce);
	assert_false(credentials_set_nonce(&credentials, &t));
	t.length = 0;
	assert_false(credentials_set_nonce(&credentials, &t));
	t = text(nonce + 1);
	assert_true(credentials_set_nonce(&credentials, &t));
	r.peer.ip.family = IP_V6;
	for (int kind = REQUEST_BINDING; kind <= REQUEST_CHANNEL_BIND; kind++) {
		r.kind = (enum request_kind)kind;
		assert_true(request_write(&r, &credentials, &traits, &d));
	}
}

static void
realm_without_terminator_inside(void **state)
{
	struct stun_text t = { (const uint8_t *)"a\0b", 3 };

	(void)state;
	assert_false(credentials_set_realm(&credentials, &t));
}

static void
retry_times(void **state)
{
	static const int64_t times_ms[] = { 1000, 2500, 4750 };
	struct request *r;

	(void)state;
	r = request_new(&requests, at_ms(0), REQUEST_ALLOCATE, &server);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(requests_unsent(&requests), r);
		r->unsent = false;
		assert_true(r->retry.ns == at_ms(times_ms[i]).ns);
		assert_true(requests_deadline(&requests).ns == r->retry.ns);
		assert_true(request_retry(r, r->retry, &server, &traits));
	}
	assert_true(r->retry.ns == at_ms(8125).ns);
	/* Eight seconds count, not how often it was repeated. */
	assert_true(request_retry(r, at_ms(7999), &server, &traits));
	assert_false(request_retry(r, at_ms(8000), &server, &traits));
	request_free(&requests, r);
	assert_true(requests_empty(&requests));
	assert_true(mono_is_never(requests_deadline(&requests)));
}

static void
retry_changes_all_but_binding(void **state)
{
	uint8_t id[STUN_TRANSACTION_LEN];
	struct request *r;

	(void)state;
	r = request_new(&requests, at_ms(0), REQUEST_BINDING, &server);
	memcpy(id, r->transaction, sizeof(id));
	assert_ptr_equal(requests_find(&requests, id), r);
	assert_true(request_retry(r, at_ms(1000), &other, &traits));
	assert_ptr_equal(requests_find(&requests, id), r);
	assert_true(endpoint_equal(&r->to, &server));

	r = request_new(&requests, at_ms(0), REQUEST_REFRESH, &server);
	memcpy(id, r->transaction, sizeof(id));
	assert_true(request_retry(r, at_ms(1000), &other, &traits));
	assert_null(requests_find(&requests, id));
	assert_true(endpoint_equal(&r->to, &other));
}

/* A standard server answers it as it answered the copy before. */
static void
retry_is_a_copy_for_a_standard_server(void **state)
{
	uint8_t id[STUN_TRANSACTION_LEN];
	struct request *r;

	(void)state;
	traits.standard = true;
	r = request_new(&requests, at_ms(0), REQUEST_ALLOCATE, &server);
	memcpy(id, r->transaction, sizeof(id));
	assert_true(request_retry(r, at_ms(1000), &other, &traits));
	assert_ptr_equal(requests_find(&requests, id), r);
	assert_true(endpoint_equal(&r->to, &other));
	request_restart(r, at_ms(1500));
	assert_null(requests_find(&requests, id));
}

/* Its times are counted from then. */
static void
sent_later(void **state)
{
	struct request *r;

	(void)state;
	r = request_new(&requests, at_ms(0), REQUEST_ALLOCATE, &server);
	request_postpone(r, at_ms(1200));
	assert_null(requests_unsent(&requests));
	assert_true(requests_deadline(&requests).ns == at_ms(1200).ns);
	assert_true(request_retry(r, at_ms(1200), &server, &traits));
	assert_ptr_equal(requests_unsent(&requests), r);
	assert_true(r->first.ns == at_ms(1200).ns);
	assert_true(r->retry.ns == at_ms(2200).ns);
	assert_true(request_retry(r, at_ms(9199), &server, &traits));
	assert_false(request_retry(r, at_ms(9200), &server, &traits));
}

static void
single_shot(void **state)
{
	struct request *r;

	(void)state;
	r = request_new(&requests, at_ms(0), REQUEST_REFRESH, &server);
	r->once = true;
	assert_false(request_retry(r, at_ms(1000), &server, &traits));
	request_restart(r, at_ms(100));
	assert_true(r->retry.ns == at_ms(1100).ns);
	assert_true(request_retry(r, at_ms(1100), &server, &traits));
}

static void
no_more_than_there_is_room_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		assert_int_equal(requests_full(&requests),
		    i >= REQUESTS_MAX - REQUESTS_RESERVED);
		assert_non_null(request_new(
		    &requests, at_ms(0), REQUEST_CHANNEL_BIND, &server));
	}
	assert_null(request_new(&requests, at_ms(0), REQUEST_BINDING, &server));
	requests_clear(&requests);
	assert_true(requests_empty(&requests));
	for (size_t i = 0; i < REQUESTS_MAX; i++)
		assert_non_null(request_new(
		    &requests, at_ms(0), REQUEST_CHANNEL_BIND, &server));
}

static void
answers_match_by_method(void **state)
{
	static const struct {
		enum request_kind kind;
		uint16_t success, error;
	} kinds[] = {
		{ REQUEST_BINDING, 0x0101, 0x0111 },
		{ REQUEST_ALLOCATE, 0x0103, 0x0113 },
		{ REQUEST_REFRESH, 0x0104, 0x0114 },
		{ REQUEST_DELETE, 0x0104, 0x0114 },
		{ REQUEST_CHANNEL_BIND, 0x0109, 0x0119 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct request r = { .kind = kinds[i].kind };
		struct stun_message m = { .have = STUN_HAVE_ERROR };

		for (unsigned type = 0; type < 0x4000; type++) {
			m.type = (uint16_t)type;
			assert_int_equal(request_is_success(&r, &m),
			    type == kinds[i].success);
			assert_int_equal(
			    request_is_error(&r, &m), type == kinds[i].error);
		}
		m.type = kinds[i].error;
		m.have = 0;
		assert_false(request_is_error(&r, &m));
	}
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vectors),
		TEST(standard_server),
		TEST(longest_request),
		TEST(realm_without_terminator_inside),
		TEST(retry_times),
		TEST(retry_changes_all_but_binding),
		TEST(retry_is_a_copy_for_a_standard_server),
		TEST(sent_later),
		TEST(single_shot),
		TEST(no_more_than_there_is_room_for),
		TEST(answers_match_by_method),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
