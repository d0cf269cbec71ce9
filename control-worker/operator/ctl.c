/*
 * The operator's socket: see ctl.h. net-worker is asked for one page after the
 * other, and for none before the one before has left, so that neither it nor
 * the memory here depends on how many clients there are or how slowly somebody
 * reads.
 */
#include "control-worker/operator/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control-worker/net/server.h"
#include "control-worker/operator/ctl_orders.h"
#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/follow.h"
#include "control-worker/operator/search.h"
#include "control-worker/operator/status.h"

#define PATIENCE_MS   3000
#define TALLY_AT_ONCE 256 /* resources, before they are sent */
#define FOLLOWERS_MAX 2   /* so that others can ask, too */
/* Flows of everybody; more are counted. One client has no more. */
#define FLOWS_SHOWN_MAX 4096

#define STATUS_NOT_OK 3 /* a check has found something wrong */

static const char silent[] = "net-worker does not answer";
static const char not_followed[] =
    "no flow is followed: that takes --flow-log, or flow logs at the portal";
static const char too_many_follow[] = "others follow the flows already";

struct ctl {
	struct ctl_config config;
	struct server *server;
	uint64_t serial;    /* of the last query */
	unsigned followers; /* connections */
};

/* What an answer is at. */
enum phase {
	PHASE_SEARCH,  /* all clients go by, until the one meant is found */
	PHASE_LIST,    /* a list is written */
	PHASE_COUNT,   /* all grants go by, to be counted by resource */
	PHASE_TALLY,   /* and what came of it is written */
	PHASE_EXPLAIN, /* a packet is judged */
	PHASE_FOLLOW,  /* flows are told as they begin and end */
	PHASE_CHECKS,  /* the network is looked at, and then the relays */
};

/* One answer in the making: a phase after the other, page by page. */
struct answer {
	struct ctl *ctl;
	const struct status_format *format;
	struct status status;
	struct ctl_request request;
	enum phase phase;
	unsigned lists;        /* that are still to come: bits by status_list */
	enum status_list list; /* that is being written */
	uint64_t serial;       /* of the query that is out; 0: none is */
	uint32_t next, next_grant; /* what the next one begins from */
	bool more;                 /* it is due when all has been sent */
	size_t count;              /* entries of this list */
	struct search search;
	struct uuid client; /* that was found */
	struct tally *tally;
	bool left_out; /* of that */
	struct explained_packet explained;
	struct follow follow;
	struct netcheck *netcheck; /* NULL: something else was asked for */
};

#define BIT(list) (1u << (list))

static const unsigned lists_of[] = {
	[CTL_STATUS] = BIT(LIST_RELAYS) | BIT(LIST_CLIENTS),
	[CTL_CLIENTS] = BIT(LIST_CLIENTS),
	[CTL_RELAYS] = BIT(LIST_RELAYS),
	[CTL_RESOURCES] = BIT(LIST_RESOURCES),
	[CTL_EXPLAIN] = 0,
	[CTL_FLOWS] = BIT(LIST_FLOWS),
	[CTL_FOLLOW] = 0,
	[CTL_LOG] = 0,
	[CTL_NETCHECK] = 0,
	[CTL_CONFIG] = 0,
	[CTL_METRICS] = 0,
	[CTL_TOP] = BIT(LIST_CLIENTS) | BIT(LIST_METERS),
	[CTL_DRAIN] = 0,
};

/* The first of those that are still to come. */
static void
next_list(struct answer *a)
{
	a->list = LIST_RELAYS;
	while (!(a->lists & BIT(a->list)))
		a->list++;
	a->lists &= ~BIT(a->list);
	a->count = 0;
	a->next = a->next_grant = 0;
	a->phase = a->list == LIST_RESOURCES ? PHASE_COUNT : PHASE_LIST;
	a->format->list(&a->status, a->list);
}

static void
begin_next_list(struct served *c)
{
	struct answer *a = served_data(c);

	next_list(a);
	a->more = true;
	served_send(c);
}

/* Whether a list has been begun, and not ended. */
static bool
is_at_list(const struct answer *a)
{
	return a->phase == PHASE_LIST || a->phase == PHASE_COUNT ||
	    a->phase == PHASE_TALLY;
}

static void
finish_answer(struct served *c, const char *problem, unsigned status)
{
	struct answer *a = served_data(c);

	/* Lines that follow are not parts of a whole. */
	if (a->request.command == CTL_FOLLOW)
		a->format->begin(&a->status);
	if (is_at_list(a))
		a->format->list_end(
		    &a->status, a->list, a->count, problem == NULL);
	while (a->lists != 0) {
		next_list(a);
		a->format->list_end(&a->status, a->list, 0, false);
	}
	a->format->end(&a->status, problem);
	a->serial = 0;
	/* In JSON it is a member, and of top a line. */
	if (a->request.form == CTL_JSON || a->request.command == CTL_TOP)
		problem = NULL;
	ctl_end_saying(c, status, problem);
}

static void
finish_netcheck(struct served *c, const char *problem)
{
	struct answer *a = served_data(c);

	a->serial = 0;
	if (problem == NULL)
		netcheck_relays_end(a->netcheck);
	ctl_end_saying(c,
	    netcheck_write(a->netcheck, served_out(c), a->request.form,
		(uint64_t)time(NULL))
		? 0
		: STATUS_NOT_OK,
	    NULL);
}

static void
end_answer(struct served *c, const char *problem)
{
	const struct answer *a = served_data(c);
	unsigned failure = a->request.command == CTL_EXPLAIN ? 2 : 1;

	if (a->netcheck != NULL) {
		finish_netcheck(c, problem);
		return;
	}
	finish_answer(c, problem, problem == NULL ? 0 : failure);
}

static bool
is_of_one_client(const struct answer *a)
{
	return a->request.client[0] != '\0';
}

static void
ask_for_page(struct served *c)
{
	static const enum query_kind kinds[] = {
		[LIST_RELAYS] = QUERY_KIND_RELAYS,
		[LIST_CLIENTS] = QUERY_KIND_CLIENTS,
		[LIST_GRANTS] = QUERY_KIND_GRANTS,
		[LIST_RESOURCES] = QUERY_KIND_GRANTS,
		[LIST_FLOWS] = QUERY_KIND_FLOWS,
		[LIST_METERS] = QUERY_KIND_RESOURCES,
	};
	struct answer *a = served_data(c);
	struct ipc_query q = {
		.serial = ++a->ctl->serial,
		.kind = (uint8_t)(a->phase == PHASE_SEARCH ? QUERY_KIND_CLIENTS
							   : kinds[a->list]),
		.from = a->next,
		.from_grant = a->next_grant,
		.of_one = a->list == LIST_GRANTS ||
		    (a->list == LIST_FLOWS && is_of_one_client(a)),
		.client = a->client,
	};

	a->more = false;
	a->serial = q.serial;
	if (!a->ctl->config.ask(a->ctl->config.ctx, &q))
		end_answer(c, silent);
}

static void
ask_for_explanation(struct served *c)
{
	struct answer *a = served_data(c);
	const struct ctl_packet *p = &a->request.packet;
	struct ipc_explain m = {
		.serial = ++a->ctl->serial,
		.client = a->client,
		.protocol = p->protocol,
		.destination = p->destination,
	};

	a->phase = PHASE_EXPLAIN;
	a->serial = m.serial;
	a->explained.protocol = p->protocol;
	strlcpy(m.domain, p->domain, sizeof(m.domain));
	if (!a->ctl->config.explain(a->ctl->config.ctx, &m))
		end_answer(c, silent);
}

/* None, or which ones to choose from. */
static void
end_search(struct served *c, const struct matches *m)
{
	struct answer *a = served_data(c);
	char id[UUID_TEXT_LEN + 1], who[WHO_MAX + 1], problem[1024] = "";
	size_t len;

	if (m->count == 0) {
		finish_answer(
		    c, "no client with access has that id, name or address", 2);
		return;
	}
	len = (size_t)snprintf(problem, sizeof(problem),
	    "%zu clients may be meant; say which by its id:", m->count);
	for (size_t i = 0; i < m->count && i < SEARCH_SHOWN_MAX; i++) {
		directory_who(a->status.names, &m->id[i], who);
		if (len < sizeof(problem))
			len += (size_t)snprintf(problem + len,
			    sizeof(problem) - len, "%s %s%s%s",
			    a->request.form == CTL_JSON ? "" : "\n ",
			    uuid_format(&m->id[i], id),
			    who[0] == '\0' ? "" : " ", who);
	}
	finish_answer(c, problem, 2);
}

/* The client that is meant, and what it is granted. */
static void
show_client(struct served *c, const struct ipc_query_client *client)
{
	struct answer *a = served_data(c);

	a->lists = BIT(LIST_CLIENTS);
	next_list(a);
	a->format->client(&a->status, 0, client);
	a->format->list_end(&a->status, LIST_CLIENTS, 1, true);
	a->lists = BIT(LIST_GRANTS);
	begin_next_list(c);
}

static void
begin_to_follow(struct served *c)
{
	struct answer *a = served_data(c);

	if (a->ctl->followers == FOLLOWERS_MAX) {
		finish_answer(c, too_many_follow, 1);
		return;
	}
	a->ctl->followers++;
	a->phase = PHASE_FOLLOW;
	a->more = false;
	a->follow.of_one = is_of_one_client(a);
	a->follow.client = a->client;
	a->format->flow_events(&a->status);
	served_take_time(c);
	served_send(c);
}

static void
search_ended(struct served *c)
{
	struct answer *a = served_data(c);
	const struct matches *m = search_result(&a->search);

	if (m->count != 1) {
		end_search(c, m);
		return;
	}
	a->client = m->first.client;
	if (a->request.command == CTL_EXPLAIN) {
		ask_for_explanation(c);
	} else if (a->request.command == CTL_FLOWS) {
		a->lists = BIT(LIST_FLOWS);
		begin_next_list(c);
	} else if (a->request.command == CTL_FOLLOW) {
		begin_to_follow(c);
	} else {
		show_client(c, &m->first);
	}
}

/* As many as there is room for at once. */
static void
write_tally(struct served *c)
{
	struct answer *a = served_data(c);
	struct tallied one;

	for (size_t i = 0; i < TALLY_AT_ONCE; i++) {
		if (!tally_take(a->tally, &one)) {
			end_answer(
			    c, a->left_out ? "there are too many" : NULL);
			return;
		}
		a->format->resource(&a->status, a->count++, &one);
	}
	served_send(c);
}

static void
explanation_ended(struct served *c)
{
	struct answer *a = served_data(c);

	if (a->explained.packet.serial == 0) {
		finish_answer(c, "the client has gone just now", 2);
		return;
	}
	a->format->explained(&a->status, &a->explained, (uint64_t)time(NULL));
	finish_answer(
	    c, NULL, a->explained.packet.verdict == EXPLAINED_PASSED ? 0 : 1);
}

/* True also where nobody knows: then there is no answer either. */
static bool
are_flows_followed(const struct ctl_config *config)
{
	const struct counter_page *page = config->situation->counters;

	return page == NULL || counter_read(&page->engine.flows_followed) != 0;
}

/* The checks have ended; net-worker knows the rest. */
static void
on_network_checked(void *c)
{
	ask_for_page(c);
}

static void
begin_netcheck(struct served *c)
{
	const struct ctl *ctl = server_ctx(c);
	struct answer *a = served_data(c);

	a->phase = PHASE_CHECKS;
	a->list = LIST_RELAYS;
	a->netcheck = netcheck_start(&ctl->config.netcheck,
	    ctl->config.situation, on_network_checked, c);
	if (a->netcheck == NULL)
		served_finish(c);
	else
		served_send(c);
}

static void
begin_answer(struct served *c, const struct ctl_request *r)
{
	struct ctl *ctl = server_ctx(c);
	struct answer *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		served_finish(c);
		return;
	}
	served_set_data(c, a);
	a->ctl = ctl;
	a->request = *r;
	a->format = r->command == CTL_TOP ? &status_top
	    : r->form == CTL_JSON         ? &status_json
					  : &status_text;
	a->status.out = served_out(c);
	a->status.situation = ctl->config.situation;
	a->status.names = ctl->config.names;
	a->status.wide = r->form == CTL_WIDE;
	if (r->command == CTL_NETCHECK) {
		begin_netcheck(c);
		return;
	}
	a->more = true;
	a->search.wanted = a->request.client;
	if (r->command == CTL_RESOURCES && (a->tally = tally_new()) == NULL) {
		served_finish(c);
		return;
	}
	if (r->command != CTL_FOLLOW)
		a->format->begin(&a->status);
	if (r->command == CTL_STATUS)
		a->format->situation(&a->status, (uint64_t)time(NULL));
	a->lists = lists_of[r->command];
	if ((r->command == CTL_FLOWS || r->command == CTL_FOLLOW) &&
	    !are_flows_followed(&ctl->config)) {
		end_answer(c, not_followed);
		return;
	}
	if (is_of_one_client(a)) {
		a->phase = PHASE_SEARCH;
		a->lists = 0;
	} else if (r->command == CTL_FOLLOW) {
		begin_to_follow(c);
		return;
	} else {
		next_list(a);
	}
	served_send(c);
}

static void
refuse_request(struct served *c, const char *why)
{
	ctl_end_saying(c, 2, why);
}

static void
on_ctl_request(struct served *c, const char *bytes, size_t len)
{
	const struct ctl *ctl = server_ctx(c);
	struct ctl_request request;
	const char *why;

	if (memchr(bytes, '\n', len) == NULL)
		return;
	if (!ctl_may_ask(&ctl->config, served_fd(c)))
		refuse_request(c, "permission denied");
	else if ((why = ctl_request_parse(bytes, len, &request)) != NULL)
		refuse_request(c, why);
	else if (!ctl_answer_at_once(c, &ctl->config, &request))
		begin_answer(c, &request);
}

static void
on_answer_drained(struct served *c)
{
	struct answer *a = served_data(c);

	if (a->phase == PHASE_TALLY) {
		write_tally(c);
	} else if (a->phase == PHASE_FOLLOW) {
		if (follow_catch_up(&a->follow, a->format, &a->status))
			served_send(c);
	} else if (a->more) {
		ask_for_page(c);
	}
}

static void
on_asker_impatient(struct served *c)
{
	struct answer *a = served_data(c);

	if (a->phase != PHASE_FOLLOW) {
		end_answer(c, silent);
		return;
	}
	follow_say_alive(&a->status);
	served_send(c);
}

static void
on_asker_gone(struct served *c)
{
	struct answer *a = served_data(c);

	if (a != NULL) {
		a->ctl->followers -= a->phase == PHASE_FOLLOW;
		json_write_free(&a->status.json);
		tally_free(a->tally);
		netcheck_free(a->netcheck);
	}
	free(a);
}

static bool
asker_waits_for(const struct served *c, const void *serial)
{
	const struct answer *a = served_data(c);

	return a != NULL && a->serial != 0 &&
	    a->serial == *(const uint64_t *)serial;
}

/* The connection whose query this answers, or NULL: it has given up. */
static struct served *
find_asker(struct ctl *ctl, uint64_t serial)
{
	return ctl == NULL ? NULL
			   : server_find(ctl->server, asker_waits_for, &serial);
}

static struct answer *
find_answer(struct ctl *ctl, uint64_t serial)
{
	struct served *c = find_asker(ctl, serial);

	return c == NULL ? NULL : served_data(c);
}

void
ctl_relay(struct ctl *ctl, const struct ipc_query_relay *m)
{
	struct answer *a = find_answer(ctl, m->serial);

	if (a == NULL)
		return;
	if (a->netcheck != NULL)
		netcheck_relay(a->netcheck, m);
	else if (a->phase == PHASE_LIST && a->list == LIST_RELAYS)
		a->format->relay(&a->status, a->count++, m);
}

void
ctl_client(struct ctl *ctl, const struct ipc_query_client *m)
{
	struct answer *a = find_answer(ctl, m->serial);

	if (a == NULL)
		return;
	if (a->phase == PHASE_SEARCH)
		search_look(&a->search, a->status.names, m);
	else if (a->phase == PHASE_EXPLAIN)
		a->explained.client = *m;
	else if (a->list == LIST_CLIENTS)
		a->format->client(&a->status, a->count++, m);
}

/* Of a route that was told just before. */
static void
note_grant(struct explained_packet *e, const struct ipc_query_grant *m)
{
	if (e->count > 0) {
		e->routes[e->count - 1].grant = *m;
		e->routes[e->count - 1].has_grant = true;
	}
}

void
ctl_grant(struct ctl *ctl, const struct ipc_query_grant *m)
{
	struct answer *a = find_answer(ctl, m->serial);

	if (a == NULL)
		return;
	if (a->phase == PHASE_EXPLAIN)
		note_grant(&a->explained, m);
	else if (a->phase == PHASE_COUNT)
		a->left_out |= !tally_add(a->tally, m);
	else if (a->phase == PHASE_LIST && a->list == LIST_GRANTS)
		a->format->grant(
		    &a->status, a->count++, m, (uint64_t)time(NULL));
}

void
ctl_explained(struct ctl *ctl, const struct ipc_explained *m)
{
	struct answer *a = find_answer(ctl, m->serial);

	if (a == NULL)
		return;
	if (a->phase == PHASE_EXPLAIN)
		a->explained.packet = *m;
}

void
ctl_route(struct ctl *ctl, const struct ipc_explained_route *m)
{
	struct answer *a = find_answer(ctl, m->serial);
	struct explained_packet *e;

	if (a == NULL)
		return;
	e = &a->explained;
	if (a->phase == PHASE_EXPLAIN && e->count < EXPLAIN_ROUTES_MAX)
		e->routes[e->count++].route = *m;
}

void
ctl_resource(struct ctl *ctl, const struct ipc_query_resource *m)
{
	struct answer *a = find_answer(ctl, m->serial);

	if (a == NULL)
		return;
	if (a->phase == PHASE_LIST && a->list == LIST_METERS)
		a->format->meter(&a->status, a->count++, m);
}

void
ctl_flow(struct ctl *ctl, const struct ipc_query_flow *m)
{
	struct answer *a = find_answer(ctl, m->serial);

	if (a == NULL)
		return;
	if (a->phase == PHASE_LIST && a->list == LIST_FLOWS)
		a->format->flow(&a->status, a->count++, m);
}

static void
tell_follower(struct served *c, const void *m)
{
	struct answer *a = served_data(c);

	if (a != NULL && a->phase == PHASE_FOLLOW &&
	    follow_flow(&a->follow, a->format, &a->status, m))
		served_send(c);
}

void
ctl_flow_report(struct ctl *ctl, const struct ipc_flow *m)
{
	if (ctl != NULL && ctl->followers > 0)
		server_each(ctl->server, tell_follower, m);
}

/*
 * Whether enough flows have been shown; how many more there are is known of
 * all clients together.
 */
static bool
list_is_cut(struct answer *a)
{
	const struct counter_page *page = a->status.situation->counters;
	uint64_t open;

	if (a->phase != PHASE_LIST || a->list != LIST_FLOWS ||
	    a->count < FLOWS_SHOWN_MAX || is_of_one_client(a) || page == NULL)
		return false;
	open = COUNTER_SHARD(page, flows_open);
	a->status.more = open > a->count ? open - a->count : 0;
	return true;
}

/* The list, or what else the pages were for. */
static void
pages_ended(struct served *c)
{
	struct answer *a = served_data(c);

	if (a->phase == PHASE_SEARCH) {
		search_ended(c);
	} else if (a->phase == PHASE_COUNT) {
		a->phase = PHASE_TALLY;
		served_send(c);
	} else if (a->lists == 0) {
		end_answer(c, NULL);
	} else {
		a->format->list_end(&a->status, a->list, a->count, true);
		begin_next_list(c);
	}
}

void
ctl_query_end(struct ctl *ctl, const struct ipc_query_end *m)
{
	struct served *c = find_asker(ctl, m->serial);
	struct answer *a;

	if (c == NULL)
		return;
	a = served_data(c);
	a->serial = 0;
	if (a->phase == PHASE_EXPLAIN) {
		explanation_ended(c);
	} else if (m->more && !list_is_cut(a)) {
		a->more = true;
		a->next = m->next;
		a->next_grant = m->next_grant;
		served_send(c);
	} else {
		pages_ended(c);
	}
}

struct ctl *
ctl_serve(uv_loop_t *loop, const struct ctl_config *config)
{
	static const struct server_kind kind = {
		.name = "posternctl",
		.connections = CTL_CONNECTIONS,
		.patience_ms = PATIENCE_MS,
		.request_max = CTL_REQUEST_MAX,
		.request = on_ctl_request,
		.drained = on_answer_drained,
		.impatient = on_asker_impatient,
		.gone = on_asker_gone,
	};
	struct ctl *ctl = calloc(1, sizeof(*ctl));

	if (ctl == NULL)
		return NULL;
	ctl->config = *config;
	ctl->server = server_new(loop, config->fd, &kind, ctl);
	if (ctl->server == NULL) {
		free(ctl);
		return NULL;
	}
	return ctl;
}

void
ctl_free(struct ctl *ctl)
{
	if (ctl == NULL)
		return;
	server_free(ctl->server);
	free(ctl);
}
