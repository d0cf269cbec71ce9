/* Where the flow logs stand, for whoever shows it. */
#ifndef CONTROL_WORKER_NET_FLOW_FIGURES_H
#define CONTROL_WORKER_NET_FLOW_FIGURES_H

#include <stdint.h>

struct flow_figures {
	uint64_t spool_bytes;     /* taken or promised */
	uint64_t spool_bytes_max; /* 0: there is no spool */
	/* Reports, since this process began. */
	uint64_t uploaded, dropped;
	/* Lines for people, likewise. */
	uint64_t lines, lines_lost;
};

#endif /* CONTROL_WORKER_NET_FLOW_FIGURES_H */
