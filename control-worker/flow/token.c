/* The ingest token: see token.h. */
#include "control-worker/flow/token.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "common/buffer.h"
#include "control-worker/json/json.h"

#define VALUE_MAX 128 /* bytes of one claim in the log */

enum kind {
	TEXT,
	NUMBER,
	BOOLEAN,
};

/* Those with log set are told with each flow. */
static const struct claim {
	const char *name;
	enum kind kind;
	bool required, log;
} claims[] = {
	{ "account_id", TEXT, true, false },
	{ "iat", NUMBER, true, false },
	{ "exp", NUMBER, true, false },
	{ "uploads_enabled", BOOLEAN, true, false },
	{ "role", TEXT, true, true },
	{ "initiator_device_id", TEXT, true, true },
	{ "responder_device_id", TEXT, true, true },
	{ "policy_authorization_id", TEXT, true, true },
	{ "policy_id", TEXT, true, true },
	{ "resource_id", TEXT, true, true },
	{ "resource_name", TEXT, true, true },
	{ "resource_address", TEXT, false, true },
	{ "initiator_actor_id", TEXT, true, true },
	{ "initiator_actor_name", TEXT, true, true },
	{ "initiator_actor_email", TEXT, false, true },
	{ "initiator_auth_provider_id", TEXT, false, true },
	{ "initiator_client_version", TEXT, false, true },
	{ "initiator_device_os_name", TEXT, false, true },
	{ "initiator_device_os_version", TEXT, false, true },
	{ "initiator_device_serial", TEXT, false, true },
	{ "initiator_device_uuid", TEXT, false, true },
	{ "initiator_device_identifier_for_vendor", TEXT, false, true },
	{ "initiator_device_firebase_installation_id", TEXT, false, true },
	{ "authorized_at", TEXT, true, true },
	{ "authorization_expires_at", TEXT, true, true },
};

#define CLAIMS (sizeof(claims) / sizeof(*claims))

static const char *const role_names[] = {
	[FLOW_INITIATOR] = "initiator",
	[FLOW_RESPONDER] = "responder",
};

const char *
flow_role_name(enum flow_role role)
{
	return role_names[role];
}

/* One segment; false when it is empty or not base64url without padding. */
static bool
decode_segment(
    const char *text, size_t len, uint8_t *to, size_t size, size_t *got)
{
	return len > 0 &&
	    sodium_base642bin(to, size, text, len, NULL, got, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
	    *got > 0;
}

static struct json_document *
decode_json(const char *text, size_t len)
{
	uint8_t bytes[FLOW_TOKEN_MAX];
	struct json_document *d = NULL;
	size_t got;

	if (!decode_segment(text, len, bytes, sizeof(bytes), &got) ||
	    json_parse(&d, bytes, got) != JSON_OK)
		d = NULL;
	explicit_bzero(bytes, sizeof(bytes));
	return d;
}

static bool
is_kind(const struct json_value *v, enum kind kind)
{
	switch (kind) {
	case TEXT:
		return json_is(v, JSON_STRING);
	case NUMBER:
		return json_is(v, JSON_UNSIGNED);
	case BOOLEAN:
		return json_is(v, JSON_BOOL);
	}
	return false;
}

/* In quotes, when it is not a plain word. */
static size_t
quote_claim(const char *from, size_t len, char to[2 * VALUE_MAX + 3])
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789-_.:/@+*";
	bool quotes = len == 0 || strspn(from, plain) < len;
	size_t n = 0;

	if (len > VALUE_MAX)
		len = VALUE_MAX;
	if (quotes)
		to[n++] = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)from[i];

		if (c == '"' || c == '\\')
			to[n++] = '\\';
		to[n++] = c < 0x20 || c == 0x7f ? '?' : from[i];
	}
	if (quotes)
		to[n++] = '"';
	to[n] = '\0';
	return n;
}

/* As many claims as there is room for, and none of them in part. */
static void
attribute_claims(struct flow_token *t, const struct json_value *payload)
{
	char value[2 * VALUE_MAX + 3];
	size_t at = 0;

	for (size_t i = 0; i < CLAIMS; i++) {
		const struct json_value *v = json_get(payload, claims[i].name);
		size_t len;

		if (!claims[i].log || !json_is(v, JSON_STRING))
			continue;
		len = quote_claim(v->text, v->len, value);
		if (at + strlen(claims[i].name) + len + 3 >
		    sizeof(t->attribution))
			return;
		at += (size_t)snprintf(t->attribution + at,
		    sizeof(t->attribution) - at, "%s%s=%s", at > 0 ? " " : "",
		    claims[i].name, value);
	}
}

/* It becomes a part of a path, so it has to be of one form only. */
static bool
parse_authorization_id(const struct json_value *v, struct uuid *u)
{
	char text[UUID_TEXT_LEN + 1];

	return json_copy(v, text, sizeof(text)) && v->len == UUID_TEXT_LEN &&
	    uuid_parse(text, u);
}

/* "2026-02-01T00:00:00", and then whatever; 0 for anything else. */
static uint64_t
parse_time(const struct json_value *v)
{
	struct tm tm = { 0 };
	time_t t;

	if (sscanf(v->text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
		&tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = timegm(&tm);
	return t > 0 ? (uint64_t)t : 0;
}

static bool
parse_role(const struct json_value *v, enum flow_role *role)
{
	for (*role = FLOW_INITIATOR; *role <= FLOW_RESPONDER; ++*role)
		if (json_is_text(v, role_names[*role]))
			return true;
	return false;
}

static uint64_t
hash_client(const struct json_value *v)
{
	uint8_t hash[crypto_generichash_BYTES_MIN];

	crypto_generichash(
	    hash, sizeof(hash), (const uint8_t *)v->text, v->len, NULL, 0);
	return load_be64(hash);
}

static bool
parse_payload(const struct json_value *payload, struct flow_token *t)
{
	for (size_t i = 0; i < CLAIMS; i++) {
		const struct json_value *v = json_get(payload, claims[i].name);

		if (json_is_nothing(v) ? claims[i].required
				       : !is_kind(v, claims[i].kind))
			return false;
	}
	if (!parse_role(json_get(payload, "role"), &t->role) ||
	    !parse_authorization_id(
		json_get(payload, "policy_authorization_id"),
		&t->authorization))
		return false;
	t->client = hash_client(json_get(payload, "initiator_device_id"));
	t->uploads_enabled = json_get(payload, "uploads_enabled")->truth;
	t->expires_at = json_get(payload, "exp")->number;
	t->valid_until =
	    parse_time(json_get(payload, "authorization_expires_at"));
	if (t->valid_until == 0 || t->valid_until > t->expires_at)
		t->valid_until = t->expires_at;
	attribute_claims(t, payload);
	return true;
}

static bool
has_header(const char *text, size_t len)
{
	struct json_document *d = decode_json(text, len);
	bool good =
	    d != NULL && json_is_text(json_get(json_root(d), "alg"), "HS256");

	json_free(d);
	return good;
}

static bool
has_signature(const char *text, size_t len)
{
	uint8_t bytes[512];
	size_t got;

	return decode_segment(text, len, bytes, sizeof(bytes), &got);
}

bool
flow_token_parse(const char *jwt, size_t len, struct flow_token *t)
{
	const char *first, *second, *end = jwt + len;
	struct json_document *d;
	bool good;

	*t = (struct flow_token){ 0 };
	if (len > FLOW_TOKEN_MAX || (first = memchr(jwt, '.', len)) == NULL ||
	    (second = memchr(first + 1, '.', (size_t)(end - first - 1))) ==
		NULL ||
	    !has_header(jwt, (size_t)(first - jwt)) ||
	    !has_signature(second + 1, (size_t)(end - second - 1)) ||
	    (d = decode_json(first + 1, (size_t)(second - first - 1))) == NULL)
		return false;
	good = parse_payload(json_root(d), t);
	json_free(d);
	return good;
}
