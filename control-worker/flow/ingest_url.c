/* Where reports go: see ingest_url.h. */
#include "control-worker/flow/ingest_url.h"

#include <string.h>

#include <curl/curl.h>

#define INGEST_PATH "/ingestion/flow_logs"

static int
say_ingest_url_wrong(const char **what, const char *why)
{
	*what = why;
	return -1;
}

static bool
is_plain_url(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool
part_is(CURLU *u, CURLUPart part, unsigned flags, const char *wanted)
{
	char *text = NULL;
	bool same = curl_url_get(u, part, &text, flags) == CURLUE_OK &&
	    strcmp(text, wanted) == 0;

	curl_free(text);
	return same;
}

static int
finish_url(CURLU *u, struct ingest_url *to, const char **what)
{
	char *text = NULL, host[URL_HOST_MAX + 3];
	size_t len;

	*to = (struct ingest_url){ 0 };
	if (!part_is(u, CURLUPART_SCHEME, 0, "https"))
		return say_ingest_url_wrong(what, "it is not https");
	if (!part_is(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, "443"))
		return say_ingest_url_wrong(what, "its port is not 443");
	if (url_host_parse(u, &to->host, what) != 0)
		return -1;
	/* What is looked up is what libcurl is told the address of. */
	url_host_format(&to->host, host, sizeof(host));
	if (curl_url_set(u, CURLUPART_HOST, host, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return say_ingest_url_wrong(what, "it is no URL");
	len = strlen(text);
	if (len < sizeof(to->text))
		memcpy(to->text, text, len + 1);
	curl_free(text);
	return len < sizeof(to->text)
	    ? 0
	    : say_ingest_url_wrong(what, "it is too long");
}

int
ingest_url_parse(const char *api_url, struct ingest_url *to, const char **what)
{
	CURLU *u;
	int r;

	if (!is_plain_url(api_url))
		return say_ingest_url_wrong(
		    what, "it has blanks or letters beyond ASCII");
	if ((u = curl_url()) == NULL)
		return say_ingest_url_wrong(what, "out of memory");
	if (curl_url_set(u, CURLUPART_URL, api_url, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_PATH, INGEST_PATH, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_QUERY, NULL, 0) != CURLUE_OK)
		r = say_ingest_url_wrong(what, "it is no URL");
	else
		r = finish_url(u, to, what);
	curl_url_cleanup(u);
	return r;
}

int
ingest_url_redirect(const struct ingest_url *from, const char *location,
    struct ingest_url *to, const char **what)
{
	CURLU *u;
	int r;

	if (location[0] == '\0' || !is_plain_url(location))
		return say_ingest_url_wrong(what, "it is no URL");
	if ((u = curl_url()) == NULL)
		return say_ingest_url_wrong(what, "out of memory");
	if (curl_url_set(u, CURLUPART_URL, from->text, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_URL, location, 0) != CURLUE_OK)
		r = say_ingest_url_wrong(what, "it is no URL");
	else
		r = finish_url(u, to, what);
	curl_url_cleanup(u);
	return r;
}
