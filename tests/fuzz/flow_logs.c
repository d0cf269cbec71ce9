/*
 * What flow logs read: tokens, as they are and as any JSON in the shape of one,
 * files, lines and names of the spool, settings, redirections.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "control-worker/flow/ingest_url.h"
#include "control-worker/flow/segment.h"
#include "control-worker/flow/settings.h"
#include "control-worker/flow/token.h"
#include "control-worker/flow/upload_rules.h"
#include "control-worker/json/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/flow.h"

#define HEADER "eyJhbGciOiJIUzI1NiJ9." /* {"alg":"HS256"} */

static void
check_token(const char *jwt, size_t len)
{
	struct flow_token t;
	char id[UUID_TEXT_LEN + 1];

	if (!flow_token_parse(jwt, len, &t))
		return;
	must(t.role == FLOW_INITIATOR || t.role == FLOW_RESPONDER);
	must(strspn(uuid_format(&t.authorization, id), "0123456789abcdef-") ==
	    UUID_TEXT_LEN);
	must(strlen(t.attribution) < sizeof(t.attribution));
	for (const char *c = t.attribution; *c != '\0'; c++)
		must((unsigned char)*c >= ' ' && *c != 0x7f);
}

/* The input as claims. */
static void
token_of(struct cursor *in)
{
	static char jwt[16384];
	size_t n = sizeof(HEADER) - 1;

	if (in->left > 8192)
		return;
	memcpy(jwt, HEADER, n);
	sodium_bin2base64(jwt + n, sizeof(jwt) - n, in->at, in->left,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	n += strlen(jwt + n);
	memcpy(jwt + n, ".eA", 4);
	check_token(jwt, n + 3);
}

/* What is accepted can be written again, and is the same. */
static void
check_file(const char *file, size_t len)
{
	char again[FLOW_FILE_MAX + 1];
	const char *payload;
	size_t n;

	if (!flow_file_parse(file, len, &payload, &n))
		return;
	must(payload >= file && payload + n + 1 == file + len);
	must(n <= FLOW_PAYLOAD_MAX);
	n = flow_file_format(payload, n, again);
	must(n > 0 && flow_file_parse(again, n, &payload, &n));
}

/* What is accepted can be written again, and is the same. */
static void
check_line(const char *text, size_t len)
{
	static char again[SEGMENT_LINE_MAX + 1];
	struct segment_line line;
	size_t n;

	if (!segment_line_parse(text, len, &line))
		return;
	must(line.payload >= text && line.payload + line.len == text + len);
	must(line.len <= FLOW_PAYLOAD_MAX);
	if (memchr(text, '\0', len) != NULL)
		return;
	n = segment_line_format(line.name, line.payload, line.len, again);
	must(n == len + 1 && memcmp(again, text, len) == 0);
}

/* A file around any payload. */
static void
file_of(struct cursor *in)
{
	static char line[SEGMENT_LINE_MAX + 1];
	char file[FLOW_FILE_MAX + 1];
	struct segment_line parsed;
	const char *payload, *text = (const char *)in->at;
	size_t n,
	    len = in->left < FLOW_PAYLOAD_MAX ? in->left : FLOW_PAYLOAD_MAX;

	if (memchr(text, '\0', len) != NULL)
		return;
	n = flow_file_format(text, len, file);
	must(n > 0);
	if (flow_file_parse(file, n, &payload, &n))
		must(n == len && memcmp(payload, text, len) == 0);
	n = segment_line_format(
	    "1700000000-0123456789abcdef.end.json", text, len, line);
	must(n > 0 && line[n - 1] == '\n');
	must(segment_line_parse(line, n - 1, &parsed));
	must(parsed.closed && parsed.len == len);
}

static void
check_name(const char *name)
{
	char start[FLOW_NAME_MAX];
	bool closed;

	if (!flow_name_parse(name, &closed))
		return;
	must(strlen(name) < FLOW_NAME_MAX && strchr(name, '/') == NULL);
	must(flow_name_parse(flow_name_of_start(name, start), &closed));
	must(!closed);
}

static void
check_settings(const char *text, size_t len)
{
	char again[FLOW_SETTINGS_TEXT_MAX];
	struct flow_settings s, t;
	size_t n;

	if (!flow_settings_read(text, len, &s))
		return;
	must(s.interval_s > 0 && s.batch_size > 0 && s.api_url[0] != '\0');
	n = flow_settings_format(&s, again);
	must(n > 0 && flow_settings_read(again, n, &t));
	must(strcmp(s.api_url, t.api_url) == 0);
}

static void
check_url(const char *text)
{
	struct ingest_url from, to;
	const char *what = NULL;

	must(upload_later_ms(text) <= UPLOAD_LATER_MAX_MS);
	must(ingest_url_parse("https://a.example/", &from, &what) == 0);
	if (ingest_url_parse(text, &to, &what) == -1)
		must(what != NULL);
	else
		must(strncmp(to.text, "https://", 8) == 0);
	if (ingest_url_redirect(&from, text, &to, &what) == -1)
		return;
	must(strncmp(to.text, "https://", 8) == 0);
	must(to.host.text[0] != '\0' && strchr(to.text, '#') == NULL);
}

void
fuzz_one(struct cursor *in)
{
	size_t kind = pick(in, 6), len = in->left;
	char *text;

	if (kind == 0) {
		token_of(in);
		return;
	}
	if (kind == 1) {
		file_of(in);
		return;
	}
	text = pick_text(in);
	if (kind == 2)
		check_token(text, len);
	else if (kind == 3) {
		check_file(text, len);
		check_line(text, len);
	} else if (kind == 4)
		check_settings(text, len);
	else {
		check_name(text);
		check_url(text);
	}
	free(text);
}
