/* The ICE agent: see ice.h. */
#include "tests/client/ice.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/client.h"

#define NO_REQUEST_MS   15000 /* a pair the peer still uses is not dead */
#define NO_CANDIDATE_MS 10000

#define LOCAL_PREFERENCE_MAX 65535

/*
 * RFC 8445 5.1.2.1, and the local preferences of firezone-tunnel(7), Candidate
 * priorities.
 */
static const struct kind {
	const char *name;
	uint32_t type_preference, local_preference;
} kinds[] = {
	[CANDIDATE_HOST] = { "host", 126, 65535 },
	[CANDIDATE_SRFLX] = { "srflx", 100, 32767 },
	[CANDIDATE_PRFLX] = { "prflx", 110, 49151 },
	[CANDIDATE_RELAY] = { "relay", 2, 16383 },
};

static const struct schedule *
schedule_of(const struct client *c)
{
	return c->ice.idle ? &c->habits.idle : &c->habits.active;
}

static uint32_t
local_preference(const struct ice *ice, const struct candidate *l)
{
	uint32_t preference = kinds[l->kind].local_preference;

	if (l->address.ip.family == IP_V4)
		preference--;
	for (size_t i = 0; i < ice->n_locals; i++)
		if (ice->locals[i].kind == l->kind &&
		    ice->locals[i].address.ip.family == l->address.ip.family)
			preference -= 2;
	if (l->kind == CANDIDATE_RELAY &&
	    l->address.ip.family != l->base.ip.family)
		preference -= 1000;
	return preference;
}

static uint32_t
priority_as(enum candidate_kind kind, uint32_t local)
{
	return kinds[kind].type_preference << 24 | local << 8 | 255;
}

static bool
same_path(const struct path *a, const struct path *b)
{
	return endpoint_equal(&a->local, &b->local) &&
	    endpoint_equal(&a->remote, &b->remote);
}

static struct pair *
find_pair(struct ice *ice, const struct path *path)
{
	for (size_t i = 0; i < ice->n_pairs; i++)
		if (same_path(&ice->pairs[i].path, path))
			return &ice->pairs[i];
	return NULL;
}

/* RFC 8445 6.1.2.3; we are the controlling agent, G. */
static uint64_t
pair_priority(uint32_t g, uint32_t d)
{
	uint64_t low = g < d ? g : d, high = g < d ? d : g;

	return (low << 32) + 2 * high + (g > d);
}

/* A reflexive candidate is sent from its base; a relayed one is its own. */
static struct endpoint
sending_address(const struct candidate *l)
{
	return l->kind == CANDIDATE_RELAY ? l->address : l->base;
}

static struct pair *
form_pair(struct client *c, const struct candidate *local,
    const struct candidate *remote)
{
	struct ice *ice = &c->ice;
	struct path path = { sending_address(local), remote->address };
	uint64_t priority = pair_priority(local->priority, remote->priority);
	struct pair *p = find_pair(ice, &path);

	if (local->address.ip.family != remote->address.ip.family)
		return NULL;
	if (p != NULL) {
		if (priority > p->priority) {
			p->local = *local;
			p->remote = *remote;
			p->priority = priority;
		}
		return p;
	}
	if (ice->n_pairs == ICE_PAIRS_MAX)
		return NULL;
	p = &ice->pairs[ice->n_pairs++];
	*p = (struct pair){
		.path = path,
		.local = *local,
		.remote = *remote,
		.priority = priority,
		.next = c->now,
	};
	ice->hopeless = MONO_NEVER;
	return p;
}

static void
remove_pair(struct client *c, size_t i)
{
	struct ice *ice = &c->ice;
	bool in_use = same_path(&ice->pairs[i].path, &c->path);

	ice->pairs[i] = ice->pairs[--ice->n_pairs];
	if (in_use)
		c->path = (struct path){ 0 };
}

/* The line that the gateway is told: firezone-tunnel(7), Candidate lines. */
static void
format_candidate_line(
    const struct client *c, const struct candidate *l, char to[ICE_LINE_SIZE])
{
	char address[ENDPOINT_TEXT_MAX], related[64] = "";
	char ufrag[ICE_TEXT_MAX + 16] = "";
	uint32_t priority = l->priority;

	if (c->habits.raddr &&
	    (l->kind == CANDIDATE_SRFLX || l->kind == CANDIDATE_RELAY))
		snprintf(related, sizeof(related), " raddr %s rport 0",
		    l->address.ip.family == IP_V4 ? "0.0.0.0" : "::");
	if (c->habits.ufrag)
		snprintf(
		    ufrag, sizeof(ufrag), " ufrag %s", c->ice.ours.username);
	else
		priority = priority_as(l->kind, LOCAL_PREFERENCE_MAX);
	snprintf(to, ICE_LINE_SIZE, "candidate:%08x 1 udp %u %s %u typ %s%s%s",
	    l->priority, priority, ip_format(&l->address.ip, address),
	    l->address.port, kinds[l->kind].name, related, ufrag);
}

static void
announce(struct client *c, const struct candidate *l)
{
	char line[ICE_LINE_SIZE];

	format_candidate_line(c, l, line);
	portal_send(c, "candidate %s %s", c->gateway, line);
	event("%s", line);
}

static void
pair_local(struct client *c, const struct candidate *l)
{
	for (size_t i = 0; i < c->ice.n_remotes; i++) {
		if (l->kind == CANDIDATE_RELAY)
			turn_expect(c, &c->ice.remotes[i].address);
		form_pair(c, l, &c->ice.remotes[i]);
	}
}

void
ice_start(struct client *c, const struct ice_credentials *ours,
    const struct ice_credentials *theirs)
{
	struct ice *ice = &c->ice;

	ice_stop(c);
	ice->running = true;
	ice->idle = false;
	ice->ours = *ours;
	ice->theirs = *theirs;
	randombytes_buf(&ice->tie_breaker, sizeof(ice->tie_breaker));
	ice->started = c->now;
	ice->hopeless = MONO_NEVER;
	for (size_t i = 0; i < ice->n_locals; i++)
		announce(c, &ice->locals[i]);
}

void
ice_announce_again(struct client *c)
{
	const struct ice *ice = &c->ice;

	for (size_t i = 0; i < ice->n_locals; i++)
		if (ice->locals[i].kind != CANDIDATE_PRFLX ||
		    c->habits.announces_prflx)
			announce(c, &ice->locals[i]);
}

bool
ice_checked(const struct client *c, const struct endpoint *remote)
{
	const struct ice *ice = &c->ice;

	for (size_t i = 0; i < ice->n_pairs; i++) {
		const struct pair *p = &ice->pairs[i];

		if (endpoint_equal(&p->path.remote, remote) &&
		    (p->succeeded || p->last_request.ns != 0))
			return true;
	}
	return false;
}

void
ice_stop(struct client *c)
{
	struct ice *ice = &c->ice;

	ice->running = false;
	ice->n_remotes = ice->n_pairs = 0;
	sodium_memzero(&ice->ours, sizeof(ice->ours));
	sodium_memzero(&ice->theirs, sizeof(ice->theirs));
}

bool
ice_add_local(struct client *c, enum candidate_kind kind,
    const struct endpoint *address, const struct endpoint *base)
{
	struct ice *ice = &c->ice;
	struct candidate l = {
		.kind = kind, .address = *address, .base = *base
	};

	for (size_t i = 0; i < ice->n_locals; i++)
		if (endpoint_equal(&ice->locals[i].address, address))
			return false;
	if (ice->n_locals == ICE_LOCALS_MAX)
		return false;
	l.priority = priority_as(kind, local_preference(ice, &l));
	ice->locals[ice->n_locals++] = l;
	if (!ice->running)
		return true;
	if (kind != CANDIDATE_PRFLX)
		announce(c, &l);
	pair_local(c, &l);
	return true;
}

void
ice_remove_local(struct client *c, const struct endpoint *address)
{
	struct ice *ice = &c->ice;
	char line[ICE_LINE_SIZE];

	for (size_t i = ice->n_locals; i-- > 0;) {
		struct candidate l = ice->locals[i];

		if (!endpoint_equal(&l.address, address))
			continue;
		ice->locals[i] = ice->locals[--ice->n_locals];
		if (!ice->running)
			continue;
		format_candidate_line(c, &l, line);
		portal_send(c, "uncandidate %s %s", c->gateway, line);
	}
	for (size_t i = ice->n_pairs; i-- > 0;)
		if (endpoint_equal(&ice->pairs[i].path.local, address))
			remove_pair(c, i);
}

void
ice_forget_locals(struct client *c)
{
	c->ice.n_locals = 0;
}

static bool
parse_kind(const char *name, enum candidate_kind *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0) {
			*kind = (enum candidate_kind)i;
			return true;
		}
	return false;
}

/* The fixed part; what follows the kind does not matter to us. */
static bool
parse_line(const char *line, struct candidate *r)
{
	char transport[8], ip[64], kind[8];
	unsigned component, port;

	memset(r, 0, sizeof(*r));
	if (sscanf(line, "candidate:%*s %u %7s %u %63s %u typ %7s", &component,
		transport, &r->priority, ip, &port, kind) != 6 ||
	    component != 1 || strcmp(transport, "udp") != 0 || port == 0 ||
	    port > UINT16_MAX || !ip_parse(ip, &r->address.ip) ||
	    !parse_kind(kind, &r->kind))
		return false;
	r->address.port = (uint16_t)port;
	r->base = r->address;
	return true;
}

static struct candidate *
find_remote(struct ice *ice, const struct endpoint *address)
{
	for (size_t i = 0; i < ice->n_remotes; i++)
		if (endpoint_equal(&ice->remotes[i].address, address))
			return &ice->remotes[i];
	return NULL;
}

void
ice_add_remote(struct client *c, const char *line)
{
	struct ice *ice = &c->ice;
	struct candidate r;

	if (!c->habits.late_candidates && c->path.remote.ip.family != IP_NONE)
		return;
	if (!ice->running || !parse_line(line, &r) ||
	    (c->direct_only && r.kind == CANDIDATE_RELAY) ||
	    find_remote(ice, &r.address) != NULL ||
	    ice->n_remotes == ICE_REMOTES_MAX)
		return;
	debug(c, "remote %s", line);
	ice->remotes[ice->n_remotes++] = r;
	if (r.kind != CANDIDATE_HOST)
		turn_expect(c, &r.address);
	for (size_t i = 0; i < ice->n_locals; i++)
		form_pair(c, &ice->locals[i], &r);
}

/* The attempts that the schedule counts: firezone-tunnel(7), Check schedule. */
static unsigned
counted_attempts(const struct client *c, const struct pair *p)
{
	const struct schedule *schedule = schedule_of(c);
	unsigned remembered =
	    p->sent < schedule->attempts ? p->sent : schedule->attempts;

	if (p->unanswered > 0 &&
	    mono_ms_between(p->unanswered_since, c->now) >
		schedule->last_ms / 2)
		return p->unanswered;
	return remembered;
}

static int64_t
gap_after(const struct client *c, const struct pair *p)
{
	const struct schedule *schedule = schedule_of(c);
	unsigned n = counted_attempts(c, p);
	unsigned doublings = n > 0 ? n - 1 : 0;
	int64_t ms = schedule->first_ms;

	while (doublings-- > 0 && ms < schedule->last_ms)
		ms *= 2;
	return ms < schedule->last_ms ? ms : schedule->last_ms;
}

static void
write_check(struct client *c, const struct pair *p, const uint8_t *transaction,
    struct writer *w)
{
	const struct ice *ice = &c->ice;
	char username[2 * ICE_TEXT_MAX + 2];

	snprintf(username, sizeof(username), "%s:%s", ice->theirs.username,
	    ice->ours.username);
	stun_begin(w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(w, STUN_USERNAME, username);
	stun_add_u64(w, STUN_ICE_CONTROLLING, ice->tie_breaker);
	stun_add_u32(w, STUN_PRIORITY,
	    priority_as(CANDIDATE_PRFLX, p->local.priority >> 8 & 0xffff));
	if (p->nominated)
		stun_add_bytes(w, STUN_USE_CANDIDATE, "", 0);
	stun_add_integrity(
	    w, ice->theirs.password, strlen(ice->theirs.password));
	stun_add_fingerprint(w);
}

static void
send_check(struct client *c, struct pair *p)
{
	struct attempt *a = &p->attempts[p->sent % ICE_ATTEMPTS_MAX];
	uint8_t message[STUN_MESSAGE_MAX];
	struct writer w;

	randombytes_buf(a->transaction, sizeof(a->transaction));
	a->nominating = p->nominated;
	p->sent++;
	if (p->unanswered++ == 0)
		p->unanswered_since = c->now;
	p->last_sent = c->now;
	p->next = mono_add_ms(c->now, gap_after(c, p));
	writer_init(&w, message, sizeof(message));
	write_check(c, p, a->transaction, &w);
	if (!writer_failed(&w))
		client_send_path(c, &p->path, message, w.len);
}

static bool
is_dead(const struct client *c, const struct pair *p)
{
	const struct schedule *schedule = schedule_of(c);

	return p->unanswered >= schedule->attempts &&
	    mono_ms_between(p->last_sent, c->now) >= schedule->last_ms &&
	    mono_ms_between(p->last_request, c->now) >= NO_REQUEST_MS;
}

/*
 * The best pair that works is nominated, once and for all; what is sent on is
 * the best one whose nomination the gateway has answered.
 */
static void
choose(struct client *c)
{
	struct ice *ice = &c->ice;
	struct pair *best = NULL, *agreed = NULL;

	for (size_t i = 0; i < ice->n_pairs; i++) {
		struct pair *p = &ice->pairs[i];

		if (p->succeeded &&
		    (best == NULL || p->priority > best->priority))
			best = p;
		if (p->agreed &&
		    (agreed == NULL || p->priority > agreed->priority))
			agreed = p;
	}
	if (best != NULL && !best->nominated) {
		best->nominated = true;
		send_check(c, best);
	}
	if (agreed != NULL && !same_path(&agreed->path, &c->path))
		client_path(c, &agreed->path,
		    agreed->local.kind == CANDIDATE_RELAY ||
			agreed->remote.kind == CANDIDATE_RELAY);
}

void
ice_remove_remote(struct client *c, const char *line)
{
	struct ice *ice = &c->ice;
	struct candidate r, *known;

	if (!parse_line(line, &r))
		return;
	/* Peer-reflexive ones have pairs only. */
	known = find_remote(ice, &r.address);
	if (known == NULL && r.kind != CANDIDATE_PRFLX)
		return;
	if (known != NULL)
		*known = ice->remotes[--ice->n_remotes];
	for (size_t i = ice->n_pairs; i-- > 0;)
		if (endpoint_equal(&ice->pairs[i].path.remote, &r.address))
			remove_pair(c, i);
	/* Not with the next answer, which may be a while. */
	choose(c);
}

static void
learn_reflexive(
    struct client *c, const struct pair *p, const struct stun_message *m)
{
	if (p->local.kind != CANDIDATE_RELAY && m->have & STUN_HAVE_MAPPED)
		ice_add_local(c, CANDIDATE_PRFLX, &m->mapped, &p->local.base);
}

static bool
check_answered(struct client *c, const struct stun_message *m)
{
	struct ice *ice = &c->ice;

	for (size_t i = 0; i < ice->n_pairs; i++) {
		struct pair *p = &ice->pairs[i];

		for (size_t k = 0; k < ICE_ATTEMPTS_MAX && k < p->sent; k++) {
			struct attempt *a = &p->attempts[k];

			if (memcmp(a->transaction, m->transaction,
				STUN_TRANSACTION_LEN) != 0)
				continue;
			if (!stun_verify(m, ice->theirs.password,
				strlen(ice->theirs.password)))
				return true;
			p->succeeded = true;
			p->agreed |= a->nominating;
			p->unanswered = 0;
			p->next = mono_add_ms(p->last_sent, gap_after(c, p));
			learn_reflexive(c, p, m);
			choose(c);
			return true;
		}
	}
	return false;
}

static void
answer_check(
    struct client *c, const struct path *path, const struct stun_message *m)
{
	const struct ice *ice = &c->ice;
	uint8_t message[STUN_MESSAGE_MAX];
	struct writer w;

	writer_init(&w, message, sizeof(message));
	stun_begin(&w, STUN_BINDING_SUCCESS, m->transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &path->remote);
	stun_add_integrity(&w, ice->ours.password, strlen(ice->ours.password));
	stun_add_fingerprint(&w);
	if (!writer_failed(&w))
		client_send_path(c, path, message, w.len);
}

static const struct candidate *
local_at(const struct ice *ice, const struct endpoint *address)
{
	for (size_t i = 0; i < ice->n_locals; i++) {
		struct endpoint from = sending_address(&ice->locals[i]);

		if (endpoint_equal(&from, address))
			return &ice->locals[i];
	}
	return NULL;
}

static struct pair *
pair_of_request(struct client *c, const struct path *path, uint32_t priority)
{
	const struct candidate *local = local_at(&c->ice, &path->local);
	struct pair *p = find_pair(&c->ice, path);
	struct candidate prflx = {
		.kind = CANDIDATE_PRFLX,
		.address = path->remote,
		.base = path->remote,
		.priority = priority,
	};

	if (p != NULL || local == NULL)
		return p;
	return form_pair(c, local, &prflx);
}

static bool
is_for_us(const struct ice *ice, const struct stun_message *m)
{
	char username[2 * ICE_TEXT_MAX + 2];

	snprintf(username, sizeof(username), "%s:%s", ice->ours.username,
	    ice->theirs.username);
	return m->username.length == strlen(username) &&
	    memcmp(m->username.bytes, username, m->username.length) == 0 &&
	    stun_verify(m, ice->ours.password, strlen(ice->ours.password));
}

static bool
check_received(
    struct client *c, const struct path *path, const struct stun_message *m)
{
	struct pair *p;

	if (!(m->have & STUN_HAVE_USERNAME) ||
	    !(m->have & STUN_HAVE_PRIORITY) || !is_for_us(&c->ice, m))
		return false;
	if ((p = pair_of_request(c, path, m->priority)) == NULL)
		return true;
	p->last_request = c->now;
	answer_check(c, path, m);
	if (!p->succeeded) /* a triggered check, RFC 8445 7.3.1.4 */
		p->next = c->now;
	return true;
}

bool
ice_input(
    struct client *c, const struct path *path, const struct stun_message *m)
{
	if (!c->ice.running)
		return false;
	if (m->type == STUN_BINDING_REQUEST)
		return check_received(c, path, m);
	if (m->type == STUN_BINDING_SUCCESS)
		return check_answered(c, m);
	return false;
}

/* RFC 8445 has no such state: firezone-tunnel(7), Agent states. */
static void
watch_hope(struct client *c)
{
	struct ice *ice = &c->ice;

	if (ice->n_pairs > 0) {
		ice->hopeless = MONO_NEVER;
		return;
	}
	if (ice->n_remotes == 0) {
		if (mono_ms_between(ice->started, c->now) >= NO_CANDIDATE_MS)
			client_lost(c, "no-candidates");
		return;
	}
	if (mono_is_never(ice->hopeless))
		ice->hopeless = c->now;
	if (mono_ms_between(ice->hopeless, c->now) >= c->habits.hopeless_ms)
		client_lost(c, "ice");
}

void
ice_timer(struct client *c)
{
	struct ice *ice = &c->ice;

	if (!ice->running)
		return;
	for (size_t i = ice->n_pairs; i-- > 0;) {
		struct pair *p = &ice->pairs[i];

		if (is_dead(c, p))
			remove_pair(c, i);
		else if (mono_due(p->next, c->now))
			send_check(c, p);
	}
	choose(c);
	watch_hope(c);
}

struct mono
ice_deadline(const struct client *c)
{
	const struct ice *ice = &c->ice;
	struct mono at = mono_add_s(c->now, 1);

	if (!ice->running)
		return MONO_NEVER;
	for (size_t i = 0; i < ice->n_pairs; i++)
		at = mono_min(at, ice->pairs[i].next);
	return at;
}

void
ice_set_idle(struct client *c, bool idle)
{
	struct ice *ice = &c->ice;

	if (ice->idle == idle)
		return;
	ice->idle = idle;
	debug(c, idle ? "idle" : "not idle");
	for (size_t i = 0; i < ice->n_pairs; i++)
		ice->pairs[i].next = mono_add_ms(
		    ice->pairs[i].last_sent, gap_after(c, &ice->pairs[i]));
}
