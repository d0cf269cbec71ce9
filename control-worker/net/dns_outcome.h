/* What becomes of queries that clients put to the tunnel's DNS server. */
#ifndef CONTROL_WORKER_NET_DNS_OUTCOME_H
#define CONTROL_WORKER_NET_DNS_OUTCOME_H

enum dns_outcome {
	DNS_OUTCOME_ANSWERED,
	DNS_OUTCOME_NO_NAME,
	DNS_OUTCOME_REFUSED,    /* a server's own error, such as SERVFAIL */
	DNS_OUTCOME_UNANSWERED, /* no server answers: the SERVFAIL is ours */
	DNS_OUTCOMES,
};

#endif /* CONTROL_WORKER_NET_DNS_OUTCOME_H */
