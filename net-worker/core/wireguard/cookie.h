/*
 * How many handshakes the responder takes, and the cookies with which a sender
 * proves its address (firezone-tunnel(7), Rate limit and Cookies; the WireGuard
 * paper, 5.4.7).
 *
 * Who has proven it has a token bucket of its own, under load and not, and
 * where that is empty one that all such share: many clients may be behind one
 * address, a router's or a relay's. All others share a number in a second and
 * have each a bucket, too, which is one of another table: who forges somebody's
 * address makes that one prove it, and can do no more to it.
 *
 * One for the whole process. Only messages with a valid MAC1 (noise.h) are
 * brought here.
 */
#ifndef NET_WORKER_CORE_WIREGUARD_COOKIE_H
#define NET_WORKER_CORE_WIREGUARD_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/bucket.h"
#include "common/time.h"
#include "net-worker/core/wireguard/message.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/core/wireguard/source_limit.h"

#define COOKIE_SECRET_LEN 16

/* What those with a cookie share: 250 a second, as many at once. */
#define COOKIE_SHARED_BURST       250
#define COOKIE_SHARED_INTERVAL_MS 4

struct cookie_guard {
	uint8_t secret[COOKIE_SECRET_LEN];
	struct mono start;        /* cookies' periods are counted from here */
	struct mono window_until; /* the limiter's */
	unsigned admitted;        /* in this window without a cookie */
	struct source_limit proven, unproven;
	struct bucket shared; /* of the proven ones */
};

enum cookie_verdict {
	COOKIE_ADMIT,  /* go on with the handshake */
	COOKIE_DEMAND, /* answer with cookie_create_reply() */
	COOKIE_REFUSE, /* too many with a cookie: no answer */
};

void cookie_guard_init(struct cookie_guard *, struct mono now);
void cookie_guard_wipe(struct cookie_guard *);

/*
 * Counts an initiation or response and says what to do with it. source: its
 * sender's address outside of TURN; IP_NONE where that is not known.
 */
enum cookie_verdict cookie_judge(struct cookie_guard *, struct mono now,
    const struct ip_address *source, const uint8_t *message, size_t len);

/*
 * The reply to an initiation or response that was not let through. False only
 * when libcrypto has no memory or the message is neither.
 */
bool cookie_create_reply(const struct cookie_guard *,
    const struct noise_identity *, struct mono now,
    const struct ip_address *source, const uint8_t *message, size_t len,
    uint8_t reply[MESSAGE_COOKIE_LEN]);

#endif /* NET_WORKER_CORE_WIREGUARD_COOKIE_H */
