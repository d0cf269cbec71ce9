/* resolv.conf: see resolv_conf.h. */
#include "control-worker/dns/resolv_conf.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 1024
#define DNS_PORT     53

/* The bounds of resolv.conf(5). */
#define NDOTS_MAX    15
#define TIMEOUT_MAX  30
#define ATTEMPTS_MAX 5

static void
add_server(struct resolv_conf *c, char *text)
{
	struct endpoint *e = &c->servers[c->server_count];

	/* An address of one link is out of reach without its zone. */
	text[strcspn(text, "%")] = '\0';
	if (c->server_count == RESOLV_SERVERS || !ip_parse(text, &e->ip) ||
	    ip_is_link_local(&e->ip))
		return;
	e->port = DNS_PORT;
	c->server_count++;
}

static void
set_suffixes(struct resolv_conf *c, char *list)
{
	char *word, *state = NULL;

	c->suffix_count = 0;
	for (word = strtok_r(list, " \t", &state); word != NULL;
	     word = strtok_r(NULL, " \t", &state)) {
		size_t len = strlen(word);

		if (len > 0 && word[len - 1] == '.')
			word[--len] = '\0';
		if (len == 0 || len > DNS_NAME_MAX ||
		    c->suffix_count == RESOLV_SUFFIXES)
			continue;
		memcpy(c->suffixes[c->suffix_count++], word, len + 1);
	}
}

static void
set_number(const char *word, const char *name, unsigned low, unsigned high,
    unsigned *to)
{
	size_t len = strlen(name);
	unsigned long n;

	if (strncmp(word, name, len) != 0 || word[len] < '0' || word[len] > '9')
		return;
	n = strtoul(word + len, NULL, 10);
	*to = n < low ? low : n > high ? high : (unsigned)n;
}

static void
set_resolv_options(struct resolv_conf *c, char *list)
{
	char *word, *state = NULL;

	for (word = strtok_r(list, " \t", &state); word != NULL;
	     word = strtok_r(NULL, " \t", &state)) {
		set_number(word, "ndots:", 0, NDOTS_MAX, &c->ndots);
		set_number(word, "timeout:", 1, TIMEOUT_MAX, &c->timeout_s);
		set_number(word, "attempts:", 1, ATTEMPTS_MAX, &c->attempts);
		if (strcmp(word, "rotate") == 0)
			c->rotate = true;
	}
}

static void
parse_resolv_line(struct resolv_conf *c, char *line)
{
	char *rest = NULL;
	const char *key;

	if (line[0] == '#' || line[0] == ';' ||
	    (key = strtok_r(line, " \t", &rest)) == NULL)
		return;
	rest += strspn(rest, " \t");
	if (strcmp(key, "nameserver") == 0) {
		rest[strcspn(rest, " \t")] = '\0';
		add_server(c, rest);
	} else if (strcmp(key, "search") == 0) {
		set_suffixes(c, rest);
	} else if (strcmp(key, "domain") == 0) {
		rest[strcspn(rest, " \t")] = '\0';
		set_suffixes(c, rest);
	} else if (strcmp(key, "options") == 0) {
		set_resolv_options(c, rest);
	}
}

void
resolv_conf_parse(struct resolv_conf *c, const char *text, size_t len)
{
	const char *end = text + len;

	*c = (struct resolv_conf){ .ndots = 1, .timeout_s = 5, .attempts = 2 };
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline == NULL ? end : newline) - text);
		char line[LINE_MAX_LEN];

		if (n < sizeof(line) && memchr(text, '\0', n) == NULL) {
			memcpy(line, text, n);
			line[n] = '\0';
			line[strcspn(line, "\r")] = '\0';
			parse_resolv_line(c, line);
		}
		text += n + 1;
	}
	if (c->server_count == 0)
		c->servers[c->server_count++] = (struct endpoint){
			ip_v4(127, 0, 0, 1),
			DNS_PORT,
		};
}
