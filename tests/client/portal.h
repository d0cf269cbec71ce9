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
 *			GATEWAY-USER GATEWAY-PASSWORD
 *		refused RESOURCE REASON
 *		candidate GATEWAY LINE | uncandidate GATEWAY LINE
 *		portal up | portal down
 *	to it	request RESOURCE [GATEWAY]
 *		candidate GATEWAY LINE | uncandidate GATEWAY LINE
 *		no-relays
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
};

struct portal {
	int fd; /* a stream socket to the driver */
	pid_t pid;
	struct lines lines;
};

/*
 * Starts the driver with the options that are its own; it speaks through the
 * device only, unless that is "". -1 and errno.
 */
int portal_start(struct portal *, const char *driver, const char *url,
    const char *external_id, const uint8_t public_key[32], const char *device);
/* Reads what there is; false when the driver is gone. */
bool portal_input(struct client *);
void portal_send(struct client *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void portal_stop(struct portal *);

#endif /* TESTS_CLIENT_PORTAL_H */
