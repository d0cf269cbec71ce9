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

void
fuzz_one(struct cursor *in)
{
	static const uint8_t key[32];
	char *text = pick_text(in), shown[LOGIN_TARGET_MAX];
	const struct login_identity who = { text, text, text, text, text,
		text };
	const struct generation *g = generation_newest();
	struct login_url url;
	const char *what = NULL;

	if (login_url_parse(text, &url, &what) == -1) {
		must(what != NULL);
	} else {
		must(url.host.text[0] != '\0' && url.port != 0);
		check_line(login_url_display(&url, shown, sizeof(shown)));
		check_line(login_url_host_header(&url, shown, sizeof(shown)));
		if (login_url_target(
			&url, g, &who, key, shown, sizeof(shown))) {
			must(shown[0] == '/');
			check_line(shown);
		}
	}
	user_agent_format(g, &who, shown, USER_AGENT_MAX);
	for (const char *c = shown; *c != '\0'; c++)
		must(*c >= 0x20 && *c < 0x7f);
	free(text);
}
