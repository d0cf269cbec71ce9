/*
 * All that a report of a bug needs, in one file that can be read before it is
 * sent: what posternd tells of itself, what the host is, and no secret.
 */
#ifndef PARENT_DEBUG_REPORT_H
#define PARENT_DEBUG_REPORT_H

#include <stdbool.h>

/*
 * From the posternd at the socket into a new file; output NULL: named by the
 * time; "-": standard output. The status to exit with.
 */
int debug_report(const char *socket, const char *output, bool masked);

#endif /* PARENT_DEBUG_REPORT_H */
