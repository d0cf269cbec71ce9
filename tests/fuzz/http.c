/*
 * A request to the health server, as it arrives: once there is an answer to its
 * beginning, the rest of it changes nothing; and the answer is one.
 */
#include "control-worker/operator/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static struct counter_page page;

static const struct situation situation = {
	.url = "wss://portal",
	.online = true,
	.counters = &page,
};

static bool
answer(const char *bytes, size_t len, struct text *to)
{
	unsigned status;

	*to = (struct text){ 0 };
	if (!http_answer(&situation, bytes, len, to)) {
		must(to->len == 0);
		return false;
	}
	text_write(to, "", 1);
	must(!to->failed);
	must(sscanf(to->bytes, "HTTP/1.1 %3u ", &status) == 1);
	must(status == 200 || status == 503 ||
	    (status >= 400 && status < 500) || status == 505 || status == 501);
	must(strstr(to->bytes, "\r\n\r\n") != NULL);
	return true;
}

void
fuzz_one(struct cursor *in)
{
	size_t len = in->left < HTTP_REQUEST_MAX ? in->left : HTTP_REQUEST_MAX;
	char *bytes = pick_text(in);
	struct text first, all;
	size_t n;

	for (n = 0; n < len; n++) {
		if (answer(bytes, n, &first))
			break;
		text_free(&first);
	}
	/* One that is as long as it may be is answered whatever it is. */
	if (answer(bytes, len, &all)) {
		if (n < len)
			must(strcmp(first.bytes, all.bytes) == 0);
	} else {
		must(n == len && len < HTTP_REQUEST_MAX);
	}
	if (n < len)
		text_free(&first);
	text_free(&all);
	free(bytes);
}
