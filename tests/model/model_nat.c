/* The NAT of the model: see model_nat.h. */
#include "tests/model/model_nat.h"

#include <string.h>

#define SECOND 1000000000ll
#define FIN    0x01
#define RST    0x04

static bool
same_address(const struct ip_address *a, const struct ip_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, 16) == 0;
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* 6.10 */
struct mono
model_session_end(const struct model_session *s)
{
	int64_t idle = s->protocol == 6 ? 7440 : 120;
	int64_t last = s->last_out.ns;
	int64_t end;

	if (s->confirmed)
		last = later(last, s->last_in.ns);
	end = last + idle * SECOND;
	if (!s->confirmed)
		end = earlier(end, s->last_out.ns + 60 * SECOND);
	if (s->fin_out && s->fin_in)
		end = earlier(end, last + 5 * SECOND);
	if (s->rst)
		end = earlier(end, last);
	return (struct mono){ end };
}

static void
drop_ended(struct model_nat *nat, size_t i)
{
	nat->ended[i] = nat->ended[--nat->ended_count];
}

/* Bounded: the one that ended first gives way. */
static void
add_ended(
    struct model_nat *nat, const struct model_session *s, struct mono end)
{
	size_t first = 0;

	nat->ended[nat->ended_count++] =
	    (struct model_ended){ s->outside_protocol, s->outside, s->real,
		    end };
	if (nat->ended_count <= MODEL_ENDED_MAX)
		return;
	for (size_t i = 1; i < nat->ended_count; i++)
		if (nat->ended[i].end.ns < nat->ended[first].end.ns)
			first = i;
	drop_ended(nat, first);
}

void
model_nat_settle(struct model_nat *nat, struct mono now)
{
	for (size_t i = 0; i < nat->count;) {
		if (model_session_end(&nat->sessions[i]).ns <= now.ns) {
			add_ended(nat, &nat->sessions[i],
			    model_session_end(&nat->sessions[i]));
			nat->sessions[i] = nat->sessions[--nat->count];
		} else
			i++;
	}
	for (size_t i = 0; i < nat->ended_count;) {
		if (nat->ended[i].end.ns + 600 * SECOND <= now.ns)
			drop_ended(nat, i);
		else
			i++;
	}
}

void
model_nat_end_crossing(struct model_nat *nat, struct mono now)
{
	model_nat_settle(nat, now);
	for (size_t i = 0; i < nat->count;) {
		const struct model_session *s = &nat->sessions[i];

		if (s->real.family == s->proxy.family) {
			i++;
			continue;
		}
		add_ended(nat, s, now);
		nat->sessions[i] = nat->sessions[--nat->count];
	}
}

void
model_nat_forget(struct model_nat *nat)
{
	nat->count = 0;
	nat->ended_count = 0;
}

static struct model_session *
by_outside(struct model_nat *nat, uint8_t protocol, uint16_t value,
    const struct ip_address *real)
{
	for (size_t i = 0; i < nat->count; i++) {
		struct model_session *s = &nat->sessions[i];

		if (s->outside == value && s->outside_protocol == protocol &&
		    same_address(&s->real, real))
			return s;
	}
	return NULL;
}

static struct model_session *
by_inside(struct model_nat *nat, const struct model_packet *p)
{
	for (size_t i = 0; i < nat->count; i++) {
		struct model_session *s = &nat->sessions[i];

		if (s->inside == p->source_port && s->protocol == p->protocol &&
		    same_address(&s->proxy, &p->destination))
			return s;
	}
	return NULL;
}

static int64_t
last_packet(const struct model_session *s)
{
	return s->confirmed ? later(s->last_out.ns, s->last_in.ns)
			    : s->last_out.ns;
}

/* The kind that it gives way with, the lowest first, after how many seconds. */
static int
kind(const struct model_session *s, int64_t *seconds)
{
	if (s->fin_out && s->fin_in) {
		*seconds = 0;
		return 0;
	}
	*seconds = s->confirmed ? 10 : 3;
	return s->confirmed ? 2 : 1;
}

/* Of the first kind that there is: the one that has been idle longest. */
static struct model_session *
idlest(struct model_nat *nat, struct mono now)
{
	struct model_session *best = NULL;
	int best_kind = 0;

	for (size_t i = 0; i < nat->count; i++) {
		struct model_session *s = &nat->sessions[i];
		int64_t seconds, last = last_packet(s);
		int k = kind(s, &seconds);

		if (last + seconds * SECOND > now.ns)
			continue;
		if (best == NULL || k < best_kind ||
		    (k == best_kind &&
			(last < last_packet(best) ||
			    (last == last_packet(best) &&
				s->order < best->order)))) {
			best = s;
			best_kind = k;
		}
	}
	return best;
}

/* A packet has changed what the session was like. */
static void
reorder(struct model_nat *nat, struct model_session *s,
    const struct model_session *before)
{
	int64_t seconds;

	if (last_packet(s) != last_packet(before) ||
	    kind(s, &seconds) != kind(before, &seconds))
		s->order = ++nat->order;
}

static uint8_t
protocol_to(const struct ip_address *real, uint8_t protocol)
{
	if (protocol == 6 || protocol == 17)
		return protocol;
	return real->family == IP_V4 ? 1 : 58;
}

/* 6.6: the original value, upwards, then from 1; 1024 tries at most. */
static bool
free_value(struct model_nat *nat, const struct model_packet *p,
    const struct ip_address *real, uint16_t *value)
{
	uint8_t protocol = protocol_to(real, p->protocol);
	uint32_t v = p->source_port;

	for (int tries = 0; tries < 1024; tries++) {
		if (by_outside(nat, protocol, (uint16_t)v, real) == NULL) {
			*value = (uint16_t)v;
			return true;
		}
		v = v == 65535 ? 1 : v + 1;
		if (v == p->source_port)
			return false;
	}
	return false;
}

enum model_nat_result
model_nat_outbound(struct model_nat *nat, struct mono now,
    const struct model_packet *p, uint8_t tcp, const struct ip_address *real,
    struct model_session **session, bool *made)
{
	struct model_session *s, *idle = NULL, before;
	uint16_t value;

	model_nat_settle(nat, now);
	s = by_inside(nat, p);
	*made = s == NULL;
	if (s != NULL) {
		before = *s;
		s->last_out = now;
		if (tcp & FIN)
			s->fin_out = true;
		if (tcp & RST)
			s->rst = true;
		reorder(nat, s, &before);
		*session = s;
		return MODEL_NAT_FOUND;
	}
	if ((nat->count == MODEL_SESSIONS_MAX &&
		(idle = idlest(nat, now)) == NULL) ||
	    !free_value(nat, p, real, &value))
		return MODEL_NAT_EXHAUSTED;
	if (idle != NULL) {
		nat->gave_way++;
		add_ended(nat, idle, now);
		*idle = nat->sessions[--nat->count];
	}
	s = &nat->sessions[nat->count++];
	*s = (struct model_session){
		.protocol = p->protocol,
		.inside = p->source_port,
		.proxy = p->destination,
		.outside_protocol = protocol_to(real, p->protocol),
		.outside = value,
		.real = *real,
		.last_out = now,
		.order = ++nat->order,
	};
	for (size_t i = 0; i < nat->ended_count;) {
		const struct model_ended *e = &nat->ended[i];

		if (e->protocol == s->outside_protocol && e->outside == value &&
		    same_address(&e->real, real))
			drop_ended(nat, i);
		else
			i++;
	}
	*session = s;
	return MODEL_NAT_FOUND;
}

/* 6.7 */
enum model_nat_result
model_nat_inbound(struct model_nat *nat, struct mono now,
    const struct model_packet *p, uint8_t tcp, bool quoted,
    struct model_session **session)
{
	uint16_t value = quoted ? p->source_port : p->destination_port;
	const struct ip_address *real = quoted ? &p->destination : &p->source;
	struct model_session *s, before;

	model_nat_settle(nat, now);
	s = by_outside(nat, p->protocol, value, real);
	if (s != NULL) {
		before = *s;
		s->last_in = now;
		s->confirmed = true;
		if (!quoted && (tcp & FIN))
			s->fin_in = true;
		if (!quoted && (tcp & RST))
			s->rst = true;
		reorder(nat, s, &before);
		*session = s;
		return MODEL_NAT_FOUND;
	}
	for (size_t i = 0; i < nat->ended_count; i++) {
		const struct model_ended *e = &nat->ended[i];

		if (e->protocol == p->protocol && e->outside == value &&
		    same_address(&e->real, real))
			return MODEL_NAT_ENDED;
	}
	return MODEL_NAT_NONE;
}
