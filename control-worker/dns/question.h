/*
 * A name's addresses of one family, from whichever server of resolv.conf says
 * them first: the next is asked as soon as one fails, and beside one that is
 * slow (servers.h). What aliases lead to is asked for when it is not in the
 * answer (RFC 1034 5.3.3).
 */
#ifndef CONTROL_WORKER_DNS_QUESTION_H
#define CONTROL_WORKER_DNS_QUESTION_H

#include <uv.h>

#include "control-worker/dns/message.h"
#include "control-worker/dns/servers.h"

/*
 * A server that says that there is no address is believed at once if it is the
 * first that can be; else the others have so long, from the beginning.
 */
#define QUESTION_BELIEVE_MS 1300

/* Servers that are asked at once; each takes a socket. */
#define QUESTION_TRIES_MAX 3

struct question;

/* NULL: nobody could say. It has ended. */
typedef void (*question_done)(void *ctx, const struct dns_answer *);

/*
 * The servers have to outlive it. It bounds its steps, but not its time. NULL,
 * without a callback, when nobody can be asked; else the callback comes from
 * the loop.
 */
struct question *question_start(uv_loop_t *, struct servers *,
    const struct resolv_conf *, const struct dns_name *, enum ip_family,
    question_done, void *ctx);
void question_cancel(struct question *); /* no callback any more */

#endif /* CONTROL_WORKER_DNS_QUESTION_H */
