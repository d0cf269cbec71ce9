/* A POST over HTTPS: see post.h. */
#include "control-worker/flow/post.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control-worker/net/curl_loop.h"

#define CONNECT_TIMEOUT_MS 15000
#define ANSWER_TEXT_MAX    512
#define ANSWER_MAX         (1024 * 1024) /* then it is no answer of ours */
/* One on trial of a connection that may stand, one that replaces it. */
#define CONNECTIONS_MAX 2

struct poster {
	uv_loop_t *loop;
	struct dialler dialler;
	uv_timer_t later; /* to tell of a failure after poster_post() */
	struct lookups lookups;
	struct curl_loop *curl;
	char *user_agent;

	/* The host that there may be a connection to, and its other end. */
	char host[URL_HOST_MAX + 1];
	struct endpoint peer;

	/* The POST that is under way. */
	struct ingest_url target;
	char *authorization; /* the header field */
	const char *body;
	size_t len;
	post_done done;
	void *ctx;
	struct lookup *lookup;
	struct dial *dial;
	unsigned connections;
	struct curl_transfer transfer;
	struct curl_slist *headers, *resolve;
	char text[ANSWER_TEXT_MAX + 1];
	size_t text_len, answer_len;
};

static void look_server_up(struct poster *);

static void
wipe_text(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* The transfer ends; its connection stays with libcurl. */
static void
end_transfer(struct poster *p)
{
	curl_transfer_end(&p->transfer);
	for (struct curl_slist *h = p->headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(p->headers);
	curl_slist_free_all(p->resolve);
	p->headers = p->resolve = NULL;
}

void
poster_cancel(struct poster *p)
{
	if (p->lookup != NULL)
		p->lookups.cancel(p->lookup);
	if (p->dial != NULL)
		dial_cancel(p->dial);
	p->lookup = NULL;
	p->dial = NULL;
	uv_timer_stop(&p->later);
	end_transfer(p);
	wipe_text(p->authorization);
	p->authorization = NULL;
}

static void
finish_post(struct poster *p, const struct post_result *r)
{
	post_done done = p->done;
	void *ctx = p->ctx;

	poster_cancel(p);
	done(ctx, r);
}

static void
fail_post(struct poster *p, enum post_outcome outcome, const char *why)
{
	struct post_result r = { .outcome = outcome, .text = p->text };

	snprintf(p->text, sizeof(p->text), "%s", why);
	finish_post(p, &r);
}

static void
on_late_failure(uv_timer_t *timer)
{
	fail_post(timer->data, POST_UNREACHABLE, "out of memory");
}

static void
fail_post_later(struct poster *p)
{
	uv_timer_start(&p->later, on_late_failure, 0, 0);
}

/* The value of a field of the answer; NULL when it has none or too long. */
static const char *
answer_header(CURL *easy, const char *name, char *to, size_t size)
{
	struct curl_header *h;

	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return NULL;
	return strlcpy(to, h->value, size) < size ? to : NULL;
}

static void
take_response(struct poster *p)
{
	CURL *easy = p->transfer.easy;
	char retry_after[32], location[INGEST_URL_MAX];
	struct post_result r = {
		.outcome = POST_ANSWERED,
		.retry_after = answer_header(
		    easy, "Retry-After", retry_after, sizeof(retry_after)),
		.location =
		    answer_header(easy, "Location", location, sizeof(location)),
		.text = p->text,
	};
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	r.status = (int)status;
	finish_post(p, &r);
}

static enum post_outcome
outcome_of(CURLcode r)
{
	switch (r) {
	case CURLE_OPERATION_TIMEDOUT:
		return POST_TIMED_OUT;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_WRITE_ERROR:
		return POST_BROKEN;
	default:
		return POST_UNREACHABLE;
	}
}

static void
on_transferred(void *ctx, CURLcode r)
{
	struct poster *p = ctx;

	if (r == CURLE_OK) {
		take_response(p);
		return;
	}
	/* The connection that we meant does not stand any more. */
	if (p->transfer.fd_missed && p->connections < CONNECTIONS_MAX) {
		end_transfer(p);
		look_server_up(p);
		return;
	}
	p->host[0] = '\0';
	fail_post(p, outcome_of(r), curl_transfer_error(&p->transfer, r));
}

/* Keeps the beginning of the answer; too much of it ends the transfer. */
static size_t
take_answer_body(char *data, size_t size, size_t count, void *ctx)
{
	struct poster *p = ctx;
	size_t len = size * count, room = ANSWER_TEXT_MAX - p->text_len;

	if (len > ANSWER_MAX - p->answer_len)
		return 0;
	p->answer_len += len;
	if (room > len)
		room = len;
	memcpy(p->text + p->text_len, data, room);
	p->text_len += room;
	p->text[p->text_len] = '\0';
	return len;
}

static bool
append_to_slist(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

static bool
make_header_lists(struct poster *p)
{
	char text[URL_HOST_MAX + ENDPOINT_TEXT_MAX + 16];
	char address[ENDPOINT_TEXT_MAX];

	/*
	 * Without it libcurl would start a thread to look the name up. With a
	 * plus sign it forgets the name after a while, and not never: servers
	 * can send us to as many hosts as they like.
	 */
	snprintf(text, sizeof(text), "+%s:%d:%s", p->host, INGEST_PORT,
	    ip_format(&p->peer.ip, address));
	if (p->target.host.literal.family == IP_NONE &&
	    !append_to_slist(&p->resolve, text))
		return false;
	return append_to_slist(&p->headers, p->authorization) &&
	    append_to_slist(&p->headers, "Content-Type: application/json") &&
	    append_to_slist(&p->headers, "Accept: application/json") &&
	    append_to_slist(&p->headers, "Expect:");
}

static bool
set_post_options(struct poster *p)
{
	CURLcode r = CURLE_OK;

#define SET(option, value)                                              \
	do {                                                            \
		if (r == CURLE_OK)                                      \
			r = curl_easy_setopt(                           \
			    p->transfer.easy, CURLOPT_##option, value); \
	} while (0)
	SET(URL, p->target.text);
	SET(PROTOCOLS_STR, "https");
	SET(POST, 1L);
	SET(POSTFIELDS, p->body);
	SET(POSTFIELDSIZE_LARGE, (curl_off_t)p->len);
	SET(HTTPHEADER, p->headers);
	SET(USERAGENT, p->user_agent);
	SET(RESOLVE, p->resolve);
	SET(WRITEFUNCTION, take_answer_body);
	SET(WRITEDATA, p);
	SET(TIMEOUT_MS, (long)POST_TIMEOUT_MS);
	SET(CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
#undef SET
	return r == CURLE_OK;
}

static void
start_transfer(struct poster *p)
{
	p->text_len = p->answer_len = 0;
	p->text[0] = '\0';
	if (!curl_transfer_init(p->curl, &p->transfer) ||
	    !make_header_lists(p) || !set_post_options(p) ||
	    !curl_transfer_start(&p->transfer))
		fail_post_later(p);
}

static void
on_server_dialled(
    void *ctx, int fd, const struct endpoint *peer, const char *error)
{
	struct poster *p = ctx;

	p->dial = NULL;
	if (fd == -1) {
		fail_post(p, POST_UNREACHABLE, error);
		return;
	}
	p->transfer.fd = fd;
	p->peer = *peer;
	strlcpy(p->host, p->target.host.text, sizeof(p->host));
	start_transfer(p);
}

static void
dial_server(struct poster *p, const struct ip_address *addresses, size_t count)
{
	p->connections++;
	p->dial = dial_start(p->loop, &p->dialler, addresses, count,
	    INGEST_PORT, on_server_dialled, p);
	if (p->dial == NULL)
		fail_post_later(p);
}

static void
on_server_resolved(void *ctx, const struct lookup_result *r)
{
	struct poster *p = ctx;

	p->lookup = NULL;
	if (r->count > 0)
		dial_server(p, r->addresses, r->count);
	else
		fail_post(p, POST_UNREACHABLE,
		    r->complete ? "its name has no addresses"
				: "no answer from DNS");
}

static void
look_server_up(struct poster *p)
{
	char name[URL_HOST_MAX + 2];

	if (p->target.host.literal.family != IP_NONE) {
		dial_server(p, &p->target.host.literal, 1);
		return;
	}
	p->lookup = p->lookups.start(p->lookups.resolver,
	    url_host_name(&p->target.host, name), on_server_resolved, p);
	if (p->lookup == NULL)
		fail_post_later(p);
}

void
poster_post(struct poster *p, const struct ingest_url *target,
    const char *token, const char *body, size_t len, post_done done, void *ctx)
{
	p->target = *target;
	p->body = body;
	p->len = len;
	p->done = done;
	p->ctx = ctx;
	p->connections = 0;
	if (asprintf(&p->authorization, "Authorization: Bearer %s", token) ==
	    -1) {
		p->authorization = NULL;
		fail_post_later(p);
	} else if (strcmp(p->host, target->host.text) == 0) {
		p->connections++;
		start_transfer(p);
	} else
		look_server_up(p);
}

static void
on_poster_closed(uv_handle_t *later)
{
	free(later->data);
}

void
poster_free(struct poster *p)
{
	if (p == NULL)
		return;
	poster_cancel(p);
	curl_loop_free(p->curl);
	free(p->user_agent);
	uv_close((uv_handle_t *)&p->later, on_poster_closed);
}

struct poster *
poster_new(const struct poster_config *c)
{
	struct poster *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->loop = c->loop;
	p->dialler = c->dialler;
	p->lookups = c->lookups;
	p->transfer.fd = -1;
	p->transfer.done = on_transferred;
	p->transfer.ctx = p;
	uv_timer_init(p->loop, &p->later);
	p->later.data = p;
	p->curl = curl_loop_new(p->loop, c->ca, c->ca_len);
	p->user_agent = strdup(c->user_agent);
	if (p->curl == NULL || p->user_agent == NULL) {
		poster_free(p);
		return NULL;
	}
	return p;
}
