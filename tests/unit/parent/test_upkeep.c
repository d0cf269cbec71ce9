/*
 * parent/upkeep.c: when it mends, when it leaves off and what it says. What
 * looks at the kernel is replaced.
 */
#include "parent/upkeep.h"

#include <errno.h>

#include "parent/sysctl.h"
#include "tests/lib/unit.h"

static unsigned missing, looks;
static int restore_error;
static struct sysctl_report sysctls;
static struct upkeep upkeep;
static struct upkeep_troubles troubles;
static struct mono now;

/* So many mendings in a row are made at once. */
#define AT_ONCE (QUARREL_WEIGHT_MAX / UPKEEP_WEIGHT)

int
network_restore(struct network *n, unsigned *made)
{
	(void)n;
	looks++;
	*made = missing;
	missing = 0;
	errno = restore_error;
	return restore_error == 0 ? 0 : -1;
}

static const char *ahead;

int
network_rule_ahead(struct network *n, char *text, size_t size)
{
	(void)n;
	strlcpy(text, ahead, size);
	return 0;
}

bool
network_has_v6(const struct network *n)
{
	(void)n;
	return true;
}

void
sysctls_keep(bool has_v6, struct sysctl_report *r)
{
	(void)has_v6;
	*r = sysctls;
}

static int
set_up(void **state)
{
	(void)state;
	now = (struct mono){ 0 };
	missing = looks = 0;
	restore_error = 0;
	ahead = "";
	sysctls = (struct sysctl_report){ 0 };
	troubles = (struct upkeep_troubles){ 0 };
	upkeep_init(&upkeep, NULL, now);
	return 0;
}

static int
look_after(int64_t ms)
{
	now = mono_add_ms(now, ms);
	return upkeep_look(&upkeep, now, &troubles);
}

/* True when it was put back. */
static bool
undo_after(int64_t ms)
{
	missing = NETWORK_RULES;
	assert_int_equal(look_after(ms), 0);
	return missing == 0;
}

static void
a_reload_is_mended_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < AT_ONCE - 1; i++)
		assert_true(undo_after(100));
	assert_string_equal(troubles.routing, "");
	assert_true(mono_is_never(upkeep_deadline(&upkeep)));
	/* One that has lasted begins anew. */
	for (int i = 0; i < 10 * AT_ONCE; i++)
		assert_true(undo_after(QUARREL_LASTING_MS));
	assert_string_equal(troubles.routing, "");
}

static void
a_quarrel_is_left_off(void **state)
{
	int64_t pause = QUARREL_PAUSE_MS;

	(void)state;
	for (int i = 0; i < AT_ONCE; i++)
		assert_true(undo_after(100));
	for (int i = 0; i < 10; i++) {
		assert_non_null(strstr(troubles.routing, "again and again"));
		assert_false(undo_after(1));
		assert_int_equal(mono_ms_between(now, upkeep_deadline(&upkeep)),
		    pause - 1);
		assert_true(undo_after(pause - 1));
		pause *= 2;
		if (pause > QUARREL_PAUSE_MAX_MS)
			pause = QUARREL_PAUSE_MAX_MS;
	}
	/* It is over when it has lasted, and forgotten. */
	assert_int_equal(look_after(pause), 0);
	assert_string_equal(troubles.routing, "");
	assert_true(mono_is_never(upkeep_deadline(&upkeep)));
	assert_true(undo_after(1));
	assert_true(undo_after(1));
	assert_string_equal(troubles.routing, "");
}

/* It is not over before, and looks for that by itself. */
static void
a_short_peace_is_none(void **state)
{
	(void)state;
	for (int i = 0; i < AT_ONCE; i++)
		(void)undo_after(100);
	assert_int_equal(look_after(QUARREL_PAUSE_MS), 0);
	assert_non_null(strstr(troubles.routing, "again and again"));
	assert_int_equal(mono_ms_between(now, upkeep_deadline(&upkeep)),
	    QUARREL_LASTING_MS - QUARREL_PAUSE_MS);
	assert_int_equal(
	    look_after(QUARREL_LASTING_MS - QUARREL_PAUSE_MS), 0);
	assert_string_equal(troubles.routing, "");
}

/* A pause that is longer than that does not keep from seeing it. */
static void
peace_is_seen_within_a_pause(void **state)
{
	(void)state;
	for (int i = 0; i < AT_ONCE; i++)
		(void)undo_after(100);
	while (mono_ms_between(now, upkeep.quarrel.not_before) <=
	    QUARREL_LASTING_MS) {
		assert_false(undo_after(1));
		now = upkeep_deadline(&upkeep);
		assert_true(undo_after(0));
	}
	assert_int_equal(mono_ms_between(now, upkeep_deadline(&upkeep)),
	    QUARREL_LASTING_MS);
	assert_int_equal(look_after(QUARREL_LASTING_MS), 0);
	assert_string_equal(troubles.routing, "");
	assert_true(mono_is_never(upkeep_deadline(&upkeep)));
}

static void
what_cannot_be_mended_is_trouble(void **state)
{
	(void)state;
	restore_error = EACCES;
	strcpy(sysctls.missing, "net.ipv4.ip_forward=1");
	assert_int_equal(look_after(0), 0);
	assert_non_null(strstr(troubles.routing, "Permission denied"));
	assert_non_null(strstr(
	    troubles.settings, "sysctl -w net.ipv4.ip_forward=1"));
	assert_int_equal(mono_ms_between(now, upkeep_deadline(&upkeep)),
	    UPKEEP_AGAIN_MS);
	restore_error = 0;
	sysctls.missing[0] = '\0';
	assert_int_equal(look_after(100), 0);
	assert_string_equal(troubles.routing, "");
	assert_string_equal(troubles.settings, "");
	assert_true(mono_is_never(upkeep_deadline(&upkeep)));
	restore_error = ENODEV;
	assert_int_equal(look_after(100), -1);
}

#define T(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reload_is_mended_at_once),
		T(a_quarrel_is_left_off),
		T(a_short_peace_is_none),
		T(peace_is_seen_within_a_pause),
		T(what_cannot_be_mended_is_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
