/*
 * What people want to know of a TLS connection: the version of the protocol,
 * and who issued the server's certificate, also where that is not trusted.
 * Nothing is decided by it: libcurl verifies.
 */
#ifndef CONTROL_WORKER_NET_TLS_SUMMARY_H
#define CONTROL_WORKER_NET_TLS_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#define TLS_ISSUER_MAX 127

struct tls_summary {
	char version[16]; /* "TLSv1.3"; empty before there is a connection */
	bool has_certificate;
	/* Of the server's certificate: printable ASCII, others are '?'. */
	char issuer[TLS_ISSUER_MAX + 1];
	uint64_t not_before, not_after; /* unix seconds */
};

/*
 * Fills the summary in while the handshake goes on, which it has to outlive. To
 * be called before the transfer begins. False when libcurl does not let us
 * look.
 */
bool tls_summary_watch(CURL *, struct tls_summary *);

#endif /* CONTROL_WORKER_NET_TLS_SUMMARY_H */
