/*
 * The ICE agent against a peer that knows the passwords and does not keep to
 * the rules, and against strangers; candidates come, go and come again.
 */
#include "net-worker/core/ice/agent.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define CHECKS      16  /* of ours that can still be answered */
#define BURST_LIMIT 512 /* datagrams out for one event in */

static const struct ice_credentials ours = { "gate", "gatepassword" };
static const struct ice_credentials theirs = { "clie", "cliepassword" };

static struct endpoint local_endpoints[4], remote_endpoints[4];

struct rig {
	struct ice_agent *agent;
	struct mono now;
	uint8_t checks[CHECKS][STUN_TRANSACTION_LEN];
	size_t check_count;
};

void
fuzz_init(void)
{
	static const char *const locals[] = { "10.0.0.4:52625",
		"[2001:db8::4]:52625", "198.51.100.9:50001",
		"203.0.113.7:40000" };
	static const char *const remotes[] = { "203.0.113.99:4444",
		"203.0.113.98:4444", "[2001:db8::99]:4444",
		"198.51.100.20:50002" };

	for (size_t i = 0; i < 4; i++) {
		local_endpoints[i] = endpoint_of(locals[i]);
		remote_endpoints[i] = endpoint_of(remotes[i]);
	}
}

static struct candidate
pick_candidate(struct cursor *in, const struct endpoint *few)
{
	struct candidate c = {
		.kind = (enum candidate_kind)(1 + pick(in, 4)),
		.address = pick_endpoint(in, few, 4),
		.priority = cursor_be32(in),
	};

	c.base = c.kind == CANDIDATE_RELAYED ? c.address : few[pick(in, 4)];
	c.via = few[0];
	if (pick_bool(in))
		c.related = few[pick(in, 4)];
	return c;
}

static void
drain(struct rig *r)
{
	struct ice_message out;
	struct ice_event event;
	struct stun_message m;
	unsigned n = 0;

	while (ice_agent_transmit(r->agent, &out)) {
		bool is_check;

		must(++n < BURST_LIMIT);
		must(stun_parse(out.data, out.length, &m));
		is_check = m.type == STUN_BINDING_REQUEST;
		must(stun_verify(&m, is_check ? theirs.password : ours.password,
		    strlen(is_check ? theirs.password : ours.password)));
		if (is_check)
			memcpy(r->checks[r->check_count++ % CHECKS],
			    m.transaction, STUN_TRANSACTION_LEN);
	}
	for (n = 0; ice_agent_event(r->agent, &event); n++)
		must(n < 8);
	must(ice_agent_state(r->agent) <= ICE_DISCONNECTED);
}

static void
deliver(struct rig *r, struct cursor *in, const uint8_t *data, size_t len)
{
	struct endpoint to = pick_endpoint(in, local_endpoints, 4);
	struct endpoint from = pick_endpoint(in, remote_endpoints, 4);
	struct stun_message m;

	if (stun_parse(data, len, &m))
		(void)ice_agent_input(r->agent, r->now, &to, &from, &m);
}

static void
send_request(struct rig *r, struct cursor *in)
{
	uint8_t data[512], transaction[STUN_TRANSACTION_LEN] = { 0 };
	uint8_t flags = cursor_u8(in);
	struct writer w;

	transaction[0] = cursor_u8(in);
	writer_init(&w, data, sizeof(data));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	if (!(flags & 1))
		stun_add_text(
		    &w, STUN_USERNAME, flags & 2 ? "x:y" : "gate:clie");
	if (!(flags & 4))
		stun_add_u64(&w,
		    flags & 8 ? STUN_ICE_CONTROLLED : STUN_ICE_CONTROLLING,
		    cursor_be64(in));
	if (!(flags & 16))
		stun_add_u32(&w, STUN_PRIORITY, cursor_be32(in));
	if (flags & 32)
		stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	if (!(flags & 64))
		stun_add_integrity(&w, ours.password, strlen(ours.password));
	stun_add_fingerprint(&w);
	must(!writer_failed(&w));
	deliver(r, in, data, w.len);
}

static void
send_answer(struct rig *r, struct cursor *in)
{
	static const uint16_t types[] = { STUN_BINDING_SUCCESS,
		STUN_BINDING_ERROR };
	struct endpoint mapped = pick_endpoint(in, local_endpoints, 4);
	uint8_t data[512];
	struct writer w;

	writer_init(&w, data, sizeof(data));
	stun_begin(&w, types[pick(in, 2)], r->checks[pick(in, CHECKS)]);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	if (!pick_bool(in))
		stun_add_integrity(
		    &w, theirs.password, strlen(theirs.password));
	must(!writer_failed(&w));
	deliver(r, in, data, w.len);
}

static void
send_bytes(struct rig *r, struct cursor *in)
{
	size_t len;
	uint8_t *block = pick_block(in, STUN_MESSAGE_MAX, &len);

	deliver(r, in, block, len);
	free(block);
}

static void
hear(struct rig *r, struct cursor *in)
{
	struct endpoint to = pick_endpoint(in, local_endpoints, 4);
	struct endpoint from = pick_endpoint(in, remote_endpoints, 4);

	ice_agent_heard(r->agent, r->now, &to, &from);
}

static void
pass(struct rig *r, int64_t ms)
{
	r->now = mono_add_ms(r->now, ms);
	ice_agent_timeout(r->agent, r->now);
	drain(r);
	/* Or its owner would never sleep. */
	must(!mono_due(ice_agent_deadline(r->agent), r->now));
}

static void
step(struct rig *r, struct cursor *in)
{
	struct candidate c, announce;

	switch (pick(in, 12)) {
	case 0:
		c = pick_candidate(in, local_endpoints);
		(void)ice_agent_add_local(r->agent, r->now, &c, &announce);
		break;
	case 1:
		c = pick_candidate(in, local_endpoints);
		(void)ice_agent_remove_local(r->agent, r->now, &c);
		break;
	case 2:
		c = pick_candidate(in, remote_endpoints);
		(void)ice_agent_add_remote(r->agent, r->now, &c);
		break;
	case 3:
		c = pick_candidate(in, remote_endpoints);
		ice_agent_remove_remote(r->agent, r->now, &c);
		break;
	case 4:
		send_request(r, in);
		break;
	case 5:
		send_answer(r, in);
		break;
	case 6:
		send_bytes(r, in);
		break;
	case 7:
		pass(r, cursor_be16(in));
		break;
	case 8:
		hear(r, in);
		break;
	case 9:
		ice_agent_unanswered(r->agent, r->now);
		break;
	case 10:
		ice_agent_reminded(r->agent, r->now);
		break;
	default:
		ice_agent_set_idle(r->agent, r->now, pick_bool(in));
	}
	drain(r);
}

void
fuzz_one(struct cursor *in)
{
	struct rig r = { .now = { 1000000000 } };

	r.agent = ice_agent_new(&ours, &theirs, r.now);
	must(r.agent != NULL);
	while (more(in))
		step(&r, in);
	pass(&r, 100);
	ice_agent_free(r.agent);
}
