/*
 * The hosts file: see hosts.h. Some are long lists of what is not to be
 * reached, and clients choose what is looked up: so it is read once, and then
 * found by a hash of the name. What others collide with is up to whoever writes
 * the file, not to clients.
 */
#include "control-worker/dns/hosts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOSTS_START 64
#define NO_HOST     UINT32_MAX

/* One name of a line. */
struct host {
	struct ip_address ip;
	uint32_t next; /* of the same hash, later in the file; or NO_HOST */
	uint32_t name, len; /* in the text */
};

struct hosts {
	char *text;
	struct host *host; /* in the order of the file */
	size_t count, size;
	uint32_t *first; /* by the hash, as many as mask + 1; or NO_HOST */
	uint32_t mask;
};

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

/* FNV-1a, for either case. */
static uint32_t
hash_name(const char *name, size_t len)
{
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)name[i];

		hash ^= c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
		hash *= 16777619;
	}
	return hash;
}

static struct host *
add_host(struct hosts *h)
{
	size_t size = h->size == 0 ? HOSTS_START : h->size * 2;
	struct host *host;

	if (h->count == h->size) {
		host = reallocarray(h->host, size, sizeof(*host));
		if (host == NULL)
			return NULL;
		h->host = host;
		h->size = size;
	}
	return &h->host[h->count++];
}

/* False without memory. */
static bool
read_line(struct hosts *h, const char *at, const char *end)
{
	char address[ENDPOINT_TEXT_MAX];
	struct ip_address ip;
	const char *word;
	size_t n = next_hosts_word(&at, end, &word);

	if (n == 0 || n >= sizeof(address))
		return true;
	memcpy(address, word, n);
	address[n] = '\0';
	if (!ip_parse(address, &ip))
		return true;
	while ((n = next_hosts_word(&at, end, &word)) > 0) {
		struct host *host = add_host(h);

		if (host == NULL)
			return false;
		*host = (struct host){
			.ip = ip,
			.name = (uint32_t)(word - h->text),
			.len = (uint32_t)n,
		};
	}
	return true;
}

/* From the last to the first, so that each comes before those after it. */
static bool
index_hosts(struct hosts *h)
{
	size_t places = HOSTS_START;

	while (places < h->count)
		places *= 2;
	if ((h->first = reallocarray(NULL, places, sizeof(*h->first))) == NULL)
		return false;
	h->mask = (uint32_t)places - 1;
	for (size_t i = 0; i < places; i++)
		h->first[i] = NO_HOST;
	for (size_t i = h->count; i-- > 0;) {
		struct host *host = &h->host[i];
		uint32_t *first = &h->first[h->mask &
		    hash_name(h->text + host->name, host->len)];

		host->next = *first;
		*first = (uint32_t)i;
	}
	return true;
}

struct hosts *
hosts_new(const char *text, size_t len)
{
	struct hosts *h = NULL;
	const char *line, *end;
	bool complete = true;

	if (len >= UINT32_MAX || (h = calloc(1, sizeof(*h))) == NULL ||
	    (h->text = malloc(len + 1)) == NULL) {
		hosts_free(h);
		return NULL;
	}
	memcpy(h->text, text, len);
	h->text[len] = '\0';
	for (line = h->text; complete && line < h->text + len; line = end + 1) {
		end = strchrnul(line, '\n');
		complete = read_line(h, line, end);
	}
	if (complete && index_hosts(h))
		return h;
	hosts_free(h);
	return NULL;
}

void
hosts_free(struct hosts *h)
{
	if (h == NULL)
		return;
	free(h->text);
	free(h->host);
	free(h->first);
	free(h);
}

size_t
hosts_lookup(
    const struct hosts *h, const char *name, struct ip_address *to, size_t max)
{
	size_t count = 0, len = strlen(name);
	uint32_t i = NO_HOST;

	if (h != NULL && len > 0)
		i = h->first[h->mask & hash_name(name, len)];
	for (; i != NO_HOST && count < max; i = h->host[i].next) {
		const struct host *host = &h->host[i];

		if (host->len == len &&
		    strncasecmp(h->text + host->name, name, len) == 0)
			to[count++] = host->ip;
	}
	return count;
}
