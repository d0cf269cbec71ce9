/*
 * Lines of words, as the portal driver and the tests write them.
 */
#ifndef TESTS_CLIENT_LINES_H
#define TESTS_CLIENT_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_SIZE  4096
#define LINE_WORDS 10

struct client;

struct lines {
	char bytes[LINE_SIZE];
	size_t length; /* of what is there of the next line */
};

struct line_command {
	const char *name;
	int words; /* the last one takes the rest of the line */
	void (*run)(struct client *, char **word);
};

/*
 * Reads what there is and runs each line that one of count commands begins; a
 * line of another kind or with too few words is passed over. False at the end
 * of the file, or when a line is too long.
 */
bool lines_input(struct client *, int fd, struct lines *,
    const struct line_command *, size_t count);

#endif /* TESTS_CLIENT_LINES_H */
