/* JSON to outside: control-worker/json/write.h. */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "control-worker/json/write.h"

static void
put_all(struct json_writer *w)
{
	json_put_object(w);
	json_put_name(w, "a\"b");
	json_put_array(w);
	json_put_text(w, "x\n/\\");
	json_put_text(w, NULL);
	json_put_bytes(w, "abc", 2);
	json_put_bool(w, true);
	json_put_bool(w, false);
	json_put_unsigned(w, UINT64_MAX);
	json_put_signed(w, INT64_MIN);
	json_put_object(w);
	json_put_object_end(w);
	json_put_array_end(w);
	json_put_name(w, "c");
	json_put_unsigned(w, 0);
	json_put_object_end(w);
}

#define ALL                                                  \
	"{\"a\\\"b\":[\"x\\n/\\\\\",null,\"ab\",true,false," \
	"18446744073709551615,-9223372036854775808,{}],\"c\":0}"

static void
writes_into_memory(void **state)
{
	struct json_writer w;
	char *text;

	(void)state;
	json_write_begin(&w);
	put_all(&w);
	text = json_write_end(&w);
	assert_string_equal(text, ALL);
	free(text);
}

static void
append_piece(void *ctx, const char *piece, size_t len)
{
	strncat(ctx, piece, len);
}

static void
writes_in_pieces(void **state)
{
	struct json_writer w = { 0 };
	char text[256] = "";

	(void)state;
	json_write_free(&w);
	json_write_begin_to(&w, append_piece, text);
	json_put_array(&w);
	json_put_unsigned(&w, 7);
	assert_string_equal(text, "[7"); /* at once */
	json_put_array_end(&w);
	json_write_free(&w);
	assert_string_equal(text, "[7]");
	text[0] = '\0';
	json_write_begin_to(&w, append_piece, text);
	put_all(&w);
	assert_false(w.failed);
	json_write_free(&w);
	assert_string_equal(text, ALL);
}

/* The first failure is the end of it. */
static void
remembers_a_failure(void **state)
{
	struct json_writer w;
	char *text;

	(void)state;
	json_write_begin(&w);
	json_put_array(&w);
	json_put_text(&w, "\xff");
	json_put_text(&w, "good");
	json_put_array_end(&w);
	assert_true(w.failed);
	assert_null(json_write_end(&w));
	json_write_begin(&w);
	json_put_array(&w);
	json_put_if_utf8(&w, "\xff", 1);
	json_put_if_utf8(&w, "good", 4);
	json_put_array_end(&w);
	text = json_write_end(&w);
	assert_string_equal(text, "[\"good\"]");
	free(text);
	/* A member without its name. */
	json_write_begin(&w);
	json_put_object(&w);
	json_put_unsigned(&w, 1);
	assert_null(json_write_end(&w));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_into_memory),
		cmocka_unit_test(writes_in_pieces),
		cmocka_unit_test(remembers_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
