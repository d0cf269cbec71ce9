/* Messages from the portal: see messages.h. */
#include <string.h>

#include "control-worker/portal/messages.h"

#include "common/plan.h"
#include "control-worker/portal/generation.h"

#define RELAYS_MAX     32  /* of one list; the portal names two */
#define REMOVED_MAX    256 /* ids of one list */
#define CANDIDATES_MAX 256 /* of one message */
#define CANDIDATE_MAX  512
#define GRANTS_AT_ONCE 256

/* One entry of a list of relays; other types than TURN are none of ours. */
static bool
parse_relay(const struct json_value *v, struct ipc_relay_present *r)
{
	char addr[ENDPOINT_TEXT_MAX];
	struct endpoint e;

	*r = (struct ipc_relay_present){ 0 };
	if (!json_is_text(json_get(v, "type"), "turn") ||
	    !parse_uuid(json_get(v, "id"), &r->relay) ||
	    !json_copy(json_get(v, "addr"), addr, sizeof(addr)) ||
	    !endpoint_parse(addr, &e) || e.port == 0 ||
	    !json_copy(
		json_get(v, "username"), r->username, sizeof(r->username)) ||
	    !json_copy(
		json_get(v, "password"), r->password, sizeof(r->password)))
		return false;
	if (e.ip.family == IP_V4)
		r->v4 = e;
	else
		r->v6 = e;
	return true;
}

/* The other address of a relay that is in the list already, or a new one. */
static void
merge_relay(struct ipc_relay_present *list, size_t *n,
    const struct ipc_relay_present *r)
{
	struct ipc_relay_present *same = NULL;

	for (size_t i = 0; i < *n; i++)
		if (uuid_equal(&list[i].relay, &r->relay))
			same = &list[i];
	if (same == NULL) {
		if (*n < RELAYS_MAX)
			list[(*n)++] = *r;
		return;
	}
	if (strcmp(same->username, r->username) != 0 ||
	    strcmp(same->password, r->password) != 0)
		return;
	if (same->v4.ip.family == IP_NONE)
		same->v4 = r->v4;
	if (same->v6.ip.family == IP_NONE)
		same->v6 = r->v6;
}

void
pass_relays(struct incoming *in, const struct json_value *removed,
    const struct json_value *present, bool suggested)
{
	struct ipc_relay_present list[RELAYS_MAX], one;
	const struct json_value *v;
	size_t n = 0, gone = 0;

	in->to->relays_begin(in->ctx, &(struct ipc_relays_begin){});
	for (v = json_first(removed); v != NULL && gone < REMOVED_MAX;
	     v = json_next(removed, v)) {
		struct ipc_relay_removed m = { 0 };

		if (!parse_uuid(v, &m.relay))
			continue;
		in->to->relay_removed(in->ctx, &m);
		gone++;
	}
	for (v = json_first(present); v != NULL; v = json_next(present, v))
		if (parse_relay(v, &one))
			merge_relay(list, &n, &one);
	for (size_t i = 0; i < n; i++) {
		list[i].suggested = suggested;
		in->to->relay_present(in->ctx, &list[i]);
	}
	in->to->relays_commit(in->ctx, &(struct ipc_relays_commit){});
	explicit_bzero(list, sizeof(list));
	explicit_bzero(&one, sizeof(one));
}

enum incoming_result
handle_relays_presence(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	const struct json_value *removed = json_get(p, "disconnected_ids");
	const struct json_value *present = json_get(p, "connected");

	(void)push;
	if (!json_is(removed, JSON_ARRAY) || !json_is(present, JSON_ARRAY))
		return incoming_drop(what, "lists of relays missing");
	pass_relays(in, removed, present, false);
	return INCOMING_DONE;
}

/*
 * Without a time the pair is in force as before: portals list none for a few
 * days of 2025, and this may not make access longer than it was given for.
 */
static bool
parse_grant(const struct json_value *v, struct ipc_grants_entry *m)
{
	const struct json_value *end = json_get(v, "expires_at");

	*m = (struct ipc_grants_entry){ .keeps_expiry = end == NULL };
	return parse_uuid(json_get(v, "client_id"), &m->client) &&
	    parse_uuid(json_get(v, "resource_id"), &m->resource) &&
	    parse_expiry(end, &m->expires_at);
}

enum incoming_result
incoming_more(struct incoming *in)
{
	struct ipc_tun_configure tun = { 0 };

	for (int i = 0; in->next_grant != NULL; i++) {
		const struct json_value *v = in->next_grant;
		struct ipc_grants_entry m;

		if (i == GRANTS_AT_ONCE)
			return INCOMING_MORE;
		/* An entry that is not understood counts as not listed. */
		if (parse_grant(v, &m))
			in->to->grants_entry(in->ctx, &m);
		in->next_grant = json_next(in->grants, v);
	}
	if (!in->keeps_grants)
		in->to->grants_commit(in->ctx, &(struct ipc_grants_commit){});
	tun.v4 = in->interface.v4;
	tun.v6 = in->interface.v6;
	in->to->tun_configure(in->ctx, &tun);
	return INCOMING_DONE;
}

/* In order: firezone-portal(7), Gateway init. */
enum incoming_result
handle_init(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	const struct json_value *interface = json_get(p, "interface");
	const struct json_value *grants = json_get(p, "authorizations");
	struct ipc_interface m = { 0 };

	(void)push;
	if (!parse_ip(json_get(interface, "ipv4"), IP_V4, &m.v4) ||
	    !parse_ip(json_get(interface, "ipv6"), IP_V6, &m.v6))
		return incoming_drop(what, "tunnel addresses missing");
	if (!ip_in_tunnel_range(&m.v4) || !ip_in_tunnel_range(&m.v6))
		return incoming_drop(what, "tunnel addresses out of range");
	if (grants != NULL && !json_is(grants, JSON_ARRAY))
		return incoming_drop(what, "authorizations are no list");
	in->flow_settings(in->ctx, json_get(p, "flow_logs"));
	pass_relays(in, NULL, json_get(p, "relays"), false);
	in->interface = m;
	in->has_interface = true;
	in->to->interface(in->ctx, &m);
	in->keeps_grants =
	    grants == NULL && !in->generation->always_lists_grants;
	if (!in->keeps_grants)
		in->to->grants_begin(in->ctx, &(struct ipc_grants_begin){});
	in->grants = grants;
	in->next_grant = json_first(grants);
	return incoming_more(in);
}

enum incoming_result
handle_reject_access(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	struct ipc_revocation m = { 0 };

	(void)push;
	if (!parse_uuid(json_get(p, "client_id"), &m.client) ||
	    !parse_uuid(json_get(p, "resource_id"), &m.resource))
		return incoming_drop(what, "ids missing");
	in->to->revocation(in->ctx, &m);
	return INCOMING_DONE;
}

/* What is absent would be never, which the portal does not say here. */
enum incoming_result
handle_expiry_update(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	const struct json_value *end = json_get(p, "expires_at");
	struct ipc_grant_expiry m = { 0 };

	(void)push;
	if (!parse_uuid(json_get(p, "client_id"), &m.client) ||
	    !parse_uuid(json_get(p, "resource_id"), &m.resource))
		return incoming_drop(what, "ids missing");
	if (json_is_nothing(end) || !parse_expiry(end, &m.expires_at))
		return incoming_drop(what, "expiry missing, or no time");
	in->to->grant_expiry(in->ctx, &m);
	return INCOMING_DONE;
}

enum incoming_result
handle_resource_updated(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	struct ipc_resource_update m = { 0 };
	enum resource_type type = parse_resource_type(json_get(p, "type"));

	(void)push;
	if (!parse_uuid(json_get(p, "id"), &m.resource))
		return incoming_drop(what, "resource id missing");
	if (type == 0)
		return incoming_drop(what, "resource of unknown type");
	m.type = (uint8_t)type;
	/*
	 * The old rules may permit what the new ones do not: when these cannot
	 * be read, nothing is permitted.
	 */
	if (type != RESOURCE_INTERNET &&
	    parse_filters(
		json_get(p, "filters"), m.filters, &m.filters_count) == -1) {
		m.filters[0] = (struct filter){ FILTER_TCP, 1, 0 };
		m.filters_count = 1;
	}
	describe_resource(in, &m.resource, p);
	in->to->resource_update(in->ctx, &m);
	return INCOMING_DONE;
}

static void
flush_candidates(
    struct incoming *in, struct ipc_remote_candidates *m, size_t *len)
{
	if (*len > 0)
		in->to->remote_candidates(in->ctx, m);
	*len = 0;
	m->lines[0] = '\0';
}

static enum incoming_result
pass_candidates(struct incoming *in, const struct json_value *p, bool withdrawn,
    const char **what)
{
	const struct json_value *list = json_get(p, "candidates"), *v;
	struct ipc_remote_candidates m = { .withdrawn = withdrawn };
	char line[CANDIDATE_MAX];
	size_t len = 0, count = 0;

	if (!parse_uuid(json_get(p, "client_id"), &m.client) ||
	    !json_is(list, JSON_ARRAY))
		return incoming_drop(what, "client or list missing");
	for (v = json_first(list); v != NULL && count < CANDIDATES_MAX;
	     v = json_next(list, v)) {
		if (!json_copy(v, line, sizeof(line)) ||
		    !candidate_is_valid(line))
			continue;
		if (len + v->len + 2 > sizeof(m.lines))
			flush_candidates(in, &m, &len);
		memcpy(m.lines + len, line, v->len);
		len += v->len;
		m.lines[len++] = '\n';
		m.lines[len] = '\0';
		count++;
	}
	flush_candidates(in, &m, &len);
	return INCOMING_DONE;
}

enum incoming_result
handle_candidates_added(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	(void)push;
	return pass_candidates(in, p, false, what);
}

enum incoming_result
handle_candidates_withdrawn(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	(void)push;
	return pass_candidates(in, p, true, what);
}

enum incoming_result
incoming_handle(struct incoming *in, const char *event,
    const struct json_value *payload, const char **what)
{
	const struct push *push = generation_push(in->generation, event);

	*what = NULL;
	if (push == NULL)
		return INCOMING_UNKNOWN;
	return push->handle(in, push, payload, what);
}
