/* Assignments on their way: see assignments.h. */
#include "control-worker/dns_resources/assignments.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/time.h"
#include "control-worker/dns_resources/wishes.h"

struct assignments {
	struct assignments_host host;
	struct lookups lookups;
	struct wishes wishes;
	size_t lookup_count;
	uint64_t left_out; /* of the portal's */
	struct log_limit log_limit, left_out_limit;
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
	wishes_init(&a->wishes);
	return a;
}

static void
drop_wish(struct assignments *a, struct wish *w)
{
	if (w->lookup != NULL) {
		a->lookups.cancel(w->lookup);
		a->lookup_count--;
	}
	wishes_remove(&a->wishes, w);
}

void
assignments_forget(struct assignments *a)
{
	struct wish *w;

	while ((w = wishes_oldest(&a->wishes)) != NULL)
		drop_wish(a, w);
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
end_wish(struct assignments *a, struct wish *w, bool installed)
{
	uint64_t serial = w->for_portal;

	drop_wish(a, w);
	if (serial != 0)
		a->host.done(a->host.ctx, serial, installed);
}

/* What the client hears of its wish; empty without memory or room. */
static void
write_status(const struct wish *w, bool active, char *to, size_t size)
{
	bool hears = w->for_portal == 0 && !w->again;
	char *text = hears ? domain_status(&w->ips, active) : NULL;

	if (text == NULL || strlcpy(to, text, size) >= size)
		to[0] = '\0';
	free(text);
}

/* The end of a wish that net-worker need not decide on. */
static void
refuse_wish(struct assignments *a, struct wish *w)
{
	static struct ipc_peer_message m;

	m = (struct ipc_peer_message){
		.client = w->ips.names.client,
		.event = CONTROL_DOMAIN_STATUS,
	};
	write_status(w, false, m.payload, sizeof(m.payload));
	if (m.payload[0] != '\0')
		a->host.say(a->host.ctx, &m);
	end_wish(a, w, false);
}

/* Its end in net-worker's hands, which tells the client, too. */
static void
hand_wish_over(
    struct assignments *a, struct wish *w, const struct lookup_result *result)
{
	static struct ipc_name_resolved m;
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
	end_wish(a, w, a->host.resolved(a->host.ctx, &m));
}

/* Now or, when net-worker has no room for it, later. */
static void
pass_wish_on(
    struct assignments *a, struct wish *w, const struct lookup_result *result)
{
	if (a->host.has_room(a->host.ctx)) {
		hand_wish_over(a, w, result);
	} else if (!wishes_hold_result(&a->wishes, w, result)) {
		log_warnx("no memory to hold the addresses of a name");
		end_wish(a, w, false);
	}
}

static void
on_wish_resolved(void *ctx, const struct lookup_result *result)
{
	struct wish *w = ctx;
	struct assignments *a = w->ctx;

	w->lookup = NULL;
	a->lookup_count--;
	/*
	 * Nobody has said that the name has no address: firezone-policy(7),
	 * Resolution. A client that cannot be told waits for its connection,
	 * which it gets without that name.
	 */
	if (w->again && (!result->complete || result->count == 0)) {
		end_wish(a, w, false); /* what it was is not worse */
	} else if (!result->complete && w->for_portal != 0) {
		pass_wish_on(a, w, &(struct lookup_result){ .complete = true });
	} else if (!result->complete) {
		log_debug("the name of a resource is not resolved in time");
		refuse_wish(a, w);
	} else {
		pass_wish_on(a, w, result);
	}
	assignments_resume(a);
}

static void
start_wish_lookup(struct assignments *a, struct wish *w)
{
	wishes_resolve(&a->wishes, w);
	w->lookup = a->lookups.start(
	    a->lookups.resolver, w->ips.names.domain, on_wish_resolved, w);
	if (w->lookup == NULL) {
		log_warnx("no memory to resolve a name");
		end_wish(a, w, false);
		return;
	}
	a->lookup_count++;
}

static void
start_lookups(struct assignments *a)
{
	struct wish *w;

	while (a->lookup_count < ASSIGNMENTS_LOOKUPS_MAX &&
	    (w = TAILQ_FIRST(&a->wishes.waiting)) != NULL)
		start_wish_lookup(a, w);
}

/* False when net-worker cannot be asked. */
static bool
ask_for_wish(struct assignments *a, const struct wish *w)
{
	static struct ipc_assignment m;

	m = (struct ipc_assignment){
		.serial = w->serial,
		.client = w->ips.names.client,
		.resource = w->ips.names.resource,
	};
	strlcpy(m.domain, w->ips.names.domain, sizeof(m.domain));
	return a->host.ask(a->host.ctx, &m);
}

/* Its client does not say it again. */
static void
leave_name_out(
    struct assignments *a, const struct uuid *client, const char *why)
{
	char who[UUID_TEXT_LEN + 1];
	uint32_t held;

	a->left_out++;
	if (log_allow(&a->left_out_limit, a->host.now(a->host.ctx).ns, &held))
		log_warnx("a name that client %s uses is left out: %s (%u more "
			  "before)",
		    uuid_format(client, who), why, held);
}

/* Of the oldest: all are kept so long. */
static void
end_stale_wishes(struct assignments *a)
{
	struct wish *w;

	while ((w = TAILQ_FIRST(&a->wishes.kept)) != NULL &&
	    mono_due(w->ends, a->host.now(a->host.ctx))) {
		leave_name_out(
		    a, &w->ips.names.client, "it has had no turn in time");
		end_wish(a, w, false);
	}
}

static void
ask_for_kept_wishes(struct assignments *a)
{
	struct wish *w;

	end_stale_wishes(a);
	while ((w = wishes_next_kept(&a->wishes)) != NULL &&
	    a->host.has_room(a->host.ctx)) {
		wishes_ask(&a->wishes, w);
		if (!ask_for_wish(a, w))
			end_wish(a, w, false);
	}
}

void
assignments_resume(struct assignments *a)
{
	struct wish *w;

	while ((w = TAILQ_FIRST(&a->wishes.resolved)) != NULL &&
	    a->host.has_room(a->host.ctx))
		hand_wish_over(a, w, w->result);
	start_lookups(a);
	ask_for_kept_wishes(a);
}

static bool
has_room_for_wish(struct assignments *a, const struct uuid *client)
{
	char who[UUID_TEXT_LEN + 1];
	uint32_t held;

	if (wishes_have_room(&a->wishes, client))
		return true;
	if (a->wishes.count < ASSIGNMENTS_MAX)
		log_debug("client %s has enough names resolved at once: one is "
			  "left out",
		    uuid_format(client, who));
	else if (log_allow(&a->log_limit, a->host.now(a->host.ctx).ns, &held))
		log_warnx("%d names are being resolved already: one is left "
			  "out (%u more before)",
		    ASSIGNMENTS_MAX, held);
	return false;
}

/* NULL without memory. */
static struct wish *
add_wish(struct assignments *a, enum step step, const struct assigned_ips *ips)
{
	struct wish *w = wishes_add(&a->wishes, step, ips);

	if (w == NULL)
		log_warnx("no memory to resolve a name");
	else
		w->ctx = a;
	return w;
}

void
assignments_event(struct assignments *a, const struct ipc_peer_event *e)
{
	static struct assigned_ips ips;
	struct wish *w;

	if (e->event != CONTROL_ASSIGNED_IPS ||
	    !has_room_for_wish(a, &e->client))
		return;
	ips = (struct assigned_ips){ .names = { .client = e->client } };
	if (!assigned_ips_parse(e->payload, e->payload_len, &ips)) {
		log_debug("a client's assignment of a name cannot be read");
		return;
	}
	/* The client asks again. */
	if ((w = add_wish(a, STEP_ASKED, &ips)) != NULL && !ask_for_wish(a, w))
		drop_wish(a, w);
}

void
assignments_unanswered(
    struct assignments *a, const struct ipc_name_unanswered *m)
{
	static struct assigned_ips ips;
	struct name_proxies *n = &ips.names;
	struct wish *w;

	_Static_assert(sizeof(n->domain) >= sizeof(m->domain) &&
		sizeof(n->proxies) >= sizeof(m->proxies),
	    "they fit");
	if (!has_room_for_wish(a, &m->client))
		return;
	ips = (struct assigned_ips){ .names = {
					 .client = m->client,
					 .resource = m->resource,
					 .proxy_count = m->proxies_count,
				     } };
	strlcpy(n->domain, m->domain, sizeof(n->domain));
	memcpy(n->proxies, m->proxies, sizeof(m->proxies));
	/* net-worker says it again. */
	if ((w = add_wish(a, STEP_ASKED, &ips)) == NULL)
		return;
	w->again = true;
	if (!ask_for_wish(a, w))
		drop_wish(a, w);
}

/* NULL when there is neither room for it nor to keep it, or no memory. */
static struct wish *
begin_wish(struct assignments *a, const struct assigned_ips *ips)
{
	const struct uuid *client = &ips->names.client;
	struct wish *w;

	/* In the order in which they came. */
	if (!wishes_keep_some(&a->wishes, client) &&
	    wishes_have_room(&a->wishes, client) &&
	    a->host.has_room(a->host.ctx))
		return add_wish(a, STEP_ASKED, ips);
	end_stale_wishes(a);
	if (!wishes_have_room_to_keep(&a->wishes, client)) {
		leave_name_out(a, client, "too many wait already");
		return NULL;
	}
	w = add_wish(a, STEP_KEPT, ips);
	if (w != NULL)
		w->ends =
		    mono_add_ms(a->host.now(a->host.ctx), ASSIGNMENTS_KEPT_MS);
	return w;
}

bool
assignments_begin(
    struct assignments *a, uint64_t serial, const struct name_proxies *names)
{
	static struct assigned_ips ips;
	struct wish *w;

	ips = (struct assigned_ips){ .names = *names };
	if ((w = begin_wish(a, &ips)) == NULL)
		return false;
	w->for_portal = serial;
	if (w->step == STEP_KEPT || ask_for_wish(a, w))
		return true;
	drop_wish(a, w);
	return false;
}

void
assignments_answer(
    struct assignments *a, const struct ipc_assignment_answer *answer)
{
	struct wish *w = wishes_find(&a->wishes, answer->serial);

	/* Forgotten meanwhile, or an answer to what was not asked. */
	if (w == NULL || w->step != STEP_ASKED)
		return;
	if (answer->answer == ASSIGNMENT_RESOLVE) {
		wishes_wait(&a->wishes, w);
	} else {
		refuse_wish(a, w);
	}
	assignments_resume(a);
}

const uint64_t *
assignments_left_out(const struct assignments *a)
{
	return &a->left_out;
}
