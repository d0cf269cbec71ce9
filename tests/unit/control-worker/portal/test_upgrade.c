/*
 * The HTTP half: RFC 6455 4, firezone-portal(7), Request headers, Upgrade
 * response and Transport cases (2, 9 to 11, 17).
 */
#include "tests/lib/unit.h"

#include "control-worker/portal/upgrade.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 1.3 */
#define NOW 784111777                  /* Sun, 06 Nov 1994 08:49:37 GMT */

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void
test_request(void **state)
{
	struct upgrade_request r = {
		.target = "/gateway/v2/websocket?x=1",
		.host = "api.firezone.dev",
		.user_agent = "Debian/12 gateway/1.6.1",
		.token = " .SF\r\nMyNTY\t.x ",
	};
	static const char want[] = "GET /gateway/v2/websocket?x=1 HTTP/1.1\r\n"
				   "Host: api.firezone.dev\r\n"
				   "Connection: Upgrade\r\n"
				   "Upgrade: websocket\r\n"
				   "Sec-WebSocket-Version: 13\r\n"
				   "Sec-WebSocket-Key: " KEY "\r\n"
				   "User-Agent: Debian/12 gateway/1.6.1\r\n"
				   "X-Authorization: Bearer .SFMyNTY.x\r\n\r\n";
	char text[1024];

	(void)state;
	upgrade_set_nonce(&r, (const uint8_t *)"the sample nonce");
	assert_int_equal(
	    upgrade_format(&r, text, sizeof(text)), sizeof(want) - 1);
	assert_memory_equal(text, want, sizeof(want) - 1);
	for (size_t size = 0; size < sizeof(want) - 1; size++)
		assert_int_equal(upgrade_format(&r, text, size), 0);
}

static const struct {
	const char *text;
	enum upgrade_state state;
} answers[] = {
	{ SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
	    UPGRADE_DONE },
	{ SWITCH
	    "upgrade: WebSocket\r\nconnection:keep-alive, upgrade\t\r\n" ACCEPT
	    "\r\n",
	    UPGRADE_DONE },
	{ SWITCH "Connection: Upgrade\r\n" ACCEPT "\r\n", UPGRADE_BROKEN },
	{ SWITCH "Upgrade: websocket\r\n" ACCEPT "\r\n", UPGRADE_BROKEN },
	{ SWITCH "Upgrade: websocket\r\nConnection: upgraded\r\n" ACCEPT "\r\n",
	    UPGRADE_BROKEN },
	{ SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	    UPGRADE_BROKEN },
	{ SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT ACCEPT
		 "\r\n",
	    UPGRADE_BROKEN },
	{ SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n\r\n",
	    UPGRADE_BROKEN },
	{ SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT
		 "Sec-WebSocket-Protocol: x\r\n\r\n",
	    UPGRADE_BROKEN },
	{ SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT
		 "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
	    UPGRADE_BROKEN },
	{ "HTTP/1.1 404 Not Found\r\n\r\n", UPGRADE_REFUSED },
	{ "HTTP/1.1 301 \r\nLocation: https://h/\r\n\r\n", UPGRADE_REFUSED },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", UPGRADE_REFUSED },
	{ "HTTP/1.1 4x4 Not Found\r\n\r\n", UPGRADE_BROKEN },
	{ "HTTP/2 404\r\nServer: something\r\n\r\n", UPGRADE_BROKEN },
	{ "SSH-2.0-OpenSSH\r\nlonger\r\n\r\n", UPGRADE_BROKEN },
	{ "\r\n\r\n", UPGRADE_BROKEN },
};

static struct upgrade_response response;

static void
feed(const char *text, size_t len, size_t step)
{
	upgrade_start(&response, KEY);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		if (response.state != UPGRADE_INCOMPLETE)
			break;
		assert_int_equal(upgrade_feed(&response, text + at, n, NOW), n);
	}
}

static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		size_t len = strlen(answers[i].text);

		for (size_t step = 1; step <= len; step++) {
			feed(answers[i].text, len, step);
			assert_int_equal(response.state, answers[i].state);
		}
		for (size_t cut = 0; cut < len; cut++) {
			feed(answers[i].text, cut, len);
			assert_int_equal(response.state, UPGRADE_INCOMPLETE);
			upgrade_end(&response);
			assert_int_equal(response.state, UPGRADE_BROKEN);
		}
	}
}

static void
test_frames_are_left_over(void **state)
{
	static const char text[] =
	    SWITCH "Upgrade: websocket\r\n"
		   "Connection: Upgrade\r\n" ACCEPT "\r\n\x81\x00";

	(void)state;
	upgrade_start(&response, KEY);
	assert_int_equal(upgrade_feed(&response, text, sizeof(text) - 1, NOW),
	    sizeof(text) - 3);
	assert_int_equal(response.state, UPGRADE_DONE);
}

/* What the portal's clock shows, if it says so in a form that is one. */
static void
test_date(void **state)
{
	static const struct {
		const char *field;
		int64_t date;
	} cases[] = {
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 784111777 },
		{ "date: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 784111777 },
		{ "DATE:Sun Nov  6 08:49:37 1994\r\n", 784111777 },
		{ "", -1 },
		{ "Date: \r\n", -1 },
		{ "Date: 784111777\r\n", -1 },
		{ "Date: soon\r\n", -1 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		  "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
		    -1 },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text),
		    SWITCH "%sUpgrade: websocket\r\n"
			   "Connection: Upgrade\r\n" ACCEPT "\r\n",
		    cases[i].field);
		feed(text, strlen(text), 1000);
		assert_int_equal(response.state, UPGRADE_DONE);
		assert_int_equal(response.date, cases[i].date);
	}
}

static void
test_refusal(void **state)
{
	static const char text[] =
	    "HTTP/1.1 401 Unauthorized\r\n"
	    "content-type: application/problem+json; charset=utf-8\r\n"
	    "Content-Length: 57\r\nRetry-After: 30\r\n\r\n"
	    "{\"status\":401,\"detail\":\"Invalid\",\"code\":\"invalid_token\"}"
	    "  "
	    "next";
	size_t header = (size_t)(strstr(text, "\r\n\r\n") - text) + 4;

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		upgrade_start(&response, KEY);
		for (size_t at = 0; response.state == UPGRADE_INCOMPLETE;
		     at += step)
			upgrade_feed(&response, text + at,
			    sizeof(text) - 1 - at < step ? sizeof(text) - 1 - at
							 : step,
			    NOW);
		assert_int_equal(response.state, UPGRADE_REFUSED);
		assert_int_equal(response.status, 401);
		assert_int_equal(response.retry_after_ms, 30000);
		assert_string_equal(response.problem.code, "invalid_token");
		assert_string_equal(response.problem.detail, "Invalid");
	}
	/* The portal hangs up in the middle of the body. */
	feed(text, header + 10, sizeof(text));
	assert_int_equal(response.state, UPGRADE_INCOMPLETE);
	upgrade_end(&response);
	assert_int_equal(response.state, UPGRADE_REFUSED);
	assert_false(response.problem.present);
}

static void
test_limits(void **state)
{
	static char big[UPGRADE_HEADER_MAX + UPGRADE_BODY_MAX + 100];
	int n;

	(void)state;
	memset(big, 'a', sizeof(big));
	upgrade_start(&response, KEY);
	upgrade_feed(&response, big, sizeof(big), NOW);
	assert_int_equal(response.state, UPGRADE_BROKEN);
	n = sprintf(big,
	    "HTTP/1.1 500 Bad\r\nContent-Length: "
	    "99999999999999999999999\r\n\r\n");
	big[n] = 'a';
	upgrade_start(&response, KEY);
	assert_int_equal(upgrade_feed(&response, big, sizeof(big), NOW),
	    n + UPGRADE_BODY_MAX);
	assert_int_equal(response.state, UPGRADE_REFUSED);
}

static const struct {
	const char *value;
	int64_t ms;
} retries[] = {
	{ "120", 120000 },
	{ "0", 0 },
	{ "3600", 3600000 },
	{ "86400", 86400000 },
	{ "86401", 86400000 },
	{ "99999999999999999999999999", 86400000 },
	{ "Sun, 06 Nov 1994 08:50:37 GMT", 60000 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
	{ "Sun, 06 Nov 1994 08:48:37 GMT", 0 },
	{ "invalid", -1 },
	{ "", -1 },
	{ "-1", -1 },
	{ "12.5", -1 },
	{ "1e3", -1 },
	{ "120 s", -1 },
	{ "Sun, 99 Foo 1994", -1 },
	{ "never: never", -1 },
};

static void
test_retry_after(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(retries) / sizeof(*retries); i++)
		assert_int_equal(
		    retry_after_parse(retries[i].value, NOW), retries[i].ms);
}

static const struct {
	const char *type, *body;
	bool present;
	const char *code, *detail;
} problems[] = {
	{ "application/problem+json", "{\"code\":\"a\",\"detail\":\"b\"}", true,
	    "a", "b" },
	{ "Application/Problem+JSON; charset=utf-8", "{\"code\":\"a\"}", true,
	    "a", "" },
	{ "application/problem+json ;x", "{\"detail\":\"b\"}", true, "", "b" },
	{ "application/problem+json", "{\"code\":5,\"detail\":null}", true, "",
	    "" },
	{ "application/problem+json", "{\"code\":\"a\\nb\"}", true, "", "" },
	/* What quotes our request is not for the log: it may hold the token. */
	{ "application/problem+json",
	    "{\"code\":\"a\",\"detail\":\"no /gateway/websocket?token=x\"}",
	    true, "a", "" },
	{ "application/problem+json",
	    "{\"code\":\"Token=x\",\"detail\":\"got Bearer x\"}", true, "",
	    "" },
	{ "application/problem+json", "{\"code\":", false, "", "" },
	{ "application/problem+json", "[]", false, "", "" },
	{ "application/problem+json", "", false, "", "" },
	{ "application/json", "{\"code\":\"a\"}", false, "", "" },
	{ "application/problem+jsonx", "{\"code\":\"a\"}", false, "", "" },
	{ "text/html", "<p>Forbidden", false, "", "" },
	{ "text/plainx", "Forbidden", false, "", "" },
	/* The plain text of older portals, with or without a type. */
	{ "", "Missing token", true, "", "Missing token" },
	{ "text/plain", "Forbidden", true, "", "Forbidden" },
	{ "Text/Plain; charset=utf-8", "Not found\n", true, "", "Not found" },
	{ "", " \n a\r\n\tb\x1b[2Jc\x7f\xc3\xa9", true, "", "a b [2Jc" },
	{ "", "", false, "", "" },
	{ "", "\r\n", false, "", "" },
	{ "", "Cannot GET /gateway/websocket?token=x", false, "", "" },
	{ "", "token .SFMyNTY.g2gDaANtAAAAJGM4OWJjYzhjLTkzOTI", false, "", "" },
	{ "", "a 12345678901234567890123456789012", true, "",
	    "a 12345678901234567890123456789012" },
	{ "", "a 123456789012345678901234567890123", false, "", "" },
};

static void
test_problems(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(problems) / sizeof(*problems); i++) {
		struct problem p;

		problem_parse(&p, problems[i].type, problems[i].body,
		    strlen(problems[i].body));
		assert_int_equal(p.present, problems[i].present);
		assert_string_equal(p.code, problems[i].code);
		assert_string_equal(p.detail, problems[i].detail);
	}
}

/* Of a long text as many words as there is room for. */
static void
test_long_text(void **state)
{
	char text[1000] = "";
	struct problem p;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		strcat(text, "one more ");
	problem_parse(&p, "", text, strlen(text));
	assert_int_equal(strlen(p.detail), 255 - 255 % 9 - 1);
	assert_memory_equal(p.detail, text, strlen(p.detail));
	/* No beginning of a word that would be too long. */
	memset(text + 250, 'x', 100);
	problem_parse(&p, "", text, strlen(text));
	assert_int_equal(strlen(p.detail), 246);
}

/* The log has what portals before problem documents say. */
static void
test_plain_refusal(void **state)
{
	static const char bare[] = "HTTP/1.1 400 Bad Request\r\n"
				   "Content-Length: 13\r\n\r\nMissing token";
	static const char twice[] = "HTTP/1.1 400 Bad Request\r\n"
				    "Content-Type: text/plain\r\n"
				    "Content-Type: text/plain\r\n"
				    "Content-Length: 13\r\n\r\nMissing token";

	(void)state;
	feed(bare, sizeof(bare) - 1, sizeof(bare));
	assert_int_equal(response.state, UPGRADE_REFUSED);
	assert_string_equal(response.problem.detail, "Missing token");
	feed(twice, sizeof(twice) - 1, sizeof(twice));
	assert_int_equal(response.state, UPGRADE_REFUSED);
	assert_string_equal(response.problem.detail, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_frames_are_left_over),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_plain_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
