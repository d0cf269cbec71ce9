/* Lines of words: see lines.h. */
#include "tests/client/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void
run_line(struct client *c, char *line, const struct line_command *commands,
    size_t count)
{
	char *word[LINE_WORDS] = { strsep(&line, " ") };

	for (size_t i = 0; i < count; i++) {
		const struct line_command *command = &commands[i];
		int n = 1;

		if (strcmp(command->name, word[0]) != 0)
			continue;
		while (n < command->words - 1 && line != NULL)
			word[n++] = strsep(&line, " ");
		if (line == NULL || n != command->words - 1)
			return;
		word[n] = line;
		command->run(c, word);
		return;
	}
}

bool
lines_input(struct client *c, int fd, struct lines *l,
    const struct line_command *commands, size_t count)
{
	char *end;
	ssize_t n;

	n = read(fd, l->bytes + l->length, sizeof(l->bytes) - l->length);
	if (n == -1 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	l->length += (size_t)n;
	while ((end = memchr(l->bytes, '\n', l->length)) != NULL) {
		size_t used = (size_t)(end - l->bytes) + 1;

		*end = '\0';
		run_line(c, l->bytes, commands, count);
		l->length -= used;
		memmove(l->bytes, end + 1, l->length);
	}
	return l->length < sizeof(l->bytes);
}
