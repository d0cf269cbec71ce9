/* Authorizations of the portal: see messages.h. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/authorization.h"
#include "common/plan.h"
#include "control-worker/portal/generation.h"

static const char *
parse_addresses(const struct json_value *v4, const struct json_value *v6,
    struct ipc_authorization *a)
{
	if (!parse_ip(v4, IP_V4, &a->client_v4) ||
	    !parse_ip(v6, IP_V6, &a->client_v6))
		return "client addresses missing";
	if (!ip_in_tunnel_range(&a->client_v4) ||
	    !ip_in_tunnel_range(&a->client_v6))
		return "client addresses out of range";
	return NULL;
}

static const char *
parse_client(const struct json_value *id, const struct json_value *v,
    struct ipc_authorization *a)
{
	if (!parse_uuid(id, &a->client) ||
	    !parse_key(json_get(v, "public_key"), a->public_key) ||
	    !parse_key(json_get(v, "preshared_key"), a->preshared_key))
		return "client id or key missing";
	return parse_addresses(json_get(v, "ipv4"), json_get(v, "ipv6"), a);
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
	const struct json_value *client = json_get(p, "client");
	const char *what;

	if ((what = parse_client(json_get(client, "id"), client, a)) != NULL ||
	    (what = parse_resource(json_get(p, "resource"), a)) != NULL)
		return what;
	if (!parse_credentials(json_get(p, "gateway_ice_credentials"),
		a->local_username, a->local_password,
		sizeof(a->local_username)) ||
	    !parse_credentials(json_get(p, "client_ice_credentials"),
		a->remote_username, a->remote_password,
		sizeof(a->remote_username)))
		return "ICE credentials missing";
	if (!parse_expiry(json_get(p, "expires_at"), &a->expires_at))
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

/* The end of every authorization, be it read or not; why not. */
static enum incoming_result
pass_authorization(struct incoming *in, const struct json_value *p,
    struct ipc_authorization *a, const struct ref *ref, const char *why,
    const char **what)
{
	if (why == NULL && (a->serial = refs_keep(&in->refs, ref)) == 0)
		why = "out of memory";
	if (why == NULL && a->kind == AUTHORIZATION_UPSERT)
		refs_supersede(&in->refs, &a->client);
	if (why == NULL) {
		take_flow_token(in, json_get(p, "flow_logs_ingest_token"), a);
		describe_client(in, &a->client, p);
		describe_resource(in, &a->resource, json_get(p, "resource"));
		in->to->authorization(in->ctx, a);
	}
	explicit_bzero(a, sizeof(*a));
	return why == NULL ? INCOMING_DONE : incoming_drop(what, why);
}

/* What all of them begin with; NULL: there is nothing wrong with it. */
static const char *
begin_authorization(const struct incoming *in, const struct push *push,
    const struct json_value *p, char text[REF_TEXT_MAX], struct ref *ref)
{
	*ref = (struct ref){ .text = text, .reply = push->reply };
	if (!in->has_interface)
		return "no init has come yet";
	if (!json_copy(json_get(p, "ref"), text, REF_TEXT_MAX))
		return "ref missing";
	return NULL;
}

static enum incoming_result
read_authorization(struct incoming *in, const struct push *push,
    const struct json_value *p, const struct json_value *relays,
    const char **what)
{
	struct ipc_authorization a = { .kind = AUTHORIZATION_UPSERT };
	char text[REF_TEXT_MAX];
	struct ref ref;
	const char *why = begin_authorization(in, push, p, text, &ref);

	if (why == NULL)
		why = parse_authorization(p, &a);
	/* Their credentials may be others each time, and those of init work. */
	if (why == NULL && json_first(relays) != NULL)
		pass_relays(in, NULL, relays, true);
	return pass_authorization(in, p, &a, &ref, why, what);
}

enum incoming_result
handle_authorization(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	return read_authorization(in, push, p, NULL, what);
}

enum incoming_result
handle_flow(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	return read_authorization(in, push, p, json_get(p, "relays"), what);
}

/* From the alphabet of ICE (RFC 8839 5.4), each letter as likely as others. */
static void
make_letters(char *to, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789+/";

	_Static_assert(sizeof(letters) == 64 + 1, "six bits each");
	randombytes_buf(to, len);
	for (size_t i = 0; i < len; i++)
		to[i] = letters[(uint8_t)to[i] & 63];
	to[len] = '\0';
}

/* The name that the client has assigned proxies to, if any. */
static const char *
parse_names(const struct json_value *v, const struct ipc_authorization *a,
    struct ref *ref)
{
	struct name_proxies *n;

	if (json_is_nothing(v))
		return NULL;
	if ((n = calloc(1, sizeof(*n))) == NULL)
		return "out of memory";
	n->client = a->client;
	n->resource = a->resource;
	if (!json_copy(json_get(v, "name"), n->domain, sizeof(n->domain)) ||
	    n->domain[0] == '\0' ||
	    !json_copy_addresses(json_get(v, "proxy_ips"), n->proxies,
		PROXIES_MAX, &n->proxy_count)) {
		free(n);
		return "its name or proxies are missing";
	}
	ref->names = n;
	return NULL;
}

static const char *
parse_keepalive(const struct json_value *v, struct ipc_authorization *a)
{
	if (json_is_nothing(v))
		return NULL;
	if (!json_is(v, JSON_UNSIGNED) || v->number > UINT16_MAX)
		return "persistent_keepalive is no number of seconds";
	a->keepalive = (uint16_t)v->number;
	return NULL;
}

static const char *
parse_request(
    const struct json_value *p, struct ipc_authorization *a, struct ref *ref)
{
	const struct json_value *client = json_get(p, "client");
	const struct json_value *peer = json_get(client, "peer");
	const struct json_value *theirs = json_get(client, "payload");
	const char *what;

	if ((what = parse_client(json_get(client, "id"), peer, a)) != NULL ||
	    (what = parse_resource(json_get(p, "resource"), a)) != NULL ||
	    (what = parse_keepalive(
		 json_get(peer, "persistent_keepalive"), a)) != NULL)
		return what;
	if (!parse_credentials(json_get(theirs, "ice_parameters"),
		a->remote_username, a->remote_password,
		sizeof(a->remote_username)))
		return "ICE credentials missing";
	if (!parse_expiry(json_get(p, "expires_at"), &a->expires_at))
		return "expiry is no time";
	ref->connects = true;
	ref->client = a->client;
	make_letters(ref->username, OUR_USERNAME_LEN);
	make_letters(ref->password, OUR_PASSWORD_LEN);
	strlcpy(a->local_username, ref->username, sizeof(a->local_username));
	strlcpy(a->local_password, ref->password, sizeof(a->local_password));
	return parse_names(json_get(theirs, "domain"), a, ref);
}

/* firezone-portal(7), Two-step authorization. */
enum incoming_result
handle_request_connection(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	struct ipc_authorization a = { .kind = AUTHORIZATION_CONNECTION };
	char text[REF_TEXT_MAX];
	struct ref ref;
	const char *why = begin_authorization(in, push, p, text, &ref);
	enum incoming_result r;

	if (why == NULL)
		why = parse_request(p, &a, &ref);
	r = pass_authorization(in, p, &a, &ref, why, what);
	explicit_bzero(&ref, sizeof(ref));
	return r;
}

static const char *
parse_access(
    const struct json_value *p, struct ipc_authorization *a, struct ref *ref)
{
	const char *what;

	if (!parse_uuid(json_get(p, "client_id"), &a->client))
		return "client id missing";
	if ((what = parse_addresses(json_get(p, "client_ipv4"),
		 json_get(p, "client_ipv6"), a)) != NULL ||
	    (what = parse_resource(json_get(p, "resource"), a)) != NULL)
		return what;
	if (!parse_expiry(json_get(p, "expires_at"), &a->expires_at))
		return "expiry is no time";
	return parse_names(json_get(p, "payload"), a, ref);
}

enum incoming_result
handle_allow_access(struct incoming *in, const struct push *push,
    const struct json_value *p, const char **what)
{
	struct ipc_authorization a = { .kind = AUTHORIZATION_ACCESS };
	char text[REF_TEXT_MAX];
	struct ref ref;
	const char *why = begin_authorization(in, push, p, text, &ref);

	if (why == NULL)
		why = parse_access(p, &a, &ref);
	return pass_authorization(in, p, &a, &ref, why, what);
}
