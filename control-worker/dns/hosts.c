/*
 * The hosts file: see hosts.h. It is small and seldom asked, so it is read
 * line by line at every question instead of being indexed.
 */
#include "control-worker/dns/hosts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct hosts {
	size_t len;
	char text[]; /* terminated */
};

struct hosts *
hosts_new(const char *text, size_t len)
{
	struct hosts *h = malloc(sizeof(*h) + len + 1);

	if (h == NULL)
		return NULL;
	h->len = len;
	memcpy(h->text, text, len);
	h->text[len] = '\0';
	return h;
}

void
hosts_free(struct hosts *h)
{
	free(h);
}

/* The next word of the line at *at, which moves on; its length, 0: no more. */
static size_t
next_hosts_word(const char **at, const char *end, const char **word)
{
	const char *p = *at;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	*word = p;
	while (p < end && *p != ' ' && *p != '\t' && *p != '#' && *p != '\r')
		p++;
	*at = p;
	return (size_t)(p - *word);
}

static bool
line_has_name(const char *at, const char *end, const char *name)
{
	size_t len = strlen(name), n;
	const char *word;

	while ((n = next_hosts_word(&at, end, &word)) > 0)
		if (n == len && strncasecmp(word, name, len) == 0)
			return true;
	return false;
}

size_t
hosts_lookup(
    const struct hosts *h, const char *name, struct ip_address *to, size_t max)
{
	const char *line, *end;
	size_t count = 0;

	if (h == NULL)
		return 0;
	for (line = h->text; line < h->text + h->len && count < max;
	     line = end + 1) {
		char address[ENDPOINT_TEXT_MAX];
		const char *at = line, *word;
		size_t n;

		end = strchrnul(line, '\n');
		n = next_hosts_word(&at, end, &word);
		if (n == 0 || n >= sizeof(address))
			continue;
		memcpy(address, word, n);
		address[n] = '\0';
		if (line_has_name(at, end, name) &&
		    ip_parse(address, &to[count]))
			count++;
	}
	return count;
}
