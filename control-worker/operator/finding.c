/* Lists of findings: see finding.h. */
#include "control-worker/operator/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control-worker/json/write.h"

#define COLUMNS     80
#define TEXT_COLUMN 20

struct finding *
findings_add(struct findings *f, const char *check, enum ip_family family,
    enum verdict verdict, const char *fmt, ...)
{
	struct finding *one =
	    f->count < FINDINGS_MAX ? &f->of[f->count++] : &f->spare;
	va_list ap;

	*one = (struct finding){
		.check = check,
		.family = family,
		.verdict = verdict,
	};
	va_start(ap, fmt);
	vsnprintf(one->text, sizeof(one->text), fmt, ap);
	va_end(ap);
	make_printable(one->text);
	return one;
}

static struct finding_member *
add_member(struct finding *f, const char *name)
{
	struct finding_member *m;

	if (f->member_count == FINDING_MEMBERS_MAX)
		return NULL;
	m = &f->member[f->member_count++];
	m->name = name;
	return m;
}

void
finding_add_text(struct finding *f, const char *name, const char *text)
{
	struct finding_member *m = add_member(f, name);

	if (m == NULL)
		return;
	strlcpy(m->text, text, sizeof(m->text));
	make_printable(m->text);
}

void
finding_add_number(struct finding *f, const char *name, int64_t number)
{
	struct finding_member *m = add_member(f, name);

	if (m == NULL)
		return;
	m->is_number = true;
	m->number = number;
}

size_t
findings_count(const struct findings *f, enum verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += f->of[i].verdict == verdict;
	return n;
}

static const char *
verdict_word(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_OK] = "ok",
		[VERDICT_NOT_OK] = "not ok",
		[VERDICT_UNKNOWN] = "unknown",
	};

	return names[verdict];
}

/* From the column on, and below each other where there is no room. */
static void
write_wrapped(struct text *t, const char *text)
{
	size_t used = TEXT_COLUMN, len;

	while (*text != '\0') {
		len = strcspn(text, " ");
		if (used > TEXT_COLUMN && used + 1 + len > COLUMNS) {
			text_add(t, "\n%*s", TEXT_COLUMN, "");
			used = TEXT_COLUMN;
		} else if (used > TEXT_COLUMN) {
			text_add(t, " ");
			used++;
		}
		text_write(t, text, len);
		used += len;
		text += len;
		text += strspn(text, " ");
	}
	text_add(t, "\n");
}

static void
write_finding(struct text *t, const struct finding *f, bool wide)
{
	char label[32];

	snprintf(label, sizeof(label), "%s%s", f->check,
	    f->family == IP_V4       ? " IPv4"
		: f->family == IP_V6 ? " IPv6"
				     : "");
	text_add(t, "%-7s %-11s ", verdict_word(f->verdict), label);
	if (wide)
		text_add(t, "%s\n", f->text);
	else
		write_wrapped(t, f->text);
}

static void
write_lines(const struct findings *f, struct text *t, bool wide)
{
	size_t wrong = findings_count(f, VERDICT_NOT_OK);
	size_t unknown = findings_count(f, VERDICT_UNKNOWN);

	if (wrong > 0)
		text_add(t, "%zu of %zu checks are not ok", wrong, f->count);
	else
		text_add(t, "nothing is found wrong by %zu checks", f->count);
	if (unknown > 0)
		text_add(t, ", %zu cannot tell", unknown);
	text_add(t, "\n");
	for (size_t i = 0; i < f->count; i++)
		write_finding(t, &f->of[i], wide);
}

static void
put_finding(struct json_writer *w, const struct finding *f)
{
	json_put_object(w);
	json_put_name(w, "check");
	json_put_text(w, f->check);
	json_put_name(w, "family");
	json_put_text(w,
	    f->family == IP_V4       ? "ipv4"
		: f->family == IP_V6 ? "ipv6"
				     : NULL);
	json_put_name(w, "verdict");
	json_put_text(w, verdict_word(f->verdict));
	json_put_name(w, "text");
	json_put_text(w, f->text);
	for (size_t i = 0; i < f->member_count; i++) {
		const struct finding_member *m = &f->member[i];

		json_put_name(w, m->name);
		if (m->is_number)
			json_put_signed(w, m->number);
		else
			json_put_text(w, m->text);
	}
	json_put_object_end(w);
}

static void
write_object(const struct findings *f, struct text *t, uint64_t now)
{
	struct json_writer w = { 0 };

	json_write_begin_to(&w, text_append, t);
	json_put_object(&w);
	json_put_name(&w, "now");
	json_put_unsigned(&w, now);
	json_put_name(&w, "ok");
	json_put_bool(&w, findings_count(f, VERDICT_NOT_OK) == 0);
	json_put_name(&w, "checks");
	json_put_array(&w);
	for (size_t i = 0; i < f->count; i++)
		put_finding(&w, &f->of[i]);
	json_put_array_end(&w);
	json_put_object_end(&w);
	t->failed |= w.failed;
	json_write_free(&w);
	text_add(t, "\n");
}

void
findings_write(
    const struct findings *f, struct text *t, enum ctl_form form, uint64_t now)
{
	if (form == CTL_JSON)
		write_object(f, t, now);
	else
		write_lines(f, t, form == CTL_WIDE);
}
