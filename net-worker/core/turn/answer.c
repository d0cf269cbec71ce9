/*
 * What a relay's answers do to our allocation on it: firezone-tunnel(7), Relay
 * answers, TURN errors and Standard TURN servers.
 *
 * Only a signed answer changes anything, with the exceptions that standard
 * servers need: an unsigned 400, 401 or 437 to the Allocate without a nonce
 * makes us ask without a signature, a 437 to that makes us delete what there
 * is, the 401 to either gives realm and nonce, and an unsigned 438 gives a
 * nonce.
 */
#include "net-worker/core/turn/allocation_impl.h"

#include <string.h>

#define ERROR_BAD_REQUEST        400
#define ERROR_UNAUTHENTICATED    401
#define ERROR_UNKNOWN_ATTRIBUTE  420
#define ERROR_MISMATCH           437
#define ERROR_STALE_NONCE        438
#define ERROR_FAMILY_UNSUPPORTED 440

/* Without these bounds a server could have us repeat ourselves for ever. */
#define RENEWALS_MAX   3
#define MISMATCHES_MAX 3

/* coturn holds what it has deleted for another second. */
#define DELETION_MS 1200

/*
 * A relay that was restarted signs with another secret, and one that holds what
 * another user has left there does not sign what it says to us. So many answers
 * of either kind to one request, and we take the allocation for lost, or look
 * for one elsewhere.
 */
#define DISCARDED_MAX 2

/* After a refused Refresh, part of the lifetime until the next one. */
#define REFRESH_BACKOFF 8

/*
 * What we believe of a LIFETIME, in seconds. No server grants less than its
 * default (RFC 8656 7.2), which is 600 s; one that does would have us allocate,
 * and tell all clients so, again and again. What is longer than any server
 * grants may be over before it is half over.
 */
#define LIFETIME_MIN_S 30
#define LIFETIME_MAX_S 3600

static int64_t
smoothed_rtt(int64_t before, int64_t sample)
{
	return before < 0 ? sample : (7 * before + sample) / 8;
}

static void
note_answer(struct allocation *a, struct mono now, const struct request *r)
{
	int64_t sample = (now.ns - r->first.ns) / 1000;
	int64_t *of_family = &a->family_rtt_us[family_index(r->to.ip.family)];

	a->rtt_us = smoothed_rtt(a->rtt_us, sample);
	*of_family = smoothed_rtt(*of_family, sample);
	a->rtt_sample_us = sample;
}

static void
note_lifetime(struct allocation *a, struct mono now, uint32_t lifetime_s)
{
	if (lifetime_s > LIFETIME_MAX_S)
		lifetime_s = LIFETIME_MAX_S;
	a->allocated = true;
	a->lifetime_s = lifetime_s;
	a->expiry = mono_add_s(now, lifetime_s);
	a->refresh = mono_add_ms(now, (int64_t)lifetime_s * 1000 / 2);
}

static void
binding_succeeded(struct allocation *a, struct mono now,
    const struct endpoint *local, struct request *r,
    const struct stun_message *m)
{
	size_t family = local->ip.family == IP_V6 ? 1 : 0;
	struct endpoint from = r->to;

	request_free(&a->requests, r);
	allocation_announce(&a->host[family], local, local);
	if ((m->have & STUN_HAVE_MAPPED) != 0 &&
	    m->mapped.ip.family == local->ip.family)
		allocation_announce(&a->reflexive[family], &m->mapped, local);
	if (a->active) {
		if (endpoint_equal(&from, &a->server))
			a->base = *local;
		return;
	}
	a->active = true;
	a->server = from;
	a->base = *local;
	allocation_send(
	    a, now, a->allocated ? REQUEST_REFRESH : REQUEST_ALLOCATE);
}

/* The request failed for good: what depends on it goes with it. */
static void
abandon_request(struct allocation *a, struct mono now, struct request *r)
{
	struct channel *c;

	switch (r->kind) {
	case REQUEST_ALLOCATE:
		a->waiting_count = 0;
		break;
	case REQUEST_REFRESH:
		a->refresh =
		    mono_add_ms(now, a->lifetime_s * 1000 / REFRESH_BACKOFF);
		break;
	case REQUEST_CHANNEL_BIND:
		c = channels_get(&a->channels, r->channel);
		if (c == NULL)
			break;
		refused_peers_note(&a->refused, now, &r->peer, &c->owner);
		channel_refused(&a->channels, c);
		break;
	case REQUEST_BINDING:
	case REQUEST_DELETE:
		break;
	}
	request_free(&a->requests, r);
}

static void
allocate_succeeded(struct allocation *a, struct mono now,
    const struct endpoint *local, struct request *r,
    const struct stun_message *m)
{
	if (m->lifetime < LIFETIME_MIN_S ||
	    (m->have & STUN_HAVE_RELAYED) == 0) {
		abandon_request(a, now, r);
		return;
	}
	request_free(&a->requests, r);
	a->mismatches = 0;
	a->deleted = a->changed_server = a->unverified = false;
	a->keepalive = mono_add_s(now, KEEPALIVE_S);
	note_lifetime(a, now, m->lifetime);
	for (size_t i = 0; i < 2; i++)
		if (m->relayed[i].ip.family != IP_NONE)
			allocation_announce(
			    &a->relayed[i], &m->relayed[i], local);
}

static void
refresh_succeeded(struct allocation *a, struct mono now, struct request *r,
    const struct stun_message *m)
{
	if (r->kind == REQUEST_DELETE ||
	    ((m->have & STUN_HAVE_LIFETIME) != 0 &&
		m->lifetime < LIFETIME_MIN_S)) {
		a->deleted = r->kind == REQUEST_DELETE;
		allocation_invalidate(a);
		allocation_send(a, now, REQUEST_ALLOCATE);
	} else if ((m->have & STUN_HAVE_LIFETIME) == 0) {
		abandon_request(a, now, r);
	} else {
		request_free(&a->requests, r);
		a->bind_mismatches = 0;
		note_lifetime(a, now, m->lifetime);
	}
}

static void
channel_bind_succeeded(struct allocation *a, struct mono now, struct request *r)
{
	struct channel *c = channels_get(&a->channels, r->channel);

	request_free(&a->requests, r);
	if (c == NULL)
		return;
	c->in_flight = false;
	a->bind_mismatches = 0;
	refused_peers_forget(&a->refused, &c->peer);
	channel_confirm(&a->channels, c, now);
}

static void
request_succeeded(struct allocation *a, struct mono now,
    const struct endpoint *local, struct request *r,
    const struct stun_message *m)
{
	switch (r->kind) {
	case REQUEST_BINDING:
		binding_succeeded(a, now, local, r, m);
		break;
	case REQUEST_ALLOCATE:
		allocate_succeeded(a, now, local, r, m);
		break;
	case REQUEST_REFRESH:
	case REQUEST_DELETE:
		refresh_succeeded(a, now, r, m);
		break;
	case REQUEST_CHANNEL_BIND:
		channel_bind_succeeded(a, now, r);
		break;
	}
}

/* 401 or 438: another nonce, and the same request again. */
static void
renew_nonce(struct allocation *a, struct mono now, struct request *r,
    const struct stun_message *m)
{
	if ((m->have & STUN_HAVE_NONCE) == 0 ||
	    !credentials_set_nonce(&a->credentials, &m->nonce))
		return;
	if (++r->renewals <= RENEWALS_MAX)
		request_restart(r, now);
}

static void
request_challenged(struct allocation *a, struct mono now, struct request *r,
    const struct stun_message *m)
{
	if ((m->have & STUN_HAVE_REALM) != 0 &&
	    !credentials_same_realm(&a->credentials, &m->realm))
		abandon_request(a, now, r);
	else
		renew_nonce(a, now, r, m);
}

static void
allocate_once_deleted(struct allocation *a, struct mono now)
{
	struct request *r = allocation_send(a, now, REQUEST_ALLOCATE);

	if (r != NULL)
		request_postpone(r, mono_add_ms(now, DELETION_MS));
}

/* The relay and we disagree on whether we have an allocation. */
static void
allocation_mismatched(
    struct allocation *a, struct mono now, const struct request *r)
{
	enum request_kind kind = r->kind;
	struct endpoint peer = r->peer;
	const struct channel *c = channels_get(&a->channels, r->channel);
	struct turn_owner owner = { 0 };

	if (c != NULL)
		owner = c->owner;
	allocation_invalidate(a);
	if (kind == REQUEST_CHANNEL_BIND)
		a->bind_mismatches++;
	if (++a->mismatches > MISMATCHES_MAX ||
	    a->bind_mismatches > MISMATCHES_MAX) {
		a->waiting_count = 0;
		return;
	}
	if (kind == REQUEST_CHANNEL_BIND)
		(void)allocation_wait(a, &peer, &owner);
	if (kind != REQUEST_ALLOCATE)
		allocation_send(a, now, REQUEST_ALLOCATE);
	else if (a->deleted)
		allocate_once_deleted(a, now);
	else
		allocation_send(a, now, REQUEST_DELETE);
}

/* Number and peer do not go together at the relay. */
static void
forget_channel_of(
    struct allocation *a, struct mono now, const struct request *r)
{
	struct channel *c = channels_get(&a->channels, r->channel);

	if (r->kind != REQUEST_CHANNEL_BIND || c == NULL)
		return;
	refused_peers_note(&a->refused, now, &r->peer, &c->owner);
	channel_forget(&a->channels, c);
}

static void
request_refused(struct allocation *a, struct mono now, struct request *r,
    const struct stun_message *m)
{
	switch (m->error) {
	case ERROR_UNAUTHENTICATED:
		if (r->form != FORM_SIGNED) {
			request_challenged(a, now, r, m);
			break;
		}
		a->credentials.usable = false;
		allocation_invalidate(a);
		break;
	case ERROR_STALE_NONCE:
		request_challenged(a, now, r, m);
		break;
	case ERROR_UNKNOWN_ATTRIBUTE:
		a->failed = true;
		allocation_invalidate(a);
		break;
	case ERROR_MISMATCH:
		allocation_mismatched(a, now, r);
		break;
	case ERROR_FAMILY_UNSUPPORTED:
		if (r->kind == REQUEST_ALLOCATE && !a->traits.single_family) {
			a->traits.single_family = true;
			request_restart(r, now);
			break;
		}
		abandon_request(a, now, r);
		break;
	case ERROR_BAD_REQUEST:
		forget_channel_of(a, now, r);
		/* FALLTHROUGH */
	default:
		abandon_request(a, now, r);
	}
}

/*
 * The first exception: the server wants to be asked without a signature. When
 * our realm is not its own, coturn says 437.
 */
static bool
wants_bare_request(const struct request *r, const struct stun_message *m)
{
	return r->kind == REQUEST_ALLOCATE && r->form == FORM_BLIND &&
	    (m->error == ERROR_BAD_REQUEST ||
		m->error == ERROR_UNAUTHENTICATED ||
		m->error == ERROR_MISMATCH);
}

static void
take_challenge(struct allocation *a, struct mono now, struct request *r,
    const struct stun_message *m)
{
	if ((m->have & STUN_HAVE_REALM) != 0 &&
	    credentials_set_realm(&a->credentials, &m->realm))
		renew_nonce(a, now, r, m);
}

/*
 * The second: a standard server that still holds an allocation for our socket
 * says so before it asks who we are. The deletion makes it ask.
 */
static bool
wants_deletion(const struct request *r, const struct stun_message *m)
{
	return r->kind == REQUEST_ALLOCATE && r->form == FORM_BARE &&
	    m->error == ERROR_MISMATCH;
}

static void
discard_answer(struct allocation *a, struct mono now, struct request *r)
{
	if (++r->discarded < DISCARDED_MAX)
		return;
	if (a->allocated)
		allocation_start_over(a, now);
	else if (!allocation_change_server(a, now))
		a->unverified = true;
}

static void
unsigned_error(struct allocation *a, struct mono now, struct request *r,
    const struct stun_message *m)
{
	if (wants_bare_request(r, m)) {
		note_answer(a, now, r);
		a->traits.standard = true;
		a->channels.permissions = true;
		request_restart(r, now);
	} else if (wants_deletion(r, m)) {
		note_answer(a, now, r);
		r->kind = REQUEST_DELETE;
		request_restart(r, now);
	} else if (r->form == FORM_BARE && m->error == ERROR_UNAUTHENTICATED) {
		note_answer(a, now, r);
		take_challenge(a, now, r, m);
	} else if (m->error == ERROR_STALE_NONCE && r->form == FORM_SIGNED) {
		note_answer(a, now, r);
		renew_nonce(a, now, r, m);
	} else if (!a->allocated) {
		/* What we have is not ended by an unsigned word. */
		discard_answer(a, now, r);
	}
}

static void
handle_answer(struct allocation *a, struct mono now,
    const struct endpoint *local, struct request *r,
    const struct stun_message *m)
{
	bool success = request_is_success(r, m);
	bool error = request_is_error(r, m);

	if (r->kind == REQUEST_BINDING) {
		/* A relay that refuses BINDING is one that does not answer. */
		if (!success)
			return;
	} else if ((m->have & STUN_HAVE_INTEGRITY) == 0 && error) {
		unsigned_error(a, now, r, m);
		return;
	} else if (!stun_verify(
		       m, a->credentials.key, sizeof(a->credentials.key))) {
		discard_answer(a, now, r);
		return;
	}
	note_answer(a, now, r);
	if (success)
		request_succeeded(a, now, local, r, m);
	else
		request_refused(a, now, r, m);
}

bool
allocation_input(struct allocation *a, struct mono now,
    const struct endpoint *local, const struct endpoint *from,
    const struct stun_message *m)
{
	struct request *r = requests_find(&a->requests, m->transaction);

	if (r == NULL || !endpoint_equal(from, &r->to) ||
	    !(request_is_success(r, m) || request_is_error(r, m)))
		return false;
	handle_answer(a, now, local, r, m);
	/* An answer may have allocated, or made room for a request. */
	allocation_bind_waiting(a, now);
	return true;
}
