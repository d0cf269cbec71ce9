/* Durations as people write them: a sum of numbers with units. */
#include "parent/options.h"

#include <string.h>

static const struct {
	const char *names; /* each between spaces */
	uint64_t ns;
} units[] = {
	{ " ns nsec ", 1 }, { " us usec ", 1000 }, { " ms msec ", 1000000 },
	{ " s sec secs second seconds ", UINT64_C(1000000000) },
	{ " m min mins minute minutes ", UINT64_C(60000000000) },
	{ " h hr hrs hour hours ", UINT64_C(3600000000000) },
	{ " d day days ", UINT64_C(86400000000000) },
	{ " w wk wks week weeks ", UINT64_C(604800000000000) },
	{ " M month months ", UINT64_C(2630016000000000) },       /* 30.44 d */
	{ " y yr yrs year years ", UINT64_C(31557600000000000) }, /* 365.25 d */
};

static uint64_t
unit_ns(const char *text, size_t len)
{
	char word[16];

	if (len == 0 || len > sizeof(word) - 3)
		return 0;
	word[0] = ' ';
	memcpy(word + 1, text, len);
	word[len + 1] = ' ';
	word[len + 2] = '\0';
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strstr(units[i].names, word) != NULL)
			return units[i].ns;
	return 0;
}

static const char *
skip_spaces(const char *text)
{
	return text + strspn(text, " \t");
}

bool
options_parse_duration(const char *text, uint64_t *ms)
{
	uint64_t total = 0;

	text = skip_spaces(text);
	if (strcmp(text, "0") == 0) {
		*ms = 0;
		return true;
	}
	if (*text == '\0')
		return false;
	while (*text != '\0') {
		uint64_t n = 0, ns;
		size_t digits = strspn(text, "0123456789"), len;

		if (digits == 0)
			return false;
		for (size_t i = 0; i < digits; i++)
			if (__builtin_mul_overflow(n, 10, &n) ||
			    __builtin_add_overflow(
				n, (uint64_t)(text[i] - '0'), &n))
				return false;
		text = skip_spaces(text + digits);
		len = strspn(text, "abcdefghijklmnopqrstuvwxyzM");
		if ((ns = unit_ns(text, len)) == 0 ||
		    __builtin_mul_overflow(n, ns, &n) ||
		    __builtin_add_overflow(total, n, &total))
			return false;
		text = skip_spaces(text + len);
	}
	*ms = total / 1000000;
	return true;
}
