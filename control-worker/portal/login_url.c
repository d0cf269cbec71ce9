/* The login URL: see login_url.h. */
#include "control-worker/portal/login_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "common/buffer.h"
#include "common/uuid.h"
#include "control-worker/portal/generation.h"

/* Where the URL names none, for plaintext too: firezone-portal(7), URL. */
#define DEFAULT_PORT 443

#define PUBLIC_KEY_LEN    32
#define PUBLIC_KEY_BASE64 45 /* with terminator */

static int
parse_scheme(CURLU *u, struct login_url *login, const char **what)
{
	char *scheme = NULL;
	int r = 0;

	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    scheme == NULL) {
		*what = "it has no scheme";
		return -1;
	}
	if (strcmp(scheme, "wss") == 0 || strcmp(scheme, "https") == 0)
		login->tls = true;
	else if (strcmp(scheme, "ws") == 0 || strcmp(scheme, "http") == 0)
		login->tls = false;
	else {
		*what = "its scheme is none of wss, https, ws and http";
		r = -1;
	}
	curl_free(scheme);
	return r;
}

static int
parse_port(CURLU *u, struct login_url *login, const char **what)
{
	char *text = NULL;
	long port;

	login->port = DEFAULT_PORT;
	if (curl_url_get(u, CURLUPART_PORT, &text, 0) != CURLUE_OK)
		return 0;
	port = strtol(text, NULL, 10);
	curl_free(text);
	if (port < 1 || port > UINT16_MAX) {
		*what = "its port is out of range";
		return -1;
	}
	login->port = (uint16_t)port;
	return 0;
}

static int
parse_path(CURLU *u, struct login_url *login, const char **what)
{
	char *path = NULL;
	size_t len;
	int r = -1;

	*what = "its path is not usable";
	if (curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		return -1;
	len = strlen(path);
	if (len > 0 && path[len - 1] == '/')
		len--;
	if (len > LOGIN_PATH_MAX)
		goto out;
	for (size_t i = 0; i < len; i++)
		if (path[i] <= ' ' || path[i] > '~')
			goto out;
	snprintf(login->path, sizeof(login->path), "%.*s", (int)len, path);
	r = 0;
out:
	curl_free(path);
	return r;
}

int
login_url_parse(const char *api_url, struct login_url *login, const char **what)
{
	CURLU *u = curl_url();
	int r = -1;

	*login = (struct login_url){ 0 };
	*what = "it is not a URL";
	if (u == NULL)
		return -1;
	if (curl_url_set(u, CURLUPART_URL, api_url, CURLU_NON_SUPPORT_SCHEME) ==
		CURLUE_OK &&
	    parse_scheme(u, login, what) == 0 &&
	    url_host_parse(u, &login->host, what) == 0 &&
	    parse_port(u, login, what) == 0 && parse_path(u, login, what) == 0)
		r = 0;
	curl_url_cleanup(u);
	return r;
}

const char *
login_url_host_header(const struct login_url *login, const struct generation *g,
    char *to, size_t size)
{
	size_t len;

	url_host_format(&login->host, to, size);
	len = strlen(to);
	if (g->port_in_host && login->port != DEFAULT_PORT)
		snprintf(to + len, size - len, ":%u", login->port);
	return to;
}

const char *
login_url_display(const struct login_url *login, char *to, size_t size)
{
	char host[URL_HOST_MAX + 3];

	url_host_format(&login->host, host, sizeof(host));
	if (login->port == DEFAULT_PORT)
		snprintf(to, size, "%s://%s", login->tls ? "wss" : "ws", host);
	else
		snprintf(to, size, "%s://%s:%u", login->tls ? "wss" : "ws",
		    host, login->port);
	return to;
}

/* application/x-www-form-urlencoded, as the portal's own clients write it. */
static void
put_escaped_byte(struct writer *w, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";

	if (isalnum(c) || strchr("*-._", c) != NULL) {
		writer_u8(w, c);
	} else if (c == ' ') {
		writer_u8(w, '+');
	} else {
		writer_u8(w, '%');
		writer_u8(w, (uint8_t)digits[c >> 4]);
		writer_u8(w, (uint8_t)digits[c & 15]);
	}
}

static void
put_escaped(struct writer *w, const char *text)
{
	for (; *text != '\0'; text++)
		put_escaped_byte(w, (uint8_t)*text);
}

/* White space is none of its own: firezone-portal(7), Token. */
static void
put_token(struct writer *w, const char *token)
{
	for (; *token != '\0'; token++)
		if (!isspace((unsigned char)*token))
			put_escaped_byte(w, (uint8_t)*token);
}

static void
put_text(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

/* As itself or as its hash: firezone-portal(7), Identity. */
static void
put_external_id(struct writer *w, const char *external_id, bool hashed)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	char hex[sizeof(hash) * 2 + 1];
	struct uuid u;

	if (!hashed && !uuid_parse(external_id, &u)) {
		put_escaped(w, external_id);
		return;
	}
	crypto_hash_sha256(
	    hash, (const uint8_t *)external_id, strlen(external_id));
	put_text(w, sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash)));
}

static void
put_public_key(struct writer *w, const uint8_t public_key[PUBLIC_KEY_LEN])
{
	char key[PUBLIC_KEY_BASE64];

	sodium_bin2base64(key, sizeof(key), public_key, PUBLIC_KEY_LEN,
	    sodium_base64_VARIANT_ORIGINAL);
	put_escaped(w, key);
}

bool
login_url_target(const struct login_url *login, const struct generation *g,
    const struct login_identity *id, const uint8_t public_key[PUBLIC_KEY_LEN],
    char *to, size_t size)
{
	struct writer w;

	writer_init(&w, to, size);
	put_text(&w, login->path);
	put_text(&w, g->path);
	for (const enum login_parameter *p = g->parameters;
	     *p != LOGIN_PARAMETER_NONE; p++) {
		writer_u8(&w, p == g->parameters ? '?' : '&');
		switch (*p) {
		case LOGIN_PARAMETER_EXTERNAL_ID:
			put_text(&w, "external_id=");
			put_external_id(
			    &w, id->external_id, g->hashes_every_id);
			break;
		case LOGIN_PARAMETER_NAME:
			put_text(&w, "name=");
			put_escaped(&w, id->name);
			break;
		case LOGIN_PARAMETER_PUBLIC_KEY:
			put_text(&w, "public_key=");
			put_public_key(&w, public_key);
			break;
		case LOGIN_PARAMETER_TOKEN:
			put_text(&w, "token=");
			put_token(&w, id->token);
			break;
		case LOGIN_PARAMETER_NONE:
			break;
		}
	}
	writer_u8(&w, '\0');
	return !writer_failed(&w);
}
