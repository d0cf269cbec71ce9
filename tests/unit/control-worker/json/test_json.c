/* Bounded JSON documents. */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "control-worker/json/json.h"

static const struct json_value *
get(const char *text, const char *key, struct json_document **d)
{
	assert_int_equal(json_parse(d, text, strlen(text)), JSON_OK);
	return json_get(json_root(*d), key);
}

static void
test_types(void **state)
{
	static const struct {
		const char *text;
		enum json_type type;
	} table[] = {
		{ "null", JSON_NULL },
		{ "true", JSON_BOOL },
		{ "0", JSON_UNSIGNED },
		{ "18446744073709551615", JSON_UNSIGNED },
		{ "18446744073709551616", JSON_NUMBER },
		{ "99999999999999999999999999", JSON_NUMBER },
		{ "-1", JSON_NUMBER },
		{ "-0", JSON_NUMBER },
		{ "1.0", JSON_NUMBER },
		{ "1e3", JSON_NUMBER },
		{ "\"\"", JSON_STRING },
		{ "[]", JSON_ARRAY },
		{ "{}", JSON_OBJECT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct json_document *d;
		char text[64];

		assert_int_equal(
		    json_parse(&d, table[i].text, strlen(table[i].text)),
		    JSON_OK);
		assert_true(json_is(json_root(d), table[i].type));
		json_free(d);
		snprintf(text, sizeof(text), "{\"k\":%s}", table[i].text);
		assert_true(json_is(get(text, "k", &d), table[i].type));
		json_free(d);
	}
}

static void
test_members(void **state)
{
	struct json_document *d;
	const struct json_value *v, *list;
	char text[16];

	(void)state;
	list = get("{\"a\":[1,[2,3],{\"x\":4}],\"b\":\"t\\u00e4\\n\",\"b2\":"
		   "\"ok\",\"a\\u0000\":1}",
	    "a", &d);
	assert_int_equal(json_count(list), 3);
	v = json_first(list);
	assert_int_equal(v->number, 1);
	v = json_next(list, v);
	assert_int_equal(json_count(v), 2);
	v = json_next(list, v);
	assert_int_equal(json_get(v, "x")->number, 4);
	assert_null(json_next(list, v));
	assert_null(json_get(list, "x"));
	assert_null(json_get(NULL, "x"));
	assert_null(json_first(NULL));
	v = json_get(json_root(d), "b");
	assert_true(json_is_text(v, "t\xc3\xa4\n"));
	assert_false(json_copy(v, text, sizeof(text)));
	v = json_get(json_root(d), "b2");
	assert_true(json_copy(v, text, 3));
	assert_string_equal(text, "ok");
	assert_false(json_copy(v, text, 2));
	json_free(d);
}

static void
test_nul_does_not_end_a_string(void **state)
{
	struct json_document *d;
	const struct json_value *v = get("{\"k\":\"cidr\\u0000x\"}", "k", &d);
	char text[16];

	(void)state;
	assert_false(json_is_text(v, "cidr"));
	assert_false(json_copy(v, text, sizeof(text)));
	json_free(d);
}

static void
test_written_twice_is_wrong_not_absent(void **state)
{
	struct json_document *d;
	const struct json_value *v = get("{\"k\":1,\"x\":2,\"k\":1}", "k", &d);

	(void)state;
	assert_non_null(v);
	assert_false(json_is_nothing(v));
	for (int type = JSON_NULL; type <= JSON_OBJECT; type++)
		assert_false(json_is(v, (enum json_type)type));
	json_free(d);
}

static void
test_truncated_and_malformed(void **state)
{
	static const char text[] = "{\"topic\":\"gateway\",\"payload\":{\"a\":["
				   "1,true,null,\"\\u00e4\"]},"
				   "\"ref\":null}";
	static const char *const malformed[] = { "{]", "[1 2]", "nul!", "{1:2}",
		"[]]", "{} {}", "\"\xff\"", "[01]", "/* */ 1", "[1,]", "'a'" };
	struct json_document *d;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(json_parse(&d, text, len), JSON_TRUNCATED);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++)
		assert_int_equal(
		    json_parse(&d, malformed[i], strlen(malformed[i])),
		    JSON_MALFORMED);
}

static void
test_limits(void **state)
{
	char deep[JSON_DEPTH_MAX * 2 + 2];
	struct json_document *d;
	char *wide;
	size_t len;

	(void)state;
	for (size_t depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		if (depth * 2 > sizeof(deep))
			break;
		memset(deep, '[', depth);
		memset(deep + depth, ']', depth);
		assert_int_equal(json_parse(&d, deep, depth * 2),
		    depth <= JSON_DEPTH_MAX ? JSON_OK : JSON_MALFORMED);
		json_free(d);
	}
	/* The array is a value too. */
	for (size_t n = JSON_VALUES_MAX - 2; n <= JSON_VALUES_MAX; n++) {
		len = n * 2 + 1;
		wide = malloc(len);
		assert_non_null(wide);
		for (size_t i = 0; i < n; i++)
			memcpy(wide + i * 2, i == 0 ? "[1" : ",1", 2);
		wide[len - 1] = ']';
		assert_int_equal(json_parse(&d, wide, len),
		    n < JSON_VALUES_MAX ? JSON_OK : JSON_TOO_LONG);
		json_free(d);
		free(wide);
	}
}

/* Each string is as long as its source lets it be. */
static void
test_pool_suffices(void **state)
{
	static const char *const texts[] = { "\"\"", "[\"\",\"\",\"\"]",
		"{\"\":\"\"}", "{\"a\":\"\\ud83d\\ude00\"}", "\"\\u0001\"" };
	struct json_document *d;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(
		    json_parse(&d, texts[i], strlen(texts[i])), JSON_OK);
		json_free(d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_nul_does_not_end_a_string),
		cmocka_unit_test(test_written_twice_is_wrong_not_absent),
		cmocka_unit_test(test_truncated_and_malformed),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_pool_suffices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
