/* Patterns of names: a pattern in one line and a name in the rest. */
#include "net-worker/core/policy/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

void
fuzz_one(struct cursor *in)
{
	char *pattern = pick_text(in), *end = strchr(pattern, '\n'), *name;

	/* Each in a block that ends with it. */
	name = strdup(end == NULL ? "" : end + 1);
	must(name != NULL);
	if (end != NULL)
		*end = '\0';
	pattern = realloc(pattern, strlen(pattern) + 1);
	must(pattern != NULL);

	if (pattern_matches(pattern, name)) {
		must(strlen(pattern) <= PATTERN_MAX);
		/* Any number of labels is also as many as these. */
		must(pattern_matches("**", name));
	}
	/* What has nothing special in it matches itself only. */
	if (strlen(pattern) <= PATTERN_MAX && strpbrk(pattern, "*?[") == NULL) {
		must(pattern_matches(pattern, pattern));
		must(pattern_matches(pattern, name) ==
		    (strcasecmp(pattern, name) == 0));
	}
	free(pattern);
	free(name);
}
