/*
 * Kernel settings that the Gateway needs (posternd(8), The network). A value is
 * raised where it is lower, never lowered; what was changed is remembered and
 * taken back. A setting that cannot be written is named in the log, to be set
 * by hand: in a container they are read-only.
 */
#ifndef PARENT_SYSCTL_H
#define PARENT_SYSCTL_H

#include <stdbool.h>

#include "common/address.h"

struct udp_options;

/*
 * net.core.rmem_max and wmem_max for the buffers of the sockets (NULL leaves
 * them alone); forwarding and what it takes with it, for the device as well,
 * which has to be there. Call it once.
 */
void sysctls_raise(const struct udp_options *buffers, bool forwarding);
/* Whether the host did not forward the family until sysctls_raise. */
bool sysctls_forwarding_is_ours(enum ip_family);
/* What has become of the settings meanwhile, named as for sysctl(8). */
struct sysctl_report {
	char raised[200];  /* somebody had lowered them; names */
	char missing[200]; /* cannot be raised, and are needed; assignments */
};

/*
 * Raises again what forwarding needs. IPv6 is needed only by a tunnel that has
 * it. Works in a process that has been confined since.
 */
void sysctls_keep(bool has_v6, struct sysctl_report *);
/*
 * Needs no path: what is to be restored was kept open, so it works in a process
 * that has been confined since.
 */
void sysctls_restore(void);

#endif /* PARENT_SYSCTL_H */
