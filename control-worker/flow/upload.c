/*
 * Passes over the spool: see upload.h. A pass is a walk through the directories
 * in which only one step is done per turn of the loop, be it a number of
 * reports or one answer, so that others get theirs.
 */
#include "control-worker/flow/upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "common/log.h"
#include "common/time.h"
#include "control-worker/flow/batch.h"
#include "control-worker/flow/upload_rules.h"

#define BACKLOG_MS      1000
#define WRONG_MS        30000
#define REPORTS_AT_ONCE 64

enum state {
	WAITING, /* for the next pass, or for settings */
	WALKING, /* to the next directory */
	LOADING, /* reports of one */
	POSTING, /* waits for an answer */
	PAUSING, /* before it posts the same again */
};

struct upload {
	uv_timer_t timer;
	struct poster *poster;
	struct spool *spool;
	struct flow_settings settings;
	enum state state;
	bool flushing;
	void (*flushed)(void *ctx);
	void *flushed_ctx;
	struct log_limit log_limit;
	uint64_t stored_count;

	/* Of the pass. */
	struct spool_dir *dirs;
	size_t dir_count, dir; /* the one after the present */
	struct ingest_url target;
	unsigned redirects;
	struct upload_backoff backoff;
	bool broken; /* there may be more, whatever it is */
	bool more, stored;

	/* Of the directory. */
	char token[FLOW_TOKEN_MAX + 1];
	spool_name *names;
	size_t name_count, loaded;
	struct batch batch;
	struct upload_ranges ranges;

	/* Of the POST. */
	struct upload_range range;
	char *body;
	size_t body_len;
};

static void on_upload_timer(uv_timer_t *);

static void
continue_upload(struct upload *u, enum state state, int64_t ms)
{
	u->state = state;
	uv_timer_start(&u->timer, on_upload_timer, (uint64_t)ms, 0);
}

static const struct spool_dir *
current_directory(const struct upload *u)
{
	return &u->dirs[u->dir - 1];
}

__attribute__((__format__(printf, 2, 3))) static void
complain(struct upload *u, const char *fmt, ...)
{
	char text[1024];
	uint32_t held;
	va_list ap;

	if (!log_allow(&u->log_limit, mono_now().ns, &held))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_info("flow logs: %s (%u more before)", text, held);
}

static void
leave_directory(struct upload *u)
{
	free(u->names);
	u->names = NULL;
	u->name_count = u->loaded = 0;
	free(u->body);
	u->body = NULL;
	batch_clear(&u->batch);
	explicit_bzero(u->token, sizeof(u->token));
}

static void
leave_pass(struct upload *u)
{
	poster_cancel(u->poster);
	leave_directory(u);
	free(u->dirs);
	u->dirs = NULL;
	u->dir_count = u->dir = 0;
	uv_timer_stop(&u->timer);
	u->state = WAITING;
}

static void
end_pass(struct upload *u)
{
	/* What is not taken is no reason to be back at once. */
	const bool backlog = u->broken || (u->more && u->stored);

	leave_pass(u);
	if (u->flushing) {
		u->flushing = false;
		u->flushed(u->flushed_ctx);
	} else if (u->settings.interval_s != 0)
		continue_upload(u, WAITING,
		    backlog ? BACKLOG_MS
			    : (int64_t)u->settings.interval_s * 1000);
}

static void
start_pass(struct upload *u)
{
	const char *what;

	u->redirects = 0;
	u->broken = u->more = u->stored = false;
	upload_backoff_init(&u->backoff);
	if (ingest_url_parse(u->settings.api_url, &u->target, &what) == -1) {
		complain(u, "the server's URL cannot be used: %s", what);
		if (u->flushing)
			end_pass(u);
		else
			continue_upload(u, WAITING, WRONG_MS);
		return;
	}
	u->dirs = spool_dirs(u->spool, &u->dir_count);
	u->dir = 0;
	continue_upload(u, WALKING, 0);
}

static void on_posted(void *ctx, const struct post_result *r);

static void
post_batch(struct upload *u)
{
	u->state = POSTING;
	poster_post(u->poster, &u->target, u->token, u->body, u->body_len,
	    on_posted, u);
}

/* Posts what comes next, or goes to the next directory. */
static void
post_next_range(struct upload *u)
{
	free(u->body);
	u->body = NULL;
	if (!upload_ranges_next(&u->ranges, &u->range)) {
		leave_directory(u);
		continue_upload(u, WALKING, 0);
		return;
	}
	upload_backoff_again(&u->backoff);
	u->body = batch_body(&u->batch, &u->range, &u->body_len);
	if (u->body == NULL)
		end_pass(u);
	else
		post_batch(u);
}

static void
retry_batch(struct upload *u, const char *why)
{
	int64_t ms = upload_backoff_next(&u->backoff, randombytes_random());

	if (u->flushing || ms < 0) {
		complain(u, "given up for now: %s", why);
		post_next_range(u);
		return;
	}
	log_debug("flow logs: %s; again in %lld ms", why, (long long)ms);
	continue_upload(u, PAUSING, ms);
}

static void
keep_reports(struct upload *u, const struct post_result *r)
{
	complain(u, "%s: %zu reports are kept: HTTP status %d: %.200s",
	    current_directory(u)->id, u->range.count, r->status, r->text);
	post_next_range(u);
}

static void
follow_redirect(struct upload *u, const struct post_result *r)
{
	struct ingest_url to;
	const char *what = "it has no Location";

	if (u->redirects == UPLOAD_REDIRECTS_MAX)
		what = "too many of them";
	else if (r->location != NULL &&
	    ingest_url_redirect(&u->target, r->location, &to, &what) == 0) {
		u->redirects++;
		u->target = to;
		post_batch(u);
		return;
	}
	complain(u, "the server's redirection is not followed: %s", what);
	post_next_range(u);
}

static void
act_on_answer(struct upload *u, const struct post_result *r)
{
	char why[64];

	switch (upload_classify(r->status)) {
	case UPLOAD_STORED:
		log_debug("flow logs: %s: %zu reports uploaded",
		    current_directory(u)->id, u->range.count);
		u->stored = true;
		u->stored_count += u->range.count;
		spool_remove(u->spool, current_directory(u),
		    u->batch.names + u->range.first, u->range.count);
		post_next_range(u);
		break;
	case UPLOAD_SPLIT:
		if (upload_ranges_split(&u->ranges, &u->range))
			post_next_range(u);
		else
			keep_reports(u, r);
		break;
	case UPLOAD_LATER:
		if (u->flushing)
			post_next_range(u);
		else
			continue_upload(
			    u, PAUSING, upload_later_ms(r->retry_after));
		break;
	case UPLOAD_RETRY:
		snprintf(why, sizeof(why), "HTTP status %d", r->status);
		retry_batch(u, why);
		break;
	case UPLOAD_REDIRECT:
		follow_redirect(u, r);
		break;
	case UPLOAD_KEEP:
		keep_reports(u, r);
		break;
	}
}

static void
on_posted(void *ctx, const struct post_result *r)
{
	struct upload *u = ctx;

	switch (r->outcome) {
	case POST_ANSWERED:
		act_on_answer(u, r);
		break;
	case POST_TIMED_OUT:
		retry_batch(u, r->text);
		break;
	case POST_BROKEN:
		/* Whatever it was, the rest need not wait for long. */
		u->broken = true;
		complain(u, "the connection broke: %s", r->text);
		end_pass(u);
		break;
	case POST_UNREACHABLE:
		complain(u, "no connection to %s: %s", u->target.host.text, r->text);
		end_pass(u);
		break;
	}
}

static void
walk_directories(struct upload *u)
{
	const struct spool_dir *d;

	if (u->dir == u->dir_count) {
		end_pass(u);
		return;
	}
	d = &u->dirs[u->dir++];
	continue_upload(u, WALKING, 0);
	if (spool_prune(u->spool, d, (uint64_t)time(NULL)) ||
	    spool_get_token(u->spool, d, u->token) == 0)
		return;
	/* It becomes a header field. */
	if (strspn(u->token,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-_.") != strlen(u->token))
		return;
	u->names = spool_names(u->spool, d, &u->name_count);
	if (u->names == NULL)
		return;
	if (u->name_count > u->settings.batch_size) {
		u->name_count = u->settings.batch_size;
		u->more = true;
	}
	continue_upload(u, LOADING, 0);
}

static void
load_reports(struct upload *u)
{
	char payload[FLOW_PAYLOAD_MAX + 1];

	for (int i = 0; i < REPORTS_AT_ONCE && u->loaded < u->name_count; i++) {
		const char *name = u->names[u->loaded++];
		size_t len = spool_get_report(
		    u->spool, current_directory(u), name, payload);

		if (len > 0 && !batch_add(&u->batch, name, payload, len)) {
			u->more = true;
			u->name_count = u->loaded;
		}
	}
	if (u->loaded < u->name_count) {
		continue_upload(u, LOADING, 0);
		return;
	}
	upload_ranges_init(&u->ranges, u->batch.count);
	post_next_range(u);
}

static void
on_upload_timer(uv_timer_t *timer)
{
	struct upload *u = timer->data;

	switch (u->state) {
	case WAITING:
		start_pass(u);
		break;
	case WALKING:
		walk_directories(u);
		break;
	case LOADING:
		load_reports(u);
		break;
	case PAUSING:
		post_batch(u);
		break;
	case POSTING:
		break;
	}
}

void
upload_configure(struct upload *u, const struct flow_settings *s)
{
	const bool same = u->settings.interval_s == s->interval_s &&
	    u->settings.batch_size == s->batch_size &&
	    strcmp(u->settings.api_url, s->api_url) == 0;

	if (same || u->flushing)
		return;
	leave_pass(u);
	u->settings = *s;
	if (s->interval_s != 0)
		continue_upload(u, WAITING, 0);
}

uint64_t
upload_stored(const struct upload *u)
{
	return u->stored_count;
}

void
upload_flush(struct upload *u, void (*done)(void *ctx), void *ctx)
{
	if (u->settings.interval_s == 0) {
		done(ctx);
		return;
	}
	leave_pass(u);
	u->flushing = true;
	u->flushed = done;
	u->flushed_ctx = ctx;
	start_pass(u);
}

struct upload *
upload_new(uv_loop_t *loop, struct poster *poster, struct spool *spool)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->poster = poster;
	u->spool = spool;
	uv_timer_init(loop, &u->timer);
	u->timer.data = u;
	return u;
}
