/* The API URL, and what is made of it for the request. */
#include "control-worker/portal/generation.h"
#include "control-worker/portal/login.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

/* It becomes part of a request line or header. */
static void
check_line(const char *text)
{
	for (; *text != '\0'; text++)
		must((unsigned char)*text > 0x20 && *text != 0x7f);
}

static void
check_request(const struct login_url *url, const struct generation *g,
    const struct login_identity *who)
{
	static const uint8_t key[32];
	static struct login_request r;
	bool fits = login_request_make(&r, url, g, who, key);

	check_line(r.http.host);
	if (fits) {
		must(r.http.target[0] == '/');
		check_line(r.http.target);
	}
	/* The token goes at least one way. */
	must(!fits || r.http.token != NULL ||
	    strstr(r.http.target, "?token=") != NULL);
	for (const char *c = r.http.user_agent; *c != '\0'; c++)
		must(*c >= 0x20 && *c < 0x7f);
	login_request_wipe(&r);
}

void
fuzz_one(struct cursor *in)
{
	char *text = pick_text(in), shown[URL_HOST_MAX + 32];
	const struct login_identity who = {
		.external_id = text,
		.name = text,
		.token = text,
		.token_source = text,
		.os = text,
		.arch = text,
		.kernel = text,
	};
	struct login_url url;
	const char *what = NULL;

	if (login_url_parse(text, &url, &what) == -1) {
		must(what != NULL);
	} else {
		must(url.host.text[0] != '\0' && url.port != 0);
		check_line(login_url_display(&url, shown, sizeof(shown)));
		for (unsigned n = 1; n <= generation_newest()->number; n++)
			check_request(&url, generation_of(n), &who);
	}
	free(text);
}
