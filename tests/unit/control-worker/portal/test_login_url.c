/*
 * Login URL and user agent: firezone-portal(7), URL, Identity and Transport
 * cases (1, 18).
 */
#include "tests/lib/unit.h"

#include "control-worker/portal/generation.h"
#include "control-worker/portal/login.h"

static const struct {
	const char *url;
	bool tls;
	const char *host_header;
	uint16_t port;
	const char *path, *display;
} good[] = {
	{ "wss://api.firezone.dev", true, "api.firezone.dev", 443,
	    "/gateway/v2/websocket", "wss://api.firezone.dev" },
	{ "https://api.firezone.dev/", true, "api.firezone.dev", 443,
	    "/gateway/v2/websocket", "wss://api.firezone.dev" },
	{ "wss://h/base/", true, "h", 443, "/base/gateway/v2/websocket",
	    "wss://h" },
	{ "wss://h/base", true, "h", 443, "/base/gateway/v2/websocket",
	    "wss://h" },
	{ "wss://h/a/b//", true, "h", 443, "/a/b//gateway/v2/websocket",
	    "wss://h" },
	{ "wss://h/base?token=x&y=z#f", true, "h", 443,
	    "/base/gateway/v2/websocket", "wss://h" },
	{ "wss://h:8443", true, "h", 8443, "/gateway/v2/websocket",
	    "wss://h:8443" },
	{ "wss://h:80", true, "h", 80, "/gateway/v2/websocket", "wss://h:80" },
	{ "ws://h", false, "h", 443, "/gateway/v2/websocket", "ws://h" },
	/* The URL's own port counts, be it the scheme's usual one. */
	{ "ws://h:80", false, "h", 80, "/gateway/v2/websocket", "ws://h:80" },
	{ "http://h:80/", false, "h", 80, "/gateway/v2/websocket",
	    "ws://h:80" },
	{ "ws://[::1]:80", false, "[::1]", 80, "/gateway/v2/websocket",
	    "ws://[::1]:80" },
	{ "http://h", false, "h", 443, "/gateway/v2/websocket", "ws://h" },
	{ "ws://h:443", false, "h", 443, "/gateway/v2/websocket", "ws://h" },
	{ "http://h:8080/x", false, "h", 8080, "/x/gateway/v2/websocket",
	    "ws://h:8080" },
	{ "WSS://API.Firezone.DEV", true, "api.firezone.dev", 443,
	    "/gateway/v2/websocket", "wss://api.firezone.dev" },
	{ "wss://192.0.2.1:9", true, "192.0.2.1", 9, "/gateway/v2/websocket",
	    "wss://192.0.2.1:9" },
	{ "wss://[2001:db8::1]", true, "[2001:db8::1]", 443,
	    "/gateway/v2/websocket", "wss://[2001:db8::1]" },
	{ "ws://[::1]:8080", false, "[::1]", 8080, "/gateway/v2/websocket",
	    "ws://[::1]:8080" },
	{ "ws://[2001:DB8::8]:8080", false, "[2001:db8::8]", 8080,
	    "/gateway/v2/websocket", "ws://[2001:db8::8]:8080" },
	{ "wss://[2001:db8:0:0::192.0.2.1]:/x/", true,
	    "[2001:db8::c000:201]", 443, "/x/gateway/v2/websocket",
	    "wss://[2001:db8::c000:201]" },
	/* The dot that ends a name, and an address, does not belong to it. */
	{ "wss://api.firezone.dev.:8443", true, "api.firezone.dev", 8443,
	    "/gateway/v2/websocket", "wss://api.firezone.dev:8443" },
	{ "wss://192.0.2.1.", true, "192.0.2.1", 443, "/gateway/v2/websocket",
	    "wss://192.0.2.1" },
	{ "wss://h:", true, "h", 443, "/gateway/v2/websocket", "wss://h" },
	{ "wss://h:0443", true, "h", 443, "/gateway/v2/websocket", "wss://h" },
	{ "wss://%61pi%2eFirezone.d%45v", true, "api.firezone.dev", 443,
	    "/gateway/v2/websocket", "wss://api.firezone.dev" },
	{ "wss://xn--bcher-kva.example/a%20b", true, "xn--bcher-kva.example",
	    443, "/a%20b/gateway/v2/websocket",
	    "wss://xn--bcher-kva.example" },
	{ "wss://a_b.example?x", true, "a_b.example", 443,
	    "/gateway/v2/websocket", "wss://a_b.example" },
};

/* Those whose mistake is told. */
static const struct {
	const char *url, *what;
} told[] = {
	{ "wss://user@h", "user name" },
	{ "wss://:secret@h", "user name" },
	{ "wss://@h", "user name" },
	{ "wss://[fe80::1%25eth0]", "zone" },
	{ "wss://[fe80::1%eth0]:8080", "zone" },
	{ "wss://b\xc3\xbc" "cher.example", "ASCII" },
	{ "wss://b%C3%BCcher.example", "ASCII" },
	{ "wss://h:0", "port" },
	{ "wss://a..b", "host" },
	{ "wss://.", "host" },
	{ "wss://..", "host" },
	{ "wss://a!b", "URL" },
	{ "wss://[v1.x]", "URL" },
	{ "wss://[::1]x", "URL" },
	{ "wss://h:65536", "URL" },
};

static const char *const bad[] = {
	"",
	"api.firezone.dev",
	"ftp://h",
	"wss://",
	"wss://user@h",
	"wss://user:secret@h",
	"wss://h:0",
	"wss://h:65536",
	"wss://h:x",
	"wss://h h",
	"wss://h/a b",
	"wss://h\r\nX: y",
	"wss://[::1",
	"wss://[x]",
	"wss://h%0d%0a",
	"wss://h/\xc3\xa4",
};

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct login_url u;
		const char *what;
		char text[512], path[LOGIN_PATH_MAX + 32];

		assert_int_equal(login_url_parse(good[i].url, &u, &what), 0);
		assert_int_equal(u.tls, good[i].tls);
		assert_int_equal(u.port, good[i].port);
		snprintf(path, sizeof(path), "%s%s", u.path,
		    generation_newest()->path);
		assert_string_equal(path, good[i].path);
		assert_string_equal(
		    login_url_host_header(
			&u, generation_newest(), text, sizeof(text)),
		    good[i].host_header);
		assert_string_equal(
		    login_url_display(&u, text, sizeof(text)), good[i].display);
	}
}

static void
test_refuse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct login_url u;
		const char *what = NULL;

		assert_int_equal(login_url_parse(bad[i], &u, &what), -1);
		assert_non_null(what);
	}
}

static void
test_what_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
		struct login_url u;
		const char *what = NULL;

		assert_int_equal(login_url_parse(told[i].url, &u, &what), -1);
		if (strstr(what, told[i].what) == NULL)
			fail_msg("%s: %s", told[i].url, what);
	}
}

/* A name that ends with a dot is looked up as it is. */
static void
test_absolute(void **state)
{
	char name[URL_HOST_MAX + 2];
	struct login_url u;
	const char *what;

	(void)state;
	assert_int_equal(login_url_parse("wss://Portal.:1", &u, &what), 0);
	assert_string_equal(url_host_name(&u.host, name), "portal.");
	assert_int_equal(login_url_parse("wss://Portal", &u, &what), 0);
	assert_string_equal(url_host_name(&u.host, name), "portal");
}

static void
test_literals(void **state)
{
	struct login_url u;
	const char *what;

	(void)state;
	assert_int_equal(login_url_parse("wss://[2001:db8::1]", &u, &what), 0);
	assert_int_equal(u.host.literal.family, IP_V6);
	assert_string_equal(u.host.text, "2001:db8::1");
	assert_int_equal(login_url_parse("wss://192.0.2.1", &u, &what), 0);
	assert_int_equal(u.host.literal.family, IP_V4);
	assert_int_equal(login_url_parse("wss://api", &u, &what), 0);
	assert_int_equal(u.host.literal.family, IP_NONE);
}

static bool
write_target(const struct login_url *u, const char *external_id,
    const char *name, char *to, size_t size)
{
	const struct login_identity who = {
		.external_id = external_id,
		.name = name,
		.token = ".SFMyNTY.x",
	};
	uint8_t key[32];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0x20 + i);
	return login_url_target(u, generation_newest(), &who, key, to, size);
}

static void
test_target(void **state)
{
	struct login_url u;
	const char *what;
	char target[LOGIN_TARGET_MAX];

	(void)state;
	assert_int_equal(
	    login_url_parse("wss://api.firezone.dev", &u, &what), 0);
	/* The vector: firezone-portal(7), URL and Identity. */
	assert_true(write_target(&u, "6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a90",
	    "gw-1", target, sizeof(target)));
	assert_string_equal(target,
	    "/gateway/v2/websocket?external_id="
	    "09bf23d265f306f12948e66eecef86cce967f6e09d64ea8d63a3e49cf3af10d3"
	    "&name=gw-1&public_key="
	    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8%3D");
	assert_true(write_target(
	    &u, "not a uuid", "a*-._~+&=%/\xc3\xa4 z", target, sizeof(target)));
	assert_string_equal(target,
	    "/gateway/v2/websocket?external_id=not+a+uuid&name="
	    "a*-._%7E%2B%26%3D%25%2F%C3%A4+z&public_key="
	    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8%3D");
	for (size_t size = 0; size <= strlen(target); size++)
		assert_false(write_target(
		    &u, "not a uuid", "a*-._~+&=%/\xc3\xa4 z", target, size));
}

static const struct {
	const char *os, *arch, *kernel, *text;
} agents[] = {
	{ "Debian/12.0.0", "x86_64", "6.1.0-18-amd64",
	    "Debian/12.0.0 gateway/1.6.1 (x86_64; 6.1.0-18-amd64)" },
	{ "Debian/12", "x86_64", "", "Debian/12 gateway/1.6.1 (x86_64)" },
	{ "Debian/12", "", "6.1", "Debian/12 gateway/1.6.1 (6.1)" },
	{ "Red Hat/\xc3\xa4"
	  "9\r\nX: y",
	    "", "", "Red Hat/9X: y gateway/1.6.1" },
};

static void
test_user_agent(void **state)
{
	char text[USER_AGENT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(agents) / sizeof(*agents); i++) {
		const struct login_identity who = {
			.os = agents[i].os,
			.arch = agents[i].arch,
			.kernel = agents[i].kernel,
		};

		user_agent_format(
		    generation_newest(), &who, text, sizeof(text));
		assert_string_equal(text, agents[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_what_is_told),
		cmocka_unit_test(test_absolute),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_user_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
