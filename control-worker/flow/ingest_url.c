/* Where reports go: see ingest_url.h. */
#include "control-worker/flow/ingest_url.h"

#include <ctype.h>
#include <string.h>

#include <curl/curl.h>

#define INGEST_PATH "/ingestion/flow_logs"

static int
wrong(const char **what, const char *why)
{
	*what = why;
	return -1;
}

static bool
is_plain(const char *text)
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

static bool
has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool there = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return there;
}

/* Without the brackets of an IPv6 address. */
static bool
copy_host(CURLU *u, struct ingest_url *to)
{
	char *text = NULL;
	const char *from;
	size_t len;
	bool good;

	if (curl_url_get(u, CURLUPART_HOST, &text, 0) != CURLUE_OK)
		return false;
	from = text;
	len = strlen(text);
	if (len > 2 && from[0] == '[' && from[len - 1] == ']') {
		from++;
		len -= 2;
	}
	good = len > 0 && len <= INGEST_HOST_MAX;
	for (size_t i = 0; good && i < len; i++) {
		to->host[i] = (char)tolower((unsigned char)from[i]);
		good = isalnum((unsigned char)from[i]) ||
		    strchr("-._:", from[i]) != NULL;
	}
	curl_free(text);
	if (!good)
		return false;
	to->host[len] = '\0';
	if (!ip_parse(to->host, &to->literal))
		to->literal = (struct ip_address){ 0 };
	/* A colon is part of an address or of nothing. */
	return to->literal.family != IP_NONE || strchr(to->host, ':') == NULL;
}

static int
finish(CURLU *u, struct ingest_url *to, const char **what)
{
	char *text = NULL;
	size_t len;

	*to = (struct ingest_url){ 0 };
	if (!part_is(u, CURLUPART_SCHEME, 0, "https"))
		return wrong(what, "it is not https");
	if (!part_is(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, "443"))
		return wrong(what, "its port is not 443");
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return wrong(what, "it has credentials");
	/* libcurl would ask for the interface, which takes a socket. */
	if (has_part(u, CURLUPART_ZONEID))
		return wrong(what, "its address has a zone");
	if (!copy_host(u, to))
		return wrong(what, "it has no usable host");
	if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return wrong(what, "it is no URL");
	len = strlen(text);
	if (len < sizeof(to->text))
		memcpy(to->text, text, len + 1);
	curl_free(text);
	return len < sizeof(to->text) ? 0 : wrong(what, "it is too long");
}

int
ingest_url_parse(const char *api_url, struct ingest_url *to, const char **what)
{
	CURLU *u;
	int r;

	if (!is_plain(api_url))
		return wrong(what, "it is no URL");
	if ((u = curl_url()) == NULL)
		return wrong(what, "out of memory");
	if (curl_url_set(u, CURLUPART_URL, api_url, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_PATH, INGEST_PATH, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_QUERY, NULL, 0) != CURLUE_OK)
		r = wrong(what, "it is no URL");
	else
		r = finish(u, to, what);
	curl_url_cleanup(u);
	return r;
}

int
ingest_url_redirect(const struct ingest_url *from, const char *location,
    struct ingest_url *to, const char **what)
{
	CURLU *u;
	int r;

	if (location[0] == '\0' || !is_plain(location))
		return wrong(what, "it is no URL");
	if ((u = curl_url()) == NULL)
		return wrong(what, "out of memory");
	if (curl_url_set(u, CURLUPART_URL, from->text, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_URL, location, 0) != CURLUE_OK)
		r = wrong(what, "it is no URL");
	else
		r = finish(u, to, what);
	curl_url_cleanup(u);
	return r;
}
