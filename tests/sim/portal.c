/*
 * The portal: which device may reach what, with what secrets, until when, and
 * who is told. Messages take their time and keep their order. While its
 * connection to the gateway is down, what is for the gateway is lost and what
 * the gateway has to say waits, as control-worker has it wait
 * (firezone-portal(7)); with the connection comes an init.
 *
 * The grants that are in force at the gateway are modelled here, too: from the
 * moment that it acknowledges one, until one has expired or it was told that it
 * is revoked.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "common/filter.h"
#include "tests/sim/sim.h"

#define DELAY_US  30000
#define AGAIN_US  1000000
#define INIT_US   300000
#define BACK_US   250000 /* a device that connects anew */
#define SERIALS   64
#define TEXT_SIZE 400

enum message_type {
	AUTHORIZE, /* to the gateway */
	REVOKE,
	CANDIDATE,
	INIT, /* the gateway's connection is there */
	RELAYS_TO_GATEWAY,
	TELL_DEVICE,
	EXPIRE, /* a grant of the portal itself */
	BACK,   /* a device's connection */
	HELD,   /* what it had to say before that */
};

struct message {
	enum message_type type;
	unsigned device, resource;
	unsigned generation; /* of the device, where it is for one */
	unsigned of_gateway; /* likewise */
	uint64_t serial, expires_at;
	bool withdrawn, iceless;
	char text[TEXT_SIZE];
};

static struct {
	bool up;
	unsigned of_gateway, of_device[DEVICES];
	bool allowed[DEVICES][RESOURCES];
	struct grant_model grants[DEVICES][RESOURCES];
	bool present[RELAYS], unlisted[RELAYS];
	uint8_t machine[RELAYS]; /* of so many that were that relay */
	bool iceless;
	struct mono back[DEVICES]; /* when their connections are there again */
	uint64_t serial;
	struct message pending[SERIALS]; /* authorizations, by serial */
} portal;

struct resource_model resources[RESOURCES];

static void
resource_begin(unsigned r)
{
	static const char *const networks[RESOURCES] = { "10.200.0.0/24",
		"10.201.7.0/28", "2001:db8:ffff::/64" };

	resources[r].id = (struct uuid){ { 0x42, (uint8_t)r } };
	if (!prefix_parse(networks[r], &resources[r].network))
		sim_fail("a network");
	resources[r].filter = (struct filter_model){ FILTER_UDP, 5000, 5010 };
}

void
portal_begin(void)
{
	memset(&portal, 0, sizeof(portal));
	portal.up = true;
	portal.iceless = percent(&world.dice, 75);
	for (unsigned r = 0; r < RESOURCES; r++)
		resource_begin(r);
	for (unsigned r = 0; r < RELAYS; r++)
		portal.present[r] = true;
	for (unsigned d = 0; d < DEVICES; d++)
		for (unsigned r = 0; r < RESOURCES; r++)
			portal.allowed[d][r] = r != d % RESOURCES;
}

struct uuid
device_uuid(unsigned d)
{
	return (struct uuid){ { 0xc1, (uint8_t)d } };
}

struct uuid
relay_uuid(unsigned r)
{
	return (struct uuid){ { 0x01, (uint8_t)r, portal.machine[r] } };
}

struct uuid
relay_former_uuid(unsigned r)
{
	struct uuid id = relay_uuid(r);

	id.bytes[2]--;
	return id;
}

struct ip_address
tunnel_address(unsigned d, enum ip_family family)
{
	uint8_t bytes[16] = { 0xfd, 0, 0x20, 0x21, 0x11, 0x11 };

	bytes[15] = (uint8_t)(d + 2);
	return family == IP_V4 ? ip_v4(100, 64, 0, (uint8_t)(d + 2))
			       : ip_from_bytes(IP_V6, bytes);
}

void
portal_secrets(unsigned d, struct secrets *to)
{
	uint8_t keys[2 * KEY_SIZE], digest[64];
	char text[129];

	memcpy(keys, device_key(d), KEY_SIZE);
	memcpy(keys + KEY_SIZE, gateway_key(), KEY_SIZE);
	crypto_generichash(digest, sizeof(digest), keys, sizeof(keys), NULL, 0);
	sodium_bin2hex(text, sizeof(text), digest, sizeof(digest));
	snprintf(to->user[0], sizeof(to->user[0]), "%.4s", text);
	snprintf(to->user[1], sizeof(to->user[1]), "%.4s", text + 4);
	snprintf(to->password[0], sizeof(to->password[0]), "%.22s", text + 8);
	snprintf(to->password[1], sizeof(to->password[1]), "%.22s", text + 30);
	memcpy(to->psk, digest + 32, KEY_SIZE);
}

static void
post(const struct message *m, int64_t in_us)
{
	struct event *e = event_new(EVENT_PORTAL, in_us);

	_Static_assert(sizeof(*m) <= sizeof(e->data), "room");
	e->len = sizeof(*m);
	memcpy(e->data, m, sizeof(*m));
	event_push(e);
}

static void
post_to_gateway(struct message m)
{
	m.of_gateway = portal.of_gateway;
	post(&m, DELAY_US);
}

/* Lost while its connection is away. */
static void
tell_device(unsigned d, const char *text)
{
	struct message m = {
		.type = TELL_DEVICE,
		.device = d,
		.generation = portal.of_device[d],
	};

	if (mono_before(world.now, portal.back[d]))
		return;
	snprintf(m.text, sizeof(m.text), "%s", text);
	post(&m, DELAY_US);
}

static void
tell_resource(unsigned d, const char *what, unsigned r)
{
	char text[32];

	snprintf(text, sizeof(text), "%s %u", what, r);
	tell_device(d, text);
}

static void
tell_relays(unsigned d)
{
	for (unsigned r = 0; r < RELAYS; r++)
		if (portal_lists(r))
			tell_resource(d, "relay", r);
}

/* With the list of the others, which it may have given up. */
static void
tell_relay_gone(unsigned r)
{
	for (unsigned d = 0; d < DEVICES; d++) {
		tell_resource(d, "forget-relay", r);
		tell_relays(d);
	}
}

/* What it has to say waits meanwhile. */
static void
connects_anew(unsigned d)
{
	struct message m = { .type = BACK, .device = d };

	portal.back[d] = mono_add_ns(world.now, BACK_US * INT64_C(1000));
	post(&m, BACK_US);
}

static void
asked_for(unsigned d, unsigned r)
{
	struct message m = { AUTHORIZE, .device = d, .resource = r };
	static const uint32_t lifetimes[] = { 0, 0, 90, 900, 7200, 86400 };
	uint32_t s = PICK(&world.dice, lifetimes);

	if (!portal.up || !portal.allowed[d][r]) {
		tell_resource(d, "refused", r);
		return;
	}
	m.serial = ++portal.serial;
	m.generation = portal.of_device[d];
	m.iceless = portal.iceless && device_offers_iceless(d);
	if (s != 0)
		m.expires_at = (uint64_t)(sim_wall_ns(false) / 1000000000) + s;
	post_to_gateway(m);
}

static void
hold_line(unsigned d, const char *line)
{
	struct message m = {
		.type = HELD,
		.device = d,
		.generation = portal.of_device[d],
	};

	snprintf(m.text, sizeof(m.text), "%s", line);
	post(&m, portal.back[d].ns / 1000 - world.now.ns / 1000 + 1);
}

void
portal_from_device(unsigned d, const char *line)
{
	struct message m = { CANDIDATE, .device = d };
	unsigned r;

	if (network_is_away(d))
		return;
	if (mono_before(world.now, portal.back[d])) {
		hold_line(d, line);
		return;
	}
	sim_log("device %u to portal: %s", d, line);
	if (strcmp(line, "reconnect") == 0) {
		connects_anew(d);
	} else if (sscanf(line, "request r%u", &r) == 1 && r < RESOURCES) {
		asked_for(d, r);
	} else if (strcmp(line, "no-relays") == 0) {
		portal_wants_relays(DEVICE(d));
	} else if (strncmp(line, "candidate ", 10) == 0 ||
	    strncmp(line, "uncandidate ", 12) == 0) {
		m.withdrawn = line[0] == 'u';
		m.generation = portal.of_device[d];
		line = strstr(line, " candidate:");
		if (line == NULL)
			return;
		snprintf(m.text, sizeof(m.text), "%s\n", line + 1);
		post_to_gateway(m);
	}
}

void
portal_from_gateway(unsigned d, bool withdrawn, const char *lines)
{
	char text[TEXT_SIZE];

	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");

		snprintf(text, sizeof(text), "%s %.*s",
		    withdrawn ? "uncandidate" : "candidate", (int)len, lines);
		tell_device(d, text);
		lines += len + 1;
	}
}

static void
grant_begins(const struct message *m)
{
	struct grant_model *g = &portal.grants[m->device][m->resource];
	struct message expire = *m;
	int64_t left = (int64_t)m->expires_at * 1000000000;
	struct mono until = m->expires_at == 0
	    ? MONO_NEVER
	    : mono_add_ns(world.now, left - sim_wall_ns(true));

	g->soonest = g->live ? mono_min(g->soonest, until) : until;
	g->until = g->live ? mono_max(g->until, until) : until;
	/* One that may end early may have ended before this one came. */
	if (!g->live || g->early)
		g->since = world.now;
	g->renewed = world.now;
	g->live = true;
	g->early = m->expires_at != 0 && world.wall_ahead > 0;
	g->expires_at = m->expires_at;
	if (m->expires_at == 0)
		return;
	expire.type = EXPIRE;
	post(&expire, (left - sim_wall_ns(false)) / 1000);
}

static void
tell_authorized(const struct message *m)
{
	char text[32];

	snprintf(text, sizeof(text), "authorized %u %u", m->resource,
	    (unsigned)m->iceless);
	tell_device(m->device, text);
}

void
portal_acknowledged(uint64_t serial, bool granted)
{
	const struct message *m = &portal.pending[serial % SERIALS];

	if (m->serial != serial)
		sim_fail("an answer to what was not asked");
	if (m->generation != portal.of_device[m->device])
		granted = false;
	else if (granted)
		tell_authorized(m);
	else
		tell_resource(m->device, "refused", m->resource);
	sim_log("device %u: resource %u is %s", m->device, m->resource,
	    granted ? "granted" : "refused");
	if (granted)
		grant_begins(m);
}

struct grant_model *
portal_grant(unsigned d, unsigned r)
{
	return &portal.grants[d][r];
}

bool
portal_allows(unsigned d, unsigned r)
{
	return portal.allowed[d][r];
}

bool
portal_is_up(void)
{
	return portal.up;
}

bool
portal_presents(unsigned r)
{
	return portal.present[r];
}

static void
revoke_later(unsigned d, unsigned r)
{
	post_to_gateway((struct message){ REVOKE, .device = d, .resource = r });
	tell_resource(d, "refused", r);
}

void
portal_allow(unsigned d, unsigned r, bool allowed)
{
	portal.allowed[d][r] = allowed;
	if (!allowed)
		revoke_later(d, r);
}

void
portal_set_up(bool up)
{
	struct message m = { .type = INIT };

	if (!up)
		portal.up = false;
	else if (!portal.up) {
		m.of_gateway = portal.of_gateway;
		post(&m, INIT_US);
	}
}

static void
end_grant(struct grant_model *g)
{
	if (g->live)
		g->ended = world.now;
	g->live = false;
}

void
portal_gateway_is_new(void)
{
	portal.of_gateway++;
	for (unsigned d = 0; d < DEVICES; d++)
		for (unsigned r = 0; r < RESOURCES; r++)
			end_grant(&portal.grants[d][r]);
	portal.up = false;
	portal_set_up(true);
}

void
portal_device_is_new(unsigned d)
{
	portal.of_device[d]++;
	portal.back[d] = world.now;
	tell_relays(d);
}

void
portal_set_iceless(bool iceless)
{
	portal.iceless = iceless;
}

void
portal_presence(unsigned r, bool present)
{
	struct message m = { .type = RELAYS_TO_GATEWAY };

	portal.present[r] = present;
	portal.unlisted[r] = false;
	post_to_gateway(m);
	for (unsigned d = 0; d < DEVICES && present; d++)
		tell_resource(d, "relay", r);
	if (!present)
		tell_relay_gone(r);
}

void
portal_unlist(unsigned r)
{
	portal.unlisted[r] = true;
	post_to_gateway((struct message){ .type = RELAYS_TO_GATEWAY });
	if (!relay_is_up(r))
		tell_relay_gone(r);
}

bool
portal_lists(unsigned r)
{
	return portal.present[r] && !portal.unlisted[r];
}

void
portal_replaces(unsigned r)
{
	portal.machine[r]++;
	portal.present[r] = false;
	tell_relay_gone(r);
	portal_presence(r, true);
}

void
portal_wants_relays(unsigned node)
{
	struct message m = { .type = RELAYS_TO_GATEWAY,
		.of_gateway = portal.of_gateway };

	if (node == GATEWAY) {
		post(&m, AGAIN_US);
		return;
	}
	tell_relays(node - DEVICE(0));
}

static void
expire_grant(const struct message *m)
{
	if (m->expires_at == portal.grants[m->device][m->resource].expires_at)
		revoke_later(m->device, m->resource);
}

static void
gateway_is_online(void)
{
	portal.up = true;
	gateway_relays();
	/* Those that it is not told are over with the list. */
	for (unsigned d = 0; d < DEVICES; d++)
		for (unsigned r = 0; r < RESOURCES; r++) {
			struct grant_model *g = &portal.grants[d][r];

			if (!portal.allowed[d][r] ||
			    (g->expires_at != 0 &&
				(int64_t)g->expires_at * 1000000000 <=
				    sim_wall_ns(false)))
				end_grant(g);
		}
	gateway_grants();
}

static void
message_for_gateway(struct message *m)
{
	switch (m->type) {
	case AUTHORIZE:
		if (m->generation != portal.of_device[m->device])
			return;
		portal.pending[m->serial % SERIALS] = *m;
		gateway_authorize(m->serial, m->device, m->resource,
		    m->expires_at, m->iceless);
		break;
	case REVOKE:
		gateway_revoke(m->device, m->resource);
		end_grant(&portal.grants[m->device][m->resource]);
		break;
	case CANDIDATE:
		if (m->generation == portal.of_device[m->device])
			gateway_candidate(m->device, m->withdrawn, m->text);
		break;
	default:
		gateway_relays();
	}
}

void
portal_message(const struct event *e)
{
	struct message m;

	memcpy(&m, e->data, sizeof(m));
	switch (m.type) {
	case TELL_DEVICE:
		if (m.generation == portal.of_device[m.device])
			device_told(m.device, m.text);
		break;
	case EXPIRE:
		expire_grant(&m);
		break;
	case BACK:
		tell_relays(m.device);
		break;
	case HELD:
		if (m.generation == portal.of_device[m.device])
			portal_from_device(m.device, m.text);
		break;
	case INIT:
		if (m.of_gateway == portal.of_gateway)
			gateway_is_online();
		break;
	default:
		if (portal.up && m.of_gateway == portal.of_gateway)
			message_for_gateway(&m);
		else if (m.type == CANDIDATE)
			conn_misses(m.device);
	}
}
