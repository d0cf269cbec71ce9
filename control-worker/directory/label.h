/*
 * Names that somebody else has chosen, made fit to be shown in a table, in a
 * log line or in JSON: valid UTF-8, one line, and nothing in it that moves a
 * cursor, turns the direction of the text around it or cannot be seen.
 */
#ifndef CONTROL_WORKER_DIRECTORY_LABEL_H
#define CONTROL_WORKER_DIRECTORY_LABEL_H

#include <stddef.h>

/*
 * Copies what may be shown of len bytes, and returns the length; size counts
 * the terminator. What is no UTF-8 and what cannot be seen is left out. White
 * space becomes one blank, or nothing at either end. What is too long is cut
 * between two characters.
 */
size_t label_clean(char *to, size_t size, const char *from, size_t len);

/* How many columns a label takes on a terminal. */
size_t label_width(const char *);
/* How many of its bytes fit into so many columns. */
size_t label_fit(const char *, size_t columns);

#endif /* CONTROL_WORKER_DIRECTORY_LABEL_H */
