/* Lines of a configuration file: see config_file.h. */
#include "parent/config_file.h"

#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the next line off, ended with a zero; its length. */
static size_t
cut_line(struct config_cursor *c, char **line)
{
	char *end = memchr(c->at, '\n', (size_t)(c->end - c->at));

	if (end == NULL)
		end = c->end;
	*line = c->at;
	c->at = end == c->end ? end : end + 1;
	c->number++;
	*end = '\0';
	return (size_t)(end - *line);
}

static bool
is_printable(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') ||
		    line[i] == 0x7f)
			return false;
	return true;
}

static void
split_line(char *line, size_t len, struct config_line *to)
{
	while (len > 0 && is_blank(line[len - 1]))
		line[--len] = '\0';
	while (is_blank(*line))
		line++;
	to->name = line;
	while (*line != '\0' && !is_blank(*line))
		line++;
	if (*line != '\0')
		*line++ = '\0';
	while (is_blank(*line))
		line++;
	to->value = line;
}

bool
config_next_line(struct config_cursor *c, const char *file,
    struct config_line *to, struct problems *problems)
{
	while (c->at < c->end) {
		char *line;
		size_t len = cut_line(c, &line);

		if (len > CONFIG_LINE_MAX) {
			problems_add(problems, "%s:%u: longer than %d bytes",
			    file, c->number, CONFIG_LINE_MAX);
			continue;
		}
		if (!is_printable(line, len)) {
			problems_add(problems,
			    "%s:%u: has a character that is not printable",
			    file, c->number);
			continue;
		}
		split_line(line, len, to);
		to->number = c->number;
		if (to->name[0] != '\0' && to->name[0] != '#')
			return true;
	}
	return false;
}
