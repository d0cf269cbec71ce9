/* Messages made from the grammar: see messages.h. */
#include "tests/fuzz/messages.h"

#include <string.h>

/* Words that mean something to one handler or another. */
static const char *const words[] = { "", "gate", "clie", "gatepassword",
	"cliepassword", "user", "secret", "*.example.com",
	"wss://api.firezone.dev/", "ws://127.0.0.1:1/", "Debian/12",
	"candidate:1 1 udp 2130706175 192.0.2.7 50000 typ host ufrag clie\n",
	"candidate:2 1 udp 1694498559 203.0.113.9 4444 typ srflx "
	"raddr 10.0.0.9 rport 4444 ufrag clie\n",
	"candidate:3 1 udp 37748479 203.0.113.5 49153 typ relay "
	"raddr 203.0.113.5 rport 3478 ufrag clie\n" };

#define WORDS (sizeof(words) / sizeof(words[0]))

static void
make_ip(struct cursor *in, struct writer *w)
{
	uint8_t bytes[16] = { 0 };
	uint8_t family = 0;

	switch (pick(in, 8)) {
	case 0:
		break;
	case 1:
		family = IP_V4;
		cursor_copy(in, bytes, 4);
		break;
	case 2:
		family = IP_V6;
		cursor_copy(in, bytes, 16);
		break;
	case 3:
	case 4:
		family = IP_V4;
		memcpy(bytes, (const uint8_t[]){ 100, 64, 0 }, 3);
		bytes[3] = cursor_u8(in);
		break;
	case 5:
		family = IP_V4;
		memcpy(bytes, (const uint8_t[]){ 203, 0, 113 }, 3);
		bytes[3] = cursor_u8(in);
		break;
	default:
		family = IP_V6;
		memcpy(bytes,
		    (const uint8_t[]){ 0xfd, 0, 0x20, 0x21, 0x11, 0x11 }, 6);
		bytes[15] = cursor_u8(in);
	}
	writer_u8(w, family);
	writer_bytes(w, bytes, sizeof(bytes));
}

static void
make_endpoint(struct cursor *in, struct writer *w)
{
	make_ip(in, w);
	writer_be16(w, pick_bool(in) ? 3478 : cursor_be16(in));
}

static void
make_prefix(struct cursor *in, struct writer *w)
{
	uint8_t bytes[16] = { 0 }, family = pick_bool(in) ? IP_V6 : IP_V4;
	size_t size = family == IP_V6 ? 16 : 4;
	size_t length = cursor_u8(in) % (size * 8 + 1);

	cursor_copy(in, bytes, size);
	for (size_t i = length; i < size * 8; i++)
		bytes[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
	writer_u8(w, family);
	writer_bytes(w, bytes, sizeof(bytes));
	writer_u8(w, (uint8_t)length);
}

static uint8_t
printable(uint8_t c, bool newlines)
{
	if (c == 0x7f || (c < 0x20 && !(newlines && c == '\n')))
		return '.';
	return c;
}

static void
make_words(struct cursor *in, struct writer *w, size_t max, bool newlines)
{
	size_t kind = cursor_u8(in), len;

	if (kind < WORDS) {
		len = strlen(words[kind]);
		if (len > 0 && !newlines && words[kind][len - 1] == '\n')
			len--;
		if (len > max)
			len = max;
		writer_be16(w, (uint16_t)len);
		writer_bytes(w, words[kind], len);
		return;
	}
	/* Up to the very limit, in case it is one too high. */
	len = kind == 255 ? max - pick(in, 2) : kind - WORDS;
	if (len > max)
		len = max;
	writer_be16(w, (uint16_t)len);
	for (size_t i = 0; i < len; i++)
		writer_u8(
		    w, kind == 255 ? 'x' : printable(cursor_u8(in), newlines));
}

static void
make_filters(struct cursor *in, struct writer *w, size_t max)
{
	size_t count = cursor_u8(in);

	if (count == 255)
		count = max;
	else
		count %= 8;
	writer_be16(w, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		writer_u8(w, (uint8_t)(1 + pick(in, 3)));
		writer_be16(w, cursor_be16(in));
		writer_be16(w, cursor_be16(in));
	}
}

static void
make_opaque(struct cursor *in, struct writer *w, size_t max)
{
	size_t len = cursor_u8(in);

	if (len == 255)
		len = max;
	writer_be16(w, (uint16_t)len);
	for (size_t i = 0; i < len; i++)
		writer_u8(w, cursor_u8(in));
}

static void
make_ips(struct cursor *in, struct writer *w, size_t max)
{
	size_t count = cursor_u8(in);

	count = count == 255 ? max : count % 9;
	writer_be16(w, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		uint8_t bytes[16] = { 0 },
			family = pick_bool(in) ? IP_V6 : IP_V4;

		cursor_copy(in, bytes, family == IP_V6 ? 16 : 4);
		writer_u8(w, family);
		writer_bytes(w, bytes, sizeof(bytes));
	}
}

static void
make_paths(struct cursor *in, struct writer *w, size_t max)
{
	size_t count = pick(in, (unsigned)max + 1);

	writer_be16(w, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		make_endpoint(in, w);
		make_endpoint(in, w);
		writer_be64(w, cursor_be64(in));
	}
}

/* Mostly so few that messages speak of the same client. */
static void
make_uuid(struct cursor *in, struct writer *w)
{
	uint8_t first = cursor_u8(in), bytes[16] = { first % 4 };

	if (first >= 192)
		cursor_copy(in, bytes, sizeof(bytes));
	writer_bytes(w, bytes, sizeof(bytes));
}

static void
make_bytes(struct cursor *in, struct writer *w, size_t n)
{
	uint8_t first = cursor_u8(in);

	for (size_t i = 0; i < n; i++)
		writer_u8(w, first == 255 ? cursor_u8(in) : first);
}

/* Serials and times: what was used before, and the extremes. */
static void
make_u64(struct cursor *in, struct writer *w)
{
	switch (pick(in, 4)) {
	case 0:
		writer_be64(w, cursor_u8(in));
		break;
	case 1:
		writer_be64(w, 1790000000u + cursor_u8(in));
		break;
	case 2:
		writer_be64(w, UINT64_MAX - cursor_u8(in));
		break;
	default:
		writer_be64(w, cursor_be64(in));
	}
}

static void
make_u32(struct cursor *in, struct writer *w)
{
	writer_be32(w, cursor_be32(in));
}

static void
make_u16(struct cursor *in, struct writer *w)
{
	writer_be16(w, cursor_be16(in));
}

static void
make_u8(struct cursor *in, struct writer *w, unsigned low, unsigned high)
{
	writer_u8(w, (uint8_t)(low + pick(in, high - low + 1)));
}

static void
make_flag(struct cursor *in, struct writer *w)
{
	writer_u8(w, pick_bool(in));
}

static void
make_text(struct cursor *in, struct writer *w, size_t max)
{
	make_words(in, w, max, false);
}

static void
make_lines(struct cursor *in, struct writer *w, size_t max)
{
	make_words(in, w, max, true);
}

#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)        \
	static void make_##name(struct cursor *in, struct writer *w) \
	{                                                            \
		(void)in;                                            \
		writer_be16(w, IPC_TYPE_##NAME);
#define IPC_FIELD(kind, field, ...) make_##kind(in, w, ##__VA_ARGS__);
#define IPC_END(NAME, name)         }
#include "common/ipc.def"

void
message_make(struct cursor *in, unsigned type, struct writer *w)
{
	switch (type) {
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	case IPC_TYPE_##NAME:                                 \
		make_##name(in, w);                           \
		break;
#include "common/ipc.def"
	default:
		writer_be16(w, (uint16_t)type);
	}
}
