/*
 * Whether servers answer, as attempts to connect to them have shown. A server
 * answers as soon as it takes a connection, and is silent after PROBE_FAILURES
 * failed attempts in a row, so that one lost segment is no news. Plain data,
 * written by probes/probes.h.
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
	bool known; /* else it has not been found to do either */
	bool answers;
	unsigned failures;   /* since it last answered */
	uint64_t failed;     /* attempts in all */
	uint64_t since;      /* unix seconds: when answers last changed */
	uint64_t connect_us; /* what the last connection took */
	char error[128];     /* of the last attempt; empty: none */
};

struct probe_results {
	struct probe_result of[PROBES_MAX];
	size_t count;
};

/*
 * Takes down an attempt that has ended now (unix seconds): error is NULL when
 * there was a connection. True when it is news that the server answers, or is
 * silent.
 */
bool probe_result_note(struct probe_result *, const char *error,
    uint64_t connect_us, uint64_t now);
/* Whether any server is silent. */
bool probe_results_any_silent(const struct probe_results *);
/* Whether each server is known to answer or to be silent. */
bool probe_results_all_known(const struct probe_results *);

#endif /* CONTROL_WORKER_NET_PROBE_RESULT_H */
