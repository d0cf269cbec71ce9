/* Names fit to be shown: see label.h. */
#include "control-worker/directory/label.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/utf8.h"

struct character_range {
	uint32_t first, last;
};

static bool
is_in_ranges(const struct character_range *ranges, size_t count, uint32_t c)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

#define IS_WITHIN(ranges, c) \
	is_in_ranges(ranges, sizeof(ranges) / sizeof((ranges)[0]), c)

static bool
is_space(uint32_t c)
{
	static const struct character_range spaces[] = {
		{ '\t', '\r' },
		{ ' ', ' ' },
		{ 0x85, 0x85 },
		{ 0xa0, 0xa0 },
		{ 0x1680, 0x1680 },
		{ 0x2000, 0x200a },
		{ 0x2028, 0x2029 },
		{ 0x202f, 0x202f },
		{ 0x205f, 0x205f },
		{ 0x3000, 0x3000 },
	};

	return IS_WITHIN(spaces, c);
}

size_t
label_clean(char *to, size_t size, const char *from, size_t len)
{
	size_t n = 0, taken;
	bool space = false;

	for (size_t i = 0; i < len; i += taken) {
		uint32_t c = utf8_decode(from + i, len - i, &taken);
		size_t blank = space && n > 0;

		if (c == UTF8_NONE)
			continue;
		if (is_space(c)) {
			space = true;
			continue;
		}
		if (!utf8_is_shown(c))
			continue;
		if (n + blank + taken + 1 > size)
			break;
		if (blank)
			to[n++] = ' ';
		memcpy(to + n, from + i, taken);
		n += taken;
		space = false;
	}
	to[n] = '\0';
	return n;
}

/* As wcwidth(3) has it, which needs a locale and its files. */
static size_t
character_columns(uint32_t c)
{
	static const struct character_range none[] = {
		{ 0x300, 0x36f },
		{ 0x483, 0x489 },
		{ 0x591, 0x5bd },
		{ 0x610, 0x61a },
		{ 0x64b, 0x65f },
		{ 0xe31, 0xe31 },
		{ 0xe34, 0xe3a },
		{ 0xe47, 0xe4e },
		{ 0x1ab0, 0x1aff },
		{ 0x1dc0, 0x1dff },
		{ 0x20d0, 0x20ff },
		{ 0xfe20, 0xfe2f },
	};
	static const struct character_range wide[] = {
		{ 0x1100, 0x115f },
		{ 0x2e80, 0x303e },
		{ 0x3041, 0xa4cf },
		{ 0xac00, 0xd7a3 },
		{ 0xf900, 0xfaff },
		{ 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 },
		{ 0xffe0, 0xffe6 },
		{ 0x1f300, 0x1f64f },
		{ 0x1f900, 0x1faff },
		{ 0x20000, 0x3fffd },
	};

	if (IS_WITHIN(none, c))
		return 0;
	return IS_WITHIN(wide, c) ? 2 : 1;
}

size_t
label_fit(const char *text, size_t columns)
{
	size_t len = strlen(text), at = 0, used = 0, taken;

	while (at < len) {
		used +=
		    character_columns(utf8_decode(text + at, len - at, &taken));
		if (used > columns)
			break;
		at += taken;
	}
	return at;
}

size_t
label_width(const char *text)
{
	size_t len = strlen(text), width = 0, taken;

	for (size_t at = 0; at < len; at += taken)
		width +=
		    character_columns(utf8_decode(text + at, len - at, &taken));
	return width;
}
