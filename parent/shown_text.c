/* Text for a terminal: see shown_text.h. */
#include "parent/shown_text.h"

#include "common/utf8.h"

static void
begin_character(FILE *to, struct shown_text *t, char byte)
{
	const unsigned char b = (unsigned char)byte;

	*t = (struct shown_text){ .byte = { byte }, .have = 1 };
	if (b >= 0xc2 && b <= 0xf4)
		t->length = b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
	else
		putc(b == '\n' || (b >= 0x20 && b < 0x7f) ? b : '?', to);
}

static void
end_character(FILE *to, struct shown_text *t)
{
	size_t taken;

	if (utf8_is_shown(utf8_decode(t->byte, t->length, &taken)))
		fwrite(t->byte, 1, t->length, to);
	else
		putc('?', to);
	t->length = 0;
}

void
shown_text_print(FILE *to, struct shown_text *t, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (t->length > 0 && (bytes[i] & 0xc0) != 0x80)
			shown_text_end(to, t);
		if (t->length == 0) {
			begin_character(to, t, bytes[i]);
			continue;
		}
		t->byte[t->have++] = bytes[i];
		if (t->have == t->length)
			end_character(to, t);
	}
}

void
shown_text_end(FILE *to, struct shown_text *t)
{
	if (t->length > 0)
		putc('?', to);
	t->length = 0;
}
