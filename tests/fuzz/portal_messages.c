/*
 * The portal's messages: whatever they say, what becomes of them is something
 * that net-worker and the parent accept.
 */
#include "control-worker/flow/settings.h"
#include "control-worker/flow/token.h"
#include "control-worker/portal/generation.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/messages.h"

struct rig {
	struct hostile net, parent; /* who listen */
};

/* Each result travels the way it does between the processes. */
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)            \
	static void on_##name(void *ctx, struct ipc_##name *m)           \
	{                                                                \
		struct rig *r = ctx;                                     \
		struct hostile *to =                                     \
		    IPC_##receiver == IPC_PARENT ? &r->parent : &r->net; \
                                                                         \
		must(ipc_send_##name(to->victim, m) == 0);               \
		hostile_listen(to);                                      \
	}
#include "common/ipc.def"

static const struct ipc_handlers results = {
#define IPC_MESSAGE(NAME, name_, sender, receiver, rules, fds) \
	.name_ = on_##name_,
#include "common/ipc.def"
};

static void
check_settings(void *ctx, const struct json_value *v)
{
	struct flow_settings s;

	flow_settings_parse(v, &s);
	must(ctx != NULL && (s.interval_s == 0) == (s.api_url[0] == '\0'));
	must(s.interval_s == 0 || s.batch_size > 0);
}

static bool
check_token(void *ctx, const char *jwt, size_t len, struct uuid *id)
{
	struct flow_token t;

	must(ctx != NULL && jwt[len] == '\0');
	if (!flow_token_parse(jwt, len, &t))
		return false;
	must(t.role <= FLOW_RESPONDER && strlen(jwt) <= FLOW_TOKEN_MAX);
	*id = t.authorization;
	return true;
}

static const char *const events[] = { "create_authorization", "init",
	"ice_candidates", "invalidate_ice_candidates", "reject_access",
	"relays_presence", "resource_updated", "unknown", "authorize_flow",
	"request_connection", "allow_access",
	"access_authorization_expiry_updated" };

#define EVENTS (sizeof(events) / sizeof(*events))

/* What is said back, and what has to be there for it. */
static void
check_refs(const struct refs *refs)
{
	for (size_t i = 0; i < REFS_MAX; i++) {
		const struct ref *ref = refs->ref[i];
		char *payload;

		if (ref == NULL)
			continue;
		must(!ref->connects || strlen(ref->password) == 22);
		must(ref->names == NULL ||
		    (ref->names->domain[0] != '\0' &&
			ref->names->proxy_count <= PROXIES_MAX));
		if (ref->reply != NULL) {
			/* NULL for a reference that is not UTF-8. */
			payload = outgoing_acknowledgement(ref);
			must(payload == NULL || payload[0] == '{');
			free(payload);
		}
	}
}

static void
handle(struct rig *r, struct cursor *in)
{
	static struct incoming incoming;
	/* An event of any generation, to any. */
	size_t which = pick(in, 3 * EVENTS);
	const char *what = NULL, *event = events[which % EVENTS];
	struct json_document *d;

	memset(&incoming, 0, sizeof(incoming));
	incoming.generation = generation_of(3 - (unsigned)(which / EVENTS));
	incoming.has_interface = true;
	incoming.to = &results;
	incoming.flow_settings = check_settings;
	incoming.flow_token = check_token;
	incoming.ctx = r;
	if (json_parse(&d, in->at, in->left) != JSON_OK)
		return;
	switch (incoming_handle(&incoming, event, json_root(d), &what)) {
	case INCOMING_MORE:
		while (incoming_more(&incoming) == INCOMING_MORE)
			;
		break;
	case INCOMING_DROPPED:
		must(what != NULL);
		break;
	case INCOMING_DONE:
	case INCOMING_UNKNOWN:
		break;
	}
	check_refs(&incoming.refs);
	refs_clear(&incoming.refs);
	json_free(d);
}

void
fuzz_one(struct cursor *in)
{
	struct rig r;

	hostile_open(&r.net, IPC_CONTROL, IPC_NET);
	hostile_open(&r.parent, IPC_CONTROL, IPC_PARENT);
	hostile_set_running(&r.net);
	hostile_set_running(&r.parent);
	handle(&r, in);
	hostile_close(&r.net);
	hostile_close(&r.parent);
}
