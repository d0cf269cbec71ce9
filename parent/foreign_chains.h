/*
 * Other people's chains. A packet must be accepted by every table, so an accept
 * of ours does not survive a refusal of theirs: where a foreign chain refuses
 * what it does not know (ruleset.h), two rules go to the head of the base
 * chain, marked by a comment. That holds for what is forwarded and for DNS
 * queries to the Gateway; what is refused elsewhere is named.
 *
 * They are looked at again whenever somebody changes tables, chains, rules or
 * the elements of sets that rules depend on, and our rules put back, unless
 * somebody insists (quarrel.h).
 */
#ifndef PARENT_FOREIGN_CHAINS_H
#define PARENT_FOREIGN_CHAINS_H

#include <stdbool.h>

#include "common/time.h"

struct foreign_chains;

/*
 * Removes what a crashed run left, and looks for the first time. NULL with
 * errno. A chain that takes no rule is named in the log with the command that
 * is missing.
 */
struct foreign_chains *foreign_chains_open(void);
/* Removes our rules wherever they are. */
void foreign_chains_close(struct foreign_chains *);

/* Readable when something has changed. */
int foreign_chains_fd(const struct foreign_chains *);
/*
 * To be called when the descriptor is readable or the deadline has come, and
 * harmless else. True when the chains have been looked at.
 */
bool foreign_chains_turn(struct foreign_chains *, struct mono now);
struct mono foreign_chains_deadline(const struct foreign_chains *);

/* Whether our own table was there when they were looked at. */
bool foreign_chains_saw_own_table(const struct foreign_chains *);
/* Why packets that should pass do not; empty: they do. */
const char *foreign_chains_trouble(const struct foreign_chains *);

#endif /* PARENT_FOREIGN_CHAINS_H */
