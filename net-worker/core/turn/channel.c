/* The channel table: see channel.h. */
#include "net-worker/core/turn/channel.h"

#include <stdlib.h>
#include <string.h>

#include "common/share.h"

#define CHANNEL_LIFETIME_S    600
#define CHANNEL_RESERVED_S    300 /* more, in which nobody else may have it */
#define CHANNEL_REFRESH_S     300
#define PERMISSION_LIFETIME_S 300
#define PERMISSION_REFRESH_S  240
#define REFUSED_S             1 /* counting takes a walk over all */
/* So many are for those who are there already; a count is good for a while. */
#define CROWDED   (CHANNELS_MAX / 8 * 7)
#define CROWDED_S 60

static int
compare_peers(const struct channel *a, const struct channel *b)
{
	int order = ip_compare(&a->peer.ip, &b->peer.ip);

	if (order != 0)
		return order;
	return (a->peer.port > b->peer.port) - (a->peer.port < b->peer.port);
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#define __unused __attribute__((__unused__))
RB_GENERATE_STATIC(channel_tree, channel, by_peer, compare_peers)

static bool
channel_is_older(const struct channel *c, int64_t seconds, struct mono now)
{
	return mono_due(mono_add_s(c->since, seconds), now);
}

static int64_t
sending_time(const struct channels *cs)
{
	return cs->permissions ? PERMISSION_LIFETIME_S : CHANNEL_LIFETIME_S;
}

static int64_t
refresh_time(const struct channels *cs)
{
	return cs->permissions ? PERMISSION_REFRESH_S : CHANNEL_REFRESH_S;
}

/*
 * What makes a channel worth a refresh: firezone-tunnel(7), Channel bindings.
 */
static bool
channel_in_use(const struct channels *cs, const struct channel *c)
{
	return c->received || (cs->permissions && c->sent);
}

bool
channels_init(struct channels *cs)
{
	*cs = (struct channels){
		.slots = calloc(CHANNELS_MAX, sizeof(*cs->slots)),
		.refusals = calloc(CHANNEL_REFUSALS, sizeof(*cs->refusals)),
	};
	if (cs->slots == NULL || cs->refusals == NULL) {
		channels_free(cs);
		return false;
	}
	channels_clear(cs);
	return true;
}

void
channels_free(struct channels *cs)
{
	free(cs->slots);
	free(cs->refusals);
	cs->slots = NULL;
	cs->refusals = NULL;
}

void
channels_clear(struct channels *cs)
{
	memset(cs->slots, 0, cs->used * sizeof(*cs->slots));
	memset(cs->refusals, 0, CHANNEL_REFUSALS * sizeof(*cs->refusals));
	*cs = (struct channels){
		.slots = cs->slots,
		.refusals = cs->refusals,
		.next = cs->next,
		.deadline = MONO_NEVER,
		.permissions = cs->permissions,
	};
	RB_INIT(&cs->by_peer);
	TAILQ_INIT(&cs->changes);
}

struct channel *
channels_find(const struct channels *cs, const struct endpoint *peer)
{
	struct channel key = { .peer = *peer };

	/* A search does not change the tree; the macro cannot say so. */
	return RB_FIND(channel_tree, (struct channel_tree *)&cs->by_peer, &key);
}

struct channel *
channels_get(const struct channels *cs, uint16_t number)
{
	struct channel *c;

	if (number < CHANNEL_NUMBER_FIRST || number > CHANNEL_NUMBER_LAST)
		return NULL;
	c = &cs->slots[number - CHANNEL_NUMBER_FIRST];
	return c->taken ? c : NULL;
}

static void
report_binding(struct channels *cs, struct channel *c, bool bound)
{
	c->announced = bound;
	if (!c->changed)
		TAILQ_INSERT_TAIL(&cs->changes, c, change);
	c->changed = true;
}

static void
release_channel(struct channels *cs, struct channel *c)
{
	if (c->taken)
		RB_REMOVE(channel_tree, &cs->by_peer, c);
	c->taken = false;
}

static bool
channel_is_free(const struct channel *c, struct mono now)
{
	if (!c->taken)
		return true;
	return !c->in_flight && !c->received &&
	    channel_is_older(c, CHANNEL_LIFETIME_S + CHANNEL_RESERVED_S, now);
}

static struct channel *
find_free_channel(struct channels *cs, struct mono now)
{
	for (size_t i = 0; i < CHANNELS_MAX; i++) {
		size_t at = (cs->next + i) % CHANNELS_MAX;

		if (!channel_is_free(&cs->slots[at], now))
			continue;
		cs->next = (at + 1) % CHANNELS_MAX;
		if (at >= cs->used)
			cs->used = at + 1;
		cs->slots[at].number = (uint16_t)(CHANNEL_NUMBER_FIRST + at);
		return &cs->slots[at];
	}
	return NULL;
}

static bool
same_owner(const struct turn_owner *a, const struct turn_owner *b)
{
	return a->connection == b->connection && a->relays == b->relays &&
	    uuid_equal(&a->client, &b->client);
}

/* Since it was bound, or bound again. */
static bool
channel_is_unused(const struct channel *c, struct mono now)
{
	return c->confirmed && !c->received && !c->in_flight &&
	    channel_is_older(c, CHANNEL_UNUSED_S, now);
}

static bool
owner_may_have_more(
    struct channels *cs, struct mono now, const struct turn_owner *owner)
{
	size_t taken = 0, of_client = 0, of_connection = 0, unused = 0;

	for (size_t i = 0; i < cs->used; i++) {
		const struct channel *c = &cs->slots[i];

		if (channel_is_free(c, now))
			continue;
		taken++;
		of_client += uuid_equal(&c->owner.client, &owner->client);
		if (same_owner(&c->owner, owner)) {
			of_connection++;
			unused += channel_is_unused(c, now);
		}
	}
	cs->crowded_until = (struct mono){ 0 };
	if (taken >= CROWDED)
		cs->crowded_until = mono_add_s(now, CROWDED_S);
	if (taken == CHANNELS_MAX)
		cs->full_until = mono_add_s(now, REFUSED_S);
	return of_connection - unused < CHANNELS_OF_CONNECTION &&
	    of_connection < CHANNELS_OF_CONNECTION_EVER &&
	    share_allows(of_client, CHANNELS_MAX - taken, CHANNELS_LEFT);
}

/*
 * Where the owner's refusal is remembered. Owners with the same place are
 * counted more often, no more.
 */
static struct channel_refusal *
refusal_place(struct channels *cs, const struct turn_owner *owner)
{
	uint32_t hash;

	memcpy(&hash, owner->client.bytes, sizeof(hash));
	hash += owner->connection * 2 + owner->relays;
	return &cs->refusals[hash % CHANNEL_REFUSALS];
}

static bool
owner_has_share(
    struct channels *cs, struct mono now, const struct turn_owner *owner)
{
	struct channel_refusal *r = refusal_place(cs, owner);

	if (mono_before(now, cs->full_until) ||
	    (mono_before(now, r->until) && same_owner(&r->owner, owner)))
		return true;
	if (owner_may_have_more(cs, now, owner))
		return false;
	*r = (struct channel_refusal){ *owner, mono_add_s(now, REFUSED_S) };
	return true;
}

bool
channels_crowded(const struct channels *cs, struct mono now)
{
	return mono_before(now, cs->crowded_until);
}

struct channel *
channels_take(struct channels *cs, struct mono now, const struct endpoint *peer,
    const struct turn_owner *owner)
{
	struct channel *c = channels_find(cs, peer);
	uint16_t number;

	if (c != NULL)
		return c;
	if (owner_has_share(cs, now, owner) ||
	    (c = find_free_channel(cs, now)) == NULL)
		return NULL;
	release_channel(cs, c);
	if (c->changed)
		TAILQ_REMOVE(&cs->changes, c, change);
	number = c->number;
	*c = (struct channel){
		.peer = *peer,
		.owner = *owner,
		.since = now,
		.number = number,
	};
	c->taken = true;
	RB_INSERT(channel_tree, &cs->by_peer, c);
	return c;
}

static void
advance_channel_deadline(
    struct channels *cs, const struct channel *c, int64_t seconds)
{
	cs->deadline = mono_min(cs->deadline, mono_add_s(c->since, seconds));
}

void
channel_confirm(struct channels *cs, struct channel *c, struct mono now)
{
	c->since = now;
	c->confirmed = c->bound = true;
	c->received = false;
	c->sent = false;
	if (!c->announced)
		report_binding(cs, c, true);
	advance_channel_deadline(cs, c, sending_time(cs));
}

void
channel_refused(struct channels *cs, struct channel *c)
{
	if (!c->bound) {
		channel_forget(cs, c);
		return;
	}
	c->confirmed = c->in_flight = c->received = c->sent = false;
	report_binding(cs, c, false);
}

void
channel_forget(struct channels *cs, struct channel *c)
{
	release_channel(cs, c);
	report_binding(cs, c, false);
	cs->full_until = (struct mono){ 0 };
}

bool
channel_usable(
    const struct channels *cs, const struct channel *c, struct mono now)
{
	return c->in_flight ||
	    (c->confirmed && !channel_is_older(c, sending_time(cs), now));
}

/* Data may have made the channel worth a refresh. */
static void
note_channel_use(struct channels *cs, const struct channel *c)
{
	if (c->confirmed && !c->in_flight && channel_in_use(cs, c))
		advance_channel_deadline(cs, c, refresh_time(cs));
}

void
channel_note_sent(struct channels *cs, struct channel *c)
{
	if (c->sent)
		return;
	c->sent = true;
	note_channel_use(cs, c);
}

void
channel_note_received(struct channels *cs, struct channel *c)
{
	if (c->received)
		return;
	c->received = true;
	note_channel_use(cs, c);
}

/* True when the channel is to be refreshed now; else notes when to look. */
static bool
look_at_channel(struct channels *cs, struct channel *c, struct mono now)
{
	if (!c->taken || !c->confirmed || c->in_flight)
		return false;
	if (c->announced && channel_is_older(c, sending_time(cs), now))
		report_binding(cs, c, false);
	if (channel_in_use(cs, c) && channel_is_older(c, refresh_time(cs), now))
		return true;
	if (c->announced)
		advance_channel_deadline(cs, c, sending_time(cs));
	note_channel_use(cs, c);
	return false;
}

struct channel *
channels_due(struct channels *cs, struct mono now, size_t *at)
{
	if (*at == 0) {
		if (!mono_due(cs->deadline, now))
			return NULL;
		cs->deadline = MONO_NEVER;
	}
	while (*at < cs->used) {
		struct channel *c = &cs->slots[(*at)++];

		if (look_at_channel(cs, c, now))
			return c;
	}
	return NULL;
}

bool
channels_change(struct channels *cs, struct endpoint *peer, uint16_t *number)
{
	struct channel *c = TAILQ_FIRST(&cs->changes);

	if (c == NULL)
		return false;
	TAILQ_REMOVE(&cs->changes, c, change);
	c->changed = false;
	*peer = c->peer;
	*number = c->announced ? c->number : 0;
	return true;
}
