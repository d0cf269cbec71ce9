/* Small files that tell root what to do: read whole, if nobody else may. */
#ifndef PARENT_TRUSTED_FILE_H
#define PARENT_TRUSTED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads a regular file of root's, or of who we are, that group and others may
 * not write; where it is a secret, others may not read it either. Returns its
 * length, less than size, and ends it with a zero; -1 with why and errno, which
 * is ENOENT or ENOTDIR for one that is not there and nothing else.
 */
ssize_t trusted_file_read(const char *path, bool secret, char *to, size_t size,
    char *why, size_t why_size);

#endif /* PARENT_TRUSTED_FILE_H */
