/* Patterns and names of few different characters, now and then long ones. */
#include <string.h>

#include "net-worker/core/policy/pattern.h"
#include "tests/model/world.h"

static char
any_letter(struct dice *d)
{
	static const char letters[] = "aabAB0";

	return letters[roll(d, sizeof(letters) - 1)];
}

static size_t
put_class(struct dice *d, char *to)
{
	size_t n = 0;

	to[n++] = '[';
	if (percent(d, 30))
		to[n++] = '!';
	if (percent(d, 40)) {
		to[n++] = percent(d, 50) ? 'a' : '0';
		to[n++] = '-';
		to[n] = to[n - 2] == 'a' ? 'b' : '1';
		n++;
	}
	to[n++] = any_letter(d);
	to[n++] = ']';
	return n;
}

/* The name is made along with it, so that they often match. */
static void
any_pattern(struct dice *d, char pattern[256], char name[256])
{
	uint32_t labels = 1 + roll(d, 4);
	uint32_t most = percent(d, 30) ? 40 : 3;
	size_t n = 0, m = 0;

	for (uint32_t i = 0; i < labels; i++) {
		if (i > 0) {
			pattern[n++] = '.';
			name[m++] = '.';
		}
		if (percent(d, 20)) {
			pattern[n++] = '*';
			if (percent(d, 80))
				pattern[n++] = '*';
		}
		for (uint32_t k = 1 + roll(d, most); k > 0; k--) {
			char c = any_letter(d);

			name[m++] = c;
			if (n > 0 && pattern[n - 1] == '*' && percent(d, 70))
				continue;
			if (percent(d, 8))
				n += put_class(d, pattern + n);
			else
				pattern[n++] = percent(d, 70) ? c
				    : percent(d, 40)          ? '*'
				    : percent(d, 60)          ? '?'
							      : any_letter(d);
			if (n > 200)
				break;
		}
	}
	/* Whether a dot in a class ends a label, nobody has said. */
	if (percent(d, 5) && memchr(pattern, '[', n) == NULL)
		pattern[roll(d, (uint32_t)n)] = "[*?."[roll(d, 4)];
	pattern[n] = '\0';
	name[m] = '\0';
}

void
world_patterns(struct world *w)
{
	char pattern[256], name[256];

	for (int i = 0; i < 100; i++) {
		bool matches;

		any_pattern(&w->dice, pattern, name);
		matches = model_matches(pattern, name);
		w->model->seen[matches ? PATH_PATTERN_MATCHES
				       : PATH_PATTERN_DOES_NOT]++;
		if (pattern_matches(pattern, name) != matches)
			world_differs(w, "pattern %s, name %s", pattern, name);
	}
}
