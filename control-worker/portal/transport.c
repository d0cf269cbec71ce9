/* From addresses to WebSocket messages: see transport.h. */
#include "control-worker/portal/transport.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include <sodium.h>
#include <wslay/wslay.h>

#include "common/buffer.h"
#include "common/log.h"
#include "control-worker/net/dial.h"

#define REQUEST_MAX     (LOGIN_TARGET_MAX + 8192)
#define MESSAGE_START   256
#define INBOX_BYTES_MAX 262144 /* of memory; beyond it no more is read */
#define PONGS_MAX       64     /* likewise */

#define CLOSE_PAYLOAD_MAX 125 /* of a control frame: RFC 6455 5.5 */

/* How much is read before others get their turn. */
#define READ_AT_ONCE 262144

enum phase {
	PHASE_TCP,
	PHASE_TLS,
	PHASE_UPGRADE,
	PHASE_OPEN,
	PHASE_FAILED, /* told */
};

struct message {
	TAILQ_ENTRY(message) entry;
	char *text;
	size_t len, size; /* of the text and of its buffer */
};

struct transport {
	enum phase phase;
	enum portal_step step; /* as phase; it stays when it has failed */
	struct endpoint peer;  /* once it is connected */
	uv_timer_t timer;     /* of the attempt; then to go on reading */
	uv_prepare_t prepare; /* what to wait for */
	unsigned open_handles;
	const struct login_url *login;
	uv_loop_t *loop;
	struct curl_loop *curl;
	const struct transport_events *events;
	void *ctx;
	struct dial *dial;
	struct stream *stream;

	char request[REQUEST_MAX];
	size_t request_len, request_sent;
	struct upgrade_response response;
	struct clock_reading asked, answered;
	uint8_t early[4096]; /* frames that came with the response */
	size_t early_len, early_used;

	wslay_event_context_ptr ws;
	uint8_t opcode; /* of the frame that is being read */
	char *text;     /* the message that is being read */
	size_t text_len, text_size;
	TAILQ_HEAD(, message) inbox;
	size_t inbox_bytes;
	size_t read_left; /* in this turn */
	bool stalled;     /* reading stopped for want of room or turn */
	bool eof;
	bool too_big;
	uint8_t closing[CLOSE_PAYLOAD_MAX]; /* what the portal's Close said */
	size_t closing_len;
	bool close_seen;
};

static void
on_transport_closed(uv_handle_t *h)
{
	struct transport *t = h->data;

	if (--t->open_handles == 0)
		free(t);
}

void
transport_free_message(char *text, size_t len)
{
	if (text == NULL)
		return;
	explicit_bzero(text, len);
	free(text);
}

void
transport_free(struct transport *t)
{
	struct message *m;

	if (t == NULL)
		return;
	if (t->dial != NULL)
		dial_cancel(t->dial);
	stream_close(t->stream);
	if (t->ws != NULL)
		wslay_event_context_free(t->ws);
	while ((m = TAILQ_FIRST(&t->inbox)) != NULL) {
		TAILQ_REMOVE(&t->inbox, m, entry);
		transport_free_message(m->text, m->len);
		free(m);
	}
	transport_free_message(t->text, t->text_size);
	explicit_bzero(t->request, sizeof(t->request));
	explicit_bzero(t->early, sizeof(t->early));
	uv_close((uv_handle_t *)&t->timer, on_transport_closed);
	uv_close((uv_handle_t *)&t->prepare, on_transport_closed);
}

/* The last thing that is done with the transport. */
__attribute__((__format__(printf, 2, 3))) static void
fail_transport(struct transport *t, const char *fmt, ...)
{
	struct transport_failure f = {
		.status = t->response.state == UPGRADE_REFUSED
		    ? t->response.status
		    : 0,
		.retry_after_ms = t->response.retry_after_ms,
		.problem = t->response.problem,
		.too_long = t->too_big,
	};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f.reason, sizeof(f.reason), fmt, ap);
	va_end(ap);
	t->phase = PHASE_FAILED;
	t->events->failed(t->ctx, &f);
}

/* wslay's view of the stream. */

static ssize_t
ws_recv(
    wslay_event_context_ptr ws, uint8_t *to, size_t size, int flags, void *ctx)
{
	struct transport *t = ctx;
	ssize_t n;

	(void)flags;
	if (t->inbox_bytes > INBOX_BYTES_MAX || t->read_left == 0 ||
	    wslay_event_get_queued_msg_count(ws) > PONGS_MAX) {
		t->stalled = true;
		wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (size > t->read_left)
		size = t->read_left;
	if (t->early_used < t->early_len) {
		if (size > t->early_len - t->early_used)
			size = t->early_len - t->early_used;
		memcpy(to, t->early + t->early_used, size);
		t->early_used += size;
		return (ssize_t)size;
	}
	n = stream_recv(t->stream, to, size);
	if (n > 0) {
		t->read_left -= (size_t)n;
		return n;
	}
	if (n == STREAM_AGAIN) {
		wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	t->eof = true;
	wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t
ws_send(wslay_event_context_ptr ws, const uint8_t *from, size_t len, int flags,
    void *ctx)
{
	struct transport *t = ctx;
	ssize_t n = stream_send(t->stream, from, len);

	(void)flags;
	if (n > 0)
		return n;
	wslay_event_set_error(ws,
	    n == STREAM_ERROR ? WSLAY_ERR_CALLBACK_FAILURE
			      : WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static int
ws_mask(wslay_event_context_ptr ws, uint8_t *to, size_t len, void *ctx)
{
	(void)ws;
	(void)ctx;
	randombytes_buf(to, len);
	return 0;
}

/* The same for a single frame. */

static ssize_t
frame_send(const uint8_t *from, size_t len, int flags, void *ctx)
{
	struct transport *t = ctx;
	ssize_t n = stream_send(t->stream, from, len);

	(void)flags;
	return n > 0 ? n : -1;
}

static int
frame_mask(uint8_t *to, size_t len, void *ctx)
{
	(void)ctx;
	randombytes_buf(to, len);
	return 0;
}

static void
refuse_message(struct transport *t, wslay_event_context_ptr ws)
{
	t->too_big = true;
	wslay_event_shutdown_read(ws);
	wslay_event_queue_close(ws, WSLAY_CODE_MESSAGE_TOO_BIG, NULL, 0);
}

static void
ws_frame_start(wslay_event_context_ptr ws,
    const struct wslay_event_on_frame_recv_start_arg *frame, void *ctx)
{
	struct transport *t = ctx;

	t->opcode = frame->opcode;
	if (frame->opcode == WSLAY_CONNECTION_CLOSE)
		t->close_seen = true;
	if (!wslay_is_ctrl_frame(frame->opcode) && !t->too_big &&
	    frame->payload_length > TRANSPORT_MESSAGE_MAX - t->text_len)
		refuse_message(t, ws);
}

static bool
make_room_for_chunk(struct transport *t, size_t len)
{
	size_t size = t->text_size == 0 ? MESSAGE_START : t->text_size;
	char *text;

	if (len > TRANSPORT_MESSAGE_MAX - t->text_len)
		return false;
	while (size - t->text_len < len)
		size *= 2;
	if (size == t->text_size)
		return true;
	if ((text = malloc(size)) == NULL)
		return false;
	if (t->text != NULL)
		memcpy(text, t->text, t->text_len);
	transport_free_message(t->text, t->text_size);
	t->text = text;
	t->text_size = size;
	return true;
}

static void
ws_frame_chunk(wslay_event_context_ptr ws,
    const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *ctx)
{
	struct transport *t = ctx;

	if (t->opcode == WSLAY_CONNECTION_CLOSE &&
	    chunk->data_length <= sizeof(t->closing) - t->closing_len) {
		memcpy(t->closing + t->closing_len, chunk->data,
		    chunk->data_length);
		t->closing_len += chunk->data_length;
	}
	if (wslay_is_ctrl_frame(t->opcode) || t->too_big)
		return;
	if (!make_room_for_chunk(t, chunk->data_length)) {
		refuse_message(t, ws);
		return;
	}
	memcpy(t->text + t->text_len, chunk->data, chunk->data_length);
	t->text_len += chunk->data_length;
}

/* What it takes, were it empty. */
static size_t
memory_of(const struct message *m)
{
	return sizeof(*m) + m->size;
}

static void
ws_message(wslay_event_context_ptr ws,
    const struct wslay_event_on_msg_recv_arg *arg, void *ctx)
{
	struct transport *t = ctx;
	struct message *m;

	(void)ws;
	if (wslay_is_ctrl_frame(arg->opcode))
		return;
	if (arg->opcode != WSLAY_TEXT_FRAME) {
		log_debug("portal: a binary message was ignored");
	} else if ((m = calloc(1, sizeof(*m))) != NULL) {
		/* An empty message has no buffer, but it is one. */
		if (t->text == NULL)
			make_room_for_chunk(t, 1);
		m->text = t->text;
		m->len = t->text_len;
		m->size = t->text_size;
		TAILQ_INSERT_TAIL(&t->inbox, m, entry);
		t->inbox_bytes += memory_of(m);
		t->text = NULL;
		t->text_size = 0;
	}
	t->text_len = 0;
}

static const struct wslay_event_callbacks ws_callbacks = {
	.recv_callback = ws_recv,
	.send_callback = ws_send,
	.genmask_callback = ws_mask,
	.on_frame_recv_start_callback = ws_frame_start,
	.on_frame_recv_chunk_callback = ws_frame_chunk,
	.on_msg_recv_callback = ws_message,
};

/*
 * wslay takes the codes after 1011 for a breach of the protocol and answers
 * with 1002, but 1012 (restart) is what the portal says at each of its
 * deployments. So its own answer is left behind and the same frame sent back.
 */
static void
echo_close(struct transport *t)
{
	struct wslay_frame_callbacks callbacks = {
		.send_callback = frame_send,
		.genmask_callback = frame_mask,
	};
	struct wslay_frame_iocb frame = {
		.fin = 1,
		.opcode = WSLAY_CONNECTION_CLOSE,
		.payload_length = t->closing_len,
		.mask = 1,
		.data = t->closing,
		.data_length = t->closing_len,
	};
	wslay_frame_context_ptr ctx;

	if (wslay_frame_context_init(&ctx, &callbacks, t) != 0)
		return;
	/* Whether it gets through or not, this is the end. */
	(void)wslay_frame_send(ctx, &frame);
	wslay_frame_context_free(ctx);
}

static void
fail_by_close_frame(struct transport *t)
{
	size_t len = t->closing_len > 2 ? t->closing_len - 2 : 0;

	if (t->closing_len < 2)
		fail_transport(
		    t, "the portal closed the connection without a code");
	else
		fail_transport(t,
		    "the portal closed the connection with %u%s%.*s",
		    load_be16(t->closing), len > 0 ? " " : "", (int)len,
		    (const char *)t->closing + 2);
}

/* Reads and writes what can be; false when the transport has failed. */
static bool
run_frames(struct transport *t)
{
	bool written;

	t->read_left = READ_AT_ONCE;
	t->stalled = false;
	written = !wslay_event_want_write(t->ws);
	if (wslay_event_want_read(t->ws) && wslay_event_recv(t->ws) != 0)
		t->eof = true;
	if (t->close_seen && !wslay_event_get_close_received(t->ws) &&
	    !wslay_event_get_read_enabled(t->ws)) {
		if (written)
			echo_close(t);
		t->eof = true;
	}
	if (!t->eof && wslay_event_want_write(t->ws) &&
	    wslay_event_send(t->ws) != 0)
		t->eof = true;
	if (!TAILQ_EMPTY(&t->inbox))
		return true;
	if (t->close_seen && (t->eof || !wslay_event_want_write(t->ws)))
		fail_by_close_frame(t);
	else if (t->eof)
		fail_transport(t, "the connection broke");
	else if (!wslay_event_get_read_enabled(t->ws) &&
	    !wslay_event_want_write(t->ws))
		fail_transport(t, "%s",
		    t->too_big ? "a message is too long"
			       : "the portal broke the WebSocket protocol");
	else
		return true;
	return false;
}

static void
on_frames_continue(uv_timer_t *timer)
{
	struct transport *t = timer->data;

	if (t->phase == PHASE_OPEN && run_frames(t))
		t->events->activity(t->ctx);
}

char *
transport_next(struct transport *t, size_t *len)
{
	struct message *m = TAILQ_FIRST(&t->inbox);
	char *text;

	if (m == NULL) {
		/* What libcurl has buffered wakes nobody. */
		if (t->stalled || t->eof)
			uv_timer_start(&t->timer, on_frames_continue, 0, 0);
		return NULL;
	}
	TAILQ_REMOVE(&t->inbox, m, entry);
	t->inbox_bytes -= memory_of(m);
	text = m->text;
	*len = m->len;
	free(m);
	return text;
}

struct portal_date
transport_date(const struct transport *t)
{
	return (struct portal_date){
		.present = t->response.date != -1,
		.date = t->response.date,
		.asked = t->asked,
		.answered = t->answered,
	};
}

void
transport_describe(const struct transport *t, struct portal_attempt *to)
{
	to->step = t->step;
	to->peer = t->peer;
	if (t->stream != NULL)
		to->tls = *stream_tls(t->stream);
}

bool
transport_can_send(const struct transport *t)
{
	return t->phase == PHASE_OPEN && !t->eof &&
	    !wslay_event_want_write(t->ws);
}

/* What goes wrong here is seen by run_frames() in the next turn. */
static void
start_sending(struct transport *t)
{
	if (wslay_event_send(t->ws) != 0) {
		t->eof = true;
		uv_timer_start(&t->timer, on_frames_continue, 0, 0);
	}
}

void
transport_send(struct transport *t, const char *text)
{
	struct wslay_event_msg m = {
		.opcode = WSLAY_TEXT_FRAME,
		.msg = (const uint8_t *)text,
		.msg_length = strlen(text),
	};

	if (wslay_event_queue_msg(t->ws, &m) == 0)
		start_sending(t);
}

void
transport_close(struct transport *t, uint16_t code)
{
	if (wslay_event_queue_close(t->ws, code, NULL, 0) == 0)
		start_sending(t);
}

static void
begin_frames(struct transport *t)
{
	if (wslay_event_context_client_init(&t->ws, &ws_callbacks, t) != 0) {
		fail_transport(t, "out of memory");
		return;
	}
	wslay_event_config_set_no_buffering(t->ws, 1);
	/* Its own limit does not say that it was reached: ours does. */
	wslay_event_config_set_max_recv_msg_length(t->ws, UINT64_MAX);
	uv_timer_stop(&t->timer);
	t->phase = PHASE_OPEN;
	t->step = PORTAL_STEP_CHANNEL;
	/* The first frames may be here already. */
	uv_timer_start(&t->timer, on_frames_continue, 0, 0);
	t->events->open(t->ctx);
}

static void
upgrade_answered(struct transport *t)
{
	const struct upgrade_response *r = &t->response;

	if (r->state == UPGRADE_DONE)
		begin_frames(t);
	else if (r->state == UPGRADE_BROKEN)
		fail_transport(
		    t, "the portal's answer is no WebSocket: %s", r->what);
	else
		fail_transport(t,
		    "the portal answered with HTTP status %d%s%s%s%s",
		    r->status, r->problem.code[0] != '\0' ? " " : "",
		    r->problem.code, r->problem.detail[0] != '\0' ? ": " : "",
		    r->problem.detail);
}

/* False when the stream has failed. */
static bool
send_upgrade_request(struct transport *t)
{
	while (t->request_sent < t->request_len) {
		ssize_t n = stream_send(t->stream, t->request + t->request_sent,
		    t->request_len - t->request_sent);

		if (n == STREAM_AGAIN)
			return true;
		if (n < 0)
			return false;
		t->request_sent += (size_t)n;
	}
	if (t->asked.mono.ns == 0)
		t->asked = clock_read();
	explicit_bzero(t->request, sizeof(t->request));
	return true;
}

static void
read_response(struct transport *t)
{
	uint8_t bytes[sizeof(t->early)];
	ssize_t n;
	size_t used;

	while (t->response.state == UPGRADE_INCOMPLETE) {
		n = stream_recv(t->stream, bytes, sizeof(bytes));
		if (n == STREAM_AGAIN)
			return;
		if (n <= 0) {
			upgrade_end(&t->response);
			break;
		}
		used = upgrade_feed(&t->response, bytes, (size_t)n, time(NULL));
		t->early_len = (size_t)n - used;
		memcpy(t->early, bytes + used, t->early_len);
	}
	explicit_bzero(bytes, sizeof(bytes));
	t->answered = clock_read();
	upgrade_answered(t);
}

static void
on_transport_event(void *ctx, bool readable, bool writable)
{
	struct transport *t = ctx;

	(void)writable;
	if (t->phase == PHASE_OPEN) {
		if (run_frames(t))
			t->events->activity(t->ctx);
		return;
	}
	if (!send_upgrade_request(t))
		fail_transport(t, "the connection broke");
	else if (readable)
		read_response(t);
}

static void
on_stream_ready(void *ctx, const char *error)
{
	struct transport *t = ctx;

	if (error != NULL) {
		fail_transport(t, "%s", error);
		return;
	}
	t->phase = PHASE_UPGRADE;
	t->step = PORTAL_STEP_LOGIN;
	if (!send_upgrade_request(t))
		fail_transport(t, "the connection broke");
}

static void
on_portal_dialled(
    void *ctx, int fd, const struct endpoint *peer, const char *error)
{
	struct transport *t = ctx;
	const struct stream_target target = {
		.tls = t->login->tls,
		.host = &t->login->host,
		.port = t->login->port,
	};

	t->dial = NULL;
	if (fd == -1) {
		fail_transport(t, "%s", error);
		return;
	}
	t->phase = PHASE_TLS;
	t->step = PORTAL_STEP_TLS;
	t->peer = *peer;
	t->stream = stream_open(t->loop, t->curl, fd, &target, peer,
	    on_stream_ready, on_transport_event, t);
	if (t->stream == NULL)
		fail_transport(t, "libcurl refused the connection");
}

static void
on_transport_timeout(uv_timer_t *timer)
{
	fail_transport(timer->data, "no WebSocket within %d s",
	    TRANSPORT_TIMEOUT_MS / 1000);
}

/* Before the loop sleeps: what the socket is waited for. */
static void
on_transport_prepare(uv_prepare_t *prepare)
{
	struct transport *t = prepare->data;

	if (t->phase == PHASE_UPGRADE)
		stream_want(t->stream, true, t->request_sent < t->request_len);
	else if (t->phase == PHASE_OPEN)
		stream_want(t->stream,
		    !t->stalled && !t->eof && wslay_event_want_read(t->ws),
		    wslay_event_want_write(t->ws));
}

static bool
format_request(struct transport *t, const struct transport_config *c)
{
	uint8_t nonce[UPGRADE_NONCE_LEN];
	struct upgrade_request r = *c->request;

	randombytes_buf(nonce, sizeof(nonce));
	upgrade_set_nonce(&r, nonce);
	upgrade_start(&t->response, r.key);
	t->request_len = upgrade_format(&r, t->request, sizeof(t->request));
	return t->request_len > 0;
}

struct transport *
transport_start(const struct transport_config *c,
    const struct transport_events *events, void *ctx)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	TAILQ_INIT(&t->inbox);
	t->step = PORTAL_STEP_CONNECT;
	t->login = c->login;
	t->loop = c->loop;
	t->curl = c->curl;
	t->events = events;
	t->ctx = ctx;
	t->open_handles = 2;
	uv_timer_init(c->loop, &t->timer);
	uv_prepare_init(c->loop, &t->prepare);
	t->timer.data = t->prepare.data = t;
	if (!format_request(t, c) ||
	    (t->dial = dial_start(c->loop, c->dialler, c->addresses,
		 c->address_count, c->login->port, on_portal_dialled, t)) ==
		NULL) {
		transport_free(t);
		return NULL;
	}
	uv_timer_start(
	    &t->timer, on_transport_timeout, TRANSPORT_TIMEOUT_MS, 0);
	uv_prepare_start(&t->prepare, on_transport_prepare);
	return t;
}
