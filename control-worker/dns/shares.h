/*
 * Room that clients share: nobody has more than a part of it, and where all of
 * it is taken, whoever has most makes room for one who has less. Sans-IO.
 */
#ifndef CONTROL_WORKER_DNS_SHARES_H
#define CONTROL_WORKER_DNS_SHARES_H

#include "common/address.h"

#define SHARES_MAX 512

struct shares {
	unsigned max, of_client; /* at most SHARES_MAX; set by the owner */
	unsigned total;
	unsigned clients;
	struct share {
		struct ip_address ip;
		unsigned count;
	} of[SHARES_MAX];
};

enum shares_verdict {
	SHARES_ROOM,
	SHARES_FULL, /* once the other one has given one back, there is room */
	SHARES_EVEN, /* all is taken, and nobody has more than this client */
	SHARES_TOO_MANY, /* for one client */
};

/* Whether there is room for one more; other is set for SHARES_FULL. */
enum shares_verdict shares_ask(const struct shares *,
    const struct ip_address *client, struct ip_address *other);
void shares_take(struct shares *, const struct ip_address *);
void shares_give(struct shares *, const struct ip_address *);

#endif /* CONTROL_WORKER_DNS_SHARES_H */
