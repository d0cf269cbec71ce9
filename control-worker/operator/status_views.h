/* Parts of the text form that have files of their own: see status.h. */
#ifndef CONTROL_WORKER_OPERATOR_STATUS_VIEWS_H
#define CONTROL_WORKER_OPERATOR_STATUS_VIEWS_H

#include "control-worker/operator/status.h"

#define SHORT_ID 8 /* digits of an id that tell it from others, mostly */

/* status_text.c */
/* An empty line, unless the table is the first text. */
void open_table(struct status *);
/* "-" where there is no text; cut unless the table is wide. */
void write_cell(struct status *, const char *text, size_t columns);

/* grants_text.c */
void write_grant(
    struct status *, size_t i, const struct ipc_query_grant *, uint64_t now);
void write_resource(struct status *, size_t i, const struct tallied *);
/* A network, a pattern, or "the Internet" */
const char *grant_address(
    const struct ipc_query_grant *, char to[PATTERN_MAX + 1]);
/* "tcp/80, udp/53-54, icmp", "everything"; at its end how many did not fit. */
void format_filters(const struct ipc_query_grant *, char *to, size_t size);
void format_filter(const struct filter *, char to[24]);

/* flows_text.c */
void write_flow(struct status *, size_t i, const struct ipc_query_flow *);
void write_flow_headings(struct status *);
void write_flow_event(struct status *, const struct flow_event *);
/* Chosen by a client, so that all but ASCII is replaced. */
const char *flow_domain(const struct ipc_query_flow *, char to[DOMAIN_MAX + 1]);

/* explain_text.c */
/*
 * How many packets of all clients have gone to the resource that lets this one
 * pass, and come back. False where none does, or it has no meter of its own.
 */
bool explained_traffic(const struct status *, const struct explained_packet *,
    uint64_t *sent, uint64_t *back);
void write_explained(
    struct status *, const struct explained_packet *, uint64_t now);

#endif /* CONTROL_WORKER_OPERATOR_STATUS_VIEWS_H */
