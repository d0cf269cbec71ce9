/* What an ICE agent does about paths that have fallen silent, step by step. */
#ifndef TESTS_LIB_ICE_WATCH_H
#define TESTS_LIB_ICE_WATCH_H

#include "tests/lib/ice_paths.h"

#define SECOND_HOST "10.8.0.4:52625"
#define OTHER       "203.0.113.98:4444" /* the Client's, direct as well */

static inline struct mono
after(int64_t ms)
{
	return mono_add_ms(start, ms);
}

/* All that the owner has to be told of paths and bases, in order. */
static inline const char *
told(struct ice_agent *agent)
{
	static const char *const words[] = {
		[ICE_EVENT_NOMINATED] = "path",
		[ICE_EVENT_PATH_LOST] = "lost",
		[ICE_EVENT_LEAVE] = "leave",
		[ICE_EVENT_RETURN] = "return",
	};
	static char all[1024];
	struct ice_event event;
	size_t len = 0;

	all[0] = '\0';
	while (next_path(agent, &event)) {
		char local[ENDPOINT_TEXT_MAX] = "", remote[ENDPOINT_TEXT_MAX];

		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s",
		    len == 0 ? "" : ", ", words[event.type]);
		if (event.type != ICE_EVENT_PATH_LOST)
			len += (size_t)snprintf(all + len, sizeof(all) - len,
			    " %s", endpoint_format(&event.path.local, local));
		if (event.type == ICE_EVENT_NOMINATED)
			len += (size_t)snprintf(all + len, sizeof(all) - len,
			    " %s", endpoint_format(&event.path.remote, remote));
		assert_true(len < sizeof(all));
	}
	return all;
}

/* The same, in the time up to end. */
static inline void
assert_told(struct ice_agent *agent, struct mono end, const char *want)
{
	run_to(agent, end);
	assert_string_equal(told(agent), want);
}

static inline void
heard(struct ice_agent *agent, struct mono now, const char *local,
    const char *remote)
{
	struct endpoint to = at(local), from = at(remote);

	ice_agent_heard(agent, now, &to, &from);
}

/* The Client checks there, and chooses nothing by it. */
static inline void
checked(struct ice_agent *agent, struct mono now, const char *local,
    const char *remote)
{
	assert_true(request(agent, now, local, remote, 0));
}

/* How often the agent checks between these ends, to that time. */
static inline unsigned
checks_until(struct ice_agent *agent, struct mono end, const char *local,
    const char *remote)
{
	struct endpoint from = at(local), to = at(remote);
	struct ice_message out;
	struct stun_message m;
	unsigned n = 0;

	for (;;) {
		while (ice_agent_transmit(agent, &out)) {
			assert_true(stun_parse(out.data, out.length, &m));
			n += m.type == STUN_BINDING_REQUEST &&
			    endpoint_equal(&out.path.local, &from) &&
			    endpoint_equal(&out.path.remote, &to);
		}
		if (!mono_due(ice_agent_deadline(agent), end))
			return n;
		ice_agent_timeout(agent, ice_agent_deadline(agent));
	}
}

static inline int
with_two_paths(void **state)
{
	*state = make_two_paths();
	return 0;
}

static inline int
free_agent(void **state)
{
	ice_agent_free(*state);
	return 0;
}

/* A test that begins with these paths, in the state. */
#define AGENT_TEST(paths, name) \
	cmocka_unit_test_setup_teardown(name, paths, free_agent)

#endif /* TESTS_LIB_ICE_WATCH_H */
