/*
 * What posternctl(8) and who answers it agree upon, beside requests
 * (control-worker/operator/ctl_request.h) and the text of answers.
 */
#ifndef COMMON_CTL_H
#define COMMON_CTL_H

/*
 * In an answer that has no end: nothing is new, and somebody is there. Not to
 * be shown.
 */
#define CTL_ALIVE '\x16'

#endif /* COMMON_CTL_H */
