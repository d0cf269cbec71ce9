/*
 * A NAT as RFC 4787 describes them: how it maps (an inside endpoint to one
 * outside port for all, for each address, or for each endpoint it talks to) and
 * what it lets in are two settings. Only what goes out keeps a mapping alive.
 */
#include "tests/sim/sim.h"

#define FIRST_PORT 20000
#define LAST_PORT  60000

void
nat_box_begin(struct nat_box *n)
{
	static const struct {
		enum nat_rule mapping, filtering;
	} kinds[] = {
		{ NAT_ANY, NAT_ANY },
		{ NAT_ANY, NAT_ADDRESS },
		{ NAT_ANY, NAT_ADDRESS_AND_PORT },
		{ NAT_ADDRESS, NAT_ADDRESS_AND_PORT },
		{ NAT_ADDRESS_AND_PORT, NAT_ADDRESS_AND_PORT },
	};
	size_t kind = roll(&world.dice, sizeof(kinds) / sizeof(kinds[0]));

	n->mapping = kinds[kind].mapping;
	n->filtering = kinds[kind].filtering;
	/* A client of old keeps its path alive every 60 s. */
	n->lifetime_ms = 65000 + roll(&world.dice, 300) * INT64_C(1000);
	n->next_port = (uint16_t)(FIRST_PORT + roll(&world.dice, 20000));
	n->count = 0;
}

static bool
same_as_far_as(
    enum nat_rule rule, const struct endpoint *a, const struct endpoint *b)
{
	return rule == NAT_ANY ||
	    (ip_equal(&a->ip, &b->ip) &&
		(rule == NAT_ADDRESS || a->port == b->port));
}

static void
expire_sessions(struct nat_box *n)
{
	for (size_t i = n->count; i-- > 0;)
		if (mono_ms_between(n->sessions[i].used, world.now) >
		    n->lifetime_ms)
			n->sessions[i] = n->sessions[--n->count];
}

static uint16_t
port_for(struct nat_box *n, const struct endpoint *inside,
    const struct endpoint *remote)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct nat_session *s = &n->sessions[i];

		if (endpoint_equal(&s->inside, inside) &&
		    same_as_far_as(n->mapping, &s->remote, remote))
			return s->port;
	}
	if (++n->next_port > LAST_PORT)
		n->next_port = FIRST_PORT;
	return n->next_port;
}

uint16_t
nat_box_out(struct nat_box *n, const struct endpoint *inside,
    const struct endpoint *remote)
{
	struct nat_session *s;

	expire_sessions(n);
	for (size_t i = 0; i < n->count; i++) {
		s = &n->sessions[i];
		if (endpoint_equal(&s->inside, inside) &&
		    endpoint_equal(&s->remote, remote)) {
			s->used = world.now;
			return s->port;
		}
	}
	if (n->count == NAT_SESSIONS)
		n->sessions[0] = n->sessions[--n->count];
	s = &n->sessions[n->count];
	*s = (struct nat_session){
		.inside = *inside,
		.remote = *remote,
		.port = port_for(n, inside, remote),
		.used = world.now,
	};
	n->count++;
	return s->port;
}

bool
nat_box_in(struct nat_box *n, uint16_t port, const struct endpoint *remote,
    struct endpoint *inside)
{
	expire_sessions(n);
	for (size_t i = 0; i < n->count; i++) {
		const struct nat_session *s = &n->sessions[i];

		if (s->port == port &&
		    same_as_far_as(n->filtering, &s->remote, remote)) {
			*inside = s->inside;
			return true;
		}
	}
	return false;
}
