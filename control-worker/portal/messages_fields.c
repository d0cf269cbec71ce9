/* The values that the portal's messages are made of: see messages.h. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "control-worker/portal/messages.h"

#define KEY_LEN        32
#define KEY_BASE64_LEN 44

enum incoming_result
incoming_drop(const char **what, const char *why)
{
	*what = why;
	return INCOMING_DROPPED;
}

bool
parse_key(const struct json_value *v, uint8_t key[KEY_LEN])
{
	size_t len = 0;

	return json_is(v, JSON_STRING) && v->len == KEY_BASE64_LEN &&
	    sodium_base642bin(key, KEY_LEN, v->text, v->len, NULL, &len, NULL,
		sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    len == KEY_LEN;
}

bool
parse_uuid(const struct json_value *v, struct uuid *u)
{
	char text[UUID_TEXT_LEN + 16];

	return json_copy(v, text, sizeof(text)) && uuid_parse(text, u);
}

bool
parse_ip(
    const struct json_value *v, enum ip_family family, struct ip_address *ip)
{
	char text[ENDPOINT_TEXT_MAX];

	return json_copy(v, text, sizeof(text)) && ip_parse(text, ip) &&
	    ip->family == family;
}

bool
parse_expiry(const struct json_value *v, uint64_t *at)
{
	*at = 0;
	if (json_is_nothing(v))
		return true;
	if (!json_is(v, JSON_UNSIGNED))
		return false;
	/* The first second of 1970 is long past, not never. */
	*at = v->number == 0 ? 1 : v->number;
	return true;
}

enum resource_type
parse_resource_type(const struct json_value *v)
{
	if (json_is_text(v, "cidr"))
		return RESOURCE_CIDR;
	if (json_is_text(v, "dns"))
		return RESOURCE_DNS;
	if (json_is_text(v, "internet"))
		return RESOURCE_INTERNET;
	return 0;
}

/* A port that is given must be one; what is absent has a default. */
static bool
parse_filter_port(const struct json_value *v, uint16_t absent, uint16_t *port)
{
	*port = absent;
	if (v == NULL)
		return true;
	if (!json_is(v, JSON_UNSIGNED) || v->number > UINT16_MAX)
		return false;
	*port = (uint16_t)v->number;
	return true;
}

/* False for a rule that is not understood or that permits nothing. */
static bool
parse_filter(const struct json_value *v, struct filter *f)
{
	const struct json_value *protocol = json_get(v, "protocol");

	*f = (struct filter){ 0 };
	if (json_is_text(protocol, "icmp")) {
		f->protocol = FILTER_ICMP;
		f->last = UINT16_MAX;
		return true;
	}
	if (json_is_text(protocol, "tcp"))
		f->protocol = FILTER_TCP;
	else if (json_is_text(protocol, "udp"))
		f->protocol = FILTER_UDP;
	else
		return false;
	return parse_filter_port(
		   json_get(v, "port_range_start"), 0, &f->first) &&
	    parse_filter_port(
		json_get(v, "port_range_end"), UINT16_MAX, &f->last) &&
	    f->first <= f->last;
}

int
parse_filters(const struct json_value *v, struct filter filters[FILTERS_MAX],
    uint16_t *count)
{
	const struct json_value *child;

	*count = 0;
	if (!json_is(v, JSON_ARRAY))
		return -1;
	for (child = json_first(v); child != NULL;
	     child = json_next(v, child)) {
		if (*count == FILTERS_MAX)
			return -1;
		if (parse_filter(child, &filters[*count]))
			(*count)++;
	}
	/* An empty list permits everything; this one never was empty. */
	if (*count == 0 && json_first(v) != NULL)
		filters[(*count)++] = (struct filter){ FILTER_TCP, 1, 0 };
	return 0;
}

bool
candidate_is_valid(const char *line)
{
	static const char prefix[] = "candidate:";
	const char *at = line;
	char *end;

	if (strncmp(line, prefix, sizeof(prefix) - 1) != 0)
		return false;
	/* Foundation, component, transport; then the priority. */
	for (int i = 0; i < 3; i++) {
		if ((at = strchr(at, ' ')) == NULL)
			return false;
		at++;
	}
	if (*at < '0' || *at > '9')
		return false;
	strtoul(at, &end, 10);
	return *end == ' ' || *end == '\0';
}
