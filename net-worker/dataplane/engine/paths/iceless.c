/* Paths without ICE behind the interface of agent.h: see iceless.h. */
#include "net-worker/dataplane/engine/paths/iceless.h"

#include <stdlib.h>

#include "net-worker/core/iceless/agent.h"
#include "net-worker/core/iceless/candidate_line.h"

struct iceless_path_agent {
	struct path_agent agent; /* first */
	struct iceless_agent *iceless;
};

static struct iceless_agent *
iceless_of(const struct path_agent *agent)
{
	return ((const struct iceless_path_agent *)agent)->iceless;
}

static void
iceless_free(struct path_agent *agent)
{
	iceless_agent_free(iceless_of(agent));
	free(agent);
}

static bool
iceless_has_terms(
    const struct path_agent *agent, const struct path_terms *terms)
{
	(void)agent;
	return terms->iceless;
}

static bool
iceless_add_local(struct path_agent *agent, struct mono now,
    const struct candidate *candidate, struct candidate *announce)
{
	*announce = *candidate;
	return iceless_agent_add_local(iceless_of(agent), now, candidate);
}

static bool
iceless_remove_local(struct path_agent *agent, struct mono now,
    const struct candidate *candidate, struct candidate *withdraw)
{
	return iceless_agent_remove_local(
	    iceless_of(agent), now, candidate, withdraw);
}

static const struct candidate *
iceless_get_local(const struct path_agent *agent, size_t i)
{
	return iceless_agent_get_local(iceless_of(agent), i);
}

static const char *
iceless_format(const struct path_agent *agent,
    const struct candidate *candidate, bool withdrawn,
    char to[CANDIDATE_LINE_MAX])
{
	(void)agent;
	(void)withdrawn;
	return iceless_candidate_format(candidate, to);
}

static enum candidate_parse_result
iceless_parse(
    const struct path_agent *agent, const char *line, struct candidate *to)
{
	(void)agent;
	return iceless_candidate_parse(line, to) ? CANDIDATE_OK
						 : CANDIDATE_MALFORMED;
}

static bool
iceless_add_remote(struct path_agent *agent, struct mono now,
    const struct candidate *candidate)
{
	return iceless_agent_add_remote(iceless_of(agent), now, candidate);
}

static void
iceless_remove_remote(struct path_agent *agent, struct mono now,
    const struct candidate *candidate)
{
	iceless_agent_remove_remote(iceless_of(agent), now, candidate);
}

static void
iceless_sign(struct path_agent *agent, struct mono now, enum path_sign sign,
    const struct path *path)
{
	struct iceless_agent *a = iceless_of(agent);

	switch (sign) {
	case PATH_SIGN_HEARD:
	case PATH_SIGN_REMINDED:
		break;
	case PATH_SIGN_UNANSWERED:
		iceless_agent_unanswered(a, now);
		break;
	case PATH_SIGN_INITIATION:
		iceless_agent_initiation(a, now, path);
		break;
	case PATH_SIGN_RESPONSE:
		iceless_agent_response(a, now, path);
		break;
	case PATH_SIGN_INITIATED:
		iceless_agent_initiated(a, now);
		break;
	case PATH_SIGN_DATA:
		iceless_agent_heard(a);
		break;
	case PATH_SIGN_RELAY_GONE:
		iceless_agent_relay_gone(a, now, &path->remote.ip);
		break;
	}
}

static void
iceless_probe(struct path_agent *agent, struct mono now,
    const struct path *path, const struct probe *probe)
{
	iceless_agent_probe(iceless_of(agent), now, path, probe);
}

/* A new path before requests: what is asked on it is asked where we send. */
static bool
iceless_event(struct path_agent *agent, struct path_event *to)
{
	struct iceless_agent *a = iceless_of(agent);

	if (iceless_agent_event(a, &to->path, &to->remote_kind)) {
		to->type = PATH_NOMINATED;
		return true;
	}
	if (iceless_agent_base(a, &to->path.local, &to->withdrawn)) {
		to->type = PATH_BASE;
		return true;
	}
	to->type = PATH_PROBE;
	return iceless_agent_transmit(a, &to->path, &to->probe);
}

static struct mono
iceless_deadline(const struct path_agent *agent)
{
	return iceless_agent_deadline(iceless_of(agent));
}

static void
iceless_timeout(struct path_agent *agent, struct mono now)
{
	iceless_agent_timeout(iceless_of(agent), now);
}

/* It asks seldom enough at all times. */
static bool
iceless_may_idle(const struct path_agent *agent)
{
	(void)agent;
	return true;
}

static void
iceless_set_idle(struct path_agent *agent, struct mono now, bool idle)
{
	(void)agent;
	(void)now;
	(void)idle;
}

static const struct path_agent_kind iceless_kind = {
	.answers_on_arrival = true,
	.free = iceless_free,
	.has_terms = iceless_has_terms,
	.add_local = iceless_add_local,
	.remove_local = iceless_remove_local,
	.get_local = iceless_get_local,
	.format = iceless_format,
	.parse = iceless_parse,
	.add_remote = iceless_add_remote,
	.remove_remote = iceless_remove_remote,
	.sign = iceless_sign,
	.probe = iceless_probe,
	.event = iceless_event,
	.deadline = iceless_deadline,
	.timeout = iceless_timeout,
	.may_idle = iceless_may_idle,
	.set_idle = iceless_set_idle,
};

struct path_agent *
iceless_path_agent_new(void)
{
	struct iceless_path_agent *a = calloc(1, sizeof(*a));

	if (a == NULL || (a->iceless = iceless_agent_new()) == NULL) {
		free(a);
		return NULL;
	}
	a->agent.kind = &iceless_kind;
	return &a->agent;
}
