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
 * It is one of those that are called so: "host" becomes "host-1" and so on.
 * What has less than two bytes is left as it is.
 */
void mask_add(struct mask *, const char *kind, const char *text, size_t len);
/* Names and ids by the members of JSON that they stand in. */
void mask_learn_json(struct mask *, const char *text, size_t len);
/* The same by the labels of Prometheus' text format. */
void mask_learn_metrics(struct mask *, const char *text, size_t len);
/* The same by the options of a configuration file. */
void mask_learn_options(struct mask *, const char *text, size_t len);

/*
 * Addresses and UUIDs are replaced as they are found, but for those of this
 * host and none at all, 127.0.0.0/8, 0.0.0.0, ::1 and ::.
 */
void mask_write(struct mask *, const char *text, size_t len, FILE *to);

#endif /* PARENT_MASK_H */
