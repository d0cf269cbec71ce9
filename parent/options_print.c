/* The help, and the options in force: see option_table.h. */
#include <stdio.h>
#include <string.h>

#include "parent/option_table.h"

#define HELP_COLUMN 31

static void
print_setting(const struct setting *s)
{
	char letter[5] = "    ";
	int n;

	if (s->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", s->letter);
	n = printf("  %s--%s%s%s", letter, s->flag,
	    s->argument == NULL ? "" : " ",
	    s->argument == NULL ? "" : s->argument);
	if (n >= HELP_COLUMN) {
		printf("\n");
		n = 0;
	}
	printf("%*s%s", HELP_COLUMN - n, "", s->help);
	if (s->initial != NULL || s->otherwise != NULL)
		printf(
		    " (%s)", s->otherwise != NULL ? s->otherwise : s->initial);
	printf("\n");
}

void
options_print_help(void)
{
	printf("usage: posternd [options] [token]\n\n");
	for (size_t i = 0; i < option_table_rows; i++)
		if (option_table[i].help != NULL)
			print_setting(&option_table[i]);
	printf("  -h, --help\n"
	       "  -V, --version\n"
	       "\n"
	       "The token is better given by --token-file, by FIREZONE_TOKEN "
	       "or as a\n"
	       "systemd credential.\n"
	       "See posternd(8) for the rest.\n");
}

/* Those with values of one source, below a comment that names it. */
static void
print_values_from(FILE *to, const struct options *o, enum option_source source,
    const char *title)
{
	bool titled = false;

	for (size_t i = 0; i < option_table_rows; i++) {
		const struct setting *s = &option_table[i];
		const char *text = o->origin[i].text;

		if (o->origin[i].source != source || s->not_in_file)
			continue;
		if (!titled)
			fprintf(to, "# %s\n", title);
		titled = true;
		if (text == NULL)
			text = s->is_switch ? "false" : s->initial;
		if (text != NULL && *text != '\0')
			fprintf(to, "%s %s\n", s->flag, text);
		else
			fprintf(to, "# %s: %s\n", s->flag,
			    s->otherwise != NULL ? s->otherwise : "none");
	}
}

void
options_print_config(const struct options *o, FILE *to)
{
	char title[PROBLEM_TEXT_MAX];

	snprintf(title, sizeof(title), "in %s",
	    o->config_file[0] == '\0' ? "no file" : o->config_file);
	print_values_from(to, o, OPTION_FLAG, "on the command line");
	print_values_from(to, o, OPTION_VARIABLE, "in the environment");
	print_values_from(to, o, OPTION_FILE, title);
	print_values_from(to, o, OPTION_DEFAULT, "by default");
	fprintf(to, "# the token: %s\n",
	    o->token_from[0] != '\0' ? o->token_from : options_token_source(o));
}
