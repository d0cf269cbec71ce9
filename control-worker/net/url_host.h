/*
 * The host of a URL (RFC 3986 3.2): a name, an IPv4 or an IPv6 address, and
 * nothing else in its authority but a port.
 */
#ifndef CONTROL_WORKER_NET_URL_HOST_H
#define CONTROL_WORKER_NET_URL_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

#include "common/address.h"

#define URL_HOST_MAX 253

struct url_host {
	/* Lower case, without brackets and the dot at the end. */
	char text[URL_HOST_MAX + 1];
	bool absolute;             /* it had that dot: no search list */
	struct ip_address literal; /* where it is an address */
};

/* Of a URL that libcurl has read. 0, or -1 and what is wrong with it. */
int url_host_parse(CURLU *, struct url_host *, const char **what);
/* As it is written in a URL: an IPv6 address in brackets. */
const char *url_host_format(
    const struct url_host *, char *to, size_t size);
/* As it is looked up. */
const char *url_host_name(const struct url_host *, char to[URL_HOST_MAX + 2]);

#endif /* CONTROL_WORKER_NET_URL_HOST_H */
