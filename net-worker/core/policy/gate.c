/* One packet, its verdict and what goes on: see gate.h. */
#include "net-worker/core/policy/gate.h"

#include "net-worker/core/inner/icmp.h"

static struct gate_result
drop_packet(enum policy_reason reason)
{
	return (struct gate_result){ .verdict = GATE_DROP, .reason = reason };
}

/* Late packets, as there are after each RST. */
static struct gate_result
drop_late_packet(void)
{
	struct gate_result r = drop_packet(REASON_NAT_EXPIRED);

	r.is_rest = true;
	return r;
}

static struct gate_result
refuse_packet(const struct policy_decision *d)
{
	struct gate_result r = drop_packet(d->reason);

	r.decision = *d;
	return r;
}

static struct gate_result
pass_error(const struct policy_decision *d, uint8_t *data, size_t length)
{
	return (struct gate_result){
		.verdict = GATE_PASS,
		.decision = *d,
		.data = data,
		.length = length,
	};
}

/* What it is made of may stand at the front of scratch. */
static struct gate_result
pass_packet(const struct policy_decision *d, struct packet *p, uint8_t *scratch)
{
	uint8_t *rest = scratch + TRANSLATE_WHOLE_MAX;
	size_t rest_length = translate_cut(p, rest);

	return (struct gate_result){
		.verdict = GATE_PASS,
		.decision = *d,
		.data = p->data,
		.length = p->length,
		.rest = rest,
		.rest_length = rest_length,
	};
}

/* Whether the result is an answer: not where there have been too many. */
static bool
may_answer(struct gate *g, struct mono now, struct gate_result *r)
{
	r->answer_limited =
	    !bucket_take(&g->icmp, now, GATE_ICMP_BURST, GATE_ICMP_INTERVAL_MS);
	if (!r->answer_limited)
		r->verdict = GATE_ANSWER;
	return !r->answer_limited;
}

static struct gate_result
answer_packet(struct gate *g, struct mono now, enum icmp_reply reply,
    const struct policy_decision *d, const struct packet *offending,
    uint8_t *scratch)
{
	struct gate_result r = refuse_packet(d);

	if (!may_answer(g, now, &r))
		return r;
	r.data = scratch;
	r.length = icmp_build(reply, offending, scratch);
	return r;
}

/* Its sender may send it in parts, but then whole packets. */
static struct gate_result
refuse_length(
    struct gate *g, struct mono now, const struct packet *p, uint8_t *scratch)
{
	struct gate_result r = drop_packet(REASON_NAT_TOO_LONG);

	if (!packet_forbids_fragments(p) || !may_answer(g, now, &r))
		return r;
	r.data = scratch;
	r.length = icmp_build_too_long(p, TRANSLATE_V4_MAX, scratch);
	return r;
}

static bool
has_proxy(const void *policy, const struct ip_address *proxy,
    const struct ip_address *real, bool moved)
{
	return policy_has_proxy(policy, proxy, real, moved);
}

struct policy *
gate_enforce(struct gate *g, struct mono now, struct policy *policy)
{
	struct policy *before = g->policy;

	g->policy = policy;
	if (g->nat != NULL)
		nat_retain(g->nat, now, has_proxy, policy);
	return before;
}

static struct gate_result
translate_outbound(struct gate *g, struct mono now, struct packet *p,
    const struct policy_decision *d, uint8_t *scratch)
{
	if (g->nat == NULL)
		return drop_packet(REASON_NAT_EXHAUSTED);
	switch (nat_outbound(g->nat, now, p, &d->real, d->name)) {
	case NAT_TRANSLATED:
		return pass_packet(d, p, scratch);
	case NAT_UNUSABLE:
		return drop_packet(REASON_NAT_KIND);
	case NAT_TOO_LONG:
		return refuse_length(g, now, p, scratch);
	default:
		return drop_packet(REASON_NAT_EXHAUSTED);
	}
}

/* Whether the sender of what is refused so hears of it. */
static bool
is_answered(const struct gate *g, const struct policy_decision *d)
{
	if (d->verdict == VERDICT_PROHIBITED)
		return d->reason != REASON_NO_ROUTE ||
		    !policy_is_silent(g->policy);
	return d->verdict == VERDICT_UNREACHABLE;
}

struct gate_result
gate_try_outbound(const struct gate *g, const struct packet *p)
{
	struct policy_decision d = policy_outbound(g->policy, p);
	struct gate_result r = { .verdict = GATE_PASS, .decision = d };

	if (d.verdict != VERDICT_PASS) {
		r = refuse_packet(&d);
		if (is_answered(g, &d))
			r.verdict = GATE_ANSWER;
	} else if (d.translate && !nat_has_session(p)) {
		r = drop_packet(REASON_NAT_KIND);
	} else if (d.translate && g->nat == NULL) {
		r = drop_packet(REASON_NAT_EXHAUSTED);
	}
	return r;
}

struct gate_result
gate_outbound(
    struct gate *g, struct mono now, struct packet *p, uint8_t *scratch)
{
	struct policy_decision d = policy_outbound(g->policy, p);

	switch (d.verdict) {
	case VERDICT_PASS:
		if (d.translate)
			return translate_outbound(g, now, p, &d, scratch);
		return pass_packet(&d, p, scratch);
	case VERDICT_PROHIBITED:
		if (!is_answered(g, &d))
			break;
		return answer_packet(g, now, ICMP_PROHIBITED, &d, p, scratch);
	case VERDICT_UNREACHABLE:
		if (d.unresolved && g->nat != NULL)
			nat_unresolved(g->nat, now, d.name);
		return answer_packet(g, now, ICMP_UNREACHABLE, &d, p, scratch);
	case VERDICT_DROP:
		break;
	}
	return refuse_packet(&d);
}

/* What NAT has made of it, or why there is nothing to go on with. */
static struct gate_result
settle_inbound(
    struct gate *g, struct packet *p, bool translated, uint8_t *scratch)
{
	struct policy_decision d = policy_inbound(g->policy, p, translated);

	if (d.verdict != VERDICT_PASS)
		return refuse_packet(&d);
	return pass_packet(&d, p, scratch);
}

/*
 * Errors from our own kernel speak of what our NAT made (4, step 4); all else
 * from our own address is not its business.
 */
static bool
has_nat(const struct gate *g, const struct packet *p)
{
	if (g->nat == NULL)
		return false;
	return p->kind == PACKET_ICMP_ERROR ||
	    !policy_is_own(g->policy, &p->source);
}

struct gate_result
gate_inbound(
    struct gate *g, struct mono now, struct packet *p, uint8_t *scratch)
{
	struct policy_decision d = policy_arrival(g->policy, p);
	size_t length;

	if (d.verdict != VERDICT_PASS)
		return refuse_packet(&d);
	if (!has_nat(g, p))
		return settle_inbound(g, p, false, scratch);
	switch (
	    nat_inbound(g->nat, now, p, &p->destination, scratch, &length)) {
	case NAT_TRANSLATED:
		if (p->kind == PACKET_ICMP_ERROR)
			return pass_error(&d, scratch, length);
		return settle_inbound(g, p, true, scratch);
	case NAT_EXPIRED:
		if (!policy_is_own(g->policy, &p->source))
			return drop_packet(REASON_NAT_EXPIRED);
		break;
	case NAT_CLOSED:
		if (!policy_is_own(g->policy, &p->source))
			return drop_late_packet();
		break;
	case NAT_UNUSABLE:
		return drop_packet(REASON_INBOUND_KIND);
	case NAT_TOO_LONG:
		return refuse_length(g, now, p, scratch);
	default:
		break;
	}
	return settle_inbound(g, p, false, scratch);
}
