/* Domain names on the wire: see name.h. */
#include "control-worker/dns/name.h"

#include <ctype.h>
#include <string.h>

#define LABEL_LEN_MAX   63
#define LABEL_TYPE_MASK 0xc0
#define LABEL_POINTER   0xc0

/* As many as labels fit into a name. */
#define POINTERS_MAX 127

/* One octet of text, escaped or not. */
static bool
octet_parse(const char **text, uint8_t *to)
{
	const char *p = *text;
	unsigned value = 0;

	if (*p != '\\') {
		*to = (uint8_t)*p;
		*text = p + 1;
		return true;
	}
	p++;
	if (!isdigit((unsigned char)*p)) {
		*to = (uint8_t)*p;
		*text = p + 1;
		return *p != '\0';
	}
	for (int i = 0; i < 3; i++, p++) {
		if (!isdigit((unsigned char)*p))
			return false;
		value = value * 10 + (unsigned)(*p - '0');
	}
	*to = (uint8_t)value;
	*text = p;
	return value <= UINT8_MAX;
}

bool
dns_name_parse(const char *text, struct dns_name *name)
{
	struct writer w;

	writer_init(&w, name->bytes, sizeof(name->bytes));
	if (strcmp(text, ".") == 0)
		text++;
	while (*text != '\0') {
		uint8_t label[LABEL_LEN_MAX];
		uint8_t n = 0;

		for (; *text != '\0' && *text != '.'; n++)
			if (n == LABEL_LEN_MAX || !octet_parse(&text, label + n))
				return false;
		if (n == 0)
			return false;
		writer_u8(&w, n);
		writer_bytes(&w, label, n);
		if (*text == '.')
			text++;
	}
	writer_u8(&w, 0);
	name->len = w.len;
	return !writer_failed(&w);
}

bool
dns_name_read(struct cursor *c, const uint8_t *message, struct dns_name *name)
{
	const uint8_t *end = c->at + c->left, *start = c->at;
	struct cursor at = *c;
	unsigned pointers = 0;
	struct writer w;

	writer_init(&w, name->bytes, sizeof(name->bytes));
	for (;;) {
		uint8_t n = cursor_u8(&at), label[LABEL_LEN_MAX];

		if ((n & LABEL_TYPE_MASK) == LABEL_POINTER) {
			size_t to = (size_t)(n & ~LABEL_TYPE_MASK) << 8;

			to |= cursor_u8(&at);
			if (pointers++ == 0)
				*c = at;
			/* Always to before, so that it comes to an end. */
			if (cursor_failed(&at) || pointers > POINTERS_MAX ||
			    to < DNS_HEADER_LEN ||
			    to >= (size_t)(start - message))
				return false;
			start = message + to;
			cursor_init(&at, start, (size_t)(end - start));
			continue;
		}
		if ((n & LABEL_TYPE_MASK) != 0)
			return false;
		writer_u8(&w, n);
		if (n == 0)
			break;
		cursor_copy(&at, label, n);
		writer_bytes(&w, label, n);
		if (cursor_failed(&at) || writer_failed(&w))
			return false;
	}
	if (pointers == 0)
		*c = at;
	name->len = w.len;
	return !cursor_failed(&at) && !writer_failed(&w);
}

/* No label is long enough for its length to be taken for a letter. */
bool
dns_name_same(const struct dns_name *a, const struct dns_name *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (tolower(a->bytes[i]) != tolower(b->bytes[i]))
			return false;
	return true;
}

bool
dns_name_is_onion(const struct dns_name *name)
{
	static const struct dns_name onion = { "\5onion", 7 };
	struct dns_name last = { .len = 0 };

	for (size_t at = 0; name->bytes[at] != 0; at += 1u + name->bytes[at])
		last.len = name->len - at;
	memcpy(last.bytes, name->bytes + name->len - last.len, last.len);
	return dns_name_same(&last, &onion);
}
