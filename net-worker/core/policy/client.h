/*
 * The engine's record of one client: who it is, what it was granted and until
 * when (spec/policy.md 2). It outlives connections. Compiles itself into the
 * immutable policy.h form that a shard enforces.
 */
#ifndef NET_WORKER_CORE_POLICY_CLIENT_H
#define NET_WORKER_CORE_POLICY_CLIENT_H

#include "common/wall.h"
#include "net-worker/core/inner/name_use.h"
#include "net-worker/core/policy/policy.h"

#define CLIENT_GRANTS_MAX 16384

/* One resource granted to one client. */
struct grant {
	struct uuid resource;
	enum resource_type type;
	struct ip_prefix network; /* CIDR only */
	char pattern[256];        /* DNS only */
	struct filter *filters;
	size_t filter_count;
	struct uuid flow_authorization; /* all zero: flows are not logged */
	uint64_t expires_at; /* unix seconds, as it was told; 0: not at all */
	struct mono expires; /* when that is; MONO_NEVER: not at all */
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

struct client;

/* NULL without memory. An address of another family than said is none. */
struct client *client_new(const struct uuid *, const struct ip_address *v4,
    const struct ip_address *v6);
void client_free(struct client *);
const struct uuid *client_id(const struct client *);
bool client_has_addresses(const struct client *, const struct ip_address *v4,
    const struct ip_address *v6);
struct ip_address client_address(const struct client *, enum ip_family);

enum grant_result {
	GRANT_NEW,
	GRANT_UPDATED,       /* filters and expiry replaced */
	GRANT_TYPE_CONFLICT, /* known id, other type: only the expiry is set */
	GRANT_INVALID,       /* no such type or network, or too many */
	GRANT_NO_MEMORY,     /* the resource is not granted, even if it was */
};

/*
 * Copies the grant and its filters. spec/policy.md 2.4, rows one and two.
 * Nothing changes if it is invalid.
 *
 * What a grant permits is never widened by what is wrong with it: a filter of
 * an unknown protocol permits nothing, and it still counts as one, so that the
 * list is not an empty one.
 */
enum grant_result client_grant(struct client *, const struct grant *);
/* reject_access; false when it was not there. */
bool client_revoke(struct client *, const struct uuid *resource);
/*
 * resource_updated: filters only, same type required; true when something
 * changed. Filters that cannot be kept, for want of memory or as too many,
 * withdraw the grant: the old ones may be wider.
 */
bool client_update_filters(struct client *, const struct uuid *resource,
    enum resource_type, const struct filter *, size_t count);
/*
 * The expiry of a grant that is there; false otherwise. The same expires_at
 * told again does not make it later: what changed is only our clock.
 */
bool client_set_expiry(struct client *, const struct uuid *resource,
    uint64_t expires_at, struct mono expires);
/*
 * The wall clock was set: what ends earlier by it than was thought, does. What
 * would end later stays, since a clock set back must not prolong a grant.
 */
void client_clock_was_set(struct client *, const struct clock_reading *);
size_t client_grant_count(const struct client *);
/* In ascending order of resource ids; NULL at the end. */
const struct grant *client_get_grant(const struct client *, size_t i);

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
enum assign_result client_may_assign(
    const struct client *, const struct uuid *resource, const char *domain);
/*
 * spec/policy.md 6.4, steps 1 to 4 with both HARDENs. A proxy that stands for
 * another name is a client that has begun anew: all its translations go first,
 * even if the assignment itself is then refused. What was assigned before stays
 * otherwise. effect is always written.
 *
 * A client has at most NAMES_MAX names; of those without a session of NAT the
 * one that was not used or assigned for the longest time gives way.
 */
enum assign_result client_assign(
    struct client *, const struct assignment *, struct assign_effect *effect);

/* Whether any name has been assigned, and so there is something for NAT. */
bool client_has_names(const struct client *);
/* Proxy addresses and their resources: what compiling takes time for. */
size_t client_names_size(const struct client *);
/* Where NAT is to count its sessions, once there are names. The client's. */
struct name_use *client_name_use(const struct client *);

struct mono client_deadline(const struct client *);
/*
 * Removes one grant that has expired and copies its id to gone, or returns
 * false when there is none. To be called until false.
 */
bool client_expire(struct client *, struct mono now, struct uuid *gone);

/*
 * The unix time of the portal as a point in monotonic time, by that reading of
 * the clocks: 0 is MONO_NEVER, past is the moment of the reading, too large is a
 * day from then (spec/policy.md 2.5).
 */
struct mono client_expiry_from_unix(
    uint64_t expires_at, const struct clock_reading *);

/*
 * The compiled form for the shard, or NULL without memory; then the one that is
 * in force must not stay so. gateway_v4 and gateway_v6 are our own tunnel
 * addresses, IP_NONE where there is none; expose_host lifts the rule that our
 * own address answers DNS and echo only (spec/policy.md 3, step 8).
 *
 * Expiry is not part of it: compile again after client_expire.
 */
struct policy *client_compile(const struct client *,
    const struct ip_address *gateway_v4, const struct ip_address *gateway_v6,
    bool expose_host);

#endif /* NET_WORKER_CORE_POLICY_CLIENT_H */
