/*
 * Who this gateway is: the identity by which the portal knows it again, its
 * name, and what is told about the machine (firezone-portal(7), Identity and
 * User agent).
 */
#ifndef PARENT_IDENTITY_H
#define PARENT_IDENTITY_H

#include <stddef.h>

#define IDENTITY_MAX 256 /* bytes of each text, terminator included */

struct identity {
	char external_id[IDENTITY_MAX];
	char name[IDENTITY_MAX];
	char os[128];     /* "Debian/12" */
	char arch[64];    /* "x86_64" */
	char kernel[128]; /* "6.1.0-18-amd64" */
};

/* Where it looks; the real ones are in identity_paths. */
struct identity_paths {
	const char *state_directory; /* holds gateway_id */
	const char *machine_id;
	const char *os_release;
};
extern const struct identity_paths identity_paths;

/*
 * The id is the configured one, else the stored one, else derived from the
 * machine's, else made and stored. Fills in everything; -1 with a sentence in
 * why when a stored id cannot be read or a new one not be kept.
 */
int identity_determine(struct identity *, const struct identity_paths *,
    const char *id, const char *name, char *why, size_t why_size);
/* That a stored id can be read, if there is one; -1 with why. */
int identity_check(const struct identity_paths *, char *why, size_t why_size);

#endif /* PARENT_IDENTITY_H */
