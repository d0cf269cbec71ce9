/* What the client tells by lines: see client.h. */
#include <stdarg.h>
#include <stdio.h>

#include "tests/client/client.h"

void
event(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void
debug(const struct client *c, const char *format, ...)
{
	va_list ap;

	if (!c->verbose)
		return;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}
