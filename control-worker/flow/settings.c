/* Settings as JSON: see settings.h. */
#include "control-worker/flow/settings.h"

#include <string.h>

#include <yajl/yajl_gen.h>

#include "control-worker/json/json.h"

static bool
parse(const struct json_value *v, const char *interval, const char *batch,
    struct flow_settings *s)
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
	(void)parse(v, "upload_interval_secs", "upload_batch_size", s);
}

bool
flow_settings_read(const char *text, size_t len, struct flow_settings *s)
{
	struct json_document *d;
	bool good;

	*s = (struct flow_settings){ 0 };
	if (json_parse(&d, text, len) != JSON_OK)
		return false;
	good = parse(json_root(d), "interval", "batch_size", s);
	json_free(d);
	return good;
}

static void
put_text(yajl_gen g, const char *text)
{
	(void)yajl_gen_string(g, (const unsigned char *)text, strlen(text));
}

size_t
flow_settings_format(
    const struct flow_settings *s, char to[FLOW_SETTINGS_TEXT_MAX])
{
	yajl_gen g = yajl_gen_alloc(NULL);
	const unsigned char *text;
	size_t len = 0;

	if (g == NULL)
		return 0;
	yajl_gen_map_open(g);
	put_text(g, "api_url");
	put_text(g, s->api_url);
	put_text(g, "batch_size");
	yajl_gen_integer(g, s->batch_size);
	put_text(g, "interval");
	yajl_gen_integer(g, s->interval_s);
	yajl_gen_map_close(g);
	if (yajl_gen_get_buf(g, &text, &len) != yajl_gen_status_ok ||
	    len > FLOW_SETTINGS_TEXT_MAX)
		len = 0;
	if (len > 0)
		memcpy(to, text, len);
	yajl_gen_free(g);
	return len;
}
