/*
 * What attempts to connect say of a server: it answers when it takes one, and
 * is silent after PROBE_FAILURES in a row that it did not, so that one lost
 * segment is no news. Plain data, written by probes/probes.h.
 */
#ifndef CONTROL_WORKER_NET_PROBE_RESULT_H
#define CONTROL_WORKER_NET_PROBE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/bounds.h"

#define PROBE_FAILURES 2

struct probe_result {
	struct endpoint server;
	bool known; /* else neither has been found yet */
	bool answers;
	unsigned failures;   /* attempts in a row */
	uint64_t failed;     /* of all attempts */
	uint64_t since;      /* unix seconds: it has been so */
	uint64_t connect_us; /* what the last connection took */
	char error[128];     /* of the last attempt; empty: none */
};

struct probe_results {
	struct probe_result of[PROBES_MAX];
	size_t count;
};

/*
 * An attempt has ended, now (unix seconds): error is NULL when there was a
 * connection, which took so long. True when what is known becomes another.
 */
bool probe_result_note(struct probe_result *, const char *error,
    uint64_t connect_us, uint64_t now);
/* Whether a server is silent. */
bool probe_results_lack(const struct probe_results *);
/* Whether it is known of all whether they are. */
bool probe_results_are_known(const struct probe_results *);

#endif /* CONTROL_WORKER_NET_PROBE_RESULT_H */
