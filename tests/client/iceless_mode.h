/*
 * The ICE-less mode in this client: what ties the path agent of iceless.h to
 * sockets, tunnel and portal.
 */
#ifndef TESTS_CLIENT_ICELESS_MODE_H
#define TESTS_CLIENT_ICELESS_MODE_H

#include "tests/client/ice.h"

struct client;

/* Once, before anything else. */
void iceless_mode_init(struct client *);
/* A connection begins: announces what there is, and the first handshake. */
void iceless_mode_start(struct client *);
/* Tells the gateway all candidates, which it may have lost. */
void iceless_mode_announce(const struct client *);
/* A candidate line of the gateway: a new one, or one that is withdrawn. */
void iceless_mode_remote(struct client *, const char *line, bool added);
/* See client_local_found and client_local_lost. */
void iceless_mode_local(struct client *, enum candidate_kind,
    const struct endpoint *address, const struct endpoint *base);
void iceless_mode_local_lost(
    struct client *, const struct endpoint *address, bool by_portal);
void iceless_mode_timer(struct client *);

#endif /* TESTS_CLIENT_ICELESS_MODE_H */
