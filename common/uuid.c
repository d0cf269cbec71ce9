/* UUID text: see uuid.h. */
#include "common/uuid.h"

#include <stddef.h>
#include <stdio.h>
#include <strings.h>

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Whether a hyphen stands before digit number i of the hyphenated form. */
static bool
hyphen_before(size_t i)
{
	return i == 8 || i == 12 || i == 16 || i == 20;
}

bool
uuid_parse(const char *text, struct uuid *u)
{
	size_t len = strlen(text);
	bool hyphens;

	if (len == UUID_TEXT_LEN + 2 && text[0] == '{' && text[len - 1] == '}') {
		text++;
		len -= 2;
	} else if (strncasecmp(text, "urn:uuid:", 9) == 0) {
		text += 9;
		len -= 9;
	}
	if (len != UUID_TEXT_LEN && len != 32)
		return false;
	hyphens = len == UUID_TEXT_LEN;
	for (size_t i = 0; i < 32; i++) {
		int digit;

		if (hyphens && hyphen_before(i) && *text++ != '-')
			return false;
		if ((digit = hex_digit(*text++)) == -1)
			return false;
		if (i % 2 == 0)
			u->bytes[i / 2] = (uint8_t)(digit << 4);
		else
			u->bytes[i / 2] |= (uint8_t)digit;
	}
	return true;
}

const char *
uuid_format(const struct uuid *u, char to[UUID_TEXT_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	char *at = to;

	for (size_t i = 0; i < 32; i++) {
		uint8_t byte = u->bytes[i / 2];

		if (hyphen_before(i))
			*at++ = '-';
		*at++ = digits[i % 2 == 0 ? byte >> 4 : byte & 0x0f];
	}
	*at = '\0';
	return to;
}
