/* The host of a URL: see url_host.h. */
#include "control-worker/net/url_host.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int
say_host_wrong(const char **what, const char *why)
{
	*what = why;
	return -1;
}

static bool
has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool there = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return there;
}

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > '~')
			return false;
	return true;
}

static bool
is_host_text(const char *text)
{
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) &&
		    strchr("-._:", *text) == NULL)
			return false;
	return true;
}

/* No label is empty. */
static bool
is_host_name(const char *text)
{
	return text[0] != '.' && strstr(text, "..") == NULL &&
	    strchr(text, ':') == NULL;
}

/* Takes brackets and the last dot away. */
static int
copy_host(const char *from, struct url_host *to, const char **what)
{
	size_t len = strlen(from);
	bool brackets = len > 2 && from[0] == '[' && from[len - 1] == ']';
	char address[ENDPOINT_TEXT_MAX];

	if (brackets) {
		from++;
		len -= 2;
	} else if (len > 1 && from[len - 1] == '.') {
		to->absolute = true;
		len--;
	}
	if (len == 0 || len > URL_HOST_MAX)
		return say_host_wrong(what, "it has no usable host");
	for (size_t i = 0; i < len; i++)
		to->text[i] = (char)tolower((unsigned char)from[i]);
	if (!is_host_text(to->text))
		return say_host_wrong(what, "it has no usable host");
	if (!ip_parse(to->text, &to->literal))
		to->literal = (struct ip_address){ 0 };
	if (brackets != (to->literal.family == IP_V6) ||
	    (to->literal.family == IP_NONE && !is_host_name(to->text)))
		return say_host_wrong(what, "it has no usable host");
	/* An address can be written in more than one way. */
	if (to->literal.family != IP_NONE)
		strlcpy(to->text, ip_format(&to->literal, address),
		    sizeof(to->text));
	return 0;
}

int
url_host_parse(CURLU *u, struct url_host *to, const char **what)
{
	char *host = NULL;
	int r;

	*to = (struct url_host){ 0 };
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return say_host_wrong(what, "it has a user name or password");
	/* libcurl would ask for the interface, which takes a socket. */
	if (has_part(u, CURLUPART_ZONEID))
		return say_host_wrong(what, "its address has a zone");
	if (curl_url_get(u, CURLUPART_HOST, &host, CURLU_URLDECODE) !=
	    CURLUE_OK)
		return say_host_wrong(what, "it has no usable host");
	if (!is_ascii(host))
		r = say_host_wrong(what,
		    "its host has other letters than ASCII: write it as "
		    "\"xn--...\"");
	else
		r = copy_host(host, to, what);
	curl_free(host);
	return r;
}

const char *
url_host_format(const struct url_host *h, char *to, size_t size)
{
	bool brackets = h->literal.family == IP_V6;

	snprintf(to, size, "%s%s%s", brackets ? "[" : "", h->text,
	    brackets ? "]" : "");
	return to;
}

const char *
url_host_name(const struct url_host *h, char to[URL_HOST_MAX + 2])
{
	snprintf(to, URL_HOST_MAX + 2, "%s%s", h->text, h->absolute ? "." : "");
	return to;
}
