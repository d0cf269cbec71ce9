/*
 * What is done about answers of the server: firezone-policy(7), Upload
 * responses and Flow scenarios (48).
 */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "control-worker/flow/batch.h"
#include "control-worker/flow/ingest_url.h"
#include "control-worker/flow/upload_rules.h"

static void
statuses(void **state)
{
	static const struct {
		int status;
		enum upload_action action;
	} table[] = {
		{ 199, UPLOAD_KEEP },
		{ 200, UPLOAD_STORED },
		{ 204, UPLOAD_STORED },
		{ 299, UPLOAD_STORED },
		{ 300, UPLOAD_KEEP },
		{ 301, UPLOAD_REDIRECT },
		{ 302, UPLOAD_REDIRECT },
		{ 303, UPLOAD_KEEP },
		{ 304, UPLOAD_KEEP },
		{ 307, UPLOAD_REDIRECT },
		{ 308, UPLOAD_REDIRECT },
		{ 400, UPLOAD_KEEP },
		{ 401, UPLOAD_KEEP },
		{ 403, UPLOAD_KEEP },
		{ 404, UPLOAD_KEEP },
		{ 408, UPLOAD_RETRY },
		{ 413, UPLOAD_SPLIT },
		{ 422, UPLOAD_KEEP },
		{ 429, UPLOAD_LATER },
		{ 499, UPLOAD_KEEP },
		{ 500, UPLOAD_RETRY },
		{ 503, UPLOAD_RETRY },
		{ 599, UPLOAD_RETRY },
		{ 600, UPLOAD_KEEP },
		{ 0, UPLOAD_KEEP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(
		    upload_classify(table[i].status), table[i].action);
}

static void
retry_after(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} table[] = {
		{ NULL, 1000 },
		{ "", 1000 },
		{ "0", 1000 },
		{ "1", 1000 },
		{ "2", 2000 },
		{ "7", 7000 },
		{ "120", 120000 },
		{ "3600", 3600000 },
		{ "3601", 3600000 },
		{ "99999999999999999999999", 3600000 },
		{ "-1", 1000 },
		{ "1.5", 1000 },
		{ "7 ", 1000 },
		{ "Wed, 21 Oct 2026 07:28:00 GMT", 1000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(upload_later_ms(table[i].text), table[i].ms);
}

static void
backoff(void **state)
{
	struct upload_backoff b;
	int64_t ms, sum = 0;
	unsigned n = 0;

	(void)state;
	upload_backoff_init(&b);
	assert_int_equal(upload_backoff_next(&b, 0), 250);
	assert_int_equal(upload_backoff_next(&b, UINT32_MAX), 375 + 749);
	assert_int_equal(upload_backoff_next(&b, 1u << 31), 562 + 562);
	upload_backoff_again(&b);
	assert_int_equal(upload_backoff_next(&b, 1u << 31), 500);
	upload_backoff_init(&b);
	while ((ms = upload_backoff_next(&b, UINT32_MAX)) != -1) {
		assert_true(ms <= 90000);
		sum += ms;
		assert_true(n++ < 100);
	}
	assert_true(sum <= 300000 && sum > 300000 - 90000);
	/* What is used up stays so in this pass. */
	upload_backoff_again(&b);
	while (upload_backoff_next(&b, UINT32_MAX) != -1)
		assert_true(n++ < 1000);
	assert_true(b.spent_ms <= 300000);
}

static void
ranges(void **state)
{
	struct upload_ranges r;
	struct upload_range one;
	bool seen[1000] = { false };
	size_t posts = 0, at = 0;

	(void)state;
	upload_ranges_init(&r, 0);
	assert_false(upload_ranges_next(&r, &one));
	/* A server that takes no more than one, in order. */
	upload_ranges_init(&r, 1000);
	while (upload_ranges_next(&r, &one)) {
		posts++;
		if (one.count > 1) {
			assert_true(upload_ranges_split(&r, &one));
			continue;
		}
		assert_int_equal(one.first, at++);
		assert_false(seen[one.first]);
		seen[one.first] = true;
	}
	assert_int_equal(at, 1000);
	assert_int_equal(posts, 1999);
	one.count = 1;
	assert_false(upload_ranges_split(&r, &one));
	/* The largest batch does not need more than there is. */
	upload_ranges_init(&r, SIZE_MAX / 2);
	for (unsigned i = 0; i < 30; i++) {
		assert_true(upload_ranges_next(&r, &one));
		assert_true(upload_ranges_split(&r, &one));
	}
}

static void
batches(void **state)
{
	static char big[FLOW_PAYLOAD_MAX];
	struct upload_range r = { 0, 3 };
	struct batch b = { 0 };
	size_t len, n = 0;
	char *body;

	(void)state;
	assert_true(batch_add(&b, "a", "{\"x\":1}", 7));
	assert_true(batch_add(&b, "b", "{}", 2));
	assert_true(batch_add(&b, "c", "{\"z\":3}", 7));
	body = batch_body(&b, &r, &len);
	assert_string_equal(body, "{\"flow_logs\":[{\"x\":1},{},{\"z\":3}]}");
	assert_int_equal(len, strlen(body));
	free(body);
	r = (struct upload_range){ 1, 1 };
	body = batch_body(&b, &r, &len);
	assert_string_equal(body, "{\"flow_logs\":[{}]}");
	free(body);
	r = (struct upload_range){ 1, 2 };
	body = batch_body(&b, &r, &len);
	assert_string_equal(body, "{\"flow_logs\":[{},{\"z\":3}]}");
	free(body);
	assert_string_equal(b.names[2], "c");
	batch_clear(&b);
	memset(big, 'x', sizeof(big));
	while (batch_add(&b, "d", big, sizeof(big)))
		assert_true(n++ < 1000);
	assert_true(b.text_len <= BATCH_BYTES_MAX);
	assert_true(b.text_len + sizeof(big) + 1 > BATCH_BYTES_MAX);
	batch_clear(&b);
}

static void
urls(void **state)
{
	static const struct {
		const char *api_url, *text, *host;
	} table[] = {
		{ "https://flow-api.firezone.dev/",
		    "https://flow-api.firezone.dev/ingestion/flow_logs",
		    "flow-api.firezone.dev" },
		{ "https://flow-api.firezone.dev",
		    "https://flow-api.firezone.dev/ingestion/flow_logs",
		    "flow-api.firezone.dev" },
		{ "https://X.example:443/any/path?q=1#f",
		    "https://x.example:443/ingestion/flow_logs", "x.example" },
		{ "HTTPS://x%2Eexample.:/",
		    "https://x.example/ingestion/flow_logs", "x.example" },
		{ "https://[2001:DB8::1]:443",
		    "https://[2001:db8::1]:443/ingestion/flow_logs",
		    "2001:db8::1" },
		{ "https://[2001:db8::1]/",
		    "https://[2001:db8::1]/ingestion/flow_logs",
		    "2001:db8::1" },
		{ "https://192.0.2.1/", "https://192.0.2.1/ingestion/flow_logs",
		    "192.0.2.1" },
		{ "http://x.example/", NULL, NULL },
		{ "ftp://x.example/", NULL, NULL },
		{ "wss://x.example/", NULL, NULL },
		{ "x.example", NULL, NULL },
		{ "", NULL, NULL },
		{ "https://", NULL, NULL },
		{ "https://x.example:8443/", NULL, NULL },
		{ "https://x.example:444/", NULL, NULL },
		{ "https://user@x.example/", NULL, NULL },
		{ "https://user:pass@x.example/", NULL, NULL },
		{ "https://:pass@x.example/", NULL, NULL },
		{ "https://x\xc3\xa4.example/", NULL, NULL },
		{ "https://x%C3%A4.example/", NULL, NULL },
		{ "https://x..example/", NULL, NULL },
		{ "https://x_\".example/", NULL, NULL },
		{ "https://[fe80::1%25eth0]/", NULL, NULL },
		{ "https://x.example/ y", NULL, NULL },
		{ "https://x.example/\r\nA: b", NULL, NULL },
	};
	struct ingest_url u;
	const char *what;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		what = NULL;
		if (ingest_url_parse(table[i].api_url, &u, &what) == -1) {
			assert_null(table[i].text);
			assert_non_null(what);
			continue;
		}
		assert_non_null(table[i].text);
		assert_string_equal(u.text, table[i].text);
		assert_string_equal(u.host.text, table[i].host);
	}
}

static void
redirects(void **state)
{
	static const struct {
		const char *location, *text;
	} table[] = {
		{ "/other", "https://a.example/other" },
		{ "other", "https://a.example/ingestion/other" },
		{ "?q=1", "https://a.example/ingestion/flow_logs?q=1" },
		{ "https://b.example/x#f", "https://b.example/x" },
		{ "https://b.example:443/x", "https://b.example:443/x" },
		{ "//b.example/x", "https://b.example/x" },
		{ "", NULL },
		{ "http://b.example/x", NULL },
		{ "https://b.example:8443/x", NULL },
		{ "https://u:p@b.example/x", NULL },
		{ "file:///etc/passwd", NULL },
		{ "https://b.example/ x", NULL },
		{ "https://[fe80::1%25eth0]/", NULL },
		{ "//[fe80::1%25eth0]/", NULL },
	};
	struct ingest_url from, to;
	const char *what;

	(void)state;
	assert_int_equal(
	    ingest_url_parse("https://a.example/", &from, &what), 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		what = NULL;
		if (ingest_url_redirect(&from, table[i].location, &to, &what) ==
		    -1) {
			assert_null(table[i].text);
			assert_non_null(what);
			continue;
		}
		assert_non_null(table[i].text);
		assert_string_equal(to.text, table[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(retry_after),
		cmocka_unit_test(backoff),
		cmocka_unit_test(ranges),
		cmocka_unit_test(batches),
		cmocka_unit_test(urls),
		cmocka_unit_test(redirects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
