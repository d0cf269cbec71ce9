/* What became of the queries that clients put to the DNS server on the tunnel.
 */
#ifndef CONTROL_WORKER_NET_DNS_OUTCOME_H
#define CONTROL_WORKER_NET_DNS_OUTCOME_H

enum dns_outcome {
	DNS_OUTCOME_ANSWERED,
	DNS_OUTCOME_NO_NAME,
	DNS_OUTCOME_REFUSED, /* by the servers of resolv.conf, SERVFAIL as well
			      */
	DNS_OUTCOME_UNANSWERED, /* by them, so that SERVFAIL is ours */
	DNS_OUTCOMES,
};

#endif /* CONTROL_WORKER_NET_DNS_OUTCOME_H */
