/*
 * Where reports are posted: the portal's api_url with the path of the interface
 * (firezone-policy(7), Upload), or where a server of it sends us. Only https on
 * port 443 and without credentials.
 */
#ifndef CONTROL_WORKER_FLOW_INGEST_URL_H
#define CONTROL_WORKER_FLOW_INGEST_URL_H

#include <stdbool.h>

#include "control-worker/net/url_host.h"

#define INGEST_PORT    443
#define INGEST_URL_MAX 2304

struct ingest_url {
	char text[INGEST_URL_MAX];
	struct url_host host;
};

/* 0, or -1 with a text that says what is wrong with it. */
int ingest_url_parse(
    const char *api_url, struct ingest_url *, const char **what);
/* The Location of an answer from from, which may be relative to it. */
int ingest_url_redirect(const struct ingest_url *from, const char *location,
    struct ingest_url *to, const char **what);

#endif /* CONTROL_WORKER_FLOW_INGEST_URL_H */
