/*
 * Who clients are and what resources are called, as the portal has told it
 * along with the authorizations: for the eyes of an operator alone. Nothing is
 * decided by it, and it stays in this process and in those that are started in
 * its place, which the portal does not tell it again: it is written to memory
 * that is handed from one to the next.
 *
 * It is bounded: a name has at most LABEL_MAX bytes, and beyond
 * DIRECTORY_CLIENTS_MAX clients or DIRECTORY_RESOURCES_MAX resources those that
 * were not told of for the longest time are forgotten.
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

/* Clean (label.h), and empty where nothing was told. */
struct client_entry {
	char actor[LABEL_MAX + 1], email[EMAIL_MAX + 1];
	char system[LABEL_MAX + 1], system_version[LABEL_MAX + 1];
	char serial[LABEL_MAX + 1], city[LABEL_MAX + 1];
};

/* "macOS 15.5" */
#define SYSTEM_MAX (2 * LABEL_MAX + 1)
/* "jane@acme.com, macOS 15.5": all of who, a comma and a system. */
#define WHO_MAX (EMAIL_MAX + SYSTEM_MAX + 3)

/* The e-mail address or else the name of who uses it. */
const char *client_user(const struct client_entry *);
/* The system with its version; empty where it is not known. */
const char *client_system(const struct client_entry *, char to[SYSTEM_MAX + 1]);

struct directory;

struct directory *directory_new(void);   /* NULL without memory */
void directory_free(struct directory *); /* NULL is fine */

/*
 * Learns what an earlier directory has written to that memory, of NAMES_MEMORY
 * bytes, which are zero before the first one; and writes there itself whatever
 * it learns from now on. None of it is trusted: what is no entry is left out,
 * and names are cleaned again. How many entries there were. To be called before
 * anything is learnt; the memory stays the caller's, and as long as this.
 */
size_t directory_keep(struct directory *, void *memory);

/* Without memory it is not remembered. NULL directories remember nothing. */
void directory_learn_client(
    struct directory *, const struct client_description *);
void directory_learn_resource(
    struct directory *, const struct resource_description *);

/* False: nothing is known, and the entry is empty. */
bool directory_client(
    const struct directory *, const struct uuid *, struct client_entry *);
/* Until more is learnt; NULL: nothing is known. */
const char *directory_resource(const struct directory *, const struct uuid *);

/*
 * Who it is in a few words: the e-mail address or else the name, and the system
 * with its version. Empty where neither is known.
 */
const char *directory_who(
    const struct directory *, const struct uuid *, char to[WHO_MAX + 1]);

#endif /* CONTROL_WORKER_DIRECTORY_DIRECTORY_H */
