/*
 * A Firezone client for tests: the initiating, controlling side of everything
 * that the gateway answers. It plays clients of the published kinds
 * (firezone-tunnel(7), Clients in the field; see habits.h) and shares
 * nothing with the gateway but codecs: addresses, buffers, time and STUN. Its
 * ICE agent, TURN client, Noise handshake and sessions are its own, so that a
 * mistake made on one side is not answered by the same mistake on the other.
 *
 * One thread, one poll loop, one connection. What happens is told on standard
 * output, one line an event, for tests to wait for:
 *
 *	ready 100.64.0.1 fd00:2021:1111::1	the interface is up
 *	candidate:...				sent to the gateway
 *	authorized RESOURCE GATEWAY
 *	refused RESOURCE REASON
 *	connected direct|relayed LOCAL REMOTE	the path, also a new one
 *	handshake				the first session
 *	rekey					a later one
 *	name DOMAIN active|inactive		an assignment is answered
 *	icmp TYPE CODE SOURCE			an ICMP error, only with -c
 *	goodbye					the gateway has closed
 *	lost REASON				we did, or it broke
 *	roamed					by command, to new addresses
 *	portal up|down
 *	stopped
 */
#ifndef TESTS_CLIENT_CLIENT_H
#define TESTS_CLIENT_CLIENT_H

#include "common/address.h"
#include "common/time.h"
#include "tests/client/commands.h"
#include "tests/client/habits.h"
#include "tests/client/ice.h"
#include "tests/client/iceless.h"
#include "tests/client/iceless_mode.h"
#include "tests/client/io.h"
#include "tests/client/names.h"
#include "tests/client/portal.h"
#include "tests/client/tunnel.h"
#include "tests/client/turn.h"
#include "tests/client/twostep.h"

#define PACKET_MAX    1280 /* inside the tunnel */
#define RESOURCES_MAX 64
#define WAITING_MAX   128 /* packets kept for a connection in the making */

enum resource_kind { RESOURCE_CIDR, RESOURCE_DNS, RESOURCE_INTERNET };

struct resource {
	char id[ID_SIZE];
	char name[ID_SIZE];
	enum resource_kind kind;
	struct ip_prefix network; /* CIDR only */
	bool authorized;
	bool listed;       /* in the list that is being received */
	struct mono asked; /* when the portal was last asked; 0: never */
};

struct waiting {
	size_t length;
	uint8_t packet[PACKET_MAX];
};

struct client {
	struct mono now; /* of this turn of the loop */

	/* What the options say. */
	bool relay_only, direct_only, iceless_offered, verbose;
	struct habits habits;
	struct aead *aead;   /* the gateway's, or NULL for libsodium */
	const char *device;  /* name of the TUN device */
	const char *outside; /* of the one for all but the tunnel, or "" */

	/* One socket per address family: [0] IPv4, [1] IPv6, or -1. */
	int udp[2];
	struct endpoint local[2]; /* what they are bound to, or IP_NONE */
	int tun;
	struct io io;

	struct ip_address tunnel4, tunnel6; /* our addresses in the tunnel */
	struct resource resources[RESOURCES_MAX];
	size_t n_resources;

	struct noise_identity identity; /* one for the life of the process */
	char gateway[ID_SIZE];          /* of the connection, or "" */
	struct authorization agreed;    /* what the connection was made with */
	struct path path;               /* the nominated one, or IP_NONE */
	struct mono last_activity;
	struct mono upserted; /* last handshake because of a repeat */

	/* A ring of packets that wait for the first session. */
	struct waiting waiting[WAITING_MAX];
	size_t first_waiting, n_waiting;

	struct name names[NAMES_MAX]; /* in the order of their assignments */
	size_t n_names;

	struct two_step two_step;
	struct commands commands;
	struct portal portal;
	struct turn turn;
	struct ice ice;
	struct iceless iceless; /* runs when that was agreed on */
	struct iceless_output iceless_output;
	struct mono iceless_started;
	struct tunnel tunnel;
};

/* Tells the tests, and whoever watches; a line is added. */
void event(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Likewise on standard error, when -v was given. */
void debug(const struct client *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* 0 for IPv4, 1 for IPv6: the index of udp[], local[] and the like. */
size_t family_index(const struct ip_address *);

/* Output: a datagram from our own socket, and one along a path. */
void client_send(
    struct client *, const struct endpoint *to, const void *, size_t);
void client_send_path(
    struct client *, const struct path *, const void *, size_t);

/* Input, from the loop. */
void client_udp_input(
    struct client *, const struct endpoint *from, const uint8_t *, size_t);
void client_tun_input(struct client *, const uint8_t *, size_t);
void client_timers(struct client *);
struct mono client_deadline(const struct client *);
/*
 * The network has changed: new sockets on these addresses, IP_NONE for none.
 * Without ICE the session goes on; with it, all begins anew, with a new key.
 */
void client_roam(struct client *, const struct ip_address local[2]);
/* Says goodbye to the gateway and frees the allocations. */
void client_stop(struct client *);

/* For names.c: by id or name; NULL when there is none. */
const struct resource *client_find_resource(
    struct client *, const char *id_or_name);
/* Asks the portal for it, though not too often. */
void client_ask(struct client *, const char *resource);
/* True when the gateway has let us; else what can be done for it is. */
bool client_may_send(struct client *, const char *resource);
/* A control packet, firezone-policy(7), Control packet format. */
void client_send_control(
    struct client *, uint8_t event, const void *payload, size_t);

/* What the modules tell: portal.c, */
void client_interface(
    struct client *, const struct ip_address *v4, const struct ip_address *v6);
void client_resource(struct client *, const struct resource *);
void client_resource_deleted(struct client *, const char *id);
/* After a new list: the resources that are not in it are gone. */
void client_resources_begin(struct client *);
void client_resources_commit(struct client *);
void client_authorized(struct client *, const struct authorization *);
/* On the connection that there is, for all that was asked. */
void client_allowed(struct client *, const char *resource);
void client_refused(struct client *, const char *resource, const char *reason);
void client_remote_candidate(
    struct client *, const char *gateway, const char *line, bool added);
/* turn.c: what was found out about our own addresses, */
void client_local_found(struct client *, enum candidate_kind,
    const struct endpoint *address, const struct endpoint *base);
/* by_portal: it was the portal that took the relay away. */
void client_local_lost(
    struct client *, const struct endpoint *address, bool by_portal);
/* ice.c and iceless_mode.c, */
void client_path(struct client *, const struct path *, bool relayed);
void client_lost(struct client *, const char *reason);
/* tunnel.c. */
void client_session(struct client *, bool first);
void client_tunnel_packet(
    struct client *, const struct path *, uint8_t *, size_t);

/* tun.c: the device, and what is set on it. -1 and errno. */
int tun_open(const char *name, bool *udp);
int tun_configure(
    const char *name, const struct ip_address *v4, const struct ip_address *v6);
int tun_route(const char *name, const struct ip_prefix *, bool add);

#endif /* TESTS_CLIENT_CLIENT_H */
