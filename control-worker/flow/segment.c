/* Files of many reports: see segment.h. */
#include "control-worker/flow/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "control-worker/flow/files.h"

#define NAME_DIGITS 10
#define NAME_SUFFIX ".reports"

const char *
segment_name_format(uint32_t number, char to[SEGMENT_NAME_MAX])
{
	snprintf(to, SEGMENT_NAME_MAX, "%0*" PRIu32 NAME_SUFFIX, NAME_DIGITS,
	    number);
	return to;
}

bool
segment_name_parse(const char *name, uint32_t *number)
{
	unsigned long long n;

	if (strspn(name, "0123456789") != NAME_DIGITS ||
	    strcmp(name + NAME_DIGITS, NAME_SUFFIX) != 0)
		return false;
	n = strtoull(name, NULL, 10);
	*number = (uint32_t)n;
	return n < UINT32_MAX;
}

static uint32_t
line_checksum(const char *name, const char *payload, size_t len)
{
	uLong sum = crc32(0, (const Bytef *)name, (uInt)strlen(name));

	return (uint32_t)crc32(sum, (const Bytef *)payload, (uInt)len);
}

size_t
segment_line_format(const char *name, const char *payload, size_t len,
    char to[SEGMENT_LINE_MAX + 1])
{
	return (size_t)snprintf(to, SEGMENT_LINE_MAX + 1,
	    "%s %" PRIu32 " %.*s\n", name, line_checksum(name, payload, len),
	    (int)len, payload);
}

/* The word before the next space; false when it does not fit. */
static bool
take_word(const char **text, size_t *len, char *to, size_t size)
{
	const char *space = memchr(*text, ' ', *len);
	size_t n;

	if (space == NULL || (n = (size_t)(space - *text)) >= size)
		return false;
	memcpy(to, *text, n);
	to[n] = '\0';
	*text += n + 1;
	*len -= n + 1;
	return true;
}

bool
segment_line_parse(const char *text, size_t len, struct segment_line *line)
{
	char sum[11], wanted[11];

	if (!take_word(&text, &len, line->name, sizeof(line->name)) ||
	    !take_word(&text, &len, sum, sizeof(sum)) ||
	    len > FLOW_PAYLOAD_MAX ||
	    !flow_name_parse(line->name, &line->closed))
		return false;
	line->payload = text;
	line->len = len;
	snprintf(wanted, sizeof(wanted), "%" PRIu32,
	    line_checksum(line->name, text, len));
	return strcmp(sum, wanted) == 0;
}

size_t
segment_append(int dir, const char *file, const char *text, size_t len)
{
	int fd = open_at(dir, file, O_WRONLY | O_CREAT | O_APPEND), saved;
	size_t n;

	if (fd == -1)
		return 0;
	n = write_all(fd, text, len);
	saved = errno;
	/* Some file systems tell only now that there is no room. */
	if (close(fd) == -1 && n == len) {
		n = 0;
		saved = errno;
	}
	errno = saved;
	return n;
}

/* What has been read of a file and not been looked at. */
struct window {
	char text[2 * SEGMENT_LINE_MAX];
	size_t len;
	size_t at;   /* of the text, in the file */
	bool inside; /* in the middle of a line that is too long */
};

static void
take_segment_line(struct window *w, const char *text, size_t len, segment_fn fn,
    void *ctx, struct segment_scan *s)
{
	struct segment_line line;

	if (w->inside || (len > 0 && !segment_line_parse(text, len, &line)))
		s->damaged++;
	else if (len > 0)
		fn(ctx, &line, w->at + (size_t)(text - w->text), len);
	w->inside = false;
}

static void
take_segment_lines(
    struct window *w, segment_fn fn, void *ctx, struct segment_scan *s)
{
	const char *text = w->text, *end;
	size_t left = w->len;

	while ((end = memchr(text, '\n', left)) != NULL) {
		take_segment_line(w, text, (size_t)(end - text), fn, ctx, s);
		left -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	if (left > SEGMENT_LINE_MAX) {
		w->inside = true;
		text += left;
		left = 0;
	}
	w->at += w->len - left;
	memmove(w->text, text, left);
	w->len = left;
}

bool
segment_scan(
    int dir, const char *file, segment_fn fn, void *ctx, struct segment_scan *s)
{
	struct window w = { .len = 0 };
	ssize_t n = 0;
	int fd;

	*s = (struct segment_scan){ 0 };
	if ((fd = open_file(dir, file, &s->size)) == -1)
		return false;
	while (w.at < SEGMENT_READ_MAX &&
	    (n = read(fd, w.text + w.len, sizeof(w.text) - w.len)) > 0) {
		w.len += (size_t)n;
		take_segment_lines(&w, fn, ctx, s);
	}
	close(fd);
	return n >= 0;
}

enum segment_result
segment_read(int dir, const char *file, size_t at, size_t len, const char *name,
    char to[FLOW_PAYLOAD_MAX + 1], size_t *payload_len)
{
	char text[SEGMENT_LINE_MAX];
	struct segment_line line;
	uint64_t unused;
	ssize_t n;
	int fd;

	if (len > sizeof(text))
		return SEGMENT_DAMAGED;
	if ((fd = open_file(dir, file, &unused)) == -1)
		return errno == ENOENT ? SEGMENT_DAMAGED : SEGMENT_UNREADABLE;
	n = pread(fd, text, len, (off_t)at);
	close(fd);
	if (n == -1)
		return SEGMENT_UNREADABLE;
	if ((size_t)n != len || !segment_line_parse(text, len, &line) ||
	    strcmp(line.name, name) != 0 ||
	    !flow_payload_check(line.payload, line.len))
		return SEGMENT_DAMAGED;
	memcpy(to, line.payload, line.len);
	to[line.len] = '\0';
	*payload_len = line.len;
	return SEGMENT_READ;
}
