/* Words instead of names and addresses: see mask.h. */
#include "parent/mask.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS      256
#define ADDRESS_TEXT 64
#define KINDS_MAX    16 /* more than there are in the tables below */
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

struct masked {
	struct masked *next; /* in its bucket, the longest first */
	const char *kind;
	unsigned number; /* among its kind */
	size_t len;
	char text[];
};

struct mask {
	struct masked *bucket[BUCKETS]; /* by the first byte */
	struct {
		const char *kind; /* NULL: none, and none behind it */
		unsigned count;
	} kinds[KINDS_MAX];
};

struct name {
	const char *of, *kind;
};

/* Members of JSON, and what their values are called. */
static const struct name members[] = {
	{ "actor", "person" },
	{ "address", "destination" },
	{ "city", "place" },
	{ "client", "client" },
	{ "domain", "domain" },
	{ "email", "person" },
	{ "host", "host" },
	{ "issuer", "issuer" },
	{ "name", "name" },
	{ "relay", "relay" },
	{ "resource", "resource" },
	{ "serial", "device" },
	{ "url", "url" },
};

/* Labels of metrics, likewise. */
static const struct name labels[] = {
	{ "client", "client" },
	{ "name", "name" },
	{ "resource", "resource" },
	{ "user", "person" },
};

/* Options, likewise. */
static const struct name options[] = {
	{ "api-url", "url" },
	{ "firezone-id", "id" },
	{ "firezone-name", "name" },
	{ "otlp-grpc-endpoint", "url" },
};

struct mask *
mask_new(void)
{
	return calloc(1, sizeof(struct mask));
}

void
mask_free(struct mask *m)
{
	struct masked *one;

	if (m == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while ((one = m->bucket[i]) != NULL) {
			m->bucket[i] = one->next;
			free(one);
		}
	free(m);
}

static struct masked *
find_masked(const struct mask *m, const char *text, size_t len)
{
	struct masked *one = m->bucket[(unsigned char)text[0]];

	while (one != NULL &&
	    (one->len != len || memcmp(one->text, text, len) != 0))
		one = one->next;
	return one;
}

/* One more of the kind: how many there are. */
static unsigned
count_kind(struct mask *m, const char *kind)
{
	size_t i = 0;

	while (i < KINDS_MAX - 1 && m->kinds[i].kind != NULL &&
	    strcmp(m->kinds[i].kind, kind) != 0)
		i++;
	m->kinds[i].kind = kind;
	return ++m->kinds[i].count;
}

/* NULL without memory. */
static struct masked *
insert_masked(struct mask *m, const char *kind, const char *text, size_t len)
{
	struct masked *one = malloc(sizeof(*one) + len), **at;

	if (one == NULL)
		return NULL;
	one->kind = kind;
	one->number = count_kind(m, kind);
	one->len = len;
	memcpy(one->text, text, len);
	at = &m->bucket[(unsigned char)text[0]];
	while (*at != NULL && (*at)->len > len)
		at = &(*at)->next;
	one->next = *at;
	*at = one;
	return one;
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' ||
	    (unsigned char)c >= 0x80;
}

static bool
is_everywhere(int family, const unsigned char *ip)
{
	static const unsigned char none[16], one[16] = { [15] = 1 };

	if (family == AF_INET)
		return ip[0] == 127 || memcmp(ip, none, 4) == 0;
	return memcmp(ip, none, 16) == 0 || memcmp(ip, one, 16) == 0;
}

/* How much of the text is an address of the family; 0: none of it. */
static size_t
address_length(int family, const char *text, size_t len, char canonical[])
{
	const char *digits =
	    family == AF_INET ? "0123456789." : "0123456789abcdefABCDEF:.";
	char copy[ADDRESS_TEXT];
	unsigned char ip[16];
	size_t n = 0;

	while (
	    n < len && n < sizeof(copy) - 1 && strchr(digits, text[n]) != NULL)
		n++;
	while (n > 0 && (text[n - 1] == '.' || text[n - 1] == ':') &&
	    (n < 2 || text[n - 1] != ':' || text[n - 2] != ':'))
		n--;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (inet_pton(family, copy, ip) != 1)
		return 0;
	if (is_everywhere(family, ip))
		strlcpy(canonical, "", ADDRESS_TEXT);
	else
		inet_ntop(family, ip, canonical, ADDRESS_TEXT);
	return n;
}

/* Whether it is one, with what may be behind it; those are found anyway. */
static bool
is_address(const char *text, size_t len)
{
	char canonical[ADDRESS_TEXT];
	const bool bracket = len > 0 && text[0] == '[';
	size_t n;

	text += bracket;
	len -= bracket;
	n = address_length(AF_INET6, text, len, canonical);
	if (n == 0)
		n = address_length(AF_INET, text, len, canonical);
	if (n == 0 || (bracket && (n == len || text[n++] != ']')))
		return false;
	if (n < len && (text[n] == ':' || text[n] == '/'))
		n++;
	while (n < len && isdigit((unsigned char)text[n]))
		n++;
	return n == len;
}

/* "wss://user@host:port" is known by its parts wherever they stand. */
static void
add_url(struct mask *m, const char *text, size_t len)
{
	const char *slashes = memmem(text, len, "://", 3), *at;
	const char *host = slashes == NULL ? text : slashes + 3,
		   *end = text + len;

	len = 0;
	while (host + len < end && strchr("/?#", host[len]) == NULL)
		len++;
	end = host + len;
	if ((at = memrchr(host, '@', len)) != NULL) {
		mask_add(m, "user", host, (size_t)(at - host));
		host = at + 1;
	}
	if (host < end && *host == '[')
		return;
	at = memchr(host, ':', (size_t)(end - host));
	mask_add(m, "host", host, (size_t)((at == NULL ? end : at) - host));
}

void
mask_add(struct mask *m, const char *kind, const char *text, size_t len)
{
	if (strcmp(kind, "url") == 0)
		add_url(m, text, len);
	else if (len >= 2 && !is_address(text, len) &&
	    find_masked(m, text, len) == NULL)
		(void)insert_masked(m, kind, text, len);
}

static size_t
string_length(const char *text, const char *end)
{
	size_t len = 0;

	while (text + len < end && text[len] != '"')
		len += text[len] == '\\' && text + len + 1 < end ? 2 : 1;
	return len;
}

/* What stands at that name, if the table has it. */
static void
learn_value(struct mask *m, const struct name *table, size_t count,
    const char *name, size_t name_len, const char *value, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(table[i].of) == name_len &&
		    memcmp(table[i].of, name, name_len) == 0)
			mask_add(m, table[i].kind, value, len);
}

void
mask_learn_json(struct mask *m, const char *text, size_t len)
{
	const char *end = text + len, *name, *value;
	size_t name_len, value_len;

	while ((name = memchr(text, '"', (size_t)(end - text))) != NULL) {
		name++;
		name_len = string_length(name, end);
		if (end - name < (ptrdiff_t)name_len + 3)
			return;
		text = name + name_len + 1;
		if (text[0] != ':' || text[1] != '"')
			continue;
		value = text + 2;
		value_len = string_length(value, end);
		learn_value(m, members, COUNT(members), name, name_len, value,
		    value_len);
		text = value + value_len;
		if (text < end)
			text++;
	}
}

/* name{label="value",label="value"} figure */
static void
learn_labels(struct mask *m, const char *text, const char *end)
{
	const char *label = memchr(text, '{', (size_t)(end - text)), *value;
	size_t label_len, len;

	while (label != NULL && ++label < end) {
		value = memmem(label, (size_t)(end - label), "=\"", 2);
		if (value == NULL)
			return;
		label_len = (size_t)(value - label);
		value += 2;
		len = string_length(value, end);
		/* All that have no series of their own. */
		if (len != 5 || memcmp(value, "other", 5) != 0)
			learn_value(m, labels, COUNT(labels), label, label_len,
			    value, len);
		text = value + len;
		label = text + 1 < end && text[1] == ',' ? text + 1 : NULL;
	}
}

void
mask_learn_metrics(struct mask *m, const char *text, size_t len)
{
	const char *end = text + len, *line_end;

	for (; text < end; text = line_end + 1) {
		line_end = memchr(text, '\n', (size_t)(end - text));
		if (line_end == NULL)
			line_end = end;
		if (*text != '#')
			learn_labels(m, text, line_end);
	}
}

void
mask_learn_options(struct mask *m, const char *text, size_t len)
{
	const char *end = text + len, *line_end, *value;

	for (; text < end; text = line_end + 1) {
		line_end = memchr(text, '\n', (size_t)(end - text));
		if (line_end == NULL)
			line_end = end;
		value = memchr(text, ' ', (size_t)(line_end - text));
		if (value != NULL)
			learn_value(m, options, COUNT(options), text,
			    (size_t)(value - text), value + 1,
			    (size_t)(line_end - value) - 1);
	}
}

/* The length of what was replaced; 0: no address begins here. */
static size_t
write_address(struct mask *m, const char *text, size_t len, FILE *to)
{
	char canonical[ADDRESS_TEXT];
	const struct masked *one;
	size_t n = address_length(AF_INET6, text, len, canonical);

	if (n == 0)
		n = address_length(AF_INET, text, len, canonical);
	if (n == 0 || canonical[0] == '\0')
		return 0;
	one = find_masked(m, canonical, strlen(canonical));
	if (one == NULL)
		one = insert_masked(m, "address", canonical, strlen(canonical));
	fprintf(to, "address-%u", one == NULL ? 0 : one->number);
	return n;
}

/* Of nobody that is known by a name: a text may quote the portal. */
static size_t
write_uuid(struct mask *m, const char *text, size_t len, FILE *to)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const size_t n = sizeof(form) - 1;
	const struct masked *one;

	if (len < n || (len > n && is_word(text[n])))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)text[i])
				   : text[i] != '-')
			return 0;
	one = find_masked(m, text, n);
	if (one == NULL)
		one = insert_masked(m, "id", text, n);
	fprintf(to, "id-%u", one == NULL ? 0 : one->number);
	return n;
}

/* Likewise. */
static size_t
write_name(const struct mask *m, const char *text, size_t len, FILE *to)
{
	const struct masked *one = m->bucket[(unsigned char)text[0]];

	for (; one != NULL; one = one->next) {
		if (one->len > len || memcmp(one->text, text, one->len) != 0 ||
		    (one->len < len && is_word(text[one->len])))
			continue;
		fprintf(to, "%s-%u", one->kind, one->number);
		return one->len;
	}
	return 0;
}

void
mask_write(struct mask *m, const char *text, size_t len, FILE *to)
{
	char before = ' ';
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = is_word(before) ? 0 : write_name(m, text + i, len - i, to);
		if (n == 0 && !is_word(before))
			n = write_uuid(m, text + i, len - i, to);
		/* 4.10.0.0.1 has none in it. */
		if (n == 0 && !is_word(before) && before != '.')
			n = write_address(m, text + i, len - i, to);
		if (n == 0) {
			putc(text[i], to);
			n = 1;
		}
		before = text[i + n - 1];
	}
}
