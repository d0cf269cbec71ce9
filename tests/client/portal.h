/*
 * The portal's side of the client. portal_driver.py speaks WebSocket and JSON;
 * it is our child, and we exchange lines of words with it:
 *
 *	from it	interface V4 V6
 *		resources begin | resources end
 *		resource ID cidr|dns|internet ADDRESS NAME
 *		deleted ID
 *		relay ID ADDRESS USERNAME PASSWORD
 *		forget-relay ID
 *		authorized RESOURCE GATEWAY KEY PSK CLIENT-USER CLIENT-PASSWORD
 *			GATEWAY-USER GATEWAY-PASSWORD ice|iceless
 *		prepared RESOURCE GATEWAY
 *		connected RESOURCE GATEWAY KEY GATEWAY-USER GATEWAY-PASSWORD
 *		refused RESOURCE REASON
 *		candidate GATEWAY LINE | uncandidate GATEWAY LINE
 *		portal up | portal down
 *	to it	request RESOURCE [GATEWAY]
 *		connect RESOURCE GATEWAY PSK USER PASSWORD [DOMAIN PROXY ...]
 *		reuse RESOURCE GATEWAY [DOMAIN PROXY ...]
 *		candidate GATEWAY LINE | uncandidate GATEWAY LINE
 *		no-relays
 *		reconnect
 *
 * prepared, connected, connect and reuse are for clients until 1.3 only.
 */
#ifndef TESTS_CLIENT_PORTAL_H
#define TESTS_CLIENT_PORTAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/client/ice.h"
#include "tests/client/lines.h"

#define ID_SIZE 64

struct client;

struct authorization {
	char resource[ID_SIZE];
	char gateway[ID_SIZE];
	uint8_t public_key[32];
	uint8_t psk[32];
	struct ice_credentials ours, theirs;
	bool iceless; /* the credentials are of no use then */
};

/* What the driver is started with; it keeps to the device, unless "". */
struct portal_options {
	const char *driver, *url, *external_id, *release, *device;
	bool iceless; /* is offered */
};

struct portal {
	int fd; /* a stream socket to the driver */
	pid_t pid;
	struct portal_options options;
	struct lines lines;
};

/* -1 and errno. */
int portal_start(struct portal *, const struct portal_options *,
    const uint8_t public_key[32]);
/* Reads what there is; false when the driver is gone. */
bool portal_input(struct client *);
void portal_send(const struct client *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void portal_stop(struct portal *);
/* Connects anew, as after a change of network. */
int portal_restart(struct portal *, const uint8_t public_key[32]);

#endif /* TESTS_CLIENT_PORTAL_H */
