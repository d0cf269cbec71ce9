/*
 * The proxy addresses of one client and what they stand for:
 * firezone-policy(7), DNS RESOURCES. A client invents addresses for names and
 * says which; we find out what the names mean, and keep here: proxy address ->
 * name, resources, real address.
 *
 * Kept by grants.h, compiled into policy.h. A name outlives the resource that
 * brought it (What remains): without a resource it has no route.
 */
#ifndef NET_WORKER_CORE_POLICY_NAMES_H
#define NET_WORKER_CORE_POLICY_NAMES_H

#include "common/address.h"
#include "common/uuid.h"
#include "net-worker/core/inner/name_use.h"

/*
 * Where there are NAMES_MAX names, or so many proxies, a name without a session
 * gives way: the one that was used or assigned longest ago.
 */
#define NAMES_PROXIES_MAX   16384
#define PROXY_RESOURCES_MAX 32

struct name {
	char *domain;
	uint16_t number; /* below NAMES_MAX; no other name has it */
	struct mono assigned;
	struct mono unanswered; /* seen to be, first */
	struct mono asked;      /* again; names_asked() */
	uint64_t order; /* of assignments in one moment: rises */
};

struct proxy {
	struct ip_address ip;
	struct ip_address real; /* IP_NONE: the name has none for it */
	struct name *name;
	struct uuid *resources; /* descending */
	size_t resource_count;
};

/*
 * Packets to a name without an answer, before it is resolved again: the first
 * after so long, and all of it.
 */
#define NAME_SILENCE_S    110
#define NAME_UNANSWERED_S 120

struct names;

struct names *names_new(void);   /* NULL without memory */
void names_free(struct names *); /* NULL is fine */
/* In ascending order of addresses; NULL at the end. */
const struct proxy *names_get(const struct names *, size_t i);
size_t names_count(const struct names *); /* of proxies */
/* Where sessions are to be counted; NULL before the first name. */
struct name_use *names_use(const struct names *);

/* Whether one of the proxies stands for another name already. */
bool names_conflict(const struct names *, const char *domain,
    const struct ip_address *proxies, size_t count);
void names_clear(struct names *);

/* Both lists ascending and without duplicates, as names_sort() leaves them. */
struct names_entry {
	const char *domain;
	struct uuid resource;
	const struct ip_address *proxies;
	size_t proxy_count;
	const struct ip_address *addresses;
	size_t address_count;
	bool crosses; /* without one of its family, a proxy gets another */
	struct mono now;
};

/*
 * The i-th proxy of a family stands for the (i mod n)-th of its n addresses,
 * or, where it has none and may cross, of those of the other family. No proxy
 * may conflict. False without memory, or with too many names in use, with a
 * part of it done; *changed: something is not as it was.
 */
bool names_assign(struct names *, const struct names_entry *, bool *changed);

/* Proxies that stand for an address of the other family now have none. */
void names_leave_other_family(struct names *);

/*
 * Whether from now on it is seen what is answered, for names_unanswered(). At
 * first it is not.
 */
void names_watch(struct names *, bool watched);
/*
 * A name that is asked without an answer: firezone-policy(7), Resolution again;
 * NULL: none. To be called some seconds apart, as what is sent has that time to
 * be answered. It is one until names_asked(), from when on it has all its time
 * again.
 */
const struct name *names_unanswered(struct names *, struct mono now);
void names_asked(struct names *, const struct name *, struct mono now);

/*
 * The resource is granted anew: it keeps the names that its pattern matches,
 * none with NULL. What was matched by a former grant of this id is no longer.
 */
void names_restrict(
    struct names *, const struct uuid *resource, const char *pattern);

/* Sorts, drops duplicates and whatever is not acceptable; how many remain. */
size_t names_sort(struct ip_address *, size_t count,
    bool (*acceptable)(const struct ip_address *));
/*
 * An address that a name may mean. Who controls a name must not choose what is
 * ours, our host's or our link's: firezone-policy(7), Resolution.
 */
bool names_address_usable(const struct ip_address *);

#endif /* NET_WORKER_CORE_POLICY_NAMES_H */
