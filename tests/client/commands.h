/*
 * What a test can tell the client while it runs, a line a command, by a FIFO:
 *
 *	assign RESOURCE DOMAIN PROXY [PROXY ...]
 *		what the proxies stand for; RESOURCE is an id or a name
 *	inject HEX
 *		an inner packet, sent as it is
 *	roam ADDRESS [ADDRESS]
 *		another network: these are the local addresses from now on
 */
#ifndef TESTS_CLIENT_COMMANDS_H
#define TESTS_CLIENT_COMMANDS_H

#include "tests/client/lines.h"

struct commands {
	int fd; /* or -1 */
	struct lines lines;
};

/* -1 and errno. */
int commands_open(struct commands *, const char *fifo);
/* Reads and does what there is; false when the FIFO is of no more use. */
bool commands_input(struct client *);

#endif /* TESTS_CLIENT_COMMANDS_H */
