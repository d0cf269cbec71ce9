/*
 * The life of one allocation: see allocation.h. What the relay's answers do is
 * in answer.c; channels are bound in channel_bind.c.
 */
#include "net-worker/core/turn/allocation_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define REFRESH_ONCE_MS 1000

static const struct endpoint no_endpoint = { .ip = { .family = IP_NONE } };

/* A BINDING to each address of the relay. */
static void
allocation_start(struct allocation *a, struct mono now)
{
	a->active = a->deleted = false;
	a->changed_server = a->unverified = false;
	a->mismatches = a->bind_mismatches = 0;
	for (size_t i = 0; i < 2; i++)
		if (a->config.address[i].ip.family != IP_NONE)
			request_new(&a->requests, now, REQUEST_BINDING,
			    &a->config.address[i]);
}

struct allocation *
allocation_new(const struct relay_config *config, struct mono now)
{
	struct stun_text realm = { (const uint8_t *)TURN_REALM,
		strlen(TURN_REALM) };
	struct allocation *a = calloc(1, sizeof(*a));

	if (a == NULL || !channels_init(&a->channels)) {
		free(a);
		return NULL;
	}
	a->config = *config;
	a->credentials.username = a->config.username;
	a->credentials.password = a->config.password;
	a->credentials.usable = credentials_set_realm(&a->credentials, &realm);
	a->rtt_us = a->rtt_sample_us = -1;
	a->family_rtt_us[0] = a->family_rtt_us[1] = -1;
	requests_init(&a->requests);
	allocation_start(a, now);
	return a;
}

void
allocation_free(struct allocation *a)
{
	if (a == NULL)
		return;
	channels_free(&a->channels);
	sodium_memzero(a, sizeof(*a));
	free(a);
}

struct request *
allocation_send(struct allocation *a, struct mono now, enum request_kind kind)
{
	return request_new(&a->requests, now, kind, &a->server);
}

static void
withdraw_candidate(struct allocation *a, size_t i)
{
	struct candidate_slot *slot = &a->relayed[i];

	/* What nobody was told of needs no withdrawal. */
	if (slot->address.ip.family != IP_NONE && !slot->changed)
		a->withdrawn[i] = slot->address;
	*slot = (struct candidate_slot){ .changed = false };
}

void
allocation_invalidate(struct allocation *a)
{
	withdraw_candidate(a, 0);
	withdraw_candidate(a, 1);
	channels_clear(&a->channels);
	memset(&a->refused, 0, sizeof(a->refused));
	requests_clear(&a->requests);
	a->allocated = false;
}

void
allocation_start_over(struct allocation *a, struct mono now)
{
	allocation_invalidate(a);
	allocation_start(a, now);
}

bool
allocation_change_server(struct allocation *a, struct mono now)
{
	size_t other = 1 - family_index(a->server.ip.family);

	if (a->allocated || a->changed_server ||
	    a->host[other].address.ip.family == IP_NONE)
		return false;
	allocation_invalidate(a);
	a->changed_server = true;
	a->unverified = false;
	a->server = a->config.address[other];
	a->base = a->host[other].address;
	allocation_send(a, now, REQUEST_ALLOCATE);
	return true;
}

void
allocation_announce(struct candidate_slot *slot, const struct endpoint *address,
    const struct endpoint *base)
{
	if (endpoint_equal(&slot->address, address) &&
	    endpoint_equal(&slot->base, base))
		return;
	slot->address = *address;
	slot->base = *base;
	slot->changed = true;
}

/*
 * Nothing is under way and nothing will be: firezone-tunnel(7), Relay life
 * cycle.
 */
bool
allocation_suspended(const struct allocation *a)
{
	return !a->allocated && requests_empty(&a->requests);
}

void
allocation_refresh(struct allocation *a, struct mono now)
{
	struct request *r;

	if (allocation_given_up(a))
		return;
	if (allocation_suspended(a)) {
		allocation_start(a, now);
		return;
	}
	if (!a->allocated || requests_have(&a->requests, REQUEST_REFRESH))
		return;
	r = allocation_send(a, now, REQUEST_REFRESH);
	if (r != NULL) {
		r->once = true;
		r->retry = mono_add_ms(now, REFRESH_ONCE_MS);
	}
}

/*
 * A relay that is silent on the active socket's family is lost; the other
 * family may be silent as it likes (firezone-tunnel(7), Retransmission).
 */
static bool
needs_answer_to(const struct allocation *a, const struct request *r)
{
	return a->active && r->to.ip.family == a->server.ip.family;
}

static void
retry_requests(struct allocation *a, struct mono now)
{
	struct request *r, *next;

	TAILQ_FOREACH_SAFE(r, &a->requests.outstanding, entry, next) {
		if (!mono_due(r->retry, now) ||
		    request_retry(r, now, &a->server, &a->traits))
			continue;
		if (needs_answer_to(a, r)) {
			if (allocation_change_server(a, now))
				return;
			a->active = false;
			allocation_invalidate(a);
			return;
		}
		request_free(&a->requests, r);
	}
}

static struct mono
keepalive_deadline(const struct allocation *a)
{
	if (!a->allocated || requests_have(&a->requests, REQUEST_BINDING))
		return MONO_NEVER;
	return a->keepalive;
}

static struct mono
refresh_deadline(const struct allocation *a)
{
	if (!a->allocated || requests_have(&a->requests, REQUEST_REFRESH))
		return MONO_NEVER;
	return a->refresh;
}

void
allocation_timeout(struct allocation *a, struct mono now)
{
	retry_requests(a, now);
	if (!a->allocated)
		return;
	if (mono_due(a->expiry, now)) {
		allocation_start_over(a, now);
		return;
	}
	if (mono_due(refresh_deadline(a), now))
		allocation_send(a, now, REQUEST_REFRESH);
	if (mono_due(keepalive_deadline(a), now)) {
		a->keepalive = mono_add_s(now, KEEPALIVE_S);
		allocation_send(a, now, REQUEST_BINDING);
	}
	allocation_refresh_channels(a, now);
}

struct mono
allocation_deadline(const struct allocation *a)
{
	struct mono deadline = requests_deadline(&a->requests);

	if (!a->allocated)
		return deadline;
	deadline = mono_min(deadline, a->expiry);
	deadline = mono_min(deadline, refresh_deadline(a));
	deadline = mono_min(deadline, keepalive_deadline(a));
	deadline = mono_min(deadline, refused_peers_deadline(&a->refused));
	return mono_min(deadline, a->channels.deadline);
}

bool
allocation_transmit(struct allocation *a, struct datagram *d)
{
	struct request *r;

	while ((r = requests_unsent(&a->requests)) != NULL)
		if (request_write(r, &a->credentials, &a->traits, d))
			return true;
	return false;
}

bool
allocation_release(struct allocation *a, struct datagram *d)
{
	struct request r = { .kind = REQUEST_DELETE, .to = a->server };

	if (!a->allocated)
		return false;
	randombytes_buf(r.transaction, sizeof(r.transaction));
	return request_write(&r, &a->credentials, &a->traits, d);
}

static bool
take_candidate_change(struct candidate_slot *slot,
    enum allocation_event_type type, struct allocation_event *e)
{
	if (!slot->changed)
		return false;
	slot->changed = false;
	e->type = type;
	e->address = slot->address;
	e->base = slot->base;
	return true;
}

static bool
take_withdrawal(struct endpoint *address, struct allocation_event *e)
{
	if (address->ip.family == IP_NONE)
		return false;
	e->type = ALLOCATION_WITHDRAWN;
	e->address = *address;
	*address = no_endpoint;
	return true;
}

bool
allocation_event(struct allocation *a, struct allocation_event *e)
{
	memset(e, 0, sizeof(*e));
	for (size_t i = 0; i < 2; i++)
		if (take_withdrawal(&a->withdrawn[i], e))
			return true;
	for (size_t i = 0; i < 2; i++)
		if (take_candidate_change(&a->host[i], ALLOCATION_HOST, e) ||
		    take_candidate_change(
			&a->reflexive[i], ALLOCATION_SERVER_REFLEXIVE, e))
			return true;
	for (size_t i = 0; i < 2; i++)
		if (take_candidate_change(
			&a->relayed[i], ALLOCATION_RELAYED, e))
			return true;
	e->type = ALLOCATION_CHANNEL_CHANGED;
	return channels_change(&a->channels, &e->address, &e->channel);
}

const struct relay_config *
allocation_config(const struct allocation *a)
{
	return &a->config;
}

bool
allocation_has_address(const struct allocation *a, const struct endpoint *e)
{
	return e->ip.family != IP_NONE &&
	    (endpoint_equal(&a->config.address[0], e) ||
		endpoint_equal(&a->config.address[1], e));
}

bool
allocation_server(const struct allocation *a, struct endpoint *server)
{
	if (a->active)
		*server = a->server;
	return a->active;
}

struct endpoint
allocation_relayed(const struct allocation *a, enum ip_family family)
{
	return a->relayed[family_index(family)].address;
}

struct endpoint
allocation_host(const struct allocation *a, enum ip_family family)
{
	return a->host[family_index(family)].address;
}

struct endpoint
allocation_reflexive(const struct allocation *a, enum ip_family family)
{
	return a->reflexive[family_index(family)].address;
}

struct endpoint
allocation_base(const struct allocation *a)
{
	return a->active ? a->base : no_endpoint;
}

int64_t
allocation_rtt_us(const struct allocation *a)
{
	return a->rtt_us;
}

int64_t
allocation_family_rtt_us(const struct allocation *a, enum ip_family family)
{
	return a->family_rtt_us[family_index((uint8_t)family)];
}

int64_t
allocation_take_sample_us(struct allocation *a)
{
	const int64_t sample = a->rtt_sample_us;

	a->rtt_sample_us = -1;
	return sample;
}

enum allocation_end
allocation_end(const struct allocation *a)
{
	if (a->failed)
		return ALLOCATION_PROTOCOL;
	if (!requests_empty(&a->requests))
		return ALLOCATION_ALIVE;
	if (!a->credentials.usable)
		return ALLOCATION_AUTHENTICATION;
	if (a->active)
		return ALLOCATION_ALIVE;
	return a->unverified ? ALLOCATION_UNVERIFIED : ALLOCATION_NO_RESPONSE;
}
