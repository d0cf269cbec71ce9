/*
 * Who clients are and what resources are called, as the portal tells it along
 * with the authorizations. It is for the eyes of an operator; nothing is
 * decided by it. A control-worker that takes the place of a dead one is not
 * told it again, so it is also written to memory that is handed from one to the
 * next.
 *
 * It is bounded: a name has at most LABEL_MAX bytes, and of more than
 * DIRECTORY_CLIENTS_MAX clients or DIRECTORY_RESOURCES_MAX resources those are
 * forgotten that the portal has not told of for the longest time.
 */
#ifndef CONTROL_WORKER_DIRECTORY_DIRECTORY_H
#define CONTROL_WORKER_DIRECTORY_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/uuid.h"
#include "control-worker/net/description.h"

#define LABEL_MAX               64 /* bytes; an e-mail address has twice that */
#define EMAIL_MAX               128
#define DIRECTORY_CLIENTS_MAX   16384
#define DIRECTORY_RESOURCES_MAX 16384

/* Texts that are clean (label.h), and empty where nothing was told. */
struct client_entry {
	char actor[LABEL_MAX + 1], email[EMAIL_MAX + 1];
	char system[LABEL_MAX + 1], system_version[LABEL_MAX + 1];
	char serial[LABEL_MAX + 1], city[LABEL_MAX + 1];
};

/* "macOS 15.5" */
#define SYSTEM_MAX (2 * LABEL_MAX + 1)
/* "jane@acme.com, macOS 15.5" */
#define WHO_MAX (EMAIL_MAX + SYSTEM_MAX + 3)

/* Its user: the e-mail address, or else the name. */
const char *client_user(const struct client_entry *);
/* The system with its version; empty where it is not known. */
const char *client_system(const struct client_entry *, char to[SYSTEM_MAX + 1]);

struct directory;

struct directory *directory_new(void);   /* NULL without memory */
void directory_free(struct directory *); /* NULL is fine */

/*
 * Learns what an earlier directory has written to the memory, which has
 * NAMES_MEMORY bytes and is zero before the first one, and writes to it what is
 * learnt from now on. Its content is not trusted: what is no entry is left out,
 * and names are cleaned again. Returns how many entries there were. To be
 * called before anything is learnt. The memory stays the caller's, and has to
 * outlive the directory.
 */
size_t directory_keep(struct directory *, void *memory);

/* Without memory nothing is learnt. A NULL directory knows nothing. */
void directory_learn_client(
    struct directory *, const struct client_description *);
void directory_learn_resource(
    struct directory *, const struct resource_description *);

/* False: nothing is known, and the entry is empty. */
bool directory_client(
    const struct directory *, const struct uuid *, struct client_entry *);
/* NULL: nothing is known. Good until more is learnt. */
const char *directory_resource(const struct directory *, const struct uuid *);

/* User and system in a few words, or the one that is known, or "". */
const char *directory_who(
    const struct directory *, const struct uuid *, char to[WHO_MAX + 1]);

#endif /* CONTROL_WORKER_DIRECTORY_DIRECTORY_H */
