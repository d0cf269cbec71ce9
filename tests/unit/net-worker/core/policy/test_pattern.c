/*
 * Patterns of names (firezone-policy(7), Name patterns and Pattern vectors),
 * and against a matcher that knows labels and nothing else, and tries
 * everything.
 */
#include "tests/lib/packets.h"

#include <ctype.h>

#include "net-worker/core/policy/pattern.h"

struct row {
	const char *pattern;
	const char *name;
	bool match;
};

static const struct row rows[] = {
	/* The table of 6.5. */
	{ "example.com", "example.com", true },
	{ "example.com", "EXAMPLE.com", true },
	{ "example.com", "www.example.com", false },
	{ "*.example.com", "example.com", true },
	{ "*.example.com", "a.example.com", true },
	{ "*.example.com", "a.b.example.com", false },
	{ "**.example.com", "example.com", true },
	{ "**.example.com", "a.example.com", true },
	{ "**.example.com", "a.b.example.com", true },
	{ "**.example.com", "xexample.com", false },
	{ "app.**.example.com", "app.example.com", true },
	{ "app.**.example.com", "app.x.y.example.com", true },
	{ "app.**.example.com", "x.app.example.com", false },
	{ "app.*.example.com", "app.x.example.com", true },
	{ "app.*.example.com", "app.x.y.example.com", false },
	{ "app.*.example.com", "app.example.com", false },
	{ "app.f??.example.com", "app.foo.example.com", true },
	{ "app.f??.example.com", "app.fo.example.com", false },
	{ "*?*.example.com", "app.example.com", true },
	{ "*?*.example.com", "example.com", false },
	{ "app.*com", "app.xcom", true },
	{ "app.*com", "app.foo.com", false },
	{ "app.**.web.**.example.com", "app.web.example.com", true },
	{ "app.**.web.**.example.com", "app.a.web.b.c.example.com", true },
	{ "app.**.web.**.example.com", "app.example.com", false },
	/* Stars that match nothing, and the last label. */
	{ "**", "com", true },
	{ "**", "a.b.c", true },
	{ "a.**", "a", false },
	{ "a.**", "a.b", true },
	{ "a.**", "a.b.c", true },
	{ "**.**", "a", true },
	{ "a.**.**", "a.b", true },
	{ "a.**.**", "a", false },
	{ "**.", "a", false },
	{ "a.**.", "a.b", false },
	{ "*", "com", true },
	{ "*", "a.com", false },
	{ "ex*le.com", "exle.com", true },
	{ "ex*le.com", "ex.le.com", false },
	{ "example.com", "example.comx", false },
	{ "example.com", "example.co", false },
	{ "", "", true },
	{ "", "com", false },
	/* The remainder, and what only looks like one. */
	{ "*.example.com", "EXAMPLE.Com", true },
	{ "*.*.com", "a.com", false },
	{ "*.*.com", "*.com", true },
	{ "?.example.com", "example.com", false },
	{ "*.a*.com", "a.com", false },
	{ "*.[a", "[a", false },
	/* A dot of a label, and the backslash before it, are characters. */
	{ "*.example.com", "a\\.b.example.com", false },
	{ "**.example.com", "a\\.b.example.com", true },
	{ "a\\032b.com", "a\\032b.com", true },
	/* Classes. */
	{ "[ab].com", "a.com", true },
	{ "[ab].com", "B.com", true },
	{ "[ab].com", "c.com", false },
	{ "[ab].com", "ab.com", false },
	{ "[!ab].com", "c.com", true },
	{ "[!ab].com", "A.com", false },
	{ "a[!b]com", "a.com", false },
	{ "a[.]com", "a.com", false },
	{ "a[a.b]com", "abcom", true },
	{ "[a-c]x", "Bx", true },
	{ "[A-C]x", "bx", true },
	{ "[a-c]x", "dx", false },
	{ "[c-a]x", "bx", false },
	{ "[0-9a]x", "7x", true },
	{ "[0-9a]x", "Ax", true },
	{ "[0-9a]x", "-x", false },
	{ "[a-]x", "-x", true },
	{ "[a-]x", "bx", false },
	{ "[-a]x", "-x", true },
	{ "[A-z]x", "_x", true },
	{ "[a-Z]x", "mx", true },
	{ "[9-A]x", "ax", false },
	{ "[9-A]x", "Ax", true },
	{ "[]]x", "]x", true },
	{ "[!]]x", "]x", false },
	{ "[!]]x", "ax", true },
	{ "[]a]x", "ax", true },
	{ "[a]]x", "a]x", true },
	{ "[[]x", "[x", true },
	{ "[*]x", "*x", true },
	{ "[*]x", "ax", false },
	{ "[?**]x", "?x", true },
	{ "[a!]x", "!x", true },
	{ "]x", "]x", true },
};

static void
matches_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (pattern_matches(rows[i].pattern, rows[i].name) !=
		    rows[i].match)
			fail_msg("%s, %s: not %d", rows[i].pattern,
			    rows[i].name, rows[i].match);
}

static void
knows_what_is_valid(void **state)
{
	static const struct {
		const char *pattern;
		const char *name; /* NULL: not even itself */
	} table[] = {
		{ "a**", NULL },
		{ "**b", NULL },
		{ "a**.b", NULL },
		{ "a.**b", NULL },
		{ "**a.b", NULL },
		{ "***", NULL },
		{ "a.***.b", NULL },
		{ "a.****", NULL },
		{ "**?", NULL },
		{ "**[a]", NULL },
		{ "[a]**", NULL },
		{ "*?*", "a" },
		{ "**.**", "a.b" },
		{ "[", NULL },
		{ "[]", NULL },
		{ "[a", NULL },
		{ "[!", NULL },
		{ "[!]", NULL },
		{ "[!a", NULL },
		{ "a[b.com", NULL },
		{ "[]]", "]" },
		{ "[!]]", "a" },
		{ "[!!]", "a" },
		{ "[**]", "*" },
		{ "]", "]" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *pattern = table[i].pattern;

		const char *name = table[i].name;

		if (pattern_matches(pattern, name == NULL ? pattern : name) !=
		    (name != NULL))
			fail_msg("%s", pattern);
	}
}

static void
knows_its_limits(void **state)
{
	char pattern[PATTERN_MAX + 2], name[2048];

	(void)state;
	for (size_t n = PATTERN_MAX - 1; n <= PATTERN_MAX + 1; n++) {
		memset(pattern, 'a', n);
		pattern[n] = '\0';
		assert_int_equal(
		    pattern_matches(pattern, pattern), n <= PATTERN_MAX);
		memset(pattern, '?', n);
		memset(name, 'b', n);
		name[n] = '\0';
		assert_int_equal(
		    pattern_matches(pattern, name), n <= PATTERN_MAX);
	}
	/* Escapes make a name longer than any pattern. */
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_true(pattern_matches("*", name));
	assert_true(pattern_matches("**", name));
	/* Where trying everything would take for ever. */
	for (size_t i = 0; i < PATTERN_MAX - 1; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[PATTERN_MAX - 1] = '\0';
	assert_true(pattern_matches(pattern, name));
	name[sizeof(name) - 2] = 'b';
	assert_false(pattern_matches(pattern, name));
}

/* What follows is the other matcher. */

#define LABELS_MAX 16
#define TEXT_MAX   12

struct labels {
	char text[TEXT_MAX + 1];
	const char *label[LABELS_MAX];
	size_t count;
};

static void
split(struct labels *l, const char *text)
{
	char *at = l->text, *label;

	strcpy(l->text, text);
	l->count = 0;
	while ((label = strsep(&at, ".")) != NULL)
		l->label[l->count++] = label;
}

static bool
slow_label(const char *pattern, const char *label)
{
	if (*pattern == '*')
		return slow_label(pattern + 1, label) ||
		    (*label != '\0' && slow_label(pattern, label + 1));
	if (*pattern == '\0' || *label == '\0')
		return *pattern == *label;
	return (*pattern == '?' || tolower(*pattern) == tolower(*label)) &&
	    slow_label(pattern + 1, label + 1);
}

static bool
slow_labels(
    const struct labels *pattern, size_t i, const struct labels *name, size_t j)
{
	if (i == pattern->count)
		return j == name->count;
	if (strcmp(pattern->label[i], "**") != 0)
		return j < name->count &&
		    slow_label(pattern->label[i], name->label[j]) &&
		    slow_labels(pattern, i + 1, name, j + 1);
	if (i + 1 == pattern->count)
		return j < name->count;
	for (; j <= name->count; j++)
		if (slow_labels(pattern, i + 1, name, j))
			return true;
	return false;
}

static bool
slow_valid(const struct labels *pattern)
{
	size_t n = pattern->count;

	for (size_t i = 0; i < n; i++)
		if (strstr(pattern->label[i], "**") != NULL &&
		    strcmp(pattern->label[i], "**") != 0)
			return false;
	/* No label of a name is empty. */
	return n < 2 || pattern->label[n - 1][0] != '\0' ||
	    strcmp(pattern->label[n - 2], "**") != 0;
}

static bool
slow_matches(const char *pattern, const char *name)
{
	struct labels p, n;

	split(&p, pattern);
	split(&n, name);
	if (!slow_valid(&p))
		return false;
	if (strncmp(pattern, "*.", 2) == 0 &&
	    strcasecmp(pattern + 2, name) == 0)
		return true;
	return slow_labels(&p, 0, &n, 0);
}

/* The set of places has words, and none of their edges is special. */
static void
matches_at_every_length(void **state)
{
	char pattern[256], name[256];

	(void)state;
	for (size_t n = 1; n <= 255; n++) {
		memset(pattern, 'a', n);
		memset(name, 'a', n);
		pattern[n] = name[n] = '\0';
		assert_true(pattern_matches(pattern, name));
		pattern[n - 1] = '?';
		assert_true(pattern_matches(pattern, name));
		pattern[n - 1] = '*';
		assert_true(pattern_matches(pattern, name));
		pattern[n - 1] = 'a';
		name[n - 1] = 'b';
		assert_false(pattern_matches(pattern, name));
		name[n - 1] = '\0';
		assert_false(pattern_matches(pattern, name));
	}
}

static void
random_text(struct dice *d, const char *alphabet, char *to)
{
	size_t n = roll(d, TEXT_MAX + 1);

	for (size_t i = 0; i < n; i++)
		to[i] = alphabet[roll(d, (uint32_t)strlen(alphabet))];
	to[n] = '\0';
}

static void
agrees_with_trying_everything(void **state)
{
	struct dice d = dice_new();
	char pattern[TEXT_MAX + 1], name[TEXT_MAX + 1];
	size_t matched = 0, valid = 0;
	struct labels l;

	(void)state;
	for (size_t i = 0; i < 400000; i++) {
		bool match;

		random_text(&d, "ab..**?", pattern);
		random_text(&d, "abB.", name);
		match = slow_matches(pattern, name);
		split(&l, pattern);
		if (pattern_matches(pattern, name) != match)
			fail_msg("\"%s\", \"%s\": not %d", pattern, name,
			    pattern_matches(pattern, name));
		matched += match;
		valid += slow_valid(&l);
	}
	/* It was no test of refusals only. */
	assert_true(matched > 1000 && valid > 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_the_table),
		cmocka_unit_test(knows_what_is_valid),
		cmocka_unit_test(knows_its_limits),
		cmocka_unit_test(matches_at_every_length),
		cmocka_unit_test(agrees_with_trying_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
