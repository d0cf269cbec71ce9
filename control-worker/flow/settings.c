/* Settings as JSON: see settings.h. */
#include "control-worker/flow/settings.h"

#include <stdlib.h>
#include <string.h>

#include "control-worker/json/json.h"
#include "control-worker/json/write.h"

static bool
parse_settings(const struct json_value *v, const char *interval,
    const char *batch, struct flow_settings *s)
{
	const struct json_value *i = json_get(v, interval);
	const struct json_value *b = json_get(v, batch);

	*s = (struct flow_settings){ 0 };
	if (!json_is(i, JSON_UNSIGNED) || i->number == 0 ||
	    (!json_is_nothing(b) && !json_is(b, JSON_UNSIGNED)) ||
	    !json_copy(
		json_get(v, "api_url"), s->api_url, sizeof(s->api_url)) ||
	    s->api_url[0] == '\0') {
		s->api_url[0] = '\0';
		return false;
	}
	s->interval_s =
	    (uint32_t)(i->number < FLOW_INTERVAL_MAX ? i->number
						     : FLOW_INTERVAL_MAX);
	s->batch_size = FLOW_BATCH_DEFAULT;
	if (json_is(b, JSON_UNSIGNED) && b->number != 0)
		s->batch_size =
		    (uint32_t)(b->number < FLOW_BATCH_MAX ? b->number
							  : FLOW_BATCH_MAX);
	return true;
}

void
flow_settings_parse(const struct json_value *v, struct flow_settings *s)
{
	(void)parse_settings(v, "upload_interval_secs", "upload_batch_size", s);
}

bool
flow_settings_read(const char *text, size_t len, struct flow_settings *s)
{
	struct json_document *d;
	bool good;

	*s = (struct flow_settings){ 0 };
	if (json_parse(&d, text, len) != JSON_OK)
		return false;
	good = parse_settings(json_root(d), "interval", "batch_size", s);
	json_free(d);
	return good;
}

size_t
flow_settings_format(
    const struct flow_settings *s, char to[FLOW_SETTINGS_TEXT_MAX])
{
	struct json_writer w;
	size_t len = 0;
	char *text;

	json_write_begin(&w);
	json_put_object(&w);
	json_put_name(&w, "api_url");
	json_put_text(&w, s->api_url);
	json_put_name(&w, "batch_size");
	json_put_unsigned(&w, s->batch_size);
	json_put_name(&w, "interval");
	json_put_unsigned(&w, s->interval_s);
	json_put_object_end(&w);
	if ((text = json_write_end(&w)) != NULL &&
	    strlen(text) <= FLOW_SETTINGS_TEXT_MAX) {
		len = strlen(text);
		memcpy(to, text, len);
	}
	free(text);
	return len;
}
