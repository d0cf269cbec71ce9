/*
 * The table of options, from which come the flags, the variables, the lines of
 * the file, the help and the defaults. A new option is a row here, and a field
 * of struct options.
 */
#ifndef PARENT_OPTION_TABLE_H
#define PARENT_OPTION_TABLE_H

#include "parent/options.h"

#define THREADS_MAX 8

struct setting {
	const char *flag;     /* without "--"; sorted by it */
	const char *variable; /* NULL: there is none */
	char letter;          /* of a short flag; 0: there is none */
	bool is_switch;       /* the flag takes no value, all else a boolean */
	bool later;     /* has no effect in this version */
	bool not_in_file;
	bool lenient; /* a variable that cannot be is as if it were not there */
	/* False when the value cannot be; what is not text is copied. */
	bool (*set)(struct options *, const char *value);
	const char *wanted;    /* what can be: "--FLAG must be ..." */
	const char *initial;   /* set first of all; NULL: nothing */
	const char *argument;  /* in the help; NULL for a switch */
	const char *help;      /* NULL: not in the help */
	const char *otherwise; /* in the help for what holds by default */
};

extern const struct setting option_table[];
extern const size_t option_table_rows; /* at most OPTIONS_MAX */

/* The row of a flag, which has to be there. */
size_t option_row(const char *flag);

/* On standard output. */
void options_print_help(void);

#endif /* PARENT_OPTION_TABLE_H */
