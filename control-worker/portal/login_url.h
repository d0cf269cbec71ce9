/*
 * Where the portal is and how we introduce ourselves: from the API URL and the
 * identity to host, port and request target. firezone-portal(7), URL, Query
 * parameters and Identity.
 */
#ifndef CONTROL_WORKER_PORTAL_LOGIN_URL_H
#define CONTROL_WORKER_PORTAL_LOGIN_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control-worker/net/url_host.h"

struct generation;

#define LOGIN_PATH_MAX   2048
#define LOGIN_TARGET_MAX 20480 /* with a token, every byte escaped */
#define LOGIN_HOST_MAX   (URL_HOST_MAX + 16) /* with brackets and port */

struct login_url {
	bool tls;
	struct url_host host;
	uint16_t port;
	char path[LOGIN_PATH_MAX + 1]; /* without slash at its end */
};

/* Who logs in. */
struct login_identity {
	const char *external_id, *name, *token;
	const char *token_source;       /* where it was found, for people */
	const char *os, *arch, *kernel; /* the latter two may be empty */
};

/* 0, or -1 with a text that says what is wrong with it. */
int login_url_parse(const char *api_url, struct login_url *, const char **what);
/* "wss://api.firezone.dev", with the port where it is not 443. */
const char *login_url_display(const struct login_url *, char *to, size_t size);
/* The value of Host. */
const char *login_url_host_header(
    const struct login_url *, const struct generation *, char *to, size_t size);
/* Path and query of the request, maybe with the token; false: no room. */
bool login_url_target(const struct login_url *, const struct generation *,
    const struct login_identity *, const uint8_t public_key[32], char *to,
    size_t size);

#endif /* CONTROL_WORKER_PORTAL_LOGIN_URL_H */
