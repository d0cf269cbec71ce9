/*
 * A report about a flow as text: the JSON that the server takes
 * (firezone-policy(7), Flow reports), its name until then, and the files that
 * once held one each (Spool). No I/O.
 *
 * The JSON is compact and its keys are sorted, so that the checksum of the file
 * is the checksum of the payload's very bytes, and a reader needs no second
 * form of it.
 */
#ifndef CONTROL_WORKER_FLOW_RECORD_H
#define CONTROL_WORKER_FLOW_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"

#define FLOW_PAYLOAD_MAX 8192
#define FLOW_FILE_MAX    (FLOW_PAYLOAD_MAX + 64)
#define FLOW_TIME_MAX    32 /* with its terminator */
/* "1700000000-0123456789abcdef.start.json", with its terminator */
#define FLOW_NAME_MAX 40
/* Of it, what the names of a flow's start and end have in common. */
#define FLOW_STEM_LEN (10 + 1 + 16)

/* RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a fraction. */
const char *flow_time_format(uint64_t ns, char to[FLOW_TIME_MAX]);

/*
 * The length of the payload, which is terminated too; 0 when no server would
 * take such a report: protocol, addresses or, at the end of a flow, the paths
 * are missing.
 */
size_t flow_payload_format(
    const struct ipc_flow *, char to[FLOW_PAYLOAD_MAX + 1]);

/*
 * Whether it is an object of JSON: it is to be put into a message to the server
 * as it is.
 */
bool flow_payload_check(const char *text, size_t len);

/*
 * Finds the payload in a file of one report, as they were before segment.h:
 * {"checksum":CRC-32,"payload":{...}}. False when it is not what was written.
 */
bool flow_file_parse(
    const char *file, size_t len, const char **payload, size_t *payload_len);

/*
 * The name of the file: equal for equal reports whoever names them, and in the
 * order of age.
 */
const char *flow_name_format(const struct ipc_flow *, char to[FLOW_NAME_MAX]);
/* Whether it is one, and then whether of the end of a flow. */
bool flow_name_parse(const char *name, bool *closed);
/* The name of the start from that of the end. */
const char *flow_name_of_start(const char *end, char to[FLOW_NAME_MAX]);
/* And the other way. */
const char *flow_name_of_end(const char *start, char to[FLOW_NAME_MAX]);

#endif /* CONTROL_WORKER_FLOW_RECORD_H */
