/*
 * Requests to a relay that wait for their answer: what they look like on the
 * wire (firezone-tunnel(7), Relay requests) and when they are repeated
 * (firezone-tunnel(7), Retransmission).
 *
 * A request is built when it is taken for transmission, from the credentials
 * of that moment: what is outstanding is what there is to send, and nothing
 * else is queued.
 */
#ifndef NET_WORKER_CORE_TURN_REQUEST_H
#define NET_WORKER_CORE_TURN_REQUEST_H

#include <sys/queue.h>

#include "common/address.h"
#include "common/time.h"
#include "net-worker/core/datagram.h"
#include "net-worker/core/stun/stun.h"

#define REQUESTS_MAX      128
#define REQUESTS_RESERVED 8   /* what channels leave to the rest */
#define TURN_REALM_MAX    127 /* characters, RFC 8489 14.9 */
#define TURN_NONCE_MAX    509 /* bytes, RFC 8489 14.10 */

enum request_kind {
	REQUEST_BINDING,
	REQUEST_ALLOCATE,
	REQUEST_REFRESH,
	REQUEST_DELETE, /* a Refresh with lifetime zero */
	REQUEST_CHANNEL_BIND,
};

/* How a request was authenticated, which decides what its answer means. */
enum request_form {
	FORM_BARE,  /* not at all */
	FORM_BLIND, /* signed, but without a nonce */
	FORM_SIGNED,
};

struct credentials {
	const char *username; /* of the owner's configuration */
	const char *password;
	char realm[TURN_REALM_MAX + 1];
	uint8_t nonce[TURN_NONCE_MAX];
	size_t nonce_len; /* 0: none yet */
	uint8_t key[STUN_KEY_LEN];
	bool usable; /* not refused so far */
};

/* What we have learned about the server. */
struct server_traits {
	/*
	 * It follows RFC 8656 to the letter, so that 401 and 438 are unsigned,
	 * a Refresh takes no attribute of an Allocate, and an Allocate that
	 * comes twice gets the same answer twice.
	 */
	bool standard;
	bool single_family; /* it refuses ADDITIONAL-ADDRESS-FAMILY */
};

struct request {
	TAILQ_ENTRY(request) entry;
	enum request_kind kind;
	enum request_form form; /* of the last transmission */
	uint8_t transaction[STUN_TRANSACTION_LEN];
	struct endpoint to;
	struct endpoint peer; /* of CHANNEL_BIND, with channel */
	uint16_t channel;
	struct mono first; /* transmission */
	struct mono retry;
	int64_t gap_ns; /* 0: it has not been sent */
	bool unsent;
	bool once;          /* given up at its first retry */
	unsigned renewals;  /* nonces that made us send it again */
	unsigned discarded; /* answers with a wrong signature */
};

TAILQ_HEAD(request_list, request);

struct requests {
	struct request_list outstanding, unused;
	size_t count; /* outstanding */
	struct request pool[REQUESTS_MAX];
};

void requests_init(struct requests *);
void requests_clear(struct requests *);
bool requests_empty(const struct requests *);
/* No room for another CHANNEL_BIND. */
bool requests_full(const struct requests *);
bool requests_have(const struct requests *, enum request_kind);
struct request *requests_find(
    const struct requests *, const uint8_t transaction[STUN_TRANSACTION_LEN]);
struct mono requests_deadline(const struct requests *);
/* The next one that waits for transmission, or NULL. */
struct request *requests_unsent(const struct requests *);

/* A request to be sent at once; NULL when there are REQUESTS_MAX. */
struct request *request_new(struct requests *, struct mono now,
    enum request_kind, const struct endpoint *to);
void request_free(struct requests *, struct request *);
/* At its retry time: to be sent again to the server, or false: give up. */
bool request_retry(struct request *, struct mono now,
    const struct endpoint *server, const struct server_traits *);
/* To be sent at once, as if it were new. */
void request_restart(struct request *, struct mono now);
/* One that is new: to be sent only then. */
void request_postpone(struct request *, struct mono until);

/* Whether the type is that of a success or error answer to it. */
bool request_is_success(const struct request *, const struct stun_message *);
bool request_is_error(const struct request *, const struct stun_message *);

/* Builds the datagram, noting its form; false when it does not fit. */
bool request_write(struct request *, const struct credentials *,
    const struct server_traits *, struct datagram *);

/* False when libcrypto fails. */
bool credentials_set_realm(struct credentials *, const struct stun_text *);
bool credentials_same_realm(
    const struct credentials *, const struct stun_text *);
/* False when the nonce is empty or too long. */
bool credentials_set_nonce(struct credentials *, const struct stun_text *);

#endif /* NET_WORKER_CORE_TURN_REQUEST_H */
