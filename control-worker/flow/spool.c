/*
 * The spool: see spool.h. Every path is made of names that this file or a
 * checked UUID gives, and is looked up from a descriptor of the root without
 * following a link; what is listed is used only when it has the form of such a
 * name.
 */
#include "control-worker/flow/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/share.h"
#include "common/sort.h"
#include "common/time.h"
#include "control-worker/flow/files.h"

#define TOKEN_NAME    "token"
#define SETTINGS_NAME "upload.json"

#define HELD_MAX 1024

/* The first that is dropped is told, then each of so many. */
#define DROPPED_EACH 1000

/* How many reports an authorization has here; counted when it is asked for. */
struct held {
	struct uuid authorization;
	bool known;
	size_t files;
};

struct spool {
	int root;
	size_t count, max;
	struct held held[HELD_MAX]; /* where the id points */
	uint64_t dropped;
	struct log_limit damaged_limit;
};

static bool
is_directory_name(const char *name)
{
	struct uuid u;

	return strlen(name) == UUID_TEXT_LEN && name[8] == '-' &&
	    uuid_parse(name, &u);
}

static int
open_dir(const struct spool *s, const struct spool_dir *d)
{
	int role, fd;

	if (!is_directory_name(d->id))
		return -1;
	role = openat(s->root, flow_role_name(d->role), DIRECTORY);
	if (role == -1)
		return -1;
	fd = openat(role, d->id, DIRECTORY);
	close(role);
	return fd;
}

static int
make_dir(struct spool *s, int at, const char *name)
{
	if (mkdirat(at, name, 0700) == 0)
		s->count++;
	else if (errno != EEXIST)
		return -1;
	return openat(at, name, DIRECTORY);
}

static void
drop(struct spool *s, const char *why)
{
	if (s->dropped++ % DROPPED_EACH == 0)
		log_warnx("flow logs: a report was dropped: %s (%llu so far)",
		    why, (unsigned long long)s->dropped);
}

static bool
has_room(struct spool *s, size_t max)
{
	if (s->count < max)
		return true;
	drop(s, "the spool is full");
	return false;
}

/* What an authorization may have. */

static void
count_report(void *ctx, int dir, const char *name)
{
	size_t *count = ctx;
	bool closed;

	(void)dir;
	*count += flow_name_parse(name, &closed);
}

static struct held *
held_slot(struct spool *s, const struct uuid *u)
{
	return &s->held[(u->bytes[0] << 8 | u->bytes[1]) % HELD_MAX];
}

static struct held *
held_by(struct spool *s, const struct uuid *u, int dir)
{
	struct held *h = held_slot(s, u);

	if (!h->known || !uuid_equal(&h->authorization, u)) {
		*h = (struct held){ .authorization = *u, .known = true };
		each_entry(dir, count_report, &h->files);
	}
	return h;
}

/* Some of its files are removed: they are to be counted again. */
static void
forget_held(struct spool *s, const struct spool_dir *d)
{
	struct uuid u;

	if (uuid_parse(d->id, &u))
		held_slot(s, &u)->known = false;
}

/*
 * Starts leave room to ends, and both to tokens, without which nothing could be
 * uploaded; and an authorization leaves room to others.
 */
static bool
may_hold_more(struct spool *s, const struct held *h, bool closed)
{
	size_t max = s->max - s->max / (closed ? SPOOL_TOKENS : SPOOL_ENDS);

	if (!has_room(s, max))
		return false;
	if (share_allows(h->files, max - s->count, SPOOL_SHARE))
		return true;
	drop(s, "its authorization has its share of the spool");
	return false;
}

/* Counting, at the start. */

static void
count_file(void *ctx, int dir, const char *name)
{
	struct spool *s = ctx;

	(void)dir;
	(void)name;
	s->count++;
}

static void
count_dir(void *ctx, int at, const char *name)
{
	struct spool *s = ctx;
	int dir = openat(at, name, DIRECTORY);

	s->count++;
	if (dir == -1)
		return;
	each_entry(dir, count_file, s);
	close(dir);
}

static void
count_all(struct spool *s)
{
	for (enum flow_role r = FLOW_INITIATOR; r <= FLOW_RESPONDER; r++) {
		int dir = openat(s->root, flow_role_name(r), DIRECTORY);

		if (dir == -1)
			continue;
		s->count++;
		each_entry(dir, count_dir, s);
		close(dir);
	}
}

struct spool *
spool_open(const char *root, size_t files_max)
{
	struct spool *s = calloc(1, sizeof(*s));
	int saved;

	if (s == NULL)
		return NULL;
	s->max = files_max;
	if ((s->root = open(root, DIRECTORY)) == -1) {
		saved = errno;
		free(s);
		errno = saved;
		return NULL;
	}
	count_all(s);
	return s;
}

void
spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	close(s->root);
	free(s);
}

size_t
spool_count(const struct spool *s)
{
	return s->count;
}

uint64_t
spool_dropped(const struct spool *s)
{
	return s->dropped;
}

/* Writing. */

/* -1 with errno. */
static int
put_token(struct spool *s, const struct flow_token *token, const char *jwt)
{
	char id[UUID_TEXT_LEN + 1];
	int role, dir, saved;
	bool is_new, good;

	if ((role = make_dir(s, s->root, flow_role_name(token->role))) == -1)
		return -1;
	dir = make_dir(s, role, uuid_format(&token->authorization, id));
	saved = errno;
	close(role);
	errno = saved;
	if (dir == -1)
		return -1;
	is_new = !is_there(dir, TOKEN_NAME);
	good = write_file(dir, TOKEN_NAME, jwt, strlen(jwt));
	s->count += good && is_new;
	saved = errno;
	close(dir);
	errno = saved;
	return good ? 0 : -1;
}

void
spool_put_token(
    struct spool *s, const struct flow_token *token, const char *jwt)
{
	if (has_room(s, s->max) && put_token(s, token, jwt) == -1)
		drop(s, strerrordesc_np(errno));
}

/* The authorization's directory, in either role, if it has a token. */
static int
open_authorization(const struct spool *s, const struct uuid *u)
{
	struct spool_dir d = { .role = FLOW_RESPONDER };
	int dir;

	uuid_format(u, d.id);
	if ((dir = open_dir(s, &d)) == -1) {
		d.role = FLOW_INITIATOR;
		dir = open_dir(s, &d);
	}
	if (dir != -1 && !is_there(dir, TOKEN_NAME)) {
		close(dir);
		dir = -1;
	}
	return dir;
}

static void
remove_file(struct spool *s, int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 && s->count > 0)
		s->count--;
}

/* The end of a flow takes the place of its start, which it makes needless. */
static void
put_report(struct spool *s, int dir, const struct ipc_flow *f,
    const char *payload, size_t len)
{
	char file[FLOW_FILE_MAX + 1], name[FLOW_NAME_MAX], start[FLOW_NAME_MAX];
	struct held *h = held_by(s, &f->authorization, dir);
	bool replaces;

	flow_name_format(f, name);
	flow_name_of_start(name, start);
	replaces = f->closed && is_there(dir, start);
	if (!replaces && !may_hold_more(s, h, f->closed))
		return;
	len = flow_file_format(payload, len, file);
	if (len == 0 || !write_file(dir, name, file, len)) {
		drop(s, strerrordesc_np(errno));
		return;
	}
	s->count++;
	if (replaces)
		remove_file(s, dir, start);
	else
		h->files++;
}

/* It has been told before, or what makes it needless has. */
static bool
is_known(int dir, const struct ipc_flow *f)
{
	char name[FLOW_NAME_MAX], end[FLOW_NAME_MAX];

	return is_there(dir, flow_name_format(f, name)) ||
	    (!f->closed && is_there(dir, flow_name_of_end(name, end)));
}

void
spool_put_report(struct spool *s, const struct ipc_flow *f)
{
	char payload[FLOW_PAYLOAD_MAX + 1];
	int dir = open_authorization(s, &f->authorization);
	size_t len;

	if (dir == -1)
		return;
	if ((len = flow_payload_format(f, payload)) == 0)
		log_debug("flow logs: a report without addresses or paths");
	else if (!is_known(dir, f))
		put_report(s, dir, f, payload, len);
	close(dir);
}

void
spool_put_settings(struct spool *s, const struct flow_settings *settings)
{
	char text[FLOW_SETTINGS_TEXT_MAX];
	size_t len;

	if (settings->interval_s == 0)
		(void)unlinkat(s->root, SETTINGS_NAME, 0);
	else if ((len = flow_settings_format(settings, text)) == 0 ||
	    !write_file(s->root, SETTINGS_NAME, text, len))
		log_warn("flow logs: the settings cannot be kept");
}

bool
spool_get_settings(struct spool *s, struct flow_settings *settings)
{
	char text[FLOW_SETTINGS_TEXT_MAX];
	ssize_t n = read_file(s->root, SETTINGS_NAME, text, sizeof(text));

	*settings = (struct flow_settings){ 0 };
	return n > 0 && flow_settings_read(text, (size_t)n, settings);
}

/* Reading. */

static size_t
read_token(int dir, char to[FLOW_TOKEN_MAX + 1])
{
	ssize_t n = read_file(dir, TOKEN_NAME, to, FLOW_TOKEN_MAX + 1);

	to[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Closes the directory, which may be -1: none. */
static size_t
token_of(int dir, char to[FLOW_TOKEN_MAX + 1])
{
	size_t n;

	to[0] = '\0';
	if (dir == -1)
		return 0;
	n = read_token(dir, to);
	close(dir);
	return n;
}

size_t
spool_get_token(
    struct spool *s, const struct spool_dir *d, char to[FLOW_TOKEN_MAX + 1])
{
	return token_of(open_dir(s, d), to);
}

size_t
spool_find_token(
    struct spool *s, const struct uuid *u, char to[FLOW_TOKEN_MAX + 1])
{
	return token_of(open_authorization(s, u), to);
}

struct dir_list {
	enum flow_role role;
	struct spool_dir *dirs;
	size_t count, size;
};

static void
list_dir(void *ctx, int at, const char *name)
{
	struct dir_list *l = ctx;
	struct spool_dir *d;

	(void)at;
	if (!is_directory_name(name))
		return;
	if (l->count == l->size) {
		size_t size = l->size == 0 ? 64 : 2 * l->size;

		d = reallocarray(l->dirs, size, sizeof(*d));
		if (d == NULL)
			return;
		l->dirs = d;
		l->size = size;
	}
	d = &l->dirs[l->count++];
	d->role = l->role;
	memcpy(d->id, name, sizeof(d->id));
}

struct spool_dir *
spool_dirs(struct spool *s, size_t *count)
{
	struct dir_list l = { 0 };

	for (l.role = FLOW_INITIATOR; l.role <= FLOW_RESPONDER; l.role++) {
		int dir = openat(s->root, flow_role_name(l.role), DIRECTORY);

		if (dir == -1)
			continue;
		each_entry(dir, list_dir, &l);
		close(dir);
	}
	*count = l.count;
	return l.dirs;
}

struct name_list {
	spool_name *names;
	size_t count, size;
};

static void
list_name(void *ctx, int dir, const char *name)
{
	struct name_list *l = ctx;
	bool closed;

	(void)dir;
	if (!flow_name_parse(name, &closed))
		return;
	if (l->count == l->size) {
		size_t size = l->size == 0 ? 64 : 2 * l->size;
		spool_name *n = reallocarray(l->names, size, sizeof(*n));

		if (n == NULL)
			return;
		l->names = n;
		l->size = size;
	}
	strlcpy(l->names[l->count++], name, sizeof(*l->names));
}

static int
name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* In their order an end comes right before its start. */
static size_t
without_completed(spool_name *names, size_t count)
{
	char start[FLOW_NAME_MAX];
	size_t n = 0;
	bool closed;

	for (size_t i = 0; i < count; i++) {
		if (n > 0 && flow_name_parse(names[n - 1], &closed) && closed &&
		    strcmp(flow_name_of_start(names[n - 1], start), names[i]) ==
			0)
			continue;
		if (n != i)
			memcpy(names[n], names[i], sizeof(*names));
		n++;
	}
	return n;
}

spool_name *
spool_names(struct spool *s, const struct spool_dir *d, size_t *count)
{
	struct name_list l = { 0 };
	int dir = open_dir(s, d);

	*count = 0;
	if (dir == -1)
		return NULL;
	each_entry(dir, list_name, &l);
	close(dir);
	if (l.count == 0)
		return NULL;
	sort(l.names, l.count, sizeof(*l.names), name_compare);
	*count = without_completed(l.names, l.count);
	return l.names;
}

/* There may be as many as there are files. */
static void
tell_damaged(struct spool *s, const struct spool_dir *d, const char *name)
{
	uint32_t held;

	if (log_allow(&s->damaged_limit, mono_now().ns, &held))
		log_warnx("flow logs: %s/%s is damaged and removed (%u more "
			  "before)",
		    d->id, name, held);
}

size_t
spool_get_report(struct spool *s, const struct spool_dir *d, const char *name,
    char to[FLOW_PAYLOAD_MAX + 1])
{
	char file[FLOW_FILE_MAX + 1];
	int dir = open_dir(s, d);
	const char *payload;
	size_t len = 0;
	ssize_t n;

	if (dir == -1)
		return 0;
	n = read_file(dir, name, file, sizeof(file));
	if (n >= 0 && !flow_file_parse(file, (size_t)n, &payload, &len)) {
		tell_damaged(s, d, name);
		remove_file(s, dir, name);
		forget_held(s, d);
		len = 0;
	}
	if (len > 0)
		memcpy(to, payload, len);
	to[len] = '\0';
	close(dir);
	return len;
}

void
spool_remove(struct spool *s, const struct spool_dir *d, const char *name)
{
	char start[FLOW_NAME_MAX];
	int dir = open_dir(s, d);
	bool closed;

	if (dir == -1)
		return;
	if (flow_name_parse(name, &closed)) {
		/* The start first: alone it would be told again. */
		if (closed)
			remove_file(s, dir, flow_name_of_start(name, start));
		remove_file(s, dir, name);
		forget_held(s, d);
	}
	close(dir);
}

static void
find_report(void *ctx, int dir, const char *name)
{
	bool *found = ctx, closed;

	(void)dir;
	*found = *found || flow_name_parse(name, &closed);
}

static bool
has_reports(int dir)
{
	bool found = false;

	each_entry(dir, find_report, &found);
	return found;
}

/* age: since the last change. */
static bool
has_ended(int dir, const struct flow_token *t, uint64_t age, uint64_t now)
{
	return t->expires_at <= now ||
	    (age > SPOOL_ENDED_S && now > t->valid_until &&
		now - t->valid_until > SPOOL_ENDED_S && !has_reports(dir));
}

static bool
is_over(int dir, uint64_t now)
{
	char jwt[FLOW_TOKEN_MAX + 1];
	struct flow_token token;
	uint64_t modified, age = 0;
	struct stat st;
	size_t len;
	bool over;

	if (fstat(dir, &st) == -1)
		return false;
	modified = st.st_mtim.tv_sec < 0 ? 0 : (uint64_t)st.st_mtim.tv_sec;
	if (now > modified)
		age = now - modified;
	len = read_token(dir, jwt);
	if (!is_there(dir, TOKEN_NAME))
		over = age > SPOOL_ORPHAN_S;
	else if (len > 0 && flow_token_parse(jwt, len, &token))
		over = has_ended(dir, &token, age, now);
	else
		over = age > SPOOL_UNREADABLE_S;
	explicit_bzero(jwt, sizeof(jwt));
	return over;
}

static void
remove_entry(void *ctx, int dir, const char *name)
{
	remove_file(ctx, dir, name);
}

bool
spool_prune(struct spool *s, const struct spool_dir *d, uint64_t now)
{
	int role, dir = open_dir(s, d);
	bool over;

	if (dir == -1)
		return false;
	if ((over = is_over(dir, now))) {
		each_entry(dir, remove_entry, s);
		forget_held(s, d);
	}
	close(dir);
	if (!over)
		return false;
	role = openat(s->root, flow_role_name(d->role), DIRECTORY);
	if (role == -1)
		return false;
	over = unlinkat(role, d->id, AT_REMOVEDIR) == 0;
	if (over && s->count > 0)
		s->count--;
	close(role);
	return over;
}
