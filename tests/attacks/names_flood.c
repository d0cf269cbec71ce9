/*
 * A client that has filled its table of names assigns them anew as often as it
 * is allowed to. Each time its policy has to be compiled, which takes longer
 * the more there is; what that costs the thread in a second is printed and
 * bounded, and everything is in force and told soon after.
 */
#include <stdio.h>
#include <time.h>

#include "net-worker/core/policy/grants.h"
#include "tests/lib/dataplane.h"

#define MESSAGES      170 /* that fill the table */
#define PROXIES       96  /* of each: 16 320 in all */
#define RESOURCES     32  /* of each proxy */
#define PER_SECOND    100 /* what control-worker lets through */
#define COMPILED_MAX  6
#define TOLD_IN_MS    1000

static void
grant_names(struct rig *r, unsigned resource)
{
	struct ipc_authorization a = authorization(r);

	a.resource.bytes[0] = (uint8_t)(0x77 + resource);
	a.type = RESOURCE_DNS;
	memset(&a.network, 0, sizeof(a.network));
	strlcpy(a.pattern, "**.example.com", sizeof(a.pattern));
	tell(r, authorization, &a);
	settle(r);
}

/* The linker puts this one in between: what is counted is compiled. */
static unsigned compiled;
struct policy *__real_grants_compile(const struct grants *,
    const struct ip_address *, const struct ip_address *,
    const struct site_networks *, bool);
struct policy *__wrap_grants_compile(const struct grants *,
    const struct ip_address *, const struct ip_address *,
    const struct site_networks *, bool);

struct policy *
__wrap_grants_compile(const struct grants *client, const struct ip_address *v4,
    const struct ip_address *v6, const struct site_networks *site,
    bool expose_host)
{
	compiled++;
	return __real_grants_compile(client, v4, v6, site, expose_host);
}

/* The client shows that it is there. */
static void
turn(struct rig *r)
{
	uint8_t keepalive[MESSAGE_DATA_MIN];

	by_hand_set_time(r->dp, r->now);
	by_hand_timeout(r->dp);
	session_seal(&r->session, r->aead, NULL, 0, keepalive);
	receive(r, "192.0.2.7:50000", "10.0.0.4:52625", keepalive,
	    sizeof(keepalive));
}

static void
assign_names(struct rig *r, unsigned resource, unsigned n, uint8_t address)
{
	struct ipc_name_resolved m = {
		.client = { { 0xc1 } },
		.resource = { { (uint8_t)(0x77 + resource) } },
		.proxies_count = PROXIES,
		.addresses_count = 1,
		.installed = "in force",
	};

	snprintf(m.domain, sizeof(m.domain), "n%u.example.com", n / 6);
	for (unsigned i = 0; i < PROXIES; i++) {
		m.proxies[i].family = IP_V4;
		store_be32(m.proxies[i].bytes,
		    0x64600000 + 1 + n * PROXIES + i);
	}
	m.addresses[0] = at("10.0.7.0:0").ip;
	m.addresses[0].bytes[3] = address;
	tell(r, name_resolved, &m);
}

static double
thread_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
work_is_bounded(void **state)
{
	struct rig *r = *state;
	double start;

	connected(r);
	for (unsigned i = 0; i < RESOURCES; i++)
		grant_names(r, i);
	for (unsigned n = 0; n < RESOURCES * MESSAGES; n++) {
		assign_names(r, n % RESOURCES, n / RESOURCES, 1);
		r->now = mono_add_ms(r->now, 10);
		turn(r);
	}
	r->now = mono_add_ms(r->now, 1000);
	turn(r);
	assert_int_equal(r->tellings, RESOURCES * MESSAGES);

	r->tellings = compiled = 0;
	start = thread_ms();
	for (unsigned n = 0; n < PER_SECOND; n++) {
		assign_names(r, 0, n, (uint8_t)(2 + n % 2));
		r->now = mono_add_ms(r->now, 1000 / PER_SECOND);
		turn(r);
	}
	printf("%u assignments in a second, %u proxies: %u policies, %.0f ms\n",
	    PER_SECOND, MESSAGES * PROXIES, compiled, thread_ms() - start);
	assert_in_range(compiled, 1, COMPILED_MAX);
	for (int ms = 0; ms < TOLD_IN_MS; ms += 10) {
		r->now = mono_add_ms(r->now, 10);
		turn(r);
	}
	assert_int_equal(r->tellings, PER_SECOND);
	/* Nothing is done twice. */
	assert_in_range(compiled, 1, COMPILED_MAX + 1);
}

/* Few names are in force, and the client told so, at once. */
static void
few_names_do_not_wait(void **state)
{
	struct rig *r = *state;

	connected(r);
	grant_names(r, 0);
	r->tellings = 0;
	for (unsigned n = 0; n < 3; n++) {
		assign_names(r, 0, n, 1);
		settle(r);
		assert_int_equal(r->tellings, n + 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    work_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    few_names_do_not_wait, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
