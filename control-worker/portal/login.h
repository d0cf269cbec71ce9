/*
 * The login: who we are, and the HTTP request that says so.
 * firezone-portal(7), Query parameters, Request headers and User agent.
 */
#ifndef CONTROL_WORKER_PORTAL_LOGIN_H
#define CONTROL_WORKER_PORTAL_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control-worker/portal/failure.h"
#include "control-worker/portal/login_url.h"
#include "control-worker/portal/upgrade.h"

#define USER_AGENT_MAX 512

struct login_request {
	struct upgrade_request http; /* points to what follows */
	char target[LOGIN_TARGET_MAX];
	char host[LOGIN_HOST_MAX];
	char user_agent[USER_AGENT_MAX];
};

/* A copy of all of it; false without memory, and it is to be freed then, too.
 */
bool login_identity_copy(
    const struct login_identity *from, struct login_identity *to);
void login_identity_free(struct login_identity *); /* wipes the token */

/*
 * The request of one attempt; false when it does not fit. It may hold the
 * token, which stays the identity's: to be wiped either way.
 */
bool login_request_make(struct login_request *, const struct login_url *,
    const struct generation *, const struct login_identity *,
    const uint8_t public_key[32]);
void login_request_wipe(struct login_request *);

/* What the portal has refused, and why, as far as it said; to. */
const char *login_refusal_format(const struct transport_failure *,
    const struct login_identity *, char *to, size_t size);

/* "Debian/12 gateway/1.6.1 (x86_64; 6.1.0)" without non-ASCII characters. */
void user_agent_format(const struct generation *, const struct login_identity *,
    char *to, size_t size);

#endif /* CONTROL_WORKER_PORTAL_LOGIN_H */
