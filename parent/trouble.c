/* What is wrong with the host's network set-up: see trouble.h. */
#include "parent/trouble.h"

#include <string.h>

_Static_assert(TROUBLE_SOURCES * (TROUBLE_TEXT_MAX + 1) <= TROUBLES_MAX,
    "all troubles fit the text, each with what separates it");

bool
trouble_set(struct troubles *t, enum trouble_source source, const char *text)
{
	char now[TROUBLE_TEXT_MAX];

	strlcpy(now, text, sizeof(now));
	if (strcmp(t->text[source], now) == 0)
		return false;
	memcpy(t->text[source], now, sizeof(now));
	return true;
}

bool
trouble_is_there(const struct troubles *t)
{
	for (size_t i = 0; i < TROUBLE_SOURCES; i++)
		if (t->text[i][0] != '\0')
			return true;
	return false;
}

const char *
trouble_describe(const struct troubles *t, char to[TROUBLES_MAX])
{
	to[0] = '\0';
	for (size_t i = 0; i < TROUBLE_SOURCES; i++) {
		if (t->text[i][0] == '\0')
			continue;
		if (to[0] != '\0')
			strlcat(to, "; ", TROUBLES_MAX);
		strlcat(to, t->text[i], TROUBLES_MAX);
	}
	return to;
}
