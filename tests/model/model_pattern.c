/*
 * Whether a name is one of a pattern's: firezone-policy(7), Name patterns;
 * label by label, by trying everything.
 */
#include "tests/model/model.h"

#include <ctype.h>
#include <string.h>

/* A label of the text, which ends at a dot or with the text. */
static size_t
label(const char *text)
{
	return strcspn(text, ".");
}

static const char *
after(const char *text)
{
	text += label(text);
	return *text == '.' ? text + 1 : NULL;
}

static int
folded(char c)
{
	return tolower((unsigned char)c);
}

/* Of letters, digits and ranges of these, between "[" and "]". */
static bool
class_matches(const char *class, size_t length, char c)
{
	bool others = length > 0 && class[0] == '!', found = false;

	for (size_t i = others; i < length; i++) {
		bool range = i + 2 < length && class[i + 1] == '-';
		int last = folded(class[range ? i + 2 : i]);

		found |= folded(class[i]) <= folded(c) && folded(c) <= last;
		i += range ? 2 : 0;
	}
	return found != others;
}

/* The element of a pattern at its start matches this one character. */
static bool
one_matches(const char *pattern, char c)
{
	if (*pattern == '[')
		return class_matches(pattern + 1, strcspn(pattern, "]") - 1, c);
	return *pattern == '?' || folded(*pattern) == folded(c);
}

/* Which beginnings of the name the elements so far can match. */
static bool
label_matches(
    const char *pattern, size_t pattern_length, const char *name, size_t length)
{
	const char *end = pattern + pattern_length;
	bool reached[256] = { true }, next[256];

	while (pattern < end) {
		memset(next, 0, sizeof(next));
		for (size_t i = 0; i <= length; i++) {
			if (*pattern == '*')
				next[i] = reached[i] || (i > 0 && next[i - 1]);
			else if (i > 0)
				next[i] = reached[i - 1] &&
				    one_matches(pattern, name[i - 1]);
		}
		memcpy(reached, next, sizeof(next));
		if (*pattern == '[')
			pattern += strcspn(pattern, "]");
		pattern++;
	}
	return reached[length];
}

static bool
is_any(const char *pattern)
{
	return label(pattern) == 2 && pattern[0] == '*' && pattern[1] == '*';
}

/* NULL: no label is left. */
static bool
labels_match(const char *pattern, const char *name)
{
	if (pattern == NULL)
		return name == NULL;
	if (is_any(pattern)) {
		/* The last label matches one at least. */
		if (after(pattern) == NULL)
			return name != NULL;
		for (;; name = after(name)) {
			if (labels_match(after(pattern), name))
				return true;
			if (name == NULL)
				return false;
		}
	}
	if (name == NULL)
		return false;
	return label_matches(pattern, label(pattern), name, label(name)) &&
	    labels_match(after(pattern), after(name));
}

static bool
pattern_is_valid(const char *pattern)
{
	for (; pattern != NULL; pattern = after(pattern)) {
		const char *stars = strstr(pattern, "**");

		const char *open = pattern;

		if (stars != NULL && stars < pattern + label(pattern) &&
		    !is_any(pattern))
			return false;
		while (
		    (open = memchr(open, '[',
			 label(pattern) - (size_t)(open - pattern))) != NULL) {
			open = memchr(open, ']',
			    label(pattern) - (size_t)(open - pattern));
			if (open == NULL)
				return false;
		}
	}
	return true;
}

bool
model_matches(const char *pattern, const char *name)
{
	if (!pattern_is_valid(pattern))
		return false;
	if (strncmp(pattern, "*.", 2) == 0 &&
	    strcasecmp(pattern + 2, name) == 0)
		return true;
	return labels_match(pattern, name);
}
