/*
 * What posternctl(8) asks for, as one line: a command, "text", "wide" or "json"
 * and, by the command, arguments:
 *
 *	status, relays, resources
 *	clients [CLIENT]
 *	drain SECONDS, drain cancel
 *	flows [CLIENT]		follow [CLIENT]
 *	top			not as JSON; see top_lines.c
 *	explain PROTOCOL DESTINATION[:PORT] CLIENT
 *	log LEVEL
 *	netcheck
 *	config, metrics		the same text whatever the form
 */
#ifndef CONTROL_WORKER_OPERATOR_CTL_REQUEST_H
#define CONTROL_WORKER_OPERATOR_CTL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/bounds.h"
#include "common/log.h"

#define CTL_REQUEST_MAX 768
/* Bytes of a word that search.h finds a client by. */
#define CTL_CLIENT_MAX 256

enum ctl_command {
	CTL_STATUS,
	CTL_CLIENTS,
	CTL_RELAYS,
	CTL_RESOURCES,
	CTL_EXPLAIN,
	CTL_FLOWS,
	CTL_FOLLOW, /* flows as they begin and end, for as long as is read */
	CTL_LOG,
	CTL_NETCHECK,
	CTL_CONFIG,
	CTL_METRICS,
	CTL_TOP,
	CTL_DRAIN,
};

enum ctl_form {
	CTL_TEXT, /* of at most 80 columns, where it is a table */
	CTL_WIDE,
	CTL_JSON,
};

/* A packet to be explained. */
struct ctl_packet {
	uint8_t protocol;
	struct endpoint destination; /* IP_NONE: the name */
	char domain[DOMAIN_MAX + 1];
};

struct ctl_request {
	enum ctl_command command;
	enum ctl_form form;
	char client[CTL_CLIENT_MAX + 1]; /* empty: all */
	struct ctl_packet packet;
	enum log_level level;
	uint32_t within; /* seconds to drain; 0: to drain no more */
};

/* Parses a line with its end. Returns NULL, or what is wrong with it. */
const char *ctl_request_parse(
    const char *line, size_t len, struct ctl_request *);

/* "tcp", or a number where there is no name. */
const char *ctl_protocol_name(uint8_t protocol, char to[8]);

#endif /* CONTROL_WORKER_OPERATOR_CTL_REQUEST_H */
