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
#include <sys/tree.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/share.h"
#include "common/time.h"
#include "control-worker/flow/files.h"

#define TOKEN_NAME    "token"
#define SETTINGS_NAME "upload.json"

/* The first that is dropped is told, then each of so many. */
#define DROPPED_EACH 1000

/* With authorizations whose reports have been asked for. */
struct client {
	RB_ENTRY(client) entry;
	uint64_t id;
	size_t authorizations;
	size_t blocks; /* of their reports */
};

struct authorization {
	RB_ENTRY(authorization) entry;
	struct spool_dir dir;
	struct client *client;
	struct reports *reports;
};

RB_HEAD(authorization_tree, authorization);
RB_HEAD(client_tree, client);

struct spool {
	int root;
	size_t blocks, max;
	struct authorization_tree authorizations;
	struct client_tree clients;
	uint64_t dropped;
	struct log_limit damaged_limit;
};

static int
compare_dirs(const struct authorization *a, const struct authorization *b)
{
	if (a->dir.role != b->dir.role)
		return a->dir.role < b->dir.role ? -1 : 1;
	return memcmp(a->dir.id, b->dir.id, sizeof(a->dir.id));
}

static int
compare_spool_clients(const struct client *a, const struct client *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#ifndef __unused
#define __unused __attribute__((__unused__))
#endif
RB_GENERATE_STATIC(authorization_tree, authorization, entry, compare_dirs)
RB_GENERATE_STATIC(client_tree, client, entry, compare_spool_clients)

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
		s->blocks++;
	else if (errno != EEXIST)
		return -1;
	return openat(at, name, DIRECTORY);
}

static void
drop_report(struct spool *s, const char *why)
{
	if (s->dropped++ % DROPPED_EACH == 0)
		log_warnx("flow logs: a report was dropped: %s (%llu so far)",
		    why, (unsigned long long)s->dropped);
}

static bool
spool_has_room(struct spool *s, size_t more, size_t max)
{
	if (s->blocks + more <= max)
		return true;
	drop_report(s, "the spool is full");
	return false;
}

/* What an authorization has. */

static void
tell_damaged(struct spool *s, const struct spool_dir *d, size_t count)
{
	uint32_t held;

	if (count > 0 && log_allow(&s->damaged_limit, mono_now().ns, &held))
		log_warnx("flow logs: %zu reports of %s are damaged and "
			  "removed (%u more times before): is the disk well?",
		    count, d->id, held);
}

/* As many blocks as there are now, for those that there were. */
static void
recount_blocks(struct spool *s, size_t before, size_t now)
{
	s->blocks -= before < s->blocks ? before : s->blocks;
	s->blocks += now;
}

static void
recount_authorization(struct spool *s, struct authorization *a, size_t before)
{
	size_t now = reports_blocks(a->reports);

	recount_blocks(s, before, now);
	a->client->blocks = a->client->blocks - before + now;
	tell_damaged(s, &a->dir, reports_damaged(a->reports));
}

static size_t
read_token_file(int dir, char to[FLOW_TOKEN_MAX + 1])
{
	ssize_t n = read_file(dir, TOKEN_NAME, to, FLOW_TOKEN_MAX + 1);

	to[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Of the token in the directory; those of tokens that are none are one. */
static struct client *
client_of(struct spool *s, int dir)
{
	struct client *c, key = { .id = 0 };
	char jwt[FLOW_TOKEN_MAX + 1];
	size_t len = read_token_file(dir, jwt);
	struct flow_token t;

	if (len > 0 && flow_token_parse(jwt, len, &t))
		key.id = t.client;
	explicit_bzero(jwt, sizeof(jwt));
	if ((c = RB_FIND(client_tree, &s->clients, &key)) != NULL)
		return c;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->id = key.id;
	RB_INSERT(client_tree, &s->clients, c);
	return c;
}

static void
leave_client(struct spool *s, struct client *c, size_t blocks)
{
	c->blocks -= blocks;
	if (--c->authorizations > 0)
		return;
	RB_REMOVE(client_tree, &s->clients, c);
	free(c);
}

static struct authorization *
known_authorization(const struct spool *s, const struct spool_dir *d)
{
	struct authorization key = { .dir = *d };

	/* The macros know no const. */
	return RB_FIND(authorization_tree,
	    (struct authorization_tree *)&s->authorizations, &key);
}

/* All in the directory, and what is promised to it. */
static size_t
blocks_of_authorization(const struct authorization *a, int dir)
{
	size_t blocks = reports_dir_blocks(dir);

	if (a != NULL)
		blocks += reports_blocks(a->reports) -
		    reports_disk_blocks(a->reports);
	return blocks;
}

/* dir is its directory. NULL without memory. */
static struct authorization *
authorization_of(struct spool *s, const struct spool_dir *d, int dir)
{
	struct authorization *a = known_authorization(s, d);
	size_t before;

	if (a != NULL)
		return a;
	before = blocks_of_authorization(NULL, dir);
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return NULL;
	a->dir = *d;
	if ((a->client = client_of(s, dir)) == NULL) {
		free(a);
		return NULL;
	}
	a->client->authorizations++;
	if ((a->reports = reports_load(dir)) == NULL) {
		leave_client(s, a->client, 0);
		free(a);
		return NULL;
	}
	a->client->blocks += reports_blocks(a->reports);
	RB_INSERT(authorization_tree, &s->authorizations, a);
	recount_blocks(s, before, blocks_of_authorization(a, dir));
	tell_damaged(s, d, reports_damaged(a->reports));
	return a;
}

static void
forget_authorization(struct spool *s, struct authorization *a)
{
	RB_REMOVE(authorization_tree, &s->authorizations, a);
	leave_client(s, a->client, reports_blocks(a->reports));
	reports_free(a->reports);
	free(a);
}

/*
 * Starts leave room to ends, and both to tokens, without which nothing could be
 * uploaded; and an authorization and a client leave room to others. An end that
 * has been waited for takes what was promised to it.
 */
static bool
may_put(struct spool *s, const struct authorization *a, size_t len,
    enum reports_known known, bool closed)
{
	const struct reports *r = a->reports;
	size_t max = s->max - s->max / (closed ? SPOOL_TOKENS : SPOOL_ENDS);
	size_t need = reports_need(r, len);
	size_t promised = reports_blocks(r) - reports_disk_blocks(r);

	if (known == REPORTS_STARTED)
		return spool_has_room(s, need, s->max + promised);
	if (!spool_has_room(s, closed ? need : need + 1, max))
		return false;
	if (!share_allows(reports_blocks(r), max - s->blocks, SPOOL_SHARE))
		drop_report(s, "its authorization has its share of the spool");
	else if (!share_allows(
		     a->client->blocks, max - s->blocks, SPOOL_CLIENT_SHARE))
		drop_report(s, "its client has its share of the spool");
	else
		return true;
	return false;
}

/* Counting, at the start. */

static void
count_dir(void *ctx, int at, const char *name)
{
	struct spool *s = ctx;
	int dir = openat(at, name, DIRECTORY);

	s->blocks++;
	if (dir == -1)
		return;
	s->blocks += reports_dir_blocks(dir);
	close(dir);
}

static void
count_dirs(struct spool *s)
{
	for (enum flow_role r = FLOW_INITIATOR; r <= FLOW_RESPONDER; r++) {
		int dir = openat(s->root, flow_role_name(r), DIRECTORY);

		if (dir == -1)
			continue;
		s->blocks++;
		each_entry(dir, count_dir, s);
		close(dir);
	}
}

struct spool *
spool_open(const char *root, size_t blocks_max)
{
	struct spool *s = calloc(1, sizeof(*s));
	int saved;

	if (s == NULL)
		return NULL;
	RB_INIT(&s->authorizations);
	RB_INIT(&s->clients);
	s->max = blocks_max;
	if ((s->root = open(root, DIRECTORY)) == -1) {
		saved = errno;
		free(s);
		errno = saved;
		return NULL;
	}
	count_dirs(s);
	return s;
}

void
spool_close(struct spool *s)
{
	struct authorization *a;

	if (s == NULL)
		return;
	while ((a = RB_ROOT(&s->authorizations)) != NULL)
		forget_authorization(s, a);
	close(s->root);
	free(s);
}

size_t
spool_blocks(const struct spool *s)
{
	return s->blocks;
}

uint64_t
spool_dropped(const struct spool *s)
{
	return s->dropped;
}

/* Writing. */

/* -1 with errno. */
static int
store_token(struct spool *s, const struct flow_token *token, const char *jwt)
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
	s->blocks += good && is_new;
	saved = errno;
	close(dir);
	errno = saved;
	return good ? 0 : -1;
}

void
spool_put_token(
    struct spool *s, const struct flow_token *token, const char *jwt)
{
	if (spool_has_room(s, 1, s->max) && store_token(s, token, jwt) == -1)
		drop_report(s, strerrordesc_np(errno));
}

/* The authorization's directory, in either role, if it has a token. */
static int
open_authorization(
    const struct spool *s, const struct uuid *u, struct spool_dir *d)
{
	int dir;

	*d = (struct spool_dir){ .role = FLOW_RESPONDER };
	uuid_format(u, d->id);
	if ((dir = open_dir(s, d)) == -1) {
		d->role = FLOW_INITIATOR;
		dir = open_dir(s, d);
	}
	if (dir != -1 && !is_there(dir, TOKEN_NAME)) {
		close(dir);
		dir = -1;
	}
	return dir;
}

static void
store_report(
    struct spool *s, struct authorization *a, int dir, const struct ipc_flow *f)
{
	size_t before = reports_blocks(a->reports), len;
	char payload[FLOW_PAYLOAD_MAX + 1], name[FLOW_NAME_MAX];
	enum reports_known known;

	if ((len = flow_payload_format(f, payload)) == 0) {
		log_debug("flow logs: a report without addresses or paths");
		return;
	}
	known = reports_known(a->reports, flow_name_format(f, name));
	if (known == REPORTS_KNOWN || !may_put(s, a, len, known, f->closed))
		return;
	if (!reports_put(a->reports, dir, name, payload, len))
		drop_report(s, strerrordesc_np(errno));
	recount_authorization(s, a, before);
}

void
spool_put_report(struct spool *s, const struct ipc_flow *f)
{
	struct spool_dir d;
	int dir = open_authorization(s, &f->authorization, &d);
	struct authorization *a;

	if (dir == -1)
		return;
	if ((a = authorization_of(s, &d, dir)) != NULL)
		store_report(s, a, dir, f);
	else
		drop_report(s, "no memory");
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

/* Closes the directory, which may be -1: none. */
static size_t
token_of(int dir, char to[FLOW_TOKEN_MAX + 1])
{
	size_t n;

	to[0] = '\0';
	if (dir == -1)
		return 0;
	n = read_token_file(dir, to);
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
	struct spool_dir d;

	return token_of(open_authorization(s, u, &d), to);
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

/* Its reports and a descriptor of its directory, which is to be closed. */
static struct authorization *
open_reports(struct spool *s, const struct spool_dir *d, int *dir)
{
	struct authorization *a;

	if ((*dir = open_dir(s, d)) == -1)
		return NULL;
	if ((a = authorization_of(s, d, *dir)) == NULL)
		close(*dir);
	return a;
}

spool_name *
spool_names(struct spool *s, const struct spool_dir *d, size_t *count)
{
	struct authorization *a;
	spool_name *names;
	int dir;

	*count = 0;
	if ((a = open_reports(s, d, &dir)) == NULL)
		return NULL;
	names = reports_names(a->reports, count);
	close(dir);
	return names;
}

size_t
spool_get_report(struct spool *s, const struct spool_dir *d, const char *name,
    char to[FLOW_PAYLOAD_MAX + 1])
{
	struct authorization *a;
	size_t len, before;
	int dir;

	to[0] = '\0';
	if ((a = open_reports(s, d, &dir)) == NULL)
		return 0;
	before = reports_blocks(a->reports);
	len = reports_get(a->reports, dir, name, to);
	recount_authorization(s, a, before);
	close(dir);
	return len;
}

void
spool_remove(struct spool *s, const struct spool_dir *d,
    const spool_name *names, size_t count)
{
	struct authorization *a;
	size_t before;
	int dir;

	if ((a = open_reports(s, d, &dir)) == NULL)
		return;
	before = reports_blocks(a->reports);
	reports_remove(a->reports, dir, names, count);
	recount_authorization(s, a, before);
	close(dir);
}

static bool
has_reports(struct spool *s, const struct spool_dir *d, int dir)
{
	const struct authorization *a = authorization_of(s, d, dir);

	return a == NULL || reports_disk_blocks(a->reports) > 0;
}

/* age: since the last change. */
static bool
authorization_has_ended(struct spool *s, const struct spool_dir *d, int dir,
    const struct flow_token *t, uint64_t age, uint64_t now)
{
	return t->expires_at <= now ||
	    (age > SPOOL_ENDED_S && now > t->valid_until &&
		now - t->valid_until > SPOOL_ENDED_S &&
		!has_reports(s, d, dir));
}

static bool
authorization_is_over(
    struct spool *s, const struct spool_dir *d, int dir, uint64_t now)
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
	len = read_token_file(dir, jwt);
	if (!is_there(dir, TOKEN_NAME))
		over = age > SPOOL_ORPHAN_S;
	else if (len > 0 && flow_token_parse(jwt, len, &token))
		over = authorization_has_ended(s, d, dir, &token, age, now);
	else
		over = age > SPOOL_UNREADABLE_S;
	explicit_bzero(jwt, sizeof(jwt));
	return over;
}

static void
remove_entry(void *ctx, int dir, const char *name)
{
	(void)ctx;
	(void)unlinkat(dir, name, 0);
}

static void
remove_entries(struct spool *s, const struct spool_dir *d, int dir)
{
	struct authorization *a = known_authorization(s, d);
	size_t before = blocks_of_authorization(a, dir);

	each_entry(dir, remove_entry, NULL);
	if (a != NULL)
		forget_authorization(s, a);
	recount_blocks(s, before, blocks_of_authorization(NULL, dir));
}

bool
spool_prune(struct spool *s, const struct spool_dir *d, uint64_t now)
{
	int role, dir = open_dir(s, d);
	bool over;

	if (dir == -1)
		return false;
	if ((over = authorization_is_over(s, d, dir, now)))
		remove_entries(s, d, dir);
	close(dir);
	if (!over)
		return false;
	role = openat(s->root, flow_role_name(d->role), DIRECTORY);
	if (role == -1)
		return false;
	over = unlinkat(role, d->id, AT_REMOVEDIR) == 0;
	recount_blocks(s, over, 0);
	close(role);
	return over;
}
