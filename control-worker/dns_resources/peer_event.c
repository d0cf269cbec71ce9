/* JSON of control packets: see peer_event.h. */
#include "control-worker/dns_resources/peer_event.h"

#include "control-worker/json/json.h"
#include "control-worker/json/write.h"

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

char *
domain_status(const struct assigned_ips *a, bool active)
{
	struct json_writer w;

	json_write_begin(&w);
	json_put_object(&w);
	json_put_name(&w, "resource");
	json_put_text(&w, a->resource_text);
	json_put_name(&w, "domain");
	json_put_text(&w, a->domain);
	json_put_name(&w, "status");
	json_put_text(&w, active ? "Active" : "Inactive");
	json_put_object_end(&w);
	return json_write_end(&w);
}
