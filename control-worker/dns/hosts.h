/* hosts(5), from its bytes. */
#ifndef CONTROL_WORKER_DNS_HOSTS_H
#define CONTROL_WORKER_DNS_HOSTS_H

#include <stddef.h>

#include "common/address.h"

struct hosts;

/* Keeps a copy of the text; NULL without memory. */
struct hosts *hosts_new(const char *text, size_t len);
void hosts_free(struct hosts *); /* NULL is fine */
/* The addresses of the name, as many as fit; how many. NULL hosts are empty. */
size_t hosts_lookup(
    const struct hosts *, const char *name, struct ip_address *to, size_t max);

#endif /* CONTROL_WORKER_DNS_HOSTS_H */
