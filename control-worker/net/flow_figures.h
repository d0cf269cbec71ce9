/* Where the flow logs stand, for whoever shows it. */
#ifndef CONTROL_WORKER_NET_FLOW_FIGURES_H
#define CONTROL_WORKER_NET_FLOW_FIGURES_H

#include <stdint.h>

struct flow_figures {
	uint64_t spool_bytes;     /* in use, or reserved */
	uint64_t spool_bytes_max; /* 0: there is no spool */
	/* Since this process began: */
	uint64_t uploaded, dropped; /* reports to the portal */
	uint64_t lines, lines_lost; /* for people: sink.h */
};

#endif /* CONTROL_WORKER_NET_FLOW_FIGURES_H */
