/*
 * The controlled ICE agent of one connection: firezone-tunnel(7), ICE.
 *
 * Sans-IO: candidates, Binding messages and time go in; checks, answers and
 * events are drained. Paths are named by addresses: local is the base of a
 * local candidate, that is a socket address of ours, or an address allocated
 * on a relay, in which case whoever sends wraps the message for the relay.
 */
#ifndef NET_WORKER_CORE_ICE_AGENT_H
#define NET_WORKER_CORE_ICE_AGENT_H

#include "common/bounds.h"
#include "common/time.h"
#include "net-worker/core/ice/candidate.h"
#include "net-worker/core/path.h"
#include "net-worker/core/stun/stun.h"

#define ICE_PAIRS_MAX      100
#define ICE_MESSAGE_MAX    512 /* the longest check or answer we make */

struct ice_credentials {
	char username[ICE_CREDENTIAL_MAX + 1];
	char password[ICE_CREDENTIAL_MAX + 1];
};

enum ice_state {
	ICE_NEW,
	ICE_CHECKING,
	ICE_CONNECTED,
	ICE_COMPLETED,
	ICE_DISCONNECTED,
};

struct ice_message {
	struct path path; /* its ends */
	size_t length;
	uint8_t data[ICE_MESSAGE_MAX];
};

enum ice_event_type {
	ICE_EVENT_STATE,     /* state; only the latest is reported */
	ICE_EVENT_NOMINATED, /* another pair is the path now */
	ICE_EVENT_PATH_LOST, /* the path's pair is gone and no other is there */
	ICE_EVENT_LEAVE,     /* the peer shall not use that base of ours */
	ICE_EVENT_RETURN,    /* it may again */
};

struct ice_event {
	enum ice_event_type type;
	enum ice_state state;
	struct path path; /* NOMINATED: its ends; LEAVE, RETURN: local only */
	enum candidate_kind remote_kind;
};

struct ice_agent;

/* NULL without memory. The first timer is due at once. */
struct ice_agent *ice_agent_new(const struct ice_credentials *local,
    const struct ice_credentials *remote, struct mono now);
void ice_agent_free(struct ice_agent *); /* NULL is fine; wipes credentials */
const struct ice_credentials *ice_agent_local(const struct ice_agent *);
const struct ice_credentials *ice_agent_remote(const struct ice_agent *);

/*
 * Offers a local candidate (kind, address, base, via); its priority is computed
 * here. Returns true when it is new to the peer and has to be announced, as
 * copied to announce.
 */
bool ice_agent_add_local(struct ice_agent *, struct mono now,
    const struct candidate *, struct candidate *announce);
/*
 * Matched by address and kind. True when it was live: it has to be withdrawn.
 */
bool ice_agent_remove_local(
    struct ice_agent *, struct mono now, const struct candidate *);
/* The live local candidates by descending priority; i from 0, NULL at the end.
 */
const struct candidate *ice_agent_get_local(const struct ice_agent *, size_t i);

/*
 * A candidate the portal signalled. Also adds the guesses of
 * firezone-tunnel(7), Optimistic candidates. False when it is refused or
 * nothing new.
 */
bool ice_agent_add_remote(
    struct ice_agent *, struct mono now, const struct candidate *);
/* Withdrawn by the peer; matched by address, kind and related. */
void ice_agent_remove_remote(
    struct ice_agent *, struct mono now, const struct candidate *);

/*
 * A Binding request or success that arrived at local (a socket address or an
 * allocated one) from remote. False when it was ignored.
 */
bool ice_agent_input(struct ice_agent *, struct mono now,
    const struct endpoint *local, const struct endpoint *remote,
    const struct stun_message *);

/* Whether that is "ours:theirs", as in the peer's requests. */
bool ice_agent_has_username(
    const struct ice_agent *, const struct stun_text *username);

/*
 * Whether a Binding success with this transaction id is for this agent; if it
 * is too late, ice_agent_input() will say so.
 */
bool ice_agent_has_transaction(
    const struct ice_agent *, const uint8_t transaction[STUN_TRANSACTION_LEN]);

/*
 * What is known of authentic datagrams other than checks (firezone-tunnel(7),
 * Dead paths). One came by these ends: of those on the path the first after
 * ice_agent_unanswered() is enough, of those on others one a second.
 */
void ice_agent_heard(struct ice_agent *, struct mono now,
    const struct endpoint *local, const struct endpoint *remote);
/* Something was sent on the path, and nothing came on it for 2 s since. */
void ice_agent_unanswered(struct ice_agent *, struct mono now);
/*
 * The peer says the same credentials again, and may have forgotten what it
 * nominated: if the path is silent, it is as if this agent were new.
 */
void ice_agent_reminded(struct ice_agent *, struct mono now);

struct mono ice_agent_deadline(const struct ice_agent *);
void ice_agent_timeout(struct ice_agent *, struct mono now);
/*
 * To be drained after every call above, messages before events: the check on
 * a newly nominated path must be sent before anything else is sent there.
 */
bool ice_agent_transmit(struct ice_agent *, struct ice_message *);
bool ice_agent_event(struct ice_agent *, struct ice_event *);

enum ice_state ice_agent_state(const struct ice_agent *);
/*
 * Active or idle schedule of checks (firezone-tunnel(7), Check schedule and
 * Idle mode); all pairs at once.
 */
void ice_agent_set_idle(struct ice_agent *, struct mono now, bool idle);

#endif /* NET_WORKER_CORE_ICE_AGENT_H */
