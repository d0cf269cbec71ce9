/*
 * Proxy addresses that a client has assigned to a name of a resource:
 * firezone-policy(7), Assignment. Some clients say it to us, some to the
 * portal.
 */
#ifndef CONTROL_WORKER_NET_NAME_PROXIES_H
#define CONTROL_WORKER_NET_NAME_PROXIES_H

#include <stddef.h>

#include "common/address.h"
#include "common/bounds.h"
#include "common/uuid.h"

struct name_proxies {
	struct uuid client, resource;
	char domain[DOMAIN_TEXT_MAX + 1];
	struct ip_address proxies[PROXIES_MAX];
	size_t proxy_count;
};

#endif /* CONTROL_WORKER_NET_NAME_PROXIES_H */
