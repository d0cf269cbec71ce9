/* The command line, the environment and the file: see options.h. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/option_table.h"
#include "parent/trusted_file.h"

extern char **environ;

/* Values of getopt_long() beside the indices of the table. */
#define OPTION_HELP    1000
#define OPTION_VERSION 1001

static void
note_ineffective(struct options *o, const char *name)
{
	if (o->ineffective_count <
	    sizeof(o->ineffective) / sizeof(*o->ineffective))
		o->ineffective[o->ineffective_count++] = name;
}

/* called is the setting as the operator wrote it. */
static bool
apply_setting(struct options *o, const struct setting *s,
    const struct option_origin *origin, const char *called,
    struct problems *problems)
{
	const bool is_off = s->is_switch && strcmp(origin->text, "false") == 0;

	if (!s->set(o, origin->text)) {
		if (s->lenient && origin->source == OPTION_VARIABLE)
			return true;
		return problems_add(
		    problems, "%s must be %s", called, s->wanted);
	}
	if (s->later && !is_off)
		note_ineffective(o,
		    origin->source == OPTION_VARIABLE ? s->variable : s->flag);
	o->origin[s - option_table] = *origin;
	return true;
}

static void
make_getopt_tables(struct option *longs, char *shorts)
{
	size_t n = 0;

	*shorts++ = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; i < option_table_rows; i++) {
		longs[n++] = (struct option){
			.name = option_table[i].flag,
			.has_arg = option_table[i].is_switch
			    ? no_argument
			    : required_argument,
			.val = OPTION_VERSION + 1 + (int)i,
		};
		if (option_table[i].letter != 0) {
			*shorts++ = option_table[i].letter;
			*shorts++ = ':';
		}
	}
	longs[n++] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	longs[n++] =
	    (struct option){ "version", no_argument, NULL, OPTION_VERSION };
	longs[n] = (struct option){ 0 };
	memcpy(shorts, "hV", sizeof("hV"));
}

/* The setting that getopt_long()'s value stands for, or NULL. */
static const struct setting *
setting_of(int value)
{
	for (size_t i = 0; i < option_table_rows; i++)
		if (value == OPTION_VERSION + 1 + (int)i ||
		    (option_table[i].letter != 0 &&
			value == option_table[i].letter))
			return &option_table[i];
	return NULL;
}

static void
apply_flag(struct options *o, const struct setting *s, const char *value,
    struct problems *problems)
{
	const struct option_origin origin = { OPTION_FLAG, value };
	char called[64];

	snprintf(called, sizeof(called), "--%s", s->flag);
	(void)apply_setting(o, s, &origin, called, problems);
}

/* False when there is nothing more to do. */
static bool
parse_arguments(
    struct options *o, int argc, char **argv, struct problems *problems)
{
	struct option longs[OPTIONS_MAX + 3];
	char shorts[2 * OPTIONS_MAX + 4];
	int value;

	make_getopt_tables(longs, shorts);
	optind = 0; /* from the start, also when called again */
	opterr = 0;
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct setting *s = setting_of(value);

		if (value == OPTION_HELP || value == 'h') {
			options_print_help();
			return false;
		}
		if (value == OPTION_VERSION || value == 'V') {
			printf("posternd " POSTERN_VERSION
			       " (gateway protocol " GATEWAY_GENERATION ")\n");
			o->print_version = value == OPTION_VERSION;
			return false;
		}
		if (s == NULL)
			problems_add(problems,
			    value == ':' ? "%s needs a value"
					 : "unknown option %s",
			    argv[optind - 1]);
		else
			apply_flag(
			    o, s, s->is_switch ? "true" : optarg, problems);
	}
	if (argc - optind > 1)
		problems_add(
		    problems, "only one argument, the token, is expected");
	o->token_argument = optind < argc ? argv[optind] : NULL;
	return true;
}

/* A variable counts only where no flag was given. */
static void
parse_environment(struct options *o, struct problems *problems)
{
	for (size_t i = 0; i < option_table_rows; i++) {
		const struct setting *s = &option_table[i];
		struct option_origin origin = { .source = OPTION_VARIABLE };

		if (o->origin[i].source == OPTION_FLAG || s->variable == NULL)
			continue;
		origin.text = getenv(s->variable);
		if (origin.text != NULL)
			(void)apply_setting(
			    o, s, &origin, s->variable, problems);
	}
	for (char **e = environ; e != NULL && *e != NULL; e++) {
		if (strncmp(*e, "FZFF_", 5) == 0) {
			note_ineffective(o, "FZFF_*");
			break;
		}
	}
}

static const struct setting *
find_setting(const char *name)
{
	for (size_t i = 0; i < option_table_rows; i++)
		if (strcmp(option_table[i].flag, name) == 0 &&
		    !option_table[i].not_in_file)
			return &option_table[i];
	return NULL;
}

/*
 * A line that a flag or a variable goes before is looked at all the same, so
 * that it is not found to be wrong one day; unused takes its value.
 */
static void
apply_line(struct options *o, struct options *unused,
    const struct config_line *line, bool *seen, struct problems *problems)
{
	const struct option_origin origin = { OPTION_FILE, line->value };
	const struct setting *s = find_setting(line->name);
	const size_t end = strcspn(line->name, "=");
	const size_t name_len = end + (line->name[end] == '=');
	char called[PROBLEM_TEXT_MAX];
	bool counts;

	/* What is behind a '=' may be a token. */
	snprintf(called, sizeof(called), "%s:%u: %.*s", o->config_file,
	    line->number, name_len < 64 ? (int)name_len : 64, line->name);
	if (s == NULL) {
		problems_add(problems, "%s: there is no such option", called);
		return;
	}
	if (seen[s - option_table])
		problems_add(problems, "%s is there twice", called);
	seen[s - option_table] = true;
	counts = o->origin[s - option_table].source <= OPTION_FILE;
	(void)apply_setting(counts ? o : unused, s, &origin, called, problems);
}

/* It need not be there, unless it was asked for. */
static void
parse_file(struct options *o, struct problems *problems)
{
	const bool wanted =
	    o->origin[option_row("config")].source != OPTION_DEFAULT;
	bool seen[OPTIONS_MAX] = { false };
	struct config_cursor cursor = { .at = o->config_text };
	struct config_line line;
	struct options unused;
	char why[PROBLEM_TEXT_MAX];
	ssize_t len;

	if (*o->config_file == '\0')
		return;
	len = trusted_file_read(o->config_file, false, o->config_text,
	    sizeof(o->config_text), why, sizeof(why));
	if (len == -1) {
		if (wanted || (errno != ENOENT && errno != ENOTDIR))
			problems_add(problems, "%s", why);
		o->config_file = "";
		return;
	}
	unused = *o;
	cursor.end = o->config_text + len;
	while (config_next_line(&cursor, o->config_file, &line, problems))
		apply_line(o, &unused, &line, seen, problems);
}

/* That we may run on. */
static unsigned
processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == -1)
		return THREADS_MAX;
	return CPU_COUNT(&set) < THREADS_MAX ? (unsigned)CPU_COUNT(&set)
					     : THREADS_MAX;
}

enum options_result
options_parse(
    struct options *o, int argc, char **argv, struct problems *problems)
{
	problems->count = problems->more = 0;
	*o = (struct options){ .threads = processors() };
	for (size_t i = 0; i < option_table_rows; i++)
		if (option_table[i].initial != NULL)
			(void)option_table[i].set(o, option_table[i].initial);
	if (!parse_arguments(o, argc, argv, problems))
		return OPTIONS_DONE;
	parse_environment(o, problems);
	parse_file(o, problems);
	if (problems->count > 0)
		return OPTIONS_WRONG;
	if (!o->print_config)
		return OPTIONS_RUN;
	options_print_config(o, stdout);
	return OPTIONS_DONE;
}

bool
options_parse_directives(const char *text, enum log_level *level)
{
	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		char word[8];

		if (len < sizeof(word)) {
			for (size_t i = 0; i < len; i++)
				word[i] = text[i] >= 'A' && text[i] <= 'Z'
				    ? (char)(text[i] + ('a' - 'A'))
				    : text[i];
			word[len] = '\0';
			if (log_parse_level(word, level))
				return true;
		}
		text += len;
		if (*text == ',')
			text++;
	}
	return false;
}
