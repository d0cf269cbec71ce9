/* parent/violation.c: records of the kernel's log. */
#include "parent/violation.h"

#include "tests/unit/unit.h"

#define RECORD(rest)                                                       \
	"4,1234,6069954314,-;audit: type=1326 audit(1795567609.694:130): " \
	"auid=4294967295 uid=104 gid=111 ses=4294967295 " rest

static void
records(void **state)
{
	static const struct {
		const char *text;
		int number;
	} cases[] = {
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=41 compat=0"), 41 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=0 compat=0"), 0 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=462"), 462 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=4096 x"), -1 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=-1 x"), -1 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall="), -1 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=x"), -1 },
		{ RECORD("pid=97 comm=\"x\" sig=31 "
			 "syscall=99999999999999999999"),
		    -1 },
		{ RECORD("pid=97"), -1 },
		{ RECORD("pid=97 comm=\"x\""), -1 },
		{ RECORD("pid=979 syscall=41 x"), -1 },
		{ RECORD("pid=7 syscall=41 x"), -1 },
		{ RECORD("ppid=97 syscall=41 x"), -1 },
		{ "4,1,1,-;audit: type=1300 pid=97 syscall=41 x", -1 },
		{ "4,1,1,-;br0: port 4 entered blocking state", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(
		    violation_parse(cases[i].text, 97), cases[i].number);
}

static void
without_a_log(void **state)
{
	(void)state;
	assert_int_equal(violation_syscall(-1, 97), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(without_a_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
