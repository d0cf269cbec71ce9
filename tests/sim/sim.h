/*
 * A world around one data plane: clients, the networks and NATs between, relays
 * and a portal, all in simulated time and in one process. A seed (or a fuzzer's
 * bytes) decides what happens; the same seed makes the same world to the bit.
 *
 *	world.c		time: the queue of what is going to happen, its trace
 *	network.c	sites, and what becomes of datagrams between them
 *	nat.c		address translators
 *	relay.c		TURN servers, and what they think of who asks them
 *	portal.c	who may do what, and who is told of it
 *	gateway.c	the data plane with what surrounds it: what is tested
 *	device.c	a client: the test client (tests/client) in a harness
 *	traffic.c	inner packets
 *	roams.c		what a change of address costs a device that talks
 *	connections.c	what becomes of connections
 *	story.c		what happens to all of these
 *	checks.c	what must hold at any time
 *	main.c		plays seeds
 *	idle.c		apart from all this: a thousand clients, an hour
 *
 * A check that does not hold calls sim_fail(), which ends the world. To add
 * one: a function in checks.c, called where the thing happens. To add an
 * incident: a function and a line of the table in story.c; it calls
 * sim_disturbed() when paths may have to be found anew because of it. To add a
 * planted fault: see faults.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stddef.h>

#include "common/address.h"
#include "common/time.h"
#include "common/uuid.h"
#include "tests/lib/dice.h"

#define DEVICES     3
#define RELAYS      2
#define RESOURCES   3
#define SITES       (1 + DEVICES * SITES_EACH)
#define SITES_EACH  16 /* that a device roams through */
#define SIM_PAYLOAD 1400

/* Who is on the network. */
#define GATEWAY      0u
#define DEVICE(d)    (1u + (d))
#define RELAY(r)     (1u + DEVICES + (r))
#define STRANGER     (1u + DEVICES + RELAYS)
#define NODES        (STRANGER + 1u)
#define IS_DEVICE(n) ((n) >= DEVICE(0) && (n) < RELAY(0))
#define IS_RELAY(n)  ((n) >= RELAY(0) && (n) < STRANGER)

/* Where the choices of the story come from: a seed, or bytes. */
struct choices {
	struct dice dice;
	const uint8_t *bytes; /* NULL: the dice */
	size_t left;
};

enum event_kind {
	EVENT_DATAGRAM, /* arrives at the node, or the NAT before it */
	EVENT_LAN,      /* a packet for the TUN */
	EVENT_PORTAL,   /* a message of or to the portal */
};

struct event {
	struct mono at;
	uint64_t order; /* of those of the same time */
	enum event_kind kind;
	unsigned node;   /* where it arrives; of EVENT_PORTAL: see portal.c */
	unsigned origin; /* who really sent it */
	struct endpoint from, to;
	size_t len;
	uint8_t data[SIM_PAYLOAD];
};

/* Timings of roams.c. */
enum roam_cause {
	ROAM_MOVED,
	ROAM_REBOUND, /* only its NAT has another address */
	ROAM_DIED,    /* the direct path, if it was that */
	ROAM_MODE,    /* it is authorized in the other mode */
	ROAM_RELAY,   /* a relay is taken away, or dies, or is another */
	ROAM_CAUSES,
};
#define ROAM_KINDS (2 * ROAM_CAUSES) /* cause, and + 1 without ICE */

struct roam_figures {
	uint64_t count;
	int64_t sum_ms, slowest_ms;
};

/* world.c: there is one, and it knows what time it is. */
extern struct world {
	uint64_t seed;
	struct choices choices;
	struct dice dice;   /* of the network */
	struct dice secret; /* what libsodium gives out */
	struct mono now, end;
	int64_t wall_ahead; /* of the gateway's clock, to the true one */
	uint64_t trace;     /* hash of all that has happened */
	uint64_t steps;
	bool verbose;
	struct mono disturbed; /* when paths may last have changed */
	void (*failed)(const char *what);
	/* Figures. */
	uint64_t datagrams, answers, incidents;
	struct roam_figures roams[ROAM_KINDS];
} world;

#define UNIX_START INT64_C(1790000000)

void sim_begin(uint64_t seed, const uint8_t *bytes, size_t len);
/* Until the time, or the end of the story that the choices tell. */
void sim_run(int64_t hours);
uint32_t choose(uint32_t n); /* below n; of the story */
bool choices_left(void);
/* The room of an event that is filled in, and then happens. */
struct event *event_new(enum event_kind, int64_t in_us);
void event_push(struct event *);
void sim_disturbed(void);
void sim_trace(const void *, size_t);
void sim_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sim_fail(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));
/* Seconds since the start, for people. */
double sim_seconds(struct mono);
int64_t sim_wall_ns(bool gateway);

/* network.c */
struct quality {
	bool blocked;
	bool never;    /* nor will it be otherwise: a firewall between them */
	unsigned deaf; /* which of the two does not hear the other, or NODES */
	unsigned loss; /* of 100 */
	unsigned twice;
	int64_t delay_us, jitter_us;
};

void network_begin(void);
struct quality *network_quality(unsigned a, unsigned b);
/* Of the node now; IP_NONE where it has none. */
struct endpoint network_address(unsigned node, enum ip_family);
void network_send(unsigned node, const struct endpoint *from,
    const struct endpoint *to, const void *, size_t);
/* The same of what another node has sent, and the relay passes on. */
void network_pass_on(unsigned origin, unsigned relay,
    const struct endpoint *from, const struct endpoint *to, const void *,
    size_t);
void network_arrive(struct event *);
/* The device is somewhere else from now on. */
void network_move(unsigned device);
/* Another machine is that relay, at another address. */
void network_replace(unsigned relay);
/* The address it had before, or its own. */
struct endpoint network_former_address(unsigned relay, enum ip_family);
/* Its NAT forgets, and has another address or the same. */
void network_forget(unsigned node);
/* Whether datagrams can pass between them, in some family. */
bool network_connects(unsigned a, unsigned b);
bool network_has_nat(unsigned node);
/* Nothing keeps the device from reaching the gateway directly. */
bool network_is_open(unsigned d);
/* Nothing comes from the device, nor to it. */
void network_set_away(unsigned d, bool away);
bool network_is_away(unsigned d);
/* Whether nothing is lost, doubled or cut anywhere. */
bool network_is_clean(void);
/* Whose that address is, or its NAT's; or NODES. */
unsigned network_node(const struct ip_address *);

/* nat.c */
enum nat_rule { NAT_ANY, NAT_ADDRESS, NAT_ADDRESS_AND_PORT };

#define NAT_SESSIONS 192

struct nat_box {
	enum nat_rule mapping, filtering;
	int64_t lifetime_ms;
	uint16_t next_port;
	size_t count;
	struct nat_session {
		struct endpoint inside, remote;
		uint16_t port;
		struct mono used;
	} sessions[NAT_SESSIONS];
};

void nat_box_begin(struct nat_box *);
uint16_t nat_box_out(struct nat_box *, const struct endpoint *inside,
    const struct endpoint *remote);
bool nat_box_in(struct nat_box *, uint16_t port, const struct endpoint *remote,
    struct endpoint *inside);

/* relay.c */
void relays_begin_all(void);
void relay_datagram(unsigned relay, const struct event *);
bool relay_is_up(unsigned relay);
void relay_set_up(unsigned relay, bool up);
/* It has no channel for the gateway, for that reason; 0: it has. */
void relay_refuse(unsigned relay, uint16_t error);
bool relay_refuses(unsigned relay);
/* All allocations are gone; credentials made before are no more. */
void relay_restart(unsigned relay);
void relay_replace(unsigned relay);
void relay_forget_nonces(unsigned relay);
void relay_forget_allocations(unsigned relay);
void relay_check(unsigned relay);
void relay_set_lifetime(unsigned relay, uint32_t s);
void relay_gateway_died(void);
/* What the portal gives out: of the key and the relay's secret. */
void relay_credentials(
    unsigned relay, const uint8_t *public_key, char *user, char *password);

/* gateway.c */
void gateway_begin(void);
void gateway_restart(void);
void gateway_end(void);
void gateway_datagram(const struct event *);
void gateway_packet(const struct event *);
struct mono gateway_deadline(void);
void gateway_timeout(void);
const uint8_t *gateway_key(void);
void gateway_relays(void); /* as the portal's init */
void gateway_grants(void);
void gateway_authorize(uint64_t serial, unsigned device, unsigned resource,
    uint64_t expires_at, bool iceless);
void gateway_revoke(unsigned device, unsigned resource);
void gateway_candidate(unsigned device, bool withdrawn, const char *line);
void gateway_control_restarts(void);
void gateway_clock_set(void);
/* That there are for sure; what was revoked may be a last one. */
unsigned gateway_connections(void);

/* device.c */
#define KEY_SIZE 32

void device_begin(unsigned d);
void device_restart(unsigned d);
void device_goodbye(unsigned d);
/* It is where network_move() has put it: the client goes on. */
void device_roam(unsigned d);
void device_datagram(unsigned d, const struct event *);
struct mono device_deadline(unsigned d);
void device_timeout(unsigned d);
const uint8_t *device_key(unsigned d);
void device_told(unsigned d, const char *message);
void device_sends(unsigned d, const uint8_t *packet, size_t len);
/* Whatever it has been allowed. */
void device_forces(unsigned d, const uint8_t *packet, size_t len);
bool device_offers_iceless(unsigned d);
bool device_is_iceless(unsigned d); /* its connection */
bool device_has_session(unsigned d);
/* It sends to no relay, nor by one. */
bool device_is_direct(unsigned d);
/* What it sends goes by its own relay. */
bool device_has_relay(unsigned d);
bool device_knows_goodbye(unsigned d);
/* Candidates at any time, and the gateway may count on its own. */
bool device_trickles(unsigned d);

/* portal.c */
struct filter_model {
	uint8_t protocol;
	uint16_t first, last;
};

struct resource_model {
	struct uuid id;
	struct ip_prefix network;
	struct filter_model filter;
};

struct grant_model {
	bool live;  /* in force, as far as we know */
	bool early; /* may end before its time: the clock was set */
	uint64_t expires_at;
	struct mono soonest, until;        /* when it ends by itself */
	struct mono since, renewed, ended; /* it began, again, was over */
};

extern struct resource_model resources[RESOURCES];

void portal_begin(void);
void portal_message(const struct event *);
void portal_from_device(unsigned d, const char *line);
void portal_from_gateway(unsigned d, bool withdrawn, const char *lines);
void portal_acknowledged(uint64_t serial, bool granted);
void portal_wants_relays(unsigned node);
void portal_set_up(bool up);
bool portal_is_up(void);
void portal_allow(unsigned d, unsigned r, bool allowed);
bool portal_allows(unsigned d, unsigned r);
struct grant_model *portal_grant(unsigned d, unsigned r);
void portal_gateway_is_new(void);
void portal_device_is_new(unsigned d);
/* A relay's credentials are told again, or that it is gone. */
void portal_presence(unsigned relay, bool present);
bool portal_presents(unsigned relay);
/* The gateway's next list of relays is without it. */
void portal_unlist(unsigned relay);
bool portal_lists(unsigned relay);
/* Another relay is there in its place, with another id. */
void portal_replaces(unsigned relay);
/* Whether new connections do without ICE, where both sides can. */
void portal_set_iceless(bool);
struct uuid device_uuid(unsigned d);
struct uuid relay_uuid(unsigned r);
struct uuid relay_former_uuid(unsigned r);
struct ip_address tunnel_address(unsigned d, enum ip_family);
/* The ICE secrets and the preshared key of this pair of keys. */
struct secrets {
	char user[2][8]; /* the device's, the gateway's */
	char password[2][32];
	uint8_t psk[KEY_SIZE];
};
void portal_secrets(unsigned d, struct secrets *);

/* traffic.c */
void traffic_begin(void);
struct mono traffic_deadline(void);
void traffic_timeout(void);
void traffic_set(unsigned d, int64_t interval_ms);
/* It goes on with the next resource. */
void traffic_elsewhere(unsigned d);
bool traffic_talks(unsigned d, struct mono *since);
void traffic_from_tun(unsigned d, const uint8_t *packet, size_t len);
void traffic_at_device(unsigned d, const uint8_t *packet, size_t len);
void traffic_hostile(unsigned d);
void traffic_from_lan(unsigned d);
struct mono traffic_answered(unsigned d);
int64_t traffic_interval_ms(unsigned d);
/* Of the last packet that it has sent. */
uint32_t traffic_number(unsigned d);
/* So long from now, at least. */
void traffic_last(unsigned d, int64_t s);
/* It talks for so long to somebody who never answers. */
void traffic_to_wall(unsigned d, int64_t s);
/* A host sends to it for so long, without being asked. */
void traffic_push(unsigned d, int64_t s);
/* What it sends is within a grant that does not end just now. */
bool traffic_is_granted(unsigned d);

/* roams.c */
void roams_begin(void);
/* The device is about to, or its NAT has done so. */
void roam_starts(unsigned d, enum roam_cause);
/* The packet of that number. */
void roam_answered(unsigned d, uint32_t number);
void roam_lost(unsigned d, const char *why);
void roam_check(unsigned d);
const char *roam_name(unsigned kind);

/* connections.c */
void conn_begin(void);
/* Beyond doubt: it has just been used. */
bool conn_works(unsigned d);
/* The gateway has; by_portal: it was told something by it just now. */
void conn_closed(unsigned d, bool by_portal);
/* The device says so. */
void conn_lost(unsigned d, const char *why);
void conn_keyed(unsigned d, bool first);
/* The device is about to say it. */
void conn_goodbye(unsigned d);
/* It is about to go without a word; it is sent to meanwhile. */
void conn_gone(unsigned d);
/* The last authorization, with which it may have another session. */
struct mono conn_granted(unsigned d);
/* The gateway is not told of a candidate of the device. */
void conn_misses(unsigned d);
/* It can be direct again, and has been before. */
void conn_opens(unsigned d);
void conn_check(unsigned d);

/* story.c */
void story_begin(void);
struct mono story_deadline(void);
void story_timeout(void);

/* checks.c */
void checks_begin(void);
void checks_gateway_is_new(void);
/* The gateway was told that the device can be reached there. */
void checks_told(unsigned d, const char *line);
/* It heard the device from there. */
void checks_heard(unsigned d, const struct endpoint *);
void check_leaves(const struct endpoint *to, const struct ip_address *from,
    const uint8_t *, size_t);
/* A peer that the gateway wants a relay to pass datagrams to. */
void check_peer(const struct endpoint *);
void check_tun(const uint8_t *packet, size_t len);
/* WireGuard data that arrives at a device, from its own relay or the peer. */
void check_path(unsigned d, const struct endpoint *from, bool relayed);
/* A check of the gateway's that arrives at a device. */
void check_asked(unsigned d, const struct endpoint *from, bool relayed);
void check_path_ends(unsigned d);
/* What comes to it comes from the gateway itself. */
bool check_path_is_direct(unsigned d);
void check_at_device(unsigned d, const uint8_t *packet, size_t len);
void check_deadline(struct mono);
/* All is well, and has been for so long that everybody knows. */
bool check_is_settled(void);
bool check_was_settled(struct mono since);
/* The NAT of the device has forgotten it, or a relay all allocations. */
void check_rebound(unsigned d);
void check_relay_forgot(void);
/* For one of these the device may be without answers. */
bool check_is_excused(unsigned d);
/* Over relays, which are public: directly it depends on the NATs. */
bool check_could_connect(unsigned d);
void check_step(void);

#endif /* TESTS_SIM_SIM_H */
