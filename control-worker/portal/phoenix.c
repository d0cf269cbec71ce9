/* Phoenix channel framing and its timers: see phoenix.h. */
#include "control-worker/portal/phoenix.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC           "gateway"
#define HEARTBEAT_TOPIC "phoenix"

static void
want_join(struct phoenix *p, struct mono now)
{
	p->joined = false;
	p->join_due = true;
	p->join_sent = false;
	p->join_deadline = mono_add_ms(now, PHOENIX_JOIN_TIMEOUT_MS);
}

void
phoenix_init(
    struct phoenix *p, struct mono now, const struct phoenix_rules *rules)
{
	*p = (struct phoenix){
		.rules = *rules,
		.next_ref = rules->refs_continue ? p->next_ref : 0,
	};
	outbox_init(&p->outbox);
	p->heartbeat_at = mono_add_ms(now, rules->heartbeat_ms);
	p->close_deadline = p->reply_deadline = MONO_NEVER;
	want_join(p, now);
}

void
phoenix_clear(struct phoenix *p)
{
	outbox_clear(&p->outbox);
}

bool
phoenix_send(struct phoenix *p, const char *event, char *payload)
{
	return outbox_push(&p->outbox, event, payload);
}

/* Topic and event are ours, the payload is JSON already. */
static char *
format_frame(
    const char *topic, const char *event, const char *payload, uint64_t ref)
{
	char *text;

	if (asprintf(&text,
		"{\"topic\":\"%s\",\"event\":\"%s\",\"payload\":%s,\"ref\":"
		"%" PRIu64 "}",
		topic, event, payload, ref) == -1)
		return NULL;
	return text;
}

static char *
next_heartbeat(struct phoenix *p, struct mono now)
{
	p->heartbeat_due = false;
	p->unwritten = 0;
	if (p->rules.reply_ms != 0)
		p->reply_deadline = mono_add_ms(now, p->rules.reply_ms);
	p->unanswered[p->unanswered_count++] = p->next_ref;
	return format_frame(HEARTBEAT_TOPIC, "heartbeat", "{}", p->next_ref++);
}

static char *
next_join(struct phoenix *p, struct mono now)
{
	p->join_due = false;
	p->join_sent = true;
	p->join_ref = p->next_ref++;
	p->join_deadline = mono_add_ms(now, PHOENIX_JOIN_TIMEOUT_MS);
	return format_frame(TOPIC, "phx_join", "null", p->join_ref);
}

bool
phoenix_has_next(const struct phoenix *p)
{
	return p->heartbeat_due || p->join_due ||
	    (p->joined && p->outbox.count > 0);
}

char *
phoenix_next(struct phoenix *p, struct mono now)
{
	struct outbox_message *m;
	char *text;

	if (p->heartbeat_due)
		return next_heartbeat(p, now);
	if (p->join_due)
		return next_join(p, now);
	if (!p->joined || (m = outbox_pop(&p->outbox)) == NULL)
		return NULL;
	text = format_frame(TOPIC, m->event, m->payload, p->next_ref++);
	outbox_free(m);
	return text;
}

__attribute__((__format__(printf, 3, 4))) static void
conclude(struct phoenix_frame *f, enum phoenix_event type, const char *fmt, ...)
{
	va_list ap;

	f->type = type;
	va_start(ap, fmt);
	vsnprintf(f->reason, sizeof(f->reason), fmt, ap);
	va_end(ap);
}

/* True when the reference was that of a heartbeat. */
static bool
answer_heartbeat(struct phoenix *p, uint64_t ref)
{
	for (size_t i = 0; i < p->unanswered_count; i++) {
		if (p->unanswered[i] != ref)
			continue;
		p->unanswered[i] = p->unanswered[--p->unanswered_count];
		if (p->unanswered_count == 0)
			p->reply_deadline = MONO_NEVER;
		return true;
	}
	return false;
}

static void
receive_ok(
    struct phoenix *p, const char *topic, uint64_t ref, struct phoenix_frame *f)
{
	if (strcmp(topic, HEARTBEAT_TOPIC) == 0) {
		answer_heartbeat(p, ref);
		return;
	}
	if (!p->join_sent || ref != p->join_ref)
		return;
	p->join_sent = false;
	p->joined = true;
	p->join_deadline = p->close_deadline = MONO_NEVER;
	f->type = PHOENIX_JOINED;
}

static void
receive_error(struct phoenix *p, const char *topic, uint64_t ref,
    const struct json_value *response, struct mono now, struct phoenix_frame *f)
{
	char reason[64];

	if (strcmp(topic, TOPIC) != 0)
		return;
	if (!json_copy(json_get(response, "reason"), reason, sizeof(reason)))
		strcpy(reason, "no reason given");
	if (p->join_sent && ref == p->join_ref)
		conclude(f, PHOENIX_JOIN_REFUSED, "%s", reason);
	else if (strcmp(reason, "unmatched topic") == 0 && p->joined)
		want_join(p, now);
}

static void
receive_reply(struct phoenix *p, const char *topic,
    const struct json_value *ref, const struct json_value *payload,
    struct mono now, struct phoenix_frame *f)
{
	const struct json_value *status = json_get(payload, "status");

	if (!json_is(ref, JSON_UNSIGNED))
		conclude(f, PHOENIX_MALFORMED, "a reply without reference");
	else if (json_is_text(status, "ok"))
		receive_ok(p, topic, ref->number, f);
	else if (json_is_text(status, "error"))
		receive_error(p, topic, ref->number,
		    json_get(payload, "response"), now, f);
	else
		conclude(f, PHOENIX_MALFORMED, "a reply without status");
}

/*
 * The portal closes the connection, but for those of before mid 2026, which go
 * on to answer the heartbeats of a channel that is not there:
 * firezone-portal(7), Control events.
 */
static void
await_close(struct phoenix *p, struct mono now)
{
	if (mono_is_never(p->close_deadline))
		p->close_deadline = mono_add_ms(now, PHOENIX_CLOSE_TIMEOUT_MS);
}

/* What concerns the channel itself; the rest is for the application. */
static void
receive_push(struct phoenix *p, const char *event,
    const struct json_value *payload, struct mono now, struct phoenix_frame *f)
{
	if (strcmp(event, "phx_error") == 0) {
		await_close(p, now);
	} else if (strcmp(event, "phx_close") == 0) {
		conclude(f, PHOENIX_LOST, "the portal stopped the channel");
	} else if (strcmp(event, "disconnect") == 0) {
		/* Any other reason is followed by phx_close. */
		if (json_is_text(json_get(payload, "reason"), "token_expired"))
			f->type = PHOENIX_TOKEN_EXPIRED;
	} else {
		f->type = PHOENIX_PUSH;
	}
}

void
phoenix_receive(struct phoenix *p, const struct json_value *root,
    struct mono now, struct phoenix_frame *f)
{
	const struct json_value *ref = json_get(root, "ref");
	char topic[64];

	*f = (struct phoenix_frame){ .payload = json_get(root, "payload") };
	if (!json_copy(json_get(root, "topic"), topic, sizeof(topic)) ||
	    !json_copy(json_get(root, "event"), f->event, sizeof(f->event)))
		conclude(f, PHOENIX_MALFORMED, "no topic or event");
	else if (!json_is_nothing(ref) && !json_is(ref, JSON_UNSIGNED))
		conclude(f, PHOENIX_MALFORMED, "its reference is no number");
	else if (strcmp(f->event, "phx_reply") == 0)
		receive_reply(p, topic, ref, f->payload, now, f);
	else if (strcmp(topic, TOPIC) != 0)
		conclude(f, PHOENIX_MALFORMED, "another topic");
	else
		receive_push(p, f->event, f->payload, now, f);
}

struct mono
phoenix_deadline(const struct phoenix *p)
{
	struct mono channel = mono_min(p->close_deadline, p->join_deadline);

	return mono_min(channel, mono_min(p->reply_deadline, p->heartbeat_at));
}

void
phoenix_tick(struct phoenix *p, struct mono now, struct phoenix_frame *f)
{
	*f = (struct phoenix_frame){ .type = PHOENIX_NOTHING };
	if (mono_due(p->join_deadline, now)) {
		conclude(f, PHOENIX_LOST,
		    "the join was not answered within %d s",
		    PHOENIX_JOIN_TIMEOUT_MS / 1000);
		return;
	}
	if (mono_due(p->close_deadline, now)) {
		conclude(f, PHOENIX_LOST,
		    "the channel broke down at the portal, which did not close "
		    "the connection within %d s",
		    PHOENIX_CLOSE_TIMEOUT_MS / 1000);
		return;
	}
	if (mono_due(p->reply_deadline, now)) {
		conclude(f, PHOENIX_LOST,
		    "a heartbeat was not answered within %lld s",
		    (long long)(p->rules.reply_ms / 1000));
		return;
	}
	if (!mono_due(p->heartbeat_at, now))
		return;
	p->heartbeat_at = mono_add_ms(now, p->rules.heartbeat_ms);
	if (p->heartbeat_due)
		p->unwritten++;
	if (p->unanswered_count + p->unwritten >= p->rules.unanswered_max)
		conclude(f, PHOENIX_LOST, "%zu heartbeats were not answered",
		    p->rules.unanswered_max + 1);
	else
		p->heartbeat_due = true;
}
