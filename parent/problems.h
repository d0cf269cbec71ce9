/* What is wrong with what the operator gave us, all of it at once. */
#ifndef PARENT_PROBLEMS_H
#define PARENT_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#define PROBLEMS_MAX     16 /* that are told; more are counted */
#define PROBLEM_TEXT_MAX 512

struct problems {
	size_t count;
	size_t more; /* that are counted only */
	char text[PROBLEMS_MAX][PROBLEM_TEXT_MAX];
};

/* Adds one, by printf(3); what is too long is cut. Always false. */
bool problems_add(struct problems *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* PARENT_PROBLEMS_H */
