/* Authorizations of the portal: see messages.h. */
#include <string.h>

#include "common/plan.h"
#include "control-worker/portal/generation.h"

static const char *
parse_client(const struct json_value *v, struct ipc_authorization *a)
{
	if (!parse_uuid(json_get(v, "id"), &a->client) ||
	    !parse_key(json_get(v, "public_key"), a->public_key) ||
	    !parse_key(json_get(v, "preshared_key"), a->preshared_key))
		return "client id or key missing";
	if (!parse_ip(json_get(v, "ipv4"), IP_V4, &a->client_v4) ||
	    !parse_ip(json_get(v, "ipv6"), IP_V6, &a->client_v6))
		return "client addresses missing";
	if (!ip_in_tunnel_range(&a->client_v4) ||
	    !ip_in_tunnel_range(&a->client_v6))
		return "client addresses out of range";
	return NULL;
}

static bool
parse_credentials(
    const struct json_value *v, char *username, char *password, size_t size)
{
	return json_copy(json_get(v, "username"), username, size) &&
	    json_copy(json_get(v, "password"), password, size) &&
	    username[0] != '\0' && password[0] != '\0';
}

static const char *
parse_resource(const struct json_value *v, struct ipc_authorization *a)
{
	char network[ENDPOINT_TEXT_MAX];

	if (!parse_uuid(json_get(v, "id"), &a->resource))
		return "resource id missing";
	a->type = (uint8_t)parse_resource_type(json_get(v, "type"));
	switch (a->type) {
	case RESOURCE_CIDR:
		if (!json_copy(
			json_get(v, "address"), network, sizeof(network)) ||
		    !prefix_parse(network, &a->network))
			return "resource has no network";
		break;
	case RESOURCE_DNS:
		if (!json_copy(json_get(v, "address"), a->pattern,
			sizeof(a->pattern)) ||
		    a->pattern[0] == '\0')
			return "resource has no pattern";
		break;
	case RESOURCE_INTERNET:
		return NULL; /* has no filters */
	default:
		return "resource of unknown type";
	}
	if (parse_filters(
		json_get(v, "filters"), a->filters, &a->filters_count) == -1)
		return "filters missing or too many";
	return NULL;
}

static const char *
parse_authorization(const struct json_value *p, struct ipc_authorization *a)
{
	const struct json_value *iceless = json_get(p, "use_iceless");
	const char *what;

	if ((what = parse_client(json_get(p, "client"), a)) != NULL ||
	    (what = parse_resource(json_get(p, "resource"), a)) != NULL)
		return what;
	if (!parse_credentials(json_get(p, "gateway_ice_credentials"),
		a->local_username, a->local_password,
		sizeof(a->local_username)) ||
	    !parse_credentials(json_get(p, "client_ice_credentials"),
		a->remote_username, a->remote_password,
		sizeof(a->remote_username)))
		return "ICE credentials missing";
	if (!parse_expiry(json_get(p, "expires_at"), true, &a->expires_at))
		return "expiry is no time";
	if (iceless != NULL && !json_is(iceless, JSON_BOOL))
		return "use_iceless is no boolean";
	a->use_iceless = iceless != NULL && iceless->truth;
	return NULL;
}

/*
 * Without a usable token its flows are not followed: firezone-policy(7), Flow
 * settings.
 */
static void
take_flow_token(struct incoming *in, const struct json_value *v,
    struct ipc_authorization *a)
{
	struct uuid authorization;

	if (json_is(v, JSON_STRING) &&
	    in->flow_token(in->ctx, v->text, v->len, &authorization))
		a->flow_authorization = authorization;
}

static enum incoming_result
pass_authorization(struct incoming *in, const struct push *push,
    const struct json_value *p, const struct json_value *relays,
    const char **what)
{
	struct ipc_authorization a = { 0 };
	char ref[REF_TEXT_MAX];
	const char *why = NULL;

	if (!in->has_interface)
		return incoming_drop(what, "no init has come yet");
	if (!json_copy(json_get(p, "ref"), ref, sizeof(ref)))
		return incoming_drop(what, "ref missing");
	if ((why = parse_authorization(p, &a)) == NULL &&
	    (a.serial = refs_keep(&in->refs, ref, push->reply)) == 0)
		why = "out of memory";
	if (why == NULL) {
		if (json_first(relays) != NULL)
			pass_relays(in, NULL, relays);
		take_flow_token(in, json_get(p, "flow_logs_ingest_token"), &a);
		in->to->authorization(in->ctx, &a);
	}
	explicit_bzero(&a, sizeof(a));
	return why == NULL ? INCOMING_DONE : incoming_drop(what, why);
}

enum incoming_result
handle_authorization(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	return pass_authorization(in, push, p, NULL, what);
}

enum incoming_result
handle_flow(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	return pass_authorization(in, push, p, json_get(p, "relays"), what);
}
