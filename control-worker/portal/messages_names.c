/*
 * Who clients are and what resources are called: see messages.h. What an old
 * portal does not tell, or tells in another form, is not known.
 */
#include "control-worker/portal/messages.h"

static struct told_text
text_of_member(const struct json_value *v)
{
	if (!json_is(v, JSON_STRING))
		return (struct told_text){ 0 };
	return (struct told_text){ v->text, v->len };
}

void
describe_client(const struct incoming *in, const struct uuid *client,
    const struct json_value *payload)
{
	const struct json_value *device = json_get(payload, "client");
	const struct json_value *subject = json_get(payload, "subject");
	/* For a few weeks of 2025 it had another name. */
	const struct json_value *name = json_get(subject,
	    json_get(subject, "actor_name") != NULL ? "actor_name"
						    : "identity_name");
	const struct client_description d = {
		.client = *client,
		.actor = text_of_member(name),
		.email = text_of_member(json_get(subject, "actor_email")),
		.system = text_of_member(json_get(device, "device_os_name")),
		.system_version =
		    text_of_member(json_get(device, "device_os_version")),
		.serial = text_of_member(json_get(device, "device_serial")),
		.city = text_of_member(json_get(subject, "ip_city")),
	};

	if (in->described.client != NULL)
		in->described.client(in->ctx, &d);
}

void
describe_resource(const struct incoming *in, const struct uuid *resource,
    const struct json_value *v)
{
	const struct resource_description d = {
		.resource = *resource,
		.name = text_of_member(json_get(v, "name")),
	};

	if (in->described.resource != NULL)
		in->described.resource(in->ctx, &d);
}
