/*
 * The data plane, driven by hand (tests/lib/by_hand.h), and what surrounds it
 * in the process: its host hands on to the portal what control-worker would,
 * its sinks are the network and the LAN, its clocks are the world's.
 */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

#include "common/authorization.h"
#include "common/filter.h"
#include "common/plan.h"
#include "net-worker/dataplane/dataplane.h"
#include "tests/lib/by_hand.h"

#define DATAGRAMS    256 /* that leave in one call */
#define GOODBYE_SIZE 80
#define ANSWERED_MS  1000
/* Of its timers: one that is not disarmed brings 100 a second. */
#define WAKES_S   30
#define WAKES_MAX 1500

struct leaving {
	struct endpoint to;
	struct ip_address from;
	size_t len;
	uint8_t data[SIM_PAYLOAD];
};

static struct {
	struct dataplane *dp;
	struct aead *aead;
	struct counter_page page;
	bool connected[DEVICES];
	bool told;   /* something by the portal, just now */
	bool closed; /* some connection */
	struct mono counted; /* until then */
	unsigned wakes;
	/* Written in place after the call: they are sent with the next one. */
	struct leaving leaving[DATAGRAMS];
	size_t count;
} gateway;

static void
send_all(void)
{
	for (size_t i = 0; i < gateway.count; i++) {
		struct leaving *l = &gateway.leaving[i];
		struct endpoint from =
		    network_address(GATEWAY, (enum ip_family)l->to.ip.family);

		check_leaves(&l->to, &l->from, l->data, l->len);
		network_send(GATEWAY, &from, &l->to, l->data, l->len);
	}
	gateway.count = 0;
}

static uint8_t *
to_network(void *ctx, const struct endpoint *to, const struct ip_address *from,
    uint8_t ecn, size_t len)
{
	struct leaving *l = &gateway.leaving[gateway.count];

	(void)ctx;
	(void)ecn;
	if (len > SIM_PAYLOAD)
		sim_fail("a datagram of %zu bytes", len);
	if (gateway.count == DATAGRAMS)
		sim_fail("%d datagrams at once", DATAGRAMS);
	gateway.count++;
	l->to = *to;
	l->from = *from;
	l->len = len;
	return l->data;
}

static void
to_lan(void *ctx, uint8_t *packet, size_t len)
{
	(void)ctx;
	check_tun(packet, len);
}

static void
on_acknowledged(void *ctx, uint64_t serial)
{
	(void)ctx;
	portal_acknowledged(serial, true);
}

static void
on_refused(void *ctx, uint64_t serial)
{
	(void)ctx;
	portal_acknowledged(serial, false);
}

static void
on_candidates(
    void *ctx, const struct uuid *client, bool withdrawn, const char *lines)
{
	(void)ctx;
	sim_log("gateway for %u, %s:\n%s", client->bytes[1],
	    withdrawn ? "withdrawn" : "candidates", lines);
	if (!withdrawn)
		gateway.connected[client->bytes[1]] = true;
	portal_from_gateway(client->bytes[1], withdrawn, lines);
}

static void
on_closed(void *ctx, const struct uuid *client)
{
	(void)ctx;
	sim_log("gateway: connection of %u is closed", client->bytes[1]);
	gateway.connected[client->bytes[1]] = false;
	check_path_ends(client->bytes[1]);
	gateway.closed = true;
	conn_closed(client->bytes[1], gateway.told);
}

static void
on_no_relays(void *ctx)
{
	(void)ctx;
	sim_log("gateway: no relays");
	portal_wants_relays(GATEWAY);
}

static void
on_peer_event(void *ctx, const struct uuid *client, uint8_t event,
    const uint8_t *payload, size_t len)
{
	(void)ctx;
	(void)client;
	(void)payload;
	sim_log("gateway: event %u of %zu bytes", event, len);
}

static bool
on_flow(void *ctx, const struct ipc_flow *flow)
{
	(void)ctx;
	(void)flow;
	return true;
}

static struct clock_reading
clocks(void)
{
	return (struct clock_reading){ world.now, { sim_wall_ns(true) } };
}

static void
settle(void)
{
	by_hand_settle(gateway.dp);
	gateway.told = false;
	send_all();
}

/* As the process before it hands over a message. */
static void
set_clocks(void)
{
	gateway.told = true;
	struct clock_reading now = clocks();

	by_hand_set_time(gateway.dp, world.now);
	dataplane_set_clocks(gateway.dp, &now);
}

#define TELL(name, message) \
	(set_clocks(), dataplane_messages.name(gateway.dp, (message)))

static void
gateway_start(void)
{
	static const struct dataplane_host host = {
		.acknowledged = on_acknowledged,
		.refused = on_refused,
		.candidates = on_candidates,
		.closed = on_closed,
		.no_relays = on_no_relays,
		.peer_event = on_peer_event,
		.flow = on_flow,
		.wake = by_hand_wake,
	};
	static const struct packet_sink sink = { NULL, to_network, to_lan };
	struct dataplane_settings settings = {
		.lanes = by_hand_lanes(),
		.counters = &gateway.page,
	};
	struct clock_reading started = clocks();

	for (unsigned i = 0; i < settings.lanes; i++)
		settings.lane[i] =
		    (struct dataplane_lane){ sink, gateway.aead };
	memset(&gateway.page, 0, sizeof(gateway.page));
	memset(gateway.connected, 0, sizeof(gateway.connected));
	gateway.dp = dataplane_new(&host, &sink, &settings, &started);
	if (gateway.dp == NULL)
		sim_fail("no data plane");
	checks_gateway_is_new();
}

void
gateway_begin(void)
{
	memset(&gateway, 0, sizeof(gateway));
	gateway.aead = aead_new();
	gateway_start();
	gateway_relays();
}

void
gateway_restart(void)
{
	gateway.told = true;
	dataplane_free(gateway.dp);
	gateway.told = false;
	relay_gateway_died();
	gateway_start();
	portal_gateway_is_new();
}

void
gateway_end(void)
{
	gateway.told = true;
	dataplane_free(gateway.dp);
	gateway.dp = NULL;
	aead_free(gateway.aead);
}

const uint8_t *
gateway_key(void)
{
	return dataplane_public_key(gateway.dp);
}

unsigned
gateway_connections(void)
{
	unsigned count = 0;

	for (unsigned d = 0; d < DEVICES; d++)
		count += gateway.connected[d];
	return count;
}

void
gateway_datagram(const struct event *e)
{
	struct arrival a = { .from = e->from, .local = e->to };
	uint8_t copy[SIM_PAYLOAD];

	if (e->len > DATAGRAM_MAX)
		return;
	if (IS_DEVICE(e->origin))
		checks_heard(e->origin - DEVICE(0), &e->from);
	memcpy(copy, e->data, e->len);
	by_hand_set_time(gateway.dp, world.now);
	by_hand_datagram(gateway.dp, &a, copy, e->len);
	settle();
}

void
gateway_packet(const struct event *e)
{
	uint8_t copy[SIM_PAYLOAD];

	memcpy(copy, e->data, e->len);
	by_hand_set_time(gateway.dp, world.now);
	by_hand_packet(gateway.dp, copy, e->len);
	settle();
}

struct mono
gateway_deadline(void)
{
	return by_hand_deadline(gateway.dp);
}

static void
count_wake(void)
{
	if (mono_due(gateway.counted, world.now)) {
		gateway.counted = mono_add_s(world.now, WAKES_S);
		gateway.wakes = 0;
	}
	if (++gateway.wakes > WAKES_MAX)
		sim_fail("the gateway finds no rest");
}

void
gateway_timeout(void)
{
	count_wake();
	by_hand_set_time(gateway.dp, world.now);
	by_hand_timeout(gateway.dp);
	settle();
	/* A handshake that is wanted may be due at once. */
	if (mono_due(gateway_deadline(), world.now)) {
		by_hand_timeout(gateway.dp);
		settle();
	}
	check_deadline(gateway_deadline());
}

void
gateway_relays(void)
{
	struct ipc_interface own = { .v4 = ip_v4(100, 64, 0, 1) };
	struct ip_address first = tunnel_address(0, IP_V6);

	own.v6 = first;
	own.v6.bytes[15] = 1;
	TELL(interface, &own);
	TELL(relays_begin, NULL);
	for (unsigned r = 0; r < RELAYS; r++) {
		struct ipc_relay_removed removed = { .relay = relay_uuid(r) };
		struct ipc_relay_removed former = { relay_former_uuid(r) };
		struct ipc_relay_present relay = {
			.relay = relay_uuid(r),
			.v4 = network_address(RELAY(r), IP_V4),
			.v6 = network_address(RELAY(r), IP_V6),
		};

		TELL(relay_removed, &former);
		if (!portal_presents(r))
			TELL(relay_removed, &removed);
		if (!portal_lists(r))
			continue;
		relay_credentials(
		    r, gateway_key(), relay.username, relay.password);
		TELL(relay_present, &relay);
	}
	TELL(relays_commit, NULL);
	settle();
}

void
gateway_grants(void)
{
	TELL(grants_begin, NULL);
	for (unsigned d = 0; d < DEVICES; d++)
		for (unsigned r = 0; r < RESOURCES; r++) {
			const struct grant_model *g = portal_grant(d, r);
			struct ipc_grants_entry entry = {
				.client = device_uuid(d),
				.resource = resources[r].id,
				.expires_at = g->expires_at,
			};

			if (g->live)
				TELL(grants_entry, &entry);
		}
	TELL(grants_commit, NULL);
	memset(gateway.connected, 0, sizeof(gateway.connected));
	settle();
}

static void
describe_filter(unsigned r, struct filter *filters, uint16_t *count)
{
	const struct filter_model *f = &resources[r].filter;

	filters[0] = (struct filter){ f->protocol, f->first, f->last };
	*count = 1;
}

void
gateway_authorize(
    uint64_t serial, unsigned d, unsigned r, uint64_t expires_at, bool iceless)
{
	static struct ipc_authorization a;
	struct secrets s;

	memset(&a, 0, sizeof(a));
	portal_secrets(d, &s);
	a.serial = serial;
	a.client = device_uuid(d);
	a.client_v4 = tunnel_address(d, IP_V4);
	a.client_v6 = tunnel_address(d, IP_V6);
	memcpy(a.public_key, device_key(d), sizeof(a.public_key));
	memcpy(a.preshared_key, s.psk, sizeof(a.preshared_key));
	strcpy(a.remote_username, s.user[0]);
	strcpy(a.remote_password, s.password[0]);
	strcpy(a.local_username, s.user[1]);
	strcpy(a.local_password, s.password[1]);
	a.use_iceless = iceless;
	a.expires_at = expires_at;
	a.resource = resources[r].id;
	a.type = RESOURCE_CIDR;
	a.network = resources[r].network;
	describe_filter(r, a.filters, &a.filters_count);
	TELL(authorization, &a);
	settle();
}

static bool
says_goodbye(void)
{
	for (size_t i = 0; i < gateway.count; i++)
		if (gateway.leaving[i].len == GOODBYE_SIZE ||
		    gateway.leaving[i].len == GOODBYE_SIZE + 4)
			return true;
	return false;
}

void
gateway_revoke(unsigned d, unsigned r)
{
	struct ipc_revocation revocation = { device_uuid(d), resources[r].id };
	bool working = device_has_session(d) && device_knows_goodbye(d) &&
	    mono_ms_between(traffic_answered(d), world.now) < ANSWERED_MS;

	gateway.closed = false;
	TELL(revocation, &revocation);
	by_hand_settle(gateway.dp);
	if (gateway.closed && working && !says_goodbye())
		sim_fail("device %u is not told the end", d);
	gateway.connected[d] = false;
	settle();
}

void
gateway_candidate(unsigned d, bool withdrawn, const char *line)
{
	static struct ipc_remote_candidates m;

	m.client = device_uuid(d);
	m.withdrawn = withdrawn;
	snprintf(m.lines, sizeof(m.lines), "%s", line);
	if (!withdrawn)
		checks_told(d, line);
	TELL(remote_candidates, &m);
	settle();
}

void
gateway_control_restarts(void)
{
	by_hand_set_time(gateway.dp, world.now);
	dataplane_control_started(gateway.dp);
	settle();
	portal_set_up(false);
	portal_set_up(true);
}

void
gateway_clock_set(void)
{
	set_clocks();
	settle();
}
