/* Access in two steps: see twostep.h. */
#include "tests/client/twostep.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "tests/client/client.h"

#define PATIENCE_S   20
#define UFRAG_LEN    4
#define PASSWORD_LEN 22
#define KEY_TEXT     sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL)

/* " DOMAIN PROXY ..." of a name, or nothing. */
#define DOMAIN_TEXT 1024

static void
random_text(char *to, size_t len)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i++)
		to[i] = letters[randombytes_uniform(sizeof(letters) - 1)];
	to[len] = '\0';
}

static void
format_domain(const struct name *n, char to[DOMAIN_TEXT])
{
	char ip[ENDPOINT_TEXT_MAX];
	size_t at;

	to[0] = '\0';
	if (n == NULL)
		return;
	at = (size_t)snprintf(to, DOMAIN_TEXT, " %s", n->domain);
	for (size_t i = 0; i < n->proxy_count && at < DOMAIN_TEXT; i++)
		at += (size_t)snprintf(to + at, DOMAIN_TEXT - at, " %s",
		    ip_format(&n->proxies[i], ip));
}

static void
request_connection(struct client *c, const char *resource, const char *gateway)
{
	struct name *n = names_untold(c, resource);
	struct two_step *t = &c->two_step;
	char domain[DOMAIN_TEXT], key[KEY_TEXT];

	if (t->resource[0] != '\0' &&
	    !mono_due(mono_add_s(t->asked, PATIENCE_S), c->now))
		return; /* one at a time; packets ask again */
	t->asked = c->now;
	snprintf(t->resource, sizeof(t->resource), "%s", resource);
	snprintf(
	    t->domain, sizeof(t->domain), "%s", n == NULL ? "" : n->domain);
	randombytes_buf(t->psk, sizeof(t->psk));
	random_text(t->ours.username, UFRAG_LEN);
	random_text(t->ours.password, PASSWORD_LEN);
	sodium_bin2base64(key, sizeof(key), t->psk, sizeof(t->psk),
	    sodium_base64_VARIANT_ORIGINAL);
	format_domain(n, domain);
	portal_send(c, "connect %s %s %s %s %s%s", resource, gateway, key,
	    t->ours.username, t->ours.password, domain);
	sodium_memzero(key, sizeof(key));
}

static void
reuse_connection(struct client *c, const char *resource, const char *gateway)
{
	char domain[DOMAIN_TEXT];
	struct name *n;

	if ((n = names_untold(c, resource)) == NULL) {
		portal_send(c, "reuse %s %s", resource, gateway);
	} else {
		do {
			format_domain(n, domain);
			portal_send(
			    c, "reuse %s %s%s", resource, gateway, domain);
			names_told(c, n);
		} while ((n = names_untold(c, resource)) != NULL);
	}
	client_allowed(c, resource);
}

void
two_step_prepared(struct client *c, const char *resource, const char *gateway)
{
	if (strcmp(c->gateway, gateway) == 0)
		reuse_connection(c, resource, gateway);
	else
		request_connection(c, resource, gateway);
}

void
two_step_connected(struct client *c, const char *resource, const char *gateway,
    const uint8_t public_key[32], const struct ice_credentials *theirs)
{
	struct two_step *t = &c->two_step;
	struct authorization a = { .ours = t->ours, .theirs = *theirs };
	struct name *n;

	if (strcmp(t->resource, resource) != 0)
		return;
	snprintf(a.resource, sizeof(a.resource), "%s", resource);
	snprintf(a.gateway, sizeof(a.gateway), "%s", gateway);
	memcpy(a.public_key, public_key, sizeof(a.public_key));
	memcpy(a.psk, t->psk, sizeof(a.psk));
	n = names_find(c, resource, t->domain);
	two_step_forget(c);
	if (c->gateway[0] != '\0')
		client_lost(c, "moved");
	/* Before packets that wait are looked at again. */
	if (n != NULL)
		names_told(c, n);
	client_authorized(c, &a);
	sodium_memzero(&a, sizeof(a));
}

void
two_step_forget(struct client *c)
{
	sodium_memzero(&c->two_step, sizeof(c->two_step));
}
