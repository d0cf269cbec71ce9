/*
 * What finds the paths of a connection, as the rest of this folder sees it: the
 * one interface behind which every kind of agent lies. It is offered candidates
 * of both sides and says what is to be sent between which ends, and which ends
 * it has chosen. How its peer's messages find it is each kind's own (ice.h).
 *
 * Sans-IO, like all of the data plane; see core/ice/agent.h for what the calls
 * mean in detail.
 */
#ifndef NET_WORKER_DATAPLANE_ENGINE_PATHS_AGENT_H
#define NET_WORKER_DATAPLANE_ENGINE_PATHS_AGENT_H

#include "net-worker/core/ice/agent.h"
#include "net-worker/dataplane/engine/paths/paths.h"

/* A datagram between the ends of a path; how it gets there is route.c's. */
struct path_message {
	struct path path;
	const uint8_t *data; /* until the next message of any agent */
	size_t length;
};

struct path_agent {
	const struct path_agent_kind *kind;
};

struct path_agent_kind {
	/* Handshakes go back by where they came; else by the chosen path. */
	bool answers_on_arrival;

	void (*free)(struct path_agent *); /* wipes credentials */
	/* Whether it was made for these. */
	bool (*has_terms)(const struct path_agent *, const struct path_terms *);

	/* True: it is new to the peer, and to be announced as copied. */
	bool (*add_local)(struct path_agent *, struct mono,
	    const struct candidate *, struct candidate *announce);
	/* True: it was live, and is to be withdrawn as copied. */
	bool (*remove_local)(struct path_agent *, struct mono,
	    const struct candidate *, struct candidate *withdraw);
	/* The live ones from i = 0, best first; NULL at the end. */
	const struct candidate *(*get_local)(
	    const struct path_agent *, size_t i);
	/* As lines of text, the kind's way; withdrawn: as in withdrawals. */
	const char *(*format)(const struct path_agent *,
	    const struct candidate *, bool withdrawn,
	    char to[CANDIDATE_LINE_MAX]);
	enum candidate_parse_result (*parse)(
	    const struct path_agent *, const char *line, struct candidate *);
	/* False: it is refused, or nothing new. */
	bool (*add_remote)(
	    struct path_agent *, struct mono, const struct candidate *);
	void (*remove_remote)(
	    struct path_agent *, struct mono, const struct candidate *);

	/* What comes and goes besides the agent's own messages. */
	void (*sign)(struct path_agent *, struct mono, enum path_sign,
	    const struct path *);
	/* NULL: its messages are none. */
	void (*probe)(struct path_agent *, struct mono, const struct path *,
	    const struct probe *);

	/*
	 * To be drained after every call, messages before events. NULL: it has
	 * no messages.
	 */
	bool (*transmit)(struct path_agent *, struct path_message *);
	bool (*event)(struct path_agent *, struct path_event *);
	struct mono (*deadline)(const struct path_agent *);
	void (*timeout)(struct path_agent *, struct mono);
	/* The connection is quiet; false where the agent is too busy for it. */
	bool (*may_idle)(const struct path_agent *);
	void (*set_idle)(struct path_agent *, struct mono, bool idle);
};

#endif /* NET_WORKER_DATAPLANE_ENGINE_PATHS_AGENT_H */
