/* JSON of control packets: see peer_event.h. */
#include "control-worker/dns_resources/peer_event.h"

#include "control-worker/json/json.h"
#include "control-worker/json/write.h"

bool
assigned_ips_parse(const void *payload, size_t len, struct assigned_ips *to)
{
	struct json_document *document = NULL;
	struct name_proxies *n = &to->names;
	const struct json_value *root;
	bool good = false;

	if (json_parse(&document, payload, len) == JSON_OK) {
		root = json_root(document);
		good = json_copy(json_get(root, "resource"), to->resource_text,
			   sizeof(to->resource_text)) &&
		    uuid_parse(to->resource_text, &n->resource) &&
		    json_copy(json_get(root, "domain"), n->domain,
			sizeof(n->domain)) &&
		    n->domain[0] != '\0' &&
		    json_copy_addresses(json_get(root, "proxy_ips"), n->proxies,
			PROXIES_MAX, &n->proxy_count);
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
	json_put_text(&w, a->names.domain);
	json_put_name(&w, "status");
	json_put_text(&w, active ? "Active" : "Inactive");
	json_put_object_end(&w);
	return json_write_end(&w);
}
