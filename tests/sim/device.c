/*
 * A device is the test client (tests/client) of one release, in a harness: what
 * would be its sockets, its TUN and the driver of its portal is the world's.
 * That client has a path agent, a TURN client and WireGuard of its own, so that
 * nothing is simulated here but the machine it runs on.
 */
#include "tests/sim/sim.h"

#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/stun/stun.h"
#include "tests/client/client.h"

#define WIREGUARD_DATA 4
#define PROBE_SIZE     80      /* of a datagram with a probe in it */
#define NO_SOCKET      INT_MAX /* for the client to close */

/* The newest may go without ICE. */
static const char *const releases[] = { "1.5.16", "1.5.16", "1.5.16", "1.5.16",
	"1.5.11", "1.5.7", "1.5.5", "1.4.13" };

static struct device {
	struct client client;
	const char *release;
	/* As it was after its last turn: it is reckoned from that. */
	struct mono deadline;
} devices[DEVICES];

/* Whose turn it is: the client's own functions know nothing of numbers. */
static unsigned current;

static unsigned
number_of(const struct client *c)
{
	return (unsigned)((const struct device *)(const void *)c - devices);
}

static struct client *
turn_of(unsigned d)
{
	current = d;
	devices[d].client.now = world.now;
	return &devices[d].client;
}

static void
end_turn(unsigned d)
{
	devices[d].deadline = client_deadline(&devices[d].client);
}

/* What the client calls. */

void
event(const char *format, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	sim_log("device %u: %s", current, text);
	if (strncmp(text, "lost ", 5) == 0 || strcmp(text, "goodbye") == 0)
		conn_lost(current, text);
	else if (strcmp(text, "handshake") == 0 || strcmp(text, "rekey") == 0)
		conn_keyed(current, text[0] == 'h');
}

void
debug(const struct client *c, const char *format, ...)
{
	char text[400];
	va_list ap;

	if (!world.verbose)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	sim_log("device %u: (%s)", number_of(c), text);
}

void
portal_send(const struct client *c, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	portal_from_device(number_of(c), line);
}

void
io_send(
    struct client *c, const struct endpoint *to, const void *data, size_t len)
{
	network_send(DEVICE(number_of(c)), &c->local[family_index(&to->ip)], to,
	    data, len);
}

uint8_t *
io_room(struct client *c)
{
	return c->io.room[0];
}

void
io_write(struct client *c, uint8_t *packet, size_t len)
{
	check_at_device(number_of(c), packet, len);
	traffic_at_device(number_of(c), packet, len);
}

void
io_flush(struct client *c)
{
	(void)c;
}

void
io_open(struct client *c, size_t family, const struct ip_address *ip)
{
	(void)ip;
	c->local[family] =
	    network_address(DEVICE(number_of(c)), family == 0 ? IP_V4 : IP_V6);
	c->udp[family] = c->local[family].ip.family == IP_NONE ? -1 : NO_SOCKET;
}

/* With the new key; what is under way is for the old one. */
int
portal_restart(struct portal *portal, const uint8_t public_key[KEY_SIZE])
{
	(void)portal;
	(void)public_key;
	portal_device_is_new(current);
	return 0;
}

int
tun_configure(
    const char *name, const struct ip_address *v4, const struct ip_address *v6)
{
	(void)name;
	(void)v4;
	(void)v6;
	return 0;
}

int
tun_route(const char *name, const struct ip_prefix *prefix, bool add)
{
	(void)name;
	(void)prefix;
	(void)add;
	return 0;
}

/* What the world calls. */

static void
learn_resources(struct client *c)
{
	client_resources_begin(c);
	for (unsigned r = 0; r < RESOURCES; r++) {
		struct resource resource = {
			.kind = RESOURCE_CIDR,
			.network = resources[r].network,
			.listed = true,
		};

		snprintf(resource.id, sizeof(resource.id), "r%u", r);
		client_resource(c, &resource);
	}
	client_resources_commit(c);
}

static void
start_client(unsigned d)
{
	struct ip_address v4 = tunnel_address(d, IP_V4),
			  v6 = tunnel_address(d, IP_V6);
	struct client *c = turn_of(d);
	uint8_t private_key[NOISE_KEY_LEN];

	memset(c, 0, sizeof(*c));
	turn_of(d);
	c->device = "tun";
	c->outside = "";
	c->commands.fd = c->tun = -1;
	c->verbose = world.verbose;
	c->habits = *habits_of_release(devices[d].release);
	iceless_mode_init(c);
	for (size_t f = 0; f < 2; f++)
		io_open(c, f, NULL);
	randombytes_buf(private_key, sizeof(private_key));
	if (!noise_identity(&c->identity, private_key))
		sim_fail("no key");
	tunnel_stop(c);
	client_interface(c, &v4, &v6);
	learn_resources(c);
	end_turn(d);
	portal_device_is_new(d);
}

void
device_begin(unsigned d)
{
	devices[d].release = PICK(&world.dice, releases);
	sim_log("device %u is a client %s", d, devices[d].release);
	start_client(d);
}

void
device_restart(unsigned d)
{
	start_client(d);
}

void
device_goodbye(unsigned d)
{
	if (device_knows_goodbye(d))
		conn_goodbye(d);
	client_stop(turn_of(d));
	start_client(d);
}

void
device_roam(unsigned d)
{
	static const struct ip_address where[2]; /* io_open knows */

	client_roam(turn_of(d), where);
	end_turn(d);
}

bool
device_offers_iceless(unsigned d)
{
	return devices[d].client.habits.iceless;
}

bool
device_is_iceless(unsigned d)
{
	return devices[d].client.agreed.iceless;
}

bool
device_has_session(unsigned d)
{
	return tunnel_ready(&devices[d].client);
}

bool
device_is_direct(unsigned d)
{
	const struct client *c = &devices[d].client;

	return c->path.remote.ip.family != IP_NONE &&
	    !turn_is_relayed(c, &c->path.local) &&
	    network_node(&c->path.remote.ip) == GATEWAY;
}

bool
device_has_relay(unsigned d)
{
	const struct client *c = &devices[d].client;

	return turn_is_relayed(c, &c->path.local);
}

bool
device_knows_goodbye(unsigned d)
{
	return devices[d].client.habits.goodbye;
}

bool
device_trickles(unsigned d)
{
	const struct habits *h = &devices[d].client.habits;

	return h->late_candidates && !h->withdraws_srflx;
}

const uint8_t *
device_key(unsigned d)
{
	return devices[d].client.identity.public_key;
}

void
device_datagram(unsigned d, const struct event *e)
{
	bool relayed = e->len > 8 && e->data[0] >> 6 == 1;
	const uint8_t *data = e->data + (relayed ? 4 : 0);
	size_t len = e->len - (relayed ? 4 : 0);

	/* Probes take all paths. */
	if (data[0] == WIREGUARD_DATA && len != PROBE_SIZE)
		check_path(d, &e->from, relayed);
	else if (len >= 2 && load_be16(data) == STUN_BINDING_REQUEST)
		check_asked(d, &e->from, relayed);
	client_udp_input(turn_of(d), &e->from, e->data, e->len);
	end_turn(d);
}

struct mono
device_deadline(unsigned d)
{
	return devices[d].deadline;
}

void
device_timeout(unsigned d)
{
	client_timers(turn_of(d));
	end_turn(d);
}

static void
told_authorized(struct client *c, unsigned d, unsigned r, bool iceless)
{
	struct authorization a = { .iceless = iceless };
	struct secrets s;

	portal_secrets(d, &s);
	snprintf(a.resource, sizeof(a.resource), "r%u", r);
	sodium_bin2hex(a.gateway, sizeof(a.gateway), gateway_key(), 8);
	memcpy(a.public_key, gateway_key(), sizeof(a.public_key));
	memcpy(a.psk, s.psk, sizeof(a.psk));
	snprintf(a.ours.username, ICE_TEXT_MAX, "%s", s.user[0]);
	snprintf(a.ours.password, ICE_TEXT_MAX, "%s", s.password[0]);
	snprintf(a.theirs.username, ICE_TEXT_MAX, "%s", s.user[1]);
	snprintf(a.theirs.password, ICE_TEXT_MAX, "%s", s.password[1]);
	client_authorized(c, &a);
}

static void
told_relay(struct client *c, unsigned r)
{
	char id[8], user[80], password[80];

	snprintf(id, sizeof(id), "%u", r);
	relay_credentials(r, c->identity.public_key, user, password);
	for (unsigned f = 0; f < 2; f++) {
		struct endpoint server =
		    network_address(RELAY(r), f == 0 ? IP_V4 : IP_V6);

		turn_add(c, id, &server, user, password);
	}
}

void
device_told(unsigned d, const char *message)
{
	struct client *c = turn_of(d);
	char id[8];
	unsigned n, iceless;

	sim_log("device %u is told: %s", d, message);
	if (sscanf(message, "authorized %u %u", &n, &iceless) == 2) {
		told_authorized(c, d, n, iceless != 0);
	} else if (sscanf(message, "refused %u", &n) == 1) {
		snprintf(id, sizeof(id), "r%u", n);
		client_refused(c, id, "forbidden");
	} else if (sscanf(message, "relay %u", &n) == 1) {
		told_relay(c, n);
	} else if (sscanf(message, "forget-relay %u", &n) == 1) {
		snprintf(id, sizeof(id), "%u", n);
		turn_forget(c, id);
	} else if (strncmp(message, "candidate ", 10) == 0) {
		client_remote_candidate(c, c->gateway, message + 10, true);
	} else if (strncmp(message, "uncandidate ", 12) == 0) {
		client_remote_candidate(c, c->gateway, message + 12, false);
	}
	end_turn(d);
}

void
device_sends(unsigned d, const uint8_t *packet, size_t len)
{
	client_tun_input(turn_of(d), packet, len);
	end_turn(d);
}

void
device_forces(unsigned d, const uint8_t *packet, size_t len)
{
	tunnel_send(turn_of(d), packet, len);
	end_turn(d);
}
