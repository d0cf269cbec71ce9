/*
 * The operator's socket: see ctl.h. net-worker is asked for one page after the
 * other, and for none before the one before has left, so that neither it nor
 * the memory here depends on how many clients there are or how slowly somebody
 * reads.
 */
#include "control-worker/operator/ctl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "control-worker/net/server.h"
#include "control-worker/operator/status.h"

#define CONNECTIONS 4
#define PATIENCE_MS 3000
#define REQUEST_MAX 64
#define GROUPS_MAX  64

static const char silent[] = "net-worker does not answer";

struct ctl {
	struct ctl_config config;
	struct server *server;
	uint64_t serial; /* of the last query */
};

/* One answer in the making. */
struct answer {
	struct ctl *ctl;
	const struct status_format *format;
	struct status status;
	enum query_kind kind;
	uint64_t serial; /* of the query that is out; 0: none is */
	uint32_t next;   /* what the next one begins from */
	bool more;       /* it is due when all has been sent */
	size_t count;    /* entries of this kind */
};

/* Who may use the socket may also be checked by others: SO_PEERGROUPS. */
static bool
is_in_group(int fd, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return false;
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static bool
may_ask(const struct ctl_config *config, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return false;
	return peer.uid == 0 || peer.uid == config->uid ||
	    peer.gid == config->gid || is_in_group(fd, config->gid);
}

static void
end_answer(struct served *c, const char *problem)
{
	struct answer *a = served_data(c);

	if (a->kind == QUERY_KIND_RELAYS)
		a->format->relays_end(&a->status, a->count);
	a->format->end(
	    &a->status, a->kind == QUERY_KIND_CLIENTS ? a->count : 0, problem);
	text_write(served_out(c), "", 1);
	a->serial = 0;
	served_finish(c);
}

static void
ask_for_page(struct served *c)
{
	struct answer *a = served_data(c);
	struct ipc_query q = {
		.serial = ++a->ctl->serial,
		.kind = (uint8_t)a->kind,
		.from = a->next,
	};

	a->more = false;
	a->serial = q.serial;
	if (!a->ctl->config.ask(a->ctl->config.ctx, &q))
		end_answer(c, silent);
}

static void
begin_answer(struct served *c, const struct status_format *format)
{
	struct ctl *ctl = server_ctx(c);
	struct answer *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		served_finish(c);
		return;
	}
	a->ctl = ctl;
	a->format = format;
	a->status.out = served_out(c);
	a->kind = QUERY_KIND_RELAYS;
	a->more = true;
	served_set_data(c, a);
	format->situation(
	    &a->status, ctl->config.situation, (uint64_t)time(NULL));
	served_send(c);
}

static bool
is_line(const char *bytes, size_t len, const char *line)
{
	return len == strlen(line) && memcmp(bytes, line, len) == 0;
}

static void
on_ctl_request(struct served *c, const char *bytes, size_t len)
{
	const struct ctl *ctl = server_ctx(c);

	if (memchr(bytes, '\n', len) == NULL)
		return;
	if (!may_ask(&ctl->config, served_fd(c))) {
		text_add(served_out(c), "permission denied\n%c", 0);
		served_finish(c);
	} else if (is_line(bytes, len, "status text\n")) {
		begin_answer(c, &status_text);
	} else if (is_line(bytes, len, "status json\n")) {
		begin_answer(c, &status_json);
	} else {
		text_add(served_out(c), "unknown request\n%c", 0);
		served_finish(c);
	}
}

static void
on_answer_drained(struct served *c)
{
	const struct answer *a = served_data(c);

	if (a->more)
		ask_for_page(c);
}

static void
on_asker_impatient(struct served *c)
{
	end_answer(c, silent);
}

static void
on_asker_gone(struct served *c)
{
	struct answer *a = served_data(c);

	if (a != NULL)
		json_write_free(&a->status.json);
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

void
ctl_relay(struct ctl *ctl, const struct ipc_query_relay *m)
{
	struct served *c = find_asker(ctl, m->serial);
	struct answer *a;

	if (c == NULL)
		return;
	a = served_data(c);
	if (a->kind == QUERY_KIND_RELAYS)
		a->format->relay(&a->status, a->count++, m);
}

void
ctl_client(struct ctl *ctl, const struct ipc_query_client *m)
{
	struct served *c = find_asker(ctl, m->serial);
	struct answer *a;

	if (c == NULL)
		return;
	a = served_data(c);
	if (a->kind == QUERY_KIND_CLIENTS)
		a->format->client(
		    &a->status, ctl->config.situation, a->count++, m);
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
	if (!m->more && a->kind == QUERY_KIND_CLIENTS) {
		end_answer(c, NULL);
		return;
	}
	a->more = true;
	a->next = m->more ? m->next : 0;
	if (!m->more) {
		a->format->relays_end(&a->status, a->count);
		a->kind = QUERY_KIND_CLIENTS;
		a->count = 0;
	}
	served_send(c);
}

struct ctl *
ctl_serve(uv_loop_t *loop, const struct ctl_config *config)
{
	static const struct server_kind kind = {
		.name = "posternctl",
		.connections = CONNECTIONS,
		.patience_ms = PATIENCE_MS,
		.request_max = REQUEST_MAX,
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
