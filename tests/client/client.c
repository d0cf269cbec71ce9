/*
 * One connection's life: what a packet for a resource sets off, what the
 * portal answers, and how it ends (firezone-portal(7), Client session;
 * firezone-tunnel(7), CONNECTIONS).
 */
#include "tests/client/client.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "common/plan.h"

#define ASK_AGAIN_S 2
#define UPSERT_S    20

/* Source ports of relays: firezone-tunnel(7), Demultiplexing. */
#define TURN_PORT 3478

/* Inner packets that are not for the device: firezone-tunnel(7), Goodbye. */
#define CONTROL_HEADER 40
#define EVENT_HEADER   48
#define NEXT_HEADER_AT 6
#define CONTROL        255
#define DOMAIN_STATUS  1
#define GOODBYE        2

#define ICMP4      1
#define ICMP6      58
#define ICMP6_ECHO 128

/* 0.0.0.0/0 and ::/0, without touching the routes of that length. */
static const struct ip_prefix everywhere[] = {
	{ { IP_V4, { 0 } }, 1 },
	{ { IP_V4, { 0x80 } }, 1 },
	{ { IP_V6, { 0 } }, 1 },
	{ { IP_V6, { 0x80 } }, 1 },
};
static const struct ip_prefix proxy_ranges[] = {
	{ { IP_V4, { 100, 96 } }, 11 },
	{ { IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11, 0x80 } }, 107 },
};

size_t
family_index(const struct ip_address *ip)
{
	return ip->family == IP_V6;
}

void
client_send(
    struct client *c, const struct endpoint *to, const void *data, size_t len)
{
	io_send(c, to, data, len);
}

void
client_send_path(
    struct client *c, const struct path *path, const void *data, size_t len)
{
	if (path->remote.ip.family == IP_NONE)
		return;
	if (turn_is_relayed(c, &path->local))
		turn_send(c, &path->local, &path->remote, data, len);
	else if (endpoint_equal(
		     &path->local, &c->local[family_index(&path->local.ip)]))
		client_send(c, &path->remote, data, len);
	else
		debug(c, "nothing can be sent from there any more");
}

static void
activity(struct client *c)
{
	c->last_activity = c->now;
	ice_set_idle(c, false);
}

static struct resource *
find_resource(struct client *c, const char *id)
{
	for (size_t i = 0; i < c->n_resources; i++)
		if (strcmp(c->resources[i].id, id) == 0)
			return &c->resources[i];
	return NULL;
}

const struct resource *
client_find_resource(struct client *c, const char *id_or_name)
{
	for (size_t i = 0; i < c->n_resources; i++)
		if (strcmp(c->resources[i].name, id_or_name) == 0)
			return &c->resources[i];
	return find_resource(c, id_or_name);
}

static bool
covers(const struct client *c, const struct resource *r,
    const struct ip_address *ip)
{
	switch (r->kind) {
	case RESOURCE_CIDR:
		return prefix_contains(&r->network, ip);
	case RESOURCE_INTERNET:
		return c->outside[0] != '\0';
	default:
		return false;
	}
}

/* The one that was given the proxy, or the longest prefix. */
static struct resource *
resource_for(struct client *c, const struct ip_address *ip)
{
	const char *id = names_resource(c, ip);
	struct resource *best = id == NULL ? NULL : find_resource(c, id);

	for (size_t i = 0; i < c->n_resources && id == NULL; i++) {
		struct resource *r = &c->resources[i];

		if (covers(c, r, ip) &&
		    (best == NULL || r->network.length > best->network.length))
			best = r;
	}
	return best;
}

/* The connection is gone, and with it what the gateway allowed. */
static void
forget_connection(struct client *c)
{
	ice_stop(c);
	iceless_stop(&c->iceless);
	tunnel_stop(c);
	names_untell(c);
	c->path = (struct path){ 0 };
	c->gateway[0] = '\0';
	sodium_memzero(&c->agreed, sizeof(c->agreed));
	for (size_t i = 0; i < c->n_resources; i++)
		c->resources[i].authorized = false;
}

void
client_lost(struct client *c, const char *reason)
{
	forget_connection(c);
	event("lost %s", reason);
}

static void
set_routes(
    const struct client *c, const struct ip_prefix *list, size_t n, bool add)
{
	for (size_t i = 0; i < n; i++)
		if (tun_route(c->device, &list[i], add) == -1)
			debug(c, "%s: route: %s", c->device, strerror(errno));
}

void
client_interface(
    struct client *c, const struct ip_address *v4, const struct ip_address *v6)
{
	if (ip_equal(v4, &c->tunnel4) && ip_equal(v6, &c->tunnel6))
		return;
	c->tunnel4 = *v4;
	c->tunnel6 = *v6;
	if (tun_configure(c->device, v4, v6) == -1)
		debug(c, "%s: addresses: %s", c->device, strerror(errno));
	set_routes(c, proxy_ranges, 2, true);
}

static void
route_resource(const struct client *c, const struct resource *r, bool add)
{
	if (r->kind == RESOURCE_CIDR)
		set_routes(c, &r->network, 1, add);
	else if (r->kind == RESOURCE_INTERNET && c->outside[0] != '\0')
		set_routes(c, everywhere, 4, add);
}

static void
remove_resource(struct client *c, struct resource *r)
{
	route_resource(c, r, false);
	*r = c->resources[--c->n_resources];
}

void
client_resources_begin(struct client *c)
{
	for (size_t i = 0; i < c->n_resources; i++)
		c->resources[i].listed = false;
}

void
client_resources_commit(struct client *c)
{
	char text4[ENDPOINT_TEXT_MAX], text6[ENDPOINT_TEXT_MAX];

	for (size_t i = c->n_resources; i-- > 0;)
		if (!c->resources[i].listed)
			remove_resource(c, &c->resources[i]);
	event("ready %s %s", ip_format(&c->tunnel4, text4),
	    ip_format(&c->tunnel6, text6));
}

void
client_resource(struct client *c, const struct resource *given)
{
	struct resource *r = find_resource(c, given->id);

	if (r != NULL && r->kind == given->kind &&
	    ip_equal(&r->network.ip, &given->network.ip) &&
	    r->network.length == given->network.length) {
		memcpy(r->name, given->name, sizeof(r->name));
		r->listed = true;
		return;
	}
	if (r != NULL)
		remove_resource(c, r);
	if (c->n_resources == RESOURCES_MAX)
		return;
	r = &c->resources[c->n_resources++];
	*r = *given;
	route_resource(c, r, true);
}

void
client_resource_deleted(struct client *c, const char *id)
{
	struct resource *r = find_resource(c, id);

	if (r != NULL)
		remove_resource(c, r);
	event("deleted %s", id);
}

static bool
same_connection(const struct client *c, const struct authorization *a)
{
	const struct authorization *b = &c->agreed;

	return strcmp(a->gateway, b->gateway) == 0 &&
	    a->iceless == b->iceless &&
	    memcmp(a->public_key, b->public_key, sizeof(a->public_key)) == 0 &&
	    memcmp(a->psk, b->psk, sizeof(a->psk)) == 0 &&
	    strcmp(a->ours.username, b->ours.username) == 0 &&
	    strcmp(a->ours.password, b->ours.password) == 0 &&
	    strcmp(a->theirs.username, b->theirs.username) == 0 &&
	    strcmp(a->theirs.password, b->theirs.password) == 0;
}

/* A repeated authorization: the gateway may have lost its sessions. */
static void
upsert(struct client *c)
{
	activity(c);
	if (c->agreed.iceless)
		iceless_mode_announce(c);
	else if (c->habits.announces_again)
		ice_announce_again(c);
	if (!c->habits.handshake_on_grant ||
	    c->path.remote.ip.family == IP_NONE ||
	    !mono_due(mono_add_s(c->upserted, UPSERT_S), c->now))
		return;
	c->upserted = c->now;
	tunnel_handshake(c);
}

static void
send_packet(struct client *c, const uint8_t *packet, size_t len)
{
	activity(c);
	tunnel_send(c, packet, len);
}

static void
wait_for_session(struct client *c, const uint8_t *packet, size_t len)
{
	struct waiting *w =
	    &c->waiting[(c->first_waiting + c->n_waiting) % WAITING_MAX];

	if (c->n_waiting == WAITING_MAX)
		return;
	memcpy(w->packet, packet, len);
	w->length = len;
	c->n_waiting++;
}

static void
ask(struct client *c, struct resource *r)
{
	if (r->asked.ns != 0 &&
	    !mono_due(mono_add_s(r->asked, ASK_AGAIN_S), c->now))
		return;
	r->asked = c->now;
	portal_send(c, "request %s %s", r->id, c->gateway);
}

static void
to_gateway(struct client *c, struct resource *r, bool named,
    const uint8_t *packet, size_t len)
{
	if (!r->authorized || !named)
		ask(c, r);
	if (r->authorized && named && tunnel_ready(c) &&
	    (!c->agreed.iceless || c->path.remote.ip.family != IP_NONE))
		send_packet(c, packet, len);
	else
		wait_for_session(c, packet, len);
}

static bool
destination_of(const uint8_t *packet, size_t len, struct ip_address *to)
{
	if (len >= 20 && packet[0] >> 4 == 4)
		*to = ip_from_bytes(IP_V4, packet + 16);
	else if (len >= 40 && packet[0] >> 4 == 6)
		*to = ip_from_bytes(IP_V6, packet + 24);
	else
		return false;
	return true;
}

/* One turn: what still may not be sent goes to the end again. */
static void
send_waiting(struct client *c)
{
	for (size_t n = c->n_waiting; n > 0; n--) {
		struct waiting w = c->waiting[c->first_waiting];

		c->first_waiting = (c->first_waiting + 1) % WAITING_MAX;
		c->n_waiting--;
		client_tun_input(c, w.packet, w.length);
	}
}

void
client_authorized(struct client *c, const struct authorization *a)
{
	struct resource *r = find_resource(c, a->resource);

	if (r == NULL)
		return;
	if (c->gateway[0] != '\0' && !same_connection(c, a))
		forget_connection(c);
	r->authorized = true;
	event("authorized %s %s", a->resource, a->gateway);
	if (c->gateway[0] != '\0') {
		upsert(c);
		send_waiting(c);
		return;
	}
	c->agreed = *a;
	if (!tunnel_start(c, &c->identity, a->public_key, a->psk)) {
		client_lost(c, "bad-key");
		return;
	}
	snprintf(c->gateway, sizeof(c->gateway), "%s", a->gateway);
	activity(c);
	if (a->iceless)
		iceless_mode_start(c);
	else
		ice_start(c, &a->ours, &a->theirs);
}

void
client_allowed(struct client *c, const char *resource)
{
	struct resource *r = find_resource(c, resource);

	if (r == NULL)
		return;
	r->authorized = true;
	r->asked = (struct mono){ 0 };
	event("authorized %s %s", resource, c->gateway);
	send_waiting(c);
}

void
client_refused(struct client *c, const char *resource, const char *reason)
{
	struct resource *r = find_resource(c, resource);

	two_step_forget(c);
	if (r != NULL)
		r->authorized = false;
	event("refused %s %s", resource, reason);
}

void
client_remote_candidate(
    struct client *c, const char *gateway, const char *line, bool added)
{
	if (strcmp(gateway, c->gateway) != 0)
		return;
	activity(c);
	if (c->agreed.iceless)
		iceless_mode_remote(c, line, added);
	else if (added)
		ice_add_remote(c, line);
	else
		ice_remove_remote(c, line);
}

void
client_path(struct client *c, const struct path *path, bool relayed)
{
	char local[ENDPOINT_TEXT_MAX], remote[ENDPOINT_TEXT_MAX];
	bool first = c->path.remote.ip.family == IP_NONE;

	c->path = *path;
	event("connected %s %s %s", relayed ? "relayed" : "direct",
	    endpoint_format(&path->local, local),
	    endpoint_format(&path->remote, remote));
	if (c->agreed.iceless) {
		if (tunnel_ready(c))
			send_waiting(c);
	} else if (c->habits.handshake_on_path || (first && !tunnel_ready(c))) {
		tunnel_handshake(c);
	}
}

void
client_local_found(struct client *c, enum candidate_kind kind,
    const struct endpoint *address, const struct endpoint *base)
{
	ice_add_local(c, kind, address, base);
	iceless_mode_local(c, kind, address, base);
}

void
client_local_lost(
    struct client *c, const struct endpoint *address, bool by_portal)
{
	ice_remove_local(c, address);
	iceless_mode_local_lost(c, address, by_portal);
}

void
client_session(struct client *c, bool first)
{
	event(first ? "handshake" : "rekey");
	send_waiting(c);
}

void
client_ask(struct client *c, const char *resource)
{
	struct resource *r = find_resource(c, resource);

	if (r != NULL)
		ask(c, r);
}

bool
client_may_send(struct client *c, const char *resource)
{
	struct resource *r = find_resource(c, resource);

	if (r != NULL && !r->authorized)
		ask(c, r);
	return r != NULL && r->authorized && tunnel_ready(c);
}

void
client_send_control(
    struct client *c, uint8_t type, const void *payload, size_t len)
{
	uint8_t packet[PACKET_MAX] = { 0x60 };

	if (len > sizeof(packet) - EVENT_HEADER)
		return;
	store_be16(packet + 4, (uint16_t)(EVENT_HEADER - CONTROL_HEADER + len));
	packet[NEXT_HEADER_AT] = CONTROL;
	packet[CONTROL_HEADER] = type;
	if (len > 0)
		memcpy(packet + EVENT_HEADER, payload, len);
	send_packet(c, packet, EVENT_HEADER + len);
}

void
client_tun_input(struct client *c, const uint8_t *packet, size_t len)
{
	struct resource *r;
	struct ip_address to;

	if (len > PACKET_MAX || !destination_of(packet, len, &to))
		return;
	if ((r = resource_for(c, &to)) != NULL)
		to_gateway(c, r, names_known(c, &to), packet, len);
	else if (ip_in_proxy_range(&to) && tunnel_ready(c))
		send_packet(c, packet, len); /* for its verdict */
}

static void
control_packet(struct client *c, const uint8_t *packet, size_t len)
{
	if (len < EVENT_HEADER)
		return;
	switch (packet[CONTROL_HEADER]) {
	case DOMAIN_STATUS:
		names_input(c, packet + EVENT_HEADER, len - EVENT_HEADER);
		break;
	case GOODBYE:
		if (!c->habits.goodbye)
			break;
		forget_connection(c);
		event("goodbye");
		break;
	default:
		debug(c, "control packet %u", packet[CONTROL_HEADER]);
	}
}

/* Tests ask what the kernel was told. */
static void
tell_icmp(const uint8_t *packet, size_t len)
{
	size_t header = packet[0] >> 4 == 4 ? 4u * (packet[0] & 15) : 40;
	uint8_t type, kind = packet[0] >> 4 == 4 ? packet[9] : packet[6];
	struct ip_address from = packet[0] >> 4 == 4
	    ? ip_from_bytes(IP_V4, packet + 12)
	    : ip_from_bytes(IP_V6, packet + 8);
	char text[ENDPOINT_TEXT_MAX];

	if (len < header + 8)
		return;
	type = packet[header];
	if ((kind == ICMP4 && (type == 3 || type == 11)) ||
	    (kind == ICMP6 && packet[0] >> 4 == 6 && type < ICMP6_ECHO))
		event("icmp %u %u %s", type, packet[header + 1],
		    ip_format(&from, text));
}

void
client_tunnel_packet(
    struct client *c, const struct path *path, uint8_t *packet, size_t len)
{
	struct ip_address to;

	if (c->agreed.iceless &&
	    iceless_packet(&c->iceless, path, packet, len, c->now))
		return;
	activity(c);
	if (packet[0] >> 4 == 6 && len >= CONTROL_HEADER &&
	    packet[NEXT_HEADER_AT] == CONTROL) {
		if (!habits_two_step(&c->habits))
			control_packet(c, packet, len);
		return;
	}
	if (c->commands.fd != -1 && destination_of(packet, len, &to))
		tell_icmp(packet, len);
	io_write(c, packet, len);
}

static bool
takes_wireguard_from(const struct client *c, const struct endpoint *remote)
{
	return c->habits.wireguard == FROM_ANYWHERE ||
	    endpoint_equal(remote, &c->path.remote) || ice_checked(c, remote);
}

/* The order of firezone-tunnel(7), Demultiplexing. */
void
client_udp_input(struct client *c, const struct endpoint *from,
    const uint8_t *data, size_t len)
{
	struct path path = { c->local[family_index(&from->ip)], *from };
	struct stun_message m;

	if (from->port == TURN_PORT) {
		if (len > 0 && data[0] >> 6 == 1)
			turn_unwrap(
			    c, from, &data, &len, &path.remote, &path.local);
		else if (stun_parse(data, len, &m) && turn_answer(c, from, &m))
			return;
	}
	if (stun_parse(data, len, &m)) {
		ice_input(c, &path, &m);
		return;
	}
	if (!takes_wireguard_from(c, &path.remote))
		debug(
		    c, "%zu bytes from an address that was not agreed on", len);
	else if (!tunnel_input(c, &path, data, len))
		debug(c, "unknown datagram of %zu bytes", len);
}

static bool
is_idle_for(const struct client *c, int64_t seconds)
{
	return seconds != 0 &&
	    mono_due(mono_add_s(c->last_activity, seconds), c->now);
}

void
client_timers(struct client *c)
{
	turn_timer(c);
	ice_timer(c);
	tunnel_timer(c);
	iceless_mode_timer(c);
	names_timer(c);
	if (c->gateway[0] == '\0' || c->path.remote.ip.family == IP_NONE)
		return;
	if (is_idle_for(c, c->habits.idle_after_s))
		ice_set_idle(c, true);
	if (is_idle_for(c, c->habits.close_after_s))
		client_lost(c, "idle");
}

struct mono
client_deadline(const struct client *c)
{
	struct mono at = mono_min(turn_deadline(c), names_deadline(c));

	at = mono_min(at, mono_min(ice_deadline(c), tunnel_deadline(c)));
	return mono_min(at, iceless_deadline(&c->iceless));
}

void
client_stop(struct client *c)
{
	if (c->habits.goodbye && tunnel_ready(c))
		client_send_control(c, GOODBYE, NULL, 0);
	turn_stop(c);
	io_flush(c);
	forget_connection(c);
	sodium_memzero(&c->identity, sizeof(c->identity));
	event("stopped");
}
