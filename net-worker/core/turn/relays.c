/* The relays we know: see relays.h. */
#include "net-worker/core/turn/relays.h"

#include <sys/queue.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "net-worker/core/turn/sampling.h"

#define FORMERLY_USED_MAX 64

/*
 * A relay that refused us an allocation is asked again now and then: it may
 * have been full, or still hold one of a process before us (441 until that
 * ends). Deployed peers wait for the portal (firezone-tunnel(7), Relay life
 * cycle).
 */
#define SUSPENDED_RETRY_S 60

struct relay {
	TAILQ_ENTRY(relay) entry; /* in gone */
	struct uuid id;
	struct allocation *allocation; /* NULL when gone */
	bool named;                    /* in the portal's current message */
	struct mono retry;             /* while suspended; or NEVER */

	/* What is still to be told of one that is gone. */
	struct endpoint withdrawn[2];
	struct ip_address address[2];
	enum allocation_end end;
	bool last;    /* none was left */
	bool removed; /* REMOVED has been told */
};

TAILQ_HEAD(relay_list, relay);

struct relays {
	struct relay *list[RELAYS_MAX];
	size_t count;
	struct relay_list gone;
	size_t gone_count;
	struct ip_address former[FORMERLY_USED_MAX];
	size_t former_next;
};

struct relays *
relays_new(void)
{
	struct relays *rs = calloc(1, sizeof(*rs));

	if (rs != NULL)
		TAILQ_INIT(&rs->gone);
	return rs;
}

static void
forget_gone_relay(struct relays *rs, struct relay *r)
{
	TAILQ_REMOVE(&rs->gone, r, entry);
	rs->gone_count--;
	free(r);
}

void
relays_free(struct relays *rs)
{
	if (rs == NULL)
		return;
	for (size_t i = 0; i < rs->count; i++) {
		allocation_free(rs->list[i]->allocation);
		free(rs->list[i]);
	}
	while (!TAILQ_EMPTY(&rs->gone))
		forget_gone_relay(rs, TAILQ_FIRST(&rs->gone));
	free(rs);
}

/* The relay's place in the list, or count. */
static size_t
relay_index_of(const struct relays *rs, const struct uuid *id)
{
	size_t i;

	for (i = 0; i < rs->count; i++)
		if (uuid_equal(&rs->list[i]->id, id))
			break;
	return i;
}

static void
remember_former_address(struct relays *rs, const struct endpoint *address)
{
	if (address->ip.family == IP_NONE)
		return;
	rs->former[rs->former_next] = address->ip;
	rs->former_next = (rs->former_next + 1) % FORMERLY_USED_MAX;
}

/* Keeps what the owner must withdraw: it may not have been told all yet. */
static void
note_withdrawals(struct relay *r)
{
	static const enum ip_family families[2] = { IP_V4, IP_V6 };
	struct allocation_event e;

	while (allocation_event(r->allocation, &e))
		if (e.type == ALLOCATION_WITHDRAWN)
			r->withdrawn[e.address.ip.family == IP_V6] = e.address;
	for (size_t i = 0; i < 2; i++)
		if (r->withdrawn[i].ip.family == IP_NONE)
			r->withdrawn[i] =
			    allocation_relayed(r->allocation, families[i]);
}

static void
drop_relay(struct relays *rs, size_t i, enum allocation_end end)
{
	struct relay *r = rs->list[i];
	const struct relay_config *config = allocation_config(r->allocation);

	remember_former_address(rs, &config->address[0]);
	remember_former_address(rs, &config->address[1]);
	for (size_t k = 0; k < 2; k++)
		r->address[k] = config->address[k].ip;
	note_withdrawals(r);
	allocation_free(r->allocation);
	r->allocation = NULL;
	r->end = end;
	rs->count--;
	memmove(&rs->list[i], &rs->list[i + 1],
	    (rs->count - i) * sizeof(rs->list[0]));
	TAILQ_INSERT_TAIL(&rs->gone, r, entry);
	rs->gone_count++;
}

void
relays_begin(struct relays *rs)
{
	for (size_t i = 0; i < rs->count; i++)
		rs->list[i]->named = false;
}

void
relays_removed(struct relays *rs, const struct uuid *id)
{
	size_t i = relay_index_of(rs, id);

	if (i < rs->count)
		drop_relay(rs, i, ALLOCATION_ALIVE);
}

static bool
same_relay_config(const struct relay_config *a, const struct relay_config *b)
{
	return endpoint_equal(&a->address[0], &b->address[0]) &&
	    endpoint_equal(&a->address[1], &b->address[1]) &&
	    strcmp(a->username, b->username) == 0 &&
	    strcmp(a->password, b->password) == 0;
}

static bool
add_relay(struct relays *rs, struct mono now, const struct relay_config *config)
{
	struct relay *r;

	if (rs->count == RELAYS_MAX || rs->gone_count >= RELAYS_MAX)
		return false;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return false;
	r->allocation = allocation_new(config, now);
	if (r->allocation == NULL) {
		free(r);
		return false;
	}
	r->id = config->id;
	r->named = true;
	r->retry = MONO_NEVER;
	rs->list[rs->count++] = r;
	return true;
}

bool
relays_present(
    struct relays *rs, struct mono now, const struct relay_config *config)
{
	size_t i = relay_index_of(rs, &config->id);
	struct relay *r;

	if (i == rs->count)
		return add_relay(rs, now, config);
	r = rs->list[i];
	if (!same_relay_config(allocation_config(r->allocation), config)) {
		drop_relay(rs, i, ALLOCATION_ALIVE);
		return add_relay(rs, now, config);
	}
	r->named = true;
	if (allocation_suspended(r->allocation))
		allocation_refresh(r->allocation, now);
	return true;
}

bool
relays_suggested(
    struct relays *rs, struct mono now, const struct relay_config *config)
{
	size_t i = relay_index_of(rs, &config->id);

	if (i == rs->count)
		return add_relay(rs, now, config);
	rs->list[i]->named = true;
	return true;
}

void
relays_commit(struct relays *rs, struct mono now)
{
	for (size_t i = 0; i < rs->count; i++)
		if (!rs->list[i]->named)
			allocation_refresh(rs->list[i]->allocation, now);
}

struct allocation *
relays_find(struct relays *rs, const struct uuid *id)
{
	size_t i = relay_index_of(rs, id);

	return i < rs->count ? rs->list[i]->allocation : NULL;
}

struct allocation *
relays_at(struct relays *rs, const struct endpoint *address)
{
	for (size_t i = 0; i < rs->count; i++)
		if (allocation_has_address(rs->list[i]->allocation, address))
			return rs->list[i]->allocation;
	return NULL;
}

static bool
allocation_has_ip(const struct allocation *a, const struct ip_address *ip)
{
	const struct relay_config *config = allocation_config(a);
	struct endpoint ours =
	    allocation_relayed(a, (enum ip_family)ip->family);

	return ip_equal(&config->address[0].ip, ip) ||
	    ip_equal(&config->address[1].ip, ip) || ip_equal(&ours.ip, ip);
}

struct allocation *
relays_with_ip(struct relays *rs, const struct ip_address *ip)
{
	for (size_t i = 0; i < rs->count && ip->family != IP_NONE; i++)
		if (allocation_has_ip(rs->list[i]->allocation, ip))
			return rs->list[i]->allocation;
	return NULL;
}

bool
relays_formerly_used(const struct relays *rs, const struct ip_address *ip)
{
	if (ip->family == IP_NONE)
		return false;
	for (size_t i = 0; i < FORMERLY_USED_MAX; i++)
		if (ip_equal(&rs->former[i], ip))
			return true;
	return false;
}

static bool
allocation_is_eligible(const struct allocation *a)
{
	return allocation_rtt_us(a) >= 0 &&
	    allocation_end(a) == ALLOCATION_ALIVE;
}

/* Those that answer, and if it matters have channels left: how many. */
static size_t
list_eligible(struct relays *rs, struct mono now, bool also_crowded,
    struct allocation *to[static RELAYS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < rs->count; i++) {
		struct allocation *a = rs->list[i]->allocation;

		if (allocation_is_eligible(a) &&
		    (also_crowded || !allocation_crowded(a, now)))
			to[count++] = a;
	}
	return count;
}

struct allocation *
relays_sample(struct relays *rs, struct mono now)
{
	struct allocation *near[RELAYS_MAX];
	int64_t rtt_us[RELAYS_MAX], threshold_us;
	size_t eligible = list_eligible(rs, now, false, near), count = 0;

	if (eligible == 0)
		eligible = list_eligible(rs, now, true, near);
	if (eligible == 0)
		return NULL;
	for (size_t i = 0; i < eligible; i++)
		rtt_us[i] = allocation_rtt_us(near[i]);
	threshold_us = sampling_threshold_us(rtt_us, eligible);
	for (size_t i = 0; i < eligible; i++)
		if (allocation_rtt_us(near[i]) <= threshold_us)
			near[count++] = near[i];
	return near[randombytes_uniform((uint32_t)count)];
}

size_t
relays_count(const struct relays *rs)
{
	return rs->count;
}

struct allocation *
relays_get(struct relays *rs, size_t i)
{
	return rs->list[i]->allocation;
}

/* Whether the next call of relays_timeout() has work that cannot wait. */
static bool
relay_is_pending(const struct relay *r)
{
	return allocation_end(r->allocation) != ALLOCATION_ALIVE ||
	    (allocation_suspended(r->allocation) && mono_is_never(r->retry));
}

struct mono
relays_deadline(const struct relays *rs)
{
	struct mono deadline = MONO_NEVER;

	for (size_t i = 0; i < rs->count; i++) {
		const struct relay *r = rs->list[i];

		if (relay_is_pending(r))
			return (struct mono){ 0 };
		deadline =
		    mono_min(deadline, allocation_deadline(r->allocation));
		deadline = mono_min(deadline, r->retry);
	}
	return deadline;
}

static void
retry_suspended(struct relay *r, struct mono now)
{
	if (!allocation_suspended(r->allocation)) {
		r->retry = MONO_NEVER;
	} else if (mono_is_never(r->retry)) {
		r->retry = mono_add_s(now, SUSPENDED_RETRY_S);
	} else if (mono_due(r->retry, now)) {
		allocation_refresh(r->allocation, now);
		r->retry = MONO_NEVER;
	}
}

void
relays_timeout(struct relays *rs, struct mono now)
{
	size_t i = 0;

	while (i < rs->count) {
		struct relay *r = rs->list[i];

		allocation_timeout(r->allocation, now);
		if (allocation_end(r->allocation) != ALLOCATION_ALIVE) {
			drop_relay(rs, i, allocation_end(r->allocation));
			r->last = rs->count == 0;
			continue;
		}
		retry_suspended(r, now);
		i++;
	}
}

bool
relays_transmit(struct relays *rs, struct datagram *d)
{
	for (size_t i = 0; i < rs->count; i++)
		if (allocation_transmit(rs->list[i]->allocation, d))
			return true;
	return false;
}

/* Withdrawals, then REMOVED, then NONE if it was the last. */
static bool
relay_gone_event(struct relays *rs, struct relay *r, struct relays_event *e)
{
	e->relay = r->id;
	for (size_t i = 0; i < 2; i++) {
		if (r->withdrawn[i].ip.family == IP_NONE)
			continue;
		e->type = RELAYS_WITHDRAWN;
		e->detail.type = ALLOCATION_WITHDRAWN;
		e->detail.address = r->withdrawn[i];
		r->withdrawn[i].ip.family = IP_NONE;
		return true;
	}
	e->end = r->end;
	memcpy(e->address, r->address, sizeof(e->address));
	e->type = r->removed ? RELAYS_NONE : RELAYS_REMOVED;
	if (r->removed || !r->last)
		forget_gone_relay(rs, r);
	else
		r->removed = true;
	return true;
}

static enum relays_event_type
relay_event_type_of(enum allocation_event_type type)
{
	switch (type) {
	case ALLOCATION_WITHDRAWN:
		return RELAYS_WITHDRAWN;
	case ALLOCATION_CHANNEL_CHANGED:
		return RELAYS_CHANNEL;
	case ALLOCATION_HOST:
	case ALLOCATION_SERVER_REFLEXIVE:
	case ALLOCATION_RELAYED:
	default:
		return RELAYS_CANDIDATE;
	}
}

bool
relays_event(struct relays *rs, struct relays_event *e)
{
	memset(e, 0, sizeof(*e));
	if (!TAILQ_EMPTY(&rs->gone))
		return relay_gone_event(rs, TAILQ_FIRST(&rs->gone), e);
	for (size_t i = 0; i < rs->count; i++) {
		if (!allocation_event(rs->list[i]->allocation, &e->detail))
			continue;
		e->relay = rs->list[i]->id;
		e->type = relay_event_type_of(e->detail.type);
		return true;
	}
	return false;
}
