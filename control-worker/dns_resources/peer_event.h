/*
 * The JSON inside the control packets of clients (firezone-policy(7), Events):
 * what a client says about a name, and what it is told. No I/O.
 */
#ifndef CONTROL_WORKER_DNS_RESOURCES_PEER_EVENT_H
#define CONTROL_WORKER_DNS_RESOURCES_PEER_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/control_event.h"
#include "control-worker/net/name_proxies.h"

struct assigned_ips {
	struct name_proxies names; /* the client does not name itself */
	char resource_text[UUID_TEXT_LEN + 1]; /* as the client spelled it */
};

/* False: it is to be ignored. */
bool assigned_ips_parse(const void *payload, size_t len, struct assigned_ips *);

/* To be freed; NULL without memory. */
char *domain_status(const struct assigned_ips *, bool active);

#endif /* CONTROL_WORKER_DNS_RESOURCES_PEER_EVENT_H */
