/* Whom we may talk to: see egress.h. */
#include "control-worker/egress.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "common/log.h"
#include "control-worker/dns/resolv_conf.h"
#include "control-worker/worker.h"

_Static_assert(sizeof(((struct ipc_egress *)0)->resolvers) ==
	RESOLV_SERVERS * sizeof(struct ip_address),
    "a message has room for the servers of a resolv.conf");

static uint16_t
list_resolvers(const struct worker *w, struct ip_address to[RESOLV_SERVERS])
{
	const struct egress *e = &w->egress;
	struct resolv_conf conf;

	resolv_conf_parse(&conf, e->text == NULL ? "" : e->text, e->len);
	for (size_t i = 0; i < conf.server_count; i++)
		to[i] = conf.servers[i].ip;
	return (uint16_t)conf.server_count;
}

void
egress_resolv_conf(struct worker *w, char *text, size_t len)
{
	struct ipc_resolvers m = { 0 };
	struct egress *e = &w->egress;

	free(e->text);
	e->text = text;
	e->len = len;
	if (!ipc_is_running(w->parent))
		return;
	m.resolvers_count = list_resolvers(w, m.resolvers);
	if (ipc_send_resolvers(w->parent, &m) == -1)
		fatal("the parent does not take our messages");
	e->awaited++;
}

void
egress_start(struct worker *w, uint16_t portal_port)
{
	struct ipc_egress m = { .portal_port = portal_port };
	struct pollfd pfd = { .fd = ipc_fd(w->parent), .events = POLLIN };

	m.resolvers_count = list_resolvers(w, m.resolvers);
	if (ipc_send_egress(w->parent, &m) == -1)
		fatal("the parent does not take our messages");
	w->egress.awaited = 1;
	while (w->egress.awaited > 0) {
		if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
			fatal("poll");
		ipc_control_read(w, w->parent);
	}
}

/* The answers come in order: the last one is about the text that we have. */
void
egress_is_open(struct worker *w)
{
	struct egress *e = &w->egress;
	const char *text = e->text == NULL ? "" : e->text;
	struct resolv_conf conf;

	if (e->awaited == 0)
		fatalx("the parent answers what nobody has asked");
	if (--e->awaited > 0)
		return;
	resolv_conf_parse(&conf, text, e->len);
	resolver_set_resolv_conf(w->resolver, text, e->len);
	dns_server_set_servers(w->dns, &conf);
	free(e->text);
	e->text = NULL;
	e->len = 0;
}
