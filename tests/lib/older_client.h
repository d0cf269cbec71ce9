/*
 * A client of 1.3 on the table of tests/lib/dataplane.h: how it is told, what
 * it answers, and what it has heard of the gateway.
 */
#ifndef TESTS_LIB_OLDER_CLIENT_H
#define TESTS_LIB_OLDER_CLIENT_H

#include "tests/lib/dataplane.h"

#define CLIENT "192.0.2.7:50000"
#define LOCAL  "10.0.0.4:52625"

/* What the gateway has sent, since connect_older(). */
static struct {
	size_t read; /* of the datagrams in the rig */
	unsigned checks, keepalives, data_messages;
	struct mono last_keepalive;
} from_gateway;

/* Access to another resource, 10.30.0.0/24, by a message that has no keys. */
static inline struct ipc_authorization
access_only(const struct rig *r)
{
	struct ipc_authorization with_keys = authorization(r);
	struct ipc_authorization a = {
		.serial = 8,
		.kind = AUTHORIZATION_ACCESS,
		.client = with_keys.client,
		.client_v4 = with_keys.client_v4,
		.client_v6 = with_keys.client_v6,
		.expires_at = with_keys.expires_at,
		.resource = { { 0x43 } },
		.type = RESOURCE_CIDR,
	};

	assert_true(prefix_parse("10.30.0.0/24", &a.network));
	return a;
}

static inline void
play_client(struct rig *r)
{
	struct endpoint client = at(CLIENT);

	while (from_gateway.read < r->udp_count) {
		struct note n = r->udp[from_gateway.read % NOTES];
		struct stun_message m;

		assert_true(r->udp_count - from_gateway.read++ <= NOTES);
		if (!endpoint_equal(&n.to, &client))
			continue;
		if (stun_parse(n.data, n.len, &m) &&
		    m.type == STUN_BINDING_REQUEST) {
			from_gateway.checks++;
			answer_check(r, CLIENT, LOCAL, &m);
		} else if (message_classify(n.data, n.len) == MESSAGE_DATA) {
			from_gateway.keepalives += n.len == MESSAGE_DATA_MIN;
			from_gateway.data_messages += n.len > MESSAGE_DATA_MIN;
			if (n.len == MESSAGE_DATA_MIN)
				from_gateway.last_keepalive = r->now;
		}
	}
}

static inline void
pass_playing(struct rig *r, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += 10) {
		pass(r, 10);
		play_client(r);
	}
}

/* A client of 1.3 with a connection and a session, as it has them. */
static inline void
connect_older(struct rig *r, uint16_t keepalive)
{
	struct ipc_authorization a = authorization(r);
	struct ipc_remote_candidates m = {
		.client = { { 0xc1 } },
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host\n"
			 "candidate:2 1 udp 2130706174 192.0.2.8 50000 typ "
			 "host\n",
	};

	a.kind = AUTHORIZATION_CONNECTION;
	a.keepalive = keepalive;
	a.expires_at = UNIX_NOW + 3600;
	r->acknowledged = 0;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 7);
	tell(r, remote_candidates, &m);
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
	from_gateway.read = r->udp_count;
	from_gateway.checks = from_gateway.keepalives =
	    from_gateway.data_messages = 0;
}

static inline void
connected_older(struct rig *r, uint16_t keepalive)
{
	with_relay(r);
	connect_older(r, keepalive);
}

/* Whether the client reaches that address now. */
static inline bool
reaches(struct rig *r, const char *to)
{
	size_t before = r->tun_count;

	client_sends(r, "100.64.0.2:1234", to);
	return r->tun_count > before;
}

static inline void
told_again(struct rig *r, enum authorization_kind kind, uint64_t expires_at)
{
	struct ipc_authorization a =
	    kind == AUTHORIZATION_ACCESS ? access_only(r) : authorization(r);

	a.kind = kind;
	a.expires_at = expires_at;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, a.serial);
}

static inline void
take_away(struct rig *r, uint8_t resource)
{
	const struct ipc_revocation revocation = {
		.client = { { 0xc1 } },
		.resource = { { resource } },
	};

	tell(r, revocation, &revocation);
	settle(r);
}

#endif /* TESTS_LIB_OLDER_CLIENT_H */
