/* Text in the making: see text.h. */
#include "control-worker/net/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 2048 /* of one text_add(); longer is a failure */
#define FIRST_SIZE   1024

static bool
make_room_for_bytes(struct text *t, size_t len)
{
	size_t size = t->size == 0 ? FIRST_SIZE : t->size;
	char *bytes;

	if (t->failed || len > TEXT_LIMIT - t->len)
		return false;
	while (size < t->len + len)
		size *= 2;
	if (size == t->size)
		return true;
	if ((bytes = realloc(t->bytes, size)) == NULL)
		return false;
	t->bytes = bytes;
	t->size = size;
	return true;
}

void
text_write(struct text *t, const void *bytes, size_t len)
{
	if (!make_room_for_bytes(t, len)) {
		t->failed = true;
		return;
	}
	if (len > 0)
		memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

void
text_add(struct text *t, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		t->failed = true;
	else
		text_write(t, line, (size_t)n);
}

void
text_free(struct text *t)
{
	free(t->bytes);
	*t = (struct text){ 0 };
}

void
text_append(void *text, const char *bytes, size_t len)
{
	text_write(text, bytes, len);
}

void
make_printable(char *c)
{
	for (; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}
