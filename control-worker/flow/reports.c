/* The reports of one authorization: see reports.h. */
#include "control-worker/flow/reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/queue.h>
#include <sys/tree.h>

#include "control-worker/flow/files.h"
#include "control-worker/flow/segment.h"

/* Lines that are appended together. */
#define MARKS_SIZE 4096

struct segment {
	TAILQ_ENTRY(segment) entry;
	uint32_t number;
	uint64_t size;
	size_t live;  /* reports of use */
	bool changed; /* some of them have just been removed */
};

/* A flow, by its start or, once there is one, its end. */
struct report {
	RB_ENTRY(report) entry;
	SLIST_ENTRY(report) removed;
	char stem[FLOW_STEM_LEN]; /* of the name */
	bool closed;
	uint16_t len;            /* of the line */
	uint32_t at;             /* in the segment */
	struct segment *segment; /* NULL: a file of its own */
};

RB_HEAD(report_tree, report);
SLIST_HEAD(report_list, report);
TAILQ_HEAD(segment_list, segment);

struct reports {
	struct report_tree tree;
	struct segment_list segments;
	struct segment *last; /* to be added to; NULL: a new one */
	uint32_t next_number;
	size_t count, starts;
	size_t files;  /* of their own */
	size_t blocks; /* of segments and files */
	size_t damaged;
	bool no_memory; /* while loading */
};

static int
compare_stems(const struct report *a, const struct report *b)
{
	return memcmp(a->stem, b->stem, sizeof(a->stem));
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#ifndef __unused
#define __unused __attribute__((__unused__))
#endif
RB_GENERATE_STATIC(report_tree, report, entry, compare_stems)

static size_t
blocks_of_size(uint64_t size)
{
	return size == 0 ? 1 : (size_t)((size - 1) / SPOOL_BLOCK + 1);
}

size_t
reports_disk_blocks(const struct reports *r)
{
	return r->blocks;
}

size_t
reports_blocks(const struct reports *r)
{
	return r->blocks +
	    (r->starts * REPORTS_END_ROOM + SPOOL_BLOCK - 1) / SPOOL_BLOCK;
}

size_t
reports_damaged(struct reports *r)
{
	size_t n = r->damaged;

	r->damaged = 0;
	return n;
}

static struct report *
find_flow_report(const struct reports *r, const char *name)
{
	struct report key;

	memcpy(key.stem, name, sizeof(key.stem));
	/* The macros know no const. */
	return RB_FIND(report_tree, (struct report_tree *)&r->tree, &key);
}

static const char *
format_name(const struct report *p, char to[FLOW_NAME_MAX])
{
	return p->closed ? flow_name_of_end(p->stem, to)
			 : flow_name_of_start(p->stem, to);
}

/* Segments. */

static struct segment *
add_segment(struct reports *r, uint32_t number, uint64_t size)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->number = number;
	s->size = size;
	r->blocks += blocks_of_size(size);
	if (number >= r->next_number)
		r->next_number = number + 1;
	TAILQ_INSERT_TAIL(&r->segments, s, entry);
	return s;
}

static void
remove_segment(struct reports *r, int dir, struct segment *s)
{
	char file[SEGMENT_NAME_MAX];

	(void)unlinkat(dir, segment_name_format(s->number, file), 0);
	r->blocks -= blocks_of_size(s->size);
	if (r->last == s)
		r->last = NULL;
	TAILQ_REMOVE(&r->segments, s, entry);
	free(s);
}

static void
remove_file(struct reports *r, int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 && r->files > 0) {
		r->files--;
		r->blocks--;
	}
}

/* False with errno; then nothing more is added to it. */
static bool
append_to_segment(
    struct reports *r, int dir, struct segment *s, const char *text, size_t len)
{
	char file[SEGMENT_NAME_MAX];
	size_t n = segment_append(
	    dir, segment_name_format(s->number, file), text, len);

	r->blocks -= blocks_of_size(s->size);
	s->size += n;
	r->blocks += blocks_of_size(s->size);
	if (n != len && r->last == s)
		r->last = NULL;
	return n == len;
}

/*
 * Says in the segment that these are done with. Where that cannot be written,
 * only a successor of this process does not know.
 */
static void
mark_removed_reports(struct reports *r, int dir, struct segment *s,
    const struct report_list *removed)
{
	char marks[MARKS_SIZE + SEGMENT_LINE_MAX + 1] = "\n";
	char name[FLOW_NAME_MAX];
	const struct report *p;
	size_t len = 1;

	SLIST_FOREACH(p, removed, removed) {
		if (p->segment != s)
			continue;
		len += segment_line_format(
		    format_name(p, name), "", 0, marks + len);
		if (len < MARKS_SIZE)
			continue;
		if (!append_to_segment(r, dir, s, marks, len))
			return;
		len = 0;
	}
	if (len > 0)
		(void)append_to_segment(r, dir, s, marks, len);
}

static void
insert_report(struct reports *r, struct report *p)
{
	RB_INSERT(report_tree, &r->tree, p);
	r->count++;
	r->starts += !p->closed;
	if (p->segment != NULL)
		p->segment->live++;
}

static void
forget_report(struct reports *r, struct report *p)
{
	RB_REMOVE(report_tree, &r->tree, p);
	r->count--;
	r->starts -= !p->closed;
	if (p->segment != NULL)
		p->segment->live--;
}

/* Takes what has been forgotten out of the files, and frees it. */
static void
remove_forgotten(struct reports *r, int dir, struct report_list *removed)
{
	char name[FLOW_NAME_MAX];
	struct segment *s, *next;
	struct report *p;

	SLIST_FOREACH(p, removed, removed)
		if (p->segment == NULL)
			remove_file(r, dir, format_name(p, name));
		else
			p->segment->changed = true;
	TAILQ_FOREACH_SAFE(s, &r->segments, entry, next) {
		if (!s->changed)
			continue;
		s->changed = false;
		if (s->live == 0)
			remove_segment(r, dir, s);
		else
			mark_removed_reports(r, dir, s, removed);
	}
	while ((p = SLIST_FIRST(removed)) != NULL) {
		SLIST_REMOVE_HEAD(removed, removed);
		free(p);
	}
}

static void
remove_report(struct reports *r, int dir, struct report *p)
{
	struct report_list removed = SLIST_HEAD_INITIALIZER(removed);

	forget_report(r, p);
	SLIST_INSERT_HEAD(&removed, p, removed);
	remove_forgotten(r, dir, &removed);
}

/* Loading. */

struct load {
	struct reports *reports;
	struct segment *segment; /* NULL: a file of one report */
	int dir;
};

static void
load_report(
    struct load *l, const char *name, bool closed, size_t at, size_t len)
{
	struct reports *r = l->reports;
	struct report *p = find_flow_report(r, name);
	char start[FLOW_NAME_MAX];

	if (p != NULL && (p->closed || !closed)) {
		if (l->segment == NULL)
			remove_file(r, l->dir, name);
		return;
	}
	if (p != NULL) {
		forget_report(r, p);
		if (p->segment == NULL)
			remove_file(r, l->dir, format_name(p, start));
	} else if ((p = malloc(sizeof(*p))) == NULL) {
		r->no_memory = true;
		return;
	}
	*p = (struct report){
		.closed = closed,
		.segment = l->segment,
		.at = (uint32_t)at,
		.len = (uint16_t)len,
	};
	memcpy(p->stem, name, sizeof(p->stem));
	insert_report(r, p);
}

static void
load_line(void *ctx, const struct segment_line *line, size_t at, size_t len)
{
	struct load *l = ctx;
	struct report *p;

	if (line->len > 0) {
		load_report(l, line->name, line->closed, at, len);
		return;
	}
	p = find_flow_report(l->reports, line->name);
	if (p != NULL && p->segment == l->segment &&
	    p->closed == line->closed) {
		forget_report(l->reports, p);
		free(p);
	}
}

static void
load_segment(struct load *l, const char *name, uint32_t number)
{
	struct reports *r = l->reports;
	struct segment_scan scan;
	struct segment *s;

	if ((s = add_segment(r, number, 0)) == NULL) {
		r->no_memory = true;
		return;
	}
	l->segment = s;
	/* What cannot be read at the moment may be of use. */
	if (!segment_scan(l->dir, name, load_line, l, &scan))
		s->live++;
	l->segment = NULL;
	r->damaged += scan.damaged;
	r->blocks += blocks_of_size(scan.size) - blocks_of_size(s->size);
	s->size = scan.size;
}

static void
load_entry(void *ctx, int dir, const char *name)
{
	struct load *l = ctx;
	uint32_t number;
	bool closed;

	(void)dir;
	if (segment_name_parse(name, &number))
		load_segment(l, name, number);
	else if (flow_name_parse(name, &closed)) {
		l->reports->files++;
		l->reports->blocks++;
		load_report(l, name, closed, 0, 0);
	}
}

struct reports *
reports_load(int dir)
{
	struct reports *r = calloc(1, sizeof(*r));
	struct load l = { .reports = r, .dir = dir };
	struct segment *s, *next;

	if (r == NULL)
		return NULL;
	RB_INIT(&r->tree);
	TAILQ_INIT(&r->segments);
	each_entry(dir, load_entry, &l);
	if (r->no_memory) {
		reports_free(r);
		return NULL;
	}
	TAILQ_FOREACH_SAFE(s, &r->segments, entry, next)
		if (s->live == 0)
			remove_segment(r, dir, s);
	return r;
}

void
reports_free(struct reports *r)
{
	struct segment *s;
	struct report *p;

	if (r == NULL)
		return;
	while ((p = RB_ROOT(&r->tree)) != NULL) {
		RB_REMOVE(report_tree, &r->tree, p);
		free(p);
	}
	while ((s = TAILQ_FIRST(&r->segments)) != NULL) {
		TAILQ_REMOVE(&r->segments, s, entry);
		free(s);
	}
	free(r);
}

static void
count_blocks(void *ctx, int dir, const char *name)
{
	size_t *blocks = ctx;
	uint64_t size = 0;
	uint32_t number;
	int fd;

	if (segment_name_parse(name, &number) &&
	    (fd = open_file(dir, name, &size)) != -1)
		close(fd);
	*blocks += blocks_of_size(size);
}

size_t
reports_dir_blocks(int dir)
{
	size_t blocks = 0;

	each_entry(dir, count_blocks, &blocks);
	return blocks;
}

/* Adding. */

enum reports_known
reports_known(const struct reports *r, const char *name)
{
	const struct report *p = find_flow_report(r, name);
	bool closed;

	if (p == NULL)
		return REPORTS_NEW;
	return !p->closed && flow_name_parse(name, &closed) && closed
	    ? REPORTS_STARTED
	    : REPORTS_KNOWN;
}

static bool
fits_last_segment(const struct reports *r, size_t len)
{
	return r->last != NULL && r->last->size + len <= SEGMENT_MAX;
}

size_t
reports_need(const struct reports *r, size_t len)
{
	if (!fits_last_segment(r, len))
		return blocks_of_size(len);
	return blocks_of_size(r->last->size + len) -
	    blocks_of_size(r->last->size);
}

/* The segment with the line at its end; NULL with errno. */
static struct segment *
write_line(struct reports *r, int dir, const char *line, size_t len)
{
	struct segment *s;
	int saved;

	if (!fits_last_segment(r, len))
		r->last = NULL;
	if ((s = r->last) == NULL) {
		s = r->next_number == UINT32_MAX
		    ? NULL
		    : add_segment(r, r->next_number, 0);
		if (s == NULL) {
			errno = ENOMEM;
			return NULL;
		}
		r->last = s;
	}
	if (append_to_segment(r, dir, s, line, len))
		return s;
	saved = errno;
	if (s->live == 0)
		remove_segment(r, dir, s);
	errno = saved;
	return NULL;
}

bool
reports_put(struct reports *r, int dir, const char *name, const char *payload,
    size_t len)
{
	struct report *p = malloc(sizeof(*p)),
		      *start = find_flow_report(r, name);
	char line[SEGMENT_LINE_MAX + 1];
	struct segment *s = NULL;
	bool closed;

	if (p == NULL)
		return false;
	len = segment_line_format(name, payload, len, line);
	if (flow_name_parse(name, &closed))
		s = write_line(r, dir, line, len);
	else
		errno = EINVAL;
	if (s == NULL) {
		free(p);
		return false;
	}
	*p = (struct report){
		.closed = closed,
		.segment = s,
		.at = (uint32_t)(s->size - len),
		.len = (uint16_t)(len - 1),
	};
	memcpy(p->stem, name, sizeof(p->stem));
	/* In one segment it is the order that tells. */
	if (start != NULL && start->segment == s) {
		forget_report(r, start);
		free(start);
	} else if (start != NULL)
		remove_report(r, dir, start);
	insert_report(r, p);
	return true;
}

/* Taking. */

spool_name *
reports_names(struct reports *r, size_t *count)
{
	spool_name *names;
	struct report *p;
	size_t n = 0;

	*count = 0;
	if (r->last != NULL && r->last->size >= SPOOL_BLOCK)
		r->last = NULL;
	if (r->count == 0 ||
	    (names = reallocarray(NULL, r->count, sizeof(*names))) == NULL)
		return NULL;
	RB_FOREACH(p, report_tree, &r->tree)
		(void)format_name(p, names[n++]);
	*count = n;
	return names;
}

/* The report, if it still has that name. */
static struct report *
find_report(const struct reports *r, const char *name)
{
	struct report *p;
	bool closed;

	if (!flow_name_parse(name, &closed))
		return NULL;
	p = find_flow_report(r, name);
	return p != NULL && p->closed == closed ? p : NULL;
}

static enum segment_result
read_own_file(int dir, const char *name, char to[FLOW_PAYLOAD_MAX + 1],
    size_t *payload_len)
{
	char file[FLOW_FILE_MAX + 1];
	ssize_t n = read_file(dir, name, file, sizeof(file));
	const char *payload;

	if (n < 0)
		return errno == ENOENT ? SEGMENT_DAMAGED : SEGMENT_UNREADABLE;
	if (!flow_file_parse(file, (size_t)n, &payload, payload_len))
		return SEGMENT_DAMAGED;
	memcpy(to, payload, *payload_len);
	to[*payload_len] = '\0';
	return SEGMENT_READ;
}

size_t
reports_get(
    struct reports *r, int dir, const char *name, char to[FLOW_PAYLOAD_MAX + 1])
{
	struct report *p = find_report(r, name);
	char file[SEGMENT_NAME_MAX];
	enum segment_result result;
	size_t len = 0;

	to[0] = '\0';
	if (p == NULL)
		return 0;
	if (p->segment == NULL)
		result = read_own_file(dir, name, to, &len);
	else
		result = segment_read(dir,
		    segment_name_format(p->segment->number, file), p->at,
		    p->len, name, to, &len);
	if (result == SEGMENT_READ)
		return len;
	if (result == SEGMENT_DAMAGED) {
		r->damaged++;
		remove_report(r, dir, p);
	}
	to[0] = '\0';
	return 0;
}

void
reports_remove(
    struct reports *r, int dir, const spool_name *names, size_t count)
{
	struct report_list removed = SLIST_HEAD_INITIALIZER(removed);

	for (size_t i = 0; i < count; i++) {
		struct report *p = find_report(r, names[i]);

		if (p == NULL)
			continue;
		forget_report(r, p);
		SLIST_INSERT_HEAD(&removed, p, removed);
	}
	remove_forgotten(r, dir, &removed);
}
