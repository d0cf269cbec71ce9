/*
 * The table of options. Flags, environment variables, lines of the file, help
 * and defaults all come from it: a new option is a row of the table, and a
 * field of struct options.
 */
#ifndef PARENT_OPTION_TABLE_H
#define PARENT_OPTION_TABLE_H

#include "parent/options.h"

#define THREADS_MAX 8

struct setting {
	const char *flag;     /* without "--"; sorted by it */
	const char *variable; /* NULL: there is none */
	char letter;          /* of a short flag; 0: there is none */
	bool is_switch;       /* no value after the flag; elsewhere a boolean */
	bool later;           /* taken, but without effect in this version */
	bool not_in_file;
	bool lenient; /* a wrong value of the variable is ignored */
	/* False for a wrong value. Text is not copied: it has to stay. */
	bool (*set)(struct options *, const char *value);
	const char *wanted;   /* which values are right: "--FLAG must be ..." */
	const char *initial;  /* the default; NULL: there is none */
	const char *argument; /* its name in the help; NULL for a switch */
	const char *help;      /* NULL: not in the help */
	const char *otherwise; /* in the help, in place of the default */
};

extern const struct setting option_table[];
extern const size_t option_table_rows; /* at most OPTIONS_MAX */

/* The row of a flag, which has to be there. */
size_t option_row(const char *flag);

/* On standard output. */
void options_print_help(void);

#endif /* PARENT_OPTION_TABLE_H */
