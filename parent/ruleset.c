/* The judge of other people's rules: see ruleset.h. */
#include "parent/ruleset.h"

#include <string.h>

int
ruleset_table(struct ruleset *r, uint8_t family, const char *name)
{
	struct ruleset_table *t;

	for (unsigned i = 0; i < r->tables; i++)
		if (r->table[i].family == family &&
		    strcmp(r->table[i].name, name) == 0)
			return (int)i;
	if (r->tables == RULESET_TABLES_MAX ||
	    strlen(name) >= sizeof(t->name)) {
		r->overflow = true;
		return -1;
	}
	t = &r->table[r->tables];
	t->family = family;
	memcpy(t->name, name, strlen(name) + 1);
	return (int)r->tables++;
}

int
ruleset_chain(struct ruleset *r, unsigned table, const char *name)
{
	struct ruleset_chain *c;

	/* From the end: rules come chain by chain. */
	for (unsigned i = r->chains; i-- > 0;)
		if (r->chain[i].table == table &&
		    strcmp(r->chain[i].name, name) == 0)
			return (int)i;
	if (r->chains == RULESET_CHAINS_MAX ||
	    strlen(name) >= sizeof(c->name)) {
		r->overflow = true;
		return -1;
	}
	c = &r->chain[r->chains];
	*c = (struct ruleset_chain){ .table = (uint16_t)table };
	memcpy(c->name, name, strlen(name) + 1);
	return (int)r->chains++;
}

void
ruleset_add(struct ruleset *r, unsigned chain, const struct step *s)
{
	struct ruleset_chain *c = &r->chain[chain];

	if (c->steps == 0)
		c->first = r->steps;
	else if (c->first + c->steps != r->steps) {
		c->scattered = true;
		return;
	} else if (memcmp(&r->step[r->steps - 1], s, sizeof(*s)) == 0)
		return;
	if (r->steps == RULESET_STEPS_MAX) {
		r->overflow = true;
		return;
	}
	r->step[r->steps++] = *s;
	c->steps++;
}

enum fate {
	FATE_UNKNOWN,
	FATE_ACCEPTED,
	FATE_REFUSED,
	FATE_RETURNED, /* to the rule behind the jump, or to the policy */
};

/*
 * What a chain does to the packet depends on nothing but the chain, so each is
 * walked once.
 */
struct outcome {
	uint8_t fate;
	/*
	 * Something let packets off before. A chain without is a refusal under
	 * another name, such as one that logs first.
	 */
	bool exceptions;
};

struct frame {
	unsigned chain, step;
	bool exceptions;
};

struct walk {
	const struct ruleset *rules;
	enum test_packet packet;
	struct outcome outcome[RULESET_CHAINS_MAX];
	struct frame stack[RULESET_DEPTH_MAX];
	unsigned depth;
};

/* What a chain called by this step does to the chain of the frame. */
static enum fate
take_outcome(struct frame *f, const struct step *s, enum match m,
    const struct outcome *o)
{
	f->exceptions |= o->exceptions;
	if (m == MATCH_YES)
		return o->fate != FATE_RETURNED ? o->fate
		    : s->action == ACTION_GOTO  ? FATE_RETURNED
						: FATE_UNKNOWN;
	if (o->fate == FATE_REFUSED)
		return o->exceptions ? FATE_REFUSED : FATE_UNKNOWN;
	f->exceptions |= o->fate == FATE_ACCEPTED || s->action == ACTION_GOTO;
	return FATE_UNKNOWN;
}

/* FATE_UNKNOWN: on to the next step. */
static enum fate
take_verdict(struct frame *f, enum action action, enum match m)
{
	if (m == MATCH_MAYBE) {
		f->exceptions |= action != ACTION_REFUSE;
		return FATE_UNKNOWN;
	}
	switch (action) {
	case ACTION_ACCEPT:
		return FATE_ACCEPTED;
	case ACTION_REFUSE:
		return FATE_REFUSED;
	case ACTION_RETURN:
		return FATE_RETURNED;
	default:
		return FATE_UNKNOWN;
	}
}

static void
end_chain(struct walk *w, enum fate fate)
{
	const struct frame *f = &w->stack[--w->depth];

	w->outcome[f->chain] = (struct outcome){
		.fate = (uint8_t)fate,
		.exceptions = f->exceptions,
	};
}

static void
enter_chain(struct walk *w, unsigned chain)
{
	w->stack[w->depth++] = (struct frame){ .chain = chain };
}

/* One step of the chain on top of the stack. */
static void
walk_step(struct walk *w)
{
	struct frame *f = &w->stack[w->depth - 1];
	const struct ruleset_chain *c = &w->rules->chain[f->chain];
	const struct step *s;
	enum fate fate;
	enum match m;

	if (f->step == c->steps) {
		end_chain(w, c->scattered ? FATE_REFUSED : FATE_RETURNED);
		return;
	}
	s = &w->rules->step[c->first + f->step];
	m = (enum match)s->match[w->packet];
	if (m == MATCH_NO) {
		f->step++;
		return;
	}
	if (s->action != ACTION_JUMP && s->action != ACTION_GOTO)
		fate = take_verdict(f, (enum action)s->action, m);
	else if (w->outcome[s->target].fate != FATE_UNKNOWN)
		fate = take_outcome(f, s, m, &w->outcome[s->target]);
	else if (w->depth < RULESET_DEPTH_MAX) {
		enter_chain(w, s->target);
		return;
	} else {
		/* Deeper than a kernel goes: no ruleset of one. */
		f->exceptions = true;
		fate = FATE_REFUSED;
	}
	if (fate == FATE_UNKNOWN)
		f->step++;
	else
		end_chain(w, fate);
}

bool
ruleset_refuses(
    const struct ruleset *r, unsigned base, enum test_packet packet)
{
	struct walk w = { .rules = r, .packet = packet };
	enum fate fate;

	enter_chain(&w, base);
	while (w.depth > 0)
		walk_step(&w);
	fate = (enum fate)w.outcome[base].fate;
	if (fate == FATE_RETURNED)
		return r->chain[base].policy_drops || r->overflow;
	return fate == FATE_REFUSED;
}
