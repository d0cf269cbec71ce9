/*
 * What a report about a flow says of the way its packets took:
 * firezone-policy(7), Flows ("outer path").
 */
#ifndef COMMON_FLOW_H
#define COMMON_FLOW_H

#include <stdint.h>

#include "common/address.h"
#include "common/bounds.h"

/* What lines about flows are written to, for people. */
enum flow_sink_kind {
	FLOW_SINK_NONE,
	FLOW_SINK_FILE,
	FLOW_SINK_STREAM,  /* where the parent's log goes */
	FLOW_SINK_SYSLOG,  /* datagrams as syslog(3) sends them */
	FLOW_SINK_JOURNAL, /* as sd_journal_send(3) does */
};

/*
 * A line about a flow on its way from control-worker to the parent, which takes
 * it for text of a stranger (CONTROL_FLOW_SINK): the members of one flat JSON
 * object without its braces, nor any brace in them. For the journal alone '\n'
 * and a field NAME=value follow, as often as there are any.
 */
#define FLOW_RECORD_MAX \
	3968 /* bytes; with what is added a pipe takes it whole */

/* The datagram that showed the path: where from, at which address of ours. */
struct flow_path {
	struct endpoint from; /* the client or a relay; IP_NONE: not known */
	struct endpoint local;
	uint64_t at; /* unix nanoseconds */
};

#endif /* COMMON_FLOW_H */
