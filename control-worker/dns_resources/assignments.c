/* Assignments on their way: see assignments.h. */
#include "control-worker/dns_resources/assignments.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/share.h"
#include "common/time.h"
#include "control-worker/dns_resources/peer_event.h"

enum step {
	STEP_ASKED,   /* whether the client may */
	STEP_WAITING, /* for its turn to be looked up */
	STEP_RESOLVING,
};

struct wish {
	TAILQ_ENTRY(wish) entry;
	struct assignments *assignments;
	uint64_t serial;
	enum step step;
	struct assigned_ips ips;
	uint64_t for_portal;   /* the serial of who said it; 0: the client */
	struct lookup *lookup; /* while RESOLVING */
};

struct assignments {
	struct assignments_host host;
	struct lookups lookups;
	TAILQ_HEAD(, wish) wishes; /* oldest first */
	size_t count, lookup_count;
	uint64_t serial;
	struct log_limit log_limit;
};

struct assignments *
assignments_new(
    const struct assignments_host *host, const struct lookups *lookups)
{
	struct assignments *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->host = *host;
	a->lookups = *lookups;
	TAILQ_INIT(&a->wishes);
	return a;
}

static void
drop_wish(struct wish *w)
{
	struct assignments *a = w->assignments;

	if (w->lookup != NULL) {
		a->lookups.cancel(w->lookup);
		a->lookup_count--;
	}
	TAILQ_REMOVE(&a->wishes, w, entry);
	a->count--;
	free(w);
}

void
assignments_forget(struct assignments *a)
{
	struct wish *w;

	while ((w = TAILQ_FIRST(&a->wishes)) != NULL)
		drop_wish(w);
}

void
assignments_free(struct assignments *a)
{
	if (a == NULL)
		return;
	assignments_forget(a);
	free(a);
}

/* Whoever has said it through us is told what has become of it. */
static void
end_wish(struct wish *w, bool installed)
{
	struct assignments *a = w->assignments;
	uint64_t serial = w->for_portal;

	drop_wish(w);
	if (serial != 0)
		a->host.done(a->host.ctx, serial, installed);
}

/* What the client hears of its wish; empty without memory or room. */
static void
write_status(const struct wish *w, bool active, char *to, size_t size)
{
	char *text = w->for_portal == 0 ? domain_status(&w->ips, active) : NULL;

	if (text == NULL || strlcpy(to, text, size) >= size)
		to[0] = '\0';
	free(text);
}

/* The end of a wish that net-worker need not decide on. */
static void
refuse_wish(struct wish *w)
{
	static struct ipc_peer_message m;
	struct assignments *a = w->assignments;

	m = (struct ipc_peer_message){
		.client = w->ips.names.client,
		.event = CONTROL_DOMAIN_STATUS,
	};
	write_status(w, false, m.payload, sizeof(m.payload));
	if (m.payload[0] != '\0')
		a->host.say(a->host.ctx, &m);
	end_wish(w, false);
}

/* Its end in net-worker's hands, which tells the client, too. */
static void
hand_wish_over(struct wish *w, const struct lookup_result *result)
{
	static struct ipc_name_resolved m;
	struct assignments *a = w->assignments;
	const struct name_proxies *n = &w->ips.names;
	size_t count = result->count;

	_Static_assert(sizeof(m.addresses) >= sizeof(result->addresses) &&
		sizeof(m.proxies) >= sizeof(n->proxies),
	    "they fit");
	m = (struct ipc_name_resolved){
		.client = n->client,
		.resource = n->resource,
		.proxies_count = (uint16_t)n->proxy_count,
		.addresses_count = (uint16_t)count,
		.event = CONTROL_DOMAIN_STATUS,
	};
	strlcpy(m.domain, n->domain, sizeof(m.domain));
	memcpy(m.proxies, n->proxies, sizeof(n->proxies));
	memcpy(m.addresses, result->addresses, count * sizeof(m.addresses[0]));
	write_status(w, true, m.installed, sizeof(m.installed));
	write_status(w, false, m.refused, sizeof(m.refused));
	end_wish(w, a->host.resolved(a->host.ctx, &m));
}

static void start_lookups(struct assignments *);

static void
on_wish_resolved(void *ctx, const struct lookup_result *result)
{
	struct wish *w = ctx;
	struct assignments *a = w->assignments;

	w->lookup = NULL;
	a->lookup_count--;
	/*
	 * Nobody has said that the name has no address: firezone-policy(7),
	 * Resolution. A client that cannot be told waits for its connection,
	 * which it gets without that name.
	 */
	if (!result->complete && w->for_portal != 0) {
		hand_wish_over(w, &(struct lookup_result){ .complete = true });
	} else if (!result->complete) {
		log_debug("the name of a resource is not resolved in time");
		refuse_wish(w);
	} else {
		hand_wish_over(w, result);
	}
	start_lookups(a);
}

static void
start_wish_lookup(struct wish *w)
{
	struct assignments *a = w->assignments;

	w->lookup = a->lookups.start(
	    a->lookups.resolver, w->ips.names.domain, on_wish_resolved, w);
	if (w->lookup == NULL) {
		log_warnx("no memory to resolve a name");
		end_wish(w, false);
		return;
	}
	w->step = STEP_RESOLVING;
	a->lookup_count++;
}

static void
start_lookups(struct assignments *a)
{
	struct wish *w, *next;

	TAILQ_FOREACH_SAFE(w, &a->wishes, entry, next) {
		if (a->lookup_count >= ASSIGNMENTS_LOOKUPS_MAX)
			return;
		if (w->step == STEP_WAITING)
			start_wish_lookup(w);
	}
}

static size_t
wishes_of(const struct assignments *a, const struct uuid *client)
{
	const struct wish *w;
	size_t n = 0;

	TAILQ_FOREACH(w, &a->wishes, entry)
		n += uuid_equal(&w->ips.names.client, client);
	return n;
}

static bool
has_room_for_wish(struct assignments *a, const struct uuid *client)
{
	size_t left = ASSIGNMENTS_MAX - a->count, of_client;
	char who[UUID_TEXT_LEN + 1];
	uint32_t held;

	if (left == 0) {
		if (log_allow(&a->log_limit, mono_now().ns, &held))
			log_warnx("%d names are being resolved already: one is "
				  "left out (%u more before)",
			    ASSIGNMENTS_MAX, held);
		return false;
	}
	of_client = wishes_of(a, client);
	if (of_client < ASSIGNMENTS_OF_CLIENT &&
	    share_allows(of_client, left, ASSIGNMENTS_LEFT))
		return true;
	log_debug("client %s has %zu names resolved at once: one is left out",
	    uuid_format(client, who), of_client);
	return false;
}

/* Takes it among the others; false when net-worker cannot be asked. */
static bool
begin_wish(struct assignments *a, struct wish *w)
{
	static struct ipc_assignment m;

	w->assignments = a;
	w->serial = ++a->serial;
	w->step = STEP_ASKED;
	TAILQ_INSERT_TAIL(&a->wishes, w, entry);
	a->count++;
	m = (struct ipc_assignment){
		.serial = w->serial,
		.client = w->ips.names.client,
		.resource = w->ips.names.resource,
	};
	strlcpy(m.domain, w->ips.names.domain, sizeof(m.domain));
	if (a->host.ask(a->host.ctx, &m))
		return true;
	drop_wish(w);
	return false;
}

void
assignments_event(struct assignments *a, const struct ipc_peer_event *e)
{
	struct wish *w;

	if (e->event != CONTROL_ASSIGNED_IPS ||
	    !has_room_for_wish(a, &e->client))
		return;
	if ((w = calloc(1, sizeof(*w))) == NULL) {
		log_warnx("no memory to resolve a name");
		return;
	}
	if (!assigned_ips_parse(e->payload, e->payload_len, &w->ips)) {
		log_debug("a client's assignment of a name cannot be read");
		free(w);
		return;
	}
	w->ips.names.client = e->client;
	(void)begin_wish(a, w); /* the client asks again */
}

bool
assignments_begin(
    struct assignments *a, uint64_t serial, const struct name_proxies *names)
{
	struct wish *w;

	if (!has_room_for_wish(a, &names->client))
		return false;
	if ((w = calloc(1, sizeof(*w))) == NULL) {
		log_warnx("no memory to resolve a name");
		return false;
	}
	w->ips.names = *names;
	w->for_portal = serial;
	return begin_wish(a, w);
}

static struct wish *
find_wish(struct assignments *a, uint64_t serial)
{
	struct wish *w;

	TAILQ_FOREACH(w, &a->wishes, entry)
		if (w->serial == serial)
			return w;
	return NULL;
}

void
assignments_answer(
    struct assignments *a, const struct ipc_assignment_answer *answer)
{
	struct wish *w = find_wish(a, answer->serial);

	/* Forgotten meanwhile, or an answer to what was not asked. */
	if (w == NULL || w->step != STEP_ASKED)
		return;
	if (answer->answer == ASSIGNMENT_RESOLVE) {
		w->step = STEP_WAITING;
		start_lookups(a);
	} else {
		refuse_wish(w);
	}
}
