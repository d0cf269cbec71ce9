/*
 * The portal's references of authorizations that net-worker has not answered
 * yet, by the serial under which they were handed to it, and what is to come of
 * the answer. Bounded: the oldest is forgotten, since the portal's clients stop
 * waiting after 20 s.
 */
#ifndef CONTROL_WORKER_PORTAL_REFS_H
#define CONTROL_WORKER_PORTAL_REFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/tree.h>

#include "common/uuid.h"
#include "control-worker/net/name_proxies.h"

#define REFS_MAX     2048
#define REF_TEXT_MAX 4096

/* ICE credentials of our making: RFC 8839 5.4 wants as many, and no more. */
#define OUR_USERNAME_LEN 4
#define OUR_PASSWORD_LEN 22

struct ref {
	RB_ENTRY(ref) by_client; /* if it connects */
	RB_ENTRY(ref) by_serial; /* while it is naming */
	uint64_t serial;
	char *text;
	const char *reply; /* the event that tells of it; NULL: none does */
	/* Of a connection whose credentials the reply tells. */
	bool connects;
	struct uuid client;
	char username[OUR_USERNAME_LEN + 1], password[OUR_PASSWORD_LEN + 1];
	/* What is to be set up before the reply, to be freed; NULL: nothing. */
	struct name_proxies *names;
	bool is_naming; /* that has begun */
};

RB_HEAD(connecting_refs, ref);
RB_HEAD(naming_refs, ref);

/* Starts with zeros. */
struct refs {
	uint64_t next_serial;
	struct ref *ref[REFS_MAX]; /* at serial % REFS_MAX */
	struct naming_refs naming; /* not among these any more */
	struct connecting_refs connecting; /* one of a client */
	/* A client is not awaited any more, for now; NULL: nobody asks. */
	void (*released)(void *ctx, const struct uuid *client);
	void *ctx;
};

/*
 * Keeps a copy of it, the text too, and takes its names over; the serial, or 0
 * without memory. One that connects drops earlier ones of its client that do.
 */
uint64_t refs_keep(struct refs *, const struct ref *);
struct ref *refs_find(const struct refs *, uint64_t serial); /* or NULL */
void refs_drop(struct refs *, uint64_t serial); /* wipes; unknown is fine */
void refs_clear(struct refs *);
/*
 * Its names are given to be set up, which may take long: it is not forgotten
 * for the sake of others. Whoever takes the names has a bound for them.
 */
void refs_begin_naming(struct refs *, struct ref *);
/* Another connection of the client has taken the place of one to be told of. */
void refs_supersede(struct refs *, const struct uuid *client);
/* Whether the client has still to be told of a connection. */
bool refs_await(const struct refs *, const struct uuid *client);

#endif /* CONTROL_WORKER_PORTAL_REFS_H */
