/*
 * The life of the connection to the portal: resolve, connect, join, stay
 * online, wait, again. firezone-portal(7), CONNECTION LIFECYCLE.
 *
 * No I/O: the time, the answers of the world, the portal's messages and what
 * net-worker says go in; out come, through the host and within the call, what
 * the world is to do, and through the events what the rest of the process has
 * to know. driver.h brings the two together.
 */
#ifndef CONTROL_WORKER_PORTAL_CONNECTION_H
#define CONTROL_WORKER_PORTAL_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"
#include "common/time.h"
#include "common/uuid.h"
#include "control-worker/json/json.h"
#include "control-worker/net/description.h"
#include "control-worker/net/lookup.h"
#include "control-worker/net/name_proxies.h"
#include "control-worker/net/portal_clock.h"
#include "control-worker/portal/drops.h"
#include "control-worker/portal/failure.h"
#include "control-worker/portal/login.h"

#define PORTAL_CLOSE_MS 1000 /* for the closing handshake */
#define PORTAL_AWAY_MS   60000 /* while away: until we look in again */
#define PORTAL_LOOK_MS   10000 /* we look in until an init, or for so long */
#define PORTAL_LINGER_MS 1000  /* before we leave, to acknowledge what came */
/* With more than this in the outbox, candidates are held and merged. */
#define PORTAL_OUTBOX_BUSY 512

struct portal_connection;

struct portal_config {
	struct login_url login;
	struct login_identity identity; /* copied */
	unsigned generation; /* one that there is, or 0: to be found out */
	uint64_t max_partition_ms;
	bool resumed; /* the daemon was online before: this is a reconnect */
};

/* What the connection asks of the world. */
struct portal_host {
	void *ctx;
	/*
	 * For the addresses of a name; portal_resolved() answers, not
	 * within the call. False without memory.
	 */
	bool (*resolve)(void *ctx, const char *name);
	/*
	 * For a WebSocket by this request, which holds the token and is gone
	 * after the call; portal_opened() or portal_failed() answers, not
	 * within the call. False without memory.
	 */
	bool (*connect)(void *ctx, const struct ip_address *, size_t count,
	    const struct upgrade_request *);
	/* What is under way of both is dropped, and nothing more is heard. */
	void (*abandon)(void *ctx);
	/* Whether a text message can be sent just now. */
	bool (*can_send)(void *ctx);
	void (*send)(void *ctx, const char *text);
	/* The closing handshake; portal_failed() answers. */
	void (*close)(void *ctx, uint16_t code);
	/* When portal_timeout() is to be called, as of now. */
	void (*wait_until)(void *ctx, struct mono deadline);
	/* There will be another attempt, for this one has failed. */
	void (*retry)(void *ctx, const char *reason);
};

struct portal_events {
	/* Where the portal's messages go: every handler is set. */
	struct ipc_handlers to;
	/* What an init says of flow logs; NULL: nothing. */
	void (*flow_settings)(void *ctx, const struct json_value *);
	/*
	 * The ingest token of an authorization that comes next; whether it is
	 * one, and then the id that its flows are told with.
	 */
	bool (*flow_token)(
	    void *ctx, const char *jwt, size_t len, struct uuid *authorization);
	/* What client and resource of a message that comes next are called. */
	struct described described;
	/*
	 * A name that a client has assigned proxies to through the portal, to
	 * be copied: portal_named() answers, not within the call. False: it
	 * cannot be.
	 */
	bool (*names)(void *ctx, uint64_t serial, const struct name_proxies *);
	/* Whether more of them may be handed over just now. */
	bool (*has_room)(void *ctx);
	void (*online)(void *ctx, bool online, unsigned generation);
	/* The portal answered, and said what time it is. */
	void (*date)(void *ctx, const struct portal_date *);
	/* To be counted. */
	void (*dropped)(void *ctx, enum portal_drop);
	/* It is over; the connection may be freed later, not in the call. */
	void (*fatal)(void *ctx, const char *reason);
	/* What portal_shutdown() began is done. */
	void (*closed)(void *ctx);
};

/* NULL without memory. Nothing happens before the public key is set. */
struct portal_connection *portal_new(const struct portal_config *,
    const struct portal_host *, const struct portal_events *, void *ctx);
void portal_free(struct portal_connection *); /* abandons; NULL is fine */

/* The key of a net-worker that has just started: connects, or again. */
void portal_set_key(
    struct portal_connection *, struct mono now, const uint8_t key[32]);

/* What the world answers to what was asked through the host. */
void portal_resolved(
    struct portal_connection *, struct mono now, const struct lookup_result *);
void portal_opened(
    struct portal_connection *, struct mono now, const struct portal_date *);
/* The failure may be freed by what comes of it. */
void portal_failed(struct portal_connection *, struct mono now,
    const struct transport_failure *);
/*
 * Hands over what is left of a long message. Then, whether another one can be
 * taken, and there is room for what comes of it.
 */
bool portal_takes_text(struct portal_connection *);
void portal_text(
    struct portal_connection *, struct mono now, const char *, size_t len);
/* Sends what can be sent: there may be room again. */
void portal_send(struct portal_connection *, struct mono now);

void portal_timeout(struct portal_connection *, struct mono now);

/* What net-worker says. */
void portal_acknowledge(
    struct portal_connection *, struct mono now, uint64_t serial);
void portal_refuse(struct portal_connection *, uint64_t serial);
/* What has become of a name. */
void portal_named(struct portal_connection *, struct mono now, uint64_t serial,
    bool installed);
void portal_candidates(struct portal_connection *, struct mono now,
    const struct uuid *client, bool withdrawn, const char *lines);
void portal_client_gone(struct portal_connection *, const struct uuid *client);
void portal_no_relays(struct portal_connection *, struct mono now);

/*
 * Goes away, or comes back. That a gateway is not joined is all that keeps the
 * portal from sending it clients. While we are away nobody gets access. Access
 * that was given goes on, and ends when it expires; to hear what the portal
 * takes away we look in: join, and leave again after an init.
 */
void portal_set_away(struct portal_connection *, struct mono now, bool away);

/* Closes with 1000; closed() is called when that is done: PORTAL_CLOSE_MS. */
void portal_shutdown(struct portal_connection *, struct mono now);

#endif /* CONTROL_WORKER_PORTAL_CONNECTION_H */
