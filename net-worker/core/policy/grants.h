/*
 * What one client was granted and until when (firezone-policy(7), GRANTS), and
 * the names that it uses. Compiles itself into the immutable policy.h form that
 * a shard enforces.
 */
#ifndef NET_WORKER_CORE_POLICY_GRANTS_H
#define NET_WORKER_CORE_POLICY_GRANTS_H

#include "common/bounds.h"
#include "common/site_networks.h"
#include "common/wall.h"
#include "net-worker/core/inner/name_use.h"
#include "net-worker/core/policy/holders.h"
#include "net-worker/core/policy/policy.h"
#include "net-worker/core/policy/probed.h"

#define GRANTS_OF_CLIENT_MAX 16384

/* One resource granted to one client. */
struct grant {
	struct uuid resource;
	enum resource_type type;
	struct ip_prefix network; /* CIDR only */
	char pattern[256];        /* DNS only */
	struct filter *filters;
	size_t filter_count;
	struct uuid flow_authorization; /* all zero: flows are not logged */
	uint8_t meter;       /* of the resource (counters.h); 0: it has none */
	uint64_t expires_at; /* unix seconds, as it was told; 0: not at all */
	struct mono expires; /* when that is; MONO_NEVER: not at all */
	struct holder holder; /* of those where it is kept; not copied */
};

/* A client's proxy addresses for a name, and the name's addresses. */
struct assignment {
	struct uuid resource;
	const char *domain; /* text without a final dot */
	const struct ip_address *proxies;
	size_t proxy_count;
	const struct ip_address *addresses;
	size_t address_count;
	struct mono now;
};

struct grants;
struct name;

/* NULL without memory. An address of another family than said is none. */
struct grants *grants_new(const struct uuid *, const struct ip_address *v4,
    const struct ip_address *v6);
void grants_free(struct grants *);
/*
 * What is granted from now on is found in that index, under this client, for as
 * long as it is granted. To be called before the first grant.
 */
void grants_index(struct grants *, struct holders *, void *client);
const struct uuid *grants_client(const struct grants *);
bool grants_have_addresses(const struct grants *, const struct ip_address *v4,
    const struct ip_address *v6);
struct ip_address grants_address(const struct grants *, enum ip_family);
/*
 * Whether from now on names with addresses of one family are reached over both,
 * if the client has addresses of both: firezone-policy(7), Translation between
 * families. Otherwise, as at first, proxies of the other family stand for
 * nothing: those that were assigned before at once, and with the next policy
 * their sessions end. What was assigned before it was allowed stays as it is
 * until it is assigned again.
 */
void grants_allow_translation(struct grants *, bool);

/*
 * Whether from now on the client is not told that a resource is not granted. One
 * of 1.3 does not hear when it is, and its packets may be earlier than that.
 */
void grants_silence(struct grants *, bool silent);
/*
 * From the next policy on, what these servers say of resources; they stay the
 * caller's, as long as the grants, and so does what they say until then.
 * Without it nothing is withdrawn.
 */
void grants_judge_by(struct grants *, const struct probed *);
/* Whether that resource is withdrawn by what is said now. */
bool grants_is_withdrawn(const struct grants *, const struct grant *);
/* Whether from now on names are watched for grants_unanswered_name(). */
void grants_watch_names(struct grants *, bool watched);
/* From now on nothing passes, be it to our own address, nor is it answered. */
void grants_close(struct grants *, bool closed);

enum grant_result {
	GRANT_NEW,
	GRANT_UPDATED,       /* filters and expiry replaced */
	GRANT_TYPE_CONFLICT, /* known id, other type: only the expiry is set */
	GRANT_INVALID,       /* no such type or network, or too many */
	GRANT_NO_MEMORY,     /* the resource is not granted, even if it was */
};

/*
 * Copies the grant and its filters. firezone-policy(7), Grant messages.
 * Nothing changes if it is invalid.
 *
 * What a grant permits is never widened by what is wrong with it: a filter of
 * an unknown protocol permits nothing, and it still counts as one, so that the
 * list is not an empty one.
 */
enum grant_result grants_add(struct grants *, const struct grant *);
/*
 * The same for clients of 1.3, which are granted a resource once for each of
 * its names, until a time of its own: what is there ends no earlier for it.
 */
enum grant_result grants_prolong(struct grants *, const struct grant *);
/* reject_access; false when it was not there. */
bool grants_revoke(struct grants *, const struct uuid *resource);
/*
 * resource_updated: filters only, same type required; true when something
 * changed. Filters that cannot be kept, for want of memory or as too many,
 * withdraw the grant: the old ones may be wider.
 */
bool grants_update_filters(struct grants *, const struct uuid *resource,
    enum resource_type, const struct filter *, size_t count);
/*
 * The expiry of a grant that is there; false otherwise. The same expires_at
 * told again does not make it later: what changed is only our clock.
 */
bool grants_set_expiry(struct grants *, const struct uuid *resource,
    uint64_t expires_at, struct mono expires);
/*
 * The wall clock was set: what ends earlier by it than was thought, does. What
 * would end later stays, since a clock set back must not prolong a grant.
 */
void grants_clock_was_set(struct grants *, const struct clock_reading *);
size_t grants_count(const struct grants *);
/* In ascending order of resource ids; NULL at the end. */
const struct grant *grants_get(const struct grants *, size_t i);

enum assign_result {
	ASSIGN_DONE,
	ASSIGN_NOT_GRANTED,
	ASSIGN_NOT_DNS,
	ASSIGN_NO_MATCH, /* the name is none of the resource's */
	ASSIGN_NO_PROXY, /* proxies are given, but none is in a proxy range */
	ASSIGN_NO_ROOM,  /* memory, or too many names or proxies in use */
};

struct assign_effect {
	bool changed;    /* compile again */
	bool renumbered; /* and forget every NAT session of this client */
	size_t foreign_proxies;    /* outside the proxy ranges: left out */
	size_t unusable_addresses; /* that no name may mean: left out */
};

/* Whether the name is worth being resolved: DONE, or why not. */
enum assign_result grants_may_assign(
    const struct grants *, const struct uuid *resource, const char *domain);
/*
 * firezone-policy(7), Translations (steps 1 to 5). A proxy that stands for
 * another name is a client that has begun anew: all its translations go first,
 * even if the assignment itself is then refused. What was assigned before stays
 * otherwise. effect is always written.
 *
 * A client has at most NAMES_MAX names; of those without a session of NAT the
 * one that was not used or assigned for the longest time gives way.
 */
enum assign_result grants_assign(
    struct grants *, const struct assignment *, struct assign_effect *effect);

/* A name whose packets have no answer, as it could be assigned again. */
struct unanswered_name {
	const struct name *name; /* while nothing is assigned */
	struct uuid resource;    /* granted */
	const char *domain;
	struct ip_address proxies[PROXIES_MAX];
	size_t proxy_count;
};

/*
 * firezone-policy(7), Resolution again; false: there is none. To be called some
 * seconds apart; it is the same one until it counts as asked.
 */
bool grants_unanswered_name(
    struct grants *, struct mono now, struct unanswered_name *);
void grants_name_asked(
    struct grants *, struct mono now, const struct unanswered_name *);

/* Whether it may reach the Internet, and so what that is matters. */
bool grants_have_internet(const struct grants *);
/* Whether any name has been assigned, and so there is something for NAT. */
bool grants_have_names(const struct grants *);
/* Proxy addresses and their resources: what compiling takes time for. */
size_t grants_names_size(const struct grants *);
/* Where NAT is to count its sessions, once there are names. The client's. */
struct name_use *grants_name_use(const struct grants *);

/* Of that resource; NULL: there is none. */
const struct grant *grants_find(
    const struct grants *, const struct uuid *resource);
/*
 * The client's address of that family, or else of the other, for a name it
 * uses; false: it uses none of the kind.
 */
bool grants_name_proxy(const struct grants *, const char *domain,
    enum ip_family, struct ip_address *);

struct mono grants_deadline(const struct grants *);
/*
 * Removes one grant that has expired and copies its id to gone, or returns
 * false when there is none. To be called until false.
 */
bool grants_expire(struct grants *, struct mono now, struct uuid *gone);

/*
 * The unix time of the portal as a point in monotonic time, by that reading of
 * the clocks: 0 is MONO_NEVER, past is the moment of the reading, too large is a
 * day from then (firezone-policy(7), Expiry).
 */
struct mono grants_expiry_from_unix(
    uint64_t expires_at, const struct clock_reading *);

/*
 * The compiled form for the shard, or NULL without memory; then the one that is
 * in force must not stay so. gateway_v4 and gateway_v6 are our own tunnel
 * addresses, IP_NONE where there is none; expose_host lifts the rule that our
 * own address answers DNS and echo only (firezone-policy(7), Steps outbound).
 *
 * Expiry is not part of it: compile again after grants_expire.
 */
struct policy *grants_compile(const struct grants *,
    const struct ip_address *gateway_v4, const struct ip_address *gateway_v6,
    const struct site_networks *, bool expose_host);

#endif /* NET_WORKER_CORE_POLICY_GRANTS_H */
