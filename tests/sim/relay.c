/*
 * TURN servers as firezone-relay is one (firezone-tunnel(7), Relay behaviour):
 * an allocation for each client address, channels alone pass data, everything
 * but Binding is signed. They are strict: what the gateway asks for that no
 * relay would understand is a fault, and each peer that it wants a channel to
 * is one that it was told of (checks.c).
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/stun/stun.h"
#include "tests/sim/sim.h"

#define ALLOCATIONS 24
#define CHANNELS    128
#define FIRST_PORT  49152
#define REALM       "firezone"
#define CHANNEL_S   600
#define RESERVED_S  300
#define TURN_PORT   3478
#define SILENT_MS   40000
#define AGAIN_S     60
#define IN_USE_MS   60000
/* Of the gateway's requests: one that is made again and again brings more. */
#define ASKED_S     10
#define ASKED_MAX   250
#define NONCE_SIZE  40
#define TEXT_SIZE   80

struct channel {
	uint16_t number;
	struct endpoint peer;
	struct mono bound, heard;
};

struct allocation {
	struct endpoint client; /* IP_NONE: free */
	struct endpoint server; /* which of our addresses it came to */
	unsigned node;
	char user[TEXT_SIZE];
	uint16_t port;
	struct mono until;
	int64_t lifetime; /* that was granted last */
	bool deleted;  /* by its client */
	bool orphaned; /* its client died since it last asked for it */
	struct mono heard;
	struct channel channels[CHANNELS];
	size_t count;
};

static struct relay {
	unsigned number;
	bool up;
	uint16_t refuses;          /* channels, with that error */
	struct mono counted;       /* until then */
	unsigned asked;            /* by the gateway */
	uint32_t restarts, nonces; /* of which there have been so many */
	uint32_t lifetime;
	uint16_t next_port;
	struct mono forgot, again; /* the gateway is to have one again */
	struct allocation allocations[ALLOCATIONS];
} relays[RELAYS];

void
relays_begin_all(void)
{
	memset(relays, 0, sizeof(relays));
	for (unsigned r = 0; r < RELAYS; r++) {
		relays[r].number = r;
		relays[r].up = true;
		relays[r].lifetime = 600;
		relays[r].again = MONO_NEVER;
		relays[r].next_port = FIRST_PORT;
	}
}

bool
relay_is_up(unsigned r)
{
	return relays[r].up;
}

void
relay_refuse(unsigned r, uint16_t error)
{
	relays[r].refuses = error;
}

bool
relay_refuses(unsigned r)
{
	return relays[r].refuses != 0;
}

void
relay_set_up(unsigned r, bool up)
{
	relays[r].up = up;
}

/* The gateway, if it had an allocation, is to have one again. */
static void
expect_again(struct relay *r, bool at_once)
{
	for (size_t i = 0; i < ALLOCATIONS; i++) {
		struct allocation *a = &r->allocations[i];
		struct mono due = mono_add_s(a->until, -(a->lifetime / 2));

		if (a->client.ip.family == IP_NONE || a->node != GATEWAY ||
		    a->deleted || a->orphaned ||
		    mono_ms_between(a->heard, world.now) > SILENT_MS ||
		    mono_due(a->until, world.now))
			continue;
		if (at_once || mono_due(due, world.now))
			due = world.now;
		r->forgot = world.now;
		r->again = mono_add_s(due, AGAIN_S);
	}
}

/* Of the new secret the portal tells. */
void
relay_restart(unsigned r)
{
	expect_again(&relays[r], true);
	relays[r].restarts++;
	relays[r].nonces++;
	memset(relays[r].allocations, 0, sizeof(relays[r].allocations));
}

/*
 * Only who asks it for something is told. The gateway does so when half of its
 * allocation's lifetime is over.
 */
void
relay_forget_allocations(unsigned r)
{
	expect_again(&relays[r], false);
	memset(relays[r].allocations, 0, sizeof(relays[r].allocations));
}

void
relay_check(unsigned number)
{
	struct relay *r = &relays[number];

	if (!mono_due(r->again, world.now))
		return;
	r->again = MONO_NEVER;
	if (world.disturbed.ns == r->forgot.ns && network_is_clean() &&
	    portal_is_up() && portal_presents(number) && r->up)
		sim_fail("the gateway does not allocate again");
}

/* Another machine has its place. */
void
relay_replace(unsigned r)
{
	relay_restart(r);
	network_replace(r);
}

void
relay_forget_nonces(unsigned r)
{
	relays[r].nonces++;
}

void
relay_set_lifetime(unsigned r, uint32_t s)
{
	relays[r].lifetime = s;
}

static void
password_of(const struct relay *r, const char *user, char to[TEXT_SIZE])
{
	uint8_t digest[16];
	char text[2 * TEXT_SIZE];

	snprintf(text, sizeof(text), "%u:%u:%s", r->number, r->restarts, user);
	crypto_generichash(digest, sizeof(digest), (const uint8_t *)text,
	    strlen(text), NULL, 0);
	sodium_bin2hex(to, TEXT_SIZE, digest, sizeof(digest));
}

void
relay_credentials(
    unsigned r, const uint8_t *public_key, char *user, char *password)
{
	char salt[33];

	sodium_bin2hex(salt, sizeof(salt), public_key, 16);
	snprintf(user, TEXT_SIZE, "2145916800:%s", salt);
	password_of(&relays[r], user, password);
}

/* Its successor knows nothing of what it had. */
void
relay_gateway_died(void)
{
	for (size_t i = 0; i < RELAYS; i++)
		for (size_t k = 0; k < ALLOCATIONS; k++)
			if (relays[i].allocations[k].node == GATEWAY)
				relays[i].allocations[k].orphaned = true;
}

static struct allocation *
allocation_of(struct relay *r, const struct endpoint *client)
{
	for (size_t i = 0; i < ALLOCATIONS; i++) {
		struct allocation *a = &r->allocations[i];

		if (a->client.ip.family != IP_NONE &&
		    mono_due(a->until, world.now)) {
			/* Not one that it has long given up. */
			if (a->node == GATEWAY && !a->deleted && !a->orphaned &&
			    mono_ms_between(a->heard, world.now) < SILENT_MS &&
			    check_is_settled())
				sim_fail("an allocation has run out");
			a->client.ip.family = IP_NONE;
		}
		if (a->client.ip.family != IP_NONE &&
		    endpoint_equal(&a->client, client))
			return a;
	}
	return NULL;
}

static void
answer(struct relay *r, const struct event *e, const struct writer *w)
{
	network_send(RELAY(r->number), &e->to, &e->from, w->base, w->len);
}

static void
begin_answer(struct writer *w, uint8_t *data, const struct stun_message *m,
    uint16_t class)
{
	writer_init(w, data, SIM_PAYLOAD);
	stun_begin(w, (uint16_t)(m->type | class), m->transaction);
}

/* Signed where the request names a user. */
static void
sign_answer(struct relay *r, struct writer *w, const char *user)
{
	char password[TEXT_SIZE];
	uint8_t key[STUN_KEY_LEN];

	if (user[0] == '\0')
		return;
	password_of(r, user, password);
	if (stun_long_term_key(user, REALM, password, key))
		stun_add_integrity(w, key, sizeof(key));
}

static void
nonce_now(const struct relay *r, char to[NONCE_SIZE])
{
	snprintf(to, NONCE_SIZE, "nonce-%u-%u", r->number, r->nonces);
}

static void
refuse(struct relay *r, const struct event *e, const struct stun_message *m,
    const char *user, uint16_t code)
{
	uint8_t data[SIM_PAYLOAD];
	char nonce[NONCE_SIZE];
	struct writer w;

	begin_answer(&w, data, m, 0x110);
	stun_add_error(&w, code, "no");
	if (code == 401 || code == 438) {
		nonce_now(r, nonce);
		stun_add_text(&w, STUN_REALM, REALM);
		stun_add_text(&w, STUN_NONCE, nonce);
	}
	sign_answer(r, &w, user);
	answer(r, e, &w);
}

/* 0, or the error. */
static uint16_t
judge(struct relay *r, const struct stun_message *m, const char *user)
{
	char nonce[NONCE_SIZE], password[TEXT_SIZE];
	uint8_t key[STUN_KEY_LEN];

	if (user[0] == '\0' || !(m->have & STUN_HAVE_INTEGRITY) ||
	    !(m->have & STUN_HAVE_NONCE))
		return 401;
	nonce_now(r, nonce);
	if (m->nonce.length != strlen(nonce) ||
	    memcmp(m->nonce.bytes, nonce, m->nonce.length) != 0)
		return 438;
	password_of(r, user, password);
	if (!stun_long_term_key(user, REALM, password, key) ||
	    !stun_verify(m, key, sizeof(key)))
		return 401;
	return 0;
}

static struct endpoint
relayed(const struct relay *r, uint16_t port, enum ip_family family)
{
	struct endpoint e = network_address(RELAY(r->number), family);

	e.port = port;
	return e;
}

static void
grant(struct relay *r, const struct event *e, const struct stun_message *m,
    const struct allocation *a)
{
	uint8_t data[SIM_PAYLOAD];
	struct writer w;

	begin_answer(&w, data, m, 0x100);
	if (m->type == STUN_ALLOCATE_REQUEST) {
		struct endpoint v4 = relayed(r, a->port, IP_V4);
		struct endpoint v6 = relayed(r, a->port, IP_V6);

		stun_add_address(&w, STUN_XOR_RELAYED_ADDRESS, &v4);
		stun_add_address(&w, STUN_XOR_RELAYED_ADDRESS, &v6);
		stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &e->from);
	}
	if (m->type != STUN_CHANNEL_BIND_REQUEST)
		stun_add_u32(&w, STUN_LIFETIME,
		    m->have & STUN_HAVE_LIFETIME && m->lifetime == 0
			? 0
			: r->lifetime);
	sign_answer(r, &w, a->user);
	answer(r, e, &w);
}

static struct allocation *
allocate(struct relay *r, const struct event *e, const char *user)
{
	struct allocation *a = NULL;

	for (size_t i = 0; i < ALLOCATIONS; i++) {
		struct allocation *other = &r->allocations[i];

		if (other->client.ip.family != IP_NONE &&
		    strcmp(other->user, user) == 0)
			other->client.ip.family = IP_NONE;
		if (other->client.ip.family == IP_NONE)
			a = other;
	}
	if (a == NULL)
		return NULL;
	if (++r->next_port == 0)
		r->next_port = FIRST_PORT;
	a->client = e->from;
	a->server = e->to;
	a->node = e->origin;
	a->port = r->next_port;
	a->until = mono_add_s(world.now, r->lifetime);
	a->lifetime = r->lifetime;
	if (a->node == GATEWAY)
		r->again = MONO_NEVER;
	a->count = 0;
	a->deleted = a->orphaned = false;
	a->heard = world.now;
	snprintf(a->user, sizeof(a->user), "%s", user);
	return a;
}

static bool
is_reserved(const struct channel *c)
{
	return mono_before(
	    world.now, mono_add_s(c->bound, CHANNEL_S + RESERVED_S));
}

static bool
is_usable(const struct channel *c)
{
	return mono_before(world.now, mono_add_s(c->bound, CHANNEL_S));
}

/* 0, or the error. */
static uint16_t
bind_channel(struct allocation *a, const struct stun_message *m)
{
	struct channel *mine = NULL;

	if (!(m->have & STUN_HAVE_PEER) || !(m->have & STUN_HAVE_CHANNEL) ||
	    m->channel < 0x4000 || m->channel > 0x4fff) {
		if (a->node == GATEWAY)
			sim_fail("a ChannelBind that no relay understands");
		return 400;
	}
	for (size_t i = 0; i < a->count; i++) {
		struct channel *c = &a->channels[i];
		bool number = c->number == m->channel;
		bool peer = endpoint_equal(&c->peer, &m->peer);

		if (number && peer)
			mine = c;
		else if ((number || peer) && is_reserved(c)) {
			if (a->node == GATEWAY)
				sim_fail("channel %x is taken", m->channel);
			return 400;
		}
	}
	for (size_t i = 0; i < a->count && mine == NULL; i++)
		if (!is_reserved(&a->channels[i]))
			mine = &a->channels[i];
	if (mine == NULL && a->count < CHANNELS)
		mine = &a->channels[a->count++];
	if (mine == NULL)
		return 508;
	*mine = (struct channel){ m->channel, m->peer, world.now, mine->heard };
	return 0;
}

static void
signed_request(struct relay *r, const struct event *e,
    const struct stun_message *m, const char *user)
{
	struct allocation *a = allocation_of(r, &e->from);
	uint16_t error = 0;

	if (m->type == STUN_ALLOCATE_REQUEST) {
		if (a != NULL)
			error = 437;
		else if ((a = allocate(r, e, user)) == NULL)
			error = 508;
	} else if (a == NULL) {
		error = 437;
	} else if (m->type == STUN_REFRESH_REQUEST) {
		a->deleted = m->have & STUN_HAVE_LIFETIME && m->lifetime == 0;
		a->orphaned = false;
		a->lifetime = r->lifetime;
		a->until =
		    a->deleted ? world.now : mono_add_s(world.now, r->lifetime);
	} else {
		if (e->origin == GATEWAY && m->have & STUN_HAVE_PEER)
			check_peer(&m->peer);
		error = e->origin == GATEWAY && r->refuses != 0
		    ? r->refuses
		    : bind_channel(a, m);
	}
	if (error != 0)
		refuse(r, e, m, user, error);
	else
		grant(r, e, m, a);
}

static void
count_request(struct relay *r)
{
	if (mono_due(r->counted, world.now)) {
		r->counted = mono_add_s(world.now, ASKED_S);
		r->asked = 0;
	}
	if (++r->asked > ASKED_MAX)
		sim_fail("the gateway leaves a relay no rest");
}

static void
request(struct relay *r, const struct event *e, const struct stun_message *m)
{
	char user[TEXT_SIZE] = "";
	uint16_t error;

	if (e->origin == GATEWAY)
		count_request(r);
	if (m->have & STUN_HAVE_USERNAME && m->username.length < TEXT_SIZE)
		memcpy(user, m->username.bytes, m->username.length);
	if (m->type == STUN_BINDING_REQUEST) {
		uint8_t data[SIM_PAYLOAD];
		struct writer w;

		begin_answer(&w, data, m, 0x100);
		stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &e->from);
		answer(r, e, &w);
	} else if (m->type == STUN_ALLOCATE_REQUEST ||
	    m->type == STUN_REFRESH_REQUEST ||
	    m->type == STUN_CHANNEL_BIND_REQUEST) {
		if ((error = judge(r, m, user)) != 0)
			refuse(r, e, m, user, error);
		else
			signed_request(r, e, m, user);
	} else if (e->origin == GATEWAY) {
		sim_fail("a request of type %x to a relay", m->type);
	}
}

static void
from_channel(struct relay *r, const struct event *e)
{
	struct allocation *a = allocation_of(r, &e->from);
	struct endpoint source;

	if (e->len < 4 || load_be16(e->data + 2) != e->len - 4) {
		if (e->origin == GATEWAY)
			sim_fail("ChannelData of another length");
		return;
	}
	for (size_t i = 0; a != NULL && i < a->count; i++) {
		struct channel *c = &a->channels[i];

		if (c->number != load_be16(e->data) || !is_usable(c))
			continue;
		source = relayed(r, a->port, (enum ip_family)c->peer.ip.family);
		network_pass_on(e->origin, RELAY(r->number), &source, &c->peer,
		    e->data + 4, e->len - 4);
		return;
	}
}

/* Something comes for a channel that has run out. */
static void
check_lapse(const struct allocation *a, const struct channel *c)
{
	if (a->node == GATEWAY && check_is_settled() &&
	    mono_ms_between(c->heard, world.now) < IN_USE_MS)
		sim_fail("channel %x has run out in use", c->number);
}

static void
from_peer(struct relay *r, const struct event *e)
{
	uint8_t data[SIM_PAYLOAD + 4];

	for (size_t i = 0; i < ALLOCATIONS; i++) {
		struct allocation *a = &r->allocations[i];

		if (a->client.ip.family == IP_NONE || a->port != e->to.port ||
		    mono_due(a->until, world.now))
			continue;
		for (size_t k = 0; k < a->count; k++) {
			struct channel *c = &a->channels[k];

			if (!endpoint_equal(&c->peer, &e->from))
				continue;
			if (!is_usable(c)) {
				check_lapse(a, c);
				continue;
			}
			c->heard = world.now;
			store_be16(data, c->number);
			store_be16(data + 2, (uint16_t)e->len);
			memcpy(data + 4, e->data, e->len);
			network_pass_on(e->origin, RELAY(r->number), &a->server,
			    &a->client, data, e->len + 4);
		}
	}
}

/* It is to keep its NAT's mapping alive. */
static void
gateway_is_heard(struct relay *r, const struct event *e)
{
	struct allocation *a = allocation_of(r, &e->from);

	if (a == NULL)
		return;
	if (check_is_settled() &&
	    mono_ms_between(a->heard, world.now) > SILENT_MS)
		sim_fail("nothing from the gateway for %lld ms",
		    (long long)mono_ms_between(a->heard, world.now));
	a->heard = world.now;
}

void
relay_datagram(unsigned number, const struct event *e)
{
	struct relay *r = &relays[number];
	struct stun_message m;

	if (!r->up)
		return;
	if (e->origin == GATEWAY && e->to.port == TURN_PORT)
		gateway_is_heard(r, e);
	if (e->to.port >= FIRST_PORT)
		from_peer(r, e);
	else if (e->len > 0 && e->data[0] >> 6 == 1)
		from_channel(r, e);
	else if (stun_parse(e->data, e->len, &m))
		request(r, e, &m);
	else if (e->origin == GATEWAY)
		sim_fail("%zu bytes that no relay understands", e->len);
}
