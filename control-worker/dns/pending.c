/* A client's query on its way: see pending.h. */
#include "control-worker/dns/pending.h"

#include <string.h>

#include "control-worker/dns/forward.h"

#define ID_LEN 2

static void
fail(struct pending *p)
{
	dns_make_servfail(p->head);
	p->done(p, p->head, p->head_len);
}

static bool
on_heard(void *ctx, const uint8_t *bytes, size_t len)
{
	struct pending *p = ctx;

	/* Somebody guesses; the server's answer is still to come. */
	if (bytes != NULL &&
	    (len < ID_LEN || memcmp(bytes, p->head, ID_LEN) != 0))
		return false;
	/* It ends by itself. */
	p->forward = NULL;
	if (bytes == NULL || dns_answer_head(bytes, len) == 0)
		fail(p);
	else
		p->done(p, bytes, len);
	return true;
}

void
pending_start(struct pending *p, uv_loop_t *loop, const struct endpoint *server,
    bool tcp, const uint8_t *query, size_t len, size_t head_len,
    pending_done done)
{
	memcpy(p->head, query, head_len);
	p->head_len = head_len;
	p->done = done;
	p->forward = NULL;
	if (server != NULL)
		p->forward = forward_start(loop, server, tcp, query, len,
		    PENDING_TIMEOUT_MS, on_heard, p);
	if (p->forward == NULL)
		fail(p);
}

void
pending_cancel(struct pending *p)
{
	if (p->forward != NULL)
		forward_cancel(p->forward);
	p->forward = NULL;
}
