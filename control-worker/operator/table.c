/* Tables for humans: see table.h. */
#include "control-worker/operator/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control-worker/directory/label.h"

#define CUT_MAX 256 /* bytes of a cell that is cut */

static const char ellipsis[] = "..";

static void
fill_cell(struct text *t, size_t used, size_t columns)
{
	if (used < columns)
		text_add(t, "%*s", (int)(columns - used), "");
	text_add(t, " ");
}

void
table_wide_cell(struct text *t, const char *text, size_t columns)
{
	text_write(t, text, strlen(text));
	fill_cell(t, label_width(text), columns);
}

/* The text, or as much of it as there is room for. */
static const char *
cut_to_fit(const char *text, size_t columns, char cut[CUT_MAX])
{
	size_t len;

	if (label_width(text) <= columns)
		return text;
	len = label_fit(text, columns - strlen(ellipsis));
	snprintf(cut, CUT_MAX, "%.*s%s", (int)len, text, ellipsis);
	return cut;
}

void
table_cell(struct text *t, const char *text, size_t columns)
{
	char cut[CUT_MAX];

	table_wide_cell(t, cut_to_fit(text, columns, cut), columns);
}

void
table_last_cell(struct text *t, const char *text, size_t columns)
{
	char cut[CUT_MAX];

	text_add(t, "%s\n", cut_to_fit(text, columns, cut));
}

const char *
format_duration(uint64_t s, char to[FIGURE_MAX])
{
	if (s < 60)
		snprintf(to, FIGURE_MAX, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(to, FIGURE_MAX, "%" PRIu64 "m %" PRIu64 "s", s / 60,
		    s % 60);
	else if (s < 86400)
		snprintf(to, FIGURE_MAX, "%" PRIu64 "h %" PRIu64 "m", s / 3600,
		    s % 3600 / 60);
	else
		snprintf(to, FIGURE_MAX, "%" PRIu64 "d %" PRIu64 "h", s / 86400,
		    s % 86400 / 3600);
	return to;
}

const char *
format_few_seconds(uint64_t s, char to[FIGURE_MAX])
{
	if (s < 120)
		snprintf(to, FIGURE_MAX, "%" PRIu64 "s", s);
	else if (s < 7200)
		snprintf(to, FIGURE_MAX, "%" PRIu64 "m", s / 60);
	else if (s < 172800)
		snprintf(to, FIGURE_MAX, "%" PRIu64 "h", s / 3600);
	else
		snprintf(to, FIGURE_MAX, "%" PRIu64 "d", s / 86400);
	return to;
}

/* The value in its unit, of which 0 is the byte and 1 the KiB. */
static double
scale_bytes(uint64_t bytes, size_t *unit)
{
	double value = (double)bytes;

	for (*unit = 0; value >= 1024; ++*unit)
		value /= 1024;
	return value;
}

static const char units[] = " KMGTPE";

const char *
format_bytes(uint64_t bytes, char to[FIGURE_MAX])
{
	size_t unit;
	double value = scale_bytes(bytes, &unit);

	if (unit == 0)
		snprintf(to, FIGURE_MAX, "%" PRIu64 " B", bytes);
	else
		snprintf(to, FIGURE_MAX, "%.1f %ciB", value, units[unit]);
	return to;
}

const char *
format_few_bytes(uint64_t bytes, char to[FIGURE_MAX])
{
	size_t unit;
	double value = scale_bytes(bytes, &unit);

	if (unit == 0)
		snprintf(to, FIGURE_MAX, "%" PRIu64, bytes);
	else
		snprintf(to, FIGURE_MAX, "%.1f%c", value, units[unit]);
	return to;
}
