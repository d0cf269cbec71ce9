/*
 * UTF-8 that others have written, character by character, and what may be shown
 * of it on somebody's terminal.
 */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_NONE UINT32_MAX

/*
 * The character that at most len bytes, one at least, begin with (RFC 3629: no
 * overlong form, no surrogate, nothing above 10FFFF); *taken is its length.
 * UTF8_NONE where there is none, and *taken is 1.
 */
uint32_t utf8_decode(const char *, size_t len, size_t *taken);
/*
 * Whether a reader sees it, or the blank that it is: no control, end of a line,
 * mark of direction, nor what is invisible or stands for no character.
 */
bool utf8_is_shown(uint32_t character);

#endif /* COMMON_UTF8_H */
