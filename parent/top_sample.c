/* Samples of counters, and rates: see top_sample.h. */
#include "parent/top_sample.h"

#include <stdlib.h>
#include <string.h>

/* The word that text begins with: it is ended there; NULL: it has none. */
static char *
take_word(char **text)
{
	char *word = *text, *blank = strchr(word, ' ');

	if (blank == NULL || blank == word)
		return NULL;
	*blank = '\0';
	*text = blank + 1;
	return word;
}

/* Digits alone, and no more than there are in 64 bits. */
static bool
read_number(const char *word, uint64_t *to)
{
	uint64_t n = 0;

	if (word == NULL || *word == '\0')
		return false;
	for (; *word != '\0'; word++) {
		uint64_t digit = (uint64_t)(*word - '0');

		if (*word < '0' || *word > '9' || n > UINT64_MAX / 10 ||
		    n * 10 > UINT64_MAX - digit)
			return false;
		n = n * 10 + digit;
	}
	*to = n;
	return true;
}

/* Four numbers, with a blank behind each. */
static bool
read_counters(char **text, struct top_counters *to)
{
	return read_number(take_word(text), &to->from_bytes) &&
	    read_number(take_word(text), &to->from_packets) &&
	    read_number(take_word(text), &to->to_bytes) &&
	    read_number(take_word(text), &to->to_packets);
}

static bool
read_id(const char *word, char to[TOP_ID_LEN + 1])
{
	if (word == NULL || strlen(word) != TOP_ID_LEN ||
	    strspn(word, "0123456789abcdef-") != TOP_ID_LEN)
		return false;
	memcpy(to, word, TOP_ID_LEN + 1);
	return true;
}

/* NULL: there are too many, or there is no memory. */
static struct top_entry *
add_entry(struct top_sample *s)
{
	struct top_entry *entries = s->entries;
	size_t room;

	if (s->count == TOP_ENTRIES_MAX)
		return NULL;
	/* Twice the room at each power of two. */
	if ((s->count & (s->count - 1)) == 0) {
		room = s->count == 0 ? 1 : 2 * s->count;
		entries = reallocarray(entries, room, sizeof(*entries));
		if (entries == NULL)
			return NULL;
		s->entries = entries;
	}
	return &entries[s->count++];
}

static bool
read_entry(struct top_sample *s, bool is_resource, char *rest)
{
	struct top_entry e = { .is_resource = is_resource }, *to;

	if (!read_id(take_word(&rest), e.id) ||
	    !read_counters(&rest, &e.counters) || (to = add_entry(s)) == NULL)
		return false;
	e.name = rest;
	e.name_len = strlen(rest);
	s->clients += !is_resource;
	*to = e;
	return true;
}

/* The last of the four numbers ends the line. */
static bool
read_total(struct top_sample *s, char *rest)
{
	struct top_counters *t = &s->total;

	return read_number(take_word(&rest), &t->from_bytes) &&
	    read_number(take_word(&rest), &t->from_packets) &&
	    read_number(take_word(&rest), &t->to_bytes) &&
	    read_number(rest, &t->to_packets);
}

/* One line without its end; last: after it there is nothing more. */
static bool
read_sample_line(struct top_sample *s, char *line, bool *last)
{
	const char *word;

	if (strcmp(line, "end") == 0) {
		*last = true;
		return true;
	}
	word = take_word(&line);
	if (word == NULL)
		return false;
	if (strcmp(word, "time") == 0)
		return read_number(line, &s->ms);
	if (strcmp(word, "total") == 0)
		return read_total(s, line);
	if (strcmp(word, "client") == 0)
		return read_entry(s, false, line);
	if (strcmp(word, "resource") == 0)
		return read_entry(s, true, line);
	if (strcmp(word, "problem") != 0)
		return false;
	*last = true;
	s->problem = line;
	return true;
}

static int
compare_entries(const void *a, const void *b)
{
	const struct top_entry *x = a, *y = b;

	if (x->is_resource != y->is_resource)
		return x->is_resource ? 1 : -1;
	return strcmp(x->id, y->id);
}

bool
top_sample_parse(struct top_sample *s, char *text, size_t len)
{
	char *line = text, *end;
	bool last = false;

	*s = (struct top_sample){ .text = text };
	text[len] = '\0';
	while (!last) {
		end = strchr(line, '\n');
		if (end == NULL)
			break;
		*end = '\0';
		if (!read_sample_line(s, line, &last))
			break;
		line = end + 1;
	}
	if (!last || line != text + len) {
		top_sample_free(s);
		return false;
	}
	if (s->count > 0)
		qsort(
		    s->entries, s->count, sizeof(*s->entries), compare_entries);
	return true;
}

void
top_sample_free(struct top_sample *s)
{
	free(s->text);
	free(s->entries);
	*s = (struct top_sample){ 0 };
}

bool
top_is_rest(const struct top_entry *e)
{
	return e->is_resource && e->id[strspn(e->id, "0-")] == '\0';
}

/* Of two points; what has fallen has begun anew. */
static double
rate_of(uint64_t old, uint64_t now, double seconds)
{
	return now > old && seconds > 0 ? (double)(now - old) / seconds : 0;
}

static struct top_rate
rate_between(const struct top_counters *old, const struct top_counters *new,
    double seconds)
{
	return (struct top_rate){
		.from_bits =
		    8 * rate_of(old->from_bytes, new->from_bytes, seconds),
		.to_bits = 8 * rate_of(old->to_bytes, new->to_bytes, seconds),
		.packets =
		    rate_of(old->from_packets, new->from_packets, seconds) +
		    rate_of(old->to_packets, new->to_packets, seconds),
	};
}

static double
seconds_between(const struct top_sample *old, const struct top_sample *new)
{
	return new->ms > old->ms ? (double)(new->ms - old->ms) / 1e3 : 0;
}

struct top_rate
top_rate_of_all(const struct top_sample *old, const struct top_sample *new)
{
	return rate_between(
	    &old->total, &new->total, seconds_between(old, new));
}

/* The greatest first; else by id, as they are in the sample. */
static int
compare_rates(const void *a, const void *b)
{
	const struct top_rate *x = a, *y = b;
	double of_x = x->from_bits + x->to_bits,
	       of_y = y->from_bits + y->to_bits;

	if (of_x != of_y)
		return of_x < of_y ? 1 : -1;
	if (top_is_rest(x->entry) != top_is_rest(y->entry))
		return top_is_rest(x->entry) ? 1 : -1;
	return compare_entries(x->entry, y->entry);
}

size_t
top_rates(const struct top_sample *old, const struct top_sample *new,
    bool resources, struct top_rate *to)
{
	double seconds = seconds_between(old, new);
	size_t count = 0;

	for (size_t i = 0; i < new->count; i++) {
		const struct top_entry *e = &new->entries[i], *before = NULL;

		if (e->is_resource != resources)
			continue;
		if (old->count > 0)
			before = bsearch(e, old->entries, old->count,
			    sizeof(*e), compare_entries);
		to[count] = before == NULL
		    ? (struct top_rate){ 0 }
		    : rate_between(&before->counters, &e->counters, seconds);
		to[count++].entry = e;
	}
	if (count > 0)
		qsort(to, count, sizeof(*to), compare_rates);
	return count;
}
