/*
 * How clients until 1.3 get access (firezone-portal(7), Two-step requests):
 * the portal says which gateway, and it is the client that makes the secrets of
 * the connection. Each further resource, and each further name of one, is told
 * to the gateway by way of the portal.
 */
#ifndef TESTS_CLIENT_TWOSTEP_H
#define TESTS_CLIENT_TWOSTEP_H

#include <stdint.h>

#include "common/time.h"
#include "tests/client/ice.h"
#include "tests/client/portal.h"

struct client;

/* The connection that the gateway has not answered, or resource "". */
struct two_step {
	char resource[ID_SIZE];
	struct mono asked;
	char domain[256];
	uint8_t psk[32];
	struct ice_credentials ours;
};

/* The first answer: the gateway for the resource. */
void two_step_prepared(
    struct client *, const char *resource, const char *gateway);
/* The second one: the gateway has accepted, with its own secrets. */
void two_step_connected(struct client *, const char *resource,
    const char *gateway, const uint8_t public_key[32],
    const struct ice_credentials *theirs);
/* The portal has refused, or the connection is gone. */
void two_step_forget(struct client *);

#endif /* TESTS_CLIENT_TWOSTEP_H */
