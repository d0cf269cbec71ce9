/*
 * Text without what tells who and where: addresses, ids and names are replaced,
 * each by the same word wherever it stands. What is to be replaced is learned
 * from all texts before the first is written.
 */
#ifndef PARENT_MASK_H
#define PARENT_MASK_H

#include <stdio.h>

struct mask;

struct mask *mask_new(void);   /* NULL without memory */
void mask_free(struct mask *); /* NULL is fine */

/*
 * Has the text replaced by its kind and a number: "host-1" for the first that
 * is a "host", and so on. Texts of less than two bytes are left as they are.
 */
void mask_add(struct mask *, const char *kind, const char *text, size_t len);
/* Adds the names and ids that stand in certain members of JSON. */
void mask_learn_json(struct mask *, const char *text, size_t len);
/* Adds the values of labels in Prometheus' text format. */
void mask_learn_metrics(struct mask *, const char *text, size_t len);
/* Adds the values of certain options of a configuration file. */
void mask_learn_options(struct mask *, const char *text, size_t len);

/*
 * Writes text with all that was added replaced, and all addresses and UUIDs but
 * those of this host and none at all: 127.0.0.0/8, 0.0.0.0, ::1 and ::.
 */
void mask_write(struct mask *, const char *text, size_t len, FILE *to);

#endif /* PARENT_MASK_H */
