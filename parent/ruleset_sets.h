/*
 * The sets and maps of other people's rules, as far as they can be judged: what
 * they hold does not change but with a notification, and is not too much. A
 * set that is not known here may hold anything.
 */
#ifndef PARENT_RULESET_SETS_H
#define PARENT_RULESET_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parent/ruleset.h"

#define SETS_MAX         512
#define SET_ELEMENTS_MAX 8192 /* of all sets */
#define SET_KEY_MAX      48
#define LARGE_SETS_MAX   16

struct nlmsghdr;
struct nlattr;

struct set_element {
	/* Between them; of a concatenation in each field. */
	uint8_t low[SET_KEY_MAX], high[SET_KEY_MAX];
	/* Of a map of verdicts: */
	uint8_t action;
	uint16_t target; /* of a jump, in chains */
	bool ends_interval; /* while it is read: is not in the set itself */
	bool catches_all;   /* what no other element matches */
};

struct ruleset_set {
	uint8_t family; /* NFPROTO_ */
	char table[RULESET_NAME_SIZE], name[RULESET_NAME_SIZE];
	uint64_t handle;
	uint32_t flags; /* NFT_SET_ */
	uint32_t key_len;
	unsigned first, elements;
	bool known; /* all elements have been read */
	bool used;  /* a rule depends on them */
};

struct ruleset_sets {
	struct ruleset_set set[SETS_MAX];
	unsigned sets;
	struct set_element element[SET_ELEMENTS_MAX];
	unsigned elements;
	/*
	 * Sets that had more elements than there is room for: to list 100000
	 * takes the kernel a third of a second, so it is done but once. The
	 * next one takes the place of the oldest.
	 */
	struct ruleset_set large[LARGE_SETS_MAX];
	unsigned larges;
};

struct set_reader {
	struct ruleset *rules;
	struct ruleset_sets *sets;
	unsigned table; /* that is read, in rules */
	unsigned set;   /* likewise, in sets */
};

/* For NFT_MSG_NEWSET; data is a struct set_reader. */
void sets_read_set(const struct nlmsghdr *, void *data);
/* Begins a set; false when its elements need not be listed. */
bool sets_begin(struct set_reader *, unsigned set);
/* For NFT_MSG_NEWSETELEM of that set. */
void sets_read_elements(const struct nlmsghdr *, void *data);
/* It is complete, or could not be listed. */
void sets_end(struct set_reader *, bool complete);

/* A set of that table, which a rule uses. NULL: none that is known. */
const struct ruleset_set *sets_use(struct ruleset_sets *,
    const struct ruleset_table *, const char *name);
/* Whether a message of elements speaks of a set that a rule uses. */
bool sets_concern(const struct ruleset_sets *, const struct nlmsghdr *);

/*
 * What a verdict (NFTA_DATA_VERDICT) does, and where a jump goes to in that
 * table; ACTION_NONE goes on.
 */
enum action sets_read_verdict(struct ruleset *, unsigned table,
    const struct nlattr *verdict, uint16_t *target);

#endif /* PARENT_RULESET_SETS_H */
