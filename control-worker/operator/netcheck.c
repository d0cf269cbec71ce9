/* Makes the checks: see netcheck.h. */
#include "control-worker/operator/netcheck.h"

#include <stdlib.h>

/* Asked for where the portal has no name; it is well known. */
#define OTHER_NAME "firezone.dev"

struct netcheck {
	struct netcheck_config config;
	struct netcheck_facts facts;
	struct lookup *lookup; /* NULL: not under way */
	struct dns_check *dns; /* likewise */
	netcheck_done done;
	void *ctx;
};

static void
end_lookup(struct netcheck *n)
{
	if (n->lookup != NULL)
		n->config.lookups.cancel(n->lookup);
	n->lookup = NULL;
}

static void
on_name_found(void *ctx, const struct lookup_result *r)
{
	struct netcheck *n = ctx;

	n->lookup = NULL;
	n->facts.name = *r;
	if (n->dns == NULL)
		n->done(n->ctx);
}

/* A look-up goes on while there is somebody to answer it. */
static void
on_dns_checked(void *ctx, const struct dns_check_result *r)
{
	struct netcheck *n = ctx;

	n->dns = NULL;
	n->facts.dns = *r;
	if (dns_check_is_silent(r))
		end_lookup(n);
	if (n->lookup == NULL)
		n->done(n->ctx);
}

struct netcheck *
netcheck_start(const struct netcheck_config *config,
    const struct situation *situation, netcheck_done done, void *ctx)
{
	struct netcheck *n = calloc(1, sizeof(*n));
	const char *host = config->host;

	if (n == NULL)
		return NULL;
	n->config = *config;
	n->facts.situation = situation;
	n->facts.host = host;
	n->done = done;
	n->ctx = ctx;
	if (host != NULL)
		n->lookup = config->lookups.start(
		    config->lookups.resolver, host, on_name_found, n);
	n->dns = config->dns.start(config->dns.resolver,
	    host != NULL ? host : OTHER_NAME, on_dns_checked, n);
	if (n->dns != NULL)
		return n;
	netcheck_free(n);
	return NULL;
}

void
netcheck_free(struct netcheck *n)
{
	if (n == NULL)
		return;
	end_lookup(n);
	if (n->dns != NULL)
		n->config.dns.cancel(n->dns);
	free(n);
}

void
netcheck_relay(struct netcheck *n, const struct ipc_query_relay *m)
{
	struct netcheck_facts *f = &n->facts;

	if (f->relay_count < NETCHECK_RELAYS_MAX)
		f->relay[f->relay_count++] = *m;
}

void
netcheck_relays_end(struct netcheck *n)
{
	n->facts.relays_known = true;
}

static void
look_at_routes(struct netcheck_facts *f)
{
	/* Two root servers of DNS: what is theirs is routed everywhere. */
	static const char *const far[] = { "198.41.0.4",
		"2001:503:ba3e::2:30" };
	struct endpoint to = { .port = 53 };

	for (size_t i = 0; i < 2; i++)
		if (ip_parse(far[i], &to.ip))
			route_look(&to, &f->out[i]);
	for (size_t i = 0; i < f->relay_count; i++) {
		route_look(&f->relay[i].v4, &f->relay_route[i][0]);
		route_look(&f->relay[i].v6, &f->relay_route[i][1]);
	}
}

bool
netcheck_write(
    struct netcheck *n, struct text *t, enum ctl_form form, uint64_t now)
{
	struct findings *f = calloc(1, sizeof(*f));
	bool well;

	if (f == NULL) {
		t->failed = true;
		return false;
	}
	n->facts.now = now;
	look_at_routes(&n->facts);
	netcheck_judge_portal(&n->facts, f);
	netcheck_judge_paths(&n->facts, f);
	findings_write(f, t, form, now);
	well = findings_count(f, VERDICT_NOT_OK) == 0;
	free(f);
	return well;
}
