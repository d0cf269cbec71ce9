/*
 * What the tests of the ICE agent share: the credentials of firezone-tunnel(7),
 * Check vectors; and the Client's side of Binding messages.
 */
#ifndef TESTS_LIB_ICE_H
#define TESTS_LIB_ICE_H

#include "net-worker/core/ice/agent.h"
#include "tests/lib/addresses.h"

static const struct ice_credentials gateway_credentials = { "ejqt",
	"zfjrrjdkbci42t2axyd45a" };
static const struct ice_credentials client_credentials = { "hgwh",
	"j2fqufatn7xlrrvv6fsvea" };
static const struct mono start = { 1000000000000 };

#define CLIENT_TIE_BREAKER 0x1112131415161718ull

static inline bool
is_at(const struct endpoint *endpoint, const char *text)
{
	struct endpoint other = at(text);

	return endpoint_equal(endpoint, &other);
}

/* base: of server-reflexive ones; via: of relayed ones. */
static inline struct candidate
local_candidate(enum candidate_kind kind, const char *address, const char *base,
    const char *via)
{
	return (struct candidate){
		.kind = kind,
		.address = at(address),
		.base = at(base),
		.via = at(via),
	};
}

static inline struct candidate
remote_candidate(enum candidate_kind kind, const char *address,
    const char *related, uint32_t priority)
{
	return (struct candidate){
		.kind = kind,
		.address = at(address),
		.related = at(related),
		.priority = priority,
	};
}

enum request_flags {
	REQUEST_USE_CANDIDATE = 1 << 0,
	REQUEST_CONTROLLED = 1 << 1,
	REQUEST_NO_PRIORITY = 1 << 2,
	REQUEST_NO_INTEGRITY = 1 << 3,
	REQUEST_NO_ROLE = 1 << 4,
};

/* A Client's check; returns its length. */
static inline size_t
write_request(uint8_t *data, size_t size, const char *username,
    const char *password, const uint8_t transaction[STUN_TRANSACTION_LEN],
    uint32_t priority, unsigned flags)
{
	struct writer w;

	writer_init(&w, data, size);
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, username);
	if (!(flags & REQUEST_NO_ROLE))
		stun_add_u64(&w,
		    flags & REQUEST_CONTROLLED ? STUN_ICE_CONTROLLED
					       : STUN_ICE_CONTROLLING,
		    CLIENT_TIE_BREAKER);
	if (!(flags & REQUEST_NO_PRIORITY))
		stun_add_u32(&w, STUN_PRIORITY, priority);
	if (flags & REQUEST_USE_CANDIDATE)
		stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	if (!(flags & REQUEST_NO_INTEGRITY))
		stun_add_integrity(&w, password, strlen(password));
	stun_add_fingerprint(&w);
	assert_false(writer_failed(&w));
	return w.len;
}

/* A Client's answer; returns its length. */
static inline size_t
write_success(uint8_t *data, size_t size, const char *password,
    const uint8_t transaction[STUN_TRANSACTION_LEN],
    const struct endpoint *mapped)
{
	struct writer w;

	writer_init(&w, data, size);
	stun_begin(&w, STUN_BINDING_SUCCESS, transaction);
	if (mapped != NULL)
		stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, mapped);
	stun_add_integrity(&w, password, strlen(password));
	stun_add_fingerprint(&w);
	assert_false(writer_failed(&w));
	return w.len;
}

static inline bool
input_bytes(struct ice_agent *agent, struct mono now,
    const struct endpoint *local, const struct endpoint *remote,
    const uint8_t *data, size_t len)
{
	struct stun_message message;

	return stun_parse(data, len, &message) &&
	    ice_agent_input(agent, now, local, remote, &message);
}

/* Of all requests below. */
static const uint8_t transaction[STUN_TRANSACTION_LEN] = { 1, 2, 3, 4, 5, 6, 7,
	8, 9, 10, 11, 12 };

static inline struct ice_agent *
make_agent(void)
{
	struct ice_agent *agent =
	    ice_agent_new(&gateway_credentials, &client_credentials, start);

	assert_non_null(agent);
	return agent;
}

/* A request of the Client arrives. */
static inline bool
request(struct ice_agent *agent, struct mono now, const char *local,
    const char *remote, unsigned flags)
{
	struct endpoint to = at(local), from = at(remote);
	uint8_t data[512];
	size_t len = write_request(data, sizeof(data), "ejqt:hgwh",
	    gateway_credentials.password, transaction, 1862270719, flags);

	return input_bytes(agent, now, &to, &from, data, len);
}

#endif /* TESTS_LIB_ICE_H */
