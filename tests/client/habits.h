/*
 * What clients of a release do that a gateway can see (firezone-tunnel(7),
 * Clients in the field; firezone-portal(7), Client generations), one row for
 * each change. Releases are those of GUI clients. The ports that a client
 * binds are left to chance here, so that several can run on one machine.
 */
#ifndef TESTS_CLIENT_HABITS_H
#define TESTS_CLIENT_HABITS_H

#include <stdbool.h>
#include <stdint.h>

/* Check schedule: attempts, and the gaps between them. */
struct schedule {
	unsigned attempts;
	int64_t first_ms, last_ms;
};

/* From where WireGuard is taken. */
enum wireguard_source {
	FROM_CHECKED,  /* where we send to, and addresses that were checked */
	FROM_ANYWHERE, /* the session is found by its index */
};

struct habits {
	const char *release; /* the first that has them */
	unsigned generation; /* how it talks to the portal: 1, 2 or 3 */

	struct schedule active, idle;
	int64_t idle_after_s;  /* without traffic; 0: never */
	int64_t close_after_s; /* likewise, without a word; 0: never */
	int64_t hopeless_ms;   /* without a pair before it gives up */
	bool late_candidates;  /* are used when there is a path already */
	bool raddr;            /* is in its candidate lines, */
	bool ufrag; /* with the priorities of its agent: not those of a kind */
	bool announces_again; /* its candidates with a repeated grant, */
	bool announces_prflx; /* and those that the peer has shown it */
	/* With a relay it withdraws the address that the relay has shown it. */
	bool withdraws_srflx;

	enum wireguard_source wireguard;
	int64_t keepalive_s;     /* persistent; 0: none */
	bool late_keepalive;     /* after the last packet, not the first */
	int64_t attempt_s;       /* before a handshake is given up */
	bool handshake_on_path;  /* each time that one is nominated */
	bool handshake_on_grant; /* with a repeated one */
	bool goodbye;            /* says it, and knows it */
	bool iceless;            /* can do without ICE, where all agree */
};

/* The row of a release such as "1.4.3", or NULL when there is none so old. */
const struct habits *habits_of_release(const char *);
/* A release of the middle of a generation, or NULL. */
const char *habits_release_of(unsigned generation);
/* What clients of today do. */
extern const char habits_newest[];

/* Those until 1.3 ask in two steps, and tell names to the portal. */
static inline bool
habits_two_step(const struct habits *h)
{
	return h->generation == 1;
}

#endif /* TESTS_CLIENT_HABITS_H */
