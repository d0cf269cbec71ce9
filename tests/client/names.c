/* Names of DNS resources: see names.h. */
#include "tests/client/names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/client/client.h"

/* firezone-policy(7), Client states. */
#define REPEAT_S 2
#define LOOK_MS  100

#define EVENT_ASSIGNED_IPS 0

struct name *
names_find(struct client *c, const char *resource, const char *domain)
{
	for (size_t i = 0; i < c->n_names; i++)
		if (strcmp(c->names[i].resource, resource) == 0 &&
		    strcasecmp(c->names[i].domain, domain) == 0)
			return &c->names[i];
	return NULL;
}

/* At the end of the list, which is in the order of the assignments. */
static struct name *
newest(struct client *c, const char *resource, const char *domain)
{
	struct name *n = names_find(c, resource, domain);

	if (n != NULL) {
		size_t after = (size_t)(&c->names[c->n_names] - n) - 1;

		memmove(n, n + 1, after * sizeof(*n));
		c->n_names--;
	}
	if (c->n_names == NAMES_MAX)
		return NULL;
	n = &c->names[c->n_names++];
	memset(n, 0, sizeof(*n));
	return n;
}

void
names_assign(struct client *c, const char *resource, const char *domain,
    const struct ip_address *proxies, size_t count)
{
	const struct resource *r = client_find_resource(c, resource);
	struct name *n;

	if (r == NULL || count > NAME_PROXIES_MAX ||
	    strlen(domain) >= NAME_DOMAIN_SIZE ||
	    (n = newest(c, r->id, domain)) == NULL) {
		debug(c, "assign: no resource %s, or no room", resource);
		return;
	}
	snprintf(n->resource, sizeof(n->resource), "%s", r->id);
	snprintf(n->domain, sizeof(n->domain), "%s", domain);
	memcpy(n->proxies, proxies, count * sizeof(proxies[0]));
	n->proxy_count = count;
	n->pending = true;
	n->due = c->now;
}

static const struct name *
name_of_proxy(const struct client *c, const struct ip_address *proxy)
{
	for (size_t i = c->n_names; i-- > 0;)
		for (size_t j = 0; j < c->names[i].proxy_count; j++)
			if (ip_equal(&c->names[i].proxies[j], proxy))
				return &c->names[i];
	return NULL;
}

const char *
names_resource(const struct client *c, const struct ip_address *proxy)
{
	const struct name *n = name_of_proxy(c, proxy);

	return n == NULL ? NULL : n->resource;
}

struct name *
names_untold(struct client *c, const char *resource)
{
	for (size_t i = 0; i < c->n_names; i++)
		if (!c->names[i].told &&
		    strcmp(c->names[i].resource, resource) == 0)
			return &c->names[i];
	return NULL;
}

void
names_told(struct client *c __attribute__((unused)), struct name *n)
{
	n->told = true;
	n->pending = false;
	event("name %s told", n->domain);
}

void
names_untell(struct client *c)
{
	for (size_t i = 0; i < c->n_names; i++)
		c->names[i].told = false;
}

bool
names_known(const struct client *c, const struct ip_address *proxy)
{
	const struct name *n = name_of_proxy(c, proxy);

	return n == NULL || n->told || !habits_two_step(&c->habits);
}

static void
tell(struct client *c, struct name *n)
{
	char json[PACKET_MAX], ip[ENDPOINT_TEXT_MAX];
	int at;

	at = snprintf(json, sizeof(json),
	    "{\"resource\":\"%s\",\"domain\":\"%s\",\"proxy_ips\":[",
	    n->resource, n->domain);
	for (size_t i = 0; i < n->proxy_count; i++)
		at += snprintf(json + at, sizeof(json) - (size_t)at, "%s\"%s\"",
		    i == 0 ? "" : ",", ip_format(&n->proxies[i], ip));
	at += snprintf(json + at, sizeof(json) - (size_t)at, "]}");
	n->due = mono_add_s(c->now, REPEAT_S);
	client_send_control(c, EVENT_ASSIGNED_IPS, json, (size_t)at);
}

void
names_timer(struct client *c)
{
	for (size_t i = 0; i < c->n_names; i++) {
		struct name *n = &c->names[i];

		if (!n->pending || !mono_due(n->due, c->now))
			continue;
		if (habits_two_step(&c->habits)) {
			n->due = mono_add_s(c->now, REPEAT_S);
			client_ask(c, n->resource);
		} else if (client_may_send(c, n->resource)) {
			tell(c, n);
		}
	}
}

/* What waits for an authorization or a session looks whether it is there. */
struct mono
names_deadline(const struct client *c)
{
	struct mono look = mono_add_ms(c->now, LOOK_MS), first = MONO_NEVER;

	for (size_t i = 0; i < c->n_names; i++)
		if (c->names[i].pending)
			first =
			    mono_min(first, mono_max(c->names[i].due, look));
	return first;
}

/* The value of a member of flat JSON without escapes, as gateways write it. */
static bool
member(const char *json, const char *name, char *to, size_t size)
{
	char key[32];
	const char *at, *end;
	size_t len;

	snprintf(key, sizeof(key), "\"%s\":\"", name);
	if ((at = strstr(json, key)) == NULL)
		return false;
	at += strlen(key);
	if ((end = strchr(at, '"')) == NULL)
		return false;
	if ((len = (size_t)(end - at)) >= size)
		return false;
	memcpy(to, at, len);
	to[len] = '\0';
	return true;
}

void
names_input(struct client *c, const uint8_t *payload, size_t len)
{
	char json[PACKET_MAX + 1], resource[ID_SIZE], status[16];
	char domain[NAME_DOMAIN_SIZE];
	struct name *n;

	if (len >= sizeof(json))
		return;
	memcpy(json, payload, len);
	json[len] = '\0';
	if (!member(json, "resource", resource, sizeof(resource)) ||
	    !member(json, "domain", domain, sizeof(domain)) ||
	    !member(json, "status", status, sizeof(status))) {
		debug(c, "domain status: %s", json);
		return;
	}
	if ((n = names_find(c, resource, domain)) != NULL)
		n->pending = false;
	event("name %s %s", domain,
	    strcmp(status, "Active") == 0 ? "active" : "inactive");
}
