/* Outstanding requests to a relay: see request.h. */
#include "net-worker/core/turn/request.h"

#include <sodium.h>
#include <string.h>

#define RETRY_FIRST_NS  1000000000
#define RETRY_GIVE_UP_S 8

/* The class bits of a message type, RFC 8489 5. */
#define CLASS_SUCCESS 0x0100
#define CLASS_ERROR   0x0110

#define SOFTWARE      "snownet"
#define TRANSPORT_UDP 0x11000000
#define FAMILY_IPV6   0x02000000

void
requests_init(struct requests *rs)
{
	TAILQ_INIT(&rs->outstanding);
	TAILQ_INIT(&rs->unused);
	rs->count = 0;
	for (size_t i = 0; i < REQUESTS_MAX; i++)
		TAILQ_INSERT_TAIL(&rs->unused, &rs->pool[i], entry);
}

void
requests_clear(struct requests *rs)
{
	TAILQ_CONCAT(&rs->unused, &rs->outstanding, entry);
	rs->count = 0;
}

bool
requests_empty(const struct requests *rs)
{
	return rs->count == 0;
}

bool
requests_full(const struct requests *rs)
{
	return rs->count >= REQUESTS_MAX - REQUESTS_RESERVED;
}

bool
requests_have(const struct requests *rs, enum request_kind kind)
{
	const struct request *r;

	TAILQ_FOREACH(r, &rs->outstanding, entry)
		if (r->kind == kind)
			return true;
	return false;
}

struct request *
requests_find(
    const struct requests *rs, const uint8_t transaction[STUN_TRANSACTION_LEN])
{
	struct request *r;

	TAILQ_FOREACH(r, &rs->outstanding, entry)
		if (memcmp(r->transaction, transaction, STUN_TRANSACTION_LEN) ==
		    0)
			return r;
	return NULL;
}

struct mono
requests_deadline(const struct requests *rs)
{
	struct mono deadline = MONO_NEVER;
	const struct request *r;

	TAILQ_FOREACH(r, &rs->outstanding, entry)
		deadline = mono_min(deadline, r->retry);
	return deadline;
}

struct request *
requests_unsent(const struct requests *rs)
{
	struct request *r;

	TAILQ_FOREACH(r, &rs->outstanding, entry)
		if (r->unsent)
			return r;
	return NULL;
}

static void
schedule_request(struct request *r, struct mono now, int64_t gap_ns)
{
	r->gap_ns = gap_ns;
	r->retry = mono_add_ns(now, gap_ns);
	r->unsent = true;
}

static void
new_transaction(struct request *r)
{
	randombytes_buf(r->transaction, sizeof(r->transaction));
}

struct request *
request_new(struct requests *rs, struct mono now, enum request_kind kind,
    const struct endpoint *to)
{
	struct request *r = TAILQ_FIRST(&rs->unused);

	if (r == NULL)
		return NULL;
	TAILQ_REMOVE(&rs->unused, r, entry);
	*r = (struct request){ .kind = kind, .to = *to, .first = now };
	new_transaction(r);
	schedule_request(r, now, RETRY_FIRST_NS);
	TAILQ_INSERT_TAIL(&rs->outstanding, r, entry);
	rs->count++;
	return r;
}

void
request_free(struct requests *rs, struct request *r)
{
	TAILQ_REMOVE(&rs->outstanding, r, entry);
	TAILQ_INSERT_TAIL(&rs->unused, r, entry);
	rs->count--;
}

/*
 * The same transaction is the same request, to whoever goes by RFC 8489 6.2.1:
 * by another, an Allocate whose answer was lost is refused.
 */
bool
request_retry(struct request *r, struct mono now, const struct endpoint *server,
    const struct server_traits *traits)
{
	if (r->once || mono_due(mono_add_s(r->first, RETRY_GIVE_UP_S), now))
		return false;
	if (r->kind != REQUEST_BINDING) {
		if (!traits->standard)
			new_transaction(r);
		r->to = *server;
	}
	schedule_request(r, now,
	    r->gap_ns == 0 ? RETRY_FIRST_NS : r->gap_ns + r->gap_ns / 2);
	return true;
}

void
request_restart(struct request *r, struct mono now)
{
	new_transaction(r);
	r->first = now;
	r->once = false;
	schedule_request(r, now, RETRY_FIRST_NS);
}

void
request_postpone(struct request *r, struct mono until)
{
	r->unsent = false;
	r->first = r->retry = until;
	r->gap_ns = 0;
}

static uint16_t
stun_type_of(const struct request *r)
{
	switch (r->kind) {
	case REQUEST_ALLOCATE:
		return STUN_ALLOCATE_REQUEST;
	case REQUEST_REFRESH:
	case REQUEST_DELETE:
		return STUN_REFRESH_REQUEST;
	case REQUEST_CHANNEL_BIND:
		return STUN_CHANNEL_BIND_REQUEST;
	case REQUEST_BINDING:
	default:
		return STUN_BINDING_REQUEST;
	}
}

bool
request_is_success(const struct request *r, const struct stun_message *m)
{
	return m->type == (stun_type_of(r) | CLASS_SUCCESS);
}

bool
request_is_error(const struct request *r, const struct stun_message *m)
{
	return m->type == (stun_type_of(r) | CLASS_ERROR) &&
	    (m->have & STUN_HAVE_ERROR) != 0;
}

static void
add_request_body(struct writer *w, const struct request *r,
    const struct server_traits *traits)
{
	bool transport = r->kind == REQUEST_ALLOCATE ||
	    ((r->kind == REQUEST_REFRESH || r->kind == REQUEST_DELETE) &&
		!traits->standard);

	if (transport)
		stun_add_u32(w, STUN_REQUESTED_TRANSPORT, TRANSPORT_UDP);
	if (transport && !traits->single_family) {
		stun_add_u32(w, STUN_ADDITIONAL_ADDRESS_FAMILY, FAMILY_IPV6);
		/* coturn before 4.8 knows only the draft's number. */
		if (traits->standard)
			stun_add_u32(w, STUN_DRAFT_ADDITIONAL_ADDRESS_FAMILY,
			    FAMILY_IPV6);
	}
	if (r->kind == REQUEST_CHANNEL_BIND) {
		stun_add_address(w, STUN_XOR_PEER_ADDRESS, &r->peer);
		stun_add_u32(
		    w, STUN_CHANNEL_NUMBER, (uint32_t)r->channel << 16);
	}
	stun_add_text(w, STUN_SOFTWARE, SOFTWARE);
	if (r->kind == REQUEST_DELETE)
		stun_add_u32(w, STUN_LIFETIME, 0);
}

static enum request_form
request_form_of(const struct request *r, const struct credentials *c,
    const struct server_traits *traits)
{
	if (r->kind == REQUEST_BINDING)
		return FORM_BARE;
	if (c->nonce_len > 0)
		return FORM_SIGNED;
	return traits->standard ? FORM_BARE : FORM_BLIND;
}

static void
add_credentials(
    struct writer *w, const struct request *r, const struct credentials *c)
{
	if (r->form == FORM_BARE)
		return;
	stun_add_text(w, STUN_USERNAME, c->username);
	stun_add_text(w, STUN_REALM, c->realm);
	if (r->form == FORM_SIGNED)
		stun_add_bytes(w, STUN_NONCE, c->nonce, c->nonce_len);
	stun_add_integrity(w, c->key, sizeof(c->key));
}

bool
request_write(struct request *r, const struct credentials *c,
    const struct server_traits *traits, struct datagram *d)
{
	struct writer w;

	r->unsent = false;
	r->form = request_form_of(r, c, traits);
	d->to = r->to;
	d->from.family = IP_NONE;
	writer_init(&w, d->data, sizeof(d->data));
	stun_begin(&w, stun_type_of(r), r->transaction);
	add_request_body(&w, r, traits);
	add_credentials(&w, r, c);
	d->length = w.len;
	return !writer_failed(&w);
}

bool
credentials_set_realm(struct credentials *c, const struct stun_text *realm)
{
	if (realm->length > TURN_REALM_MAX ||
	    memchr(realm->bytes, '\0', realm->length) != NULL)
		return false;
	memcpy(c->realm, realm->bytes, realm->length);
	c->realm[realm->length] = '\0';
	return stun_long_term_key(c->username, c->realm, c->password, c->key);
}

bool
credentials_same_realm(
    const struct credentials *c, const struct stun_text *realm)
{
	return realm->length == strlen(c->realm) &&
	    memcmp(realm->bytes, c->realm, realm->length) == 0;
}

bool
credentials_set_nonce(struct credentials *c, const struct stun_text *nonce)
{
	if (nonce->length == 0 || nonce->length > TURN_NONCE_MAX)
		return false;
	memcpy(c->nonce, nonce->bytes, nonce->length);
	c->nonce_len = nonce->length;
	return true;
}
