/* Whom we may talk to: see egress.h. */
#include "control-worker/egress.h"

#include <stdlib.h>

#include "common/internet.h"
#include "common/log.h"

_Static_assert(sizeof(((struct ipc_egress *)0)->resolvers) ==
	RESOLV_SERVERS * sizeof(struct ip_address),
    "a message has room for the servers of a resolv.conf");

static uint16_t
list_resolvers(const struct egress *e, struct ip_address to[RESOLV_SERVERS])
{
	struct resolv_conf conf;

	resolv_conf_parse(&conf, e->text == NULL ? "" : e->text, e->len);
	for (size_t i = 0; i < conf.server_count; i++)
		to[i] = conf.servers[i].ip;
	return (uint16_t)conf.server_count;
}

void
egress_resolv_conf(struct egress *e, char *text, size_t len, bool after_ready)
{
	struct ipc_resolvers m = { 0 };

	free(e->text);
	e->text = text;
	e->len = len;
	if (!after_ready)
		return;
	m.resolvers_count = list_resolvers(e, m.resolvers);
	e->host.resolvers(e->host.ctx, &m);
	e->awaited++;
}

void
egress_start(struct egress *e, uint16_t portal_port)
{
	struct ipc_egress m = { .portal_port = portal_port };

	m.resolvers_count = list_resolvers(e, m.resolvers);
	e->host.egress(e->host.ctx, &m);
	e->awaited = 1;
}

bool
egress_is_awaited(const struct egress *e)
{
	return e->awaited > 0;
}

void
egress_announce(void *egress, const struct ip_address *addresses, size_t count)
{
	struct ipc_private_hosts m = { 0 };
	struct egress *e = egress;

	for (size_t i = 0; i < count && m.hosts_count < PRIVATE_HOSTS_MAX; i++)
		if (!ip_is_internet(&addresses[i]))
			m.hosts[m.hosts_count++] = addresses[i];
	if (m.hosts_count > 0)
		e->host.private_hosts(e->host.ctx, &m);
}

/* The answers come in order: the last one is about the text that we have. */
void
egress_is_open(struct egress *e)
{
	const char *text = e->text == NULL ? "" : e->text;
	struct resolv_conf conf;

	if (e->awaited == 0)
		fatalx("the parent answers what nobody has asked");
	if (--e->awaited > 0)
		return;
	resolv_conf_parse(&conf, text, e->len);
	e->host.use(e->host.ctx, text, e->len, &conf);
	free(e->text);
	e->text = NULL;
	e->len = 0;
}
