/*
 * Application messages that wait to be written on one connection: first in,
 * first out, no two alike at a time, bounded. firezone-portal(7), Limits and
 * order.
 */
#ifndef CONTROL_WORKER_PORTAL_OUTBOX_H
#define CONTROL_WORKER_PORTAL_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#define OUTBOX_MESSAGES_MAX 4096
#define OUTBOX_BYTES_MAX    (4 * 1024 * 1024)

struct outbox_message {
	TAILQ_ENTRY(outbox_message) entry;
	const char *event;
	char *payload; /* JSON */
};

struct outbox {
	TAILQ_HEAD(outbox_list, outbox_message) messages;
	size_t count, bytes;
};

void outbox_init(struct outbox *);
void outbox_clear(struct outbox *);
/*
 * Takes over the payload, which may be NULL (out of memory), whatever the
 * result; event is a constant. False when there is no room for it.
 */
bool outbox_push(struct outbox *, const char *event, char *payload);
/* The oldest, or NULL; the caller frees it with outbox_free(). */
struct outbox_message *outbox_pop(struct outbox *);
void outbox_free(struct outbox_message *);

#endif /* CONTROL_WORKER_PORTAL_OUTBOX_H */
