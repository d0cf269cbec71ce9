/*
 * One rule of a resource's traffic filter (firezone-policy(7), Filters). An
 * empty list of rules permits everything; an empty range (first > last) permits
 * nothing.
 */
#ifndef COMMON_FILTER_H
#define COMMON_FILTER_H

#include <stdint.h>

#include "common/bounds.h"

enum filter_protocol {
	FILTER_TCP = 1,
	FILTER_UDP = 2,
	FILTER_ICMP = 3,
};

struct filter {
	uint8_t protocol; /* enum filter_protocol */
	uint16_t first;   /* port, inclusive; ignored for ICMP */
	uint16_t last;    /* port, inclusive; ignored for ICMP */
};

enum resource_type {
	RESOURCE_CIDR = 1,
	RESOURCE_DNS = 2,
	RESOURCE_INTERNET = 3,
};

#endif /* COMMON_FILTER_H */
