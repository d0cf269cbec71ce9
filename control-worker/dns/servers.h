/*
 * In which order the servers of resolv.conf are asked: those that answer as
 * they are listed there, then those that have kept silent. A silent one is
 * asked again from time to time, more and more rarely, whether it is back.
 *
 * Sans-IO. Times in milliseconds of any clock that does not go back.
 */
#ifndef CONTROL_WORKER_DNS_SERVERS_H
#define CONTROL_WORKER_DNS_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control-worker/dns/resolv_conf.h"

#define SERVERS_RECHECK_MS     30000 /* after the first silence; it doubles */
#define SERVERS_RECHECK_MAX_MS 960000

/*
 * A server that has not answered after so long is not waited for any more, but
 * another one asked beside it. However many there are, the last of them is
 * asked before SERVERS_ALL_MS are over.
 */
#define SERVERS_PAUSE_MS 400
#define SERVERS_ALL_MS   1200

struct servers {
	struct endpoint at[RESOLV_SERVERS];
	size_t count;
	bool rotate;
	unsigned turn;
	struct {
		unsigned times; /* in a row; 0: it answers */
		uint64_t recheck;
	} silent[RESOLV_SERVERS];
};

/* All of them are taken to answer. */
void servers_set(struct servers *, const struct resolv_conf *);
/* How many there are. */
size_t servers_order(struct servers *, struct endpoint to[RESOLV_SERVERS]);
/* By how many there are. */
unsigned servers_pause_ms(size_t count);

/* A server that is not known, any more, does not matter. */
void servers_heard(struct servers *, const struct endpoint *);
void servers_silent(
    struct servers *, const struct endpoint *, uint64_t now_ms);
/*
 * Whether one has been silent for so long that it is to be asked whether it is
 * back. Of what came out servers_heard() or servers_silent() tells.
 */
bool servers_recheck(struct servers *, uint64_t now_ms, struct endpoint *);

#endif /* CONTROL_WORKER_DNS_SERVERS_H */
