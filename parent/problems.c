/* A list of problems: see problems.h. */
#include "parent/problems.h"

#include <stdarg.h>
#include <stdio.h>

bool
problems_add(struct problems *p, const char *format, ...)
{
	va_list args;

	if (p->count == PROBLEMS_MAX) {
		p->more++;
		return false;
	}
	va_start(args, format);
	(void)vsnprintf(p->text[p->count++], sizeof(p->text[0]), format, args);
	va_end(args);
	return false;
}
