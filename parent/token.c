/*
 * The portal token: taken from where the operator put it, and wiped there, so
 * that /proc shows it to nobody (posternd(8), The token).
 */
#include "parent/option_table.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/trusted_file.h"

#define TOKEN_NAME     "FIREZONE_TOKEN"
#define TOKEN_TEXT_MAX (TOKEN_MAX + 256) /* with white space */

/* A copy without white space; NULL with why when it cannot be a token. */
static char *
copy_token(const char *from, const char *source, char *why, size_t why_size)
{
	/* Kept for as long as we live: locked, and left out of core dumps. */
	char *token = sodium_init() == -1 ? NULL : sodium_malloc(TOKEN_MAX + 1);
	size_t len = 0;

	if (token == NULL) {
		snprintf(why, why_size, "no memory for the token");
		return NULL;
	}
	sodium_memzero(token, TOKEN_MAX + 1);
	for (; *from != '\0'; from++) {
		if (isspace((unsigned char)*from))
			continue;
		if (len == TOKEN_MAX || !isgraph((unsigned char)*from)) {
			snprintf(why, why_size, "the token in %s is malformed",
			    source);
			goto fail;
		}
		token[len++] = *from;
	}
	/* A path would be sent to the portal and refused there. */
	if (len > 0 && token[0] != '/')
		return token;
	if (len > 0)
		snprintf(why, why_size,
		    "what is in %s is no token but a path; give that by "
		    "--token-file or POSTERN_TOKEN_FILE",
		    source);
	else
		snprintf(why, why_size,
		    "the token in %s is empty; take it away to have the "
		    "systemd credential " TOKEN_NAME " used",
		    source);
fail:
	sodium_free(token);
	return NULL;
}

static char *
read_site_token(const char *path, char *why, size_t why_size)
{
	char text[TOKEN_TEXT_MAX], *token = NULL;
	ssize_t len =
	    trusted_file_read(path, true, text, sizeof(text), why, why_size);

	if (len == -1)
		return NULL;
	if ((size_t)len != strlen(text))
		snprintf(why, why_size, "the token in %s is malformed", path);
	else
		token = copy_token(text, path, why, why_size);
	explicit_bzero(text, sizeof(text));
	return token;
}

static char *
read_credential(char *why, size_t why_size)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX], text[TOKEN_TEXT_MAX] = "", *token = NULL;
	ssize_t n;
	int fd, len;

	if (directory == NULL) {
		snprintf(why, why_size,
		    "no token: give it by --token-file, in the "
		    "variable " TOKEN_NAME ", as the systemd credential of "
		    "that name, or as argument");
		return NULL;
	}
	len = snprintf(path, sizeof(path), "%s/" TOKEN_NAME, directory);
	if (len < 0 || (size_t)len >= sizeof(path) ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		snprintf(why, why_size,
		    "no token: the systemd credential %s/" TOKEN_NAME
		    " cannot be opened: %s",
		    directory, strerror(errno));
		return NULL;
	}
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n == -1)
		snprintf(
		    why, why_size, "cannot read %s: %s", path, strerror(errno));
	else
		token =
		    copy_token(text, "the systemd credential", why, why_size);
	explicit_bzero(text, sizeof(text));
	return token;
}

enum token_source {
	TOKEN_ARGUMENT,
	TOKEN_VARIABLE,
	TOKEN_FILE,
	TOKEN_CREDENTIAL,
	TOKEN_TWICE, /* in one place by two ways */
};

/* What is given nearer to the command line counts, as with every option. */
static enum token_source
token_source(const struct options *o)
{
	const enum option_source file =
	    o->origin[option_row("token-file")].source;

	if (o->token_argument != NULL)
		return file == OPTION_FLAG ? TOKEN_TWICE : TOKEN_ARGUMENT;
	if (file == OPTION_FLAG)
		return TOKEN_FILE;
	if (getenv(TOKEN_NAME) != NULL)
		return file == OPTION_VARIABLE ? TOKEN_TWICE : TOKEN_VARIABLE;
	return file != OPTION_DEFAULT ? TOKEN_FILE : TOKEN_CREDENTIAL;
}

const char *
options_token_source(const struct options *o)
{
	static const char *const texts[] = {
		[TOKEN_ARGUMENT] = "the argument",
		[TOKEN_VARIABLE] = "the variable " TOKEN_NAME,
		[TOKEN_FILE] = "of the token-file",
		[TOKEN_CREDENTIAL] = "the systemd credential " TOKEN_NAME,
		[TOKEN_TWICE] = "given twice, which is an error",
	};

	return texts[token_source(o)];
}

/* The argument and the variable, used or not. */
static void
wipe_sources(struct options *o)
{
	char *variable = getenv(TOKEN_NAME);

	if (o->token_argument != NULL)
		explicit_bzero(o->token_argument, strlen(o->token_argument));
	o->token_argument = NULL;
	if (variable != NULL) {
		explicit_bzero(variable, strlen(variable));
		(void)unsetenv(TOKEN_NAME);
	}
}

int
options_take_token(struct options *o, char *why, size_t why_size)
{
	const enum token_source source = token_source(o);

	if (source == TOKEN_FILE)
		snprintf(o->token_from, sizeof(o->token_from), "the file %s",
		    o->token_file);
	else
		strlcpy(o->token_from, options_token_source(o),
		    sizeof(o->token_from));
	switch (source) {
	case TOKEN_ARGUMENT:
		o->token = copy_token(
		    o->token_argument, "the argument", why, why_size);
		break;
	case TOKEN_VARIABLE:
		o->token =
		    copy_token(getenv(TOKEN_NAME), TOKEN_NAME, why, why_size);
		break;
	case TOKEN_FILE:
		o->token = read_site_token(o->token_file, why, why_size);
		break;
	case TOKEN_CREDENTIAL:
		o->token = read_credential(why, why_size);
		break;
	case TOKEN_TWICE:
		snprintf(why, why_size,
		    "the token is given twice, by itself and by a file; leave "
		    "one out");
	}
	wipe_sources(o);
	return o->token == NULL ? -1 : 0;
}

void
options_wipe_token(struct options *o)
{
	sodium_free(o->token);
	o->token = NULL;
}
