/*
 * What the portal says of clients and resources beside what they may do, as it
 * came: pointers into its message, and nothing of it to be trusted.
 */
#ifndef CONTROL_WORKER_NET_DESCRIPTION_H
#define CONTROL_WORKER_NET_DESCRIPTION_H

#include <stddef.h>

#include "common/uuid.h"

/* text NULL: not told. It may hold anything, NULs too. */
struct told_text {
	const char *text;
	size_t len;
};

/* Of a client and of who uses it: firezone-portal(7), Create authorization. */
struct client_description {
	struct uuid client;
	struct told_text actor, email;
	struct told_text system, system_version, serial;
	struct told_text city;
};

struct resource_description {
	struct uuid resource;
	struct told_text name;
};

/* Who is told; NULL: nobody. */
struct described {
	void (*client)(void *ctx, const struct client_description *);
	void (*resource)(void *ctx, const struct resource_description *);
};

#endif /* CONTROL_WORKER_NET_DESCRIPTION_H */
