/*
 * What a client says about a name: any bytes of a control packet. What is read
 * from it can be told back, and is read the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "control-worker/dns_resources/peer_event.h"
#include "control-worker/json/json.h"
#include "tests/fuzz/fuzz.h"

static void
check_status(const struct assigned_ips *ips, bool active)
{
	struct json_document *document = NULL;
	char *text = domain_status(ips, active);
	const struct json_value *root;

	if (text == NULL)
		return; /* not UTF-8 */
	must(json_parse(&document, text, strlen(text)) == JSON_OK);
	root = json_root(document);
	must(json_is_text(json_get(root, "resource"), ips->resource_text));
	must(json_is_text(json_get(root, "domain"), ips->names.domain));
	must(json_is_text(
	    json_get(root, "status"), active ? "Active" : "Inactive"));
	json_free(document);
	free(text);
}

void
fuzz_one(struct cursor *in)
{
	static struct assigned_ips ips;

	if (!assigned_ips_parse(in->at, in->left, &ips))
		return;
	must(ips.names.proxy_count <= PROXIES_MAX);
	must(ips.names.domain[0] != '\0');
	must(strnlen(ips.names.domain, sizeof(ips.names.domain)) <=
	    DOMAIN_TEXT_MAX);
	for (size_t i = 0; i < ips.names.proxy_count; i++)
		must(ips.names.proxies[i].family == IP_V4 ||
		    ips.names.proxies[i].family == IP_V6);
	check_status(&ips, true);
	check_status(&ips, false);
}
