/* Flow logs, put together: see flow_logs.h. */
#include "control-worker/flow/flow_logs.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "control-worker/flow/attribution.h"
#include "control-worker/flow/log.h"
#include "control-worker/flow/spool.h"
#include "control-worker/flow/upload.h"

struct flow_logs {
	uv_loop_t *loop;
	struct poster *poster;             /* until there is an uploader */
	struct attributions *attributions; /* NULL: nobody wants to read them */
	struct spool *spool;               /* NULL: there is none */
	struct upload *upload;             /* likewise */
};

struct flow_logs *
flow_logs_new(const struct poster_config *c, bool log)
{
	struct flow_logs *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->loop = c->loop;
	f->poster = poster_new(c);
	if (log)
		f->attributions = attributions_new();
	if (f->poster == NULL || (log && f->attributions == NULL)) {
		poster_free(f->poster);
		attributions_free(f->attributions);
		free(f);
		return NULL;
	}
	return f;
}

void
flow_logs_start(struct flow_logs *f, const char *root)
{
	struct flow_settings settings;

	if (root == NULL)
		return;
	if ((f->spool = spool_open(root, SPOOL_BLOCKS_MAX)) == NULL) {
		log_warn("flow logs: the spool cannot be used, so that "
			 "nothing is uploaded");
		return;
	}
	if ((f->upload = upload_new(f->loop, f->poster, f->spool)) == NULL)
		return;
	f->poster = NULL; /* the uploader's now */
	log_debug("flow logs: the spool takes %zu blocks of %d",
	    spool_blocks(f->spool), SPOOL_BLOCK);
	if (spool_get_settings(f->spool, &settings))
		upload_configure(f->upload, &settings);
}

bool
flow_logs_configure(struct flow_logs *f, const struct flow_settings *s)
{
	if (f->upload != NULL) {
		spool_put_settings(f->spool, s);
		upload_configure(f->upload, s);
	}
	return (f->upload != NULL && s->interval_s != 0) ||
	    f->attributions != NULL;
}

void
flow_logs_token(
    struct flow_logs *f, const struct flow_token *t, const char *jwt)
{
	if (f->attributions != NULL)
		attributions_put(f->attributions, t);
	if (f->spool != NULL && t->uploads_enabled)
		spool_put_token(f->spool, t, jwt);
}

/* An earlier process may have been told; then the spool knows. */
static const char *
attribution_of(struct flow_logs *f, const struct uuid *u)
{
	const char *text = attributions_get(f->attributions, u);
	char jwt[FLOW_TOKEN_MAX + 1];
	struct flow_token t;
	size_t len;

	if (text != NULL || f->spool == NULL)
		return text == NULL ? "" : text;
	len = spool_find_token(f->spool, u, jwt);
	if (len > 0 && flow_token_parse(jwt, len, &t)) {
		attributions_put(f->attributions, &t);
		text = attributions_get(f->attributions, u);
	}
	explicit_bzero(jwt, sizeof(jwt));
	return text == NULL ? "" : text;
}

void
flow_logs_report(struct flow_logs *f, const struct ipc_flow *m)
{
	char text[LOG_TEXT_MAX];

	if (f->attributions != NULL) {
		flow_log_format(m, attribution_of(f, &m->authorization), text);
		log_info("%s", text);
	}
	if (f->spool != NULL)
		spool_put_report(f->spool, m);
}

void
flow_logs_figures(const struct flow_logs *f, struct flow_figures *to)
{
	if (f->spool == NULL)
		return;
	to->spool_bytes = spool_blocks(f->spool) * UINT64_C(1) * SPOOL_BLOCK;
	to->spool_bytes_max = UINT64_C(1) * SPOOL_BLOCKS_MAX * SPOOL_BLOCK;
	to->dropped = spool_dropped(f->spool);
	if (f->upload != NULL)
		to->uploaded = upload_stored(f->upload);
}

void
flow_logs_flush(struct flow_logs *f, void (*done)(void *ctx), void *ctx)
{
	if (f->upload != NULL)
		upload_flush(f->upload, done, ctx);
	else
		done(ctx);
}
