/*
 * What posternctl(8) and control-worker agree upon, beside the requests
 * (control-worker/operator/ctl_request.h) and the form of the answers
 * (control-worker/operator/ctl.h).
 */
#ifndef COMMON_CTL_H
#define COMMON_CTL_H

/* Where posternctl finds posternd, unless both are told otherwise. */
#define CTL_SOCKET "/run/postern/postern.sock"

/*
 * In an answer that goes on for as long as it is read: there is nothing new,
 * but control-worker is alive. Not to be printed.
 */
#define CTL_ALIVE '\x16'

#endif /* COMMON_CTL_H */
