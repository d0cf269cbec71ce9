/*
 * resolv.conf(5), from its bytes. firezone-policy(7), Resolution and Choice of
 * resolver.
 */
#ifndef CONTROL_WORKER_DNS_RESOLV_CONF_H
#define CONTROL_WORKER_DNS_RESOLV_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"

#define DNS_NAME_MAX    253
#define RESOLV_SERVERS  8
#define RESOLV_SUFFIXES 6

struct resolv_conf {
	struct endpoint servers[RESOLV_SERVERS];
	size_t server_count;
	char suffixes[RESOLV_SUFFIXES][DNS_NAME_MAX + 1];
	size_t suffix_count;
	unsigned ndots;
	unsigned timeout_s; /* of one try */
	unsigned attempts;
	bool rotate;
};

/* What is not understood is left out; without a server it is 127.0.0.1. */
void resolv_conf_parse(struct resolv_conf *, const char *text, size_t len);

#endif /* CONTROL_WORKER_DNS_RESOLV_CONF_H */
