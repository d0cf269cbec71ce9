/*
 * The HTTP half of a WebSocket: the request, and the answer read as it comes.
 * No I/O. RFC 6455 section 4, firezone-portal(7), Request headers, Upgrade
 * response and Fatal conditions.
 */
#ifndef CONTROL_WORKER_PORTAL_UPGRADE_H
#define CONTROL_WORKER_PORTAL_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPGRADE_NONCE_LEN  16
#define UPGRADE_KEY_LEN    24 /* in base64 */
#define UPGRADE_HEADER_MAX 16384
#define UPGRADE_BODY_MAX   16384

struct upgrade_request {
	const char *target; /* path and query */
	const char *host;   /* the value of Host */
	const char *user_agent;
	const char *token;             /* for a header of its own; NULL: none */
	char key[UPGRADE_KEY_LEN + 1]; /* see upgrade_set_nonce() */
};

void upgrade_set_nonce(
    struct upgrade_request *, const uint8_t nonce[UPGRADE_NONCE_LEN]);
/* Writes the request; its length, or 0 when it does not fit. Holds the token.
 */
size_t upgrade_format(const struct upgrade_request *, char *to, size_t size);

/*
 * What the body of a refusal says: a problem document (RFC 9457), or the plain
 * text of older portals, which is all detail.
 */
struct problem {
	bool present;
	char code[64];    /* or empty */
	char detail[256]; /* or empty */
};

enum upgrade_state {
	UPGRADE_INCOMPLETE, /* feed it more */
	UPGRADE_DONE,       /* 101; what is left over are frames */
	UPGRADE_REFUSED,    /* any other status */
	UPGRADE_BROKEN,     /* see what */
};

struct upgrade_response {
	enum upgrade_state state;
	char key[UPGRADE_KEY_LEN + 1];
	uint8_t bytes[UPGRADE_HEADER_MAX + UPGRADE_BODY_MAX];
	size_t len;
	size_t header_len; /* 0 until it is complete */
	size_t body_len;   /* wanted, of a refusal */
	int status;
	int64_t retry_after_ms; /* -1: not given */
	int64_t date;           /* of the answer, unix time; -1: not given */
	struct problem problem;
	const char *what;
};

void upgrade_start(struct upgrade_response *, const char *key);
/*
 * Takes bytes in and returns how many of them belonged to the answer. now is
 * unix time, for a Retry-After that is a date.
 */
size_t upgrade_feed(
    struct upgrade_response *, const void *bytes, size_t len, int64_t now);
/* The peer has closed: what there is of a body has to do. */
void upgrade_end(struct upgrade_response *);

/* The delay that Retry-After asks for; -1 when it is not understood. */
int64_t retry_after_parse(const char *value, int64_t now);
/* Of this media type; "": none is named, which is plain text as well. */
void problem_parse(
    struct problem *, const char *content_type, const void *body, size_t len);

#endif /* CONTROL_WORKER_PORTAL_UPGRADE_H */
