/*
 * A path agent without ICE alone, with the test as the peer that sees every
 * probe.
 */
#ifndef TESTS_LIB_ICELESS_AGENT_H
#define TESTS_LIB_ICELESS_AGENT_H

#include "net-worker/core/iceless/agent.h"

#include "tests/lib/addresses.h"

#define HOST  "10.0.0.4:52625"
#define RELAY "198.51.100.9:50001"

#define SECOND_RELAY "198.51.100.10:50001"

#define PEER_HOST  "192.0.2.7:40000"
#define PEER_RELAY "198.51.100.77:50007"

struct rig {
	struct iceless_agent *agent;
	struct mono now;
	/* The last request on each path that was seen, and how many. */
	struct {
		struct path path;
		struct probe probe;
		unsigned count;
	} seen[32];
	size_t paths;
	struct path primary;
	unsigned events;
	struct endpoint base; /* that the peer was last told of */
	unsigned withdrawn, returned;
	bool answers;     /* every request, at once */
	const char *deaf; /* but none to this address, ... */
	const char *mute; /* where that is given: from this one */
};

static inline struct path
between(const char *local, const char *remote)
{
	return (struct path){
		.local = at(local),
		.remote = at(remote),
		.relayed = strncmp(local, "198.", 4) == 0,
	};
}

static inline void
note_request(struct rig *r, const struct path *path, const struct probe *probe)
{
	size_t i = 0;

	assert_false(probe->is_reply);
	while (i < r->paths && !path_has_ends_of(&r->seen[i].path, path))
		i++;
	assert_true(i < 32);
	if (i == r->paths)
		r->paths++;
	r->seen[i].path = *path;
	r->seen[i].probe = *probe;
	r->seen[i].count++;
}

static inline bool
is_deaf(const struct rig *r, const struct path *path)
{
	struct endpoint deaf, mute;

	if (r->deaf == NULL)
		return false;
	deaf = at(r->deaf);
	mute = r->mute == NULL ? path->local : at(r->mute);
	return endpoint_equal(&path->remote, &deaf) &&
	    endpoint_equal(&path->local, &mute);
}

static inline void
drain(struct rig *r)
{
	enum candidate_kind kind;
	struct probe probe;
	struct path path;
	bool withdrawn;

	while (iceless_agent_transmit(r->agent, &path, &probe)) {
		note_request(r, &path, &probe);
		if (!r->answers || is_deaf(r, &path))
			continue;
		probe.is_reply = true;
		iceless_agent_probe(r->agent, r->now, &path, &probe);
	}
	while (iceless_agent_event(r->agent, &path, &kind)) {
		r->primary = path;
		r->events++;
	}
	while (iceless_agent_base(r->agent, &r->base, &withdrawn)) {
		r->withdrawn += withdrawn;
		r->returned += !withdrawn;
	}
}

static inline void
pass(struct rig *r, int64_t ms)
{
	struct mono end = mono_add_ms(r->now, ms);

	for (;;) {
		struct mono next = iceless_agent_deadline(r->agent);

		if (mono_before(end, next))
			break;
		r->now = mono_max(r->now, next);
		iceless_agent_timeout(r->agent, r->now);
		drain(r);
	}
	r->now = end;
}

static inline struct candidate
candidate(enum candidate_kind kind, const char *address, const char *base)
{
	struct candidate c = {
		.kind = kind,
		.address = at(address),
		.base = at(base),
		.via = at(HOST),
	};

	if (kind != CANDIDATE_HOST)
		c.related = c.base;
	return c;
}

static inline bool
add_local(struct rig *r, enum candidate_kind kind, const char *address,
    const char *base)
{
	struct candidate c = candidate(kind, address, base);
	bool added = iceless_agent_add_local(r->agent, r->now, &c);

	drain(r);
	return added;
}

static inline bool
remove_local(struct rig *r, enum candidate_kind kind, const char *address)
{
	struct candidate c = candidate(kind, address, address), removed;
	bool was = iceless_agent_remove_local(r->agent, r->now, &c, &removed);

	drain(r);
	return was;
}

static inline bool
add_remote(struct rig *r, enum candidate_kind kind, const char *address,
    const char *base)
{
	struct candidate c = candidate(kind, address, base);
	bool added = iceless_agent_add_remote(r->agent, r->now, &c);

	drain(r);
	return added;
}

static inline void
remove_remote(struct rig *r, enum candidate_kind kind, const char *address,
    const char *base)
{
	struct candidate c = candidate(kind, address, base);

	iceless_agent_remove_remote(r->agent, r->now, &c);
	drain(r);
}

static inline void
initiation(struct rig *r, const char *local, const char *remote)
{
	struct path path = between(local, remote);

	iceless_agent_initiation(r->agent, r->now, &path);
	drain(r);
}

static inline void
response(struct rig *r, const char *local, const char *remote)
{
	struct path path = between(local, remote);

	iceless_agent_response(r->agent, r->now, &path);
	drain(r);
}

static inline void
initiated(struct rig *r)
{
	iceless_agent_initiated(r->agent, r->now);
	drain(r);
}

/* A request of the peer. */
static inline void
request(struct rig *r, const char *local, const char *remote)
{
	struct path path = between(local, remote);
	struct probe probe = { .id = 9, .sequence = 3 };

	iceless_agent_probe(r->agent, r->now, &path, &probe);
	drain(r);
}

static inline size_t
seen_index(const struct rig *r, const char *local, const char *remote)
{
	struct path path = between(local, remote);
	size_t i = 0;

	while (i < r->paths && !path_has_ends_of(&r->seen[i].path, &path))
		i++;
	return i;
}

static inline unsigned
requests(const struct rig *r, const char *local, const char *remote)
{
	size_t i = seen_index(r, local, remote);

	return i == r->paths ? 0 : r->seen[i].count;
}

/* To the last request there. */
static inline void
reply(struct rig *r, const char *local, const char *remote, uint16_t id_off)
{
	size_t i = seen_index(r, local, remote);
	struct probe probe;

	assert_true(i < r->paths);
	probe = r->seen[i].probe;
	probe.is_reply = true;
	probe.id = (uint16_t)(probe.id + id_off);
	iceless_agent_probe(r->agent, r->now, &r->seen[i].path, &probe);
	drain(r);
}

static inline bool
primary_is(const struct rig *r, const char *local, const char *remote)
{
	struct path path = between(local, remote);

	return path_has_ends_of(&r->primary, &path);
}

static inline int
set_up(void **state)
{
	static struct rig rig;

	memset(&rig, 0, sizeof(rig));
	rig.agent = iceless_agent_new();
	assert_non_null(rig.agent);
	rig.now = (struct mono){ 1000000000 };
	*state = &rig;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct rig *r = *state;

	iceless_agent_free(r->agent);
	return 0;
}

/* Host and relay at both ends; the first initiation came over both relays. */
static inline void
both_ends(struct rig *r)
{
	add_local(r, CANDIDATE_HOST, HOST, HOST);
	add_local(r, CANDIDATE_RELAYED, RELAY, RELAY);
	add_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	add_remote(r, CANDIDATE_RELAYED, PEER_RELAY, PEER_HOST);
}

static inline void
with_session(struct rig *r)
{
	both_ends(r);
	initiation(r, RELAY, PEER_RELAY);
	iceless_agent_heard(r->agent);
}

/* All pairs have been measured, and the direct one is the path. */
static inline void
on_direct_path(struct rig *r)
{
	with_session(r);
	r->answers = true;
	pass(r, 60000);
	assert_true(primary_is(r, HOST, PEER_HOST));
	r->events = 0;
}

/* Our host does not reach the peer's, and our relay is the path. */
static inline void
on_own_relay(struct rig *r)
{
	with_session(r);
	r->answers = true;
	r->deaf = PEER_HOST;
	r->mute = HOST;
	pass(r, 60000);
	assert_true(primary_is(r, RELAY, PEER_HOST));
}

#define AGENT_TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif /* TESTS_LIB_ICELESS_AGENT_H */
