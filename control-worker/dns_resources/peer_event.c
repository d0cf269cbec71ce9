/* JSON of control packets: see peer_event.h. */
#include "control-worker/dns_resources/peer_event.h"

#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "control-worker/json/json.h"

static bool
parse_proxies(const struct json_value *list, struct assigned_ips *to)
{
	const struct json_value *v;
	char text[ENDPOINT_TEXT_MAX];

	if (!json_is(list, JSON_ARRAY) || json_count(list) > PROXIES_MAX)
		return false;
	for (v = json_first(list); v != NULL; v = json_next(list, v))
		if (!json_copy(v, text, sizeof(text)) ||
		    !ip_parse(text, &to->proxies[to->proxy_count++]))
			return false;
	return true;
}

bool
assigned_ips_parse(const void *payload, size_t len, struct assigned_ips *to)
{
	struct json_document *document = NULL;
	const struct json_value *root;
	bool good = false;

	to->proxy_count = 0;
	if (json_parse(&document, payload, len) == JSON_OK) {
		root = json_root(document);
		good = json_copy(json_get(root, "resource"), to->resource_text,
			   sizeof(to->resource_text)) &&
		    uuid_parse(to->resource_text, &to->resource) &&
		    json_copy(json_get(root, "domain"), to->domain,
			sizeof(to->domain)) &&
		    to->domain[0] != '\0' &&
		    parse_proxies(json_get(root, "proxy_ips"), to);
	}
	json_free(document);
	return good;
}

static bool
put(yajl_gen g, const char *text)
{
	return yajl_gen_string(g, (const unsigned char *)text, strlen(text)) ==
	    yajl_gen_status_ok;
}

static bool
write_status(yajl_gen g, const struct assigned_ips *a, bool active)
{
	return yajl_gen_map_open(g) == yajl_gen_status_ok &&
	    put(g, "resource") && put(g, a->resource_text) &&
	    put(g, "domain") && put(g, a->domain) && put(g, "status") &&
	    put(g, active ? "Active" : "Inactive") &&
	    yajl_gen_map_close(g) == yajl_gen_status_ok;
}

char *
domain_status(const struct assigned_ips *a, bool active)
{
	yajl_gen g = yajl_gen_alloc(NULL);
	const unsigned char *text;
	size_t len;
	char *copy = NULL;

	if (g == NULL)
		return NULL;
	yajl_gen_config(g, yajl_gen_validate_utf8, 1);
	if (write_status(g, a, active) &&
	    yajl_gen_get_buf(g, &text, &len) == yajl_gen_status_ok)
		copy = strndup((const char *)text, len);
	yajl_gen_free(g);
	return copy;
}
