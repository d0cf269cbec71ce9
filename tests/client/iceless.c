/* The path agent without ICE: see iceless.h. */
#include "tests/client/iceless.h"

#include <string.h>

#define CACHE_S      10    /* for which a copy gets the same response */
#define KEEPALIVE_MS 25000 /* between probes of the primary path */
#define STEADY_MS    1000
#define UNHEARD_MAX  2 /* handshakes in a row before paths are doubted */

/* A switch within a class pays only by so much. */
#define MARGIN_NS      10000000
#define MARGIN_DIVISOR 5

/* Optimistic candidates that one candidate gives rise to. */
#define OPTIMISTIC_MAX 2

/* Milliseconds. After the last one, probes go on as they may. */
static const int64_t probe_gaps[] = { 200, 300, 500 };
static const int64_t copy_gaps[] = { 50, 50, 50, 100, 200, 400, 800, 1600 };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Pairs. */

static bool
same_path(const struct path *a, const struct path *b)
{
	return endpoint_equal(&a->local, &b->local) &&
	    endpoint_equal(&a->remote, &b->remote);
}

static struct iceless_pair *
find_pair(struct iceless *a, const struct path *path)
{
	for (size_t i = 0; i < a->n_pairs; i++)
		if (same_path(&a->pairs[i].path, path))
			return &a->pairs[i];
	return NULL;
}

static bool
is_primary(const struct iceless *a, const struct iceless_pair *p)
{
	return a->has_primary && same_path(&a->primary, &p->path);
}

static bool
is_relayed(const struct iceless_pair *p)
{
	return p->ours == ICELESS_RELAY || p->theirs == ICELESS_RELAY;
}

static void
restart_pair(struct iceless_pair *p, struct mono now)
{
	p->rtt_ns = -1;
	p->count = 0;
	memset(p->probes, 0, sizeof(p->probes));
	p->next = now;
}

static bool
in_first_round(const struct iceless_pair *p)
{
	return p->count < ICELESS_PROBES && !mono_is_never(p->next);
}

static struct endpoint
sending_address(const struct iceless_candidate *l)
{
	return l->kind == ICELESS_SRFLX ? l->base : l->address;
}

/* A candidate with the addresses of an older one takes its pair over. */
static void
form_pair(struct iceless *a, const struct iceless_candidate *local,
    const struct iceless_candidate *remote, struct mono now)
{
	struct path path = { sending_address(local), remote->address };
	struct iceless_pair *p = find_pair(a, &path);

	if (path.local.ip.family != path.remote.ip.family)
		return;
	if (p == NULL) {
		if (a->n_pairs == ICELESS_PAIRS_MAX)
			return;
		p = &a->pairs[a->n_pairs++];
		*p = (struct iceless_pair){
			.path = path,
			.rtt_ns = -1,
			.next = a->has_session ? now : MONO_NEVER,
			.next_copy = now,
		};
	}
	p->id = a->next_id++;
	p->ours = local->kind;
	p->theirs = remote->kind;
	p->mixed = local->kind == ICELESS_RELAY &&
	    local->base.ip.family != local->address.ip.family;
}

/* Paths are doubted: what was chosen, and what had been given up, is tried. */
static void
doubt_paths(struct iceless *a, struct mono now)
{
	for (size_t i = 0; i < a->n_pairs && a->has_session; i++) {
		struct iceless_pair *p = &a->pairs[i];

		if (is_primary(a, p) || !in_first_round(p))
			restart_pair(p, now);
	}
	a->has_primary = false;
}

/* Those with that address on our end, or on the other one. */
static void
remove_pairs(struct iceless *a, const struct endpoint *local,
    const struct endpoint *remote, struct mono now)
{
	bool lost = false;

	for (size_t i = a->n_pairs; i-- > 0;) {
		struct iceless_pair *p = &a->pairs[i];

		if ((local == NULL || !endpoint_equal(&p->path.local, local)) &&
		    (remote == NULL ||
			!endpoint_equal(&p->path.remote, remote)))
			continue;
		lost |= is_primary(a, p);
		*p = a->pairs[--a->n_pairs];
	}
	if (lost)
		doubt_paths(a, now);
}

/* The choice. */

/*
 * Smaller is better: the worse end, the better end, our own relay before
 * theirs, one family to and from our relay, IPv6.
 */
static unsigned
class_of(const struct iceless_pair *p)
{
	unsigned worse = p->ours > p->theirs ? p->ours : p->theirs;
	unsigned better = p->ours > p->theirs ? p->theirs : p->ours;

	return worse << 5 | better << 3 |
	    (unsigned)(p->ours != ICELESS_RELAY) << 2 |
	    (unsigned)p->mixed << 1 | (p->path.local.ip.family != IP_V6);
}

static void
set_primary(struct iceless *a, struct iceless_pair *p, struct mono now)
{
	a->has_primary = true;
	a->primary = p->path;
	a->our_unanswered = a->their_barren = 0;
	/* Its round may be over. */
	if (mono_is_never(p->next))
		p->next = mono_add_ms(now, KEEPALIVE_MS);
	a->output->primary(a->output->context, &p->path, is_relayed(p));
}

static struct iceless_pair *
best_pair(struct iceless *a)
{
	struct iceless_pair *best = NULL;

	for (size_t i = 0; i < a->n_pairs; i++) {
		struct iceless_pair *p = &a->pairs[i];

		if (p->rtt_ns != -1 &&
		    (best == NULL || class_of(p) < class_of(best) ||
			(class_of(p) == class_of(best) &&
			    p->rtt_ns < best->rtt_ns)))
			best = p;
	}
	return best;
}

static bool
is_much_faster(const struct iceless_pair *p, const struct iceless_pair *than)
{
	int64_t margin = than->rtt_ns / MARGIN_DIVISOR;

	if (margin < MARGIN_NS)
		margin = MARGIN_NS;
	return than->rtt_ns != -1 && p->rtt_ns + margin < than->rtt_ns;
}

static void
choose_primary(struct iceless *a, struct mono now)
{
	struct iceless_pair *best = best_pair(a);
	struct iceless_pair *current =
	    a->has_primary ? find_pair(a, &a->primary) : NULL;

	if (best == NULL || best == current)
		return;
	if (current == NULL || class_of(best) < class_of(current) ||
	    (class_of(best) == class_of(current) &&
		is_much_faster(best, current)))
		set_primary(a, best, now);
}

/* Candidates. */

void
iceless_start(struct iceless *a)
{
	const size_t kept = offsetof(struct iceless, running);

	memset((uint8_t *)a + kept, 0, sizeof(*a) - kept);
	a->running = true;
}

void
iceless_stop(struct iceless *a)
{
	iceless_start(a);
	a->running = false;
}

bool
iceless_add_local(
    struct iceless *a, const struct iceless_candidate *l, struct mono now)
{
	for (size_t i = 0; i < a->n_locals; i++)
		if (iceless_candidate_equal(&a->locals[i], l))
			return false;
	if (a->n_locals == ICELESS_LOCALS_MAX)
		return false;
	a->locals[a->n_locals++] = *l;
	if (!a->running)
		return true;
	for (size_t i = 0; i < a->n_remotes; i++)
		form_pair(a, l, &a->remotes[i].candidate, now);
	doubt_paths(a, now);
	return true;
}

void
iceless_remove_local(
    struct iceless *a, const struct endpoint *address, struct mono now)
{
	for (size_t i = a->n_locals; i-- > 0;)
		if (endpoint_equal(&a->locals[i].address, address))
			a->locals[i] = a->locals[--a->n_locals];
	remove_pairs(a, address, NULL, now);
}

void
iceless_roam(struct iceless *a)
{
	a->n_locals = a->n_pairs = 0;
	a->has_primary = false;
}

void
iceless_rebuild(struct iceless *a, struct mono now)
{
	a->has_primary = false;
	a->our_unanswered = a->their_barren = 0;
	a->has_accepted = a->has_response = false;
	for (size_t i = 0; i < a->n_pairs && a->has_session; i++)
		restart_pair(&a->pairs[i], now);
}

static struct iceless_remote *
find_remote(struct iceless *a, const struct endpoint *address)
{
	for (size_t i = 0; i < a->n_remotes; i++)
		if (endpoint_equal(&a->remotes[i].candidate.address, address))
			return &a->remotes[i];
	return NULL;
}

static void
delete_remote(struct iceless *a, size_t i, struct mono now)
{
	struct endpoint address = a->remotes[i].candidate.address;

	memmove(&a->remotes[i], &a->remotes[i + 1],
	    (--a->n_remotes - i) * sizeof(a->remotes[0]));
	remove_pairs(a, NULL, &address, now);
}

static void
make_room(struct iceless *a, enum iceless_kind kind, struct mono now)
{
	size_t oldest = 0, count = 0;

	for (size_t i = a->n_remotes; i-- > 0;)
		if (a->remotes[i].candidate.kind == kind) {
			oldest = i;
			count++;
		}
	if (count >= ICELESS_PER_KIND)
		delete_remote(a, oldest, now);
}

static void
append_remote(struct iceless *a, const struct iceless_candidate *r,
    bool reflexive, struct mono now)
{
	make_room(a, r->kind, now);
	a->remotes[a->n_remotes++] = (struct iceless_remote){
		.candidate = *r,
		.reflexive = reflexive,
	};
	for (size_t i = 0; i < a->n_locals; i++)
		form_pair(a, &a->locals[i], r, now);
	doubt_paths(a, now);
}

/* The ports of hosts may be open on the outside: of IPv4 only. */
static void
add_optimistic(struct iceless *a, struct mono now)
{
	struct iceless_remote known[ICELESS_REMOTES_MAX];
	size_t n = a->n_remotes, added = 0;

	memcpy(known, a->remotes, sizeof(known));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++) {
			struct iceless_candidate r = known[i].candidate;
			const struct iceless_candidate *host =
			    &known[k].candidate;

			if (r.kind != ICELESS_SRFLX ||
			    host->kind != ICELESS_HOST ||
			    r.address.ip.family != IP_V4 ||
			    host->address.ip.family != IP_V4)
				continue;
			r.address.port = host->address.port;
			r.base = r.address;
			if (find_remote(a, &r.address) != NULL ||
			    added++ == OPTIMISTIC_MAX)
				continue;
			append_remote(a, &r, false, now);
		}
}

/* It is told now what we had seen: the pairs stay, under their real kind. */
static void
name_reflexive(
    struct iceless *a, const struct iceless_candidate *r, struct mono now)
{
	struct iceless_remote *known;

	if (r->kind != ICELESS_SRFLX)
		make_room(a, r->kind, now);
	known = find_remote(a, &r->address);
	known->candidate = *r;
	known->reflexive = false;
	for (size_t i = 0; i < a->n_pairs; i++)
		if (endpoint_equal(&a->pairs[i].path.remote, &r->address))
			a->pairs[i].theirs = r->kind;
}

void
iceless_add_remote(
    struct iceless *a, const struct iceless_candidate *r, struct mono now)
{
	struct iceless_remote *known = find_remote(a, &r->address);

	for (size_t i = 0; i < a->n_remotes; i++)
		if (iceless_candidate_equal(&a->remotes[i].candidate, r) &&
		    !a->remotes[i].reflexive)
			return;
	if (known != NULL && known->reflexive)
		name_reflexive(a, r, now);
	else
		append_remote(a, r, false, now);
	add_optimistic(a, now);
}

void
iceless_remove_remote(
    struct iceless *a, const struct iceless_candidate *r, struct mono now)
{
	for (size_t i = a->n_remotes; i-- > 0;)
		if (iceless_candidate_equal(&a->remotes[i].candidate, r))
			delete_remote(a, i, now);
}

static void
learn_reflexive(
    struct iceless *a, const struct endpoint *address, struct mono now)
{
	struct iceless_candidate r = { ICELESS_SRFLX, *address, *address };
	size_t count = 0;

	if (find_remote(a, address) != NULL)
		return;
	for (size_t i = 0; i < a->n_remotes; i++)
		count += a->remotes[i].reflexive;
	if (count < ICELESS_REFLEXIVE_MAX)
		append_remote(a, &r, true, now);
}

/* Handshakes. */

static void
send_message(
    struct iceless *a, const struct path *path, const void *message, size_t len)
{
	a->output->send(a->output->context, path, message, len);
}

static void
send_copy(struct iceless *a, struct iceless_pair *p, struct mono now)
{
	p->next_copy = p->copies < COUNT(copy_gaps)
	    ? mono_add_ms(now, copy_gaps[p->copies])
	    : MONO_NEVER;
	p->copies++;
	send_message(a, &p->path, a->initiation, sizeof(a->initiation));
}

static void
send_copies(struct iceless *a, struct mono now)
{
	for (size_t i = 0; i < a->n_pairs; i++) {
		struct iceless_pair *p = &a->pairs[i];

		if (is_relayed(p) && mono_due(p->next_copy, now))
			send_copy(a, p, now);
	}
}

/* New bytes take the place of the old ones in series that still run. */
static void
spread_initiation(struct iceless *a, const uint8_t *message, struct mono now)
{
	a->spreading = true;
	memcpy(a->initiation, message, sizeof(a->initiation));
	for (size_t i = 0; i < a->n_pairs; i++) {
		struct iceless_pair *p = &a->pairs[i];

		if (is_relayed(p) && p->copies > 0)
			send_message(
			    a, &p->path, message, NOISE_INITIATION_LEN);
	}
	send_copies(a, now);
}

void
iceless_send_initiation(struct iceless *a,
    const uint8_t message[NOISE_INITIATION_LEN], struct mono now)
{
	if (!a->has_session) {
		spread_initiation(a, message, now);
	} else if (a->has_primary) {
		send_message(a, &a->primary, message, NOISE_INITIATION_LEN);
		if (++a->our_unanswered == UNHEARD_MAX)
			doubt_paths(a, now);
	}
}

static void
begin_session(struct iceless *a, struct mono now)
{
	a->spreading = false;
	if (a->has_session)
		return;
	a->has_session = true;
	for (size_t i = 0; i < a->n_pairs; i++)
		restart_pair(&a->pairs[i], now);
}

bool
iceless_initiation_is_new(struct iceless *a, const struct path *path,
    const uint8_t message[NOISE_INITIATION_LEN], struct mono now)
{
	if (!a->has_accepted ||
	    memcmp(a->accepted, message, sizeof(a->accepted)) != 0)
		return true;
	if (!mono_due(mono_add_s(a->answered, CACHE_S), now))
		send_message(a, path, a->answer, sizeof(a->answer));
	return false;
}

void
iceless_answer_initiation(struct iceless *a, const struct path *path,
    const uint8_t message[NOISE_INITIATION_LEN],
    const uint8_t response[NOISE_RESPONSE_LEN], struct mono now)
{
	bool first = !a->has_session;
	struct iceless_pair *p;

	learn_reflexive(a, &path->remote, now);
	begin_session(a, now);
	p = find_pair(a, path);
	if (first && !a->has_primary && p != NULL)
		set_primary(a, p, now);
	if (++a->their_barren == UNHEARD_MAX && a->has_primary)
		doubt_paths(a, now);
	a->has_accepted = true;
	memcpy(a->accepted, message, sizeof(a->accepted));
	memcpy(a->answer, response, sizeof(a->answer));
	a->answered = now;
	send_message(a, path, response, sizeof(a->answer));
}

bool
iceless_response_is_new(
    const struct iceless *a, const uint8_t message[NOISE_RESPONSE_LEN])
{
	return !a->has_response ||
	    memcmp(a->response, message, sizeof(a->response)) != 0;
}

void
iceless_response_accepted(struct iceless *a, const struct path *path,
    const uint8_t message[NOISE_RESPONSE_LEN], struct mono now)
{
	struct iceless_pair *p = find_pair(a, path);
	const struct iceless_pair *current =
	    a->has_primary ? find_pair(a, &a->primary) : NULL;

	a->has_response = true;
	memcpy(a->response, message, sizeof(a->response));
	a->our_unanswered = 0;
	begin_session(a, now);
	if (p != NULL && (current == NULL || class_of(p) < class_of(current)))
		set_primary(a, p, now);
}

void
iceless_data_seen(struct iceless *a)
{
	a->their_barren = 0;
}

/* Probes. */

static void
send_echo(struct iceless *a, const struct path *path, const struct probe *probe)
{
	uint8_t packet[PROBE_LEN];

	probe_write(probe, packet);
	a->output->probe(a->output->context, path, packet, sizeof(packet));
}

/* Of a pair whose newest probe has just been sent. */
static int64_t
gap_of(const struct iceless *a, const struct iceless_pair *p)
{
	if (p->count <= COUNT(probe_gaps))
		return probe_gaps[p->count - 1];
	return p->count >= ICELESS_PROBES && is_primary(a, p) ? KEEPALIVE_MS
							      : STEADY_MS;
}

static bool
may_stop(const struct iceless *a, const struct iceless_pair *p)
{
	return p->count >= ICELESS_PROBES && a->has_primary &&
	    !is_primary(a, p);
}

static void
send_probe(struct iceless *a, struct iceless_pair *p, struct mono now)
{
	struct probe probe = { .id = p->id, .sequence = p->next_sequence++ };

	p->probes[probe.sequence % ICELESS_PROBES] = (struct iceless_probe){
		.outstanding = true,
		.sequence = probe.sequence,
		.sent = now,
	};
	p->count++;
	p->next = mono_add_ms(now, gap_of(a, p));
	send_echo(a, &p->path, &probe);
}

static void
answer_probe(struct iceless *a, const struct path *path,
    const struct probe *request, struct mono now)
{
	struct probe reply = *request;
	struct iceless_pair *p = find_pair(a, path);

	reply.reply = true;
	send_echo(a, path, &reply);
	if (p == NULL)
		learn_reflexive(a, &path->remote, now);
	else if (a->has_session && p->rtt_ns == -1 && mono_is_never(p->next))
		restart_pair(p, now);
}

static void
probe_answered(struct iceless *a, const struct path *path,
    const struct probe *reply, struct mono now)
{
	struct iceless_pair *p = find_pair(a, path);
	struct iceless_probe *sent;
	int64_t rtt;

	if (p == NULL || p->id != reply->id)
		return;
	sent = &p->probes[reply->sequence % ICELESS_PROBES];
	if (!sent->outstanding || sent->sequence != reply->sequence)
		return;
	sent->outstanding = false;
	rtt = now.ns - sent->sent.ns;
	p->rtt_ns = p->rtt_ns == -1 ? rtt : (p->rtt_ns + rtt) / 2;
	choose_primary(a, now);
}

bool
iceless_packet(struct iceless *a, const struct path *path,
    const uint8_t *packet, size_t len, struct mono now)
{
	struct probe probe;

	if (!probe_read(packet, len, &probe))
		return false;
	if (probe.reply)
		probe_answered(a, path, &probe, now);
	else
		answer_probe(a, path, &probe, now);
	return true;
}

/* Time. */

void
iceless_timer(struct iceless *a, struct mono now)
{
	if (a->spreading)
		send_copies(a, now);
	for (size_t i = 0; i < a->n_pairs; i++) {
		struct iceless_pair *p = &a->pairs[i];

		if (!mono_due(p->next, now))
			continue;
		if (may_stop(a, p))
			p->next = MONO_NEVER;
		else
			send_probe(a, p, now);
	}
}

struct mono
iceless_deadline(const struct iceless *a)
{
	struct mono at = MONO_NEVER;

	for (size_t i = 0; i < a->n_pairs; i++) {
		const struct iceless_pair *p = &a->pairs[i];

		at = mono_min(at, p->next);
		if (a->spreading && is_relayed(p))
			at = mono_min(at, p->next_copy);
	}
	return at;
}
