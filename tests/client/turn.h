/*
 * The client of STUN and TURN servers (RFC 8656): mapped addresses, one
 * allocation on each relay, channels. Firezone's relay and standard servers
 * both work (firezone-tunnel(7), Standard TURN servers).
 */
#ifndef TESTS_CLIENT_TURN_H
#define TESTS_CLIENT_TURN_H

#include "common/address.h"
#include "common/time.h"
#include "net-worker/core/stun/stun.h"

#define RELAYS_MAX        4
#define RELAY_ID_SIZE     64
#define RELAY_TEXT_SIZE   256
#define CHANNELS_MAX      128
#define TURN_REQUESTS_MAX (CHANNELS_MAX + 8)

struct client;

struct channel {
	struct endpoint peer;
	bool confirmed;
	bool heard;           /* data came since the last bind */
	struct mono bound_at; /* the last confirmation, or the first try */
};

struct turn_request {
	bool pending;
	bool had_nonce;
	uint16_t type;
	size_t about; /* the channel's index, or a Binding's family */
	uint8_t transaction[STUN_TRANSACTION_LEN];
	struct mono first, next;
	int64_t gap; /* milliseconds to the next try but one */
};

struct relay {
	char id[RELAY_ID_SIZE]; /* "": the slot is free */
	char username[RELAY_TEXT_SIZE], password[RELAY_TEXT_SIZE];
	char realm[RELAY_TEXT_SIZE], nonce[RELAY_TEXT_SIZE];
	uint8_t key[STUN_KEY_LEN];
	bool bare;                 /* Allocate without credentials for once */
	bool deleting;             /* the pending Refresh has LIFETIME 0 */
	struct endpoint server[2]; /* by family, or IP_NONE */
	int active;                /* which of them, or -1 */
	struct endpoint mapped[2]; /* that it has shown us, or IP_NONE */
	struct endpoint relayed[2];
	bool allocated;
	struct mono refresh_at, expires_at, keepalive_at;
	struct channel channels[CHANNELS_MAX];
	size_t n_channels;
	struct turn_request requests[TURN_REQUESTS_MAX];
};

struct turn {
	struct relay relays[RELAYS_MAX];
};

void turn_add(struct client *, const char *id, const struct endpoint *server,
    const char *username, const char *password);
void turn_forget(struct client *, const char *id);
/* An answer from a relay; false when it is not one. */
bool turn_answer(
    struct client *, const struct endpoint *from, const struct stun_message *);
/*
 * ChannelData from a relay: sets what is inside, who sent it and the allocated
 * address it was sent to; false when it is not that.
 */
bool turn_unwrap(struct client *, const struct endpoint *from,
    const uint8_t **data, size_t *len, struct endpoint *peer,
    struct endpoint *relayed);
bool turn_is_relayed(const struct client *, const struct endpoint *address);
/* Sends from an allocated address, and binds a channel when there is none. */
void turn_send(struct client *, const struct endpoint *relayed,
    const struct endpoint *peer, const void *, size_t);
/* Binds a channel ahead of the first datagram. */
void turn_expect(struct client *, const struct endpoint *peer);
void turn_timer(struct client *);
struct mono turn_deadline(const struct client *);
/* All allocations were of sockets that are gone: makes new ones. */
void turn_roam(struct client *);
/* Deletes the allocations; answers are not awaited. */
void turn_stop(struct client *);

#endif /* TESTS_CLIENT_TURN_H */
