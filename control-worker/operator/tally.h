/*
 * The resources that clients are granted, and to how many clients each: counted
 * from the grants of all clients, which come one after the other.
 */
#ifndef CONTROL_WORKER_OPERATOR_TALLY_H
#define CONTROL_WORKER_OPERATOR_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"

#define TALLY_MAX 16384

struct tallied {
	struct ipc_query_grant grant; /* as the first client has it */
	uint32_t clients;
};

struct tally;

struct tally *tally_new(void);   /* NULL without memory */
void tally_free(struct tally *); /* NULL is fine */
/* False without memory or room: the resource is left out. */
bool tally_add(struct tally *, const struct ipc_query_grant *);
/* Takes out the resource with the least id. False: there is none left. */
bool tally_take(struct tally *, struct tallied *);

#endif /* CONTROL_WORKER_OPERATOR_TALLY_H */
