/*
 * The path agent without ICE against a peer that has the session and keeps to
 * no rule: candidates come, go and come again, probes and handshakes come by
 * paths that are there and by others, what was sent is not answered, and relays
 * are no more.
 */
#include "net-worker/core/iceless/agent.h"

#include "tests/fuzz/fuzz.h"

#define REQUESTS 16 /* of ours that can still be answered */
/* A search begins with one on each pair; calls may begin it twice. */
#define BURST_LIMIT (2 * ICELESS_PAIRS_MAX)
/* Of each base that it is left, and that it may be tried again. */
#define BASES_LIMIT (2 * 3 * ICELESS_KIND_MAX)

static struct endpoint local_endpoints[4], remote_endpoints[8];

struct rig {
	struct iceless_agent *agent;
	struct mono now;
	struct path path[REQUESTS];
	struct probe probe[REQUESTS];
	size_t requests;
};

void
fuzz_init(void)
{
	static const char *const locals[] = { "10.0.0.4:52625",
		"[2001:db8::4]:52625", "198.51.100.9:50001",
		"[2001:db8::9]:50001" };
	static const char *const remotes[] = { "203.0.113.99:4444",
		"203.0.113.98:4444", "[2001:db8::99]:4444",
		"198.51.100.20:50002", "192.0.2.1:1", "192.0.2.2:1",
		"192.0.2.3:1", "224.0.0.1:1" };

	for (size_t i = 0; i < 4; i++)
		local_endpoints[i] = endpoint_of(locals[i]);
	for (size_t i = 0; i < 8; i++)
		remote_endpoints[i] = endpoint_of(remotes[i]);
}

static struct candidate
pick_candidate(struct cursor *in, const struct endpoint *few, size_t count)
{
	static const enum candidate_kind kinds[] = { CANDIDATE_HOST,
		CANDIDATE_SERVER_REFLEXIVE, CANDIDATE_RELAYED };
	struct candidate c = {
		.kind = kinds[pick(in, 3)],
		.address = pick_endpoint(in, few, count),
	};

	c.base = c.kind == CANDIDATE_SERVER_REFLEXIVE ? few[pick(in, count)]
						      : c.address;
	c.via = few[pick(in, count)];
	if (c.kind != CANDIDATE_HOST)
		c.related = few[pick(in, count)];
	return c;
}

static struct path
pick_path(struct cursor *in)
{
	return (struct path){
		.local = pick_endpoint(in, local_endpoints, 4),
		.remote = pick_endpoint(in, remote_endpoints, 8),
		.relayed = pick_bool(in),
	};
}

static void
drain(struct rig *r)
{
	enum candidate_kind kind;
	struct probe probe;
	struct path path;
	struct endpoint base;
	bool withdrawn;
	unsigned sent = 0, told = 0;

	while (iceless_agent_transmit(r->agent, &path, &probe)) {
		must(!probe.is_reply);
		must(path.local.ip.family == path.remote.ip.family);
		must(++sent <= BURST_LIMIT);
		r->path[r->requests % REQUESTS] = path;
		r->probe[r->requests++ % REQUESTS] = probe;
	}
	if (iceless_agent_event(r->agent, &path, &kind))
		must(path.remote.ip.family != IP_NONE);
	/* Said once. */
	must(!iceless_agent_event(r->agent, &path, &kind));
	while (iceless_agent_base(r->agent, &base, &withdrawn)) {
		must(base.ip.family != IP_NONE);
		must(++told <= BASES_LIMIT);
	}
	must(mono_before(r->now, iceless_agent_deadline(r->agent)));
}

static void
hear_probe(struct rig *r, struct cursor *in)
{
	size_t i = pick(in, REQUESTS);
	struct probe probe = r->probe[i];
	struct path path = r->path[i];

	probe.is_reply = pick_bool(in);
	if (pick_bool(in))
		path = pick_path(in);
	if (pick_bool(in))
		probe.sequence = cursor_be16(in);
	iceless_agent_probe(r->agent, r->now, &path, &probe);
}

static void
change_candidates(struct rig *r, struct cursor *in)
{
	struct candidate ours = pick_candidate(in, local_endpoints, 4);
	struct candidate theirs = pick_candidate(in, remote_endpoints, 8);
	struct candidate removed;

	theirs.base = theirs.via = (struct endpoint){ 0 };
	switch (pick(in, 4)) {
	case 0:
		iceless_agent_add_local(r->agent, r->now, &ours);
		break;
	case 1:
		iceless_agent_remove_local(r->agent, r->now, &ours, &removed);
		break;
	case 2:
		if (candidate_address_ok(&theirs.address))
			iceless_agent_add_remote(r->agent, r->now, &theirs);
		break;
	default:
		iceless_agent_remove_remote(r->agent, r->now, &theirs);
	}
}

static void
step(struct rig *r, struct cursor *in)
{
	struct path path;

	switch (pick(in, 10)) {
	case 0:
	case 1:
		change_candidates(r, in);
		break;
	case 2:
		path = pick_path(in);
		iceless_agent_initiation(r->agent, r->now, &path);
		break;
	case 3:
		path = pick_path(in);
		iceless_agent_response(r->agent, r->now, &path);
		break;
	case 4:
		iceless_agent_initiated(r->agent, r->now);
		break;
	case 5:
		iceless_agent_heard(r->agent);
		break;
	case 6:
		hear_probe(r, in);
		break;
	case 7:
		iceless_agent_unanswered(r->agent, r->now);
		break;
	case 8:
		path = pick_path(in);
		iceless_agent_relay_gone(r->agent, r->now, &path.remote.ip);
		break;
	default:
		r->now = mono_add_ms(r->now, cursor_be16(in));
		iceless_agent_timeout(r->agent, r->now);
	}
	drain(r);
}

void
fuzz_one(struct cursor *in)
{
	struct rig r = {
		.agent = iceless_agent_new(),
		.now = { INT64_C(1000000000) },
	};
	size_t locals = 0;

	must(r.agent != NULL);
	while (more(in))
		step(&r, in);
	while (iceless_agent_get_local(r.agent, locals) != NULL)
		locals++;
	must(locals <= 3 * ICELESS_KIND_MAX);
	iceless_agent_free(r.agent);
}
