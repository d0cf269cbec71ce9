/*
 * Names of DNS resources: which proxy addresses stand for them, and what the
 * gateway says to that (firezone-policy(7), Assignment, Client states and
 * CONTROL PACKETS). Tests choose the proxies; a packet for one goes out
 * whatever the gateway has said, so that its verdict can be seen. Clients until
 * 1.3 tell the portal and get no answer.
 */
#ifndef TESTS_CLIENT_NAMES_H
#define TESTS_CLIENT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/time.h"
#include "tests/client/ice.h"
#include "tests/client/portal.h"

#define NAMES_MAX        2048 /* twice what a gateway keeps */
#define NAME_PROXIES_MAX 16
#define NAME_DOMAIN_SIZE 256

struct client;

struct name {
	char resource[ID_SIZE];
	char domain[NAME_DOMAIN_SIZE];
	struct ip_address proxies[NAME_PROXIES_MAX];
	size_t proxy_count;
	bool pending;    /* until the gateway has answered */
	bool told;       /* to the portal, by those who tell it that */
	struct mono due; /* when it is to be told again */
};

/* Tells the gateway until it answers; resource is an id or a name. */
void names_assign(struct client *, const char *resource, const char *domain,
    const struct ip_address *proxies, size_t count);
/* The id of the resource that was given the proxy last, or NULL. */
const char *names_resource(
    const struct client *, const struct ip_address *proxy);
struct name *names_find(
    struct client *, const char *resource, const char *domain);
/* One of the resource that the portal has not been told of, or NULL. */
struct name *names_untold(struct client *, const char *resource);
void names_told(struct client *, struct name *);
/* The gateway knows none of them any more. */
void names_untell(struct client *);
/* False for a proxy that the portal has to be told of first. */
bool names_known(const struct client *, const struct ip_address *proxy);
/* The payload of a domain status. */
void names_input(struct client *, const uint8_t *, size_t);
void names_timer(struct client *);
struct mono names_deadline(const struct client *);

#endif /* TESTS_CLIENT_NAMES_H */
