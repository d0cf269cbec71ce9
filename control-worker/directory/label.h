/*
 * Names that somebody else has chosen, made fit to be shown in a table, in a
 * log line or in JSON: valid UTF-8, one line, and nothing in it that moves a
 * cursor, turns the direction of the text around it or cannot be seen.
 */
#ifndef CONTROL_WORKER_DIRECTORY_LABEL_H
#define CONTROL_WORKER_DIRECTORY_LABEL_H

#include <stddef.h>

/*
 * Copies what may be shown of len bytes into size bytes, the terminator among
 * them, and returns the length. What is no UTF-8 and what is no character to be
 * seen is left out; white space becomes one blank, none at either end. What is
 * too long is cut between two characters.
 */
size_t label_clean(char *to, size_t size, const char *from, size_t len);

/* Columns that a label takes on a terminal. */
size_t label_width(const char *);
/*
 * The bytes of the longest beginning of a label that takes at most so many
 * columns.
 */
size_t label_fit(const char *, size_t columns);

#endif /* CONTROL_WORKER_DIRECTORY_LABEL_H */
