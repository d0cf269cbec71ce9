/*
 * What the kernel knows of the way to an address, without a packet being sent:
 * a UDP socket is connected to it and looked at.
 */
#ifndef CONTROL_WORKER_NET_ROUTE_H
#define CONTROL_WORKER_NET_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"

struct route {
	bool exists;
	struct ip_address from; /* the host's address for it */
	uint32_t mtu;           /* of IP packets; 0: not known */
	char error[64];         /* why there is none */
};

void route_look(const struct endpoint *, struct route *);

#endif /* CONTROL_WORKER_NET_ROUTE_H */
