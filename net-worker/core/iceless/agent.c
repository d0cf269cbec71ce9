/*
 * The path agent: which candidates there are, which pairs they make, and which
 * of these is the primary path. See agent.h and pair.h.
 *
 * A pair is known by its addresses, for which several candidates may stand, of
 * which the best kind counts; it is gone with the last of them.
 */
#include "net-worker/core/iceless/agent.h"

#include <stdlib.h>

#include "net-worker/core/ice/left_bases.h"
#include "net-worker/core/iceless/kind_list.h"
#include "net-worker/core/iceless/pair.h"

#define KINDS              (CANDIDATE_RELAYED + 1) /* indexes */
#define DISTRESS           2                       /* handshakes in vain */
#define PRIMARY_INTERVAL_S 25
#define SEARCH_INTERVAL_S  1
#define OPTIMISTIC_MAX     2 /* for one signalled candidate */

/* So many that loss of every fifth datagram is not taken for death. */
#define SUSPECT_PROBES      8
#define OTHERS_PROBES       3 /* ... after which others are asked */
#define SUSPECT_INTERVAL_MS 190

TAILQ_HEAD(iceless_pairs, iceless_pair);

struct iceless_agent {
	struct kind_list locals[KINDS], remotes[KINDS];
	struct iceless_pairs pairs; /* oldest first */
	unsigned pair_count;
	struct mono now; /* of the last call */

	bool has_session; /* there was a handshake */
	struct iceless_pair *primary;
	bool chosen;           /* to be told */
	unsigned unanswered;   /* initiations of ours, in a row */
	unsigned without_data; /* of the peer's, in a row */

	struct iceless_pair *suspect;    /* the primary, if it may be dead */
	struct mono others_at, judge_at; /* ... not having answered by then */
	struct left_bases left;
};

struct iceless_agent *
iceless_agent_new(void)
{
	struct iceless_agent *a = calloc(1, sizeof(*a));

	if (a != NULL)
		TAILQ_INIT(&a->pairs);
	return a;
}

static void
drop_pair(struct iceless_agent *a, struct iceless_pair *pair)
{
	if (a->primary == pair)
		a->primary = a->suspect = NULL;
	TAILQ_REMOVE(&a->pairs, pair, entry);
	a->pair_count--;
	free(pair);
}

void
iceless_agent_free(struct iceless_agent *a)
{
	if (a == NULL)
		return;
	while (!TAILQ_EMPTY(&a->pairs))
		drop_pair(a, TAILQ_FIRST(&a->pairs));
	free(a);
}

/* The primary path. */

static void
set_primary(struct iceless_agent *a, struct iceless_pair *pair)
{
	a->primary = pair;
	a->suspect = NULL;
	a->chosen = true;
	a->unanswered = a->without_data = 0;
	/* One that has stopped is to be kept alive from now on. */
	if (mono_is_never(pair->probe_at))
		pair->probe_at = mono_add_s(a->now, PRIMARY_INTERVAL_S);
}

static bool
is_at_left_base(const struct iceless_agent *a, const struct iceless_pair *pair)
{
	return left_bases_have(&a->left, &pair->path.local);
}

/* Of those that answer; NULL: none does. */
static struct iceless_pair *
find_best_pair(struct iceless_agent *a, bool at_left_base)
{
	struct iceless_pair *pair, *best = NULL;

	TAILQ_FOREACH(pair, &a->pairs, entry)
		if (pair->rtt_ns >= 0 &&
		    is_at_left_base(a, pair) == at_left_base &&
		    (best == NULL || pair_is_better(pair, best)))
			best = pair;
	return best;
}

static void
choose_primary(struct iceless_agent *a)
{
	struct iceless_pair *best = find_best_pair(a, false);

	if (best == NULL && a->primary == NULL)
		best = find_best_pair(a, true);
	if (best != NULL && best != a->primary &&
	    (a->primary == NULL || pair_outdoes(best, a->primary)))
		set_primary(a, best);
}

/* Distress: what was measured may be true no more. */
static void
seek_primary(struct iceless_agent *a)
{
	const struct iceless_pair *was = a->primary;
	struct iceless_pair *pair;

	a->primary = a->suspect = NULL;
	a->chosen = false;
	if (!a->has_session)
		return;
	TAILQ_FOREACH(pair, &a->pairs, entry)
		if (pair == was || pair->probes >= PAIR_FIRST_PROBES ||
		    mono_is_never(pair->probe_at))
			pair_begin(pair, a->now);
}

/* Likewise, and what there is to choose from is to be known at once. */
static void
replace_primary(struct iceless_agent *a)
{
	struct iceless_pair *pair;

	seek_primary(a);
	TAILQ_FOREACH(pair, &a->pairs, entry)
		if (a->has_session)
			pair_begin(pair, a->now);
}

/* Candidates. */

static const struct candidate *
find_remote_address(
    const struct iceless_agent *a, const struct endpoint *address)
{
	const struct kind_list *list;

	for (size_t k = CANDIDATE_HOST; k < KINDS; k++) {
		list = &a->remotes[k];
		for (size_t i = 0; i < list->count; i++)
			if (endpoint_equal(
				&list->candidate[i].address, address))
				return &list->candidate[i];
	}
	return NULL;
}

/*
 * The best of the local candidates that send from the path's end as it does;
 * NULL: none does. A relay may say that it has allocated what is our own.
 */
static const struct candidate *
find_path_local(const struct iceless_agent *a, const struct path *path)
{
	const struct kind_list *list;

	for (size_t k = CANDIDATE_HOST; k < KINDS; k++) {
		list = &a->locals[k];
		if ((k == CANDIDATE_RELAYED) != path->relayed)
			continue;
		for (size_t i = 0; i < list->count; i++)
			if (endpoint_equal(
				&list->candidate[i].base, &path->local))
				return &list->candidate[i];
	}
	return NULL;
}

static struct iceless_pair *
find_pair_of(const struct iceless_agent *a, const struct path *path)
{
	struct iceless_pair *pair;

	TAILQ_FOREACH(pair, &a->pairs, entry)
		if (path_has_ends_of(&pair->path, path))
			return pair;
	return NULL;
}

/* Whether any candidate there is; a later one would not have the port. */
static bool
leads_to_gone_relay(
    const struct iceless_agent *a, const struct endpoint *remote)
{
	for (size_t k = CANDIDATE_HOST; k < KINDS; k++)
		if (kind_list_leads_to_gone_relay(&a->remotes[k], remote))
			return true;
	return false;
}

static void
note_candidates(const struct iceless_agent *a, struct iceless_pair *pair,
    const struct candidate *local, const struct candidate *remote)
{
	pair->to_gone_relay = leads_to_gone_relay(a, &pair->path.remote);
	pair->local_kind = local->kind;
	pair->remote_kind = remote->kind;
	pair->crosses_families = local->kind == CANDIDATE_RELAYED &&
	    local->via.ip.family != IP_NONE &&
	    local->via.ip.family != local->address.ip.family;
}

/* Takes away pairs that nobody offers any longer; the others go by who does. */
static void
review_pairs(struct iceless_agent *a)
{
	struct iceless_pair *pair, *next;

	for (pair = TAILQ_FIRST(&a->pairs); pair != NULL; pair = next) {
		const struct candidate *local = find_path_local(a, &pair->path);
		const struct candidate *remote =
		    find_remote_address(a, &pair->path.remote);

		next = TAILQ_NEXT(pair, entry);
		if (local == NULL || remote == NULL)
			drop_pair(a, pair);
		else
			note_candidates(a, pair, local, remote);
	}
}

static void
make_pair_room(struct iceless_agent *a)
{
	struct iceless_pair *oldest = TAILQ_FIRST(&a->pairs);

	if (a->pair_count < ICELESS_PAIRS_MAX)
		return;
	if (oldest == a->primary)
		oldest = TAILQ_NEXT(oldest, entry);
	drop_pair(a, oldest);
}

/* Two ends that go together; it begins if it is new and may be probed. */
static void
add_pair(struct iceless_agent *a, const struct candidate *local,
    const struct candidate *remote)
{
	const struct path path = {
		.local = local->base,
		.remote = remote->address,
		.relayed = local->kind == CANDIDATE_RELAYED,
	};
	struct iceless_pair *pair;

	if (path.local.ip.family != path.remote.ip.family ||
	    find_pair_of(a, &path) != NULL ||
	    (pair = calloc(1, sizeof(*pair))) == NULL)
		return;
	make_pair_room(a);
	pair->path = path;
	pair_number(pair);
	pair_begin(pair, a->now);
	if (!a->has_session)
		pair->probe_at = MONO_NEVER;
	note_candidates(a, pair, local, remote);
	TAILQ_INSERT_TAIL(&a->pairs, pair, entry);
	a->pair_count++;
}

/*
 * New candidates are paired with those of the other side. Pairs that gave way
 * to others do not come back for it: they would drive out each other.
 */

static void
pair_local(struct iceless_agent *a, const struct candidate *local)
{
	for (size_t k = CANDIDATE_HOST; k < KINDS; k++)
		for (size_t i = 0; i < a->remotes[k].count; i++)
			add_pair(a, local, &a->remotes[k].candidate[i]);
}

static void
pair_remote(struct iceless_agent *a, const struct candidate *remote)
{
	for (size_t k = CANDIDATE_HOST; k < KINDS; k++)
		for (size_t i = 0; i < a->locals[k].count; i++)
			add_pair(a, &a->locals[k].candidate[i], remote);
}

static void
candidate_removed(struct iceless_agent *a)
{
	const struct iceless_pair *primary = a->primary;

	review_pairs(a);
	if (a->primary != primary)
		replace_primary(a);
}

static void
list_append(struct iceless_agent *a, struct kind_list *list, size_t max,
    const struct candidate *candidate)
{
	if (list->count >= max)
		kind_list_remove(list,
		    kind_list_least(
			list, a->primary == NULL ? NULL : &a->primary->path));
	kind_list_append(list, a->now, candidate);
}

static void
note_heard(struct iceless_agent *a, const struct path *path)
{
	for (size_t k = CANDIDATE_HOST; k < KINDS; k++) {
		kind_list_heard(&a->locals[k], a->now, path);
		kind_list_heard(&a->remotes[k], a->now, path);
	}
}

bool
iceless_agent_add_local(
    struct iceless_agent *a, struct mono now, const struct candidate *candidate)
{
	struct kind_list *list = &a->locals[candidate->kind];

	a->now = now;
	if (!candidate_address_ok(&candidate->address) ||
	    kind_list_find(list, &candidate->address, NULL, &candidate->base) !=
		NULL)
		return false;
	list_append(a, list, ICELESS_KIND_MAX, candidate);
	review_pairs(a);
	pair_local(a, candidate);
	seek_primary(a);
	return true;
}

bool
iceless_agent_remove_local(struct iceless_agent *a, struct mono now,
    const struct candidate *candidate, struct candidate *removed)
{
	struct kind_list *list = &a->locals[candidate->kind];
	const struct candidate *found =
	    kind_list_find(list, &candidate->address, NULL, NULL);

	a->now = now;
	if (found == NULL)
		return false;
	*removed = *found;
	kind_list_remove(list, (size_t)(found - list->candidate));
	candidate_removed(a);
	return true;
}

const struct candidate *
iceless_agent_get_local(const struct iceless_agent *a, size_t i)
{
	for (size_t k = CANDIDATE_HOST; k < KINDS; k++) {
		if (i < a->locals[k].count)
			return &a->locals[k].candidate[i];
		i -= a->locals[k].count;
	}
	return NULL;
}

/*
 * The server-reflexive address at the port of a host candidate. A guess takes
 * nobody's place.
 */
static void
add_guesses(struct iceless_agent *a)
{
	struct kind_list *reflexive = &a->remotes[CANDIDATE_SERVER_REFLEXIVE];
	const struct kind_list *hosts = &a->remotes[CANDIDATE_HOST];
	size_t signalled = reflexive->count;
	unsigned added = 0;

	for (size_t i = 0; i < signalled; i++)
		for (size_t j = 0; j < hosts->count; j++) {
			struct candidate guess = reflexive->candidate[i];

			guess.address.port = hosts->candidate[j].address.port;
			if (guess.address.ip.family != IP_V4 ||
			    hosts->candidate[j].address.ip.family != IP_V4 ||
			    find_remote_address(a, &guess.address) != NULL)
				continue;
			if (added++ == OPTIMISTIC_MAX ||
			    reflexive->count == ICELESS_KIND_MAX)
				return;
			kind_list_append(reflexive, a->now, &guess);
			pair_remote(a, &guess);
		}
}

/* One that was found has been signalled now: only its kind is another. */
static bool
take_found(struct iceless_agent *a, const struct candidate *candidate)
{
	struct kind_list *found = &a->remotes[CANDIDATE_PEER_REFLEXIVE];
	const struct candidate *c =
	    kind_list_find(found, &candidate->address, NULL, NULL);

	if (c == NULL)
		return false;
	kind_list_remove(found, (size_t)(c - found->candidate));
	return true;
}

bool
iceless_agent_add_remote(
    struct iceless_agent *a, struct mono now, const struct candidate *candidate)
{
	struct kind_list *list = &a->remotes[candidate->kind];
	bool found;

	a->now = now;
	if (kind_list_find(
		list, &candidate->address, &candidate->related, NULL) != NULL)
		return false;
	found = take_found(a, candidate);
	list_append(a, list, ICELESS_KIND_MAX, candidate);
	if (found) {
		candidate_removed(a);
		return true;
	}
	review_pairs(a);
	/* New ones may better the path: it has to prove itself like them. */
	pair_remote(a, candidate);
	add_guesses(a);
	seek_primary(a);
	return true;
}

void
iceless_agent_remove_remote(
    struct iceless_agent *a, struct mono now, const struct candidate *candidate)
{
	struct kind_list *list = &a->remotes[candidate->kind];
	const struct candidate *found = kind_list_find(
	    list, &candidate->address, &candidate->related, NULL);

	a->now = now;
	if (found == NULL)
		return;
	kind_list_remove(list, (size_t)(found - list->candidate));
	candidate_removed(a);
}

/*
 * The peer's candidates there are kept: the list in which that relay is no
 * more is ours. Without them it has to say which others it has, if it can.
 */
void
iceless_agent_relay_gone(
    struct iceless_agent *a, struct mono now, const struct ip_address *ip)
{
	a->now = now;
	for (size_t k = CANDIDATE_HOST; k < KINDS; k++)
		kind_list_relay_gone(&a->remotes[k], ip);
	review_pairs(a);
	if (a->primary != NULL && a->primary->to_gone_relay)
		replace_primary(a);
}

/* What came is from an address that the peer may be reached at. */
static void
note_remote(struct iceless_agent *a, const struct endpoint *remote)
{
	const struct candidate found = {
		.kind = CANDIDATE_PEER_REFLEXIVE,
		.address = *remote,
		.related = *remote,
	};

	if (!candidate_address_ok(remote) ||
	    find_remote_address(a, remote) != NULL)
		return;
	list_append(a, &a->remotes[CANDIDATE_PEER_REFLEXIVE],
	    ICELESS_PEER_REFLEXIVE_MAX, &found);
	review_pairs(a);
	pair_remote(a, &found);
	seek_primary(a);
}

/* Handshakes. */

static bool
begin_session(struct iceless_agent *a)
{
	if (a->has_session)
		return false;
	a->has_session = true;
	seek_primary(a);
	return true;
}

static void
count_distress(struct iceless_agent *a, unsigned *count)
{
	if (++*count == DISTRESS && a->primary != NULL)
		seek_primary(a);
}

void
iceless_agent_initiation(
    struct iceless_agent *a, struct mono now, const struct path *path)
{
	struct iceless_pair *pair;

	a->now = now;
	note_remote(a, &path->remote);
	if (begin_session(a) && (pair = find_pair_of(a, path)) != NULL)
		set_primary(a, pair);
	count_distress(a, &a->without_data);
}

void
iceless_agent_response(
    struct iceless_agent *a, struct mono now, const struct path *path)
{
	struct iceless_pair *pair = find_pair_of(a, path);

	a->now = now;
	a->unanswered = 0;
	begin_session(a);
	if (pair != NULL && pair != a->primary &&
	    (a->primary == NULL || pair_class(pair) < pair_class(a->primary)))
		set_primary(a, pair);
}

void
iceless_agent_initiated(struct iceless_agent *a, struct mono now)
{
	a->now = now;
	count_distress(a, &a->unanswered);
}

void
iceless_agent_heard(struct iceless_agent *a)
{
	a->without_data = 0;
}

/*
 * Dead paths (firezone-tunnel(7), Dead paths): the primary path is asked more
 * often, then the others are asked as well; if these answer and it does not,
 * they take its place, and the peer is led away from where it was.
 */

void
iceless_agent_unanswered(struct iceless_agent *a, struct mono now)
{
	a->now = now;
	if (a->primary == NULL || a->suspect != NULL)
		return;
	a->suspect = a->primary;
	a->suspect->probe_at = now;
	a->others_at = mono_add_ms(now, OTHERS_PROBES * SUSPECT_INTERVAL_MS);
	a->judge_at = mono_add_ms(now, SUSPECT_PROBES * SUSPECT_INTERVAL_MS);
	if (a->suspect->rtt_ns > 0)
		a->judge_at = mono_add_ns(a->judge_at, a->suspect->rtt_ns);
}

/* What answers is to have answered since. */
static void
ask_other_pairs(struct iceless_agent *a)
{
	struct iceless_pair *pair;

	a->others_at = MONO_NEVER;
	TAILQ_FOREACH(pair, &a->pairs, entry)
		if (pair != a->suspect)
			pair_begin(pair, a->now);
}

/* By which the peer itself is reached: that its relay is says nothing of it. */
static bool
reaches_peer(const struct iceless_pair *pair)
{
	return !pair->path.relayed && pair->remote_kind != CANDIDATE_RELAYED;
}

/* Whether the peer, who was reached from that base, is not any more. */
static bool
base_lost_peer(const struct iceless_agent *a, const struct endpoint *base)
{
	const struct iceless_pair *pair;
	bool was_heard = false;

	TAILQ_FOREACH(pair, &a->pairs, entry) {
		if (!reaches_peer(pair) ||
		    !endpoint_equal(&pair->path.local, base))
			continue;
		if (pair->rtt_ns >= 0)
			return false;
		was_heard = was_heard || pair->was_heard;
	}
	return was_heard;
}

/* The peer is asked there before it asks, so that its requests come in. */
static void
try_base_again(struct iceless_agent *a, const struct endpoint *base)
{
	struct iceless_pair *pair;

	if (!base_lost_peer(a, base))
		left_bases_forget(&a->left, base);
	TAILQ_FOREACH(pair, &a->pairs, entry)
		if (pair != a->primary &&
		    endpoint_equal(&pair->path.local, base))
			pair_begin(pair, a->now);
}

static void
try_bases_again(struct iceless_agent *a)
{
	const struct endpoint *in_use =
	    a->primary == NULL ? NULL : &a->primary->path.local;
	struct endpoint base;

	while (left_bases_try(&a->left, a->now, in_use, &base))
		try_base_again(a, &base);
}

/* With the path all others are left by which the peer is lost as well. */
static void
judge_suspect(struct iceless_agent *a)
{
	struct iceless_pair *dead = a->suspect, *pair, *best;

	dead->rtt_ns = -1;
	dead->was_heard = true;
	TAILQ_FOREACH(pair, &a->pairs, entry)
		if (!is_at_left_base(a, pair) &&
		    base_lost_peer(a, &pair->path.local))
			left_bases_leave(&a->left, a->now, &pair->path.local);
	best = find_best_pair(a, false);
	if (best != NULL) {
		set_primary(a, best);
		return;
	}
	/* The peer is away: there is nowhere to lead it. */
	left_bases_undo(&a->left);
	seek_primary(a);
}

bool
iceless_agent_base(
    struct iceless_agent *a, struct endpoint *base, bool *withdrawn)
{
	return left_bases_event(&a->left, base, withdrawn);
}

/* When a pair that has just asked, or is to, asks again. */
static struct mono
next_probe(const struct iceless_agent *a, const struct iceless_pair *pair)
{
	if (pair == a->suspect)
		return mono_add_ms(a->now, SUSPECT_INTERVAL_MS);
	if (pair->probes < PAIR_FIRST_PROBES)
		return pair_next_probe(pair, a->now);
	if (a->primary == NULL)
		return mono_add_s(a->now, SEARCH_INTERVAL_S);
	return pair == a->primary ? mono_add_s(a->now, PRIMARY_INTERVAL_S)
				  : MONO_NEVER;
}

void
iceless_agent_probe(struct iceless_agent *a, struct mono now,
    const struct path *path, const struct probe *probe)
{
	struct iceless_pair *pair;

	a->now = now;
	if (!probe->is_reply)
		note_remote(a, &path->remote);
	if ((pair = find_pair_of(a, path)) == NULL)
		return;
	if (!probe->is_reply) {
		if (a->has_session && mono_is_never(pair->probe_at) &&
		    pair->rtt_ns < 0)
			pair_begin(pair, now);
	} else if (pair_answer(pair, now, probe)) {
		note_heard(a, path);
		if (reaches_peer(pair))
			left_bases_forget(&a->left, &path->local);
		if (pair == a->suspect) {
			a->suspect = NULL;
			pair->probe_at = next_probe(a, pair);
		}
		choose_primary(a);
	}
}

struct mono
iceless_agent_deadline(const struct iceless_agent *a)
{
	const struct iceless_pair *pair;
	struct mono first = left_bases_deadline(&a->left);

	if (a->suspect != NULL)
		first = mono_min(first, mono_min(a->others_at, a->judge_at));
	TAILQ_FOREACH(pair, &a->pairs, entry)
		first = mono_min(first, pair->probe_at);
	return first;
}

void
iceless_agent_timeout(struct iceless_agent *a, struct mono now)
{
	a->now = now;
	if (a->suspect != NULL && mono_due(a->others_at, now))
		ask_other_pairs(a);
	if (a->suspect != NULL && mono_due(a->judge_at, now))
		judge_suspect(a);
	try_bases_again(a);
}

bool
iceless_agent_transmit(
    struct iceless_agent *a, struct path *path, struct probe *probe)
{
	struct iceless_pair *pair;

	TAILQ_FOREACH(pair, &a->pairs, entry) {
		if (!mono_due(pair->probe_at, a->now))
			continue;
		/* There has come to be another primary meanwhile. */
		if (mono_is_never(next_probe(a, pair))) {
			pair->probe_at = MONO_NEVER;
			if (reaches_peer(pair) &&
			    base_lost_peer(a, &pair->path.local))
				left_bases_await(
				    &a->left, a->now, &pair->path.local);
			continue;
		}
		/* What comes by a path says nothing of what goes there. */
		if (pair == a->primary && pair_is_ignored(pair))
			iceless_agent_unanswered(a, a->now);
		pair_ask(pair, a->now, probe);
		pair->probe_at = next_probe(a, pair);
		*path = pair->path;
		return true;
	}
	return false;
}

bool
iceless_agent_event(
    struct iceless_agent *a, struct path *path, enum candidate_kind *remote)
{
	if (!a->chosen)
		return false;
	a->chosen = false;
	*path = a->primary->path;
	*remote = a->primary->remote_kind;
	return true;
}
