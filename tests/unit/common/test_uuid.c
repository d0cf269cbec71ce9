/* common/uuid.c: the forms that are a UUID and those that are not. */
#include "common/uuid.h"
#include "tests/lib/unit.h"

static void
accepts_every_form(void **state)
{
	static const char *const forms[] = {
		"6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a90",
		"6F1C9C0E-2E1D-4D0C-9B1A-1C0F5D7B8A90",
		"6f1c9c0e2e1d4d0c9b1a1c0f5d7b8a90",
		"{6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a90}",
		"urn:uuid:6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a90",
	};
	char text[UUID_TEXT_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct uuid u;

		assert_true(uuid_parse(forms[i], &u));
		assert_hex(u.bytes, 16, "6f1c9c0e2e1d4d0c9b1a1c0f5d7b8a90");
		assert_string_equal(uuid_format(&u, text), forms[0]);
	}
}

static void
refuses_the_rest(void **state)
{
	static const char *const bad[] = {
		"",
		"6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a9",
		"6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a900",
		"6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a9g",
		"6f1c9c0e02e1d-4d0c-9b1a-1c0f5d7b8a90",
		"{6f1c9c0e-2e1d-4d0c-9b1a-1c0f5d7b8a90",
		"urn:uuid:",
		"gateway-1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct uuid u;

		assert_false(uuid_parse(bad[i], &u));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_every_form),
		cmocka_unit_test(refuses_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
