/*
 * Patterns of names: see pattern.h.
 *
 * A pattern is a row of tokens. There is a place before each of them and one at
 * the end, and a place is reached when the tokens before it can match what has
 * been read of the name. One pass over the name with the set of all places that
 * are reached is all there is: there is no going back.
 */
#include "net-worker/core/policy/pattern.h"

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define WORDS 4 /* of 64 places, for those of PATTERN_MAX tokens */

struct places {
	uint64_t word[WORDS];
};

/* A set of places stands for the tokens behind them, too. */
struct pattern {
	const char *text;
	size_t length; /* of the text */
	size_t count;
	struct places literal[UINT8_MAX + 1]; /* by character, in lower case */
	struct places any;                    /* ? */
	struct places class;                  /* [a-z] */
	struct places others;                 /* [!a-z] */
	struct places run;                    /* * */
	struct places labels;                 /* ** with the dot behind it */
	uint8_t class_at[PATTERN_MAX];        /* in the text, by token */
	uint8_t class_length[PATTERN_MAX];
};

static void
set_place(struct places *to, size_t place)
{
	to->word[place / 64] |= (uint64_t)1 << place % 64;
}

static bool
has_place(const struct places *p, size_t place)
{
	return p->word[place / 64] >> place % 64 & 1;
}

static struct places
places_in_both(struct places a, struct places b)
{
	for (size_t i = 0; i < WORDS; i++)
		a.word[i] &= b.word[i];
	return a;
}

static struct places
places_in_either(struct places a, struct places b)
{
	for (size_t i = 0; i < WORDS; i++)
		a.word[i] |= b.word[i];
	return a;
}

/* The places behind the tokens. */
static struct places
places_behind(struct places p)
{
	for (size_t i = WORDS; i-- > 0;)
		p.word[i] = p.word[i] << 1 | (i > 0 ? p.word[i - 1] >> 63 : 0);
	return p;
}

/* Each reads a token that begins at a place of the text; 0, or its end. */

static size_t
read_stars(struct pattern *p, size_t at)
{
	size_t end = at + strspn(p->text + at, "*");

	if (end - at == 1) {
		set_place(&p->run, p->count++);
		return end;
	}
	if (end - at > 2 || (at > 0 && p->text[at - 1] != '.') ||
	    (end < p->length && p->text[end] != '.'))
		return 0;
	if (end + 1 == p->length)
		return 0; /* no label of a name is empty */
	/* Any number of labels twice is any number. */
	if (p->count == 0 || !has_place(&p->labels, p->count - 1))
		set_place(&p->labels, p->count++);
	return end < p->length ? end + 1 : end;
}

/* The first character of a class is never its end. */
static size_t
read_class(struct pattern *p, size_t at)
{
	bool others = p->text[at + 1] == '!';
	size_t first = at + (others ? 2 : 1), end;

	if (first >= p->length)
		return 0;
	end = first + 1 + strcspn(p->text + first + 1, "]");
	if (end == p->length)
		return 0;
	p->class_at[p->count] = (uint8_t)first;
	p->class_length[p->count] = (uint8_t)(end - first);
	set_place(others ? &p->others : &p->class, p->count++);
	return end + 1;
}

static size_t
read_pattern_token(struct pattern *p, size_t at)
{
	unsigned char c = (unsigned char)p->text[at];

	switch (c) {
	case '*':
		return read_stars(p, at);
	case '[':
		return read_class(p, at);
	case '?':
		set_place(&p->any, p->count++);
		return at + 1;
	default:
		set_place(&p->literal[tolower(c)], p->count++);
		return at + 1;
	}
}

/* Of a pattern that has nothing but its text. */
static bool
parse_pattern(struct pattern *p)
{
	p->length = strnlen(p->text, PATTERN_MAX + 1);
	if (p->length > PATTERN_MAX)
		return false;
	for (size_t at = 0; at < p->length;)
		if ((at = read_pattern_token(p, at)) == 0)
			return false;
	return true;
}

static bool
char_between(int c, int first, int last)
{
	return first <= c && c <= last;
}

/* Case is of no account between letters only. */
static bool
char_in_range(char c, char first, char last)
{
	unsigned char n = (unsigned char)c, low = (unsigned char)first,
		      high = (unsigned char)last;

	if (isalpha(low) && isalpha(high) &&
	    char_between(tolower(n), tolower(low), tolower(high)))
		return true;
	return char_between(n, low, high);
}

static bool
char_in_class(char c, const char *class, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (i + 2 < length && class[i + 1] == '-') {
			if (char_in_range(c, class[i], class[i + 2]))
				return true;
			i += 2;
		} else if (tolower((unsigned char)c) ==
		    tolower((unsigned char)class[i])) {
			return true;
		}
	}
	return false;
}

/* Which of the classes match the character. */
static struct places
classes_matching(const struct pattern *p, struct places which, char c)
{
	struct places matching = { 0 };

	for (size_t i = 0; i < WORDS; i++) {
		for (uint64_t left = which.word[i]; left != 0;
		     left &= left - 1) {
			size_t t = i * 64 + (size_t)__builtin_ctzll(left);

			if (char_in_class(c, p->text + p->class_at[t],
				p->class_length[t]) != has_place(&p->others, t))
				set_place(&matching, t);
		}
	}
	return matching;
}

/* What may match nothing, or no more, is passed. A run follows no other. */
static struct places
pass_empty_tokens(
    const struct pattern *p, struct places reached, bool label_begins)
{
	if (label_begins)
		reached = places_in_either(
		    reached, places_behind(places_in_both(reached, p->labels)));
	return places_in_either(
	    reached, places_behind(places_in_both(reached, p->run)));
}

static struct places
step_places(const struct pattern *p, struct places reached, char c)
{
	struct places taking =
	    places_in_both(reached, p->literal[tolower((unsigned char)c)]);
	struct places staying = places_in_both(reached, p->labels);

	if (c != '.') {
		taking =
		    places_in_either(taking, places_in_both(reached, p->any));
		taking = places_in_either(taking,
		    classes_matching(p,
			places_in_both(
			    reached, places_in_either(p->class, p->others)),
			c));
		staying =
		    places_in_either(staying, places_in_both(reached, p->run));
	}
	return pass_empty_tokens(
	    p, places_in_either(places_behind(taking), staying), c == '.');
}

static bool
name_matches(const struct pattern *p, const char *name)
{
	struct places reached = { { 1 } };

	reached = pass_empty_tokens(p, reached, true);
	for (; *name != '\0'; name++)
		reached = step_places(p, reached, *name);
	if (p->count > 0 && has_place(&p->labels, p->count - 1) &&
	    has_place(&reached, p->count - 1))
		return true;
	return has_place(&reached, p->count);
}

bool
pattern_matches(const char *pattern, const char *name)
{
	struct pattern p = { .text = pattern };

	if (!parse_pattern(&p))
		return false;
	if (strncmp(pattern, "*.", 2) == 0 &&
	    strcasecmp(pattern + 2, name) == 0)
		return true;
	return name_matches(&p, name);
}
