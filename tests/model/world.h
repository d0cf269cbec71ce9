/*
 * The same client twice: as the gateway's code has it, and as the model does.
 * What happens to one happens to the other, and both say the same of it.
 */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include "net-worker/core/policy/grants.h"
#include "net-worker/core/policy/gate.h"
#include "tests/lib/dice.h"
#include "tests/model/model.h"

#define WORLD_RESOURCES 12
#define WORLD_NAMES     6
#define WORLD_PROXIES   4 /* of a name, in each family */
#define WORLD_SEEN      64

/* A packet that went out, as the resource saw it, or came in. */
struct seen {
	uint8_t data[1200];
	size_t length; /* of what there is here */
	struct model_packet packet;
};

struct world {
	struct dice dice;
	struct mono now;
	uint32_t pace; /* how fast time goes by */
	bool trace;    /* say what happens */
	struct grants *client;
	struct gate gate;
	struct model *model;
	struct ip_address me[2], gateway[2]; /* IPv4, IPv6 */
	struct site_networks site;
	struct probed probed;
	bool expose_host;
	bool internet; /* may be granted here */
	bool was_older; /* packets may cross from family to family */
	/* Of what NAT makes IPv4, but for how many it was; once one was seen.
	 */
	uint16_t identification;
	bool identification_known;
	struct uuid resources[WORLD_RESOURCES];
	struct seen sent[WORLD_SEEN];
	size_t sent_count; /* in all */
};

/* Says where it was, both results, and ends the program. */
_Noreturn void world_differs(const struct world *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
__attribute__((format(printf, 2, 3))) void world_trace(
    const struct world *, const char *format, ...);

/*
 * The model comes with the world, for its size; its counts go on. usual: the
 * client has the addresses that clients have.
 */
void world_begin(struct world *, struct model *, struct dice, bool usual);
void world_end(struct world *);
/* Something other than a packet. */
void world_event(struct world *);
/* Names and patterns that no grant need have. */
void world_patterns(struct world *);
/* Time goes by, or it does not. */
void world_wait(struct world *);
/* A name that permits everything, for scenarios that need one. */
void world_open_name(struct world *);
/* NAT's housekeeping. */
void world_tick(struct world *);

/* addresses.c; crowded, so that networks nest and neighbour. */
struct ip_address world_address(const char *text);
void world_flip(struct ip_address *, uint32_t bit);
struct ip_prefix world_network(struct world *);
/* What a name stands for, or may not. */
struct ip_address world_server_address(struct world *);
struct ip_address world_proxy(struct world *, size_t name, bool v6, size_t i);
/* One that lies in, or beside, what is granted. */
struct ip_address world_resource_address(struct world *, bool v6);
struct ip_address world_public_address(struct world *, bool v6);
uint16_t world_port(struct world *);
/* To be quoted and replied to. */
void world_remember(struct world *, const uint8_t *data, size_t length);

#endif /* TESTS_MODEL_WORLD_H */
