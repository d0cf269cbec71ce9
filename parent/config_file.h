/*
 * posternd.conf's form: "name value", one a line. A line that begins with #
 * is a comment; there is neither quoting nor continuation.
 */
#ifndef PARENT_CONFIG_FILE_H
#define PARENT_CONFIG_FILE_H

#include <stddef.h>

#include "parent/problems.h"

#define CONFIG_MAX      16384 /* bytes of a file */
#define CONFIG_LINE_MAX 2304  /* bytes of a line: a URL, and its name */

struct config_line {
	unsigned number; /* from 1 */
	char *name;
	char *value; /* without white space at its ends; "": there is none */
};

/* Where the next line begins. The lines point into the text. */
struct config_cursor {
	char *at, *end; /* *end is 0 */
	unsigned number;
};

/*
 * The next line that is neither blank nor a comment. False at the end. A line
 * that cannot be read is passed over, and added to the problems.
 */
bool config_next_line(struct config_cursor *, const char *file,
    struct config_line *, struct problems *);

#endif /* PARENT_CONFIG_FILE_H */
