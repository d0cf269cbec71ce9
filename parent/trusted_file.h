/* Small files that tell root what to do: read whole, if nobody else may. */
#ifndef PARENT_TRUSTED_FILE_H
#define PARENT_TRUSTED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads a regular file that belongs to root or to our user and that group and
 * others may not write, nor others read if it is a secret. Returns its length,
 * less than size, and puts a zero behind it; or -1 with why, and with errno,
 * which is ENOENT or ENOTDIR if, and only if, there is no such file.
 */
ssize_t trusted_file_read(const char *path, bool secret, char *to, size_t size,
    char *why, size_t why_size);

#endif /* PARENT_TRUSTED_FILE_H */
