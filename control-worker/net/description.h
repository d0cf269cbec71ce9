/*
 * What the portal says of clients and resources apart from what they may do:
 * pointers into its message, as it came and not to be trusted.
 */
#ifndef CONTROL_WORKER_NET_DESCRIPTION_H
#define CONTROL_WORKER_NET_DESCRIPTION_H

#include <stddef.h>

#include "common/uuid.h"

/* Anything, also NULs. text is NULL where nothing was told. */
struct told_text {
	const char *text;
	size_t len;
};

/* A client and its user: firezone-portal(7), Create authorization. */
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

/* Who is to be told of them; NULL: nobody. */
struct described {
	void (*client)(void *ctx, const struct client_description *);
	void (*resource)(void *ctx, const struct resource_description *);
};

#endif /* CONTROL_WORKER_NET_DESCRIPTION_H */
