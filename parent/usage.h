/*
 * What our processes use of the machine, for the metrics. The parent measures
 * it, since the workers' sandboxes do not let them look.
 */
#ifndef PARENT_USAGE_H
#define PARENT_USAGE_H

#include <stdint.h>
#include <sys/types.h>

/* 0 for what is not known. */
struct usage {
	uint64_t cpu_us; /* by all its threads, since it began */
	uint64_t resident_bytes;
	uint32_t descriptors;
};

void usage_measure(pid_t, struct usage *);

#endif /* PARENT_USAGE_H */
