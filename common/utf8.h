/*
 * UTF-8 from outside: its characters, and which of them may be shown on
 * somebody's terminal.
 */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_NONE UINT32_MAX

/*
 * The first character of len bytes, of which there is at least one (RFC 3629:
 * no overlong form, no surrogate, nothing above 10FFFF); *taken is its length.
 * UTF8_NONE, with *taken 1, where they do not begin with a character.
 */
uint32_t utf8_decode(const char *, size_t len, size_t *taken);
/*
 * Whether a reader can see the character, or is to see the blank that it is.
 * Not so are controls, ends of lines, marks that change the direction of text,
 * invisible characters, and code points without a character.
 */
bool utf8_is_shown(uint32_t character);

#endif /* COMMON_UTF8_H */
