/*
 * Where the portal is and how we introduce ourselves: from the API URL and the
 * identity to host, port, request target and user agent. firezone-portal(7),
 * URL, Query parameters, Identity and User agent.
 */
#ifndef CONTROL_WORKER_PORTAL_LOGIN_URL_H
#define CONTROL_WORKER_PORTAL_LOGIN_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control-worker/net/url_host.h"

/* The protocol generation that we implement; the portal routes clients by it.
 */
#define GATEWAY_VERSION "1.6.1"

#define LOGIN_PATH_MAX   2048
#define LOGIN_TARGET_MAX 8192
#define USER_AGENT_MAX   512

struct login_url {
	bool tls;
	struct url_host host;
	uint16_t port;
	char path[LOGIN_PATH_MAX + 32]; /* that of the WebSocket */
};

/* 0, or -1 with a text that says what is wrong with it. */
int login_url_parse(const char *api_url, struct login_url *, const char **what);
/* "wss://api.firezone.dev", with the port where it is not 443. */
const char *login_url_display(const struct login_url *, char *to, size_t size);
/* The value of Host, which never has a port. */
const char *login_url_host_header(
    const struct login_url *, char *to, size_t size);
/* Path and query of the request; false when it does not fit. */
bool login_url_target(const struct login_url *, const char *external_id,
    const char *name, const uint8_t public_key[32], char *to, size_t size);

/* "Debian/12 gateway/1.6.1 (x86_64; 6.1.0)" without non-ASCII characters. */
void user_agent_format(const char *os, const char *arch, const char *kernel,
    char *to, size_t size);

#endif /* CONTROL_WORKER_PORTAL_LOGIN_URL_H */
