/*
 * The nftables table "postern" (inet, flags owner), by libnftables: masquerade,
 * forwarding and the rules that bind a compromised worker.
 */
#ifndef PARENT_FIREWALL_H
#define PARENT_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/address.h"
#include "common/bounds.h"
#include "common/time.h"

#define FIREWALL_RESOLVERS_MAX 8

struct firewall_options {
	bool masquerade;  /* --no-masquerade leaves NAT to the administrator */
	bool expose_host; /* our own tunnel address answers everything */
	/*
	 * The host did not forward before us, so it shall not do so beside the
	 * tunnel: between the interfaces that there are at the installation.
	 * One that comes later is the affair of who makes it, as Docker does,
	 * who would have turned forwarding on.
	 */
	bool keep_apart_v4, keep_apart_v6;
	/*
	 * (uid_t)-1 or 0: no rules for the control-worker, and of net-worker
	 * only for the sockets that it is given, which have our mark.
	 */
	uid_t net_uid, control_uid;
	/* That control-worker may connect to at any time. */
	const struct endpoint *probes;
	size_t probe_count;
};

/* Whom control-worker may talk to, beside answers; all zero: nobody. */
struct firewall_egress {
	/* TCP, of any host on the Internet, as 443 for the flow logs. */
	uint16_t portal_port;
	/* Others, for the same ports. */
	struct ip_address hosts[PRIVATE_HOSTS_MAX];
	size_t host_count;
	struct ip_address resolvers[FIREWALL_RESOLVERS_MAX];
	size_t resolver_count;
};

struct firewall;

/*
 * Installs the table; it lives as long as the object, in this process and in
 * every one forked from it that has not executed another program. NULL with a
 * sentence for the operator in why. A rule of another table that drops what we
 * forward is overruled, or named in the log.
 */
struct firewall *firewall_install(
    const struct firewall_options *, char *why, size_t why_size);
/*
 * Lets control-worker talk to these, and to nobody else; at first it is nobody.
 * -1 with a log line.
 */
int firewall_set_egress(struct firewall *, const struct firewall_egress *);
/*
 * Others change their rules while we run. When the descriptor is readable or
 * the deadline has come, firewall_turn() puts back what is missing, the table
 * or rules in foreign chains; firewall_trouble() is what stays wrong all the
 * same, as a sentence for the operator, or empty.
 */
int firewall_fd(const struct firewall *);
void firewall_turn(struct firewall *, struct mono now);
struct mono firewall_deadline(const struct firewall *);
const char *firewall_trouble(const struct firewall *);
/* Removes the table and the rules put into foreign chains. */
void firewall_remove(struct firewall *);

#endif /* PARENT_FIREWALL_H */
