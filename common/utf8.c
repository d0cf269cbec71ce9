/* UTF-8 from outside: see utf8.h. */
#include "common/utf8.h"

uint32_t
utf8_decode(const char *text, size_t len, size_t *taken)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *b = (const uint8_t *)text;
	size_t n = b[0] < 0x80 ? 1
	    : b[0] < 0xc0      ? 0
	    : b[0] < 0xe0      ? 2
	    : b[0] < 0xf0      ? 3
	    : b[0] < 0xf8      ? 4
			       : 0;
	uint32_t c = n == 1 ? b[0] : b[0] & (0x7fu >> n);

	*taken = 1;
	if (n == 0 || n > len)
		return UTF8_NONE;
	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return UTF8_NONE;
		c = c << 6 | (b[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return UTF8_NONE;
	*taken = n;
	return c;
}

bool
utf8_is_shown(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0, 0x1f },
		{ 0x7f, 0x9f },
		{ 0xad, 0xad },
		{ 0x34f, 0x34f },
		{ 0x600, 0x605 },
		{ 0x61c, 0x61c },
		{ 0x6dd, 0x6dd },
		{ 0x70f, 0x70f },
		{ 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 },
		{ 0x180b, 0x180f },
		{ 0x200b, 0x200f },
		{ 0x2028, 0x202e },
		{ 0x2060, 0x206f },
		{ 0x2800, 0x2800 },
		{ 0x3164, 0x3164 },
		/* Private use, and what is no character at all. */
		{ 0xd800, 0xf8ff },
		{ 0xfdd0, 0xfdef },
		{ 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff },
		{ 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb },
		{ 0x1bca0, 0x1bca3 },
		{ 0x1d173, 0x1d17a },
		{ 0xe0000, UTF8_NONE },
	};

	if (c >= 0x20 && c < 0x7f)
		return true; /* nearly always */
	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return false;
	/* Nor are the last two of each plane. */
	return (c & 0xfffe) != 0xfffe;
}
