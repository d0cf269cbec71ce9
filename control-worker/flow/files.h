/*
 * Small files in a directory that only we write to: by a descriptor of it, no
 * link is followed, and nothing but ordinary files is read. No more of the
 * system is asked for than the sandbox of control-worker gives.
 */
#ifndef CONTROL_WORKER_FLOW_FILES_H
#define CONTROL_WORKER_FLOW_FILES_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* -1 with errno. */
int open_at(int dir, const char *name, int flags);
bool is_there(int dir, const char *name);

typedef void (*entry_fn)(void *ctx, int dir, const char *name);
/* What does not begin with a dot; it may be removed meanwhile. */
void each_entry(int dir, entry_fn, void *ctx);

/* A descriptor to read from and the size; -1 when it is no ordinary file. */
int open_file(int dir, const char *name, uint64_t *size);
/* All of a small file; -1, also when it is not shorter than size. */
ssize_t read_file(int dir, const char *name, char *to, size_t size);
/* How much has been written; errno, if it is not all. */
size_t write_all(int fd, const char *text, size_t len);
/* The file under its name, whole, or not at all: then false with errno. */
bool write_file(int dir, const char *name, const char *text, size_t len);

#endif /* CONTROL_WORKER_FLOW_FILES_H */
