/*
 * Counters of clients and resources as posternd tells them to posternctl top
 * (control-worker/operator/top_lines.c has the form), and rates from two such
 * samples. What is not as it should be is no sample.
 */
#ifndef PARENT_TOP_SAMPLE_H
#define PARENT_TOP_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More clients than a daemon can have, and all of its resources' meters. */
#define TOP_ENTRIES_MAX 140000
#define TOP_ID_LEN      36

struct top_counters {
	uint64_t from_bytes, from_packets, to_bytes, to_packets;
};

struct top_entry {
	bool is_resource;
	char id[TOP_ID_LEN + 1]; /* hexadecimal digits and hyphens */
	struct top_counters counters;
	const char *name; /* in the text: a cell, not terminated */
	size_t name_len;
};

struct top_sample {
	char *text;
	uint64_t ms; /* of a clock of its own */
	struct top_counters total;
	size_t count;
	struct top_entry *entries; /* clients, then resources; by id */
	size_t clients;            /* of them */
	/* Why something is missing, in the text; NULL: nothing is. */
	const char *problem;
};

/*
 * Takes text over, which is malloc'd, of that length, and has room for one more
 * byte. False: it is no sample, or there is no memory; then there is nothing to
 * be freed.
 */
bool top_sample_parse(struct top_sample *, char *text, size_t len);
void top_sample_free(struct top_sample *);

/* What has no entry of its own, together: it has no id. */
bool top_is_rest(const struct top_entry *);

/* In a second. */
struct top_rate {
	const struct top_entry *entry; /* of the newer sample */
	double from_bits, to_bits, packets;
};

/* Of all together. */
struct top_rate top_rate_of_all(
    const struct top_sample *old, const struct top_sample *new);
/*
 * Those of clients, or of resources, the greatest first, and of equal ones what
 * has no entry of its own last; to has room for all
 * entries. How many there are. What was not there before, or has begun anew,
 * has no rate yet.
 */
size_t top_rates(const struct top_sample *old, const struct top_sample *new,
    bool resources, struct top_rate *to);

#endif /* PARENT_TOP_SAMPLE_H */
