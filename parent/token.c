/*
 * The portal token: taken from where the operator put it, and wiped there, so
 * that /proc shows it to nobody (posternd(8), The token).
 */
#include "parent/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_NAME "FIREZONE_TOKEN"

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
	if (len > 0)
		return token;
	snprintf(why, why_size,
	    "the token in %s is empty; take it away to have the systemd "
	    "credential " TOKEN_NAME " used",
	    source);
fail:
	sodium_free(token);
	return NULL;
}

static char *
take_variable(char *value, char *why, size_t why_size)
{
	char *token = copy_token(value, TOKEN_NAME, why, why_size);

	explicit_bzero(value, strlen(value));
	(void)unsetenv(TOKEN_NAME);
	return token;
}

static char *
read_credential(char *why, size_t why_size)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX], text[TOKEN_MAX + 256] = "", *token = NULL;
	ssize_t n;
	int fd, len;

	if (directory == NULL) {
		snprintf(why, why_size,
		    "no token: give it in the variable " TOKEN_NAME
		    ", as the systemd credential of that name, or as argument");
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

int
options_take_token(struct options *o, char *why, size_t why_size)
{
	char *variable = getenv(TOKEN_NAME);

	if (o->token_argument != NULL) {
		o->token = copy_token(
		    o->token_argument, "the argument", why, why_size);
		explicit_bzero(o->token_argument, strlen(o->token_argument));
		o->token_argument = NULL;
		if (variable != NULL) {
			explicit_bzero(variable, strlen(variable));
			(void)unsetenv(TOKEN_NAME);
		}
	} else if (variable != NULL)
		o->token = take_variable(variable, why, why_size);
	else
		o->token = read_credential(why, why_size);
	return o->token == NULL ? -1 : 0;
}

void
options_wipe_token(struct options *o)
{
	sodium_free(o->token);
	o->token = NULL;
}
