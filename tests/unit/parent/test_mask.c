/* parent/mask.c: what is replaced, by the same word everywhere. */
#include "parent/mask.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

static struct mask *m;

static int
set_up(void **state)
{
	(void)state;
	m = mask_new();
	assert_non_null(m);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	mask_free(m);
	return 0;
}

static void
expect(const char *text, const char *want)
{
	char *got = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&got, &len);

	assert_non_null(to);
	mask_write(m, text, strlen(text), to);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(got, want);
	free(got);
}

static void
learn(const char *json)
{
	mask_learn_json(m, json, strlen(json));
}

static void
addresses(void **state)
{
	(void)state;
	expect("10.0.0.1, 10.0.0.1:443 and 10.0.0.2/24.",
	    "address-1, address-1:443 and address-2/24.");
	expect("[fd00::1]:53 fd00:0::1 fd00::",
	    "[address-3]:53 address-3 "
	    "address-4");
	expect("127.0.0.1 0.0.0.0 ::1 [::]:80 ::",
	    "127.0.0.1 0.0.0.0 ::1 [::]:80 ::");
	expect("1.6.1 12:34:56 a:b 256.1.1.1 1.2.3.4.5 x10.0.0.1",
	    "1.6.1 12:34:56 a:b 256.1.1.1 1.2.3.4.5 x10.0.0.1");
	expect("at 10.0.0.9: refused", "at address-5: refused");
	expect("::ffff:10.0.0.1", "address-6");
}

static void
names(void **state)
{
	(void)state;
	learn(
	    "{\"client\":\"3abd725a-733b\",\"actor\":\"Jane \\\"D\\\" "
	    "Doe\",\"email\":\"jane@acme.com\",\"ipv4\":\"10.0.0.7\","
	    "\"name\":null,\"resource\":\"c779\",\"address\":\"10.1.0.0/16\"},"
	    "{\"client\":\"4abd\",\"name\":\"Office\",\"address\":"
	    "\"*.corp.test\",\"url\":\"wss://api.acme.com:8443\"");
	expect("3abd725a-733b is jane@acme.com", "client-1 is person-2");
	expect("\"actor\":\"Jane \\\"D\\\" Doe\"", "\"actor\":\"person-1\"");
	expect("client 4abd, 4abde, x4abd", "client client-2, 4abde, x4abd");
	expect("Office: *.corp.test, 10.1.0.0/16",
	    "name-1: destination-1, address-1/16");
	expect("https://api.acme.com/ ws.api.acme.com",
	    "https://host-1/ ws.host-1");
	mask_add(m, "host", "a", 1);
	mask_add(m, "host", "gate", 4);
	expect("a gate gates", "a host-2 gates");
}

/* Also where nothing has told of them. */
static void
ids(void **state)
{
	(void)state;
	learn("{\"client\":\"3abd725a-733b-4801-ac16-72f26cd98a24\"}");
	expect("3abd725a-733b-4801-ac16-72f26cd98a24 has no "
	       "4abd725a-733b-4801-ac16-72f26cd98A24, "
	       "4abd725a-733b-4801-ac16-72f26cd98A24.",
	    "client-1 has no id-1, id-1.");
	expect("4abd725a-733b-4801-ac16-72f26cd98A245 "
	       "x4abd725a-733b-4801-ac16-72f26cd98a24 "
	       "4abd725a-733b-4801-ac16-72f26cd98a2",
	    "4abd725a-733b-4801-ac16-72f26cd98A245 "
	    "x4abd725a-733b-4801-ac16-72f26cd98a24 "
	    "4abd725a-733b-4801-ac16-72f26cd98a2");
}

/* A name that begins like an address is masked as a whole. */
static void
names_like_addresses(void **state)
{
	(void)state;
	learn("{\"name\":\"10.1.2.3 payroll\",\"actor\":\"::1 of Jane\"},"
	      "{\"name\":\"fd00::7 (vault)\",\"domain\":\"[::1]x\"},"
	      "{\"address\":\"10.1.2.0/24\",\"host\":\"10.1.2.9\"},"
	      "{\"address\":\"[fd00::8]:53\",\"host\":\"10.1.2.9:53\"}");
	expect("10.1.2.3 payroll, ::1 of Jane, fd00::7 (vault), [::1]x",
	    "name-1, person-1, name-2, domain-1");
	expect("10.1.2.0/24 10.1.2.9 [fd00::8]:53 10.1.2.9:53",
	    "address-1/24 address-2 [address-3]:53 address-2:53");
}

/* Metrics tell of those who have gone since, whom no list has. */
static void
metrics(void **state)
{
	static const char text[] =
	    "# HELP postern_x What \"name=\" is\n"
	    "postern_b{client=\"3abd-1\",direction=\"to client\"} 7\n"
	    "postern_b{client=\"other\",direction=\"to client\"} 7\n"
	    "postern_i{client=\"3abd-1\",user=\"Jane \\\"D\\\" "
	    "Doe\",system=\"\"} 1\n"
	    "postern_i{resource=\"c779-1\",name=\"Payroll, {x}\"} 1\n"
	    "postern_p{server=\"10.0.0.1:53\"} 1\n";

	(void)state;
	mask_learn_metrics(m, text, sizeof(text) - 1);
	expect(text,
	    "# HELP postern_x What \"name=\" is\n"
	    "postern_b{client=\"client-1\",direction=\"to client\"} 7\n"
	    "postern_b{client=\"other\",direction=\"to client\"} 7\n"
	    "postern_i{client=\"client-1\",user=\"person-1\",system=\"\"} 1\n"
	    "postern_i{resource=\"resource-1\",name=\"name-1\"} 1\n"
	    "postern_p{server=\"address-1:53\"} 1\n");
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy, text, n);
		mask_learn_metrics(m, copy, n);
		free(copy);
	}
}

static void
options(void **state)
{
	static const char text[] = "# in the file\napi-url wss://portal.test/\n"
				   "firezone-name HQ gate\nlog-level info\n"
				   "# firezone-id: derived\nfirezone-id 6f1c";
	static const char url[] = "otlp-grpc-endpoint "
				  "http://jane:pw@logs.test:4317/?q=a@b";
	static const char host[] = "otlp-grpc-endpoint other.test:4317";

	(void)state;
	mask_learn_options(m, text, sizeof(text) - 1);
	expect("portal.test, HQ gate, 6f1c, info, derived",
	    "host-1, name-1, id-1, info, derived");
	mask_learn_options(m, url, sizeof(url) - 1);
	mask_learn_options(m, host, sizeof(host) - 1);
	expect(url, "otlp-grpc-endpoint http://user-1@host-2:4317/?q=a@b");
	expect(host, "otlp-grpc-endpoint host-3:4317");
}

/* Whatever is between the quotes, nothing beyond the text is looked at. */
static void
torn_json(void **state)
{
	static const char *const texts[] = { "", "\"", "\"name", "\"name\"",
		"\"name\":", "\"name\":\"", "\"name\":\"ab", "\"name\":\"ab\\",
		"\"name\":\"\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char *copy = strdup(texts[i]);

		assert_non_null(copy);
		mask_learn_json(m, copy, strlen(copy));
		free(copy);
	}
	expect("ab", "name-1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    names_like_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(metrics, set_up, tear_down),
		cmocka_unit_test_setup_teardown(options, set_up, tear_down),
		cmocka_unit_test_setup_teardown(torn_json, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
