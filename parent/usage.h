/*
 * What a process of ours takes of the machine, for the metrics: the workers
 * themselves may not look.
 */
#ifndef PARENT_USAGE_H
#define PARENT_USAGE_H

#include <stdint.h>
#include <sys/types.h>

/* 0 where it cannot be told. */
struct usage {
	uint64_t cpu_us; /* of all its threads, since it began */
	uint64_t resident_bytes;
	uint32_t descriptors;
};

void usage_measure(pid_t, struct usage *);

#endif /* PARENT_USAGE_H */
