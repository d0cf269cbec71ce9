/* Grants, names and time, in both: see world.h. */
#include "tests/model/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS     1000000ll
#define SECOND (1000 * MS)

void
world_trace(const struct world *w, const char *format, ...)
{
	va_list ap;

	if (!w->trace)
		return;
	printf("%lld.%09lld ", (long long)(w->now.ns / SECOND),
	    (long long)(w->now.ns % SECOND));
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

static void
agree(const struct world *w, const char *what, long ours, long models)
{
	world_trace(w, "%s: %ld", what, ours);
	if (ours != models)
		world_differs(
		    w, "%s: is %ld, should be %ld", what, ours, models);
}

static const char *const domains[WORLD_NAMES][2] = {
	{ "example.com", "example.com" },
	{ "www.example.com", "WWW.Example.com" },
	{ "a.b.example.com", "a.B.example.COM" },
	{ "app.x.example.com", "app.x.example.com" },
	{ "host", "HOST" },
	{ "example.org", "example.org" },
};
static const char *const patterns[] = { "example.com", "*.example.com",
	"**.example.com", "**.EXAMPLE.com", "app.*.example.com", "?.b.**", "**",
	"*", "h?st", "a**.example.com", "example.*", "w*.example.com",
	"app.**.example.com" };

/* The networks of the site become others, at an edge of which packets go. */
static void
any_site(struct world *w)
{
	struct dice *d = &w->dice;
	struct model *m = w->model;

	w->site = site_networks_none;
	m->site_count = roll(d, MODEL_SITE_MAX + 1);
	for (size_t i = 0; i < m->site_count; i++) {
		bool v6 = percent(d, 40);
		struct ip_prefix *p = &m->site[i];

		p->ip = world_public_address(w, v6);
		p->length = (uint8_t)((v6 ? 128 : 32) - roll(d, 25));
		if (percent(d, 2))
			p->length = (uint8_t)roll(d, 9);
		for (uint32_t bit = p->length; bit < (v6 ? 128 : 32); bit++)
			p->ip.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
		site_networks_add(&w->site, p);
	}
	world_trace(
	    w, "site: %zu networks, %zu apart", m->site_count, w->site.count);
}

static size_t
some_servers(struct world *w, struct ip_address ours[PROBES_MAX],
    struct ip_address model[MODEL_PROBED_MAX])
{
	struct dice *d = &w->dice;
	size_t count = roll(d, MODEL_PROBED_MAX + 1);

	for (size_t i = 0; i < count; i++)
		ours[i] = model[i] = percent(d, 50)
		    ? world_server_address(w)
		    : world_resource_address(w, percent(d, 40));
	return count;
}

/* Some that are looked after, or none; in force with the next policy. */
static void
any_probed(struct world *w)
{
	struct model *m = w->model;

	m->answering_count = m->silent_count = 0;
	if (percent(&w->dice, 50)) {
		m->answering_count =
		    some_servers(w, w->probed.answering, m->answering);
		m->silent_count = some_servers(w, w->probed.silent, m->silent);
	}
	w->probed.answering_count = m->answering_count;
	w->probed.silent_count = m->silent_count;
	world_trace(w, "probed: %zu answer, %zu are silent", m->answering_count,
	    m->silent_count);
}

/* Grants */

static size_t
some_filters(struct world *w, struct filter to[MODEL_FILTERS_MAX])
{
	struct dice *d = &w->dice;
	size_t count = percent(d, 25) ? 0 : 1 + roll(d, 4);

	if (percent(d, 3))
		count = MODEL_FILTERS_MAX;
	memset(to, 0, MODEL_FILTERS_MAX * sizeof(to[0]));
	for (size_t i = 0; i < count; i++) {
		to[i].protocol =
		    (uint8_t)(percent(d, 5) ? roll(d, 256) : 1 + roll(d, 3));
		to[i].first = percent(d, 50) ? 0 : world_port(w);
		to[i].last = percent(d, 50) ? 65535
		    : percent(d, 30)        ? to[i].first
					    : world_port(w);
	}
	return count;
}

static struct mono
some_expiry(struct world *w)
{
	switch (roll(&w->dice, 6)) {
	case 0:
		return mono_add_ms(w->now, roll(&w->dice, 20000));
	case 1:
		return mono_add_s(w->now, roll(&w->dice, 600));
	case 2:
		return mono_add_s(w->now, -(int64_t)roll(&w->dice, 2));
	default:
		return MONO_NEVER;
	}
}

static void
world_compile(struct world *w)
{
	policy_free(w->gate.policy);
	w->gate.policy = grants_compile(w->client, &w->gateway[0],
	    &w->gateway[1], &w->site, w->expose_host);
	if (w->gate.policy == NULL)
		world_differs(w, "out of memory");
	for (int i = 0; i < 2; i++)
		w->model->gateway[i] = w->gateway[i];
	w->model->expose_host = w->expose_host;
}

/* To both. */
static void
grant(struct world *w, const struct model_grant *g)
{
	static const enum model_granted same_as[] = {
		[GRANT_NEW] = MODEL_GRANT_NEW,
		[GRANT_UPDATED] = MODEL_GRANT_UPDATED,
		[GRANT_TYPE_CONFLICT] = MODEL_GRANT_CONFLICT,
		[GRANT_INVALID] = MODEL_GRANT_INVALID,
	};
	struct filter filters[MODEL_FILTERS_MAX];
	struct grant real = {
		.resource = g->id,
		.type = g->type,
		.network = g->network,
		.filters = filters,
		.filter_count = g->filter_count,
		.flow_authorization = g->flow,
		.expires = g->expires,
	};
	enum grant_result result;

	memcpy(filters, g->filters, sizeof(filters));
	memcpy(real.pattern, g->pattern, sizeof(g->pattern));
	result = grants_add(w->client, &real);
	if (result == GRANT_NO_MEMORY)
		world_differs(w, "out of memory");
	/* It was copied. */
	memset(filters, 0, sizeof(filters));
	world_trace(w,
	    "grant %02x type %d pattern \"%s\" prefix /%u, %zu rules",
	    g->id.bytes[15], g->type, g->pattern, g->network.length,
	    g->filter_count);
	agree(w, "grant", same_as[result], model_add(w->model, g));
	if (result == GRANT_NEW || result == GRANT_UPDATED)
		world_compile(w);
}

static void
any_grant(struct world *w)
{
	struct dice *d = &w->dice;
	struct model_grant g = { .id = PICK(d, w->resources) };

	g.type = percent(d, 45) ? RESOURCE_DNS : RESOURCE_CIDR;
	if (w->internet && percent(d, 20))
		g.type = RESOURCE_INTERNET;
	if (percent(d, 1))
		g.type = (enum resource_type)(roll(d, 2) ? 0 : 4);
	g.network = world_network(w);
	if (percent(d, 1))
		g.network.length = g.network.ip.family == IP_V4 ? 33 : 129;
	if (percent(d, 1))
		g.network.ip.family = IP_NONE;
	if (percent(d, 3))
		world_flip(&g.network.ip,
		    roll(d, g.network.ip.family == IP_V4 ? 32 : 128));
	snprintf(g.pattern, sizeof(g.pattern), "%s", PICK(d, patterns));
	g.filter_count = some_filters(w, g.filters);
	if (percent(d, 60))
		g.flow.bytes[roll(d, 16)] = (uint8_t)(1 + roll(d, 255));
	g.expires = some_expiry(w);
	grant(w, &g);
}

static void
any_revocation(struct world *w)
{
	struct uuid id = PICK(&w->dice, w->resources);
	bool gone = grants_revoke(w->client, &id);

	agree(w, "revoke", gone, model_remove(w->model, &id));
	if (gone)
		world_compile(w);
}

/* The same list again may be no change. */
static bool
same_filters(
    const struct model_grant *g, const struct filter *filters, size_t count)
{
	if (g->filter_count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (g->filters[i].protocol != filters[i].protocol ||
		    g->filters[i].first != filters[i].first ||
		    g->filters[i].last != filters[i].last)
			return false;
	return true;
}

static void
any_update(struct world *w)
{
	struct uuid id = PICK(&w->dice, w->resources);
	const struct model_grant *g = model_find(w->model, &id);
	struct filter filters[MODEL_FILTERS_MAX];
	size_t count = some_filters(w, filters);
	enum resource_type type = g == NULL ? RESOURCE_DNS : g->type;
	bool idle, changed, known;

	if (g != NULL && percent(&w->dice, 10)) {
		count = g->filter_count;
		memcpy(filters, g->filters, sizeof(filters));
	}
	if (percent(&w->dice, 10))
		type = RESOURCE_DNS;
	idle = g != NULL && same_filters(g, filters, count);
	changed = grants_update_filters(w->client, &id, type, filters, count);
	known = model_set_filters(w->model, &id, type, filters, count);
	if (changed || !idle)
		agree(w, "update", changed, known);
	if (changed)
		world_compile(w);
}

static void
any_expiry(struct world *w)
{
	struct uuid id = PICK(&w->dice, w->resources);
	struct mono expires = some_expiry(w);

	agree(w, "expiry", grants_set_expiry(w->client, &id, 0, expires),
	    model_set_expiry(w->model, &id, expires));
}

/* What the engine does at a tick. */
static void
expire(struct world *w)
{
	struct uuid gone;
	bool any = false;

	while (grants_expire(w->client, w->now, &gone)) {
		const struct model_grant *g = model_find(w->model, &gone);

		world_trace(w, "expired %02x", gone.bytes[15]);
		if (g == NULL || g->expires.ns > w->now.ns)
			world_differs(w, "expired before its time");
		model_remove(w->model, &gone);
		any = true;
	}
	if (model_deadline(w->model).ns <= w->now.ns)
		world_differs(w, "not expired");
	if (any)
		world_compile(w);
}

/* Names */

static enum model_assigned
as_the_model_says(enum assign_result result)
{
	switch (result) {
	case ASSIGN_DONE:
		return MODEL_ASSIGNED;
	case ASSIGN_NOT_GRANTED:
		return MODEL_NOT_GRANTED;
	case ASSIGN_NOT_DNS:
		return MODEL_NOT_DNS;
	case ASSIGN_NO_MATCH:
		return MODEL_NO_MATCH;
	case ASSIGN_NO_PROXY:
		return MODEL_NO_PROXY;
	default:
		return (enum model_assigned) - 1;
	}
}

static void
assign(struct world *w, struct assignment *a, struct ip_address *proxies,
    struct ip_address *addresses)
{
	struct ip_address copies[2][64];
	struct assign_effect effect;
	enum assign_result result;
	bool renumbered, left_out[2] = { false, false };

	for (size_t i = 0; i < a->proxy_count; i++)
		left_out[0] |= !model_proxy(&proxies[i]);
	for (size_t i = 0; i < a->address_count; i++)
		left_out[1] |= !model_usable(&addresses[i]);
	memcpy(copies[0], proxies, a->proxy_count * sizeof(*proxies));
	memcpy(copies[1], addresses, a->address_count * sizeof(*addresses));
	a->proxies = copies[0];
	a->addresses = copies[1];
	world_trace(w, "assign %s by %02x: %zu proxies, %zu addresses",
	    a->domain, a->resource.bytes[15], a->proxy_count, a->address_count);
	result = grants_assign(w->client, a, &effect);
	agree(w, "assign", (long)as_the_model_says(result),
	    (long)model_assign(w->model, &a->resource, a->domain, proxies,
		a->proxy_count, addresses, a->address_count, &renumbered));
	agree(w, "renumbered", effect.renumbered, renumbered);
	if (result == ASSIGN_DONE || result == ASSIGN_NO_PROXY)
		agree(w, "foreign", effect.foreign_proxies > 0, left_out[0]);
	if (result == ASSIGN_DONE && a->proxy_count > 0)
		agree(
		    w, "unusable", effect.unusable_addresses > 0, left_out[1]);
	if (effect.renumbered && w->gate.nat != NULL)
		nat_forget(w->gate.nat);
	if (w->gate.nat == NULL && result == ASSIGN_DONE) {
		w->gate.nat = nat_new();
		if (w->gate.nat == NULL)
			world_differs(w, "out of memory");
		nat_set_client(w->gate.nat, &w->me[0], &w->me[1]);
	}
	if (effect.changed)
		world_compile(w);
}

static size_t
some_proxies(struct world *w, size_t name, struct ip_address *to)
{
	struct dice *d = &w->dice;
	size_t n = 0, each = percent(d, 80) ? WORLD_PROXIES : roll(d, 5);
	uint32_t families = percent(d, 80) ? 3 : 1 + roll(d, 2);

	for (size_t i = 0; i < each; i++)
		for (uint32_t v6 = 0; v6 < 2; v6++)
			if (families & (1u << v6))
				to[n++] = world_proxy(w, name, v6, i);
	/* As they come, twice, somebody else's, or nobody's to give. */
	for (size_t i = 0; i + 1 < n; i++) {
		size_t k = roll(d, (uint32_t)n);
		struct ip_address other = to[k];

		to[k] = to[i];
		to[i] = other;
	}
	if (n > 0 && percent(d, 10)) {
		to[n] = to[roll(d, (uint32_t)n)];
		n++;
	}
	if (percent(d, 4))
		to[n++] = world_proxy(w, roll(d, WORLD_NAMES), roll(d, 2), 0);
	if (percent(d, 10))
		to[n++] = percent(d, 50) ? world_resource_address(w, roll(d, 2))
					 : world_public_address(w, roll(d, 2));
	return n;
}

static void
any_assignment(struct world *w)
{
	struct dice *d = &w->dice;
	size_t name = roll(d, WORLD_NAMES);
	struct ip_address proxies[16], addresses[16];
	struct assignment a = { .resource = PICK(d, w->resources) };

	/* Mostly for a resource that may. */
	for (int i = 0; i < 12 && !percent(d, 10); i++) {
		a.domain = PICK(d, domains[name]);
		if (model_may_assign(w->model, &a.resource, a.domain) ==
		    MODEL_ASSIGNED)
			break;
		a.resource = PICK(d, w->resources);
		name = roll(d, WORLD_NAMES);
	}
	a.domain = PICK(d, domains[name]);
	agree(w, "may assign",
	    (long)as_the_model_says(
		grants_may_assign(w->client, &a.resource, a.domain)),
	    (long)model_may_assign(w->model, &a.resource, a.domain));
	a.proxy_count = some_proxies(w, name, proxies);
	a.address_count = percent(d, 5) ? 0 : 1 + roll(d, 6);
	for (size_t i = 0; i < a.address_count; i++)
		addresses[i] = world_server_address(w);
	/* Many names have addresses of one family only. */
	if (percent(d, 40))
		for (size_t i = 1; i < a.address_count; i++)
			if (addresses[i].family != addresses[0].family)
				addresses[i] = addresses[0];
	assign(w, &a, proxies, addresses);
}

void
world_open_name(struct world *w)
{
	struct model_grant g = {
		.id = w->resources[0],
		.type = RESOURCE_DNS,
		.pattern = "**",
		.expires = MONO_NEVER,
	};
	struct assignment a = {
		.resource = w->resources[0],
		.domain = domains[0][0],
		.proxy_count = 4,
		.address_count = 1,
	};
	struct ip_address proxies[4], server_address = world_address("10.0.0.5");

	grants_revoke(w->client, &g.id);
	model_remove(w->model, &g.id);
	grant(w, &g);
	for (size_t i = 0; i < 4; i++)
		proxies[i] = world_proxy(w, 0, false, i);
	assign(w, &a, proxies, &server_address);
}

/* Time */

/* Of NAT: the next end of a session, or of the memory of one, after "when". */
static struct mono
next_end(const struct model_nat *nat, struct mono when)
{
	struct mono next = MONO_NEVER;

	for (size_t i = 0; i < nat->count; i++) {
		struct mono end = model_session_end(&nat->sessions[i]);

		if (end.ns > when.ns)
			next = mono_min(next, end);
	}
	for (size_t i = 0; i < nat->ended_count; i++) {
		struct mono end = mono_add_s(nat->ended[i].end, 600);

		if (end.ns > when.ns)
			next = mono_min(next, end);
	}
	return next;
}

/* Not late by more than a second, as nat.h says, and not at once again. */
void
world_tick(struct world *w)
{
	struct mono deadline, next, late;

	if (w->gate.nat == NULL)
		return;
	world_trace(w, "tick");
	nat_timeout(w->gate.nat, w->now);
	deadline = nat_deadline(w->gate.nat);
	model_nat_settle(&w->model->nat, w->now);
	next = next_end(&w->model->nat, w->now);
	late = mono_add_s(next, 1);
	if (late.ns < deadline.ns || deadline.ns <= w->now.ns)
		world_differs(w, "nat_deadline %lld, should be %lld",
		    (long long)deadline.ns, (long long)next.ns);
}

/* To where something ends: just before, at that moment, or just after. */
static void
wait_for_an_end(struct world *w)
{
	struct dice *d = &w->dice;
	const struct model_nat *nat = &w->model->nat;
	struct mono end = model_deadline(w->model);

	if (nat->count > 0 && percent(d, 60))
		end = model_session_end(
		    &nat->sessions[roll(d, (uint32_t)nat->count)]);
	else if (nat->ended_count > 0 && percent(d, 60))
		end = mono_add_s(
		    nat->ended[roll(d, (uint32_t)nat->ended_count)].end, 600);
	if (mono_is_never(end))
		return;
	end.ns += (int64_t)roll(d, 3) - 1;
	if (end.ns > w->now.ns)
		w->now = end;
}

void
world_wait(struct world *w)
{
	struct dice *d = &w->dice;
	uint32_t n = roll(d, 10000);

	if (roll(d, 200) == 0)
		w->pace = roll(d, 4);
	if (w->pace == 0)
		return;
	if (n < 5)
		w->now = mono_add_s(w->now, roll(d, 4 * 3600));
	else if (n < 15)
		w->now = mono_add_s(w->now, roll(d, 700));
	else if (n < 60)
		wait_for_an_end(w);
	else if (n < 400 && w->pace > 1)
		w->now = mono_add_ms(w->now, roll(d, 30000));
	else if (n < 1000 && w->pace > 1)
		w->now = mono_add_ms(w->now, roll(d, 1000));
	else if (n < 4000)
		w->now = mono_add_ns(w->now, roll(d, 20000000));
}

static void
other_gateway(struct world *w)
{
	struct dice *d = &w->dice;

	w->gateway[0] =
	    world_address(percent(d, 70) ? "100.64.0.2" : "100.95.0.1");
	w->gateway[1] = world_address(
	    percent(d, 70) ? "fd00:2021:1111::2" : "fd00:2021:1111::1f:2");
	if (percent(d, 10))
		w->gateway[roll(d, 2)] = (struct ip_address){ IP_NONE, { 0 } };
	w->expose_host = percent(d, 20);
	world_trace(w, "other addresses of the gateway");
	world_compile(w);
}

/* What is granted, in the order of the ids. */
static void
compare_grants(const struct world *w)
{
	const struct grants *c = w->client;
	const struct grant *before = NULL, *g;
	size_t count = grants_count(c);

	agree(w, "grants", (long)count, (long)w->model->grant_count);
	for (size_t i = 0; i < count; i++, before = g) {
		const struct model_grant *m;

		g = grants_get(c, i);
		if (before != NULL &&
		    uuid_compare(&before->resource, &g->resource) >= 0)
			world_differs(w, "order of grants");
		m = model_find(w->model, &g->resource);
		if (m == NULL || m->type != g->type ||
		    m->expires.ns != g->expires.ns ||
		    !uuid_equal(&m->flow, &g->flow_authorization) ||
		    !same_filters(m, g->filters, g->filter_count))
			world_differs(w, "grant %02x", g->resource.bytes[15]);
	}
	if (grants_get(c, count) != NULL)
		world_differs(w, "one grant more");
	if (grants_deadline(c).ns != model_deadline(w->model).ns)
		world_differs(w, "grants_deadline");
}

/* What was assigned stays as it was, but what crossed does no longer. */
static void
set_older(struct world *w, bool is_older)
{
	struct policy *policy;
	size_t ended = model_set_older(w->model, w->now, is_older);

	grants_allow_translation(w->client, is_older);
	policy = grants_compile(w->client, &w->gateway[0], &w->gateway[1],
	    &w->site, w->expose_host);
	if (policy == NULL)
		world_differs(w, "out of memory");
	policy_free(gate_enforce(&w->gate, w->now, policy));
	world_compile(w);
	w->model->seen[PATH_CROSS_ENDED] += ended > 0;
	w->was_older = w->was_older || is_older;
	world_trace(w, "a client of %s", is_older ? "1.3" : "1.4");
}

void
world_event(struct world *w)
{
	uint32_t n = roll(&w->dice, 100);

	if (n < 32)
		any_grant(w);
	else if (n < 38)
		any_revocation(w);
	else if (n < 46)
		any_update(w);
	else if (n < 52)
		any_expiry(w);
	else if (n < 62)
		expire(w);
	else if (n < 84)
		any_assignment(w);
	else if (n < 86)
		other_gateway(w);
	else if (n < 87) {
		any_site(w);
		world_compile(w);
	} else if (n < 89) {
		any_probed(w);
		world_compile(w);
	} else if (n < 90) {
		set_older(w, !w->model->older);
	} else
		world_tick(w);
	compare_grants(w);
}

void
world_begin(struct world *w, struct model *m, struct dice dice, bool usual)
{
	struct uuid id = { { 1 } };
	struct dice *d = &w->dice;

	memset(w, 0, offsetof(struct world, sent));
	w->sent_count = 0;
	w->dice = dice;
	w->now.ns = (1 + (int64_t)roll(d, 100000)) * 100 * MS;
	w->pace = roll(d, 4);
	w->model = m;
	w->me[0] = world_address("100.64.0.1");
	w->me[1] = world_address("fd00:2021:1111::1");
	if (percent(d, 5) && !usual)
		w->me[roll(d, 2)] = (struct ip_address){ IP_NONE, { 0 } };
	if (percent(d, 2) && !usual)
		w->me[0] = world_address("10.0.0.77"); /* outside the range */
	w->gateway[0] = world_address("100.64.0.2");
	w->gateway[1] = world_address("fd00:2021:1111::2");
	w->expose_host = percent(d, 15);
	w->internet = percent(d, 30);
	for (size_t i = 0; i < WORLD_RESOURCES; i++) {
		w->resources[i].bytes[0] = (uint8_t)(roll(d, 2) * 255);
		w->resources[i].bytes[8] = (uint8_t)roll(d, 256);
		w->resources[i].bytes[15] = (uint8_t)i;
	}
	w->client = grants_new(&id, &w->me[0], &w->me[1]);
	if (w->client == NULL)
		abort();
	grants_judge_by(w->client, &w->probed);
	model_reset(m, w->me);
	if (percent(d, 50))
		set_older(w, true);
	if (percent(d, 50))
		any_site(w);
	world_compile(w);
	for (int i = 0; i < 10; i++)
		any_grant(w);
	/* Some begin without a name, and so without NAT. */
	if (percent(d, 90))
		for (int i = 0; i < 6; i++)
			any_assignment(w);
}

void
world_end(struct world *w)
{
	policy_free(w->gate.policy);
	nat_free(w->gate.nat);
	grants_free(w->client);
}

void
world_remember(struct world *w, const uint8_t *data, size_t length)
{
	struct seen *s = &w->sent[w->sent_count++ % WORLD_SEEN];

	model_parse(data, length, &s->packet);
	s->length = length < sizeof(s->data) ? length : sizeof(s->data);
	memcpy(s->data, data, s->length);
}
