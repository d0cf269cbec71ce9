/*
 * The ingest token of an authorization (firezone-policy(7), Ingest tokens): a
 * JWT whose signature we cannot check. The portal has handed it to us over a
 * verified connection; what is looked at here is only whether it has the shape
 * that the server asks for, and what it says of itself.
 */
#ifndef CONTROL_WORKER_FLOW_TOKEN_H
#define CONTROL_WORKER_FLOW_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/uuid.h"

#define FLOW_TOKEN_MAX       8192
#define FLOW_ATTRIBUTION_MAX 1536

enum flow_role {
	FLOW_INITIATOR,
	FLOW_RESPONDER,
};

struct flow_token {
	enum flow_role role;
	struct uuid authorization; /* policy_authorization_id */
	uint64_t client; /* whose flows they are: a hash of its device's id */
	bool uploads_enabled;
	uint64_t expires_at; /* unix seconds: no longer worth anything */
	/* The end of the authorization, which is before that. */
	uint64_t valid_until;
	/* The claims that say whose flow it is, as "name=value ..." for a log.
	 */
	char attribution[FLOW_ATTRIBUTION_MAX];
};

/* False for everything that is no such token. */
bool flow_token_parse(const char *jwt, size_t len, struct flow_token *);
const char *flow_role_name(enum flow_role);

#endif /* CONTROL_WORKER_FLOW_TOKEN_H */
