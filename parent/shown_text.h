/*
 * A daemon's words as they are printed. Whoever has taken it over may say
 * anything, to the terminal of somebody who is root: what is unprintable, or
 * would move a cursor or turn the text around it, is a "?".
 */
#ifndef PARENT_SHOWN_TEXT_H
#define PARENT_SHOWN_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* A character of which a part has come. Starts with zeros. */
struct shown_text {
	char byte[4];
	size_t have, length; /* 0: none has begun */
};

/* Bytes as they come; line feeds are let through. */
void shown_text_print(
    FILE *to, struct shown_text *, const char *bytes, size_t len);
/* There are no more. */
void shown_text_end(FILE *to, struct shown_text *);

#endif /* PARENT_SHOWN_TEXT_H */
