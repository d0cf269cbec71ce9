/*
 * The names that a DNS resource stands for: firezone-policy(7), Name patterns.
 *
 *	**	as a label: any number of labels, at least one at the end
 *	*	any run of characters of a label, also none
 *	?	one character of a label
 *	[a-z0]	one of these characters, and [!a-z0] one of the others
 *
 * All other characters stand for themselves, without regard to ASCII case, and
 * every label of the name must be matched. But "*.example.com" also matches
 * "example.com".
 *
 * The name is text without a final dot; a dot that is part of a label is not
 * told apart. The time is proportional to the length of the name, whatever the
 * pattern, and with classes at most to that times the length of the pattern.
 */
#ifndef NET_WORKER_CORE_POLICY_PATTERN_H
#define NET_WORKER_CORE_POLICY_PATTERN_H

#include <stdbool.h>

#include "common/bounds.h"

/*
 * False for a pattern that is not valid: longer than PATTERN_MAX, with two
 * stars that are not a label of their own, or with a bracket left open.
 */
bool pattern_matches(const char *pattern, const char *name);

#endif /* NET_WORKER_CORE_POLICY_PATTERN_H */
