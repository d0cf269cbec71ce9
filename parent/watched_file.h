/*
 * A file that control-worker reads by a descriptor of ours, since it can open
 * none: resolv.conf and hosts. Such a file is replaced as well as rewritten, by
 * rename and by symbolic links that come to point elsewhere, so what counts is
 * the path, at which we look from time to time; what is in it we do not read.
 */
#ifndef PARENT_WATCHED_FILE_H
#define PARENT_WATCHED_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* How often a look is worth it. */
#define HANDED_FILE_INTERVAL_MS 2000

struct watched_file {
	const char *path;
	bool optional;    /* one that does not exist is empty */
	int fd;           /* -1: never opened */
	struct stat seen; /* of the file that fd is; all zero: there is none */
	bool changed;     /* since control-worker got the descriptor */
	bool complained;
};

/* -1 with errno. */
int watched_file_open(struct watched_file *);
/*
 * Opens it again if there is another file or another text at the path, and sets
 * changed. One that cannot be opened is used as it was, with a log line.
 */
void watched_file_look(struct watched_file *);
void watched_file_close(struct watched_file *);

#endif /* PARENT_WATCHED_FILE_H */
