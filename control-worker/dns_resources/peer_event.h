/*
 * The JSON inside the control packets of clients (firezone-policy(7), Events):
 * what a client says about a name, and what it is told. No I/O.
 */
#ifndef CONTROL_WORKER_DNS_RESOURCES_PEER_EVENT_H
#define CONTROL_WORKER_DNS_RESOURCES_PEER_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"
#include "common/bounds.h"
#include "common/control_event.h"
#include "common/uuid.h"

struct assigned_ips {
	struct uuid resource;
	char resource_text[UUID_TEXT_LEN + 1]; /* as the client spelled it */
	char domain[DOMAIN_TEXT_MAX + 1];
	struct ip_address proxies[PROXIES_MAX];
	size_t proxy_count;
};

/* False: it is to be ignored. */
bool assigned_ips_parse(const void *payload, size_t len, struct assigned_ips *);

/* To be freed; NULL without memory. */
char *domain_status(const struct assigned_ips *, bool active);

#endif /* CONTROL_WORKER_DNS_RESOURCES_PEER_EVENT_H */
